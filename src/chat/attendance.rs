//! Who is there, as the store keeps it.
//!
//! The store learns when a person was last there as they come, as they go, every minute for as long
//! as they stay, and for all who are there at the end of the process: after a crash "last seen" is
//! then a minute or two old.

use std::time::Duration;

use super::{Chat, Presence, PresenceChange};
use crate::model::{Timestamp, UserId};
use crate::store::Change;

/// 30 s: what the store has learned since needs no renewal.
const KEPT_LATELY: Duration = Duration::from_secs(30);

impl Chat {
    /// The people who are there, by their open sockets.
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Counts a socket of this person that opened. `tell` is called if others are to hear of it
    /// now.
    pub fn arrived(&self, now: Timestamp, user: UserId, tell: impl FnOnce(PresenceChange)) {
        self.presence
            .connected(user, now, |change| self.changed(change, tell));
        if self.presence.sockets(user) == 1 {
            self.keep(now, user);
        }
    }

    /// Counts a socket of this person that closed. `tell` is called if others are to hear of it
    /// now.
    pub fn left(&self, now: Timestamp, user: UserId, tell: impl FnOnce(PresenceChange)) {
        self.presence
            .disconnected(user, now, |change| self.changed(change, tell));
    }

    /// Tells what was put off until now. Returns when there is more to tell.
    pub fn tell_late(
        &self,
        now: Timestamp,
        mut tell: impl FnMut(PresenceChange),
    ) -> Option<Timestamp> {
        self.presence
            .catch_up(now, |change| self.changed(change, &mut tell))
    }

    fn changed(&self, change: PresenceChange, tell: impl FnOnce(PresenceChange)) {
        if let Some(at) = change.last_seen {
            self.seen(at, change.user_id);
        }
        tell(change);
    }

    /// Has the store learn that these people are there still; those who have gone meanwhile are
    /// left out.
    pub fn keep_present(&self, now: Timestamp, users: &[UserId]) {
        for user in users {
            if self.presence.seen(*user).online {
                self.keep(now, *user);
            }
        }
    }

    /// Has the store learn that a person is there, unless it has lately.
    fn keep(&self, now: Timestamp, user: UserId) {
        let known = self.last_seen(user);
        if known.is_none_or(|known| known.plus(KEPT_LATELY) <= now) {
            self.seen(now, user);
        }
    }

    /// Has the store learn that all who are there were there until now, and what they have marked:
    /// the process ends.
    pub fn close(&self, now: Timestamp) {
        self.store_all_marks(now);
        for user in self.presence.online() {
            self.seen(now, user);
        }
    }

    /// When an account was last connected, as far as the store knows.
    pub fn last_seen(&self, user: UserId) -> Option<Timestamp> {
        self.store.user(user).and_then(|user| user.last_seen)
    }

    /// Keeps when a person was last there. Not awaited: a lost one costs a moment of a "last seen".
    pub fn seen(&self, at: Timestamp, user: UserId) {
        self.store.submit(
            at,
            Change::Seen { user, at },
            Box::new(|result| {
                if let Err(error) = result {
                    tracing::debug!(%error, "a last-seen time was not kept");
                }
            }),
        );
    }
}
