//! Beginning, writing and ending an upload.

use std::future::Future;
use std::os::unix::fs::FileExt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use tokio::time::Instant;

use super::finish::preview_of;
use super::folder::Part;
use super::places::Uploader;
use super::quota::Claim;
use super::session::Turn;
use super::verbs::Inner;
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
/// 40 MiB: more than may have come since it was noted.
const CLAIM_BYTES: u64 = NOTE_BYTES + 2 * SYNC_BYTES;
/// 10 s: so often it is looked at how much has come.
const WINDOW: Duration = Duration::from_secs(10);
/// 8 KiB: a body of which less comes in that time is given up, as a client that takes less is.
const LEAST_BYTES: u64 = 8 << 10;
/// 128 KiB: the same while others wait for a place.
const LEAST_WHILE_WANTED: u64 = 128 << 10;

/// What writing came to.
struct Written<'a> {
    offset: u64,
    /// Why it ended before all that was announced had come.
    cut: Option<FileError>,
    /// Held until the row has the offset.
    _claim: Claim<'a>,
}

impl Files {
    /// Begins an upload of so many bytes. `metadata` is what its client says of it in the words of
    /// tus.
    pub async fn begin(
        &self,
        now: Timestamp,
        owner: UserId,
        name: &str,
        length: u64,
        metadata: Option<&str>,
    ) -> Result<Arc<StoredFile>, FileError> {
        let inner = &self.inner;
        if length > inner.max_file {
            let most = inner.max_file;
            return Err(FileError::TooLarge { length, most });
        }
        inner.has_room(length)?;
        inner.quotas.begin(&inner.store, now, owner, length)?;
        let id = FileId::new(rand::random());
        let new = NewFile {
            owner,
            name: file_name(name).into(),
            length,
            metadata: metadata.map(Into::into),
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

    /// Goes on with an upload at this byte; returns the file as it is then. What has come is kept
    /// however this ends, and told by nobody before it is on the disk; with its last byte the file
    /// is whole. Completes early once `stopping` does.
    pub async fn append<B>(
        &self,
        clock: fn() -> Timestamp,
        who: Uploader,
        (id, offset): (FileId, u64),
        body: B,
        stopping: impl Future<Output = ()>,
    ) -> Result<Arc<StoredFile>, FileError>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (inner, owner) = (&self.inner, who.person);
        inner.pending(owner, id)?;
        let turn = inner.sessions.turn(id).await;
        let place = tokio::select! {
            place = inner.places.enter(who) => place?,
            // The same client has come again meanwhile.
            () = turn.is_wanted() => return Err(FileError::Incomplete),
        };
        let file = inner.pending(owner, id)?;
        let FileStage::Uploading(upload) = file.stage else {
            // A client that did not hear of its last bytes sends what is left, which is nothing.
            let is_all = file.progress().0 == offset && body.size_hint().lower() == 0;
            return is_all.then_some(file).ok_or(FileError::WrongStage);
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
        let ended = async {
            tokio::select! {
                () = turn.is_wanted() => FileError::Incomplete,
                () = stopping => FileError::Incomplete,
                () = place.is_wanted() => FileError::Busy,
            }
        };
        let writing = Writing::new(inner, clock, &file, upload).await?;
        let written = writing.write(body, ended).await?;
        let file = self.on(clock(), owner, id, written.offset, &turn).await?;
        match written.cut {
            Some(cut) => Err(cut),
            None => Ok(file),
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
        let permit = inner.finishing.acquire().await;
        let _permit = permit.map_err(|_| FileError::Unavailable)?;
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
        let before = match inner.pending(owner, id)?.stage {
            FileStage::Ready(content) => content.preview,
            _ => return Err(FileError::WrongStage),
        };
        let claim = inner.claim(now, owner, bytes.len() as u64)?;
        let writing = Arc::clone(&inner);
        let preview = blocking(move || preview_of(&writing.folder, id, &bytes, before)).await?;
        let what = FileCommand::Preview(preview);
        let changed = inner.act(now, FileAct { id, what }).await;
        drop(claim);
        // The one before it; this one, where the file was sent meanwhile. Else a start does it.
        if (before.is_some() || changed.is_err())
            && let Err(error) = inner.unlink_unnamed(id).await
        {
            tracing::warn!(%error, "a preview that is over was not unlinked");
        }
        changed
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

    /// Takes the right to bytes that are about to come, where the disk has room for them.
    fn claim(&self, now: Timestamp, owner: UserId, bytes: u64) -> Result<Claim<'_>, FileError> {
        self.has_room(bytes)?;
        self.quotas.claim(&self.store, now, owner, bytes)
    }
}

/// An upload that is being written.
struct Writing<'a> {
    inner: &'a Arc<Inner>,
    clock: fn() -> Timestamp,
    id: FileId,
    owner: UserId,
    upload: Upload,
    disk: Arc<std::fs::File>,
    /// What has come and is not written yet.
    buffer: Vec<u8>,
    /// Up to where it is written, synced, and noted in its row.
    offset: u64,
    synced: u64,
    noted: u64,
    /// The right to what comes until it is noted again.
    claim: Claim<'a>,
}

impl<'a> Writing<'a> {
    async fn new(
        inner: &'a Arc<Inner>,
        clock: fn() -> Timestamp,
        file: &StoredFile,
        upload: Upload,
    ) -> Result<Self, FileError> {
        let (id, owner, offset) = (file.id, file.owner, upload.offset);
        let claim = inner.claim(clock(), owner, CLAIM_BYTES.min(upload.length - offset))?;
        let folder = Arc::clone(inner);
        let disk = blocking(move || {
            folder.folder.make_for(id)?;
            Ok(Arc::new(folder.folder.write(id, Part::Coming)?))
        });
        Ok(Self {
            inner,
            clock,
            id,
            owner,
            upload,
            disk: disk.await?,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            offset,
            synced: offset,
            noted: offset,
            claim,
        })
    }

    /// Writes what comes, and puts it on the disk. Ends early, and says why, once `ended` does.
    async fn write<B>(
        mut self,
        mut body: B,
        ended: impl Future<Output = FileError>,
    ) -> Result<Written<'a>, FileError>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut ended = pin!(ended);
        let (mut waited, mut came) = (Duration::ZERO, 0);
        let cut = loop {
            // What the disk takes is not the client's.
            let began = Instant::now();
            let frame = tokio::select! {
                frame = body.frame() => frame,
                error = &mut ended => break Some(error),
                () = tokio::time::sleep(WINDOW.saturating_sub(waited)) => Some(Ok(Frame::data(Bytes::new()))),
            };
            waited += began.elapsed();
            let data = match frame {
                None => break None,
                Some(Err(_)) => break Some(FileError::Incomplete),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            came += data.len() as u64;
            if waited >= WINDOW {
                let least = match self.inner.places.are_wanted() {
                    true => LEAST_WHILE_WANTED,
                    false => LEAST_BYTES,
                };
                if came < least {
                    break Some(FileError::Incomplete);
                }
                (waited, came) = (Duration::ZERO, 0);
            }
            match self.take(&data).await {
                Ok(()) => {}
                Err(error @ (FileError::TooLarge { .. } | FileError::Quota)) => break Some(error),
                Err(error) => return Err(error),
            }
        };
        self.put(true).await?;
        Ok(Written {
            offset: self.offset,
            cut,
            _claim: self.claim,
        })
    }

    /// Takes in what came.
    async fn take(&mut self, data: &[u8]) -> Result<(), FileError> {
        let Upload { length, .. } = self.upload;
        let there = self.offset + self.buffer.len() as u64;
        if data.len() as u64 > length - there {
            let (length, most) = (length + 1, length);
            return Err(FileError::TooLarge { length, most });
        }
        self.buffer.extend_from_slice(data);
        if self.buffer.len() < BUFFER_BYTES {
            return Ok(());
        }
        let there = there + data.len() as u64;
        self.put(there - self.synced >= SYNC_BYTES).await?;
        if self.synced - self.noted >= NOTE_BYTES && self.synced < length {
            self.note().await?;
        }
        Ok(())
    }

    /// Notes how far it is, and takes the right to what comes next.
    async fn note(&mut self) -> Result<(), FileError> {
        let (inner, id, offset) = (self.inner, self.id, self.synced);
        let what = FileCommand::Wrote { offset };
        inner.act((self.clock)(), FileAct { id, what }).await?;
        self.noted = offset;
        self.claim.release();
        let next = CLAIM_BYTES.min(self.upload.length - offset);
        self.claim = inner.claim((self.clock)(), self.owner, next)?;
        Ok(())
    }

    /// Writes the buffer, and puts all that is written on the disk where that is said.
    async fn put(&mut self, syncs: bool) -> Result<(), FileError> {
        let (disk, offset) = (Arc::clone(&self.disk), self.offset);
        let mut buffer = std::mem::take(&mut self.buffer);
        let put = blocking(move || {
            disk.write_all_at(&buffer, offset)?;
            if syncs {
                disk.sync_data()?;
            }
            let next = offset + buffer.len() as u64;
            buffer.clear();
            Ok((buffer, next))
        });
        (self.buffer, self.offset) = put.await?;
        self.claim.left = self.claim.left.saturating_sub(self.offset - offset);
        if syncs {
            self.synced = self.offset;
        }
        Ok(())
    }
}

/// Runs what waits for the disk on a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(FileError::Unavailable))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::StreamBody;

    use super::*;
    use crate::chat::FileUrls;
    use crate::files::FilesConfig;
    use crate::store::{Done, Location, Store, StoreOptions};

    fn files() -> Files {
        let (done, mut heard) = tokio::sync::mpsc::channel(16);
        tokio::spawn(async move {
            while let Some(batch) = heard.recv().await {
                for done in batch {
                    if let Done::Answered { result, answer } = done {
                        answer(result);
                    }
                }
            }
        });
        let store = Store::open(&Location::Memory, StoreOptions::default(), done).unwrap();
        Files::new(store, &FilesConfig::default(), FileUrls::default()).unwrap()
    }

    /// A body of which so many bytes come each second.
    fn body(bytes: usize) -> impl Body<Data = Bytes> + Unpin {
        let frames = futures_util::stream::unfold((), move |()| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let frame = Frame::data(Bytes::from(vec![7; bytes]));
            Some((Ok::<_, Infallible>(frame), ()))
        });
        StreamBody::new(Box::pin(frames))
    }

