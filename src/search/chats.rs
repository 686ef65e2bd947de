//! Which messages of a file may be read: those of the reader's chats, or, of a few messages, those
//! whose chats are the reader's.

use super::allowed::{Allowed, ChatKey};
use super::head::Rest;
use super::pages::Damaged;
use super::postings::{Bits, take};
use super::reader::{CHAT_PLACES, CHATS, Reader};

/// What a chat place has.
const CHAT_PLACE: usize = 16;
/// Of 8 chats the blocks are read one by one, of more all at once.
pub(super) const FEW_CHATS: usize = 8;

/// The messages of a file that may be read.
pub(super) struct Readable {
    /// Those of chats that may be read.
    pub(super) bits: Bits,
    /// Of these, from one number to another, which is left out: only messages with greater ids than
    /// this.
    floors: Vec<(usize, usize, u64)>,
}

impl Readable {
    fn none(count: usize) -> Self {
        Self {
            bits: Bits::new(count),
            floors: Vec::new(),
        }
    }

    /// Puts messages of a chat in, from one number to another, which is left out.
    fn put(&mut self, from: usize, to: usize, floor: u64) {
        self.bits.insert_range(from, to);
        if floor > 0 {
            self.floors.push((from, to, floor));
        }
    }

    /// Returns whether a message of those chats may be read.
    pub(super) fn has(&self, number: usize, id: u64) -> bool {
        let may_read = |(from, to, floor): &(usize, usize, u64)| {
            !(*from..*to).contains(&number) || id > *floor
        };
        self.floors.iter().all(may_read)
    }

    /// Returns the messages of the chats that may be read.
    pub(super) fn of(reader: &Reader<'_>, allowed: &Allowed) -> Result<Self, Damaged> {
        let places = ChatPlaces::read(reader)?;
        let all = match allowed.len() > FEW_CHATS {
            true => Some(reader.all(CHATS)?),
            false => None,
        };
        let mut readable = Self::none(places.count);
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
            pick(bytes, &block, &wanted[..here], &mut readable)?;
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
        let mut readable = Self::none(places.count);
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
                readable.put(number, number + 1, floor);
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
                readable.put(from, to, *floor);
            }
            wanted = &wanted[1..];
        }
        !wanted.is_empty()
    })
}
