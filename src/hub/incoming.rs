//! Packets of a session that are not complete yet, or wait for their CONNECT.

use std::time::Instant;

use bytes::Bytes;

use crate::budget::Portion;

/// How many bytes of attachments an event may bring in all: as much as four of the largest messages
/// of the reference.
pub(super) const MAX_ATTACHMENT_BYTES: usize = 4_000_000;
/// The attachments that are arriving.
#[derive(Default)]
pub(super) enum Incoming {
    #[default]
    None,
    /// Those of an event that waits for them.
    Assembling(Box<Assembling>),
    /// So many that are of no use.
    Dropping(usize),
}

/// What belongs to a packet.
pub(super) enum Attached {
    All(Vec<Bytes>),
    /// More than are taken.
    Refused,
}

/// A packet that waits.
pub(super) struct Waiting {
    pub(super) text: String,
    pub(super) attached: Attached,
    pub(super) share: Portion,
}

/// An event or ack whose attachments are not all there.
pub(super) struct Assembling {
    pub(super) text: String,
    pub(super) since: Instant,
    pub(super) missing: usize,
    pub(super) attachments: Vec<Bytes>,
    /// The bytes of both.
    pub(super) share: Portion,
}
