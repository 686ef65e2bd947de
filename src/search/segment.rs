//! A part of the index that is in a file: what a search reads of it, and no more.
//!
//! First the terms: where one of them is in no message here, that is all. Then what the rare ones
//! have in common, which mostly is nothing or little. Then the chats: those of a few messages, or
//! all that may be read. Then the terms that many have, and what is left of the messages one by
//! one. Nothing of it stays in memory but the head, and which messages are of the chats of those
//! who searched last.

use std::sync::Arc;

use super::allowed::Allowed;
use super::chats::{FEW_CHATS, Readable};
use super::folder::Folder;
use super::head::{BLOCK, HEAD_BYTES, Head, Rest};
use super::pages::{self, Damaged, Seed};
use super::plan::{Found, Plan};
use super::postings::{Bits, decode, take};
use super::query::Lookup;
use super::reader::{CHATS, IDS, NUMBERS, Reader, TERM_PLACES, TERMS};

/// A term that at most 4,096 messages have is looked up before the chats are: some microseconds.
const RARE: usize = 4_096;
/// Of 16 messages the chats are looked up one by one, of more all that may be read.
const FEW_HITS: usize = 16;
/// Ids that are 8 KiB from one to the next are read at once, with those between them: another read
/// takes as long. At most 1,024 that are wanted.
const NEAR_BITS: usize = 8 << 13;
const MANY_IDS: usize = 1 << 10;
/// Where 32 messages are left, a term that so many times as many messages have is not looked up:
/// their texts say it sooner.
const FEW_LEFT: usize = 32;
const MUCH_MORE: usize = 256;
/// What it costs to open a file and to look a term up, see [`Found::work`].
const WORK_A_FILE: usize = 4_096;
const WORK_A_LOOKUP: usize = 2_048;
/// What it costs to go on to the next term.
const WORK_A_TERM: usize = 12;
/// So many bytes that are read cost one.
const BYTES_A_WORK: usize = 4;

/// Returns the name of the file of this number.
pub(super) fn name_of(number: u64) -> String {
    format!("{number:08}.part")
}

/// A file of the index.
#[derive(Debug)]
pub(super) struct Segment {
    /// The number that its name has.
    pub(super) number: u64,
    pub(super) head: Head,
    seed: Seed,
}

/// What is found under a lookup.
#[derive(Default)]
struct Hits {
    /// How many numbers there are in all.
    total: usize,
    /// How many terms were gone through.
    terms: usize,
    /// Those of terms that one message has.
    singles: Vec<usize>,
    /// Where the others' are, of how many bytes each.
    lists: Vec<(u64, u64)>,
}

impl Segment {
    /// Opens a file and reads its head; `None` where it is not of this data file and span.
    pub(super) fn open(folder: &Folder, number: u64, stamp: [u8; 16]) -> Option<Self> {
        let source = folder.open(&name_of(number)).ok()?;
        let seed = Seed::of(stamp, number);
        let head = pages::read(&source, seed, 0..HEAD_BYTES as u64).ok()?;
        let head = Head::decode(&head).ok()?;
        (head.stamp == stamp).then_some(Self { number, head, seed })
    }

    /// Notes the messages that a plan finds here and that may be read.
    pub(super) fn find(
        &self,
        folder: &Folder,
        plan: &Plan,
        allowed: &Allowed,
        found: &mut Found,
    ) -> Result<(), Damaged> {
        let source = folder.open(&name_of(self.number)).map_err(|_| Damaged)?;
        let reader = Reader {
            source: &source,
            seed: self.seed,
            head: &self.head,
        };
        let Some((readable, mut bits)) = self.wanted(&reader, plan, allowed, found)? else {
            return Ok(());
        };
        // Of a few the texts say it sooner.
        let is_worth_it = bits.count() > FEW_LEFT;
        if is_worth_it && !plan.unwanted.is_empty() {
            let places = TermPlaces::read(&reader)?;
            for lookup in &plan.unwanted {
                let hits = places.look_up(&reader, lookup)?;
                found.work += hits.work();
                bits.remove(&reader.numbers(&hits)?);
            }
        }
        found.work += bits.count();
        reader.each_id(&bits, |number, id| {
            if readable.has(number, id) {
                found.put(id);
            }
        })
    }

