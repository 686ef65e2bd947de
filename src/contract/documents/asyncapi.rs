//! The AsyncAPI 3.0 document (<https://www.asyncapi.com/docs/reference/specification/v3.0.0>).
//!
//! An event's payload is its first argument. AsyncAPI has no word for a second one, so `x-cursor`
//! says where there is one; `x-packet` names the Socket.IO packet of what is no event.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::event::{Event, Events};
use super::schemas::{SchemaOf, Schemas, compact, names, schema_of, type_name};
use super::{TITLE, VERSION};
use crate::contract::{Code, Failed};

const ABOUT: &str = "Socket.IO v4 at `/socket.io/`, in the namespace `/`; a stock client works. An event's payload is its \
first argument. A client may ask for an ack of an event, which gets one object; if it asks for none and the event fails, \
the server sends `chat_error`. Some events of the server end with a cursor: a second argument, a string that names the \
event's place, which a stock client shows by itself when it comes back.";
/// What the document's own words say, in front of which the page ends: it says the same by itself.
pub(super) const OWN_WORDS: &str = " Where `x-cursor` is set, the event ends with its cursor. Where `x-version` is 2, only \
sockets that said `\"v\": 2` hear it. `x-codes` of an ack lists the codes that its failure may have.";

/// What any event of a client may be refused with.
const ANY_EVENT: [Code; 5] = [
    Code::InvalidPayload,
    Code::Internal,
    Code::RateLimited,
    Code::StorageUnavailable,
    Code::TokenExpired,
];

/// The document.
pub(crate) fn asyncapi(events: &Events) -> Value {
    let mut schemas = Schemas::new(SchemaSettings::draft07);
    let mut document = Document::default();
    let failed = schemas.said(schema_of::<Failed<'_>>);
    document.connecting(events, &mut schemas);
    for event in &events.from_clients {
        let key = format!("from_client.{}", event.name);
        let type_name = type_name(event.name);
        let payload = either(
            &mut schemas,
            &format!("{type_name}Payload"),
            event.payload,
            event.in_room.map(|(of, _)| of),
            Schemas::read,
        );
        document.message(&key, event.name, Some(event.about), payload, json!({}));
        let mut codes = ANY_EVENT.to_vec();
        codes.extend(event.codes);
        let data = event.ack.map(|of| {
            either(
                &mut schemas,
                &format!("{type_name}Data"),
                of,
                event.in_room.map(|(_, of)| of),
                Schemas::said,
            )
        });
        let done = schemas.success(&format!("{type_name}Done"), data, None);
        let either = json!({ "oneOf": [done, failed] });
        let ack = schemas.component(&format!("{type_name}Ack"), either);
        let ack_key = format!("ack.{}", event.name);
        document.message(
            &ack_key,
            event.name,
            None,
            ack,
            json!({ "x-packet": "ACK", "x-codes": names(&codes) }),
        );
        document.operation(&key, "receive", &[&key], Some(&[&ack_key]));
    }
    for event in &events.to_clients {
        let Event { name, about, .. } = *event;
        let key = format!("to_client.{name}");
        let payload = schemas.said(event.payload);
        let more = compact(json!({
            "x-cursor": event.has_cursor.then_some(true),
            "x-version": (event.version > 1).then_some(event.version),
        }));
        document.message(&key, name, Some(about), payload, more);
        document.operation(&key, "send", &[&key], None);
    }
    document.finish(schemas)
}

/// Returns the schema of one type, or of one of two under this name.
fn either(
    schemas: &mut Schemas,
    name: &str,
    one: SchemaOf,
    other: Option<SchemaOf>,
    schema: fn(&mut Schemas, SchemaOf) -> Value,
) -> Value {
    let one = schema(schemas, one);
    match other.map(|other| schema(schemas, other)) {
        Some(other) if other != one => schemas.component(name, json!({ "anyOf": [one, other] })),
        _ => one,
    }
}

#[derive(Default)]
struct Document {
    messages: Map<String, Value>,
    operations: Map<String, Value>,
}

impl Document {
    fn message(&mut self, key: &str, name: &str, about: Option<&str>, payload: Value, more: Value) {
        let mut message = compact(json!({
            "name": name,
            "description": about,
            "payload": payload,
        }));
        if let (Value::Object(message), Value::Object(more)) = (&mut message, more) {
            message.extend(more);
        }
        self.messages.insert(key.to_owned(), message);
    }

    fn operation(&mut self, key: &str, action: &str, said: &[&str], reply: Option<&[&str]>) {
        let channel = json!({ "$ref": "#/channels/chat" });
        let messages = |keys: &[&str]| -> Vec<Value> {
            let of = keys.iter();
            of.map(|key| json!({ "$ref": format!("#/channels/chat/messages/{key}") }))
                .collect()
        };
        let reply = reply.map(|keys| json!({ "channel": channel, "messages": messages(keys) }));
        let operation = compact(json!({
            "action": action,
            "channel": channel,
            "messages": messages(said),
            "reply": reply,
        }));
        self.operations.insert(key.to_owned(), operation);
    }

    fn connecting(&mut self, events: &Events, schemas: &mut Schemas) {
        let of = &events.connecting;
        for (key, packet, about, payload) in [
            (
                "connect",
                "CONNECT",
                "Opens the socket; with `pid` and `offset` it goes on as the one that was lost.",
                schemas.read(of.auth),
            ),
            (
                "connected",
                "CONNECT",
                "The socket is open. With the `pid` of the one that was lost it goes on as that one.",
                schemas.said(of.connected),
            ),
            (
                "connect_error",
                "CONNECT_ERROR",
                "The socket is refused.",
                schemas.said(of.refused),
            ),
        ] {
            let more = json!({ "x-packet": packet });
            self.message(key, key, Some(about), payload, more);
        }
        self.operation(
            "connect",
            "receive",
            &["connect"],
            Some(&["connected", "connect_error"]),
        );
    }

    fn finish(self, schemas: Schemas) -> Value {
        let keys = self.messages.keys();
        let of_channel: Map<String, Value> = keys
            .map(|key| {
                let message = json!({ "$ref": format!("#/components/messages/{key}") });
                (key.clone(), message)
            })
            .collect();
        json!({
            "asyncapi": "3.0.0",
            "info": { "title": TITLE, "version": VERSION, "description": format!("{ABOUT}{OWN_WORDS}") },
            "defaultContentType": "application/json",
            "channels": { "chat": {
                "address": "/",
                "title": "The namespace in which people chat",
                "messages": of_channel,
            } },
            "operations": self.operations,
            "components": { "messages": self.messages, "schemas": schemas.definitions() },
        })
    }
}
