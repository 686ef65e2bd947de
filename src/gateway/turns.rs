//! How many sockets of each person are being resumed at once.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::model::UserId;

/// 32 of one person. What each costs is counted once that is known: of a thousand that come at the
/// same moment all would be let in before any of them is.
const MAX_OF_PERSON: usize = 32;

/// The people of whom sockets are being resumed, and how many.
#[derive(Default)]
pub(super) struct Turns(Mutex<FxHashMap<UserId, usize>>);

/// The right to resume a socket of a person, until it is dropped.
pub(super) struct Turn {
    turns: Arc<Turns>,
    user: UserId,
}

impl Turns {
    /// Returns the right to resume a socket of this person; `None` where as many of theirs are
    /// being resumed as may be.
    pub(super) fn begin(self: &Arc<Self>, user: UserId) -> Option<Turn> {
        let mut people = self.0.lock();
        let theirs = people.entry(user).or_default();
        if *theirs >= MAX_OF_PERSON {
            return None;
        }
        *theirs += 1;
        Some(Turn {
            turns: Arc::clone(self),
            user,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut people = self.turns.0.lock();
        if let Some(theirs) = people.get_mut(&self.user) {
            *theirs -= 1;
            if *theirs == 0 {
                people.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand at once kept everybody else waiting until all had been told what they missed.
    #[test]
    fn some_of_a_persons_sockets_are_resumed_at_once_and_nobody_else_waits_for_them() {
        let turns = Arc::new(Turns::default());
        let [eve, ada] = [1, 2].map(|number| UserId::new(number).unwrap());
        let mut hers: Vec<_> = (0..MAX_OF_PERSON).map(|_| turns.begin(eve)).collect();
        assert!(hers.iter().all(Option::is_some));
        assert!(turns.begin(eve).is_none());
        assert!(turns.begin(ada).is_some());
        hers.pop();
        hers.push(turns.begin(eve));
        assert!(hers.last().is_some_and(Option::is_some));
        assert!(turns.begin(eve).is_none());
        drop(hers);
        assert!(turns.0.lock().is_empty());
    }
}
