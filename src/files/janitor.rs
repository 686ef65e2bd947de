//! Unlinking what is gone: at once what a message named that was erased, after a day what no
//! message names, and at the start what a crash has left.

use std::sync::Arc;
use std::time::Duration;

use super::folder::Part;
use super::upload::blocking;
use super::verbs::Inner;
use super::{FileError, Files};
use crate::model::{FileId, Timestamp};
use crate::store::{FileAct, FileCommand, FileStage, StoredFile};

/// How long a file is kept that no message names.
pub(super) const UNSENT: Duration = Duration::from_secs(24 * 60 * 60);
/// How often is looked for such files.
const LOOKED_EVERY: Duration = Duration::from_secs(10 * 60);
/// How long to wait while the folder is copied.
const COPIED: Duration = Duration::from_secs(1);

impl Files {
    /// Returns when a file goes unless a message names it.
    pub fn expires_at(&self, file: &StoredFile) -> Timestamp {
        file.created_at.plus(UNSENT)
    }

    /// Unlinks what is gone; never completes.
    pub async fn run(self, clock: fn() -> Timestamp) {
        let inner = self.inner;
        let unlinking = async {
            let gone = inner.store.gone_files();
            loop {
                inner.unlink(gone.take().await).await;
            }
        };
        let looking = async {
            if let Err(error) = inner.tidy(clock()).await {
                tracing::warn!(%error, "what a crash may have left of files was not looked for");
            }
            loop {
                inner.expire(clock()).await;
                tokio::time::sleep(LOOKED_EVERY).await;
            }
        };
        tokio::join!(unlinking, looking);
    }
}

impl Inner {
    /// Forgets what no message has named for a day.
    async fn expire(self: &Arc<Self>, now: Timestamp) {
        for file in self.store.pending_files() {
            if file.created_at.plus(UNSENT) <= now {
                self.forget(now, file.id).await;
            }
        }
    }

    async fn forget(&self, now: Timestamp, id: FileId) {
        let what = FileCommand::Drop;
        match self.act(now, FileAct { id, what }).await {
            // Sent or forgotten meanwhile.
            Ok(_) | Err(FileError::NoSuchUpload) => {}
            Err(error) => tracing::warn!(%error, "a file that is over was not forgotten"),
        }
    }

    /// Removes what a crash has left: bytes that no row names, and rows whose bytes did not come to
    /// be.
    async fn tidy(self: &Arc<Self>, now: Timestamp) -> Result<(), FileError> {
        let inner = Arc::clone(self);
        let spare = blocking(move || {
            let store = &inner.store;
            let is_known = |id| store.sent_file(id).is_some() || store.pending_file(id).is_some();
            let mut ids = inner.folder.list()?;
            ids.retain(|id| !is_known(*id));
            Ok(ids)
        });
        let spare = spare.await?;
        if !spare.is_empty() {
            tracing::info!(
                files = spare.len(),
                "removing what a stop has left of files"
            );
            self.unlink(spare).await;
        }
        for file in self.store.pending_files() {
            let inner = Arc::clone(self);
            let (id, is_cut) = (file.id, move || is_cut(&inner, &file));
            if blocking(move || Ok(is_cut())).await? {
                self.forget(now, id).await;
            }
        }
        Ok(())
    }

    /// Unlinks all that lies there of these files, once no copy of the folder is made.
    async fn unlink(self: &Arc<Self>, ids: Vec<FileId>) {
        let ids = Arc::new(ids);
        loop {
            let (inner, gone) = (Arc::clone(self), Arc::clone(&ids));
            let unlinked = blocking(move || {
                if !inner.folder.root().is_dir() {
                    return Ok(true);
                }
                let Some(_lock) = inner.folder.may_unlink()? else {
                    return Ok(false);
                };
                for id in &*gone {
                    inner.folder.remove_all(*id)?;
                }
                Ok(true)
            });
            match unlinked.await {
                Ok(true) => return,
                Ok(false) => tokio::time::sleep(COPIED).await,
                Err(error) => {
                    // The next start finds them.
                    tracing::error!(%error, files = ids.len(), "files that are gone were not unlinked");
                    return;
                }
            }
        }
    }
}

/// Returns whether the disk has less of an upload than it had confirmed.
fn is_cut(inner: &Inner, file: &StoredFile) -> bool {
    let FileStage::Uploading(upload) = &file.stage else {
        return false;
    };
    let length = |part| {
        let metadata = std::fs::metadata(inner.folder.path(file.id, part));
        metadata.map_or(0, |metadata| metadata.len())
    };
    let is_named = upload.offset == upload.length && length(Part::Whole) > 0;
    upload.offset > length(Part::Coming) && !is_named
}
