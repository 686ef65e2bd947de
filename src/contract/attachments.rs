//! The files that hang on a message, as people are told of them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{Attachment, Extras, FileId, MAX_ALT_CHARS, is_alt};

/// A file that hangs on a message: `{"id":"f…","name":"trip.jpg","type":"image/jpeg","size":48213,
/// "width"?,"height"?,"alt"?,"url":"…","preview"?:"…"}`
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
    /// What its sender says is to be seen or heard in it, of at most 500 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    alt: Option<Arc<str>>,
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
            alt: file.alt.clone(),
            url: file.url(),
            preview: file.preview_url(),
        }
    }
}

/// A file as its sender names it: `"f…"`, or `{"id":"f…","alt":"Two people on a pier"}`.
pub(crate) struct NamedFile {
    pub(crate) id: FileId,
    /// What is to be seen or heard in it.
    pub(crate) alt: Option<Arc<str>>,
}

impl<'de> Deserialize<'de> for NamedFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamedFileVisitor)
    }
}

struct NamedFileVisitor;

/// The object by which a file may be named.
#[derive(Deserialize)]
struct DescribedFile<'a> {
    id: FileId,
    #[serde(borrow, default)]
    alt: Option<Cow<'a, str>>,
}

impl<'de> Visitor<'de> for NamedFileVisitor {
    type Value = NamedFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the id of a file, or an object with its id and its alt")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<NamedFile, E> {
        let id = text.parse::<FileId>().map_err(E::custom)?;
        Ok(NamedFile { id, alt: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<NamedFile, A::Error> {
        let DescribedFile { id, alt } = Deserialize::deserialize(MapAccessDeserializer::new(map))?;
        // A field that was left empty says nothing.
        let alt = alt.filter(|alt| !alt.trim().is_empty());
        if alt.as_ref().is_some_and(|alt| !is_alt(alt)) {
            let most = format_args!("alt must have at most {MAX_ALT_CHARS} characters");
            return Err(de::Error::custom(most));
        }
        let alt = alt.map(|alt| Arc::from(&*alt));
        Ok(NamedFile { id, alt })
    }
}

impl JsonSchema for NamedFile {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "NamedFile".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let id = FileId::json_schema(generator);
        let described = generator.subschema_for::<DescribedFile<'static>>();
        json_schema!({ "anyOf": [id, described] })
    }
}

impl JsonSchema for DescribedFile<'_> {
    fn schema_name() -> Cow<'static, str> {
        "DescribedFile".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": FileId::json_schema(generator),
                "alt": { "type": ["string", "null"], "maxLength": MAX_ALT_CHARS },
            },
        })
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
