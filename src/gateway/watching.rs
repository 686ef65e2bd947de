//! Presence: whom a socket watches, and what it is told of them.

use std::collections::HashSet;
use std::time::Duration;

use super::chat_socket::ChatSocket;
use super::groups::{hidden_from, hidden_group, is_of_watchers, presence_group, watched_by};
use super::memory::Subscribed;
use super::reply::Reply;
use crate::chat::Seen;
use crate::contract::{FieldError, PRESENCE, Presence, PresenceList, Refusal};
use crate::hub::{DisconnectReason, Group};
use crate::model::{Timestamp, UserId};
use crate::transport::CloseReason;

/// How many people one socket may watch.
const MAX_SUBSCRIPTIONS: usize = 500;
/// 10 s: when to try again where too many people are watched.
const SUBSCRIPTION_RETRY_MS: u64 = 10_000;
/// 45 s, a ping's interval and its timeout: for so long a connection may be dead before that is
/// noticed.
const UNNOTICED: Duration = Duration::from_secs(45);

impl ChatSocket {
    /// Watches these in place of those before, and says who of them is there.
    pub(super) fn watch(
        &mut self,
        mut users: Vec<UserId>,
        reply: Reply,
    ) -> Result<(), (Refusal, Reply)> {
        if users.len() > MAX_SUBSCRIPTIONS {
            let key = "user_ids";
            let reason = format!("has {} ids, the limit is {MAX_SUBSCRIPTIONS}", users.len());
            return Err((FieldError::Invalid { key, reason }.into(), reply));
        }
        let door = self.door.clone();
        // Only of those who exist, and once each, in the order asked.
        let mut seen = HashSet::with_capacity(users.len());
        let accounts = &door.verbs.accounts;
        let chat = &door.verbs.chat;
        users.retain(|user| {
            let is_known = seen.insert(*user) && accounts.user(*user).is_some();
            is_known && chat.may_see(self.user, *user)
        });
        if !self.change_subscriptions(users.len()) {
            let message = "too many people are watched at once, try again later";
            return Err((Refusal::later(message, SUBSCRIPTION_RETRY_MS), reply));
        }
        if let Some(memory) = self.memory() {
            let watched = users.iter().map(|user| Subscribed {
                user: *user,
                heard: None,
            });
            memory.lock().watch(watched.collect());
        }
        let hidden = self.hidden(&users);
        // At a moment at which no one comes or goes, so that the ack and the events after it miss
        // nothing.
        chat.presence().look(&users, |found| {
            self.socket.leave(is_of_watchers);
            let users = users.iter().zip(found).map(|(user_id, seen)| {
                if hidden.contains(user_id) {
                    self.socket.join(hidden_group(*user_id));
                    return Presence::of(*user_id, Seen::default());
                }
                self.begin_to_see(*user_id, seen)
            });
            reply.succeed(PresenceList {
                users: users.collect(),
            });
        });
        Ok(())
    }

    /// Has this socket hear of a person's coming and going from now on, and returns how they are.
    fn begin_to_see(&self, user: UserId, mut seen: Seen) -> Presence {
        self.socket.join(presence_group(user));
        let stored = || self.door.verbs.chat.last_seen(user);
        seen.last_seen = seen.last_seen.or_else(stored);
        Presence::of(user, seen)
    }

    /// Watches the same people as the socket that this one resumes, and tells what changed
    /// meanwhile.
    pub(super) fn watch_again(&mut self, left_at: Timestamp) {
        let Some(memory) = self.memory() else {
            return;
        };
        let watched = memory.lock().watched().to_vec();
        let users: Vec<UserId> = watched.iter().map(|watched| watched.user).collect();
        if users.is_empty() || !self.change_subscriptions(users.len()) {
            return;
        }
        let unsure_since = left_at.minus(UNNOTICED);
        let hidden = self.hidden(&users);
        self.door.verbs.chat.presence().told(&users, |told| {
            for (watched, told) in watched.iter().zip(told) {
                if hidden.contains(&watched.user) {
                    // They look as though they had gone.
                    self.socket.join(hidden_group(watched.user));
                    let presence = Presence::of(watched.user, Seen::default());
                    self.socket.emit(PRESENCE.name, &(presence,));
                    continue;
                }
                self.socket.join(presence_group(watched.user));
                let is_news = match watched.heard {
                    Some(heard) => heard != told.seen,
                    None => told.at >= unsure_since,
                };
                if is_news {
                    let presence = Presence::of(watched.user, told.seen);
                    self.socket.emit(PRESENCE.name, &(presence,));
                }
            }
        });
    }

