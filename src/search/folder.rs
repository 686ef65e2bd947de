//! Where the files of the index lie: in a folder beside the data file, or, of a server that keeps
//! nothing, in memory. A file is written whole under another name, synced, and then gets its own,
//! so that what has a name is whole.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

/// The end of a name that is not given yet.
const NEW: &str = ".new";

/// The files of an index, by their names.
pub(super) enum Folder {
    /// This folder, which is made with the first file.
    Disk(PathBuf),
    /// These.
    Memory(Mutex<BTreeMap<String, Arc<[u8]>>>),
}

/// A file that is open.
pub(super) enum Source {
    /// On the disk.
    Disk(File),
    /// In memory.
    Memory(Arc<[u8]>),
}

impl Source {
    /// Fills `bytes` with what the file has from a place on.
    pub(super) fn read_at(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Disk(file) => file.read_exact_at(bytes, at),
            Self::Memory(held) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX);
                let part = from
                    .checked_add(bytes.len())
                    .and_then(|to| held.get(from..to));
                bytes.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}

impl Folder {
    /// Opens a file.
    pub(super) fn open(&self, name: &str) -> io::Result<Source> {
        match self {
            Self::Disk(folder) => File::open(folder.join(name)).map(Source::Disk),
            Self::Memory(files) => {
                let file = files.lock().get(name).cloned();
                Ok(Source::Memory(file.ok_or(io::ErrorKind::NotFound)?))
            }
        }
    }

    /// Returns what a file has.
    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        match self {
            Self::Disk(folder) => fs::read(folder.join(name)),
            Self::Memory(files) => {
                let file = files.lock().get(name).cloned();
                Ok(file.ok_or(io::ErrorKind::NotFound)?.to_vec())
            }
        }
    }

    /// Writes a file, in the place of one that has this name. Returns once it would outlast a power
    /// cut.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Disk(folder) => write_on_disk(folder, name, bytes),
            Self::Memory(files) => {
                files.lock().insert(name.to_owned(), bytes.into());
                Ok(())
            }
        }
    }

    /// Removes every file but these. One that cannot be removed is said to be there.
    pub(super) fn keep_only(&self, kept: &dyn Fn(&str) -> bool) {
        match self {
            Self::Disk(folder) => {
                let Ok(files) = fs::read_dir(folder) else {
                    return;
                };
                for file in files.flatten() {
                    let is_kept = file.file_name().to_str().is_some_and(kept);
                    if is_kept {
                        continue;
                    }
                    if let Err(error) = fs::remove_file(file.path()) {
                        let file = file.path();
                        tracing::warn!(%error, file = %file.display(), "a file of the search could not be removed");
                    }
                }
            }
            Self::Memory(files) => files.lock().retain(|name, _| kept(name)),
        }
    }

    /// How many bytes the files have.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Disk(folder) => {
                let files = fs::read_dir(folder).into_iter().flatten().flatten();
                let bytes = files.filter_map(|file| Some(file.metadata().ok()?.len()));
                bytes.sum()
            }
            Self::Memory(files) => files.lock().values().map(|file| file.len() as u64).sum(),
        }
    }
}

fn write_on_disk(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    if !folder.is_dir() {
        fs::DirBuilder::new().mode(0o700).create(folder)?;
    }
    let new = folder.join(format!("{name}{NEW}"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&new, folder.join(name))) {
        // A full disk is not to stay so by it.
        drop(fs::remove_file(&new));
        return Err(error);
    }
    File::open(folder)?.sync_all()
}
