//! The folder in which the bytes lie: `ab/fab…` for a whole file, and beside it `.part` for one
//! that is not, `.preview` for its smaller picture, `.new` for what is not known to be whole yet.
//!
//! A file is synced before it gets its name, and the folder after it; a name is given once, and the
//! bytes under it never change.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::model::FileId;

/// Held shared by who copies the folder, and alone by who unlinks.
const LOCK: &str = "lock";

/// What lies there of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// As much as has come.
    Coming,
    /// Its smaller picture.
    Preview,
    /// A copy in the making.
    New,
}

impl Part {
    const ALL: [Self; 4] = [Self::Whole, Self::Coming, Self::Preview, Self::New];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Coming => ".part",
            Self::Preview => ".preview",
            Self::New => ".new",
        }
    }
}

/// The folder.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    /// Goes with the server.
    is_temporary: bool,
}

impl Folder {
    /// The folder at this place, which is made with the first file.
    pub(super) fn at(root: PathBuf) -> Self {
        Self {
            root,
            is_temporary: false,
        }
    }

    /// A folder that goes with the server.
    pub(super) fn temporary() -> Self {
        let name = format!(
            "chatd-{}-{:016x}.files",
            std::process::id(),
            rand::random::<u64>()
        );
        Self {
            root: std::env::temp_dir().join(name),
            is_temporary: true,
        }
    }

    /// Where it is.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns where this part of a file is.
    pub(super) fn path(&self, id: FileId, part: Part) -> PathBuf {
        let name = id.to_string();
        self.root.join(&name[1..3]).join(name + part.suffix())
    }

    /// Makes the folder of a file, so that its name lasts.
    pub(super) fn make_for(&self, id: FileId) -> io::Result<()> {
        let path = self.path(id, Part::Whole);
        let folder = path.parent().unwrap_or(&self.root);
        if folder.is_dir() {
            return Ok(());
        }
        let mut builder = DirBuilder::new();
        builder.mode(0o700).recursive(true).create(folder)?;
        sync_folder(&self.root)?;
        match self.root.parent() {
            Some(above) if !above.as_os_str().is_empty() => sync_folder(above),
            _ => sync_folder(Path::new(".")),
        }
    }

    /// Opens this part of a file to be written, and makes it where it is not there.
    pub(super) fn write(&self, id: FileId, part: Part) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.mode(0o600).open(self.path(id, part))
    }

    /// Makes this part of a file anew.
    pub(super) fn create(&self, id: FileId, part: Part) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        options.mode(0o600).open(self.path(id, part))
    }

    /// Opens this part of a file.
    pub(super) fn open(&self, id: FileId, part: Part) -> io::Result<File> {
        File::open(self.path(id, part))
    }

    /// Gives what is synced its name, for good.
    pub(super) fn rename(&self, id: FileId, from: Part, to: Part) -> io::Result<()> {
        let path = self.path(id, to);
        fs::rename(self.path(id, from), &path)?;
        sync_folder(path.parent().unwrap_or(&self.root))
    }

    /// Unlinks this part of a file, if it is there.
    pub(super) fn remove(&self, id: FileId, part: Part) -> io::Result<()> {
        match fs::remove_file(self.path(id, part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Unlinks all that lies there of a file.
    pub(super) fn remove_all(&self, id: FileId) -> io::Result<()> {
        Part::ALL
            .into_iter()
            .try_for_each(|part| self.remove(id, part))
    }

    /// Returns the right to unlink; `None` while a copy of the folder is made, to which nothing may
    /// be lost that its rows name.
    pub(super) fn may_unlink(&self) -> io::Result<Option<File>> {
        let lock = lock_of(&self.root)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Returns every file of which something lies there. Empty where there is no folder yet.
    pub(super) fn list(&self) -> io::Result<Vec<FileId>> {
        let mut ids = Vec::new();
        let folders = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ids),
            folders => folders?,
        };
        for folder in folders {
            let folder = folder?;
            if !folder.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(folder.path())? {
                let name = file?.file_name();
                let name = name.to_str().unwrap_or_default();
                ids.extend(
                    name.split('.')
                        .next()
                        .and_then(|id| id.parse::<FileId>().ok()),
                );
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Returns the bytes of the disk: all, and those that are free for this process.
    pub(super) fn room(&self) -> io::Result<(u64, u64)> {
        let place = self.root.ancestors().find(|place| place.is_dir());
        let stat = rustix::fs::statvfs(place.unwrap_or(Path::new(".")))?;
        Ok((
            stat.f_blocks.saturating_mul(stat.f_frsize),
            stat.f_bavail.saturating_mul(stat.f_frsize),
        ))
    }
}

impl Folder {
    /// Removes a folder that goes with the server.
    pub(super) fn end(&self) {
        if self.is_temporary
            && let Err(error) = fs::remove_dir_all(&self.root)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, folder = %self.root.display(), "a temporary folder was left");
        }
    }
}

/// Opens the file that whoever copies the folder holds shared, and whoever unlinks alone.
pub(super) fn lock_of(root: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).open(root.join(LOCK))
}

/// Puts the names in a folder on the disk.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.end();
    }
}
