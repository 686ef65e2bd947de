//! A file that is cleaned where it lies, of which a piece is in memory: what is read and written of
//! it bit by bit costs calls of the system for each piece, and not for each bit.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use super::boxes::Medium;

/// 4 KiB: some hundred elements of the smallest, and hardly more than one of which all is picture.
const PIECE: usize = 4 << 10;

/// A medium and the piece of it that is in memory. What was written is on the medium once it is
/// flushed.
pub(super) struct Window<'a> {
    medium: &'a mut dyn Medium,
    /// Where is read or written next.
    at: u64,
    /// The piece, and where it begins.
    piece: Vec<u8>,
    start: u64,
    /// What of it is not yet on the medium.
    changed: Range<usize>,
}

impl<'a> Window<'a> {
    /// Returns a window of which nothing is in memory yet, at the beginning of the medium.
    pub(super) fn new(medium: &'a mut dyn Medium) -> Self {
        Self {
            medium,
            at: 0,
            piece: Vec::new(),
            start: 0,
            changed: 0..0,
        }
    }

    /// Returns the part of the piece that holds the next so many bytes, as far as they are in it.
    fn part(&self, length: usize) -> Option<Range<usize>> {
        let from = usize::try_from(self.at.checked_sub(self.start)?).ok()?;
        let end = self.piece.len().min(from.saturating_add(length));
        (from < end).then_some(from..end)
    }

    /// Takes the piece into memory that begins here.
    fn move_here(&mut self) -> io::Result<()> {
        let mut piece = std::mem::take(&mut self.piece);
        piece.resize(PIECE, 0);
        self.medium.seek(SeekFrom::Start(self.at))?;
        let count = self.medium.read(&mut piece)?;
        piece.truncate(count);
        (self.piece, self.start) = (piece, self.at);
        Ok(())
    }
}

impl Read for Window<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.part(1).is_none() {
            self.flush()?;
            if bytes.len() >= PIECE {
                self.medium.seek(SeekFrom::Start(self.at))?;
                let count = self.medium.read(bytes)?;
                self.at += count as u64;
                return Ok(count);
            }
            self.move_here()?;
        }
        let part = self.part(bytes.len()).unwrap_or_default();
        let count = part.len();
        bytes[..count].copy_from_slice(&self.piece[part]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Write for Window<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match self.part(bytes.len()) {
            Some(part) => {
                let count = part.len();
                self.piece[part.clone()].copy_from_slice(&bytes[..count]);
                self.changed = match self.changed.is_empty() {
                    true => part,
                    false => self.changed.start.min(part.start)..self.changed.end.max(part.end),
                };
                count
            }
            None => {
                // Up to the piece, where it lies behind this.
                let before = self.start.checked_sub(self.at).filter(|gap| *gap > 0);
                let most =
                    before.map_or(usize::MAX, |gap| usize::try_from(gap).unwrap_or(usize::MAX));
                self.medium.seek(SeekFrom::Start(self.at))?;
                self.medium.write(&bytes[..bytes.len().min(most)])?
            }
        };
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        let changed = std::mem::take(&mut self.changed);
        if !changed.is_empty() {
            let place = self.start + changed.start as u64;
            self.medium.seek(SeekFrom::Start(place))?;
            self.medium.write_all(&self.piece[changed])?;
        }
        self.medium.flush()
    }
}

impl Seek for Window<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => {
                let at = self.at.checked_add_signed(by);
                at.ok_or(io::ErrorKind::InvalidInput)?
            }
            SeekFrom::End(_) => self.medium.seek(to)?,
        };
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use rand::{RngExt, SeedableRng};

    use super::*;

    /// A medium that counts how often it is asked.
    struct Counted(Cursor<Vec<u8>>, usize);

    impl Read for Counted {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            self.0.read(bytes)
        }
    }

    impl Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Counted {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.1 += 1;
            self.0.seek(to)
        }
    }

    #[test]
    fn what_is_read_and_written_is_the_same_as_without_it() {
        let mut random = rand::rngs::StdRng::seed_from_u64(5);
        for _ in 0..200 {
            let length = random.random_range(1..4 * PIECE);
            let whole: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let (mut under, mut alone) = (Cursor::new(whole.clone()), Cursor::new(whole));
            let mut window = Window::new(&mut under);
            for _ in 0..200 {
                let at = random.random_range(0..length);
                let far = length - at;
                let count = match random.random_range(0..8) {
                    0 => far,
                    _ => far.min(random.random_range(1..64)),
                };
                let to = SeekFrom::Start(at as u64);
                assert_eq!(window.seek(to).unwrap(), alone.seek(to).unwrap());
                if random.random_bool(0.5) {
                    let (mut one, mut other) = (vec![0; count], vec![0; count]);
                    window.read_exact(&mut one).unwrap();
                    alone.read_exact(&mut other).unwrap();
                    assert_eq!(one, other);
                } else {
                    let bytes = vec![random.random::<u8>(); count];
                    window.write_all(&bytes).unwrap();
                    alone.write_all(&bytes).unwrap();
                }
                let here = SeekFrom::Current(0);
                assert_eq!(window.seek(here).unwrap(), alone.seek(here).unwrap());
            }
            window.flush().unwrap();
            assert_eq!(under.into_inner(), alone.into_inner());
        }
    }

    #[test]
    fn what_is_behind_the_end_is_not_there() {
        let mut under = Cursor::new(vec![7; 10]);
        let mut window = Window::new(&mut under);
        assert_eq!(window.seek(SeekFrom::End(-2)).unwrap(), 8);
        let error = window.read_exact(&mut [0; 3]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        window.seek(SeekFrom::Start(99)).unwrap();
        assert_eq!(window.read(&mut [0; 3]).unwrap(), 0);
        assert!(window.seek(SeekFrom::Current(-100)).is_err());
    }

    #[test]
    fn many_small_reads_and_writes_ask_for_a_piece_at_a_time() {
        let mut under = Counted(Cursor::new(vec![7; 100 * PIECE]), 0);
        let mut window = Window::new(&mut under);
        for place in 0..(100 * PIECE / 8) as u64 {
            window.seek(SeekFrom::Start(place * 8)).unwrap();
            window.read_exact(&mut [0; 2]).unwrap();
            window.write_all(&[0; 3]).unwrap();
        }
        window.flush().unwrap();
        assert!(under.1 <= 100 * 4 + 4, "{}", under.1);
    }
}
