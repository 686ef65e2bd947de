//! Opening what a URL opens.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use super::folder::Part;
use super::upload::blocking;
use super::{FileError, Files};
use crate::model::{Attachment, FileId, FileKind, MessageId, Timestamp, UserId};
use crate::store::{FileContent, StoredFile};

/// A year: another picture has another name.
const PICTURE_KEPT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A file that is open.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    /// Its type.
    pub kind: FileKind,
    /// Its bytes.
    pub size: u64,
    /// Until when its URL holds.
    pub until: Timestamp,
    /// What names these bytes and no others.
    pub tag: u32,
}

impl OpenFile {
    /// Reads from this byte on; fewer bytes than there is room for only at the end.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        while count < out.len() {
            match self.file.read_at(&mut out[count..], offset + count as u64) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }
}

impl Files {
    fn content(&self, id: FileId) -> Option<FileContent> {
        let store = &self.inner.store;
        // In this order: what is sent in between is found.
        match store.pending_file(id) {
            Some(file) => file.content().copied(),
            None => Some(store.sent_file(id)?.content),
        }
    }

    /// Opens a file, or its smaller picture, by its URL. What is gone, and what never was, is
    /// refused alike.
    pub async fn open(
        &self,
        (id, name): (FileId, &str),
        key: &str,
        is_preview: bool,
    ) -> Result<OpenFile, FileError> {
        let until = self.inner.urls.verify(id, name, key);
        let found = until.zip(self.content(id));
        let (until, content) = found.ok_or(FileError::UrlExpired)?;
        let (part, kind, size, tag) = match is_preview {
            false => (Part::Whole, content.kind, content.size, content.checksum),
            true => {
                let preview = content.preview.ok_or(FileError::UrlExpired)?;
                let is_second = preview.is_second;
                let part = Part::Preview { is_second };
                (part, preview.kind, preview.size, preview.checksum)
            }
        };
        let file = self.open_part((id, part), FileError::UrlExpired);
        Ok(OpenFile {
            file: file.await?,
            kind,
            size,
            until,
            tag,
        })
    }

    /// Opens the picture of an account or of a room. What is gone, and what never was, is refused
    /// alike.
    pub async fn open_picture(&self, now: Timestamp, id: FileId) -> Result<OpenFile, FileError> {
        let picture = self.inner.store.sent_file(id);
        let picture = picture.filter(|file| file.message.is_none());
        let content = picture.ok_or(FileError::NoSuchPicture)?.content;
        let file = self.open_part((id, Part::Whole), FileError::NoSuchPicture);
        Ok(OpenFile {
            file: file.await?,
            kind: content.kind,
            size: content.size,
            until: now.plus(PICTURE_KEPT),
            tag: content.checksum,
        })
    }

    /// Opens the bytes of a file that was named. `gone` where it is named no more.
    async fn open_part(
        &self,
        (id, part): (FileId, Part),
        gone: FileError,
    ) -> Result<File, FileError> {
        let inner = Arc::clone(&self.inner);
        let opened = blocking(move || match inner.folder.open(id, part) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            file => Ok(Some(file?)),
        });
        match opened.await? {
            Some(file) => Ok(file),
            // Unlinked in between.
            None if self.content(id).is_none() => Err(gone),
            None => {
                tracing::error!(%id, "the bytes of a file are not in the folder: chatd check names all that are missing");
                Err(FileError::Unavailable)
            }
        }
    }

    /// Returns the message on which a file hangs.
    pub fn message_of(&self, id: FileId) -> Option<MessageId> {
        self.inner.store.sent_file(id)?.message
    }

    /// Returns a whole file of this person's that no message names yet, with its URL.
    pub fn unsent(&self, owner: UserId, id: FileId) -> Option<Attachment> {
        let file = self.inner.pending(owner, id).ok()?;
        self.attachment(&file)
    }

    /// Returns how a file hangs on a message, with its URL; `None` of one that is not whole.
    pub fn attachment(&self, file: &StoredFile) -> Option<Attachment> {
        let content = file.content()?;
        let mut attachment = Attachment {
            id: file.id,
            name: Arc::clone(&file.name),
            kind: content.kind,
            size: content.size,
            dimensions: content.dimensions,
            has_preview: content.preview.is_some(),
            alt: None,
            opened_by: None,
        };
        self.inner.urls.open_file(&mut attachment);
        Some(attachment)
    }
}
