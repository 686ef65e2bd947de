//! A backup of the data file and of the files that it names, as one archive in the form of tar
//! (POSIX.1-1988, ustar): `NAME.redb`, and its files in `NAME.redb.files/`, as `chatd backup` puts
//! them and `chatd restore` finds them. It is made as it is read, from any byte on.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::copy::FolderLock;
use super::folder::{Folder, Part};
use super::upload::blocking;
use super::verbs::Inner;
use super::{FileError, Files};
use crate::chat::Backup;
use crate::model::{FileId, Timestamp};

/// What a tar counts in.
const BLOCK: u64 = 512;
/// Two empty blocks are its end.
const END: u64 = 2 * BLOCK;

/// What an archive has one after the other.
#[derive(Debug, Clone, Copy)]
enum What {
    Data,
    /// The folder of the files, or one in it, by the first byte of their names.
    Folder(Option<u8>),
    File(FileId, Part),
}

#[derive(Debug)]
struct Entry {
    /// Where its header begins.
    start: u64,
    bytes: u64,
    what: What,
}

/// A backup with its files, to be read piece by piece.
pub struct Archive {
    inner: Arc<Inner>,
    backup: Backup,
    name: String,
    made_at: Timestamp,
    entries: Vec<Entry>,
    size: u64,
    /// How many files are in it, and how many that the data names are not there.
    files: [usize; 2],
    /// The file that was read last.
    open: Mutex<Option<(FileId, Part, File)>>,
    _lock: Option<FolderLock>,
}

impl Files {
    /// Keeps files from being unlinked, for a copy of the data that is about to be made.
    pub async fn lock(&self) -> Result<Option<FolderLock>, FileError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || Ok(FolderLock::of(inner.folder.root())?)).await
    }

    /// Returns a backup together with the files that it names, under this name. `lock` was taken
    /// before the backup was made.
    pub async fn archive(
        &self,
        backup: Backup,
        lock: Option<FolderLock>,
        name: String,
        made_at: Timestamp,
    ) -> Result<Archive, FileError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let named = backup.files().map_err(|error| {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the files of a backup cannot be listed"
                );
                FileError::Unavailable
            })?;
            let mut ids: Vec<(FileId, Option<Part>)> = named
                .iter()
                .filter_map(|file| {
                    let preview = file.content()?.preview;
                    let is_second = preview.map(|preview| preview.is_second);
                    Some((
                        file.id,
                        is_second.map(|is_second| Part::Preview { is_second }),
                    ))
                })
                .collect();
            ids.sort_unstable_by_key(|(id, _)| id.get());
            let mut archive = Archive {
                inner,
                backup,
                name,
                made_at,
                entries: Vec::new(),
                size: 0,
                files: [0; 2],
                open: Mutex::default(),
                _lock: lock,
            };
            archive.list(&ids);
            Ok(archive)
        })
        .await
    }
}

impl Archive {
    /// Lays out what is in it.
    fn list(&mut self, ids: &[(FileId, Option<Part>)]) {
        self.push(What::Data, self.backup.size());
        let mut folder = None;
        for (id, preview) in ids {
            let mut is_whole = true;
            for part in [Some(Part::Whole), *preview].into_iter().flatten() {
                let path = self.inner.folder.path(*id, part);
                let Ok(metadata) = fs::metadata(&path) else {
                    tracing::error!(file = %id, "a file is missing, and is not in the backup");
                    is_whole = false;
                    continue;
                };
                let first = Folder::first_byte(*id);
                if folder.is_none() {
                    self.push(What::Folder(None), 0);
                }
                if folder != Some(first) {
                    self.push(What::Folder(Some(first)), 0);
                    folder = Some(first);
                }
                self.push(What::File(*id, part), metadata.len());
            }
            self.files[usize::from(!is_whole)] += 1;
        }
        self.size += END;
    }

    fn push(&mut self, what: What, bytes: u64) {
        let start = self.size;
        self.size += BLOCK + bytes.div_ceil(BLOCK) * BLOCK;
        self.entries.push(Entry { start, bytes, what });
    }

    /// Returns whether another backup was asked for, which is not made while this is there.
    pub fn is_in_the_way(&self) -> bool {
        self.backup.is_in_the_way()
    }

