//! Which bytes of a film are whose: the tables of a track, which name its pieces by where they
//! begin and how many samples each has (ISO 14496-12, section 8.7).

use super::boxes::{Medium, Place, content, number};
use super::clean::CleanError;

/// 8 MiB: a table of ten hours of film.
const MAX_TABLE: u64 = 8 << 20;
/// More pieces than such a film has.
const MAX_PIECES: usize = 2 << 20;

/// Adds the pieces of a track, by the boxes of its table.
pub(super) fn samples_of(
    file: &mut dyn Medium,
    table: &[Place],
    ranges: &mut Vec<(u64, u64)>,
) -> Result<(), CleanError> {
    let sizes = read(file, table, [b"stsz", b"stz2"])?;
    let groups = read(file, table, [b"stsc", b"stsc"])?;
    let chunks = read(file, table, [b"stco", b"co64"])?;
    let (Some(sizes), Some(groups), Some(chunks)) = (sizes, groups, chunks) else {
        return Err(CleanError::Malformed);
    };
    pieces(&sizes, &groups.1, &chunks, ranges).ok_or(CleanError::Malformed)
}

/// A box of a table: its kind, and its content.
type Table = ([u8; 4], Vec<u8>);

/// Reads the box of one of these kinds.
fn read(
    file: &mut dyn Medium,
    table: &[Place],
    kinds: [&[u8; 4]; 2],
) -> Result<Option<Table>, CleanError> {
    let found = table.iter().find(|place| kinds.contains(&&place.kind));
    match found {
        Some(place) => Ok(Some((place.kind, content(file, *place, MAX_TABLE)?))),
        None => Ok(None),
    }
}

/// How many bytes samples have.
struct Sizes<'a> {
    /// Of each the same.
    same: u64,
    /// Of each in so many bits.
    bits: usize,
    list: &'a [u8],
    /// How many there are, and how many were asked for.
    count: u64,
    taken: u64,
}

impl<'a> Sizes<'a> {
    fn of((kind, bytes): &'a Table) -> Option<Self> {
        let mut list = &bytes[..];
        number(&mut list, 4)?;
        let (same, bits) = match kind {
            b"stsz" => (number(&mut list, 4)?, 32),
            _ => (0, number(&mut list, 4)? as usize & 0xff),
        };
        let count = number(&mut list, 4)?;
        // Of sound that is not packed QuickTime counts bytes in its own way.
        let is_known = same != 1 && matches!(bits, 4 | 8 | 16 | 32);
        is_known.then_some(Self {
            same,
            bits,
            list,
            count,
            taken: 0,
        })
    }

    /// Returns the bytes of so many samples that come next.
    fn take(&mut self, samples: u64) -> Option<u64> {
        let end = self
            .taken
            .checked_add(samples)
            .filter(|end| *end <= self.count)?;
        let bytes = match self.same {
            0 => {
                let mut sum = 0;
                for at in self.taken..end {
                    sum += self.size(usize::try_from(at).ok()?)?;
                }
                sum
            }
            same => same.checked_mul(samples)?,
        };
        self.taken = end;
        Some(bytes)
    }

    fn size(&self, at: usize) -> Option<u64> {
        if self.bits == 4 {
            let pair = *self.list.get(at / 2)?;
            return Some(u64::from(if at.is_multiple_of(2) {
                pair >> 4
            } else {
                pair & 0xf
            }));
        }
        let bytes = self.bits / 8;
        number(&mut self.list.get(at * bytes..)?, bytes)
    }
}

/// Adds the pieces, each from where to where; those that follow one another are one.
fn pieces(
    sizes: &Table,
    mut groups: &[u8],
    (kind, chunks): &Table,
    ranges: &mut Vec<(u64, u64)>,
) -> Option<()> {
    let mut sizes = Sizes::of(sizes)?;
    let wide = if kind == b"co64" { 8 } else { 4 };
    let mut chunks = &chunks[..];
    number(&mut groups, 8)?;
    number(&mut chunks, 4)?;
    let count = number(&mut chunks, 4)?;
    let mut samples = 0;
    for chunk in 1..=count {
        // Each group tells of the chunks from its first one on.
        if groups
            .get(..4)
            .is_some_and(|mut first| number(&mut first, 4) == Some(chunk))
        {
            number(&mut groups, 4)?;
            samples = number(&mut groups, 4)?;
            number(&mut groups, 4)?;
        }
        let start = number(&mut chunks, wide)?;
        let end = start.checked_add(sizes.take(samples)?)?;
        if ranges.len() >= MAX_PIECES {
            return None;
        }
        match ranges.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => ranges.push((start, end)),
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(list: &[u32]) -> Vec<u8> {
        list.iter()
            .flat_map(|number| number.to_be_bytes())
            .collect()
    }

    #[test]
    fn the_pieces_of_a_track_are_where_its_tables_say() {
        let sizes = (*b"stsz", numbers(&[0, 0, 5, 10, 20, 30, 40, 50]));
        let groups = numbers(&[0, 2, 1, 2, 1, 3, 1, 1]);
        let chunks = (*b"stco", numbers(&[0, 3, 100, 130, 500]));
        let mut ranges = Vec::new();
        pieces(&sizes, &groups, &chunks, &mut ranges).unwrap();
        assert_eq!(ranges, [(100, 200), (500, 550)]);

        let same = (*b"stsz", numbers(&[0, 4, 5]));
        let mut wide = numbers(&[0, 1]);
        wide.extend((1_u64 << 40).to_be_bytes());
        let mut ranges = Vec::new();
        pieces(
            &same,
            &numbers(&[0, 1, 1, 5, 1]),
            &(*b"co64", wide),
            &mut ranges,
        )
        .unwrap();
        assert_eq!(ranges, [(1 << 40, (1 << 40) + 20)]);

        let halves = (*b"stz2", [numbers(&[0, 4, 3]), vec![0x12, 0x30]].concat());
        let chunks = (*b"stco", numbers(&[0, 1, 7]));
        let mut ranges = Vec::new();
        pieces(&halves, &numbers(&[0, 1, 1, 3, 1]), &chunks, &mut ranges).unwrap();
        assert_eq!(ranges, [(7, 13)]);
    }

    #[test]
    fn tables_that_lie_are_malformed() {
        let sizes = |list: &[u32]| (*b"stsz", numbers(list));
        let chunks = (*b"stco", numbers(&[0, 1, 7]));
        let groups = numbers(&[0, 1, 1, 3, 1]);
        for list in [&[0, 0, 2, 1, 1][..], &[0, 0, 3, 1, 1], &[0, 1, 3], &[0]] {
            let found = pieces(&sizes(list), &groups, &chunks, &mut Vec::new());
            assert_eq!(found, None, "{list:?}");
        }
        let many = (*b"stco", numbers(&[0, u32::MAX, 7]));
        let found = pieces(&sizes(&[0, 4, 9]), &groups, &many, &mut Vec::new());
        assert_eq!(found, None);
    }
}
