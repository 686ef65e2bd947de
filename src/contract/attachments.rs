//! The files that hang on a message, as people are told of them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::model::{Attachment, Extras, FileId};

/// A file that hangs on a message: `{"id":"f…","name":"trip.jpg","type":"image/jpeg","size":48213,
/// "width"?,"height"?,"url":"…","preview"?:"…"}`
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Attachment")]
pub(crate) struct AttachmentRow {
    id: FileId,
    /// The name that its sender gave it, of at most 255 bytes.
    name: String,
    /// Its media type, as its first bytes tell it.
    #[serde(rename = "type")]
    kind: &'static str,
    /// In bytes.
    size: u64,
    /// Of a picture, in pixels, as it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    /// Of a picture, in pixels, as it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    /// Opens it for 24 to 48 hours, without a token; relative to the server's root.
    url: String,
    /// Opens the smaller picture that its sender made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<String>,
}

impl From<&Attachment> for AttachmentRow {
    fn from(file: &Attachment) -> Self {
        let (width, height) = file.dimensions.unzip();
        Self {
            id: file.id,
            name: file.name.to_string(),
            kind: file.kind.media_type(),
            size: file.size,
            width,
            height,
            url: file.url(),
            preview: file.preview_url(),
        }
    }
}

/// The files of a message as rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attachments<'a>(&'a [Attachment]);

impl<'a> Attachments<'a> {
    /// Returns those of a message that has some.
    pub(crate) fn of(extras: Option<&'a Extras>) -> Option<Self> {
        let files = extras.map_or(&[][..], |extras| &extras.attachments);
        (!files.is_empty()).then_some(Self(files))
    }

    /// Returns a row for each.
    pub(crate) fn rows(self) -> impl Iterator<Item = AttachmentRow> {
        self.0.iter().map(AttachmentRow::from)
    }
}

impl Serialize for Attachments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows())
    }
}

impl JsonSchema for Attachments<'_> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Attachments".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        <Vec<AttachmentRow>>::json_schema(generator)
    }
}
