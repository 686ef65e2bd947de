//! What one hook has still to tell, and in which order: within a chat one event after the other,
//! and different chats beside each other.
//!
//! A value without a clock of its own. An event waits as its place, some 24 bytes; who takes it
//! reads it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use crate::model::{Stream, UserId};
use crate::store::AccountEvent;

/// So many events at once. With as many waiting no more of the log is read.
pub(super) const MAX_WAITING: usize = 4_096;
/// So many chats may have an event that fails. With as many no other is begun.
const MAX_TRIED: usize = 64;

/// Events of one of these are told one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Chat {
    /// A gap, before which nothing else is told.
    Gap,
    /// What happened to accounts.
    Accounts,
    /// Two people, by the number of their conversation.
    Pair(u64),
    /// A room, by its number.
    Room(u64),
}

impl Chat {
    /// The chat of an entry that is of this stream, or of this room.
    pub(super) fn of(stream: Stream, room: Option<u64>) -> Self {
        match (room, stream) {
            (Some(room), _) => Self::Room(room),
            (None, Stream::Pair(pair)) => Self::Pair(pair.get()),
            (None, Stream::Room(room)) => Self::Room(room.get()),
            (None, Stream::Own(_)) => Self::Accounts,
        }
    }
}

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A gap up to this entry.
    Gap(u64),
    /// Of an account.
    Account(AccountEvent),
    /// An entry of the log, by so many requests.
    Entry {
        /// Which.
        entry: u64,
        /// How many requests tell of it.
        parts: u32,
    },
}

/// An event that is to be told now.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) chat: Chat,
    pub(super) place: Place,
    /// Which of its requests.
    pub(super) part: u32,
    /// How often it is tried, this time included.
    pub(super) tries: u32,
    /// Those who were not there when it was first sent.
    pub(super) offline: Option<Arc<[UserId]>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    InFlight,
    Waiting(Instant),
}

/// The events of one chat, and how the first of them fares.
#[derive(Debug)]
struct Line {
    places: VecDeque<Place>,
    part: u32,
    tries: u32,
    offline: Option<Arc<[UserId]>>,
    state: State,
}

/// All that waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: FxHashMap<Chat, Line>,
    /// Chats whose first event was not tried yet, and can be.
    ready: VecDeque<Chat>,
    /// Those whose first event failed and is due again at some time.
    due: BTreeSet<(Instant, Chat)>,
    /// Entries that are not told yet.
    entries: BTreeSet<u64>,
    /// Numbers of events of accounts that are not told yet.
    accounts: BTreeSet<u64>,
    waiting: usize,
    in_flight: usize,
    /// Chats whose first event has failed.
    tried: usize,
}

impl Queue {
    /// Adds an event behind those of its chat.
    pub(super) fn push(&mut self, chat: Chat, place: Place) {
        match place {
            Place::Entry { entry, .. } => drop(self.entries.insert(entry)),
            Place::Account(event) => drop(self.accounts.insert(event.number)),
            Place::Gap(_) => {}
        }
        self.waiting += 1;
        if let Some(line) = self.lines.get_mut(&chat) {
            line.places.push_back(place);
            return;
        }
        let line = Line {
            places: VecDeque::from([place]),
            part: 0,
            tries: 0,
            offline: None,
            state: State::Ready,
        };
        self.lines.insert(chat, line);
        self.ready.push_back(chat);
    }

    /// Takes an event that can be told now: first such as failed and are due again.
    pub(super) fn take(&mut self, now: Instant) -> Option<Taken> {
        let chat = match self.due.first().copied() {
            Some(due @ (at, chat)) if at <= now => {
                self.due.remove(&due);
                chat
            }
            _ if self.tried >= MAX_TRIED => return None,
            _ => self.ready.pop_front()?,
        };
        let line = self.lines.get_mut(&chat)?;
        let place = *line.places.front()?;
        line.state = State::InFlight;
        line.tries = line.tries.saturating_add(1);
        self.in_flight += 1;
        Some(Taken {
            chat,
            place,
            part: line.part,
            tries: line.tries,
            offline: line.offline.clone(),
        })
    }

    /// The event of this chat that was taken is told, or given up.
    pub(super) fn done(&mut self, chat: Chat) {
        let Some(line) = self.lines.get_mut(&chat) else {
            return;
        };
        self.in_flight -= 1;
        self.tried -= usize::from(line.tries > 1);
        (line.tries, line.offline) = (0, None);
        line.state = State::Ready;
        let has_parts = matches!(
            line.places.front(),
            Some(Place::Entry { parts, .. }) if line.part + 1 < *parts
        );
        if has_parts {
            line.part += 1;
        } else {
            line.part = 0;
            self.waiting -= 1;
            match line.places.pop_front() {
                Some(Place::Entry { entry, .. }) => drop(self.entries.remove(&entry)),
                Some(Place::Account(event)) => drop(self.accounts.remove(&event.number)),
                Some(Place::Gap(_)) | None => {}
            }
        }
        if line.places.is_empty() {
            self.lines.remove(&chat);
        } else {
            self.ready.push_back(chat);
        }
    }