    /// Returns the messages that have what a plan wants, and which may be read of their chats;
    /// `None` where there are none.
    fn wanted(
        &self,
        reader: &Reader<'_>,
        plan: &Plan,
        allowed: &Allowed,
        found: &mut Found,
    ) -> Result<Option<(Arc<Readable>, Bits)>, Damaged> {
        let places = TermPlaces::read(reader)?;
        found.work += WORK_A_FILE;
        let mut hits = Vec::with_capacity(plan.wanted.len());
        for lookup in &plan.wanted {
            let one = places.look_up(reader, lookup)?;
            found.work += WORK_A_LOOKUP + one.terms * WORK_A_TERM;
            if one.total == 0 {
                return Ok(None);
            }
            hits.push(one);
        }
        hits.sort_by_key(|hits| hits.total);
        let rare = hits.partition_point(|hits| hits.total <= RARE);
        let common = hits.split_off(rare);
        let mut few: Option<Bits> = None;
        for hits in hits {
            found.work += hits.work();
            let has = reader.numbers(&hits)?;
            match &mut few {
                Some(few) => few.keep(&has),
                None => few = Some(has),
            }
            if few.as_ref().is_some_and(|few| few.count() == 0) {
                return Ok(None);
            }
        }
        let readable = match (allowed.known(self.number), &few) {
            (Some(known), _) => {
                found.work += known.size();
                known
            }
            (None, Some(few)) if few.count() <= FEW_HITS && allowed.len() > FEW_CHATS => {
                found.work += WORK_A_LOOKUP + few.count() * WORK_A_LOOKUP / 4;
                Arc::new(Readable::among(reader, few, allowed)?)
            }
            (None, _) => {
                found.work += WORK_A_LOOKUP + reader.bytes(CHATS) / BYTES_A_WORK;
                Readable::kept(reader, allowed, self.number)?
            }
        };
        let mut bits = readable.bits(self.head.count as usize);
        if let Some(few) = few {
            bits.keep(&few);
        }
        for hits in common {
            let left = bits.count();
            if left == 0 {
                return Ok(None);
            }
            if left > FEW_LEFT || hits.total <= left * MUCH_MORE {
                found.work += hits.work();
                bits.keep(&reader.numbers(&hits)?);
            }
        }
        Ok(Some((readable, bits)))
    }
}

impl Hits {
    /// What it costs to go through the numbers.
    fn work(&self) -> usize {
        let bytes: u64 = self.lists.iter().map(|(_, bytes)| *bytes).sum();
        WORK_A_LOOKUP + self.singles.len() + usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

impl Reader<'_> {
    /// Returns the messages that are found under a lookup.
    fn numbers(&self, hits: &Hits) -> Result<Bits, Damaged> {
        let count = self.head.count as usize;
        let mut bits = Bits::new(count);
        for number in &hits.singles {
            bits.insert(*number);
        }
        let (Some((from, _)), Some((last, length))) = (hits.lists.first(), hits.lists.last())
        else {
            return Ok(bits);
        };
        // They follow one another, but for nothing.
        let bytes = self.part(NUMBERS, *from, last + length)?;
        for (place, length) in &hits.lists {
            let begin = (place - from) as usize;
            let list = bytes.get(begin..begin + *length as usize).ok_or(Damaged)?;
            decode(list, count, &mut bits).ok_or(Damaged)?;
        }
        Ok(bits)
    }

    /// Gives `take` the number and the id of each message.
    fn each_id(&self, bits: &Bits, mut take: impl FnMut(usize, u64)) -> Result<(), Damaged> {
        let width = self.head.id_bits as usize;
        let count = self.head.count as usize;
        let mut left = bits.iter().take_while(|number| *number < count).peekable();
        let mut near = Vec::new();
        while let Some(first) = left.next() {
            let mut last = first;
            near.clear();
            near.push(first);
            while near.len() < MANY_IDS
                && let Some(next) = left.next_if(|next| (next - last) * width <= NEAR_BITS)
            {
                near.push(next);
                last = next;
            }
            let (from, to) = (first * width / 8, (last * width + width).div_ceil(8));
            let bytes = self.part(IDS, from as u64, to as u64)?;
            for number in &near {
                let id = self.id(&bytes, number * width - from * 8)?;
                take(*number, id);
            }
        }
        Ok(())
    }

    /// Returns the id that begins with this bit.
    fn id(&self, bytes: &[u8], bit: usize) -> Result<u64, Damaged> {
        let width = self.head.id_bits as usize;
        let bytes = bytes.get(bit / 8..(bit + width).div_ceil(8));
        let bytes = bytes.ok_or(Damaged)?;
        let mut held = [0; 16];
        let part = held.get_mut(..bytes.len()).ok_or(Damaged)?;
        part.copy_from_slice(bytes);
        let shifted = u128::from_le_bytes(held) >> (bit % 8);
        let mask = (1_u128 << width) - 1;
        Ok(self.head.low.saturating_add((shifted & mask) as u64))
    }
}

/// Where the blocks of terms are.
struct TermPlaces {
    bytes: Vec<u8>,
    blocks: usize,
    /// Where the place of each block begins, behind the places themselves.
    begins: usize,
}

/// One of them.
struct TermPlace<'a> {
    place: u64,
    numbers: u64,
    first: &'a [u8],
}

impl TermPlaces {
    fn read(reader: &Reader<'_>) -> Result<Self, Damaged> {
        let bytes = reader.all(TERM_PLACES)?;
        let blocks = reader.head.blocks as usize;
        let begins = bytes.len().checked_sub(blocks * size_of::<u32>());
        Ok(Self {
            begins: begins.ok_or(Damaged)?,
            bytes,
            blocks,
        })
    }

    fn begin(&self, block: usize) -> Result<usize, Damaged> {
        if block >= self.blocks {
            return Ok(self.begins);
        }
        let at = self.begins + block * size_of::<u32>();
        let begin = Rest(&self.bytes[at..]).number()?;
        Ok((begin as usize).min(self.begins))
    }

