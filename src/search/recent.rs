//! The newest part of the index, in memory until it is large enough for a file.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use hashbrown::HashMap;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::allowed::{Allowed, ChatKey};
use super::plan::{Found, Plan};
use super::postings::{Bits, take};
use super::query::Lookup;
use super::terms::{WITH_FILE, each_term, of_sender};

/// About what a term takes besides its bytes: its places in the map and the tree, and its numbers.
const TERM_BYTES: usize = 160;
/// About what a message takes besides its terms.
const MESSAGE_BYTES: usize = 64;

/// A message to be indexed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) chat: ChatKey,
    pub(super) id: u64,
    pub(super) sender: u64,
    pub(super) has_file: bool,
    pub(super) content: &'a str,
}

/// A message, by the number by which it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entered {
    pub(super) chat: ChatKey,
    pub(super) id: u64,
    /// It is gone, or has come again with another text.
    pub(super) is_stale: bool,
}

/// The messages that have a term, ascending by number.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// One more than the last.
    next: u32,
    /// Each as what it is more than one beyond the one before.
    bytes: SmallVec<[u8; 16]>,
}

impl Numbers {
    /// Adds one that is not less than the last. Returns how many bytes that took.
    fn push(&mut self, number: u32) -> usize {
        let Some(mut gap) = number.checked_sub(self.next) else {
            // The term stands twice in one text.
            return 0;
        };
        self.next = number + 1;
        let mut count = 1;
        while gap >= 0x80 {
            self.bytes.push(gap as u8 | 0x80);
            gap >>= 7;
            count += 1;
        }
        self.bytes.push(gap as u8);
        count
    }

    /// Returns them.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        let (mut rest, mut next) = (&self.bytes[..], 0);
        std::iter::from_fn(move || {
            let number = u32::try_from(take(&mut rest)?).ok()? + next;
            next = number + 1;
            Some(number)
        })
    }
}

/// The newest messages, and the terms that they have.
#[derive(Debug)]
pub(super) struct Recent {
    /// Entries up to this one are not in it.
    pub(super) from: u64,
    /// What is in it is at least as the log was once it ended with this entry.
    pub(super) as_of: u64,
    entered: Vec<Entered>,
    /// Nearly all that a text has are here already, and are found by their hash; keyed by chance,
    /// since texts are made by others, and fast, since each word of each message is looked up.
    terms: HashMap<Arc<[u8]>, usize>,
    /// The same terms, in order: what begins alike is gone through without looking each of it up.
    ordered: BTreeMap<Arc<[u8]>, usize>,
    /// Of each term, in the place that both say.
    numbers: Vec<Numbers>,
    /// The number by which each message came last.
    places: FxHashMap<u64, u32>,
    bytes: usize,
}

impl Recent {
    /// Returns an empty one for what comes after an entry of a log that ends with `as_of`.
    pub(super) fn after(from: u64, as_of: u64) -> Self {
        Self {
            from,
            as_of,
            entered: Vec::new(),
            terms: HashMap::new(),
            ordered: BTreeMap::new(),
            numbers: Vec::new(),
            places: FxHashMap::default(),
            bytes: 0,
        }
    }

    /// Takes a message in, in the place of itself where it is here.
    pub(super) fn put(&mut self, text: Text<'_>) {
        self.forget(text.id);
        let number = self.entered.len() as u32;
        self.entered.push(Entered {
            chat: text.chat,
            id: text.id,
            is_stale: false,
        });
        self.places.insert(text.id, number);
        self.bytes += MESSAGE_BYTES;
        each_term(text.content, |term| self.put_term(term, number));
        self.put_term(&of_sender(text.sender), number);
        if text.has_file {
            self.put_term(WITH_FILE, number);
        }
    }

    fn put_term(&mut self, term: &[u8], number: u32) {
        if let Some(place) = self.terms.get(term) {
            self.bytes += self.numbers[*place].push(number);
            return;
        }
        let place = self.numbers.len();
        let mut numbers = Numbers::default();
        numbers.push(number);
        self.numbers.push(numbers);
        let shared: Arc<[u8]> = term.into();
        self.ordered.insert(Arc::clone(&shared), place);
        self.terms.insert(shared, place);
        self.bytes += TERM_BYTES + term.len();
    }

    /// Notes that a message is gone. Returns whether it was here.
    pub(super) fn forget(&mut self, id: u64) -> bool {
        let Some(number) = self.places.remove(&id) else {
            return false;
        };
        if let Some(entered) = self.entered.get_mut(number as usize) {
            entered.is_stale = true;
        }
        true
    }

    /// Returns whether a message is here.
    pub(super) fn has(&self, id: u64) -> bool {
        self.places.contains_key(&id)
    }

    /// How many messages came, those that are gone included.
    pub(super) fn len(&self) -> usize {
        self.entered.len()
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The messages in the order in which they came.
    pub(super) fn entered(&self) -> &[Entered] {
        &self.entered
    }

    /// The terms in order, each with the numbers of its messages.
    pub(super) fn terms(&self) -> impl Iterator<Item = (&[u8], &Numbers)> {
        let terms = self.ordered.iter();
        terms.map(|(term, place)| (&**term, &self.numbers[*place]))
    }

    /// Notes the messages that a plan finds here and that may be read.
    pub(super) fn find(&self, plan: &Plan, allowed: &Allowed, found: &mut Found) {
        let mut bits: Option<Bits> = None;
        for lookup in &plan.wanted {
            let has = self.bits(lookup, found);
            match &mut bits {
                Some(bits) => bits.keep(&has),
                None => bits = Some(has),
            }
        }
        let Some(mut bits) = bits else {
            return;
        };
        for lookup in &plan.unwanted {
            bits.remove(&self.bits(lookup, found));
        }
        for number in bits.iter() {
            if let Some(entered) = self.entered.get(number)
                && !entered.is_stale
                && allowed.has(entered.chat, entered.id)
            {
                found.put(entered.id);
            }
        }
    }

    fn bits(&self, lookup: &Lookup, found: &mut Found) -> Bits {
        let mut bits = Bits::new(self.entered.len());
        for run in lookup.runs() {
            let from = (Bound::Included(run.term()), Bound::Unbounded);
            let terms = self.ordered.range::<[u8], _>(from);
            let terms = terms.take_while(|(term, _)| run.takes(term));
            for (_, place) in terms {
                for number in self.numbers[*place].iter() {
                    bits.insert(number as usize);
                    found.work += 1;
                }
            }
        }
        bits
    }
}
