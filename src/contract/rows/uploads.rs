//! Files on their way in.

use schemars::JsonSchema;
use serde::Serialize;

use crate::files::StoredFile;
use crate::model::FileId;

/// An upload: `{"id":"f…","offset":1048576,"length":48213000,"is_whole":false}`
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Upload")]
pub(crate) struct UploadRow {
    id: FileId,
    /// How many bytes have come.
    offset: u64,
    /// How many there will be.
    length: u64,
    /// Whether a message may name it.
    is_whole: bool,
}

impl From<&StoredFile> for UploadRow {
    fn from(file: &StoredFile) -> Self {
        let (offset, length) = file.progress();
        Self {
            id: file.id,
            offset,
            length,
            is_whole: file.content().is_some(),
        }
    }
}
