//! Pictures of TIFF (revision 6.0), and cameras' raw pictures, which have its form: DNG and others.
//! They are not shown. Entries of their directories are taken out that are not known to belong to
//! the picture, and what these name is overwritten where it lies: nothing else moves. Of a raw
//! picture what its camera says of itself is a part of it, by which programs develop it: of that
//! places, names, times and numbers of devices are taken out, and the rest stays.

use std::io::{self, SeekFrom};

use rustc_hash::FxHashSet;

use super::boxes::{Medium, Sides, merged, wipe};
use super::clean::CleanError;

/// Directories: more than any picture has pages, smaller pictures, and what is beside them.
const MAX_DIRECTORIES: usize = 4_096;
/// Entries of all of them.
const MAX_ENTRIES: usize = 1 << 16;
/// 8 MiB: so many bytes lists have of where the pieces of a picture are, and its directories.
const MAX_LISTS: u64 = 8 << 20;
const ENTRY_BYTES: usize = 12;

const STRIPS: u16 = 273;
const STRIP_BYTES: u16 = 279;
const TILES: u16 = 324;
const TILE_BYTES: u16 = 325;
const SUB_DIRECTORIES: u16 = 330;
const MAKE: u16 = 271;
const EXIF: u16 = 34_665;
const GPS: u16 = 34_853;
const INTEROPERABILITY: u16 = 40_965;
const MAKER_NOTE: u16 = 37_500;
const DNG_VERSION: u16 = 50_706;

/// What a picture is decoded and shown by: how large it is, how coded, of which colours, which side
/// is up, where its pieces are.
const OF_PICTURE: [u16; 58] = [
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 282,
    283, 284, 290, 291, 292, 293, 296, 297, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330,
    332, 334, 336, 338, 339, 340, 341, 342, 347, 512, 513, 514, 519, 520, 521, 529, 530, 531, 532,
    34_675,
];
/// What a raw picture says of where it was taken, by whom, when, and by which one of all cameras of
/// a model: of TIFF, of Exif, of DNG.
const OF_MAKER: [u16; 35] = [
    269, 270, 285, 306, 315, 316, 33_432, 700, 33_723, 34_377, GPS, 36_867, 36_868, 36_880, 36_881,
    36_882, 37_510, 37_520, 37_521, 37_522, 40_091, 40_092, 40_093, 40_094, 40_095, 42_016, 42_032,
    42_033, 42_037, 50_735, 50_827, 50_828, 50_966, 50_967, 50_971,
];

/// The order of the bytes of its numbers.
#[derive(Debug, Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn short(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    fn long(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    fn short_bytes(self, number: u16) -> [u8; 2] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }
}

/// An entry of a directory: what it is, and where its values are.
#[derive(Debug, Clone, Copy)]
struct Entry {
    bytes: [u8; ENTRY_BYTES],
    tag: u16,
    /// Bytes of one value.
    each: u64,
    from: u64,
    end: u64,
}

impl Entry {
    fn place(&self) -> (u64, u64) {
        (self.from, self.end)
    }
}

/// A directory: its entries, and where the next one is.
struct Directory {
    at: u64,
    entries: Vec<Entry>,
    next: [u8; 4],
}

impl Directory {
    fn has(&self, tag: u16) -> bool {
        self.entries.iter().any(|entry| entry.tag == tag)
    }
}

/// A picture that is gone through.
struct Picture<'a> {
    medium: &'a mut dyn Medium,
    length: u64,
    order: Order,
    is_raw: bool,
    /// Where directories are to which something has led.
    known: FxHashSet<u64>,
    /// Those of them that are to be gone through, and whether they stay.
    ahead: Vec<(u64, bool)>,
    entries_left: usize,
    lists_left: u64,
    kept: Vec<(u64, u64)>,
    gone: Vec<(u64, u64)>,
}

/// Overwrites what a picture of so many bytes tells of its maker. Where it is damaged, it is left
/// as it is.
pub(super) fn clean_tiff(file: &mut dyn Medium, length: u64) -> Result<Option<Sides>, CleanError> {
    let mut head = [0; 10];
    if length < head.len() as u64 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut head)?;
    let [mark, _, _, _, a, b, c, d, beside @ ..] = head;
    let order = match mark {
        b'I' => Order::Little,
        _ => Order::Big,
    };
    let mut picture = Picture {
        medium: file,
        length,
        order,
        is_raw: false,
        known: FxHashSet::default(),
        ahead: Vec::new(),
        entries_left: MAX_ENTRIES,
        lists_left: MAX_LISTS,
        kept: vec![(0, 8)],
        gone: Vec::new(),
    };
    let first = order.long([a, b, c, d]).into();
    // The mark of Canon's.
    picture.is_raw = beside == *b"CR" || picture.is_raw(first)?;
    picture.lead_to(first, true);
    while let Some((at, stays)) = picture.ahead.pop() {
        match picture.directory(at)? {
            Some(directory) if stays => picture.clean(directory)?,
            Some(directory) => picture.lose(directory)?,
            None => {}
        }
    }
    picture.wipe_gone()?;
    Ok(None)
}