    /// Returns how many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns how many files are in it, and how many that the data names are missing.
    pub fn files(&self) -> [usize; 2] {
        self.files
    }

    /// Reads from this offset, at least one byte before the end. Blocks.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let next = self.entries.partition_point(|entry| entry.start <= offset);
        let end = self.entries.get(next).map_or(self.size, |next| next.start);
        let Some(entry) = next.checked_sub(1).and_then(|at| self.entries.get(at)) else {
            return Ok(0);
        };
        let most = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let most = out.len().min(most);
        let out = &mut out[..most];
        let within = offset - entry.start;
        if within < BLOCK {
            let header = &self.header(entry)[within as usize..];
            let count = header.len().min(out.len());
            out[..count].copy_from_slice(&header[..count]);
            return Ok(count);
        }
        let at = within - BLOCK;
        if at >= entry.bytes {
            out.fill(0);
            return Ok(out.len());
        }
        let left = usize::try_from(entry.bytes - at).unwrap_or(usize::MAX);
        let count = out.len().min(left);
        match self.read_entry(entry, at, &mut out[..count])? {
            // It has become shorter, and the archive has said otherwise.
            0 if count > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        }
    }

    fn read_entry(&self, entry: &Entry, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let (id, part) = match entry.what {
            What::Data => return self.backup.read_at(at, out),
            What::Folder(_) => return Ok(0),
            What::File(id, part) => (id, part),
        };
        let mut open = self.open.lock();
        let is_open = matches!(&*open, Some((open, its, _)) if *open == id && *its == part);
        if !is_open {
            *open = Some((id, part, self.inner.folder.open(id, part)?));
        }
        match &*open {
            Some((_, _, file)) => file.read_at(out, at),
            None => Ok(0),
        }
    }

    fn header(&self, entry: &Entry) -> [u8; BLOCK as usize] {
        let (name, mode, kind) = match entry.what {
            What::Data => (self.name.clone(), 0o600, b'0'),
            What::Folder(None) => (format!("{}.files/", self.name), 0o700, b'5'),
            What::Folder(Some(first)) => (format!("{}.files/{first:02x}/", self.name), 0o700, b'5'),
            What::File(id, part) => {
                let (first, suffix) = (Folder::first_byte(id), part.suffix());
                let name = format!("{}.files/{first:02x}/{id}{suffix}", self.name);
                (name, 0o600, b'0')
            }
        };
        header_of((&name, kind), mode, entry.bytes, self.made_at)
    }
}

/// The header of what has this name, of at most 100 bytes.
fn header_of(
    (name, kind): (&str, u8),
    mode: u32,
    bytes: u64,
    made_at: Timestamp,
) -> [u8; BLOCK as usize] {
    let mut header = [0; BLOCK as usize];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, &name.as_bytes()[..name.len().min(100)]);
    put(100, format!("{mode:07o}\0").as_bytes());
    put(108, b"0000000\x000000000\0");
    match bytes >> 33 {
        0 => put(124, format!("{bytes:011o}\0").as_bytes()),
        // More than eleven octal digits say: as all programs write it, in binary behind a bit.
        _ => {
            put(124, &[0x80, 0, 0, 0]);
            put(128, &bytes.to_be_bytes());
        }
    }
    put(136, format!("{:011o}\0", made_at.as_secs()).as_bytes());
    // The sum counts its own place as spaces.
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_what_tar_reads() {
        let header = header_of(("a.redb", b'0'), 0o600, 14, Timestamp::from_ms(1_000));
        assert_eq!(&header[..7], b"a.redb\0");
        assert_eq!(&header[124..136], b"00000000016\0");
        assert_eq!(&header[257..265], b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        let stated: u32 = header[148..156].iter().map(|byte| u32::from(*byte)).sum();
        let sum = sum - stated + 8 * u32::from(b' ');
        assert_eq!(&header[148..156], format!("{sum:06o}\0 ").as_bytes());
        let large = header_of(("a", b'0'), 0o600, 10 << 30, Timestamp::from_ms(0));
        assert_eq!(large[124], 0x80);
        assert_eq!(&large[128..136], (10_u64 << 30).to_be_bytes());
    }
}
