//! Who is there: how many sockets each person has open.

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

/// Counts sockets by person. A change is told under its lock, so that nobody hears of two changes in the wrong order.
#[derive(Default)]
pub struct Presence {
    sockets: Mutex<FxHashMap<UserId, u32>>,
}

impl Presence {
    /// A socket of this person opened; `tell` is called if it is the first.
    pub fn connected(&self, user_id: UserId, tell: impl FnOnce(PresenceChange)) {
        let mut sockets = self.sockets.lock();
        let count = sockets.entry(user_id).or_default();
        *count += 1;
        if *count == 1 {
            tell(PresenceChange {
                user_id,
                online: true,
                last_seen: None,
            });
        }
    }

    /// A socket of this person closed; `tell` is called if it was the last.
    pub fn disconnected(&self, user_id: UserId, now: Timestamp, tell: impl FnOnce(PresenceChange)) {
        let mut sockets = self.sockets.lock();
        if let Some(count) = sockets.get_mut(&user_id) {
            *count -= 1;
            if *count == 0 {
                sockets.remove(&user_id);
                tell(PresenceChange {
                    user_id,
                    online: false,
                    last_seen: Some(now),
                });
            }
        }
    }

    /// Whether this person has a socket open.
    pub fn is_online(&self, user_id: UserId) -> bool {
        self.sockets.lock().contains_key(&user_id)
    }

    /// Everybody who is online now.
    pub fn online(&self) -> Vec<UserId> {
        self.sockets.lock().keys().copied().collect()
    }

    /// Who of these is online now, seen at one moment at which nobody comes or goes; `then` runs at that moment too.
    pub fn look<R>(&self, users: &[UserId], then: impl FnOnce(Vec<bool>) -> R) -> R {
        let sockets = self.sockets.lock();
        then(
            users
                .iter()
                .map(|user| sockets.contains_key(user))
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
        assert!(presence.is_online(user_id));
        presence.disconnected(user_id, Timestamp::from_ms(2), tell);
        assert!(!presence.is_online(user_id));
        presence.disconnected(user_id, Timestamp::from_ms(3), tell);
        assert_eq!(
            *told.borrow(),
            [(true, None), (false, Some(Timestamp::from_ms(2)))]
        );
    }
}
