//! Which messages of a file may be read: those of the reader's chats, or, of a few messages, those
//! whose chats are the reader's.

use std::sync::Arc;

use super::allowed::{Allowed, ChatKey};
use super::head::Rest;
use super::pages::Damaged;
use super::postings::{Bits, take};
use super::reader::{CHAT_PLACES, CHATS, Reader};

/// What a chat place has.
const CHAT_PLACE: usize = 16;
/// Of 8 chats the blocks are read one by one, of more all at once.
pub(super) const FEW_CHATS: usize = 8;

/// Messages that follow one another by their numbers: the first, and the one after the last.
type Run = (u32, u32);

/// What a file takes among what is known of many, besides its runs: as much as so many of those.
const RUNS_A_FILE: usize = 16;

/// The messages of a file that may be read.
#[derive(Debug, Default)]
pub(super) struct Readable {
    /// Those of chats that may be read.
    runs: Vec<Run>,
    /// Of these only messages with greater ids than this.
    floors: Vec<(Run, u64)>,
}

impl Readable {
    /// Puts messages of a chat in, from one number to another, which is left out.
    fn put(&mut self, reader: &Reader<'_>, (from, to): (usize, usize), floor: u64) {
        let (count, low, high) = (reader.head.count, reader.head.low, reader.head.high);
        let number = |number| u32::try_from(number).map_or(count, |number| number.min(count));
        let (from, to) = (number(from), number(to));
        if floor >= high || from == to {
            return;
        }
        if floor >= low {
            self.floors.push(((from, to), floor));
        }
        match self.runs.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => self.runs.push((from, to)),
        }
    }

    /// Returns those of chats that may be read, of a file of `count` messages.
    pub(super) fn bits(&self, count: usize) -> Bits {
        let mut bits = Bits::new(count);
        for (from, to) in &self.runs {
            bits.insert_range(*from as usize, *to as usize);
        }
        bits
    }

    /// Returns whether a message of those chats may be read.
    pub(super) fn has(&self, number: usize, id: u64) -> bool {
        let may_read = |((from, to), floor): &(Run, u64)| {
            !(*from as usize..*to as usize).contains(&number) || id > *floor
        };
        self.floors.iter().all(may_read)
    }

    /// About what it takes, in runs.
    pub(super) fn size(&self) -> usize {
        RUNS_A_FILE + self.runs.len() + 2 * self.floors.len()
    }

    /// Returns the messages of the chats that may be read, and keeps which they are for the next
    /// search of the same person.
    pub(super) fn kept(
        reader: &Reader<'_>,
        allowed: &Allowed,
        file: u64,
    ) -> Result<Arc<Self>, Damaged> {
        let mut readable = Self::of(reader, allowed)?;
        readable.runs.shrink_to_fit();
        readable.floors.shrink_to_fit();
        let readable = Arc::new(readable);
        allowed.keep(file, &readable);
        Ok(readable)
    }

    fn of(reader: &Reader<'_>, allowed: &Allowed) -> Result<Self, Damaged> {
        let places = ChatPlaces::read(reader)?;
        let all = match allowed.len() > FEW_CHATS {
            true => Some(reader.all(CHATS)?),
            false => None,
        };
        let mut readable = Self::default();
        let mut wanted = allowed.chats();
        while let Some((first, _)) = wanted.first() {
            let Some(at) = places.block_of_chat(*first) else {
                let Some(begin) = places.key(0) else {
                    break;
                };
                wanted = &wanted[wanted.partition_point(|(chat, _)| *chat < begin)..];
                continue;
            };
            let end = places.key(at + 1).unwrap_or(u64::MAX);
            let here = wanted.partition_point(|(chat, _)| *chat < end);
            if here == 0 {
                return Err(Damaged);
            }
            let read;
            let block = places.block(at)?;
            let bytes = match &all {
                Some(all) => block.of(all)?,
                None => {
                    read = reader.part(CHATS, block.begin, block.end)?;
                    &read[..]
                }
            };
            pick(reader, bytes, &block, &wanted[..here], &mut readable)?;
            wanted = &wanted[here..];
        }
        Ok(readable)
    }

    /// Returns those of a few messages whose chats may be read.
    pub(super) fn among(
        reader: &Reader<'_>,
        few: &Bits,
        allowed: &Allowed,
    ) -> Result<Self, Damaged> {
        let places = ChatPlaces::read(reader)?;
        let mut readable = Self::default();
        // Those of one block follow one another.
        let mut known: Option<(usize, Block, Vec<u8>)> = None;
        for number in few.iter().take_while(|number| *number < places.count) {
            let at = places.block_of_message(number).ok_or(Damaged)?;
            if known.as_ref().is_none_or(|(known, ..)| *known != at) {
                let block = places.block(at)?;
                let bytes = reader.part(CHATS, block.begin, block.end)?;
                known = Some((at, block, bytes));
            }
            let Some((_, block, bytes)) = &known else {
                continue;
            };
            if let Some(floor) = allowed.floor(block.chat_of(bytes, number)?) {
                readable.put(reader, (number, number + 1), floor);
            }
        }
        Ok(readable)
    }
}

