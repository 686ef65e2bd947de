//! The head of a segment's file: what it holds, and where its parts are.

use super::pages::Damaged;

/// The number of the form in which the index is written, and of how texts are folded for it: with
/// another one it is made anew.
pub(super) const VERSION: u32 = 3;
const MAGIC: [u8; 8] = *b"chatd-sx";
/// 256 bytes, the last of them 0.
pub(super) const HEAD_BYTES: usize = 256;
/// 64 chats or terms make a block, which is gone through from its beginning.
pub(super) const BLOCK: usize = 64;

/// A part of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) begin: u64,
    pub(super) end: u64,
}

/// What a file begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Of the data file that it was made of.
    pub(super) stamp: [u8; 16],
    /// It has the messages of the entries after this one,
    pub(super) from: u64,
    /// up to and including this one,
    pub(super) through: u64,
    /// at least as the log was once it ended with this one.
    pub(super) as_of: u64,
    /// How many messages.
    pub(super) count: u32,
    /// The lowest id of them.
    pub(super) low: u64,
    /// The highest.
    pub(super) high: u64,
    /// How many bits an id has, less the lowest one.
    pub(super) id_bits: u32,
    /// How many blocks of terms there are.
    pub(super) blocks: u32,
    /// The lowest and the highest message that was sent earlier and edited in this span.
    pub(super) extra: Option<(u64, u64)>,
    /// Ids, chats, chat places, numbers, terms, term places.
    pub(super) sections: [Section; 6],
}

impl Head {
    /// Writes it over the first bytes.
    pub(super) fn encode(&self, out: &mut [u8]) {
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.stamp);
        for number in [VERSION, self.count, self.id_bits, self.blocks] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let (first, last) = self.extra.unwrap_or_default();
        let ids = [self.from, self.through, self.as_of, self.low, self.high];
        let places = self.sections.iter().flat_map(|part| [part.begin, part.end]);
        for number in ids.into_iter().chain([first, last]).chain(places) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        out[..bytes.len()].copy_from_slice(&bytes);
    }

    /// Reads it.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut rest = Rest(bytes);
        if rest.take()? != MAGIC {
            return Err(Damaged);
        }
        let stamp = rest.take()?;
        if rest.number()? != VERSION {
            return Err(Damaged);
        }
        let (count, id_bits, blocks) = (rest.number()?, rest.number()?, rest.number()?);
        let [from, through, as_of, low, high] = rest.longs()?;
        let [first, last] = rest.longs()?;
        let mut sections = [Section::default(); 6];
        for section in &mut sections {
            let [begin, end] = rest.longs()?;
            *section = Section { begin, end };
        }
        let is_sound = |section: &Section| section.begin <= section.end;
        if id_bits > 64 || low > high || !sections.iter().all(is_sound) {
            return Err(Damaged);
        }
        Ok(Self {
            stamp,
            from,
            through,
            as_of,
            count,
            low,
            high,
            id_bits,
            blocks,
            extra: (first > 0).then_some((first, last)),
            sections,
        })
    }
}

/// Bytes that are taken from the front.
pub(super) struct Rest<'a>(pub(super) &'a [u8]);

impl Rest<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (first, rest) = self.0.split_first_chunk().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u32, Damaged> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    pub(super) fn long(&mut self) -> Result<u64, Damaged> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn longs<const N: usize>(&mut self) -> Result<[u64; N], Damaged> {
        let mut longs = [0; N];
        for long in &mut longs {
            *long = self.long()?;
        }
        Ok(longs)
    }
}
