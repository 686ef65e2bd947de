//! Beginning, writing and ending an upload.

use std::future::Future;
use std::os::unix::fs::FileExt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::sync::SemaphorePermit;

use super::finish::preview_of;
use super::folder::Part;
use super::session::Turn;
use super::verbs::{Inner, MAX_A_DAY};
use super::{FileError, Files};
use crate::model::{FileId, Timestamp, UserId, file_name};
use crate::store::{FileAct, FileCommand, FileStage, NewFile, StoredFile, Upload};

/// 64 KiB: what a smaller picture may have.
pub const MAX_PREVIEW_BYTES: usize = 64 << 10;
/// 64 KiB: what the picture of an account or a room may have.
pub const MAX_PICTURE_BYTES: u64 = 64 << 10;
/// 256 KiB of an upload are in memory at once.
const BUFFER_BYTES: usize = 256 << 10;
/// 4 MiB: after so many bytes what was received is put on the disk. With more of it in the page
/// cache the kernel puts it there all at once, and the chat's own syncs wait for that.
const SYNC_BYTES: u64 = 4 << 20;
/// 32 MiB: after so many it is noted how far the upload is, so that a crash takes no more of it.
const NOTE_BYTES: u64 = 32 << 20;
/// 30 s: a body of which nothing comes for so long is given up.
const STALL: Duration = Duration::from_secs(30);
/// 20 s: so long an upload waits for others to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of going on with an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The file as it is now.
    pub file: Arc<StoredFile>,
    /// How many bytes of it have come. A whole file may have fewer: what told of its maker is gone.
    pub offset: u64,
}

/// What writing came to.
struct Written {
    offset: u64,
    /// Why it ended before all that was announced had come.
    cut: Option<FileError>,
}

impl Files {
    /// Begins an upload of so many bytes.
    pub async fn begin(
        &self,
        now: Timestamp,
        owner: UserId,
        name: &str,
        length: u64,
    ) -> Result<Arc<StoredFile>, FileError> {
        let inner = &self.inner;
        if length > inner.max_file {
            let most = inner.max_file;
            return Err(FileError::TooLarge { length, most });
        }
        inner.has_room(length)?;
        let id = FileId::new(rand::random());
        let new = NewFile {
            owner,
            name: file_name(name).into(),
            length,
            most: inner.quota,
            most_a_day: MAX_A_DAY,
        };
        let what = FileCommand::Begin(new);
        let file = inner.act(now, FileAct { id, what }).await?;
        match length {
            // Nothing is to come.
            0 => {
                self.on(now, owner, id, 0, &inner.sessions.turn(id).await)
                    .await
            }
            _ => Ok(file),
        }
    }

    /// Returns an upload of this person's as it is now; whoever writes it lets go of it.
    pub async fn upload(
        &self,
        now: Timestamp,
        owner: UserId,
        id: FileId,
    ) -> Result<Arc<StoredFile>, FileError> {
        self.inner.pending(owner, id)?;
        let turn = self.inner.sessions.turn(id).await;
        let file = self.inner.pending(owner, id)?;
        match file.stage {
            // A crash came between the last of its bytes and its end.
            FileStage::Uploading(Upload { length, offset }) if length == offset => {
                self.on(now, owner, id, offset, &turn).await
            }
            _ => Ok(file),
        }
    }

