//! Where the last byte of a file has come: it gets its type, loses what tells of its maker, and
//! gets its name.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Cursor, Read, Seek, SeekFrom, Write};

use super::FileError;
use super::boxes::{Medium, Sides, clean_boxes};
use super::clean::{CleanError, clean};
use super::folder::{Folder, Part};
use super::jxl::clean_jxl;
use super::kind::{HEAD_BYTES, is_jxl, is_matroska, is_picture_in_boxes, is_tiff, kind_of};
use super::matroska::clean_matroska;
use super::tiff::clean_tiff;
use super::upload::MAX_PREVIEW_BYTES;
use super::window::Window;
use crate::model::{FileId, FileKind};
use crate::store::{FileContent, Preview};

/// 1,280 pixels: twice what a bubble is wide.
const MAX_PREVIEW_SIDE: u32 = 1_280;
/// 2,147,483,647 pixels: what PNG allows, and the numbers of most clients can be.
const MAX_SIDE: u32 = i32::MAX.cast_unsigned();
/// 256 KiB at once where a file is copied or read through.
const COPY_BYTES: usize = 256 << 10;

impl Folder {
    /// Gives an upload that is whole its name. Done again after a crash in its midst, it goes on
    /// from there.
    pub(super) fn finish(&self, id: FileId, length: u64) -> Result<FileContent, FileError> {
        self.make_for(id)?;
        let part = match self.open(id, Part::Coming) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && length > 0 => {
                return Ok(self.described(id)?);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.create(id, Part::Coming)?
            }
            part => part?,
        };
        // A write behind the length is one of a connection that was cut.
        if part.metadata()?.len() != length {
            return Err(FileError::Unavailable);
        }
        let (content, named) = self.cleaned(id, &part)?;
        self.rename(id, named, Part::Whole)?;
        self.remove(id, Part::Coming)?;
        Ok(content)
    }

    /// Cuts out what tells of its maker. What calls itself a picture or a film and is none keeps
    /// what is known to be clean, and is never shown.
    fn cleaned(&self, id: FileId, part: &File) -> Result<(FileContent, Part), FileError> {
        let head = head_of(part)?;
        let kind = kind_of(&head);
        let copy = self.create(id, Part::New)?;
        let cleaned = if let Some(clean_there) = cleaner_of(&head) {
            copy_all(part, &copy)?;
            let length = copy.metadata()?.len();
            Some(cleaned_there(clean_there, &mut &copy, length)?)
        } else {
            let mut out = BufWriter::with_capacity(COPY_BYTES, &copy);
            let mut input = BufReader::with_capacity(COPY_BYTES, part);
            input.seek(SeekFrom::Start(0))?;
            let cleaned = clean(kind, &mut input, &mut out);
            out.flush()?;
            cleaned
        };
        let (kind, size) = match cleaned {
            None => {
                self.remove(id, Part::New)?;
                part.sync_all()?;
                return Ok((content_of(kind, part, None)?, Part::Coming));
            }
            Some(Ok(size)) => (kind, size.filter(|_| kind != FileKind::Other)),
            Some(Err(CleanError::Malformed)) => (FileKind::Other, None),
            Some(Err(CleanError::Io(error))) => return Err(error.into()),
        };
        copy.sync_all()?;
        Ok((content_of(kind, &copy, size)?, Part::New))
    }

    /// Describes a file that has its name already, of which a crash has lost the description.
    pub(super) fn described(&self, id: FileId) -> io::Result<FileContent> {
        let whole = self.open(id, Part::Whole)?;
        let head = head_of(&whole)?;
        let kind = kind_of(&head);
        // It is clean already, so nothing is written.
        let cleaned = if let Some(clean_there) = cleaner_of(&head) {
            let length = whole.metadata()?.len();
            Some(cleaned_there(clean_there, &mut ReadOnly(&whole), length)?)
        } else {
            let mut input = BufReader::with_capacity(COPY_BYTES, &whole);
            input.seek(SeekFrom::Start(0))?;
            clean(kind, &mut input, &mut Nowhere::default())
        };
        match cleaned {
            None => content_of(kind, &whole, None),
            Some(Ok(size)) => content_of(kind, &whole, size.filter(|_| kind != FileKind::Other)),
            Some(Err(CleanError::Malformed)) => content_of(FileKind::Other, &whole, None),
            Some(Err(CleanError::Io(error))) => Err(error),
        }
    }

    /// Describes the smaller picture of a file, where there is one.
    pub(super) fn described_preview(&self, id: FileId) -> io::Result<Option<Preview>> {
        let open = |is_second| match self.open(id, Part::Preview { is_second }) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            preview => preview.map(|preview| Some((preview, is_second))),
        };
        let found = match open(false)? {
            None => open(true)?,
            first => first,
        };
        let Some((preview, is_second)) = found else {
            return Ok(None);
        };
        let kind = kind_of(&head_of(&preview)?);
        let (size, checksum) = checksum_of(&preview)?;
        let preview = Preview {
            kind,
            size,
            checksum,
            is_second,
        };
        Ok(kind.is_small_picture().then_some(preview))
    }
}

