//! A part of the index that is in a file: what a search reads of it, and no more.
//!
//! First the terms: where one of them is in no message here, that is all. Then the chats, of which
//! those that may be read are picked; what is left of the messages is looked at one by one. Nothing
//! of it stays in memory but the head.

use super::allowed::Allowed;
use super::folder::{Folder, Source};
use super::head::{BLOCK, HEAD_BYTES, Head, Rest, Section};
use super::pages::{self, Damaged};
use super::plan::{Found, Plan};
use super::postings::{Bits, decode, take};
use super::query::Lookup;

/// What a chat place has.
const CHAT_PLACE: usize = 16;
/// Of 8 chats the blocks are read one by one, of more all at once.
const FEW_CHATS: usize = 8;
/// Of 24 messages the ids are read one by one, of more all at once.
const FEW_MESSAGES: usize = 24;
/// Where 32 messages are left, a term that so many times as many messages have is not looked up:
/// their texts say it sooner.
const FEW_LEFT: usize = 32;
const MUCH_MORE: usize = 256;
/// How many bytes cost as much as one message that is looked at.
const BYTES_A_WORK: usize = 16;

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
}

/// The chats of a segment that may be read: their messages, and those of them that may not.
struct Readable {
    bits: Bits,
    /// From one number to another, which is left out: only messages with greater ids than this.
    floors: Vec<(usize, usize, u64)>,
}

/// What is found under a lookup.
#[derive(Default)]
struct Hits {
    /// How many numbers there are in all.
    total: usize,
    /// Those of terms that one message has.
    singles: Vec<usize>,
    /// Where the others' are, of how many bytes each.
    lists: Vec<(u64, u64)>,
}

impl Segment {
    /// Opens a file and reads its head; `None` where it is not of this data file and span.
    pub(super) fn open(folder: &Folder, number: u64, stamp: [u8; 16]) -> Option<Self> {
        let source = folder.open(&name_of(number)).ok()?;
        let head = pages::read(&source, 0..HEAD_BYTES as u64).ok()?;
        let head = Head::decode(&head).ok()?;
        (head.stamp == stamp).then_some(Self { number, head })
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
            head: &self.head,
        };
        let places = TermPlaces::read(&reader)?;
        let mut hits = Vec::with_capacity(plan.wanted.len());
        for lookup in &plan.wanted {
            let one = places.look_up(&reader, lookup)?;
            found.work += 1 + one.total / BYTES_A_WORK;
            if one.total == 0 {
                return Ok(());
            }
            hits.push(one);
        }
        hits.sort_by_key(|hits| hits.total);
        let Readable { mut bits, floors } = reader.readable(allowed)?;
        found.work += reader.bytes(1) / BYTES_A_WORK / 8;
        for hits in hits {
            let left = bits.count();
            if left == 0 {
                return Ok(());
            }
            if left > FEW_LEFT || hits.total <= left * MUCH_MORE {
                found.work += hits.total / 4;
                bits.keep(&reader.bits(&hits)?);
            }
        }
        // Of a few the texts say it sooner.
        let is_worth_it = bits.count() > FEW_LEFT;
        for lookup in plan.unwanted.iter().filter(|_| is_worth_it) {
            let hits = places.look_up(&reader, lookup)?;
            found.work += 1 + hits.total / 4;
            bits.remove(&reader.bits(&hits)?);
        }
        reader.each_id(&bits, |number, id| {
            let may_read = |(from, to, floor): &(usize, usize, u64)| {
                !(*from..*to).contains(&number) || id > *floor
            };
            if floors.iter().all(may_read) {
                found.put(id);
            }
        })
    }
}

/// What reads a file.
struct Reader<'a> {
    source: &'a Source,
    head: &'a Head,
}

