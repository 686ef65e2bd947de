//! Login sessions, as their person sees them.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::accounts::{ALONE, BY_APP, SignedIn};
use crate::model::Timestamp;

/// Something that a person has signed in by:
/// `{"id","created_at","last_used_at","client","address","current"}`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct SessionRow {
    /// Of a login a text of its own. `earlier` are the tokens that have no session: those of before
    /// sessions were kept, and of commands; `app` are the tokens of an app.
    id: String,
    /// When they logged in; null where that is not known.
    created_at: Option<Timestamp>,
    /// When its token was last shown, to the hour; null where that is not known.
    last_used_at: Option<Timestamp>,
    /// What the client said that it is, in short words; null where it said nothing.
    client: Option<Arc<str>>,
    /// The address from which they logged in; null where it is not known.
    address: Option<Arc<str>>,
    /// Whether the request came by it.
    current: bool,
}

impl SessionRow {
    pub(crate) fn new(by: SignedIn, current: bool) -> Self {
        let (id, created_at, last_used_at, client, address) = match by {
            SignedIn::Session(session) => (
                session.id.to_string(),
                Some(session.created_at),
                Some(session.used_at),
                session.client,
                session.address,
            ),
            SignedIn::Alone(used_at) => (ALONE.to_owned(), None, used_at, None, None),
            SignedIn::ByApp => (BY_APP.to_owned(), None, None, None, None),
        };
        Self {
            id,
            created_at,
            last_used_at,
            client,
            address,
            current,
        }
    }
}

/// A link by which a person gives their account another password: `{"url"}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct ResetLink {
    /// Good once, and for 24 hours. The code is in its fragment.
    pub(crate) url: String,
}
