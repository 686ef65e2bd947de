//! What the verbs of files work on.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::FileError;
use super::folder::Folder;
use super::places::Places;
use super::quota::Quotas;
use super::session::Sessions;
use crate::chat::FileUrls;
use crate::model::Timestamp;
use crate::store::{Command, FileAct, Store, StoredFile};

/// 100 MiB: a minute of a telephone's film.
pub const DEFAULT_MAX_FILE: u64 = 100 << 20;
/// 1 GiB, or a tenth of the disk where that is more, is left to all else.
const RESERVE_BYTES: u64 = 1 << 30;

/// 4 files that are whole are read through and cleaned at once; others wait.
const MAX_FINISHING: usize = 4;

/// How files are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesConfig {
    /// The folder; `None` for one that goes with the server.
    pub folder: Option<PathBuf>,
    /// The bytes that a file may have.
    pub max_file: u64,
    /// The bytes that all files may have; `None` for half of what is free at the start.
    pub quota: Option<u64>,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self {
            folder: None,
            max_file: DEFAULT_MAX_FILE,
            quota: None,
        }
    }
}

/// The verbs. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) folder: Folder,
    pub(super) urls: FileUrls,
    pub(super) max_file: u64,
    pub(super) quotas: Quotas,
    pub(super) sessions: Sessions,
    pub(super) places: Arc<Places>,
    pub(super) finishing: Semaphore,
}

impl Files {
    /// Returns the verbs over this store. Each telling of a message brings the URLs of `urls`.
    /// Fails where another server works in the folder, or it cannot be read.
    pub fn new(store: Store, config: &FilesConfig, urls: FileUrls) -> io::Result<Self> {
        let folder = match &config.folder {
            Some(root) => Folder::at(root.clone()),
            None => Folder::temporary(),
        };
        folder.own()?;
        let free = folder.room().map_or(u64::MAX, |(_, free)| free);
        let (_, bytes) = store.files();
        Ok(Self {
            inner: Arc::new(Inner {
                quotas: Quotas::new(config.quota.unwrap_or((free / 2).saturating_add(bytes))),
                store,
                folder,
                urls,
                max_file: config.max_file,
                sessions: Sessions::default(),
                places: Arc::default(),
                finishing: Semaphore::new(MAX_FINISHING),
            }),
        })
    }

    /// Says in the log where no file could be kept: else the first person who sends one finds out.
    pub fn warn_of_folder(&self) {
        let folder = &self.inner.folder;
        if let Some(error) = folder.refusal() {
            tracing::warn!(
                %error,
                "nobody can send files: the folder {} cannot be written; let this user write there, or give another \
                 --files",
                folder.root().display()
            );
        }
    }

    /// Removes what goes with the server; for its end.
    pub fn end(&self) {
        self.inner.folder.end();
    }

    /// The bytes that a file may have.
    pub fn max_file(&self) -> u64 {
        self.inner.max_file
    }

    /// Returns how many files there are, and how many bytes they have.
    pub fn usage(&self) -> (u64, u64) {
        self.inner.store.files()
    }

    /// The bytes that all files may have.
    pub fn quota(&self) -> u64 {
        self.inner.quotas.all
    }
}

impl Inner {
    /// Has an act on a file stored.
    pub(super) async fn act(
        &self,
        now: Timestamp,
        act: FileAct,
    ) -> Result<Arc<StoredFile>, FileError> {
        Ok(self.store.apply(now, Command::file(act)).await?)
    }

    /// Fails where the disk has no room for so many bytes more, beside what it keeps free.
    pub(super) fn has_room(&self, length: u64) -> Result<(), FileError> {
        let (all, free) = self.folder.room()?;
        let reserve = RESERVE_BYTES.max(all / 10);
        match free >= reserve.saturating_add(length) {
            true => Ok(()),
            false => Err(FileError::Quota),
        }
    }
}
