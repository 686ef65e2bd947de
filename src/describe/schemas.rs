//! Schemas of our types, by schemars.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::model::Code;

/// Gives a type's schema.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

pub(super) fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Makes the schemas of one document: of what is read, which is written out wherever it is used, and of what is said,
/// whose parts are kept once under `#/components/schemas`.
pub(super) struct Schemas {
    read: SchemaGenerator,
    said: SchemaGenerator,
}

impl Schemas {
    /// In this dialect.
    pub(super) fn new(dialect: fn() -> SchemaSettings) -> Self {
        let read = dialect().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let said = dialect().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self {
            read: read.for_deserialize().into_generator(),
            said: said.for_serialize().into_generator(),
        }
    }

    /// Of something that is decoded.
    pub(super) fn read(&mut self, of: SchemaOf) -> Value {
        let mut schema = of(&mut self.read).to_value();
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("title");
        }
        schema
    }

    /// Of something that is encoded.
    pub(super) fn said(&mut self, of: SchemaOf) -> Value {
        of(&mut self.said).to_value()
    }

    /// What was said, by name.
    pub(super) fn definitions(mut self) -> Map<String, Value> {
        let mut definitions = self.said.take_definitions(true);
        for schema in definitions.values_mut().filter_map(Value::as_object_mut) {
            schema.remove("title");
        }
        definitions
    }
}

/// `{"success":true}`, with `data` and `meta` where there are some.
pub(super) fn success(data: Option<Value>, meta: Option<Value>) -> Value {
    let mut properties = Map::from_iter([("success".to_owned(), json!({ "const": true }))]);
    properties.extend(data.map(|data| ("data".to_owned(), data)));
    properties.extend(meta.map(|meta| ("meta".to_owned(), meta)));
    let required: Vec<&String> = properties.keys().collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

/// A failure whose code is one of these.
pub(super) fn failure(failed: &Value, codes: &[Code]) -> Value {
    let codes: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let error = json!({ "properties": { "code": { "enum": codes } } });
    json!({ "allOf": [failed, { "properties": { "success": { "const": false }, "error": error } }] })
}

/// A document without what is not there.
pub(super) fn compact(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let present = object.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(present.collect())
        }
        other => other,
    }
}
