//! A file as a row of the `files` table.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Attachment, FileId, FileKind, MessageId, Timestamp, UserId};
use crate::store::error::StoreError;
use crate::store::sealed::{seal, unseal};

/// A file, as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// The number of its row, which grows.
    pub number: u64,
    /// Its id.
    pub id: FileId,
    /// Who sent it.
    pub owner: UserId,
    /// Its name.
    pub name: Arc<str>,
    /// When its upload began.
    pub created_at: Timestamp,
    /// What its client said of it by `Upload-Metadata`, as it said it; until a message names it.
    pub metadata: Option<Arc<str>>,
    /// How many bytes its client sent, where some of them are cut out; until a message names it.
    pub uploaded: Option<u64>,
    /// How far it is.
    pub stage: FileStage,
}

/// How far a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileStage {
    /// So much of it is on disk.
    Uploading(Upload),
    /// All of it is, under its own name; no message names it.
    Ready(FileContent),
    /// A message names it.
    Sent(FileContent, MessageId),
    /// It is the picture of an account or of a room, whose `avatar` names it.
    Shown(FileContent),
}

/// A file that is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    /// The bytes that it will have.
    pub length: u64,
    /// The bytes that are on disk.
    pub offset: u64,
}

/// What is kept of the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileContent {
    /// Its type, by its first bytes.
    pub kind: FileKind,
    /// Its bytes.
    pub size: u64,
    /// Their CRC-32C.
    pub checksum: u32,
    /// Width and height of a picture, in pixels, as it is shown.
    pub dimensions: Option<(u32, u32)>,
    /// The smaller picture, where its sender made one.
    pub preview: Option<Preview>,
}

/// A smaller picture of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preview {
    /// Its type.
    pub kind: FileKind,
    /// Its bytes.
    pub size: u64,
    /// Their CRC-32C.
    pub checksum: u32,
    /// Under which of its two names it lies: another one that takes its place gets the other name,
    /// so that the bytes under a name never change.
    pub is_second: bool,
}

impl StoredFile {
    /// Returns its bytes that are on the disk.
    pub fn bytes(&self) -> u64 {
        match &self.stage {
            FileStage::Uploading(upload) => upload.offset,
            FileStage::Ready(content) | FileStage::Sent(content, _) | FileStage::Shown(content) => {
                content.bytes()
            }
        }
    }

    /// Returns how many bytes of it its client has sent, and how many it is to send.
    pub fn progress(&self) -> (u64, u64) {
        match &self.stage {
            FileStage::Uploading(upload) => (upload.offset, upload.length),
            FileStage::Ready(content) | FileStage::Sent(content, _) | FileStage::Shown(content) => {
                let all = self.uploaded.unwrap_or(content.size);
                (all, all)
            }
        }
    }

    /// Returns what is kept of its bytes, once they are whole.
    pub fn content(&self) -> Option<&FileContent> {
        match &self.stage {
            FileStage::Uploading(_) => None,
            FileStage::Ready(content) | FileStage::Sent(content, _) | FileStage::Shown(content) => {
                Some(content)
            }
        }
    }

    /// Returns how it hangs on a message.
    pub(crate) fn attachment(&self) -> Option<Attachment> {
        let content = self.content()?;
        Some(Attachment {
            id: self.id,
            name: Arc::clone(&self.name),
            kind: content.kind,
            size: content.size,
            dimensions: content.dimensions,
            has_preview: content.preview.is_some(),
            alt: None,
            opened_by: None,
        })
    }
}

impl FileContent {
    /// Returns its bytes, and those of its preview.
    pub fn bytes(&self) -> u64 {
        self.size + self.preview.map_or(0, |preview| preview.size)
    }
}

/// The row: JSON, so that a later format may add keys.
#[derive(Serialize, Deserialize)]
struct FileRecord {
    id: FileId,
    owner: u64,
    name: String,
    created_at_ms: u64,
    /// Of an upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    /// Of a whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<ContentRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<u64>,
    /// It is a picture that an `avatar` names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    shown: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uploaded: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct ContentRecord {
    #[serde(rename = "type")]
    kind: String,
    size: u64,
    checksum: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preview: Option<Box<ContentRecord>>,
    /// Of a preview.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    second: bool,
}

impl ContentRecord {
    fn of(content: &FileContent) -> Self {
        let (width, height) = content.dimensions.unzip();
        let preview = content.preview.map(|preview| Self {
            kind: preview.kind.media_type().to_owned(),
            size: preview.size,
            checksum: preview.checksum,
            width: None,
            height: None,
            preview: None,
            second: preview.is_second,
        });
        Self {
            kind: content.kind.media_type().to_owned(),
            size: content.size,
            checksum: content.checksum,
            width,
            height,
            preview: preview.map(Box::new),
            second: false,
        }
    }

