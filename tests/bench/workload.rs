//! Who writes to whom: the same messages for both engines, made from a seed.
//!
//! Everybody has [`CONTACTS`] contacts, each the other's: people stand in a ring in random order,
//! and know those who stand near. How often somebody writes follows Zipf's law (exponent 1.0) over
//! another random order, so that neither the busy nor the friends of one person are neighbours by
//! id; whom they write to is one of their contacts, all alike. A tie of the ring is one
//! conversation: 10,000 people have 320,000.

use std::collections::VecDeque;
use std::sync::Arc;

/// With how many others everybody talks.
pub(crate) const CONTACTS: u64 = 64;
/// How long a message is, in characters, all ASCII.
const CHARS: usize = 100;
/// How many different texts there are. Neither engine compresses, so that few would do.
const TEXTS: usize = 1_024;

/// A small generator of random numbers (splitmix64), so that a seed gives the same messages for
/// ever.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    fn shuffle(&mut self, values: &mut [u64]) {
        for at in (1..values.len()).rev() {
            values.swap(at, self.below(at as u64 + 1) as usize);
        }
    }
}

/// Everybody, and how busy they are. User ids are 1 to the count.
pub(crate) struct People {
    /// The user at each place of the ring.
    ring: Vec<u64>,
    /// The place in the ring of each rank, the busiest first.
    places: Vec<u64>,
    /// The sum of the weights up to each rank.
    weights: Vec<f64>,
    texts: Vec<Arc<str>>,
}

impl People {
    /// The same people for the same count.
    ///
    /// # Panics
    /// Where they are too few to have [`CONTACTS`] others each.
    pub(crate) fn new(count: u64) -> Self {
        assert!(count > CONTACTS, "at least {} users", CONTACTS + 1);
        let mut random = Random::new(count);
        let mut ring: Vec<u64> = (1..=count).collect();
        random.shuffle(&mut ring);
        let mut places: Vec<u64> = (0..count).collect();
        random.shuffle(&mut places);
        let weights = (1..=count).scan(0.0, |sum, rank| {
            *sum += 1.0 / rank as f64;
            Some(*sum)
        });
        let weights = weights.collect();
        let texts = (0..TEXTS).map(|_| {
            let letter = |bits: u64| b"abcdefghijklmnopqrstuvwxyz      "[(bits >> 59) as usize];
            let text = (0..CHARS).map(|_| char::from(letter(random.next())));
            text.collect::<String>().into()
        });
        let texts = texts.collect();
        Self {
            ring,
            places,
            weights,
            texts,
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.ring.len() as u64
    }
}

/// A message that is to be written.
pub(crate) struct Outgoing {
    pub(crate) sender: u64,
    pub(crate) receiver: u64,
    pub(crate) content: Arc<str>,
    /// A random UUID, where the run has client ids.
    pub(crate) client_id: Option<[u8; 16]>,
}

/// Messages without end.
pub(crate) struct Traffic<'a> {
    people: &'a People,
    random: Random,
    client_ids: bool,
    /// Made already, the next one first.
    prepared: VecDeque<Outgoing>,
}

impl<'a> Traffic<'a> {
    /// The same messages for the same people and seed.
    pub(crate) fn new(people: &'a People, seed: u64, client_ids: bool) -> Self {
        Self {
            people,
            random: Random::new(seed.wrapping_mul(0x2545_f491_4f6c_dd1d)),
            client_ids,
            prepared: VecDeque::new(),
        }
    }

    /// Makes the next messages now, so that a measurement is not one of their making. Those after
    /// them are made when they are wanted.
    pub(crate) fn prepare(mut self, count: usize) -> Self {
        self.prepared.reserve(count);
        for _ in 0..count {
            let message = self.make();
            self.prepared.push_back(message);
        }
        self
    }

    /// The next one.
    pub(crate) fn message(&mut self) -> Outgoing {
        self.prepared.pop_front().unwrap_or_else(|| self.make())
    }

    fn make(&mut self) -> Outgoing {
        let People {
            ring,
            places,
            weights,
            texts,
        } = self.people;
        let all = weights[weights.len() - 1];
        // 53 bits, as many as an f64 has.
        let point = (self.random.next() >> 11) as f64 / (1u64 << 53) as f64 * all;
        let rank = weights.partition_point(|sum| *sum <= point);
        let place = places[rank.min(places.len() - 1)];
        let picked = self.random.below(CONTACTS);
        let distance = picked / 2 + 1;
        let count = self.people.count();
        let other = if picked.is_multiple_of(2) {
            (place + distance) % count
        } else {
            (place + count - distance) % count
        };
        let text = self.random.below(texts.len() as u64) as usize;
        let client_id = self.client_ids.then(|| {
            let halves = (u128::from(self.random.next()) << 64) | u128::from(self.random.next());
            halves.to_be_bytes()
        });
        Outgoing {
            sender: ring[place as usize],
            receiver: ring[other as usize],
            content: Arc::clone(&texts[text]),
            client_id,
        }
    }
}
