//! Broadcasts that wait until a socket that is being resumed has heard what it missed.

use crate::budget::Share;
use crate::transport::Frame;

/// 4 MiB of broadcasts are held for a socket that is being resumed. With more, or where there is no
/// room for them, it is closed as a slow consumer, whose client comes back: by then it has missed
/// too much to be resumed.
const MAX_HELD_BYTES: usize = 4 << 20;

/// Broadcasts that are held, with their sequence numbers. Boxed where it stands, since most sockets
/// never have it.
pub(super) struct Held {
    pub(super) frames: Vec<(Option<u64>, Frame)>,
    /// What they take of the memory in which frames wait.
    pub(super) share: Share,
}

impl Held {
    /// Adds a broadcast; returns `false` where there is no room for it.
    pub(super) fn push(&mut self, sequence: Option<u64>, frame: Frame) -> bool {
        let fits = self.share.bytes() + frame.cost() <= MAX_HELD_BYTES;
        let has_room = fits && self.share.grow(frame.cost());
        if has_room {
            self.frames.push((sequence, frame));
        }
        has_room
    }
}