/// What overwrites, in a file of so many bytes, all that tells of its maker, and returns width and
/// height where they are told.
type Cleaner = fn(&mut dyn Medium, u64) -> Result<Option<Sides>, CleanError>;

/// Cleans a file where it lies. It may be of millions of parts of a few bytes.
fn cleaned_there(
    clean_there: Cleaner,
    medium: &mut dyn Medium,
    length: u64,
) -> io::Result<Result<Option<Sides>, CleanError>> {
    let mut window = Window::new(medium);
    let cleaned = clean_there(&mut window, length);
    window.flush()?;
    Ok(cleaned)
}

/// Returns what cleans a file that begins so where it lies; `None` where it is copied, or kept.
fn cleaner_of(head: &[u8]) -> Option<Cleaner> {
    match is_picture_in_boxes(head) {
        Some(true) => Some(|file, length| clean_boxes(file, length, true)),
        Some(false) => Some(|file, length| clean_boxes(file, length, false)),
        None if is_matroska(head) => Some(clean_matroska),
        None if is_jxl(head) => Some(clean_jxl),
        None if is_tiff(head) => Some(clean_tiff),
        None => None,
    }
}

/// A file of which nothing is changed, whatever is written.
struct ReadOnly<'a>(&'a File);

impl Read for ReadOnly<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for ReadOnly<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.seek(SeekFrom::Current(bytes.len() as i64))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for ReadOnly<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// Takes everything and keeps nothing of it but where it is.
#[derive(Default)]
struct Nowhere(u64);

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Nowhere {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if let SeekFrom::Start(at) = to {
            self.0 = at;
        }
        Ok(self.0)
    }
}

fn head_of(mut file: &File) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn copy_all(mut from: &File, mut to: &File) -> io::Result<()> {
    from.seek(SeekFrom::Start(0))?;
    io::copy(&mut from, &mut to).map(drop)
}

/// Returns the CRC-32C of a file, read through.
pub(super) fn checksum_of(mut file: &File) -> io::Result<(u64, u32)> {
    let mut buffer = vec![0; COPY_BYTES];
    let (mut size, mut sum) = (0, 0);
    file.seek(SeekFrom::Start(0))?;
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((size, sum));
        }
        size += count as u64;
        sum = crc32c::crc32c_append(sum, &buffer[..count]);
    }
}

fn content_of(
    kind: FileKind,
    file: &File,
    dimensions: Option<(u32, u32)>,
) -> io::Result<FileContent> {
    let (size, checksum) = checksum_of(file)?;
    Ok(FileContent {
        kind,
        size,
        checksum,
        dimensions: dimensions.filter(|sides| are_sides(*sides)),
        preview: None,
    })
}