    /// A byte in half a minute kept a place for as long as its client liked.
    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up_and_what_came_of_it_stays() {
        let files = files();
        let who = Uploader {
            person: UserId::new(1).unwrap(),
            address: None,
        };
        let now = Timestamp::default();
        let file = files.begin(now, who.person, "x", 50_000, None).await;
        let id = file.unwrap().id;
        let append = |offset, bytes| {
            let never = std::future::pending();
            files.append(Timestamp::default, who, (id, offset), body(bytes), never)
        };
        let began = Instant::now();
        let slow = append(0, 100).await;
        assert_eq!(slow.err(), Some(FileError::Incomplete));
        assert!(began.elapsed() < 2 * WINDOW);
        let file = files.upload(now, who.person, id).await.unwrap();
        let FileStage::Uploading(Upload { offset, .. }) = file.stage else {
            panic!("{file:?}");
        };
        assert!((900..=1_000).contains(&offset), "{offset}");
        // As many as are asked for: it may take as long as it likes.
        let steady = append(offset, 1_000).await;
        // The last second brings more than the file has.
        assert!(
            matches!(steady, Ok(_) | Err(FileError::TooLarge { .. })),
            "{steady:?}"
        );
        assert!(began.elapsed() > 4 * WINDOW);
        let file = files.upload(now, who.person, id).await.unwrap();
        let FileStage::Uploading(Upload { offset, .. }) = file.stage else {
            return;
        };
        assert!(offset > 48_000, "{offset}");
    }
}
