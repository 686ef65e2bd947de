//! Presence: whom a socket watches, and what it is told of them.

use std::collections::HashSet;
use std::time::Duration;

use super::chat_socket::ChatSocket;
use super::groups::{is_presence, presence_group};
use super::memory::Subscribed;
use super::reply::Reply;
use crate::contract::{FieldError, PRESENCE, Presence, PresenceList, Refusal};
use crate::hub::DisconnectReason;
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
        users.retain(|user| seen.insert(*user) && accounts.user(*user).is_some());
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
        let chat = &door.verbs.chat;
        // At a moment at which no one comes or goes, so that the ack and the events after it miss
        // nothing.
        chat.presence().look(&users, |found| {
            self.socket.leave(is_presence);
            let users = users.iter().zip(found).map(|(user_id, mut seen)| {
                self.socket.join(presence_group(*user_id));
                seen.last_seen = seen.last_seen.or_else(|| chat.last_seen(*user_id));
                Presence::of(*user_id, seen)
            });
            reply.succeed(PresenceList {
                users: users.collect(),
            });
        });
        Ok(())
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
        self.door.verbs.chat.presence().told(&users, |told| {
            for (watched, told) in watched.iter().zip(told) {
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
