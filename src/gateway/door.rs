//! What all sockets of the chat share.

use std::sync::Arc;

use super::recovery::Recovery;
use super::turns::Turns;
use super::{Attendance, Expiry, Outbound};
use crate::contract::Refusal;
use crate::verbs::Verbs;

pub(super) struct Door {
    pub(super) verbs: Verbs,
    pub(super) attendance: Arc<Attendance>,
    pub(super) expiry: Arc<Expiry>,
    pub(super) outbound: Arc<Outbound>,
    pub(super) recovery: Recovery,
    pub(super) turns: Arc<Turns>,
}

impl Door {
    /// Counts a refusal.
    pub(super) fn count(&self, refusal: &Refusal) {
        self.verbs.metrics.events.refused(refusal.code.as_str());
    }
}
