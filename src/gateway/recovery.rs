//! Connection state recovery: which lost sockets a returning client may resume.
//!
//! A client that lost its connection shows the private id of its socket and takes it over, with
//! what is remembered of it; the old connection, should it still seem alive, is closed. A client
//! that left on purpose, or was put out, has given its socket up. What is remembered is lost with
//! the process: of a socket from before the start, all that is known is that it was lost by then.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::memory::{Memory, SharedMemory, Subscribed};
use crate::hub::{DisconnectReason, Socket};
use crate::model::{PrivateId, Timestamp, UserId};
use crate::transport::CloseReason;

/// 64 lost sockets of one person; with more, their own oldest are forgotten first, so that a person
/// who comes and goes all the time pushes out no other's.
const MAX_LEFT_OF_PERSON: usize = 64;
/// 128 KiB is remembered of the lost sockets of one person: four that watched as many people as
/// they may. Of older ones only that they were lost.
const MAX_BYTES_OF_PERSON: usize = 128 << 10;
/// 64 bytes for each lost socket that may be known are there for what is remembered of all of them;
/// of further ones only that they were lost.
const BYTES_A_SOCKET: usize = 64;

/// A socket's public id: 120 random bits, so no other's.
type Id = [u8; 20];

/// A socket that was left.
struct Left {
    at: Timestamp,
    user: UserId,
    /// For good.
    is_given_up: bool,
    memory: Memory,
}

impl Left {
    fn bytes(&self) -> usize {
        self.memory.bytes()
    }
}

/// A socket that was taken over.
pub(super) struct Taken {
    /// When it was left; now, where it still seemed alive.
    pub(super) left_at: Timestamp,
    /// What is remembered of it: nothing, where it was left before the start.
    pub(super) memory: SharedMemory,
}

#[derive(Default)]
struct Sockets {
    live: FxHashMap<Id, (Socket, SharedMemory)>,
    left: FxHashMap<Id, Left>,
    /// In the order in which they were left; with some that were taken since.
    order: VecDeque<(Timestamp, Id)>,
    /// Those of each person, likewise.
    people: FxHashMap<UserId, VecDeque<Id>>,
    /// How much is remembered of all of them.
    bytes: usize,
}

/// The sockets of this process, alive and lost.
pub(super) struct Recovery {
    began: Timestamp,
    window: Duration,
    /// How many lost sockets are known, at some 300 bytes each with what is remembered of them; the
    /// oldest are forgotten first.
    most: usize,
    sockets: Mutex<Sockets>,
}

impl Recovery {
    /// Returns a table of none yet. A socket that was left longer ago than `window` cannot be
    /// taken.
    pub(super) fn new(began: Timestamp, window: Duration, most: usize) -> Self {
        Self {
            began,
            window,
            most,
            sockets: Mutex::default(),
        }
    }

    /// Adds a new socket. Returns what will be remembered of it.
    pub(super) fn open(&self, id: &PrivateId, socket: &Socket) -> SharedMemory {
        let memory = SharedMemory::default();
        let opened = (socket.clone(), Arc::clone(&memory));
        self.sockets.lock().live.insert(id.socket, opened);
        memory
    }

    /// Has `socket` take over the one of this private id, which is closed. `None` where that was
    /// given up or left too long ago.
    pub(super) fn take(&self, now: Timestamp, id: &PrivateId, socket: &Socket) -> Option<Taken> {
        let (old, taken) = {
            let mut sockets = self.sockets.lock();
            sockets.forget(now, self.window, self.most);
            let live = sockets.live.get(&id.socket);
            let (left_at, memory) = match (sockets.left.get(&id.socket), live) {
                (Some(left), _) if left.is_given_up => return None,
                (Some(left), _) => (left.at, None),
                (None, Some((_, memory))) => (now, Some(Arc::clone(memory))),
                (None, None) => (self.began, None),
            };
            if now > left_at.plus(self.window) {
                return None;
            }
            let left = sockets.forget_one(&id.socket);
            let memory = memory.unwrap_or_else(|| {
                let memory = left.map(|left| left.memory);
                Arc::new(Mutex::new(memory.unwrap_or_default()))
            });
            let taken = Taken {
                left_at,
                memory: Arc::clone(&memory),
            };
            let live = (socket.clone(), memory);
            (sockets.live.insert(id.socket, live), taken)
        };
        if let Some((old, _)) = old {
            old.close(CloseReason::ForcedClose);
        }
        Some(taken)
    }

