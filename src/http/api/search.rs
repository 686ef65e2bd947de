//! `/api/search`: what was said, in all chats that are the caller's.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use hyper::{Request, Response};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::chat::ChatError;
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{HitRow, SearchMeta};
use crate::contract::{Code, FieldError, reads};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Limit, Query, caller, charge_to};
use crate::model::{ChatId, MessageId, RoomId, UserId};
use crate::search::{self, HitsPage, SearchError, Wanted};
use crate::web::{Body, RequestBody};

/// What a message is to have beside its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Having {
    /// A file.
    File,
}

/// In place, as a text: in a query it has no name, and generators would make up one.
impl JsonSchema for Having {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Having".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^file$" })
    }
}

/// A text that is none.
#[derive(Debug, thiserror::Error)]
#[error("must be file")]
pub(in crate::http) struct HavingError;

impl FromStr for Having {
    type Err = HavingError;

    fn from_str(text: &str) -> Result<Self, HavingError> {
        match text {
            "file" => Ok(Self::File),
            _ => Err(HavingError),
        }
    }
}

reads! {
    /// The query of a search.
    Which from Query<'_> {
        /// Words, of each the beginning is enough; `"a phrase"`, `-not`; at most 256 characters.
        /// Without case and marks, in any script. May be left out beside `sender_id` or `has`.
        text q: String,
        /// Only in this room.
        optional room_id: RoomId,
        /// Only in the chat with this person.
        optional user_id: UserId,
        /// Only what this person said.
        optional sender_id: UserId,
        /// Only messages with files: `file`.
        optional has: Having,
        optional limit: Limit<20, 100>,
        /// `meta.next_before` of the page before.
        optional before: MessageId,
    }
}

pub(in crate::http) const SEARCH: Operation = Operation::new(
    Access::User,
    "Messages of the caller's chats that have what is searched for, newest first, as histories have them. A page may have fewer \
     rows than were asked for, or none, although there are more: `meta.next_before` says so.",
)
.query::<Which>()
.refuses(&[Code::NotFound, Code::Indexing])
.page::<Vec<HitRow>, SearchMeta>();

/// `GET /api/search?q=&room_id=&user_id=&sender_id=&has=file&before=&limit=20`
pub(in crate::http) async fn search(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let user = caller(app, request).await?.user.id;
    let wanted = wanted(Which::read(&Query::of(request))?)?;
    let page = charged(app, user, wanted).await?;
    let meta = SearchMeta {
        next_before: page.next_before.map(|before| before.to_string()),
        indexed_through: page.indexed_through,
    };
    let rows = page.rows.into_iter();
    let rows: Vec<HitRow> = rows.map(|hit| HitRow::new(hit, user)).collect();
    app.page(request, user, rows, meta)
}

/// Searches and counts what that cost, to the end: who goes away before it has cost as much.
async fn charged(app: &App, user: UserId, wanted: Wanted) -> Result<HitsPage, ApiError> {
    let (search, limits) = (app.search.clone(), Arc::clone(&app.limits));
    let searching = tokio::spawn(async move {
        let page = search.search(user, wanted).await?;
        charge_to(&limits, user, page.rows.len() + page.read, 0);
        Ok::<_, SearchError>(page)
    });
    let page = searching.await.map_err(|_| ChatError::Internal)?;
    Ok(page?)
}

/// Reads what is searched for.
fn wanted(which: Which) -> Result<Wanted, FieldError> {
    let chat = match (which.user_id, which.room_id) {
        (Some(_), Some(_)) => {
            return Err(FieldError::Invalid {
                key: "room_id",
                reason: "stands alone, without user_id".to_owned(),
            });
        }
        (Some(user), None) => Some(ChatId::Person(user)),
        (None, room) => room.map(ChatId::Room),
    };
    let is_narrowed = which.sender_id.is_some() || which.has.is_some();
    let query = search::Query::parse(&which.q.unwrap_or_default());
    let query = query.and_then(|query| query.checked(is_narrowed));
    Ok(Wanted {
        query: query.map_err(|error| FieldError::Invalid {
            key: "q",
            reason: error.to_string(),
        })?,
        chat,
        sender: which.sender_id,
        has_file: which.has.is_some(),
        before: which.before,
        limit: Limit::of(which.limit),
    })
}