/// Returns whether a picture can have these sides: clients lay it out by them, and divide by them.
fn are_sides((width, height): (u32, u32)) -> bool {
    let is_side = |side| (1..=MAX_SIDE).contains(&side);
    is_side(width) && is_side(height)
}

/// Puts the smaller picture of a file on the disk, under the name that the one before it does not
/// have: what a message names meanwhile, or a backup, stays as it is.
pub(super) fn preview_of(
    folder: &Folder,
    id: FileId,
    bytes: &[u8],
    before: Option<Preview>,
) -> Result<Preview, FileError> {
    let kind = kind_of(bytes);
    let max_side = MAX_PREVIEW_SIDE;
    let unsuitable = || FileError::UnsuitablePreview { max_side };
    if !kind.is_small_picture() || bytes.len() > MAX_PREVIEW_BYTES {
        return Err(unsuitable());
    }
    let mut clean_bytes = Cursor::new(Vec::with_capacity(bytes.len()));
    let size = match clean(kind, &mut Cursor::new(bytes), &mut clean_bytes) {
        Some(Ok(Some(size))) => size,
        _ => return Err(unsuitable()),
    };
    if size.0.max(size.1) > MAX_PREVIEW_SIDE {
        return Err(unsuitable());
    }
    let bytes = clean_bytes.into_inner();
    let is_second = before.is_some_and(|before| !before.is_second);
    let part = Part::Preview { is_second };
    // An earlier one still, which a copy of the folder may be about to take.
    if folder.path(id, part).exists() {
        let lock = folder.may_unlink()?.ok_or(FileError::Busy)?;
        folder.remove(id, part)?;
        drop(lock);
    }
    let mut copy = folder.create(id, Part::New)?;
    copy.write_all(&bytes)?;
    copy.sync_all()?;
    folder.rename(id, Part::New, part)?;
    Ok(Preview {
        kind,
        size: bytes.len() as u64,
        checksum: crc32c::crc32c(&bytes),
        is_second,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::FolderLock;

    /// A picture of a few bytes said that it was 4,294,967,295 pixels wide, or none.
    #[test]
    fn sides_that_no_picture_has_are_told_to_nobody() {
        for (sides, told) in [
            ((1, 1), true),
            ((MAX_SIDE, MAX_SIDE), true),
            ((0, 1), false),
            ((1, 0), false),
            ((u32::MAX, 1), false),
            ((1, MAX_SIDE + 1), false),
        ] {
            let file = tempfile::tempfile().unwrap();
            let content = content_of(FileKind::Png, &file, Some(sides)).unwrap();
            assert_eq!(content.dimensions, told.then_some(sides), "{sides:?}");
        }
    }

    /// A preview that the store refused, since its file was sent meanwhile, had taken the place of
    /// the one that was sent.
    #[test]
    fn another_preview_does_not_touch_the_one_before_it_nor_one_that_is_copied() {
        let (folder, id) = (Folder::temporary(), FileId::new(7));
        folder.make_for(id).unwrap();
        let webp = |side: u8| {
            let mut bytes = b"RIFF\x12\0\0\0WEBPVP8L\x06\0\0\0\x2f\x03\x80\0\0\x09".to_vec();
            bytes[21] = side;
            bytes
        };
        let put = |side, before| preview_of(&folder, id, &webp(side), before);
        let read = |is_second| fs::read(folder.path(id, Part::Preview { is_second })).unwrap();
        let first = put(1, None).unwrap();
        let second = put(2, Some(first)).unwrap();
        assert_eq!([first.is_second, second.is_second], [false, true]);
        assert_eq!([read(false), read(true)], [webp(1), webp(2)]);
        let lock = FolderLock::of(folder.root()).unwrap();
        assert_eq!(put(3, Some(second)).err(), Some(FileError::Busy));
        assert_eq!([read(false), read(true)], [webp(1), webp(2)]);
        drop(lock);
        assert!(!put(3, Some(second)).unwrap().is_second);
        assert_eq!([read(false), read(true)], [webp(3), webp(2)]);
    }
}