    /// Gives up a socket that was taken over: the one that took it goes on as a new one.
    pub(super) fn give_up(&self, now: Timestamp, user: UserId, id: &PrivateId) {
        let mut sockets = self.sockets.lock();
        sockets.live.remove(&id.socket);
        let left = Left {
            at: now,
            user,
            is_given_up: true,
            memory: Memory::default(),
        };
        sockets.put(id.socket, left, self.most);
    }

    /// Notes that a socket is gone, which watched these. What another has taken over meanwhile
    /// stays that one's.
    pub(super) fn leave(
        &self,
        now: Timestamp,
        user: UserId,
        id: &PrivateId,
        socket: &Socket,
        reason: DisconnectReason,
        watched: Vec<Subscribed>,
    ) {
        let mut sockets = self.sockets.lock();
        let has_it = |live: &(Socket, SharedMemory)| live.0.key() == socket.key();
        if !sockets.live.get(&id.socket).is_some_and(has_it) {
            return;
        }
        let Some((_, memory)) = sockets.live.remove(&id.socket) else {
            return;
        };
        let is_given_up = !matches!(reason, DisconnectReason::Closed(_));
        let mut memory = std::mem::take(&mut *memory.lock());
        memory.watch(watched);
        let left = Left {
            at: now,
            user,
            is_given_up,
            memory: match is_given_up || memory.bytes() == 0 {
                true => Memory::default(),
                false => memory,
            },
        };
        sockets.put(id.socket, left, self.most);
        sockets.forget(now, self.window, self.most);
    }
}

impl Sockets {
    fn put(&mut self, id: Id, left: Left, most: usize) {
        let (at, user) = (left.at, left.user);
        self.bytes += left.bytes();
        self.left.insert(id, left);
        self.order.push_back((at, id));
        self.people.entry(user).or_default().push_back(id);
        self.bound(user, most);
    }

    /// Holds what is remembered of one person to its bounds, and with it the order to a multiple of
    /// what is in it.
    fn bound(&mut self, user: UserId, most: usize) {
        let Some(theirs) = self.people.get(&user) else {
            return;
        };
        let mut bytes = 0;
        for id in theirs.iter().rev() {
            let Some(left) = self.left.get_mut(id) else {
                continue;
            };
            bytes += left.bytes();
            if bytes > MAX_BYTES_OF_PERSON || self.bytes > most * BYTES_A_SOCKET {
                bytes -= left.bytes();
                self.bytes -= left.bytes();
                left.memory = Memory::default();
            }
        }
        if theirs.len() > MAX_LEFT_OF_PERSON
            && let Some(oldest) = theirs.front().copied()
        {
            drop(self.forget_one(&oldest));
        }
        if self.order.len() > 2 * self.left.len() + 64 {
            let left = &self.left;
            self.order
                .retain(|(at, id)| left.get(id).is_some_and(|left| left.at == *at));
        }
    }

    /// Forgets one; returns what was known of it.
    fn forget_one(&mut self, id: &Id) -> Option<Left> {
        let left = self.left.remove(id)?;
        self.bytes -= left.bytes();
        if let Some(theirs) = self.people.get_mut(&left.user) {
            theirs.retain(|theirs| theirs != id);
            if theirs.is_empty() {
                self.people.remove(&left.user);
            }
        }
        Some(left)
    }