/// Where the blocks of chats are.
struct ChatPlaces {
    bytes: Vec<u8>,
    /// How many messages there are.
    count: usize,
}

/// One of them.
struct Block {
    /// The key of its first chat, and the number of the first message of that.
    key: ChatKey,
    number: usize,
    /// Where it begins and ends, at most.
    begin: u64,
    end: u64,
}

impl ChatPlaces {
    fn read(reader: &Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            bytes: reader.all(CHAT_PLACES)?,
            count: reader.head.count as usize,
        })
    }

    fn places(&self) -> &[[u8; CHAT_PLACE]] {
        self.bytes.as_chunks().0
    }

    /// The first chat of a block.
    fn key(&self, at: usize) -> Option<ChatKey> {
        Rest(self.places().get(at)?).long().ok()
    }

    fn block(&self, at: usize) -> Result<Block, Damaged> {
        let mut place = Rest(self.places().get(at).ok_or(Damaged)?);
        let (key, number) = (place.long()?, place.number()? as usize);
        let begin = u64::from(place.number()?);
        let next = self.places().get(at + 1);
        let next = next.map(|place| Rest(&place[12..]).number()).transpose()?;
        Ok(Block {
            key,
            number,
            begin,
            end: next.map_or(u64::MAX, u64::from),
        })
    }

    /// Returns the last block that begins no later than a chat.
    fn block_of_chat(&self, chat: ChatKey) -> Option<usize> {
        let begins = |place: &[u8; CHAT_PLACE]| Rest(place).long().is_ok_and(|key| key <= chat);
        self.places().partition_point(begins).checked_sub(1)
    }

    /// Returns the last block that begins no later than a message.
    fn block_of_message(&self, number: usize) -> Option<usize> {
        let begins = |place: &[u8; CHAT_PLACE]| {
            Rest(&place[8..])
                .number()
                .is_ok_and(|first| first as usize <= number)
        };
        self.places().partition_point(begins).checked_sub(1)
    }
}

impl Block {
    /// Returns its bytes of those of all blocks.
    fn of<'a>(&self, all: &'a [u8]) -> Result<&'a [u8], Damaged> {
        let begin = usize::try_from(self.begin).map_err(|_| Damaged)?;
        let end = usize::try_from(self.end).unwrap_or(usize::MAX);
        all.get(begin..end.min(all.len())).ok_or(Damaged)
    }

    /// Gives `wants_more` each chat and its messages, from one number to another, which is left
    /// out, until that says no.
    fn each(
        &self,
        mut bytes: &[u8],
        mut wants_more: impl FnMut(ChatKey, usize, usize) -> bool,
    ) -> Result<(), Damaged> {
        let (mut key, mut number) = (self.key, self.number);
        while !bytes.is_empty() {
            key = key
                .checked_add(take(&mut bytes).ok_or(Damaged)?)
                .ok_or(Damaged)?;
            let count = usize::try_from(take(&mut bytes).ok_or(Damaged)?).map_err(|_| Damaged)?;
            let end = number.checked_add(count).ok_or(Damaged)?;
            if !wants_more(key, number, end) {
                break;
            }
            number = end;
        }
        Ok(())
    }

    /// Returns the chat of a message that is in the block.
    fn chat_of(&self, bytes: &[u8], number: usize) -> Result<ChatKey, Damaged> {
        let mut found = None;
        self.each(bytes, |key, from, to| {
            found = (from..to).contains(&number).then_some(key);
            found.is_none()
        })?;
        found.ok_or(Damaged)
    }
}

/// Goes through a block of chats and picks those that may be read.
fn pick(
    reader: &Reader<'_>,
    bytes: &[u8],
    block: &Block,
    mut wanted: &[(ChatKey, u64)],
    readable: &mut Readable,
) -> Result<(), Damaged> {
    block.each(bytes, |key, from, to| {
        while let Some((chat, floor)) = wanted.first()
            && *chat <= key
        {
            if *chat == key {
                readable.put(reader, (from, to), *floor);
            }
            wanted = &wanted[1..];
        }
        !wanted.is_empty()
    })
}
