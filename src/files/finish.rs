//! Where the last byte of a file has come: it gets its type, loses what tells of its maker, and
//! gets its name.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Cursor, Read, Seek, SeekFrom, Write};

use super::FileError;
use super::boxes::clean_boxes;
use super::clean::{CleanError, clean};
use super::folder::{Folder, Part};
use super::kind::{HEAD_BYTES, kind_of};
use super::upload::MAX_PREVIEW_BYTES;
use crate::model::{FileId, FileKind};
use crate::store::{FileContent, Preview};

/// 1,280 pixels: twice what a bubble is wide.
const MAX_PREVIEW_SIDE: u32 = 1_280;
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
        let kind = kind_of(&head_of(&part)?);
        let (content, named) = match self.cleaned(id, kind, &part)? {
            Some(cleaned) => cleaned,
            None => {
                part.sync_all()?;
                (content_of(FileKind::Other, &part, None)?, Part::Coming)
            }
        };
        self.rename(id, named, Part::Whole)?;
        self.remove(id, Part::Coming)?;
        Ok(content)
    }

    /// Cuts out what tells of its maker; `None` where it is not what its first bytes say, and so
    /// may hold anything: then it is kept as it is, and never shown.
    fn cleaned(
        &self,
        id: FileId,
        kind: FileKind,
        part: &File,
    ) -> Result<Option<(FileContent, Part)>, FileError> {
        if matches!(kind, FileKind::Mp4 | FileKind::Avif) {
            let copy = self.create(id, Part::New)?;
            copy_all(part, &copy)?;
            let length = copy.metadata()?.len();
            let cleaned = clean_boxes(&mut &copy, length);
            return self.judge(id, kind, cleaned, &copy);
        }
        let copy = self.create(id, Part::New)?;
        let mut out = BufWriter::with_capacity(COPY_BYTES, &copy);
        let mut input = BufReader::with_capacity(COPY_BYTES, part);
        input.seek(SeekFrom::Start(0))?;
        match clean(kind, &mut input, &mut out) {
            None => {
                drop(out);
                self.remove(id, Part::New)?;
                part.sync_all()?;
                Ok(Some((content_of(kind, part, None)?, Part::Coming)))
            }
            Some(cleaned) => {
                let cleaned = cleaned.and_then(|size| Ok(out.flush().map(|()| size)?));
                drop(out);
                self.judge(id, kind, cleaned, &copy)
            }
        }
    }

    fn judge(
        &self,
        id: FileId,
        kind: FileKind,
        cleaned: Result<Option<(u32, u32)>, CleanError>,
        copy: &File,
    ) -> Result<Option<(FileContent, Part)>, FileError> {
        match cleaned {
            Ok(size) => {
                copy.sync_all()?;
                Ok(Some((content_of(kind, copy, size)?, Part::New)))
            }
            Err(CleanError::Malformed) => {
                self.remove(id, Part::New)?;
                Ok(None)
            }
            Err(CleanError::Io(error)) => Err(error.into()),
        }
    }

    /// Describes a file that has its name already, of which a crash has lost the description.
    pub(super) fn described(&self, id: FileId) -> io::Result<FileContent> {
        let whole = self.open(id, Part::Whole)?;
        let kind = kind_of(&head_of(&whole)?);
        let size = match kind {
            FileKind::Mp4 | FileKind::Avif => {
                // It is clean already, so nothing is written.
                let mut copy = Vec::new();
                let length = whole.metadata()?.len();
                match length <= MAX_DESCRIBED {
                    true => {
                        (&whole).seek(SeekFrom::Start(0))?;
                        (&whole).read_to_end(&mut copy)?;
                        clean_boxes(&mut Cursor::new(copy), length).ok().flatten()
                    }
                    false => None,
                }
            }
            kind => {
                let mut input = BufReader::with_capacity(COPY_BYTES, &whole);
                input.seek(SeekFrom::Start(0))?;
                let cleaned = clean(kind, &mut input, &mut Nowhere::default());
                match cleaned {
                    None => None,
                    Some(Ok(size)) => size,
                    Some(Err(_)) => return content_of(FileKind::Other, &whole, None),
                }
            }
        };
        content_of(kind, &whole, size)
    }

    /// Describes the smaller picture of a file, where there is one.
    pub(super) fn described_preview(&self, id: FileId) -> io::Result<Option<Preview>> {
        let preview = match self.open(id, Part::Preview) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            preview => preview?,
        };
        let kind = kind_of(&head_of(&preview)?);
        let (size, checksum) = checksum_of(&preview)?;
        let preview = Preview {
            kind,
            size,
            checksum,
        };
        Ok(kind.is_small_picture().then_some(preview))
    }
}

/// 16 MiB: a larger film is described without its width and height, after a crash at that moment.
const MAX_DESCRIBED: u64 = 16 << 20;

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
        dimensions,
        preview: None,
    })
}

/// Puts the smaller picture of a file on the disk.
pub(super) fn preview_of(folder: &Folder, id: FileId, bytes: &[u8]) -> Result<Preview, FileError> {
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
    let mut copy = folder.create(id, Part::New)?;
    copy.write_all(&bytes)?;
    copy.sync_all()?;
    folder.rename(id, Part::New, Part::Preview)?;
    Ok(Preview {
        kind,
        size: bytes.len() as u64,
        checksum: crc32c::crc32c(&bytes),
    })
}
