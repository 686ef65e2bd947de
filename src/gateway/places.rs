//! Which sockets can be continued, and by whom: each place is one socket's, or nobody's any more.
//!
//! A client that lost its connection shows the place of its socket and takes it over; the old connection, should it still
//! seem alive, is closed. A client that left on purpose, or was put out, has given its place up. What is known of places
//! is lost with the process: of one that nobody here has seen, all that is known is that it was left before the start.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::hub::{DisconnectReason, Socket};
use crate::model::{Place, Timestamp};
use crate::transport::CloseReason;

/// A socket's id: 120 random bits, so nobody else's.
type Id = [u8; 20];

/// How a place was left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// By a connection that was lost.
    Lost(Timestamp),
    /// For good.
    GivenUp(Timestamp),
}

#[derive(Default)]
struct Known {
    live: FxHashMap<Id, Socket>,
    left: FxHashMap<Id, Left>,
    /// In the order in which they were left.
    order: VecDeque<(Timestamp, Id)>,
}

/// The places of this process's sockets.
pub(super) struct Places {
    began: Timestamp,
    window: Duration,
    /// How many that were left are remembered, at some 80 bytes each; the oldest are forgotten first.
    most: usize,
    known: Mutex<Known>,
}

impl Places {
    /// None yet; one that was left longer ago than `window` cannot be taken.
    pub(super) fn new(began: Timestamp, window: Duration, most: usize) -> Self {
        Self {
            began,
            window,
            most,
            known: Mutex::default(),
        }
    }

    /// A new socket has its own place.
    pub(super) fn open(&self, place: &Place, socket: &Socket) {
        self.known.lock().live.insert(place.socket, socket.clone());
    }

    /// Takes a place for a socket, and closes the one that had it. `false` where it was given up or left too long ago.
    pub(super) fn take(&self, now: Timestamp, place: &Place, socket: &Socket) -> bool {
        let old = {
            let mut known = self.known.lock();
            known.forget(now, self.window, self.most);
            let is_live = known.live.contains_key(&place.socket);
            let left = match known.left.get(&place.socket) {
                Some(Left::GivenUp(_)) => return false,
                Some(Left::Lost(at)) => *at,
                None if is_live => now,
                None => self.began,
            };
            if now > left.plus(self.window) {
                return false;
            }
            known.left.remove(&place.socket);
            known.live.insert(place.socket, socket.clone())
        };
        if let Some(old) = old {
            old.close(CloseReason::ForcedClose);
        }
        true
    }

    /// A place that was taken is nobody's any more: its socket goes on as a new one.
    pub(super) fn give_up(&self, now: Timestamp, place: &Place) {
        let mut known = self.known.lock();
        known.live.remove(&place.socket);
        known.put(now, place.socket, Left::GivenUp(now));
    }

    /// A socket is gone. What another has taken over meanwhile stays that one's.
    pub(super) fn leave(
        &self,
        now: Timestamp,
        place: &Place,
        socket: &Socket,
        reason: DisconnectReason,
    ) {
        let mut known = self.known.lock();
        let has_it = known
            .live
            .get(&place.socket)
            .is_some_and(|holder| holder.key() == socket.key());
        if !has_it {
            return;
        }
        known.live.remove(&place.socket);
        let left = match reason {
            DisconnectReason::Closed(_) => Left::Lost(now),
            _ => Left::GivenUp(now),
        };
        known.put(now, place.socket, left);
        known.forget(now, self.window, self.most);
    }
}

impl Known {
    fn put(&mut self, now: Timestamp, id: Id, left: Left) {
        self.left.insert(id, left);
        self.order.push_back((now, id));
    }

    /// Forgets what was left too long ago, and the oldest of too many.
    fn forget(&mut self, now: Timestamp, window: Duration, most: usize) {
        while let Some((at, id)) = self.order.front().copied()
            && (now > at.plus(window) || self.order.len() > most)
        {
            self.order.pop_front();
            // Unless it was taken again and left again since.
            if matches!(self.left.get(&id), Some(Left::Lost(left) | Left::GivenUp(left)) if *left == at)
            {
                self.left.remove(&id);
            }
        }
    }
}
