//! Files on their way in.

use schemars::JsonSchema;
use serde::Serialize;

use crate::files::{FileStage, StoredFile};
use crate::model::FileId;

/// An upload: `{"id":"f…","offset":1048576,"length":48213000,"is_whole":false}`
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Upload")]
pub(crate) struct UploadRow {
    id: FileId,
    /// How many bytes are on the disk.
    offset: u64,
    /// How many there will be.
    length: u64,
    /// Whether a message may name it.
    is_whole: bool,
}

impl From<&StoredFile> for UploadRow {
    fn from(file: &StoredFile) -> Self {
        let (offset, length) = match &file.stage {
            FileStage::Uploading(upload) => (upload.offset, upload.length),
            FileStage::Ready(content) | FileStage::Sent(content, _) | FileStage::Shown(content) => {
                (content.size, content.size)
            }
        };
        Self {
            id: file.id,
            offset,
            length,
            is_whole: file.content().is_some(),
        }
    }
}