    /// Goes on with an upload at this byte. What has come is kept however this ends, and told by
    /// nobody before it is on the disk; with its last byte the file is whole. Completes early once
    /// `stopping` does.
    pub async fn append<B>(
        &self,
        clock: fn() -> Timestamp,
        owner: UserId,
        (id, offset): (FileId, u64),
        body: B,
        stopping: impl Future<Output = ()>,
    ) -> Result<Appended, FileError>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let inner = &self.inner;
        inner.pending(owner, id)?;
        let turn = inner.sessions.turn(id).await;
        let _entered = inner.sessions.enter(owner)?;
        let file = inner.pending(owner, id)?;
        let FileStage::Uploading(upload) = file.stage else {
            return Err(FileError::WrongStage);
        };
        if offset != upload.offset {
            let offset = upload.offset;
            return Err(FileError::Conflict { offset });
        }
        if body.size_hint().lower() > upload.length - offset {
            return Err(FileError::TooLarge {
                length: offset.saturating_add(body.size_hint().lower()),
                most: upload.length,
            });
        }
        let _writer = inner.writer().await?;
        let written = inner
            .write(clock, &file, upload, body, &turn, stopping)
            .await?;
        let file = self.on(clock(), owner, id, written.offset, &turn).await?;
        match written.cut {
            Some(cut) => Err(cut),
            None => Ok(Appended {
                file,
                offset: written.offset,
            }),
        }
    }

    /// Notes how far an upload is, and ends it where it is whole.
    async fn on(
        &self,
        now: Timestamp,
        owner: UserId,
        id: FileId,
        offset: u64,
        _turn: &Turn,
    ) -> Result<Arc<StoredFile>, FileError> {
        let inner = &self.inner;
        let file = inner.pending(owner, id)?;
        let FileStage::Uploading(upload) = file.stage else {
            return Ok(file);
        };
        let what = FileCommand::Wrote { offset };
        let file = match offset == upload.offset {
            true => file,
            false => inner.act(now, FileAct { id, what }).await?,
        };
        if offset < upload.length {
            return Ok(file);
        }
        let (inner, length) = (Arc::clone(inner), upload.length);
        let content = blocking(move || inner.folder.finish(id, length)).await?;
        let what = FileCommand::Finish(content);
        self.inner.act(now, FileAct { id, what }).await
    }

    /// Takes a smaller picture of a file that is whole and not sent yet.
    pub async fn put_preview(
        &self,
        now: Timestamp,
        owner: UserId,
        id: FileId,
        bytes: Bytes,
    ) -> Result<Arc<StoredFile>, FileError> {
        let inner = Arc::clone(&self.inner);
        let _turn = inner.sessions.turn(id).await;
        match inner.pending(owner, id)?.stage {
            FileStage::Ready(_) => {}
            _ => return Err(FileError::WrongStage),
        }
        inner.has_room(bytes.len() as u64)?;
        let most = inner.quota;
        let writing = Arc::clone(&inner);
        let preview = blocking(move || preview_of(&writing.folder, id, &bytes)).await?;
        let what = FileCommand::Preview { preview, most };
        inner.act(now, FileAct { id, what }).await
    }

    /// Forgets an upload, or a file that is not sent yet.
    pub async fn terminate(
        &self,
        now: Timestamp,
        owner: UserId,
        id: FileId,
    ) -> Result<(), FileError> {
        self.inner.pending(owner, id)?;
        let _turn = self.inner.sessions.turn(id).await;
        self.inner.pending(owner, id)?;
        let what = FileCommand::Drop;
        self.inner.act(now, FileAct { id, what }).await.map(drop)
    }
}

impl Inner {
    /// The file of a person that no message names yet.
    pub(super) fn pending(&self, owner: UserId, id: FileId) -> Result<Arc<StoredFile>, FileError> {
        let file = self.store.pending_file(id);
        let file = file.filter(|file| file.owner == owner);
        file.ok_or(FileError::NoSuchUpload)
    }

    async fn writer(&self) -> Result<SemaphorePermit<'_>, FileError> {
        let permit = tokio::time::timeout(PATIENCE, self.writers.acquire()).await;
        permit.ok().and_then(Result::ok).ok_or(FileError::Busy)
    }

    /// Writes what comes, and puts it on the disk.
    async fn write<B>(
        self: &Arc<Self>,
        clock: fn() -> Timestamp,
        file: &StoredFile,
        upload: Upload,
        mut body: B,
        turn: &Turn,
        stopping: impl Future<Output = ()>,
    ) -> Result<Written, FileError>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (inner, id) = (Arc::clone(self), file.id);
        let disk = blocking(move || {
            inner.folder.make_for(id)?;
            Ok(Arc::new(inner.folder.write(id, Part::Coming)?))
        });
        let disk = disk.await?;
        let ended = async {
            tokio::select! {
                () = turn.is_wanted() => {}
                () = stopping => {}
            }
        };
        let mut ended = pin!(ended);
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        let (mut offset, mut synced, mut noted) = (upload.offset, upload.offset, upload.offset);
        let cut = loop {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = &mut ended => break Some(FileError::Incomplete),
                () = tokio::time::sleep(STALL) => break Some(FileError::Incomplete),
            };
            let data = match frame {
                None => break None,
                Some(Err(_)) => break Some(FileError::Incomplete),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            let most = upload.length - offset - buffer.len() as u64;
            if data.len() as u64 > most {
                let length = upload.length + 1;
                let most = upload.length;
                break Some(FileError::TooLarge { length, most });
            }
            buffer.extend_from_slice(&data);
            if buffer.len() < BUFFER_BYTES {
                continue;
            }
            let syncs = offset + buffer.len() as u64 - synced >= SYNC_BYTES;
            (buffer, offset) = put(&disk, buffer, offset, syncs).await?;
            if syncs {
                synced = offset;
            }
            if synced - noted >= NOTE_BYTES && synced < upload.length {
                noted = synced;
                let what = FileCommand::Wrote { offset: noted };
                self.act(clock(), FileAct { id, what }).await?;
            }
        };
        let (_, offset) = put(&disk, buffer, offset, true).await?;
        Ok(Written { offset, cut })
    }
}

/// Writes a buffer at this byte, and gives it back empty, with the byte behind it.
async fn put(
    disk: &Arc<std::fs::File>,
    mut buffer: Vec<u8>,
    offset: u64,
    syncs: bool,
) -> Result<(Vec<u8>, u64), FileError> {
    let disk = Arc::clone(disk);
    blocking(move || {
        disk.write_all_at(&buffer, offset)?;
        if syncs {
            disk.sync_data()?;
        }
        let next = offset + buffer.len() as u64;
        buffer.clear();
        Ok((buffer, next))
    })
    .await
}

/// Runs what waits for the disk on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(FileError::Unavailable))
}
