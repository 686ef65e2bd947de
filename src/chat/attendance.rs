//! Who is there, as the store keeps it.
//!
//! The store learns when a person was last there within some seconds of their coming and going,
//! every minute for as long as they stay, and for all who are there at the end of the process:
//! after a crash "last seen" is then a minute or two old. They are written in groups, each in one
//! transaction, in the order in which they lie in the file: one by one, each would cost pages and a
//! sync of its own.

use std::time::Duration;

use super::presence::Seen;
use super::{Chat, Presence, PresenceChange};
use crate::model::{Timestamp, UserId};
use crate::store::Command;

/// 30 s: what the store has learned since needs no renewal.
const KEPT_LATELY: Duration = Duration::from_secs(30);
/// 256 people are written at once, in some milliseconds.
pub const KEPT_AT_ONCE: usize = 256;

impl Chat {
    /// The people who are there, by their open sockets.
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Counts a socket of this person that opened. `tell` is called if others are to hear of it
    /// now. Returns whether [`Chat::tell_late`] newly has something to tell.
    pub fn arrived(&self, now: Timestamp, user: UserId, tell: impl FnOnce(PresenceChange)) -> bool {
        self.presence.connected(user, now, tell)
    }

    /// Counts a socket of this person that closed. `tell` is called if others are to hear of it
    /// now. Returns whether [`Chat::tell_late`] newly has something to tell.
    pub fn left(&self, now: Timestamp, user: UserId, tell: impl FnOnce(PresenceChange)) -> bool {
        self.presence.disconnected(user, now, tell)
    }

    /// Tells what was put off until now. Returns when there is more to tell.
    pub fn tell_late(&self, now: Timestamp, tell: impl FnMut(PresenceChange)) -> Option<Timestamp> {
        self.presence.catch_up(now, tell)
    }

    /// Has the store learn who came and who went since the last time, a group after the other.
    pub async fn keep_news(&self, now: Timestamp) {
        let news = self.presence.take_unkept();
        for group in news.chunks(KEPT_AT_ONCE) {
            self.keep(now, group).await;
        }
    }

    /// Has the store learn that these people are there still, at most [`KEPT_AT_ONCE`]; those who
    /// have gone meanwhile are left out.
    pub async fn keep_present(&self, now: Timestamp, users: &[UserId]) {
        let seen = users.iter().map(|user| (*user, self.presence.seen(*user)));
        let there: Vec<_> = seen.filter(|(_, seen)| seen.online).collect();
        self.keep(now, &there).await;
    }

    /// Has the store learn when these people were last there. A lost one costs a moment of a "last
    /// seen".
    async fn keep(&self, now: Timestamp, people: &[(UserId, Seen)]) {
        let visits: Box<[_]> = self.visits(now, people).collect();
        if visits.is_empty() {
            return;
        }
        if let Err(error) = self.store.apply(now, Command::seen(visits)).await {
            tracing::debug!(%error, "last-seen times were not kept");
        }
    }

    /// Returns when these were last there, but for those who are there and of whom the store has
    /// learned lately.
    fn visits<'a>(
        &'a self,
        now: Timestamp,
        people: &'a [(UserId, Seen)],
    ) -> impl Iterator<Item = (UserId, Timestamp)> {
        people.iter().filter_map(move |(user, seen)| {
            if !seen.online {
                return Some((*user, seen.last_seen?));
            }
            let known = self.last_seen(*user);
            let is_due = known.is_none_or(|known| known.plus(KEPT_LATELY) <= now);
            is_due.then_some((*user, now))
        })
    }

    /// Has the store learn that all who are there were there until now, who has gone lately, and
    /// what they have marked: the process ends.
    pub fn close(&self, now: Timestamp) {
        self.store_all_marks(now);
        let gone = self.presence.take_unkept().into_iter();
        let gone = gone.filter(|(_, seen)| !seen.online);
        let gone = gone.filter_map(|(user, seen)| Some((user, seen.last_seen?)));
        let there = self.presence.online().into_iter().map(|user| (user, now));
        let visits: Vec<_> = gone.chain(there).collect();
        for group in visits.chunks(KEPT_AT_ONCE) {
            self.submit_visits(now, group.into());
        }
    }

    /// When an account was last connected, as far as the store knows.
    pub fn last_seen(&self, user: UserId) -> Option<Timestamp> {
        self.store.user(user).and_then(|user| user.last_seen)
    }

    /// Keeps when a person was last there. Not awaited.
    pub fn seen(&self, at: Timestamp, user: UserId) {
        self.submit_visits(at, [(user, at)].into());
    }

    fn submit_visits(&self, now: Timestamp, visits: Box<[(UserId, Timestamp)]>) {
        self.store.submit(now, Command::seen(visits), |result| {
            if let Err(error) = result {
                tracing::debug!(%error, "last-seen times were not kept");
            }
        });
    }
}
