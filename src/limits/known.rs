//! From which addresses each name has logged in.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// Addresses from which a name is known to log in: the devices and networks of one person.
const KNOWN_ADDRESSES: usize = 8;

/// The addresses from which each name has logged in since the start.
#[derive(Default)]
pub(super) struct Known {
    /// By hash of the name, hashes of name and address, the newest last.
    pub(super) addresses: FxHashMap<u64, SmallVec<[u64; 2]>>,
    /// The names in the order in which they came.
    pub(super) order: VecDeque<u64>,
}

impl Known {
    pub(super) fn contains(&self, name: u64, pair: u64) -> bool {
        let pairs = self.addresses.get(&name);
        pairs.is_some_and(|pairs| pairs.contains(&pair))
    }

    /// Only a right password comes here, so that pushing out many names takes as many accounts.
    pub(super) fn put(&mut self, name: u64, pair: u64, most: usize) {
        if !self.addresses.contains_key(&name) {
            if self.order.len() >= most
                && let Some(oldest) = self.order.pop_front()
            {
                self.addresses.remove(&oldest);
            }
            self.order.push_back(name);
        }
        let pairs = self.addresses.entry(name).or_default();
        pairs.retain(|known| *known != pair);
        if pairs.len() == KNOWN_ADDRESSES {
            pairs.remove(0);
        }
        pairs.push(pair);
    }
}