    /// Returns whom this socket watches, with what its client has heard of them for certain.
    pub(super) fn heard(&self, reason: DisconnectReason) -> Vec<Subscribed> {
        let Some(memory) = self.memory() else {
            return Vec::new();
        };
        let mut watched = memory.lock().watched().to_vec();
        // A client that closes its connection has read it until then; a connection that broke may
        // have been dead before.
        if reason == DisconnectReason::Closed(CloseReason::TransportClose) {
            let users: Vec<UserId> = watched.iter().map(|watched| watched.user).collect();
            self.door.verbs.chat.presence().told(&users, |told| {
                for (watched, told) in watched.iter_mut().zip(told) {
                    watched.heard = Some(told.seen);
                }
            });
        }
        watched
    }

    /// Returns whose coming and going of these this socket's person does not see.
    fn hidden(&self, users: &[UserId]) -> HashSet<UserId> {
        let chat = &self.door.verbs.chat;
        let hidden = users.iter().copied();
        hidden
            .filter(|user| !chat.sees_presence(self.user, *user))
            .collect()
    }

    /// Watches those no more who have blocked this socket's person meanwhile: they look as though
    /// they had gone. And those again who have done so and do no more.
    pub(super) fn review_watched(&mut self) {
        if self.subscriptions == 0 {
            return;
        }
        let seen_again = self.of_watched(hidden_from);
        let watched = self.of_watched(watched_by);
        let hidden = self.hidden(&watched);
        if !hidden.is_empty() {
            self.socket
                .leave(|group| watched_by(group).is_some_and(|user| hidden.contains(&user)));
            for user in hidden {
                self.socket.join(hidden_group(user));
                let presence = Presence::of(user, Seen::default());
                self.socket.emit(PRESENCE.name, &(presence,));
            }
        }
        self.see_again(seen_again);
    }

    /// Watches those of these again who may be seen by now, and tells how they are.
    fn see_again(&self, mut users: Vec<UserId>) {
        let hidden = self.hidden(&users);
        users.retain(|user| !hidden.contains(user));
        if users.is_empty() {
            return;
        }
        self.door.verbs.chat.presence().look(&users, |found| {
            self.socket
                .leave(|group| hidden_from(group).is_some_and(|user| users.contains(&user)));
            for (user, seen) in users.iter().zip(found) {
                let presence = self.begin_to_see(*user, seen);
                self.socket.emit(PRESENCE.name, &(presence,));
            }
        });
    }

    /// Returns the people of those of this socket's groups that are such.
    fn of_watched(&self, which: fn(&Group) -> Option<UserId>) -> Vec<UserId> {
        let groups = self.socket.groups_where(|group| which(group).is_some());
        groups.iter().filter_map(which).collect()
    }

    /// Ends all its subscriptions.
    pub(super) fn unwatch(&mut self) {
        self.change_subscriptions(0);
    }

    /// Counts whom this socket watches. Returns `false` where that is too many, of this person or
    /// of all.
    fn change_subscriptions(&mut self, count: usize) -> bool {
        let Ok(few) = u16::try_from(count) else {
            return false;
        };
        let (attendance, before) = (&self.door.attendance, self.subscriptions.into());
        let is_allowed = attendance.subscriptions(self.user, before, count);
        if is_allowed {
            self.subscriptions = few;
        }
        is_allowed
    }
}
