//! What is remembered of a socket for the one that resumes it.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::chat::Seen;
use crate::model::{EntryId, UserId};

/// 256 read marks, the newest that a socket has asked for itself: it has not heard of these as an
/// event.
const MAX_OWN_MARKS: usize = 256;

/// What is remembered of a socket for the one that resumes it. Of most there is nothing, ever, and
/// it takes no more than a pointer then.
#[derive(Default)]
pub(super) struct Memory(Option<Box<Remembered>>);

#[derive(Default)]
struct Remembered {
    /// The entries of read marks that it has asked for, ascending.
    own_marks: VecDeque<u64>,
    watched: Vec<Subscribed>,
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
        self.0.as_ref().map_or(0, |this| {
            this.own_marks.len() * size_of::<u64>() + this.watched.len() * size_of::<Subscribed>()
        })
    }

    /// Returns whom the socket watches.
    pub(super) fn watched(&self) -> &[Subscribed] {
        self.0.as_ref().map_or(&[], |this| &this.watched)
    }

    /// Notes whom the socket watches now.
    pub(super) fn watch(&mut self, watched: Vec<Subscribed>) {
        if self.0.is_some() || !watched.is_empty() {
            self.0.get_or_insert_default().watched = watched;
        }
    }

    /// Notes that this socket has asked for a read mark.
    pub(super) fn marked(&mut self, entry: EntryId) {
        let own_marks = &mut self.0.get_or_insert_default().own_marks;
        if own_marks.len() >= MAX_OWN_MARKS {
            own_marks.pop_front();
        }
        own_marks.push_back(entry.get());
    }

    /// Returns whether this entry is a read mark that the socket has asked for.
    pub(super) fn has_marked(&self, entry: u64) -> bool {
        let this = self.0.as_ref();
        this.is_some_and(|this| this.own_marks.binary_search(&entry).is_ok())
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
        assert_eq!(memory.bytes(), MAX_OWN_MARKS * size_of::<u64>());
    }

    #[test]
    fn a_socket_of_which_nothing_is_remembered_costs_two_words_and_its_counts() {
        assert!(size_of::<Mutex<Memory>>() + 16 <= 32);
        let mut memory = Memory::default();
        memory.watch(Vec::new());
        assert!(memory.0.is_none() && !memory.has_marked(1));
    }
}
