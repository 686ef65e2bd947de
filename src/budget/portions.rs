//! A pool of which no owner may hold more than a part.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::pool::{Pool, Share};

/// The holder of a portion of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A person, by id.
    Person(u64),
    /// An address, as connections are counted by.
    Address(IpAddr),
}

/// A pool of which no owner may hold more than a part. Cheap to clone: clones are the same.
#[derive(Debug, Clone)]
pub struct Portions {
    pool: Pool,
    least: usize,
    held: Arc<Mutex<HashMap<Owner, usize>>>,
}

impl Portions {
    /// Divides a pool. Each part is of `least` bytes at least, however small the pool.
    pub fn new(pool: Pool, least: usize) -> Self {
        Self {
            pool,
            least,
            held: Arc::default(),
        }
    }

    /// Returns the same, of which each part is of `least` bytes at least.
    pub fn of_at_least(&self, least: usize) -> Self {
        Self {
            least,
            ..self.clone()
        }
    }

    /// The bytes that are taken now, of all owners.
    pub fn used(&self) -> usize {
        self.pool.used()
    }

    /// The most that may be taken in all.
    pub fn limit(&self) -> usize {
        self.pool.limit()
    }

    /// Returns a portion of no bytes for an address, which may hold the pool's limit divided by the
    /// number; for nobody where it is one that is not counted.
    pub fn portion_at(&self, address: Option<IpAddr>, part: usize) -> Portion {
        let owner = address.map(Owner::Address);
        self.portion(owner.map(|owner| (owner, part)))
    }

    /// Returns a portion of no bytes for these owners, each of whom may hold the pool's limit
    /// divided by the number.
    pub fn portion(&self, owners: impl IntoIterator<Item = (Owner, usize)>) -> Portion {
        Portion {
            held: Arc::clone(&self.held),
            owners: owners
                .into_iter()
                .map(|(owner, part)| (owner, (self.pool.limit() / part.max(1)).max(self.least)))
                .collect(),
            share: self.pool.nothing(),
        }
    }
}

/// Bytes of a divided pool, given back when dropped.
#[derive(Debug)]
pub struct Portion {
    held: Arc<Mutex<HashMap<Owner, usize>>>,
    /// With how many bytes each may hold.
    owners: Vec<(Owner, usize)>,
    share: Share,
}

impl Portion {
    /// Takes `bytes` more. Returns `false`, and takes none, where an owner has its part or the pool
    /// is empty.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let mut held = self.held.lock();
        let fits = self.owners.iter().all(|(owner, most)| {
            let has = held.get(owner).copied().unwrap_or(0);
            has.checked_add(bytes).is_some_and(|sum| sum <= *most)
        });
        if !fits || !self.share.grow(bytes) {
            return false;
        }
        for (owner, _) in &self.owners {
            *held.entry(*owner).or_default() += bytes;
        }
        true
    }

    /// The bytes held.
    pub fn bytes(&self) -> usize {
        self.share.bytes()
    }
}

impl Drop for Portion {
    fn drop(&mut self) {
        if self.share.bytes() == 0 {
            return;
        }
        let mut held = self.held.lock();
        for (owner, _) in &self.owners {
            if let Some(has) = held.get_mut(owner) {
                *has -= self.share.bytes().min(*has);
                if *has == 0 {
                    held.remove(owner);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_owner_takes_what_is_another_owners_part() {
        let pool = Pool::new(80);
        let portions = Portions::new(pool.clone(), 0);
        let home = Owner::Address([192, 0, 2, 1].into());
        let of = |person| portions.portion([(Owner::Person(person), 8), (home, 4)]);
        let (mut first, mut second) = (of(1), of(2));
        assert!(
            first.grow(6) && !first.grow(5) && first.grow(4),
            "a person has an eighth"
        );
        assert!(second.grow(10), "another has one too");
        assert!(!of(3).grow(1), "their address has a quarter");
        let mut elsewhere = portions.portion([(Owner::Person(1), 8)]);
        assert!(
            !elsewhere.grow(1),
            "a person has no more from another address"
        );
        drop(first);
        assert!(elsewhere.grow(10) && of(3).grow(10));
        assert_eq!((pool.used(), second.bytes()), (20, 10));
        drop((second, elsewhere));
        assert!(
            portions.held.lock().is_empty(),
            "who holds nothing is forgotten"
        );
        assert_eq!(pool.used(), 0);
        let mut all: Vec<_> = (0..9)
            .map(|person| portions.portion([(Owner::Person(person), 8)]))
            .collect();
        let taken = all
            .iter_mut()
            .filter_map(|portion| portion.grow(10).then_some(()))
            .count();
        assert_eq!(taken, 8, "the sum is bounded too");
    }
}