impl Picture<'_> {
    /// Has the directory at this place gone through, once.
    fn lead_to(&mut self, at: u64, stays: bool) {
        if self.known.len() < MAX_DIRECTORIES && self.known.insert(at) {
            self.ahead.push((at, stays));
        }
    }

    /// Reads the directory at this place; `None` where none is.
    fn directory(&mut self, at: u64) -> io::Result<Option<Directory>> {
        if at < 8 || at + 2 > self.length {
            return Ok(None);
        }
        let mut count = [0; 2];
        self.medium.seek(SeekFrom::Start(at))?;
        self.medium.read_exact(&mut count)?;
        let count = usize::from(self.order.short(count));
        let bytes = count * ENTRY_BYTES;
        if count == 0 || count > self.entries_left || at + 6 + bytes as u64 > self.length {
            return Ok(None);
        }
        self.entries_left -= count;
        let (mut table, mut next) = (vec![0; bytes], [0; 4]);
        self.medium.read_exact(&mut table)?;
        self.medium.read_exact(&mut next)?;
        let places = (at + 2..).step_by(ENTRY_BYTES);
        let entries = table.as_chunks().0.iter().zip(places);
        Ok(Some(Directory {
            at,
            entries: entries.map(|(bytes, at)| self.entry(*bytes, at)).collect(),
            next,
        }))
    }

    /// Reads the entry at this place.
    fn entry(&self, bytes: [u8; ENTRY_BYTES], at: u64) -> Entry {
        let [t, u, k, l, a, b, c, d, e, f, g, h] = bytes;
        let each = match self.order.short([k, l]) {
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 => 8,
            _ => 1,
        };
        let size = each * u64::from(self.order.long([a, b, c, d]));
        let from = match size {
            0..=4 => at + 8,
            _ => self.order.long([e, f, g, h]).into(),
        };
        Entry {
            bytes,
            tag: self.order.short([t, u]),
            each,
            from: from.min(self.length),
            end: (from + size).min(self.length),
        }
    }

    /// Returns whether the first directory is that of a raw picture.
    fn is_raw(&mut self, first: u64) -> io::Result<bool> {
        let Some(directory) = self.directory(first)? else {
            return Ok(false);
        };
        let is_made = directory.has(MAKE);
        if directory.has(DNG_VERSION) || is_made && directory.has(SUB_DIRECTORIES) {
            return Ok(true);
        }
        let exif = match self.numbers(&directory, EXIF)?.first() {
            Some(at) => self.directory(*at)?,
            None => None,
        };
        Ok(is_made && exif.is_some_and(|exif| exif.has(MAKER_NOTE)))
    }

    /// Returns the numbers that an entry of a directory has.
    fn numbers(&mut self, directory: &Directory, tag: u16) -> io::Result<Vec<u64>> {
        let entry = directory.entries.iter().find(|entry| entry.tag == tag);
        let Some(Entry {
            each, from, end, ..
        }) = entry.copied()
        else {
            return Ok(Vec::new());
        };
        let bytes = (end - from).min(self.lists_left);
        self.lists_left -= bytes;
        let mut list = vec![0; bytes as usize];
        self.medium.seek(SeekFrom::Start(from))?;
        self.medium.read_exact(&mut list)?;
        let order = self.order;
        Ok(match each {
            2 => {
                let numbers = list.as_chunks().0.iter();
                numbers.map(|bytes| order.short(*bytes).into()).collect()
            }
            4 => {
                let numbers = list.as_chunks().0.iter();
                numbers.map(|bytes| order.long(*bytes).into()).collect()
            }
            _ => Vec::new(),
        })
    }

    fn keeps(&self, tag: u16) -> bool {
        match self.is_raw {
            true => !OF_MAKER.contains(&tag),
            false => OF_PICTURE.contains(&tag),
        }
    }

    /// Takes out of a directory what is not to stay.
    fn clean(&mut self, directory: Directory) -> io::Result<()> {
        for tag in [SUB_DIRECTORIES, EXIF, GPS, INTEROPERABILITY] {
            let stays = self.keeps(tag);
            for at in self.numbers(&directory, tag)? {
                self.lead_to(at, stays);
            }
        }
        for (places, lengths) in [(STRIPS, STRIP_BYTES), (TILES, TILE_BYTES)] {
            let places = self.numbers(&directory, places)?;
            let lengths = self.numbers(&directory, lengths)?;
            let pieces = places.iter().zip(lengths);
            let pieces = pieces.map(|(from, bytes)| (*from, from + bytes));
            self.kept.extend(pieces);
        }
        self.lead_to(self.order.long(directory.next).into(), true);
        let Directory { at, entries, next } = directory;
        let before = entries.len();
        let (kept, gone): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| self.keeps(entry.tag));
        let mut table = self.order.short_bytes(kept.len() as u16).to_vec();
        table.extend(kept.iter().flat_map(|entry| entry.bytes));
        table.extend(next);
        self.kept.extend(kept.iter().map(Entry::place));
        self.kept.push((at, at + table.len() as u64));
        self.gone.extend(gone.iter().map(Entry::place));
        table.resize(2 + before * ENTRY_BYTES + next.len(), 0);
        self.medium.seek(SeekFrom::Start(at))?;
        self.medium.write_all(&table)
    }

    /// Gives up a directory and all that it names.
    fn lose(&mut self, directory: Directory) -> io::Result<()> {
        for at in self.numbers(&directory, INTEROPERABILITY)? {
            self.lead_to(at, false);
        }
        let bytes = 2 + directory.entries.len() * ENTRY_BYTES + directory.next.len();
        self.gone.push((directory.at, directory.at + bytes as u64));
        self.gone.extend(directory.entries.iter().map(Entry::place));
        Ok(())
    }

    /// Overwrites what is gone and nothing that is kept lies in.
    fn wipe_gone(self) -> Result<(), CleanError> {
        let mut kept = merged(self.kept).into_iter().peekable();
        for (mut from, end) in merged(self.gone) {
            while from < end {
                while kept.next_if(|(_, last)| *last <= from).is_some() {}
                let (start, last) = match kept.peek() {
                    Some((start, last)) if *start < end => (*start, *last),
                    _ => (end, end),
                };
                wipe(self.medium, from, start.saturating_sub(from))?;
                from = last;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const SECRET: &[u8] = b"52.52 N 13.40 E, garden of Ada";
    const PIXELS: &[u8] = b"the pixels of it";

    fn cleaned(bytes: &[u8]) -> Vec<u8> {
        let mut file = Cursor::new(bytes.to_vec());
        clean_tiff(&mut file, bytes.len() as u64).unwrap();
        let out = file.into_inner();
        assert_eq!(out.len(), bytes.len(), "nothing moves");
        // What is clean already stays as it is.
        let mut again = Cursor::new(out.clone());
        clean_tiff(&mut again, out.len() as u64).unwrap();
        assert!(again.into_inner() == out);
        out
    }

    fn has(bytes: &[u8], part: &[u8]) -> bool {
        bytes.windows(part.len()).any(|there| there == part)
    }

    /// A picture that is put together part by part, in either order of bytes.
    struct Made {
        order: Order,
        bytes: Vec<u8>,
    }

    impl Made {
        fn new(order: Order) -> Self {
            let mark = match order {
                Order::Little => b"II*\0",
                Order::Big => b"MM\0*",
            };
            let bytes = [&mark[..], &[0; 4]].concat();
            Self { order, bytes }
        }

        fn long(&self, number: usize) -> [u8; 4] {
            let number = u32::try_from(number).unwrap();
            match self.order {
                Order::Little => number.to_le_bytes(),
                Order::Big => number.to_be_bytes(),
            }
        }

        /// Puts bytes at the end; returns where they are.
        fn put(&mut self, bytes: &[u8]) -> usize {
            let at = self.bytes.len();
            self.bytes.extend_from_slice(bytes);
            at
        }

        fn entry(&self, tag: u16, kind: u16, count: usize, value: [u8; 4]) -> Vec<u8> {
            let [tag, kind] = [tag, kind].map(|number| self.order.short_bytes(number));
            [&tag[..], &kind, &self.long(count), &value].concat()
        }

        /// An entry with a text that stands elsewhere.
        fn text(&mut self, tag: u16) -> Vec<u8> {
            let at = self.put(SECRET);
            self.entry(tag, 2, SECRET.len(), self.long(at))
        }

        fn number(&self, tag: u16, number: usize) -> Vec<u8> {
            self.entry(tag, 4, 1, self.long(number))
        }

        fn directory(&mut self, entries: &[Vec<u8>], next: usize) -> usize {
            let count = self.order.short_bytes(entries.len() as u16);
            let table = [&count[..], &entries.concat(), &self.long(next)].concat();
            self.put(&table)
        }

        fn ending_with(mut self, first: usize) -> Vec<u8> {
            let first = self.long(first);
            self.bytes[4..8].copy_from_slice(&first);
            self.bytes
        }

        /// What is told of a picture in directories of its own: Exif, with a note of the camera's
        /// if there is to be one, and the place.
        fn told(&mut self, is_noted: bool) -> [Vec<u8>; 2] {
            let time = self.text(36_867);
            let note = match is_noted {
                true => {
                    let at = self.put(b"balance of white");
                    self.entry(MAKER_NOTE, 7, 16, self.long(at))
                }
                false => self.text(37_510),
            };
            let exif = self.directory(&[time, note], 0);
            let latitude = self.text(2);
            let gps = self.directory(&[self.entry(1, 2, 2, *b"N\0\0\0"), latitude], 0);
            [self.number(EXIF, exif), self.number(GPS, gps)]
        }
    }

    #[test]
    fn a_picture_of_tiff_does_not_say_where_it_was_taken() {
        for order in [Order::Little, Order::Big] {
            let mut made = Made::new(order);
            let [exif, gps] = made.told(false);
            let pixels = made.put(PIXELS);
            let texts = [270, MAKE, 305, 700].map(|tag| made.text(tag));
            let second = [
                made.number(STRIPS, pixels),
                made.number(STRIP_BYTES, PIXELS.len()),
                made.text(315),
            ];
            let second = made.directory(&second, 0);
            let kept = [
                made.number(256, 640),
                made.number(STRIPS, pixels),
                made.number(STRIP_BYTES, PIXELS.len()),
                made.entry(274, 3, 1, [0, 6, 0, 0]),
            ];
            let [width, strips, bytes, turn] = kept.clone();
            let [title, maker, program, xmp] = texts;
            let whole = [
                width, title, maker, strips, turn, bytes, program, xmp, exif, gps,
            ];
            let first = made.directory(&whole, second);
            let next = made.long(second);
            let out = cleaned(&made.ending_with(first));
            assert!(!has(&out, b"garden") && has(&out, PIXELS));
            let [width, strips, bytes, turn] = kept;
            let count = order.short_bytes(4);
            let table = [&count[..], &width, &strips, &turn, &bytes, &next].concat();
            assert!(out[first..].starts_with(&table));
            assert!(out[first + table.len()..].iter().all(|byte| *byte == 0));
        }
    }

    /// Programs develop it by what its camera says of itself.
    #[test]
    fn a_raw_picture_loses_its_place_and_keeps_what_it_is_developed_by() {
        for is_dng in [true, false] {
            let mut made = Made::new(Order::Little);
            let [exif, gps] = made.told(true);
            let pixels = made.put(PIXELS);
            let sub = [
                made.number(STRIPS, pixels),
                made.number(STRIP_BYTES, PIXELS.len()),
                made.number(50_717, 16_383),
            ];
            let sub = made.directory(&sub, 0);
            let model = made.put(b"ACME 5");
            let mut whole = vec![
                made.entry(MAKE, 2, 6, made.long(model)),
                made.number(SUB_DIRECTORIES, sub),
                exif,
                gps,
                made.text(50_735),
            ];
            if is_dng {
                whole.push(made.entry(DNG_VERSION, 1, 4, [1, 4, 0, 0]));
            }
            let first = made.directory(&whole, 0);
            let out = cleaned(&made.ending_with(first));
            assert!(!has(&out, b"garden"));
            for kept in [PIXELS, b"balance of white", b"ACME 5"] {
                assert!(has(&out, kept), "{}", String::from_utf8_lossy(kept));
            }
        }
    }

    #[test]
    fn a_directory_that_leads_to_itself_comes_to_an_end_and_takes_nothing_that_is_kept() {
        let mut made = Made::new(Order::Big);
        let pixels = made.put(PIXELS);
        let at = made.bytes.len();
        let whole = [
            made.number(STRIPS, pixels),
            made.number(STRIP_BYTES, PIXELS.len()),
            made.number(SUB_DIRECTORIES, at),
            // What is to go lies where the pixels are.
            made.entry(700, 1, 64, made.long(pixels - 4)),
            made.number(GPS, at),
        ];
        let first = made.directory(&whole, at);
        let out = cleaned(&made.ending_with(first));
        assert!(has(&out, PIXELS));
        assert!(out.starts_with(b"MM\0*"));
    }

    #[test]
    fn whatever_its_bytes_are_it_comes_to_an_end() {
        use rand::{RngExt, SeedableRng};
        let mut random = rand::rngs::StdRng::seed_from_u64(7);
        let mut made = Made::new(Order::Little);
        let told = made.told(true);
        let first = made.directory(&told, 0);
        let whole = made.ending_with(first);
        for _ in 0..3_000 {
            let mut harmed = whole.clone();
            for _ in 0..random.random_range(1..20) {
                let at = random.random_range(4..harmed.len());
                harmed[at] = random.random();
            }
            let length = harmed.len() as u64;
            let mut file = Cursor::new(harmed);
            assert!(clean_tiff(&mut file, length).is_ok());
            assert_eq!(file.get_ref().len() as u64, length);
        }
        for short in 0..whole.len() {
            let mut file = Cursor::new(whole[..short].to_vec());
            assert!(clean_tiff(&mut file, short as u64).is_ok());
        }
    }
}