    /// The event of this chat that was taken failed, and is due again at some time.
    pub(super) fn failed(&mut self, chat: Chat, due: Instant, offline: Option<Arc<[UserId]>>) {
        let Some(line) = self.lines.get_mut(&chat) else {
            return;
        };
        self.in_flight -= 1;
        self.tried += usize::from(line.tries == 1);
        line.offline = offline;
        line.state = State::Waiting(due);
        self.due.insert((due, chat));
    }

    /// The receiver is there again: what waits for its time is due now.
    pub(super) fn hasten(&mut self, now: Instant) {
        for (_, chat) in std::mem::take(&mut self.due) {
            if let Some(line) = self.lines.get_mut(&chat) {
                line.state = State::Waiting(now);
                self.due.insert((now, chat));
            }
        }
    }

    /// Returns when the next event that failed is due again.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Returns whether more of the log may be read.
    pub(super) fn has_room(&self) -> bool {
        self.waiting < MAX_WAITING && !self.lines.contains_key(&Chat::Gap)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Returns whether there is an event that has failed and is not told yet.
    pub(super) fn is_failing(&self) -> bool {
        self.tried > 0
    }

    /// Returns up to which entry all is told, where the log was read up to `read`.
    pub(super) fn entry(&self, read: u64) -> u64 {
        self.entries.first().map_or(read, |first| first - 1)
    }

    /// Returns up to which number all of accounts is told, where `read` was read.
    pub(super) fn account(&self, read: u64) -> u64 {
        self.accounts.first().map_or(read, |first| first - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn entry(entry: u64) -> Place {
        Place::Entry { entry, parts: 1 }
    }

    fn queue(places: &[(u64, u64)]) -> Queue {
        let mut queue = Queue::default();
        for (room, number) in places {
            queue.push(Chat::Room(*room), entry(*number));
        }
        queue
    }

    fn take(queue: &mut Queue, now: Instant) -> Option<Place> {
        queue.take(now).map(|taken| taken.place)
    }

    #[test]
    fn a_chat_goes_in_order_and_chats_go_beside_each_other() {
        let now = Instant::now();
        let mut queue = queue(&[(1, 5), (1, 6), (2, 7)]);
        assert_eq!(queue.entry(9), 4);
        assert_eq!(take(&mut queue, now), Some(entry(5)));
        assert_eq!(take(&mut queue, now), Some(entry(7)));
        assert_eq!(take(&mut queue, now), None, "6 waits for 5");
        queue.done(Chat::Room(2));
        assert_eq!((queue.entry(9), queue.in_flight()), (4, 1), "5 is not told");
        queue.done(Chat::Room(1));
        assert_eq!(queue.entry(9), 5);
        assert_eq!(take(&mut queue, now), Some(entry(6)));
        queue.done(Chat::Room(1));
        assert_eq!((queue.entry(9), queue.lines.len()), (9, 0));
    }

    #[test]
    fn what_failed_keeps_its_chat_waiting_and_its_tries_and_no_other() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut queue = queue(&[(1, 5), (1, 6), (2, 7)]);
        queue.take(now).unwrap();
        let offline: Arc<[UserId]> = Arc::new([UserId::new(3).unwrap()]);
        queue.failed(Chat::Room(1), later, Some(Arc::clone(&offline)));
        assert!(queue.is_failing());
        assert_eq!(queue.next_due(), Some(later));
        assert_eq!(take(&mut queue, now), Some(entry(7)));
        assert_eq!(take(&mut queue, now), None);
        let again = queue.take(later).unwrap();
        assert_eq!((again.place, again.tries), (entry(5), 2));
        assert_eq!(again.offline, Some(offline), "as it was when first sent");
        queue.failed(Chat::Room(1), later + Duration::from_secs(9), None);
        queue.hasten(later);
        assert_eq!(queue.take(later).unwrap().tries, 3);
        queue.done(Chat::Room(1));
        assert!(!queue.is_failing());
        let next = queue.take(now).unwrap();
        assert_eq!((next.place, next.tries), (entry(6), 1));
    }

    #[test]
    fn many_that_went_at_once_are_told_one_by_one() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.push(Chat::Pair(1), Place::Entry { entry: 8, parts: 3 });
        queue.push(Chat::Pair(1), entry(9));
        for part in 0..3 {
            assert_eq!((queue.take(now).unwrap().part, queue.entry(9)), (part, 7));
            queue.done(Chat::Pair(1));
        }
        assert_eq!(queue.entry(9), 8);
        assert_eq!(take(&mut queue, now), Some(entry(9)));
    }

    #[test]
    fn what_waits_and_what_fails_is_bounded() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for number in 1..=MAX_WAITING as u64 {
            assert!(queue.has_room());
            queue.push(Chat::Room(number), entry(number));
        }
        assert!(!queue.has_room());
        for _ in 0..MAX_TRIED {
            let taken = queue.take(now).unwrap();
            queue.failed(taken.chat, now + Duration::from_secs(1), None);
        }
        assert!(queue.take(now).is_none(), "so many fail already");
    }

    #[test]
    fn a_gap_comes_before_all_else() {
        let mut queue = Queue::default();
        queue.push(Chat::Gap, Place::Gap(7));
        assert!(!queue.has_room());
        queue.take(Instant::now()).unwrap();
        queue.done(Chat::Gap);
        assert!(queue.has_room());
    }
}
