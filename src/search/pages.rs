//! The bytes of an index's file, in pages that each know their file and their place in it and have
//! a checksum: a bit that has turned over anywhere is noticed when its page is read, as is a page
//! of elsewhere, and no more is read than is needed.

use std::ops::Range;

use super::folder::Source;

/// 4 KiB, of which the last four bytes are the checksum of the rest, of the page's number and of
/// the file's.
const PAGE: usize = 4 << 10;
const SUM: usize = size_of::<u32>();
/// What a page holds.
const HELD: usize = PAGE - SUM;

/// Bytes that are not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a file of the index is damaged")]
pub(super) struct Damaged;

/// What the checksums of a file begin with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed(u32);

impl Seed {
    /// Returns that of the file of this number, of an index of this data file.
    pub(super) fn of(stamp: [u8; 16], number: u64) -> Self {
        Self(crc32c::crc32c_append(
            crc32c::crc32c(&stamp),
            &number.to_le_bytes(),
        ))
    }

    fn checksum(self, page: u64, held: &[u8]) -> [u8; SUM] {
        let seed = crc32c::crc32c_append(self.0, &page.to_le_bytes());
        crc32c::crc32c_append(seed, held).to_le_bytes()
    }
}

/// Returns bytes as a file holds them.
pub(super) fn paged(bytes: &[u8], seed: Seed) -> Vec<u8> {
    let mut file = Vec::with_capacity(bytes.len().div_ceil(HELD) * PAGE);
    for (page, held) in (0..).zip(bytes.chunks(HELD)) {
        let begin = file.len();
        file.extend_from_slice(held);
        file.resize(begin + HELD, 0);
        let sum = seed.checksum(page, &file[begin..]);
        file.extend_from_slice(&sum);
    }
    file
}

/// Returns a part of what a file holds.
pub(super) fn read(source: &Source, seed: Seed, part: Range<u64>) -> Result<Vec<u8>, Damaged> {
    let held = HELD as u64;
    if part.is_empty() {
        return Ok(Vec::new());
    }
    let (first, last) = (part.start / held, (part.end - 1) / held);
    let length = usize::try_from(last + 1 - first).map_err(|_| Damaged)? * PAGE;
    let mut bytes = vec![0; length];
    let at = first * PAGE as u64;
    source.read_at(at, &mut bytes).map_err(|_| Damaged)?;
    let mut skipped = usize::try_from(part.start - first * held).map_err(|_| Damaged)?;
    let wanted = usize::try_from(part.end - part.start).map_err(|_| Damaged)?;
    let mut filled = 0;
    for (page, begin) in (first..=last).zip((0..).step_by(PAGE)) {
        let (end, sum) = (begin + HELD, begin + PAGE);
        if seed.checksum(page, &bytes[begin..end]) != bytes[end..sum] {
            return Err(Damaged);
        }
        bytes.copy_within(begin + skipped..end, filled);
        filled += HELD - skipped;
        skipped = 0;
    }
    bytes.truncate(wanted);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        (0..10_000_u32)
            .flat_map(|number| (number as u16).to_le_bytes())
            .collect()
    }

    fn seed(number: u64) -> Seed {
        Seed::of([3; 16], number)
    }

    #[test]
    fn any_part_is_read_back() {
        let bytes = sample();
        let source = Source::Memory(paged(&bytes, seed(1)).into());
        for part in [
            0..0,
            0..1,
            4_091..4_093,
            0..20_000,
            8_184..8_184,
            19_999..20_000,
            100..12_345,
        ] {
            let wanted = &bytes[part.start as usize..part.end as usize];
            assert_eq!(
                read(&source, seed(1), part.clone()).unwrap(),
                wanted,
                "{part:?}"
            );
        }
        assert_eq!(read(&source, seed(1), 0..100_000), Err(Damaged));
        assert!(read(&Source::Memory(Vec::new().into()), seed(1), 0..1).is_err());
    }

    #[test]
    fn a_bit_that_turned_over_and_a_page_elsewhere_are_noticed() {
        let file = paged(&sample(), seed(1));
        for bit in (0..PAGE * 8).step_by(97) {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                read(&Source::Memory(damaged.into()), seed(1), 0..10),
                Err(Damaged)
            );
        }
        // One of another file, or of one of another data file.
        let source = Source::Memory(file.clone().into());
        assert!(read(&source, seed(1), 0..10).is_ok());
        assert_eq!(read(&source, seed(2), 0..10), Err(Damaged));
        assert_eq!(read(&source, Seed::of([4; 16], 1), 0..10), Err(Damaged));
        let mut swapped = file.clone();
        swapped.copy_within(PAGE..2 * PAGE, 0);
        assert_eq!(
            read(&Source::Memory(swapped.into()), seed(1), 0..10),
            Err(Damaged)
        );
    }
}