impl Reader<'_> {
    fn bytes(&self, section: usize) -> usize {
        let Section { begin, end } = self.head.sections[section];
        usize::try_from(end - begin).unwrap_or(usize::MAX)
    }

    fn all(&self, section: usize) -> Result<Vec<u8>, Damaged> {
        let Section { begin, end } = self.head.sections[section];
        pages::read(self.source, begin..end)
    }

    /// Reads a part of a section, as far as that reaches.
    fn part(&self, section: usize, from: u64, to: u64) -> Result<Vec<u8>, Damaged> {
        let Section { begin, end } = self.head.sections[section];
        let (from, to) = (
            begin.saturating_add(from),
            begin.saturating_add(to).min(end),
        );
        match from <= to {
            true => pages::read(self.source, from..to),
            false => Err(Damaged),
        }
    }

    /// Returns the messages of chats that may be read.
    fn readable(&self, allowed: &Allowed) -> Result<Readable, Damaged> {
        let places = self.all(2)?;
        let (places, _) = places.as_chunks::<CHAT_PLACE>();
        let all = match allowed.len() > FEW_CHATS {
            true => Some(self.all(1)?),
            false => None,
        };
        let mut readable = Readable {
            bits: Bits::new(self.head.count as usize),
            floors: Vec::new(),
        };
        let key = |place: &[u8; CHAT_PLACE]| Rest(place).long().unwrap_or(u64::MAX);
        let (mut wanted, mut from) = (allowed.chats(), 0);
        while let Some((first, _)) = wanted.first() {
            let block = from + places[from..].partition_point(|place| key(place) <= *first);
            // The block before that begins no later than the chat.
            let Some(at) = block.checked_sub(1) else {
                let Some(begin) = places.first().map(key) else {
                    break;
                };
                wanted = &wanted[wanted.partition_point(|(chat, _)| *chat < begin)..];
                continue;
            };
            let end = places.get(block).map_or(u64::MAX, key);
            let here = wanted.partition_point(|(chat, _)| *chat < end);
            let mut place = Rest(&places[at][8..]);
            let (number, begin) = (place.number()?, u64::from(place.number()?));
            let next = places.get(block).map(|place| Rest(&place[12..]).number());
            let end = next.transpose()?.map_or(u64::MAX, u64::from);
            let read;
            let bytes = match &all {
                Some(all) => {
                    let end = usize::try_from(end).unwrap_or(usize::MAX).min(all.len());
                    all.get(begin as usize..end).ok_or(Damaged)?
                }
                None => {
                    read = self.part(1, begin, end)?;
                    &read[..]
                }
            };
            pick(
                bytes,
                (key(&places[at]), number as usize),
                &wanted[..here],
                &mut readable,
            )?;
            (wanted, from) = (&wanted[here..], at);
        }
        Ok(readable)
    }

    /// Returns the messages that are found under a lookup.
    fn bits(&self, hits: &Hits) -> Result<Bits, Damaged> {
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
        let bytes = self.part(3, *from, last + length)?;
        for (place, length) in &hits.lists {
            let begin = (place - from) as usize;
            let list = bytes.get(begin..begin + *length as usize).ok_or(Damaged)?;
            decode(list, count, &mut bits).ok_or(Damaged)?;
        }
        Ok(bits)
    }

    /// Gives `take` the number and the id of each message.
    fn each_id(&self, bits: &Bits, mut take: impl FnMut(usize, u64)) -> Result<(), Damaged> {
        let left = bits.count();
        let all = match left > FEW_MESSAGES {
            true => Some(self.all(0)?),
            false => None,
        };
        let width = self.head.id_bits as usize;
        let count = self.head.count as usize;
        for number in bits.iter().take_while(|number| *number < count) {
            let (first, last) = (number * width / 8, (number * width + width).div_ceil(8));
            let read;
            let bytes = match &all {
                Some(all) => all.get(first..last).ok_or(Damaged)?,
                None => {
                    read = self.part(0, first as u64, last as u64)?;
                    &read[..]
                }
            };
            let mut held = [0; 16];
            held.get_mut(..bytes.len())
                .ok_or(Damaged)?
                .copy_from_slice(bytes);
            let shifted = u128::from_le_bytes(held) >> (number * width % 8);
            let mask = (1_u128 << width) - 1;
            take(
                number,
                self.head.low.saturating_add((shifted & mask) as u64),
            );
        }
        Ok(())
    }
}

/// Goes through a block of chats and picks those that may be read.
fn pick(
    mut bytes: &[u8],
    (mut key, mut number): (u64, usize),
    mut wanted: &[(u64, u64)],
    readable: &mut Readable,
) -> Result<(), Damaged> {
    while let Some((chat, floor)) = wanted.first()
        && !bytes.is_empty()
    {
        key += take(&mut bytes).ok_or(Damaged)?;
        let count = take(&mut bytes).ok_or(Damaged)?;
        let end = number + usize::try_from(count).map_err(|_| Damaged)?;
        if *chat == key {
            readable.bits.insert_range(number, end);
            if *floor > 0 {
                readable.floors.push((number, end, *floor));
            }
        }
        let passed = wanted.partition_point(|(chat, _)| *chat <= key);
        (wanted, number) = (&wanted[passed..], end);
    }
    Ok(())
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
        let bytes = reader.all(5)?;
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
        let bytes = reader.part(4, begin.place, to)?;
        let (mut rest, mut numbers) = (&bytes[..], begin.numbers);
        let mut known: Vec<u8> = Vec::new();
        let mut at = 0;
        while !rest.is_empty() {
            if at % BLOCK == 0 {
                known.clear();
            }
            at += 1;
            numbers += next(&mut rest, &mut known, numbers, lookup, &mut hits)?;
            if known[..] > *term && !lookup.takes(&known) {
                break;
            }
        }
        Ok(hits)
    }
}

/// Reads the next term, upon the one before it, and notes what it has where it is looked for.
/// Returns how many bytes its numbers have.
fn next(
    rest: &mut &[u8],
    known: &mut Vec<u8>,
    numbers: u64,
    lookup: &Lookup,
    hits: &mut Hits,
) -> Result<u64, Damaged> {
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
    Ok(if count == 1 { 0 } else { what })
}

#[cfg(test)]
impl Segment {
    /// Returns every term.
    pub(super) fn all_terms(&self, folder: &Folder) -> Vec<Vec<u8>> {
        let source = folder.open(&name_of(self.number)).unwrap();
        let reader = Reader {
            source: &source,
            head: &self.head,
        };
        let places = TermPlaces::read(&reader).unwrap();
        let mut all = Vec::new();
        for block in 0..places.blocks {
            let begin = places.get(block).unwrap().place;
            let end = match block + 1 < places.blocks {
                true => places.get(block + 1).unwrap().place,
                false => u64::MAX,
            };
            let bytes = reader.part(4, begin, end).unwrap();
            let (mut rest, mut known) = (&bytes[..], Vec::new());
            let lookup = Lookup::Beginning(Box::default());
            while !rest.is_empty() {
                next(&mut rest, &mut known, 0, &lookup, &mut Hits::default()).unwrap();
                all.push(known.clone());
            }
        }
        all
    }
}