    fn into_content(self) -> Option<FileContent> {
        let preview = match self.preview {
            None => None,
            Some(preview) => Some(Preview {
                kind: FileKind::of_media_type(&preview.kind)?,
                size: preview.size,
                checksum: preview.checksum,
                is_second: preview.second,
            }),
        };
        Some(FileContent {
            kind: FileKind::of_media_type(&self.kind)?,
            size: self.size,
            checksum: self.checksum,
            dimensions: self.width.zip(self.height),
            preview,
        })
    }
}

/// The sealed value of a file.
pub(crate) fn encode(file: &StoredFile) -> Vec<u8> {
    let (upload, message) = match &file.stage {
        FileStage::Uploading(upload) => (Some(upload), None),
        FileStage::Ready(_) | FileStage::Shown(_) => (None, None),
        FileStage::Sent(_, message) => (None, Some(message.get())),
    };
    let is_pending = matches!(file.stage, FileStage::Uploading(_) | FileStage::Ready(_));
    let record = FileRecord {
        id: file.id,
        owner: file.owner.get(),
        name: file.name.to_string(),
        created_at_ms: file.created_at.as_ms(),
        length: upload.map(|upload| upload.length),
        offset: upload.map(|upload| upload.offset),
        content: file.content().map(ContentRecord::of),
        message,
        shown: matches!(file.stage, FileStage::Shown(_)),
        metadata: file
            .metadata
            .as_deref()
            .filter(|_| is_pending)
            .map(str::to_owned),
        uploaded: file.uploaded.filter(|_| is_pending),
    };
    seal(
        file.number,
        &serde_json::to_vec(&record).expect("a record of strings and numbers is valid JSON"),
    )
}

/// Reads a file back.
pub(crate) fn decode(number: u64, sealed: &[u8]) -> Result<StoredFile, StoreError> {
    let body = unseal("files", number, sealed)?;
    decode_body(number, body).ok_or(StoreError::Damaged {
        table: "files",
        key: number,
    })
}

fn decode_body(number: u64, body: &[u8]) -> Option<StoredFile> {
    let record: FileRecord = serde_json::from_slice(body).ok()?;
    let content = match record.content {
        Some(content) => Some(content.into_content()?),
        None => None,
    };
    let upload = record.length.zip(record.offset);
    let is_upload = record.length.is_some() || record.offset.is_some();
    let stage = match (content, record.message, upload, record.shown) {
        (Some(_), ..) if is_upload => return None,
        (Some(content), Some(message), _, false) => {
            FileStage::Sent(content, MessageId::new(message).ok()?)
        }
        (Some(content), None, _, false) => FileStage::Ready(content),
        (Some(content), None, _, true) => FileStage::Shown(content),
        (None, None, Some((length, offset)), false) if offset <= length => {
            FileStage::Uploading(Upload { length, offset })
        }
        _ => return None,
    };
    Some(StoredFile {
        number,
        id: record.id,
        owner: UserId::new(record.owner).ok()?,
        name: record.name.into(),
        created_at: Timestamp::from_ms(record.created_at_ms),
        metadata: record.metadata.map(Into::into),
        uploaded: record.uploaded,
        stage,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_any_stage_is_read_back_as_it_was_written() {
        let content = FileContent {
            kind: FileKind::Png,
            size: 48_213,
            checksum: 7,
            dimensions: Some((640, 480)),
            preview: Some(Preview {
                kind: FileKind::Webp,
                size: 900,
                checksum: 8,
                is_second: true,
            }),
        };
        let bare = FileContent {
            kind: FileKind::Other,
            dimensions: None,
            preview: None,
            ..content
        };
        let upload = Upload {
            length: 10,
            offset: 3,
        };
        let message = MessageId::new(9).unwrap();
        for (stage, bytes) in [
            (FileStage::Uploading(upload), 3),
            (FileStage::Ready(bare), 48_213),
            (FileStage::Sent(content, message), 49_113),
            (FileStage::Shown(content), 49_113),
        ] {
            let file = StoredFile {
                number: 12,
                id: FileId::new(77),
                owner: UserId::new(3).unwrap(),
                name: "наш отпуск.png".into(),
                created_at: Timestamp::from_ms(1_749_124_800_000),
                metadata: matches!(stage, FileStage::Uploading(_) | FileStage::Ready(_))
                    .then(|| "filename eA==".into()),
                uploaded: matches!(stage, FileStage::Ready(_)).then_some(50_000),
                stage,
            };
            assert_eq!(file.bytes(), bytes);
            let sealed = encode(&file);
            assert_eq!(decode(12, &sealed).unwrap(), file);
            assert!(decode(13, &sealed).is_err());
        }
        let beyond = br#"{"id":"f0000000000000000000000000000004d","owner":3,"name":"x","created_at_ms":0,"length":1,"offset":2}"#;
        assert!(decode(1, &seal(1, beyond)).is_err());
    }
}
