//! Whom people found lately by naming them as a whole, where that is how one finds others
//! (`--directory exact`): an id that was found is one that may be named, and one that was guessed
//! is not.

use std::collections::VecDeque;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::model::UserId;

/// 256 people who were found last are remembered of each: more than are put into a room by name.
const MAX_FOUND: usize = 256;
/// Of 4,096 people at once, in some 8 MB. With one more all is forgotten: searching brings it back.
const MAX_FINDERS: usize = 1 << 12;

/// Whom people found lately, in memory alone.
#[derive(Default)]
pub(super) struct Found(Mutex<FxHashMap<UserId, VecDeque<UserId>>>);

impl Found {
    /// Remembers whom a person found.
    pub(super) fn note(&self, finder: UserId, user: UserId) {
        let mut all = self.0.lock();
        if all.len() >= MAX_FINDERS && !all.contains_key(&finder) {
            all.clear();
        }
        let own = all.entry(finder).or_default();
        own.retain(|known| *known != user);
        if own.len() >= MAX_FOUND {
            own.pop_front();
        }
        own.push_back(user);
    }

    /// Returns whether a person found another lately.
    pub(super) fn has(&self, finder: UserId, user: UserId) -> bool {
        let all = self.0.lock();
        all.get(&finder).is_some_and(|own| own.contains(&user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_were_found_last_are_remembered_of_a_bounded_number_of_people() {
        let id = |number: usize| UserId::new(number as u64 + 1).unwrap();
        let found = Found::default();
        for number in 0..=MAX_FOUND {
            found.note(id(0), id(number));
            found.note(id(0), id(7));
        }
        assert!(!found.has(id(0), id(0)) && found.has(id(0), id(MAX_FOUND)));
        assert!(found.has(id(0), id(7)), "found again, it is of the last");
        assert!(!found.has(id(1), id(7)), "others found nobody");
        for finder in 0..2 * MAX_FINDERS {
            found.note(id(finder), id(7));
            assert!(found.has(id(finder), id(7)));
            assert!(found.0.lock().len() <= MAX_FINDERS);
        }
    }
}
