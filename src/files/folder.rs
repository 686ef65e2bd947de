//! The folder in which the bytes lie: `ab/fab…` for a whole file, and beside it `.part` for one
//! that is not, `.preview` or `.preview2` for its smaller picture, `.new` for what is not known to
//! be whole yet.
//!
//! A file is synced before it gets its name, and the folder after it; a name is given once, and the
//! bytes under it never change.
//!
//! One server works in a folder at a time. What its data file does not name is set aside in
//! `spare/` before it is unlinked, since the data file may be the wrong one: an earlier copy, or a
//! new one where the right one was not there.

use std::fs::{self, DirBuilder, DirEntry, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rustix::fs::Access;

use crate::model::FileId;

/// Held shared by who copies the folder, and alone by who unlinks.
const LOCK: &str = "lock";
/// Where whole files wait that the data file does not name.
const SPARE: &str = "spare";

/// What lies there of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// As much as has come.
    Coming,
    /// Its smaller picture, under the first or the second of its names.
    Preview {
        /// Whether it is the second.
        is_second: bool,
    },
    /// A copy in the making.
    New,
}

impl Part {
    /// Every part.
    pub(super) const ALL: [Self; 5] = [
        Self::Whole,
        Self::Coming,
        Self::Preview { is_second: false },
        Self::Preview { is_second: true },
        Self::New,
    ];

    /// What stays when a file is whole.
    const LASTING: [Self; 3] = [
        Self::Whole,
        Self::Preview { is_second: false },
        Self::Preview { is_second: true },
    ];

    /// What its name ends with.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::Coming => ".part",
            Self::Preview { is_second: false } => ".preview",
            Self::Preview { is_second: true } => ".preview2",
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
    /// The folder itself, locked: no other server works in it.
    owned: Mutex<Option<File>>,
}

impl Folder {
    /// The folder at this place, which is made with the first file.
    pub(super) fn at(root: PathBuf) -> Self {
        Self {
            root,
            is_temporary: false,
            owned: Mutex::default(),
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
            owned: Mutex::default(),
        }
    }

