//! Who is there: how many sockets each person has open, and when the last one closed.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::model::{Timestamp, UserId};

/// A person came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresenceChange {
    /// Who.
    pub user_id: UserId,
    /// Whether they have a socket open now.
    pub online: bool,
    /// When their last socket closed; `None` while they are online.
    pub last_seen: Option<Timestamp>,
}

/// What is known of a person since the server started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Whether they have a socket open.
    pub online: bool,
    /// When their last socket closed. The store learns of it a moment later.
    pub last_seen: Option<Timestamp>,
}

/// One person: some 40 bytes for everybody who was there since the server started.
#[derive(Default)]
struct Person {
    sockets: u32,
    last_seen: Option<Timestamp>,
}

impl Person {
    fn seen(&self) -> Seen {
        Seen {
            online: self.sockets > 0,
            last_seen: self.last_seen,
        }
    }
}

/// Counts sockets by person. A change is told under its lock, so that nobody hears of two changes in the wrong order.
#[derive(Default)]
pub struct Presence {
    people: Mutex<FxHashMap<UserId, Person>>,
}

impl Presence {
    /// A socket of this person opened; `tell` is called if it is the first.
    pub fn connected(&self, user_id: UserId, tell: impl FnOnce(PresenceChange)) {
        let mut people = self.people.lock();
        let person = people.entry(user_id).or_default();
        person.sockets += 1;
        if person.sockets == 1 {
            tell(PresenceChange {
                user_id,
                online: true,
                last_seen: None,
            });
        }
    }

    /// A socket of this person closed; `tell` is called if it was the last.
    pub fn disconnected(&self, user_id: UserId, now: Timestamp, tell: impl FnOnce(PresenceChange)) {
        let mut people = self.people.lock();
        if let Some(person) = people.get_mut(&user_id).filter(|person| person.sockets > 0) {
            person.sockets -= 1;
            if person.sockets == 0 {
                person.last_seen = Some(now);
                tell(PresenceChange {
                    user_id,
                    online: false,
                    last_seen: Some(now),
                });
            }
        }
    }

    /// What is known of this person.
    pub fn seen(&self, user_id: UserId) -> Seen {
        self.people
            .lock()
            .get(&user_id)
            .map(Person::seen)
            .unwrap_or_default()
    }

    /// Everybody who is online now.
    pub fn online(&self) -> Vec<UserId> {
        let people = self.people.lock();
        people
            .iter()
            .filter(|(_, person)| person.sockets > 0)
            .map(|(user, _)| *user)
            .collect()
    }

    /// What is known of these, seen at one moment at which nobody comes or goes; `then` runs at that moment too.
    pub fn look<R>(&self, users: &[UserId], then: impl FnOnce(Vec<Seen>) -> R) -> R {
        let people = self.people.lock();
        then(
            users
                .iter()
                .map(|user| people.get(user).map(Person::seen).unwrap_or_default())
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_and_the_last_socket_are_told() {
        let presence = Presence::default();
        let user_id = UserId::new(1).unwrap();
        let told = std::cell::RefCell::new(Vec::new());
        let tell =
            |change: PresenceChange| told.borrow_mut().push((change.online, change.last_seen));
        presence.connected(user_id, tell);
        presence.connected(user_id, tell);
        presence.disconnected(user_id, Timestamp::from_ms(1), tell);
        assert!(presence.seen(user_id).online);
        presence.disconnected(user_id, Timestamp::from_ms(2), tell);
        presence.disconnected(user_id, Timestamp::from_ms(3), tell);
        assert_eq!(
            *told.borrow(),
            [(true, None), (false, Some(Timestamp::from_ms(2)))]
        );
    }

    /// Who asked when somebody was last there, right after hearing that they had gone, heard an earlier time or none.
    #[test]
    fn the_time_that_was_told_is_known_at_once() {
        let presence = Presence::default();
        let user_id = UserId::new(1).unwrap();
        presence.connected(user_id, |_| {});
        presence.disconnected(user_id, Timestamp::from_ms(7), |change| {
            assert_eq!(change.last_seen, Some(Timestamp::from_ms(7)));
        });
        assert_eq!(
            presence.seen(user_id),
            Seen {
                online: false,
                last_seen: Some(Timestamp::from_ms(7))
            }
        );
        assert!(presence.online().is_empty());
    }
}