    fn get(&self, block: usize) -> Result<TermPlace<'_>, Damaged> {
        let (begin, end) = (self.begin(block)?, self.begin(block + 1)?);
        let mut rest = Rest(self.bytes.get(begin..end).ok_or(Damaged)?);
        let (place, numbers) = (u64::from(rest.number()?), u64::from(rest.number()?));
        Ok(TermPlace {
            place,
            numbers,
            first: rest.0,
        })
    }

    /// Returns the last block whose first term is not greater than this one; the first of all where
    /// each is.
    fn block_of(&self, term: &[u8]) -> Result<usize, Damaged> {
        let (mut low, mut high) = (0, self.blocks);
        while low + 1 < high {
            let middle = low.midpoint(high);
            match self.get(middle)?.first <= term {
                true => low = middle,
                false => high = middle,
            }
        }
        Ok(low)
    }

    /// Returns what a lookup finds.
    fn look_up(&self, reader: &Reader<'_>, lookup: &Lookup) -> Result<Hits, Damaged> {
        let mut hits = Hits::default();
        if self.blocks == 0 {
            return Ok(hits);
        }
        for run in lookup.runs() {
            self.look_up_run(reader, &run, &mut hits)?;
        }
        Ok(hits)
    }

    /// Notes what those terms have that stand together.
    fn look_up_run(
        &self,
        reader: &Reader<'_>,
        lookup: &Lookup,
        hits: &mut Hits,
    ) -> Result<(), Damaged> {
        let term = lookup.term();
        let first = self.block_of(term)?;
        // The first block that begins beyond all that is looked for.
        let (mut end, mut high) = (first + 1, self.blocks);
        while end < high {
            let middle = end.midpoint(high);
            let begins = self.get(middle)?.first;
            match begins <= term || lookup.takes(begins) {
                true => end = middle + 1,
                false => high = middle,
            }
        }
        let begin = self.get(first)?;
        let to = match end < self.blocks {
            true => self.get(end)?.place,
            false => u64::MAX,
        };
        let bytes = reader.part(TERMS, begin.place, to)?;
        let (mut rest, mut numbers) = (&bytes[..], begin.numbers);
        let mut known: Vec<u8> = Vec::new();
        let mut at = 0;
        while !rest.is_empty() {
            if at % BLOCK == 0 {
                known.clear();
            }
            at += 1;
            hits.terms += 1;
            let (length, is_wanted) = next(&mut rest, &mut known, numbers, lookup, hits)?;
            if !is_wanted && known[..] > *term {
                break;
            }
            numbers += length;
        }
        Ok(())
    }
}

/// Reads the next term, upon the one before it, and notes what it has where it is looked for.
/// Returns how many bytes its numbers have, and whether it is looked for.
fn next(
    rest: &mut &[u8],
    known: &mut Vec<u8>,
    numbers: u64,
    lookup: &Lookup,
    hits: &mut Hits,
) -> Result<(u64, bool), Damaged> {
    let mut number = || take(rest).ok_or(Damaged);
    let (shared, length) = (number()?, number()?);
    let (shared, length) = (shared as usize, length as usize);
    if shared > known.len() || length > rest.len() {
        return Err(Damaged);
    }
    known.truncate(shared);
    known.extend_from_slice(&rest[..length]);
    *rest = &rest[length..];
    let mut number = || take(rest).ok_or(Damaged);
    let (count, what) = (number()?, number()?);
    let is_wanted = lookup.takes(known);
    if is_wanted {
        hits.total += usize::try_from(count).map_err(|_| Damaged)?;
    }
    match (count, is_wanted) {
        (1, true) => hits
            .singles
            .push(usize::try_from(what).map_err(|_| Damaged)?),
        (1, false) => {}
        (_, true) => hits.lists.push((numbers, what)),
        (_, false) => {}
    }
    Ok((if count == 1 { 0 } else { what }, is_wanted))
}

#[cfg(test)]
impl Segment {
    /// Returns every term.
    pub(super) fn all_terms(&self, folder: &Folder) -> Result<Vec<Vec<u8>>, Damaged> {
        let source = folder.open(&name_of(self.number)).map_err(|_| Damaged)?;
        let reader = Reader {
            source: &source,
            seed: self.seed,
            head: &self.head,
        };
        let places = TermPlaces::read(&reader)?;
        let mut all = Vec::new();
        for block in 0..places.blocks {
            let begin = places.get(block)?.place;
            let end = match block + 1 < places.blocks {
                true => places.get(block + 1)?.place,
                false => u64::MAX,
            };
            let bytes = reader.part(TERMS, begin, end)?;
            let (mut rest, mut known) = (&bytes[..], Vec::new());
            let lookup = Lookup::Beginning(Box::default());
            while !rest.is_empty() {
                next(&mut rest, &mut known, 0, &lookup, &mut Hits::default())?;
                all.push(known.clone());
            }
        }
        Ok(all)
    }
}
