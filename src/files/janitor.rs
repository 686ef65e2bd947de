//! Unlinking what is gone: at once what a message named that was erased, after a day what no
//! message names, and at the start what a crash has left; and after a while what no row names.

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
/// How long to wait while the folder is copied, by this process or another. The lock itself cannot
/// be waited for: the thread that did would keep the server from ending.
const COPIED: Duration = Duration::from_secs(1);

impl Files {
    /// Returns when a file goes unless a message names it.
    pub fn expires_at(&self, file: &StoredFile) -> Timestamp {
        file.created_at.plus(UNSENT)
    }

    /// Unlinks what is gone, and what was set aside for so long; never completes.
    pub async fn run(self, clock: fn() -> Timestamp, spare_kept: Duration) {
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
                inner.remove_spare(clock(), spare_kept).await;
                tokio::time::sleep(LOOKED_EVERY).await;
            }
        };
        tokio::join!(unlinking, looking);
    }
}

impl Inner {
    /// Puts back what is named, and sets aside what is not. Returns how many files each.
    fn sort_out(&self) -> Result<(usize, usize), FileError> {
        let is_named = |id| self.named(id).is_some();
        let (mut back, mut spare) = (0, 0);
        for id in self.folder.list_spare()? {
            if is_named(id) && self.folder.take_back(id)? {
                back += 1;
            }
        }
        for id in self.folder.list()? {
            if !is_named(id) {
                self.folder.set_aside(id)?;
                spare += 1;
            }
        }
        Ok((back, spare))
    }

    /// Forgets what no message has named for a day.
    async fn expire(self: &Arc<Self>, now: Timestamp) {
        let over = self.store.ending_time(now);
        for file in self.store.pending_files() {
            if file.created_at.plus(UNSENT) <= over {
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

    /// Unlinks what was set aside before so long.
    async fn remove_spare(self: &Arc<Self>, now: Timestamp, kept: Duration) {
        let inner = Arc::clone(self);
        let before = self.store.ending_time(now).minus(kept);
        let removed = blocking(move || {
            let before = before.as_secs().cast_signed();
            Ok(inner.folder.remove_spare(before)?)
        });
        match removed.await {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, "removed files that were set aside"),
            Err(error) => tracing::warn!(%error, "files that were set aside were not removed"),
        }
    }

    /// Sees to what a crash has left: bytes that no row names are set aside, rows whose bytes did
    /// not come to be are forgotten. Puts back what was set aside and is named after all.
    async fn tidy(self: &Arc<Self>, now: Timestamp) -> Result<(), FileError> {
        let inner = Arc::clone(self);
        let (back, spare) = blocking(move || inner.sort_out()).await?;
        if back > 0 {
            tracing::info!(files = back, "put back files that had been set aside");
        }
        if spare > 0 {
            tracing::warn!(
                files = spare,
                folder = %self.folder.root().display(),
                "the data file does not name files that lie in its folder: they are in spare/ for --erase-within"
            );
        }
        let inner = Arc::clone(self);
        let left = blocking(move || {
            let mut left = Vec::new();
            for (id, part) in inner.folder.parts()? {
                let named = inner.named(id);
                if named.zip(part).is_some_and(|(named, part)| !named(part)) {
                    left.push(id);
                }
            }
            left.dedup();
            Ok(left)
        });
        for id in left.await? {
            // Nobody writes it meanwhile.
            let _turn = self.sessions.turn(id).await;
            self.unlink_unnamed(id).await?;
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

    /// Returns which parts of a file its row names, or may be about to; `None` where it has none.
    fn named(&self, id: FileId) -> Option<impl Fn(Part) -> bool + use<>> {
        // In this order: what is sent in between is found.
        let content = match self.store.pending_file(id) {
            Some(file) => file.content().copied(),
            None => Some(self.store.sent_file(id)?.content),
        };
        Some(move |part| match (part, content) {
            (Part::Whole, _) => true,
            // Its last bytes may have got their name before a crash, and their row not.
            (Part::Coming, None) => true,
            (Part::Preview { is_second }, Some(content)) => content
                .preview
                .is_some_and(|preview| preview.is_second == is_second),
            _ => false,
        })
    }

    /// Unlinks what lies there of a file and its row does not name, unless a copy of the folder is
    /// made: then the next start does. For who has the right to the file.
    pub(super) async fn unlink_unnamed(self: &Arc<Self>, id: FileId) -> Result<(), FileError> {
        let inner = Arc::clone(self);
        let unlinking = blocking(move || {
            let (Some(named), Some(_lock)) = (inner.named(id), inner.folder.may_unlink()?) else {
                return Ok(());
            };
            for part in Part::ALL.into_iter().filter(|part| !named(*part)) {
                inner.folder.remove(id, part)?;
            }
            Ok(())
        });
        unlinking.await
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
