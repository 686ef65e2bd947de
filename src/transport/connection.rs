//! The application's end of a session.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::frame::Frame;
use super::live::Live;
use crate::budget::Share;
use crate::engineio::CloseReason;

/// How the application speaks to one session. Cheap to clone.
#[derive(Clone)]
pub struct Connection(Arc<Live>);

impl Connection {
    pub(super) fn new(live: Arc<Live>) -> Self {
        Self(live)
    }

    /// Queues a frame; never waits. Returns `false` where the session is closing, or is closed now
    /// because its client does not read.
    pub fn send(&self, frame: Frame) -> bool {
        self.0.send([frame])
    }

    /// Queues frames that nothing may come between: an event and its attachments.
    pub fn send_all(&self, frames: impl IntoIterator<Item = Frame>) -> bool {
        self.0.send(frames)
    }

    /// Returns how much more may be queued for a client that takes nothing meanwhile, and leave as
    /// much to others.
    pub fn room(&self) -> usize {
        self.0.outgoing.room()
    }

    /// Returns a share of the memory in which frames wait, of no bytes yet: for those that are
    /// queued later.
    pub fn share(&self) -> Share {
        self.0.outgoing.share()
    }

    /// Returns the address under which the session is counted, if it is.
    pub fn address(&self) -> Option<IpAddr> {
        self.0.address
    }

    /// Has each poll answered with so many packets at most.
    pub fn bound_polls(&self, packets: u16) {
        self.0.outgoing.bound_polls(packets);
    }

    /// Closes the session once what is queued is sent. Its receiver hears of it later, from another
    /// task.
    pub fn close(&self, reason: CloseReason) {
        self.0.outgoing.close(reason);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection(..)")
    }
}
