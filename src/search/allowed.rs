//! The chats that a person may read, and from where on: what a search is cut to before any message
//! is looked at.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::chats::Readable;
use crate::model::{MessageId, Stream};

/// 16 people who search at once, as some dozens do who type on: 2 MiB at the most.
const MAX_READERS: usize = 16;
/// 16,384 runs of messages, of 8 bytes each, are kept for one of them, the list of their chats
/// included: 64 chats and 20 rooms have 6,600 among 10 million messages in 319,000 chats.
const MAX_RUNS: usize = 1 << 14;
/// What one of their chats takes: as much as two runs.
const RUNS_A_CHAT: usize = 2;

/// A chat as the index numbers it.
pub(super) type ChatKey = u64;

/// Returns the key of a chat; `None` for what is no chat.
pub(super) fn key_of(stream: Stream) -> Option<ChatKey> {
    match stream {
        Stream::Pair(conversation) => Some(conversation.get() << 1),
        Stream::Room(room) => Some(room.get() << 1 | 1),
        Stream::Own(_) => None,
    }
}

/// The chats that a person may read.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    /// Ascending by key, each with the greatest id that they may not read of it.
    chats: Vec<(ChatKey, u64)>,
    known: Mutex<Known>,
}

/// Which messages of each file are of these chats, as far as that was looked up.
#[derive(Debug, Default)]
struct Known {
    /// By the numbers of the files, of which none is ever given to another one.
    files: FxHashMap<u64, Arc<Readable>>,
    runs: usize,
}

/// Those who searched last, with what is known of the files for each of them.
#[derive(Debug, Default)]
pub(super) struct Readers {
    last: Mutex<Vec<Arc<Allowed>>>,
}

impl Readers {
    /// Returns the same chats, with what is known for them.
    pub(super) fn known(&self, allowed: Allowed) -> Arc<Allowed> {
        let mut last = self.last.lock();
        let place = last.iter().position(|known| known.chats == allowed.chats);
        let known = place.map_or_else(|| Arc::new(allowed), |place| last.remove(place));
        // Of one who is in so many chats that there is no room for more, nothing is kept.
        if known.len() * RUNS_A_CHAT <= MAX_RUNS {
            if last.len() == MAX_READERS {
                last.remove(0);
            }
            last.push(Arc::clone(&known));
        }
        known
    }

    /// Forgets what is known of the files, since some are gone.
    pub(super) fn forget(&self) {
        self.last.lock().clear();
    }
}

#[cfg(test)]
impl Readers {
    /// Of how many files something is known, for all of them.
    pub(super) fn files_known(&self) -> usize {
        let last = self.last.lock();
        let files = last.iter().map(|known| known.known.lock().files.len());
        files.sum()
    }
}

impl Allowed {
    /// Takes the chats, each with the greatest message that may not be read.
    pub(super) fn of(chats: impl IntoIterator<Item = (Stream, Option<MessageId>)>) -> Self {
        let keyed = chats.into_iter().filter_map(|(stream, floor)| {
            let floor = floor.map_or(0, MessageId::get);
            Some((key_of(stream)?, floor))
        });
        let mut chats: Vec<_> = keyed.collect();
        chats.sort_unstable();
        chats.dedup_by_key(|(key, _)| *key);
        Self {
            chats,
            known: Mutex::default(),
        }
    }

    /// Returns which messages of a file are of these chats, where that is known.
    pub(super) fn known(&self, file: u64) -> Option<Arc<Readable>> {
        self.known.lock().files.get(&file).cloned()
    }

    /// Keeps which messages of a file are of these chats, as far as there is room for it.
    pub(super) fn keep(&self, file: u64, readable: &Arc<Readable>) {
        let mut known = self.known.lock();
        if self.len() * RUNS_A_CHAT + known.runs + readable.size() <= MAX_RUNS {
            known.runs += readable.size();
            known.files.insert(file, Arc::clone(readable));
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.chats.len()
    }

    /// The chats, ascending.
    pub(super) fn chats(&self) -> &[(ChatKey, u64)] {
        &self.chats
    }

    /// Returns the greatest message that may not be read of a chat, 0 where each may; `None` for a
    /// chat that may not.
    pub(super) fn floor(&self, chat: ChatKey) -> Option<u64> {
        let place = self.chats.binary_search_by_key(&chat, |(key, _)| *key);
        Some(self.chats[place.ok()?].1)
    }

    /// Returns whether a message of a chat may be read.
    pub(super) fn has(&self, chat: ChatKey, message: u64) -> bool {
        self.floor(chat).is_some_and(|floor| message > floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RoomId;

    /// Some rooms, of each the greatest message that may not be read.
    fn rooms(rooms: &[(u64, u64)]) -> Allowed {
        let rooms = rooms.iter().map(|(room, floor)| {
            let room = Stream::Room(RoomId::new(*room).unwrap());
            (room, MessageId::new(*floor).ok())
        });
        Allowed::of(rooms)
    }

    #[test]
    fn what_is_known_of_the_files_is_known_for_the_same_chats_alone() {
        let readers = Readers::default();
        let first = readers.known(rooms(&[(1, 0), (2, 5)]));
        first.keep(7, &Arc::default());
        let again = readers.known(rooms(&[(2, 5), (1, 0)]));
        assert!(Arc::ptr_eq(&first, &again) && again.known(7).is_some());
        for others in [&[(1, 0)][..], &[(1, 0), (2, 6)], &[(1, 0), (2, 5), (3, 0)]] {
            assert!(
                readers.known(rooms(others)).known(7).is_none(),
                "{others:?}"
            );
        }
        // The one who did not search for longest is forgotten first.
        for room in 10..10 + MAX_READERS as u64 - 1 {
            assert!(readers.known(rooms(&[(1, 0), (2, 5)])).known(7).is_some());
            readers.known(rooms(&[(room, 0)]));
        }
        assert!(readers.known(rooms(&[(1, 0)])).known(7).is_none());
        assert!(readers.last.lock().len() == MAX_READERS);
        readers.forget();
        assert!(readers.known(rooms(&[(1, 0), (2, 5)])).known(7).is_none());
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let allowed = rooms(&[(1, 0)]);
        let most = (MAX_RUNS - RUNS_A_CHAT) / Readable::default().size();
        for file in 0..2 * most as u64 {
            allowed.keep(file, &Arc::default());
        }
        assert_eq!(allowed.known.lock().files.len(), most);
        let readers = Readers::default();
        let many = MAX_RUNS as u64 / RUNS_A_CHAT as u64;
        for (rooms_of_one, kept) in [(many + 1, 0), (many, 1)] {
            let rooms_of_one: Vec<_> = (1..=rooms_of_one).map(|room| (room, 0)).collect();
            readers.known(rooms(&rooms_of_one));
            assert_eq!(readers.last.lock().len(), kept);
        }
    }
}
