//! `/api/inbox`: the chats of every kind in one list.

use hyper::{Request, Response};

use crate::contract::documents::{Access, Operation};
use crate::contract::reads;
use crate::contract::rows::{ChatRow, InboxMeta, Person};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Limit, Query, caller, charge};
use crate::model::{EntryId, User};
use crate::web::{Body, RequestBody};

reads! {
    /// The query of a page of all chats.
    Which from Query<'_> {
        optional limit: Limit<50, 200>,
        /// `meta.next_before` of the page before.
        optional before: EntryId,
    }
}

pub(in crate::http) const LIST: Operation = Operation::new(
    Access::User,
    "The caller's chats with people and rooms together, newest first, each with its newest message; archived rooms \
     are left out.",
)
.query::<Which>()
.page::<Vec<ChatRow>, InboxMeta>();

/// `GET /api/inbox?limit=50&before=`: people and rooms together, newest first.
pub(in crate::http) async fn list(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let user = caller.user.id;
    let Which { limit, before } = Which::read(&Query::of(request))?;
    let now = (app.clock)();
    let (page, unread_total) = app.chat.inbox(now, user, before, Limit::of(limit)).await?;
    charge(app, &caller, page.rows.len(), app.chat.chats(user));
    let last = page.rows.last().filter(|_| page.has_more);
    let next_before = last.map(|row| row.place.to_string());
    let rows = page.rows.into_iter();
    let person = |peer: &User| Person::new(peer, app.chat.shown(user, peer.id), false);
    let rows = rows.map(|row| ChatRow::new(row, person));
    let rows: Vec<ChatRow> = rows.collect();
    let meta = InboxMeta {
        next_before,
        unread_total,
    };
    app.page(request, user, rows, meta)
}
