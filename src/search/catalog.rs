//! The list of the files of the index, and how far they reach: one small file, written anew with
//! each of them. What it does not name is not there.

use super::head::{Rest, VERSION};
use super::pages::Damaged;
use crate::model::Timestamp;

/// The name of the file.
pub(super) const NAME: &str = "catalog";
const MAGIC: [u8; 8] = *b"chatd-sc";

/// What the catalog has of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listed {
    /// The number of its file.
    pub(super) number: u64,
    /// It has the messages of the entries after this one,
    pub(super) from: u64,
    /// up to and including this one.
    pub(super) through: u64,
    /// Since when something is in it that was erased or edited.
    pub(super) stale_since: Option<Timestamp>,
}

/// The files of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Catalog {
    /// Of the data file that it is made of.
    pub(super) stamp: [u8; 16],
    /// The last entry that is in the files.
    pub(super) position: u64,
    /// In the order of their entries.
    pub(super) segments: Vec<Listed>,
}

impl Catalog {
    /// Returns it as it is written.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + self.segments.len() * 32);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.stamp);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(self.segments.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.position.to_le_bytes());
        for listed in &self.segments {
            let since = listed.stale_since.map_or(0, Timestamp::as_ms);
            for number in [listed.number, listed.from, listed.through, since] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        let sum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads it.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let (body, sum) = bytes.split_last_chunk().ok_or(Damaged)?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
            return Err(Damaged);
        }
        let mut rest = Rest(body);
        if rest.take()? != MAGIC {
            return Err(Damaged);
        }
        let stamp = rest.take()?;
        if rest.number()? != VERSION {
            return Err(Damaged);
        }
        let count = rest.number()?;
        let position = rest.long()?;
        let mut segments: Vec<Listed> = Vec::new();
        for _ in 0..count {
            let (number, from) = (rest.long()?, rest.long()?);
            let (through, since) = (rest.long()?, rest.long()?);
            let before = segments.last().map_or(0, |before| before.through);
            if from < before || through < from || through > position {
                return Err(Damaged);
            }
            segments.push(Listed {
                number,
                from,
                through,
                stale_since: (since > 0).then(|| Timestamp::from_ms(since)),
            });
        }
        match rest.0.is_empty() {
            true => Ok(Self {
                stamp,
                position,
                segments,
            }),
            false => Err(Damaged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_back_and_every_bit_counts() {
        let listed = |number: u64| Listed {
            number,
            from: number * 10,
            through: number * 10 + 10,
            stale_since: number
                .is_multiple_of(2)
                .then(|| Timestamp::from_ms(7 + number)),
        };
        let catalog = Catalog {
            stamp: [7; 16],
            position: 51,
            segments: (0..5).map(listed).collect(),
        };
        let bytes = catalog.encode();
        assert_eq!(Catalog::decode(&bytes), Ok(catalog));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Catalog::decode(&damaged), Err(Damaged), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert_eq!(Catalog::decode(&bytes[..length]), Err(Damaged));
        }
    }
}
