//! Schemas of our types, by schemars.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::contract::Code;

/// Gives a type's schema.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

pub(super) fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The schemas of one document. Every object that a client sends or receives is a component of its
/// own under `#/components/schemas` and is referred to from wherever it is used: code generators
/// name their types after components, and make up names for what is written out in place.
pub(super) struct Schemas {
    read: SchemaGenerator,
    said: SchemaGenerator,
    inline: SchemaGenerator,
    made: Map<String, Value>,
}

impl Schemas {
    /// Makes none yet, in this dialect.
    pub(super) fn new(dialect: fn() -> SchemaSettings) -> Self {
        let settings = || {
            dialect().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        let inline = settings().with(|settings| settings.inline_subschemas = true);
        Self {
            read: settings().for_deserialize().into_generator(),
            said: settings().for_serialize().into_generator(),
            inline: inline.for_deserialize().into_generator(),
            made: Map::new(),
        }
    }

    /// The schema of something that is decoded.
    pub(super) fn read(&mut self, of: SchemaOf) -> Value {
        of(&mut self.read).to_value()
    }

    /// The schema of something that is decoded piece by piece, as parameters are, with all its
    /// parts in place.
    pub(super) fn read_in_pieces(&mut self, of: SchemaOf) -> Value {
        of(&mut self.inline).to_value()
    }

    /// The schema of something that is encoded.
    pub(super) fn said(&mut self, of: SchemaOf) -> Value {
        of(&mut self.said).to_value()
    }

    /// Makes a component of a schema, and refers to it.
    pub(super) fn component(&mut self, name: &str, schema: Value) -> Value {
        let before = self.made.insert(name.to_owned(), schema);
        debug_assert!(
            before.is_none_or(|before| before == self.made[name]),
            "two components are called {name}"
        );
        refer(name)
    }

    /// Makes a component of a success: `{"success":true}`, with `data` and `meta` where there are
    /// some.
    pub(super) fn success(
        &mut self,
        name: &str,
        data: Option<Value>,
        meta: Option<Value>,
    ) -> Value {
        // Generators of several languages take a `const` without a type for anything at all.
        let success = json!({ "type": "boolean", "const": true });
        let mut properties = Map::from_iter([("success".to_owned(), success)]);
        properties.extend(data.map(|data| ("data".to_owned(), data)));
        properties.extend(meta.map(|meta| ("meta".to_owned(), meta)));
        let required: Vec<&String> = properties.keys().collect();
        let schema = json!({ "type": "object", "required": required, "properties": properties });
        self.component(name, schema)
    }

    /// Returns all components by name.
    pub(super) fn definitions(mut self) -> Map<String, Value> {
        let mut definitions = self.made;
        let read = self.read.take_definitions(true);
        for (name, schema) in read.into_iter().chain(self.said.take_definitions(true)) {
            let before = definitions.insert(name.clone(), schema);
            debug_assert!(
                before.is_none_or(|before| before == definitions[&name]),
                "two components are called {name}"
            );
        }
        for schema in definitions.values_mut() {
            if let Some(object) = schema.as_object_mut() {
                object.remove("title");
            }
            unwrap_references(schema);
        }
        definitions
    }
}

/// Draft 7 ignores what stands beside a reference, so schemars wraps one that is described; and a
/// generator makes up a name for the wrapping. The reference alone says what it is.
fn unwrap_references(schema: &mut Value) {
    let wrapped = match schema.get("allOf").and_then(Value::as_array) {
        Some(all) if all.len() == 1 && all[0].get("$ref").is_some() => Some(all[0].clone()),
        _ => None,
    };
    if let Some(reference) = wrapped {
        *schema = reference;
    }
    match schema {
        Value::Object(parts) => parts.values_mut().for_each(unwrap_references),
        Value::Array(parts) => parts.iter_mut().for_each(unwrap_references),
        _ => {}
    }
}

/// Refers to a component.
fn refer(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Returns what a schema refers to, or itself where it refers to nothing.
pub(super) fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix('#'))
    {
        Some(path) => document.pointer(path).unwrap_or(schema),
        None => schema,
    }
}

/// Returns the names of codes, in the order of the alphabet, for `x-codes`. Which codes an answer
/// may have is said beside its schema and not in it: all refusals are one type to a client.
pub(super) fn names(codes: &[Code]) -> Vec<&'static str> {
    let mut names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Joins the words of a name as types are called: `send_message` is `SendMessage`.
pub(super) fn type_name(name: &str) -> String {
    let words = name.split(|character: char| !character.is_ascii_alphanumeric());
    let capitalized = words.filter_map(|word| {
        let first = word.get(..1)?.to_ascii_uppercase();
        Some(first + word.get(1..).unwrap_or_default())
    });
    capitalized.collect()
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
