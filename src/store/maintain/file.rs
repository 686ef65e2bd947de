//! A file in the making: whole under its name, or not there.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::MaintainError;
use crate::store::medium::{LockedFile, Medium};

/// A file that is written under the name of another with `.partial` after it, locked, readable to its owner only, and
/// removed unless it is kept. What a killed process left is written over by the next one.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    target: PathBuf,
    file: Arc<LockedFile>,
    kept: bool,
}

impl Partial {
    /// Begins a file that is to be called `target`, whether or not that is there.
    pub fn create(target: &Path) -> Result<Self, MaintainError> {
        let mut name = target.as_os_str().to_owned();
        name.push(".partial");
        let path = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        let file = LockedFile::open_with(&path, &options).map_err(|error| match error {
            crate::store::OpenError::Io(error) => MaintainError::io("make", &path)(error),
            error => error.into(),
        })?;
        let partial = Self {
            path,
            target: target.to_owned(),
            file: Arc::new(file),
            kept: false,
        };
        partial.doing("write", |file| {
            file.set_len(0)?;
            file.set_permissions(std::fs::Permissions::from_mode(0o600))
        })?;
        Ok(partial)
    }

    /// [`Partial::create`] of a file that must not be there.
    pub fn create_new(target: &Path) -> Result<Self, MaintainError> {
        if target.symlink_metadata().is_ok() {
            return Err(MaintainError::Exists(target.to_owned()));
        }
        Self::create(target)
    }

    /// To write it as bytes.
    pub fn file(&self) -> &File {
        self.file.file()
    }

    /// What it is to be called.
    pub fn target(&self) -> &Path {
        &self.target
    }

    pub(super) fn medium(&self) -> Arc<dyn Medium> {
        Arc::clone(&self.file) as Arc<dyn Medium>
    }

    /// Takes the file's name away: it is gone once nobody has it open.
    pub(in crate::store) fn unlinked(mut self) -> Result<File, MaintainError> {
        let file = self.doing("open", File::try_clone)?;
        std::fs::remove_file(&self.path).map_err(MaintainError::io("remove", &self.path))?;
        self.kept = true;
        Ok(file)
    }

    /// Makes it durable under its name, which must be free.
    pub fn keep(self) -> Result<(), MaintainError> {
        self.doing("write", File::sync_all)?;
        match renameat_with(CWD, &self.path, CWD, &self.target, RenameFlags::NOREPLACE) {
            Ok(()) => self.done(),
            Err(rustix::io::Errno::EXIST) => Err(MaintainError::Exists(self.target.clone())),
            // The file system does not know how; a second name for the same file is refused just as well.
            Err(_) => match std::fs::hard_link(&self.path, &self.target) {
                Ok(()) => sync_folder(&self.target),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    Err(MaintainError::Exists(self.target.clone()))
                }
                Err(error) => Err(MaintainError::io("make", &self.target)(error)),
            },
        }
    }

    /// Makes it durable in the place of what has its name, which is there until the moment when this one is.
    pub fn replace(self) -> Result<(), MaintainError> {
        if let Ok(old) = std::fs::metadata(&self.target) {
            self.doing("write", |file| file.set_permissions(old.permissions()))?;
            // The superuser does it for whoever runs the server, who must be able to open it.
            let (user, group) = (old.uid(), old.gid());
            if self.doing("read", File::metadata)?.uid() != user {
                self.doing("write", |file| fchown(file, Some(user), Some(group)))?;
            }
        }
        self.doing("write", File::sync_all)?;
        std::fs::rename(&self.path, &self.target)
            .map_err(MaintainError::io("replace", &self.target))?;
        self.done()
    }

    fn done(mut self) -> Result<(), MaintainError> {
        self.kept = true;
        sync_folder(&self.target)
    }

    fn doing<R>(
        &self,
        what: &'static str,
        work: impl FnOnce(&File) -> io::Result<R>,
    ) -> Result<R, MaintainError> {
        work(self.file()).map_err(MaintainError::io(what, &self.path))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed is written over by the next one.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Makes names in the folder of a file durable.
pub(super) fn sync_folder(of: &Path) -> Result<(), MaintainError> {
    let folder = match of.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(MaintainError::io("sync", folder))
}
