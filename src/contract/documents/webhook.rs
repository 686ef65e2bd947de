//! What outgoing hooks tell, described beside the type of the body.

use schemars::JsonSchema;
use serde_json::{Value, json};

use super::schemas::{SchemaOf, Schemas, schema_of, type_name};
use crate::model::{Timestamp, UserId};

/// One event that other systems are told of, each by a request of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Webhook {
    /// The `type` of the body.
    pub(super) name: &'static str,
    about: &'static str,
    data: SchemaOf,
}

impl Webhook {
    /// An event whose `data` is this. `about` is a clause that says when it is told.
    pub(crate) const fn new<T: JsonSchema>(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            data: schema_of::<T>,
        }
    }

    /// Returns it as a path item of OpenAPI.
    pub(super) fn item(&self, schemas: &mut Schemas) -> Value {
        let data = schemas.said(self.data);
        let timestamp = schemas.said(schema_of::<Timestamp>);
        let person = schemas.said(schema_of::<UserId>);
        let name = type_name(self.name);
        let body = json!({
            "type": "object",
            "description": "What happened.",
            "required": ["type", "timestamp", "cursor", "data", "offline"],
            "properties": {
                "type": { "type": "string", "const": self.name },
                "timestamp": timestamp,
                "cursor": {
                    "type": "string",
                    "description": "The place in the log: given as `since` to a replay, the hook tells again what came after.",
                },
                "data": data,
                "offline": {
                    "type": "array",
                    "items": person,
                    "description": "Of a message: those who are to be told of it and have no socket open, as of when it was first sent.",
                },
            },
        });
        let body = schemas.component(&format!("Told{name}"), body);
        let header = |name: &str, about: &str| {
            let schema = json!({ "type": "string" });
            json!({ "name": name, "in": "header", "required": true, "description": about, "schema": schema })
        };
        json!({ "post": {
            "operationId": format!("told{name}"),
            "tags": ["hooks"],
            "summary": self.about,
            "description": format!("{}. Signed as Standard Webhooks are, by the secret of the hook.", self.about),
            "security": [],
            "parameters": [
                header("webhook-id", "The same whenever this event is sent."),
                header("webhook-timestamp", "When it is sent, in seconds since 1970."),
                header("webhook-signature", "`v1,` and the HMAC-SHA256 of id, timestamp and body, in base64."),
            ],
            "requestBody": {
                "required": true,
                "content": { "application/json": { "schema": body } },
            },
            "responses": {
                "2XX": { "description": "Taken: the next event of the chat follows." },
                "410": { "description": "Gone: the hook rests until an administrator resumes it." },
                "4XX": { "description": "Refused: tried ten times, then set aside, and told again by a replay alone. 408, 425 and 429 are as 5XX." },
                "5XX": { "description": "Tried again after 1 s to 1 h, for three days; then the hook rests." },
            },
        } })
    }
}