    /// Where it is.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes this the only server that works in the folder, once that is there. Fails with
    /// `ResourceBusy` where another one does, and where what is there is no folder.
    pub(super) fn own(&self) -> io::Result<()> {
        let mut owned = self.owned.lock();
        if owned.is_some() || !self.is_there()? {
            return Ok(());
        }
        let folder = File::open(&self.root)?;
        match folder.try_lock() {
            Ok(()) => *owned = Some(folder),
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::ResourceBusy.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(())
    }

    /// Returns whether it is there; it is made with the first file. Fails where something else has
    /// its name, so that it could never be made.
    fn is_there(&self) -> io::Result<bool> {
        match fs::metadata(&self.root) {
            Ok(found) if found.is_dir() => Ok(true),
            Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
            // A link that leads nowhere.
            Err(error) if self.root.is_symlink() => Err(error),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns why nothing can be put there, as far as that can be told before it is tried: the
    /// folder, or the one in which it would be made, cannot be written.
    pub(super) fn refusal(&self) -> Option<io::Error> {
        let is_here = |place: &Path| place.as_os_str().is_empty();
        let mut places = self.root.ancestors();
        let place = places.find(|place| is_here(place) || place.exists())?;
        let place = if is_here(place) {
            Path::new(".")
        } else {
            place
        };
        let asked = Access::WRITE_OK | Access::EXEC_OK;
        rustix::fs::access(place, asked).err().map(io::Error::from)
    }

    /// Returns where this part of a file is.
    pub(super) fn path(&self, id: FileId, part: Part) -> PathBuf {
        let name = id.to_string();
        self.root.join(&name[1..3]).join(name + part.suffix())
    }

    /// The first byte of a file's id, after which the folder is called in which it lies.
    pub(super) fn first_byte(id: FileId) -> u8 {
        id.get().to_be_bytes()[0]
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
        self.own()?;
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

    /// Sets aside what the data file does not name, and unlinks what of it is not whole.
    pub(super) fn set_aside(&self, id: FileId) -> io::Result<()> {
        let spare = self.root.join(SPARE);
        DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(&spare)?;
        for part in Part::LASTING {
            let path = self.path(id, part);
            if path.exists() {
                fs::rename(&path, self.aside(id, part))?;
            }
        }
        sync_folder(&spare)?;
        self.remove_all(id)
    }

    /// Puts back what was set aside of a file, where it is not there. Returns whether something
    /// was.
    pub(super) fn take_back(&self, id: FileId) -> io::Result<bool> {
        let mut is_back = false;
        for part in Part::LASTING {
            let (aside, path) = (self.aside(id, part), self.path(id, part));
            if aside.exists() && !path.exists() {
                self.make_for(id)?;
                fs::rename(aside, &path)?;
                sync_folder(path.parent().unwrap_or(&self.root))?;
                is_back = true;
            }
        }
        Ok(is_back)
    }

    /// Returns the files that were set aside.
    pub(super) fn list_spare(&self) -> io::Result<Vec<FileId>> {
        let spare = self.spare()?.into_iter();
        Ok(spare.filter_map(|file| id_of(&file)).collect())
    }

    /// Unlinks what was set aside before this time, in seconds since 1970. Returns how many files.
    pub(super) fn remove_spare(&self, before: i64) -> io::Result<usize> {
        let mut count = 0;
        for file in self.spare()? {
            // When it got its name here.
            if file.metadata()?.ctime() < before {
                fs::remove_file(file.path())?;
                count += 1;
            }
        }
        Ok(count)
    }

    fn spare(&self) -> io::Result<Vec<DirEntry>> {
        match fs::read_dir(self.root.join(SPARE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            spare => spare?.collect(),
        }
    }

    /// Where a part is that was set aside.
    fn aside(&self, id: FileId, part: Part) -> PathBuf {
        self.root.join(SPARE).join(id.to_string() + part.suffix())
    }

    /// Returns every file of which something lies there. Empty where there is no folder yet.
    pub(super) fn list(&self) -> io::Result<Vec<FileId>> {
        let mut ids: Vec<_> = self.parts()?.into_iter().map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Returns everything that lies there: of which file, and which part of it, where it is one.
    pub(super) fn parts(&self) -> io::Result<Vec<(FileId, Option<Part>)>> {
        let mut parts = Vec::new();
        let folders = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(parts),
            folders => folders?,
        };
        for folder in folders {
            let folder = folder?;
            if !folder.file_type()?.is_dir() || folder.file_name() == SPARE {
                continue;
            }
            for file in fs::read_dir(folder.path())? {
                let name = file?.file_name();
                let name = name.to_str().unwrap_or_default();
                let (id, suffix) = name.split_at(name.find('.').unwrap_or(name.len()));
                let part = Part::ALL.into_iter().find(|part| part.suffix() == suffix);
                parts.extend(id.parse::<FileId>().ok().map(|id| (id, part)));
            }
        }
        Ok(parts)
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
    /// Lets another server have the folder, and removes one that goes with this server.
    pub(super) fn end(&self) {
        self.owned.lock().take();
        if self.is_temporary
            && let Err(error) = fs::remove_dir_all(&self.root)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, folder = %self.root.display(), "a temporary folder was left");
        }
    }
}

/// Returns the file of which this is a part.
fn id_of(file: &DirEntry) -> Option<FileId> {
    file.file_name().to_str()?.split('.').next()?.parse().ok()
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A server whose folder of files was on a disk that is only read said nothing of it until
    /// somebody sent one.
    #[test]
    fn a_folder_that_cannot_be_made_or_written_is_known_before_a_file_comes() {
        let above = tempfile::tempdir().unwrap();
        let refusal = |name: &str| Folder::at(above.path().join(name)).refusal();
        assert!(refusal("files").is_none() && refusal("a/b/files").is_none());
        fs::create_dir(above.path().join("files")).unwrap();
        let mode = |mode| {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(above.path().join("files"), mode).unwrap();
        };
        mode(0o500);
        // The superuser may write everywhere that is not mounted to be read.
        let is_refused = !rustix::process::geteuid().is_root();
        for name in ["files", "files/below"] {
            let kind = refusal(name).map(|error| error.kind());
            assert_eq!(kind, is_refused.then_some(io::ErrorKind::PermissionDenied));
        }
        mode(0o700);
        assert!(refusal("files").is_none());
        assert!(
            Folder::at("a/folder/that/is/not/here".into())
                .refusal()
                .is_none()
        );
    }
}
