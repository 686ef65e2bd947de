//! Which chats people look at, each by the sockets that said so. Of what is looked at nothing is
//! pushed. Kept in memory alone; the clock is the caller's.

use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{Chat, ChatError, RoomRefusal};
use crate::model::{ChatId, Origin, Timestamp, UserId};

/// 60 s: so long a view holds that is not said again. A client that has hung says nothing.
const HELD: Duration = Duration::from_secs(60);
/// 4 chats are in view of one socket at most, as in a page of several panes; of a further one the
/// first is not any more.
const MAX_VIEWS: usize = 4;

/// A chat that a socket has in view.
#[derive(Debug, Clone, Copy)]
struct View {
    socket: Origin,
    chat: ChatId,
    until: Timestamp,
}

impl View {
    /// Returns whether it holds still; where the clock was set back, for no longer than it would.
    fn holds(&self, now: Timestamp) -> bool {
        now < self.until && self.until <= now.plus(HELD)
    }
}

/// What is in view, of each person.
#[derive(Default)]
pub(super) struct Views(Mutex<FxHashMap<UserId, SmallVec<[View; 1]>>>);

impl Views {
    fn put(&self, now: Timestamp, user: UserId, socket: Origin, chat: ChatId) {
        let mut people = self.0.lock();
        let views = people.entry(user).or_default();
        views.retain(|view| view.holds(now) && (view.socket, view.chat) != (socket, chat));
        let of_socket = views.iter().filter(|view| view.socket == socket);
        if of_socket.count() >= MAX_VIEWS
            && let Some(first) = views.iter().position(|view| view.socket == socket)
        {
            views.remove(first);
        }
        let until = now.plus(HELD);
        views.push(View {
            socket,
            chat,
            until,
        });
    }

    /// Takes out a person's views that are such.
    fn take(&self, user: UserId, is_such: impl Fn(&View) -> bool) {
        let mut people = self.0.lock();
        if let Some(views) = people.get_mut(&user) {
            views.retain(|view| !is_such(view));
            if views.is_empty() {
                people.remove(&user);
            }
        }
    }

    fn has(&self, now: Timestamp, user: UserId, chat: ChatId) -> bool {
        let people = self.0.lock();
        let mut views = people.get(&user).into_iter().flatten();
        views.any(|view| view.chat == chat && view.holds(now))
    }
}

impl Chat {
    /// Notes that a socket of this person has a chat in view, or has it no more. Not stored, and
    /// void after 60 s.
    pub fn look_at(
        &self,
        now: Timestamp,
        user: UserId,
        socket: Origin,
        chat: ChatId,
        on: bool,
    ) -> Result<(), ChatError> {
        match chat {
            ChatId::Person(peer) if peer == user => return Err(ChatError::InvalidReceiver),
            // A chat may be looked at before anything is said in it.
            ChatId::Person(peer) if !self.may_see(user, peer) => return Ok(()),
            ChatId::Person(peer) if self.store.user(peer).is_none() => {
                return Err(ChatError::NoSuchUser);
            }
            ChatId::Room(room) if self.store.members_beside(user, room).is_none() => {
                return Err(RoomRefusal::NoSuchRoom.into());
            }
            ChatId::Person(_) | ChatId::Room(_) => {}
        }
        match on {
            true => self.views.put(now, user, socket, chat),
            false => {
                let is_it = |view: &View| (view.socket, view.chat) == (socket, chat);
                self.views.take(user, is_it);
            }
        }
        Ok(())
    }

    /// Notes that a socket of this person is gone.
    pub fn look_away(&self, user: UserId, socket: Origin) {
        self.views.take(user, |view| view.socket == socket);
    }

    /// Returns whether a person has a chat in view on any of their devices.
    pub fn has_in_view(&self, now: Timestamp, user: UserId, chat: ChatId) -> bool {
        self.views.has(now, user, chat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_749_124_800_000);

    fn user(number: u64) -> UserId {
        UserId::new(number).unwrap()
    }

    fn chat(number: u64) -> ChatId {
        ChatId::Person(user(number))
    }

    #[test]
    fn a_chat_is_in_view_until_it_is_said_otherwise_the_socket_is_gone_or_a_minute_is_over() {
        let views = Views::default();
        let after = |secs| NOW.plus(Duration::from_secs(secs));
        views.put(NOW, user(1), Origin(1), chat(2));
        views.put(NOW, user(1), Origin(1), chat(3));
        views.put(after(30), user(1), Origin(2), chat(2));
        assert!(views.has(after(59), user(1), chat(3)));
        assert!(!views.has(after(60), user(1), chat(3)));
        assert!(!views.has(NOW, user(2), chat(2)), "somebody else's");
        // The other device still shows it.
        assert!(views.has(after(60), user(1), chat(2)));
        views.take(user(1), |view| view.socket == Origin(2));
        assert!(!views.has(after(60), user(1), chat(2)));
        // Said again it holds for longer.
        views.put(after(50), user(1), Origin(1), chat(3));
        assert!(views.has(after(109), user(1), chat(3)));
        assert!(!views.has(NOW, user(1), chat(3)), "the clock was set back");
        views.take(user(1), |view| view.socket == Origin(1));
        assert!(views.0.lock().is_empty(), "nothing is left of them");
    }

    #[test]
    fn a_socket_has_few_chats_in_view_and_takes_none_from_another() {
        let views = Views::default();
        views.put(NOW, user(1), Origin(1), chat(1_000));
        for number in 2..500 {
            views.put(NOW, user(1), Origin(2), chat(number));
            assert!(views.0.lock()[&user(1)].len() <= MAX_VIEWS + 1);
        }
        let shown = (2..500).filter(|number| views.has(NOW, user(1), chat(*number)));
        assert_eq!(shown.collect::<Vec<_>>(), [496, 497, 498, 499]);
        assert!(views.has(NOW, user(1), chat(1_000)));
    }
}
