//! The OpenAPI 3.1 document (<https://spec.openapis.org/oas/v3.1.1>).

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::operation::{Access, Content, Operation};
use super::schemas::{Schemas, compact, names, schema_of, type_name};
use super::{TITLE, VERSION, Webhook};
use crate::contract::{Code, Failed};

const ABOUT: &str = "JSON in and out. Success: `{\"success\":true,\"data\":…}`; failure: \
`{\"success\":false,\"error\":{\"code\":\"…\",\"message\":\"…\"}}`, with `retry_after_ms` where trying again helps. A success that \
has nothing to give is `{\"success\":true}`, without `data`. Paths under \
`/api` answer with and without a slash at their end. Messages are sent by the socket event `send_message` and by nothing \
else; see `/api/asyncapi.json`.";
/// What the document's own words say, in front of which the page ends: it says the same by itself.
pub(super) const OWN_WORDS: &str = " `x-codes` of a response lists the codes that it may have.";

/// One line of the table of routes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Routed {
    /// The route's name.
    pub(crate) name: &'static str,
    /// Its path, with `{part}` for what varies.
    pub(crate) path: &'static str,
    /// `GET` and the like.
    pub(crate) method: &'static str,
    /// What it does.
    pub(crate) operation: &'static Operation,
}

/// Returns the document of these routes, and of what outgoing hooks tell.
pub(crate) fn openapi(routes: &[Routed], webhooks: &[Webhook]) -> Value {
    let mut schemas = Schemas::new(SchemaSettings::draft2020_12);
    let failed = schemas.said(schema_of::<Failed<'_>>);
    let mut paths = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        let method = route.method.to_lowercase();
        path[&method] = operation(route, &mut schemas, &failed);
    }
    let webhooks = webhooks
        .iter()
        .map(|told| (told.name.to_owned(), told.item(&mut schemas)));
    let webhooks: Map<String, Value> = webhooks.collect();
    json!({
        "openapi": "3.1.1",
        "info": { "title": TITLE, "version": VERSION, "description": format!("{ABOUT}{OWN_WORDS}") },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": schemas.definitions(),
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "As register and login give it, or as an app of its own users signs it.",
            } },
        },
    })
}

fn operation(route: &Routed, schemas: &mut Schemas, failed: &Value) -> Value {
    let operation = route.operation;
    let mut parameters = Vec::new();
    for (place, of) in [("path", operation.path), ("query", operation.query)] {
        if let Some(of) = of {
            parameters.extend(self::parameters(place, &schemas.read_in_pieces(of)));
        }
    }
    let body = operation.body.map(|of| {
        let mut content = json!({ "application/json": { "schema": schemas.read(of) } });
        if let Some(form) = operation.form {
            content[FORM] = json!({ "schema": schemas.read(form) });
        }
        json!({ "required": !operation.body_is_optional, "content": content })
    });
    let summary = operation.about.split(". ").next().unwrap_or_default();
    let tag = match route.path.split('/').collect::<Vec<_>>()[..] {
        ["", "api", tag, _, ..] | ["", "api", tag] if !tag.contains('.') => tag,
        _ => "server",
    };
    let id = format!("{}{}", route.method.to_lowercase(), route.name);
    let responses = responses(&id, operation, schemas, failed);
    compact(json!({
        "operationId": id,
        "tags": [tag],
        "summary": summary.trim_end_matches('.'),
        "description": operation.about,
        "security": match operation.access {
            Access::Anyone => json!([]),
            _ => json!([{ "token": [] }]),
        },
        "parameters": Some(parameters).filter(|all| !all.is_empty()),
        "requestBody": body,
        "responses": responses,
    }))
}

/// The properties of an object as parameters.
fn parameters(place: &str, schema: &Value) -> Vec<Value> {
    let required = schema["required"].as_array();
    let of = schema["properties"].as_object();
    let described = of.into_iter().flatten().map(|(name, schema)| {
        let mut schema = schema.clone();
        let about = schema
            .as_object_mut()
            .and_then(|own| own.remove("description"));
        never_null(&mut schema);
        compact(json!({
            "name": name,
            "in": place,
            "required": required.is_some_and(|all| all.iter().any(|key| key == name)),
            "description": about,
            "schema": schema,
        }))
    });
    described.collect()
}

/// Nothing in a path or a query is null: it is there, or it is not.
fn never_null(schema: &mut Value) {
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [one] = &kinds[..] {
            schema["type"] = one.clone();
        }
    }
    if let Some(Value::Array(kinds)) = schema.get_mut("anyOf") {
        kinds.retain(|kind| kind["type"] != "null");
        if let [one] = &kinds[..] {
            *schema = one.clone();
        }
    }
}

/// The media type of a body that is a form.
const FORM: &str = "application/x-www-form-urlencoded";
/// The media type of an answer that is a text.
const TEXT: &str = "text/plain; charset=utf-8";

fn responses(
    id: &str,
    operation: &Operation,
    schemas: &mut Schemas,
    failed: &Value,
) -> Map<String, Value> {
    let (media_type, schema) = success(id, operation, schemas);
    let content = json!({ media_type: { "schema": schema } });
    let mut responses: Map<String, Value> = Map::new();
    for status in operation.answers {
        let about = if *status == 201 { "Made" } else { "Done" };
        let response = match status {
            // Which has no body.
            204 => json!({ "description": about }),
            _ if operation.text_at == Some(*status) => json!({
                "description": about,
                "content": { TEXT: { "schema": { "type": "string" } } },
            }),
            _ => json!({ "description": about, "content": content }),
        };
        responses.insert(status.to_string(), response);
    }
    let mut refusals: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in operation.codes() {
        refusals.entry(code.status()).or_default().push(code);
    }
    for code in operation.forbids {
        refusals.entry(403).or_default().push(*code);
    }
    for (status, codes) in refusals {
        let codes = names(&codes);
        responses.insert(
            status.to_string(),
            json!({
                "description": format!("`{}`", codes.join("`, `")),
                "content": { "application/json": { "schema": failed } },
                "x-codes": codes,
            }),
        );
    }
    responses
}

/// The media type and the schema of a success.
fn success(id: &str, operation: &Operation, schemas: &mut Schemas) -> (&'static str, Value) {
    match operation.content {
        Content::Enveloped { data, meta } => {
            let data = data.map(|of| schemas.said(of));
            let meta = meta.map(|of| schemas.said(of));
            let name = match data {
                Some(_) => format!("{}Done", type_name(id)),
                None => "Done".to_owned(),
            };
            ("application/json", schemas.success(&name, data, meta))
        }
        Content::Bare("application/json") => {
            let schema = json!({ "type": "object", "additionalProperties": true });
            ("application/json", schemas.component("Document", schema))
        }
        Content::Bare(media_type) if media_type.starts_with("text/") => {
            (media_type, json!({ "type": "string" }))
        }
        Content::Bare(media_type) => (media_type, json!({ "type": "string", "format": "binary" })),
    }
}
