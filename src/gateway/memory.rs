//! What is remembered of a socket for the one that resumes it.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::chat::Seen;
use crate::model::{EntryId, UserId};

/// 256 read marks, the newest that a socket has asked for itself: it has not heard of these as an
/// event.
const MAX_OWN_MARKS: usize = 256;

/// What is remembered of a socket for the one that resumes it.
#[derive(Default)]
pub(super) struct Memory {
    /// The entries of read marks that it has asked for, ascending.
    pub(super) own_marks: VecDeque<u64>,
    /// Whom it watches.
    pub(super) watched: Vec<Subscribed>,
}

/// A person whose presence a socket has asked for.
#[derive(Clone, Copy)]
pub(super) struct Subscribed {
    pub(super) user: UserId,
    /// What was told of them when the socket was left; `None` where its client may not have heard
    /// that.
    pub(super) heard: Option<Seen>,
}

impl Memory {
    /// Returns how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.own_marks.len() * size_of::<u64>() + self.watched.len() * size_of::<Subscribed>()
    }

    /// Notes that this socket has asked for a read mark.
    pub(super) fn marked(&mut self, entry: EntryId) {
        if self.own_marks.len() >= MAX_OWN_MARKS {
            self.own_marks.pop_front();
        }
        self.own_marks.push_back(entry.get());
    }

    /// Returns whether this entry is a read mark that the socket has asked for.
    pub(super) fn has_marked(&self, entry: u64) -> bool {
        self.own_marks.binary_search(&entry).is_ok()
    }
}

/// A [`Memory`], shared by a socket and the table of sockets.
pub(super) type SharedMemory = Arc<Mutex<Memory>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_read_marks_of_a_socket_are_known_as_its_own() {
        let mut memory = Memory::default();
        for entry in 1..=1_000 {
            memory.marked(EntryId::new(entry * 2).unwrap());
        }
        assert!(memory.has_marked(2_000) && memory.has_marked(2_000 - 2 * 255));
        assert!(!memory.has_marked(1_999), "another's");
        assert_eq!(memory.own_marks.len(), MAX_OWN_MARKS);
    }
}
