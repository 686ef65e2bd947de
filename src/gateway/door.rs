//! What all sockets of the chat share.

use std::sync::Arc;

use super::recovery::Recovery;
use super::{Attendance, Expiry, Outbound};
use crate::verbs::Verbs;

pub(super) struct Door {
    pub(super) verbs: Verbs,
    pub(super) attendance: Arc<Attendance>,
    pub(super) expiry: Arc<Expiry>,
    pub(super) outbound: Arc<Outbound>,
    pub(super) recovery: Recovery,
}