    /// Forgets what was left too long ago, and the oldest of too many.
    fn forget(&mut self, now: Timestamp, window: Duration, most: usize) {
        while let Some((at, id)) = self.order.front().copied()
            && (now > at.plus(window) || self.left.len() > most)
        {
            self.order.pop_front();
            // Unless it was taken again and left again since.
            if self.left.get(&id).is_some_and(|left| left.at == at) {
                drop(self.forget_one(&id));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As on a machine of some size.
    const MOST: usize = 1 << 14;
    const WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

    fn user(number: u64) -> UserId {
        UserId::new(number).unwrap()
    }

    fn id(number: u64) -> Id {
        let mut id = [0; 20];
        id[..8].copy_from_slice(&number.to_le_bytes());
        id
    }

    fn left(at: u64, user: UserId, watched: usize) -> Left {
        let subscribed = Subscribed { user, heard: None };
        let mut memory = Memory::default();
        memory.watch(vec![subscribed; watched]);
        Left {
            at: Timestamp::from_ms(at),
            user,
            is_given_up: false,
            memory,
        }
    }

    /// Connecting and disconnecting in turn pushed the sockets of others out, after which they
    /// could not come back.
    #[test]
    fn somebody_who_comes_and_goes_all_the_time_pushes_only_their_own_sockets_out() {
        let mut sockets = Sockets::default();
        sockets.put(id(0), left(0, user(2), 500), MOST);
        let turns = 5_000;
        for turn in 1..=turns {
            sockets.put(id(turn), left(turn, user(1), 500), MOST);
            sockets.forget(Timestamp::from_ms(turn), WINDOW, MOST);
        }
        assert!(sockets.left[&id(0)].bytes() > 0, "another person's");
        assert_eq!(sockets.left.len(), 1 + MAX_LEFT_OF_PERSON);
        assert!(
            sockets.left.contains_key(&id(turns)),
            "the newest of theirs"
        );
        assert!(
            sockets.order.len() <= 3 * MAX_LEFT_OF_PERSON,
            "{}",
            sockets.order.len()
        );
        let most = MAX_BYTES_OF_PERSON + left(0, user(2), 500).bytes();
        assert!(sockets.bytes <= most, "{}", sockets.bytes);
        assert!(sockets.left[&id(turns)].bytes() > 0);
        assert!(
            sockets.left[&id(turns - 60)].bytes() == 0,
            "an older one of theirs"
        );
        sockets.forget(Timestamp::from_ms(turns).plus(WINDOW * 2), WINDOW, MOST);
        assert_eq!(
            (sockets.left.len(), sockets.people.len(), sockets.bytes),
            (0, 0, 0)
        );
        assert!(sockets.order.is_empty());
    }

    #[test]
    fn what_is_remembered_of_all_has_a_bound_and_so_have_the_sockets() {
        let mut sockets = Sockets::default();
        for person in 1..=MOST as u64 + 100 {
            // Some fill what all may have.
            let watched = if (1_000..2_500).contains(&person) {
                500
            } else {
                0
            };
            sockets.put(id(person), left(person, user(person), watched), MOST);
            sockets.forget(Timestamp::from_ms(person), WINDOW, MOST);
            assert!(sockets.bytes <= MOST * BYTES_A_SOCKET);
        }
        assert!(sockets.bytes > MOST * BYTES_A_SOCKET / 2);
        assert_eq!(sockets.left.len(), MOST);
        assert!(
            !sockets.left.contains_key(&id(100)),
            "the oldest are forgotten first"
        );
    }

    #[test]
    fn a_socket_that_is_taken_and_left_again_is_remembered_as_it_was_left_last() {
        let mut sockets = Sockets::default();
        for at in 0..1_000 {
            sockets.put(id(1), left(at, user(1), 1), MOST);
            assert_eq!(sockets.left[&id(1)].at, Timestamp::from_ms(at));
            if at < 999 {
                assert!(sockets.forget_one(&id(1)).is_some());
            }
        }
        sockets.forget(
            Timestamp::from_ms(998)
                .plus(WINDOW)
                .plus(Duration::from_millis(1)),
            WINDOW,
            MOST,
        );
        assert!(sockets.left.contains_key(&id(1)));
        assert!(sockets.order.len() <= 2 * 2 + 64);
        assert_eq!(sockets.people[&user(1)].len(), 1);
    }
}
