//! Whom a person has blocked, as one value that all who go by it share.

use std::sync::Arc;

use super::UserId;

/// The people whom one person has blocked. A copy of it stays as it is when the person blocks
/// another; it costs a pointer, however many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blocked(Option<Arc<Vec<UserId>>>);

impl Blocked {
    /// Their ids, ascending.
    pub fn ids(&self) -> &[UserId] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Returns whether this person is among them.
    pub fn contains(&self, user: UserId) -> bool {
        self.ids().binary_search(&user).is_ok()
    }

    /// Returns whether it is the very same list, of a person who has blocked nobody since, and
    /// unblocked nobody.
    pub fn is_unchanged(&self, now: &Self) -> bool {
        match (&self.0, &now.0) {
            (Some(then), Some(now)) => Arc::ptr_eq(then, now),
            (then, now) => then.is_none() && now.is_none(),
        }
    }

    /// Adds a person, or takes them out.
    pub fn set(&mut self, user: UserId, blocked: bool) {
        match (self.ids().binary_search(&user), blocked) {
            (Ok(_), true) | (Err(_), false) => {}
            (Err(place), true) => Arc::make_mut(self.0.get_or_insert_default()).insert(place, user),
            (Ok(_), false) if self.ids().len() == 1 => self.0 = None,
            (Ok(place), false) => {
                Arc::make_mut(self.0.get_or_insert_default()).remove(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u64) -> UserId {
        UserId::new(number).unwrap()
    }

    #[test]
    fn a_copy_stays_as_it_was_and_tells_that_it_is_not_so_any_more() {
        let mut blocked = Blocked::default();
        assert!(blocked.is_unchanged(&Blocked::default()));
        for number in [7, 3, 9, 7] {
            blocked.set(user(number), true);
        }
        assert_eq!(blocked.ids(), [3, 7, 9].map(user));
        let copy = blocked.clone();
        blocked.set(user(3), true);
        blocked.set(user(4), false);
        assert!(copy.is_unchanged(&blocked), "nothing changed");
        blocked.set(user(7), false);
        assert!(copy.contains(user(7)) && !blocked.contains(user(7)));
        assert!(!copy.is_unchanged(&blocked));
        blocked.set(user(7), true);
        assert!(!copy.is_unchanged(&blocked), "though it is the same again");
        assert_eq!(copy, blocked);
        for number in [3, 7, 9] {
            blocked.set(user(number), false);
        }
        assert_eq!(blocked, Blocked::default());
        assert!(!copy.is_unchanged(&blocked));
    }
}
