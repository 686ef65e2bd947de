//! `/api/chats/updates` and `/api/updates`: what a person's sockets were told, for clients that
//! have none, or that lost one which could not be resumed.

use hyper::{Request, Response};

use crate::accounts::Caller;
use crate::budget::PAGE_BYTES;
use crate::chat::{CatchUp, ChatError, MAX_MISSED};
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{UpdateRow, UpdatesMeta};
use crate::contract::{Code, Version, reads, updates_of};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Limit, Query, caller, charge};
use crate::model::{Cursor, RoomId};
use crate::web::{Body, RequestBody};

reads! {
    /// The query of a page of updates.
    WhichUpdates from Query<'_> {
        optional limit: Limit<200, 1_000>,
        /// The cursor after which to begin; without it no events are told, but the present cursor.
        text since: String,
    }
}

/// So many changes of rooms are told beside all else; with more, rooms are named to be read afresh.
const MOST_OF_ROOMS: usize = 10_000;

/// An entry that is read on the way costs as much as two chats that are gone through in memory.
const READS: usize = 2;

pub(in crate::http) const OF_FIRST: Operation = Operation::new(
    Access::User,
    "What the caller's sockets of version 1 were told after a cursor, in order. Without one nothing, and the present cursor.",
)
.query::<WhichUpdates>()
.refuses(&[Code::CursorExpired])
.page::<Vec<UpdateRow<'_>>, UpdatesMeta>();

pub(in crate::http) const OF_SECOND: Operation = Operation::new(
    Access::User,
    "What the caller's sockets of version 2 were told after a cursor, in order. Without one nothing, and the present cursor. \
     Cursors of both versions are of one kind.",
)
.query::<WhichUpdates>()
.refuses(&[Code::CursorExpired])
.page::<Vec<UpdateRow<'_>>, UpdatesMeta>();

/// `GET /api/chats/updates?since=<cursor>&limit=200`, and `GET /api/updates` in version 2: the
/// durable events after that cursor, in order; without `since` none, and the present cursor.
pub(in crate::http) async fn updates(
    app: &App,
    request: &Request<RequestBody>,
    version: Version,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let user = caller.user.id;
    let query = match version {
        Version::First => Query::without_rooms(request)?,
        Version::Second => Query::of(request),
    };
    let WhichUpdates { limit, since } = WhichUpdates::read(&query)?;
    let limit = Limit::of(limit);
    let keys = app.chat.cursor_keys();
    let Some(since) = since else {
        let meta = UpdatesMeta {
            cursor: Cursor::through(app.chat.newest()).seal(keys),
            has_more: false,
            skipped_rooms: Vec::new(),
        };
        return Ok(answer::rows([(); 0], meta));
    };
    let since = app.chat.open_cursor(&since, user);
    let since = since.ok_or(ChatError::CursorExpired)?;
    // One more than are told: the entry that the cursor names may have been told whole.
    let (caught, skipped) = catch_up(app, &caller, version, since, limit + 1).await?;
    let missed = caught.missed.iter();
    let mut updates = missed
        .flat_map(|missed| updates_of(missed, user, version))
        .filter(|(cursor, _)| *cursor > since);
    let mut last = since;
    let mut rows = Vec::new();
    let mut bytes = 0;
    while rows.len() < limit
        && bytes < PAGE_BYTES
        && let Some((cursor, data)) = updates.next()
    {
        last = cursor;
        bytes += data.row_bytes();
        rows.push(UpdateRow::from(data));
    }
    let is_cut = updates.next().is_some();
    let has_more = is_cut || caught.has_more;
    // What was gone through is behind, whether this version hears anything of it or not.
    let through = caught.missed.last().map(|last| last.entry.id.get());
    let reached = match (is_cut, caught.has_more) {
        (true, _) => last,
        (false, true) => through.map_or(last, |entry| last.max(Cursor::through(entry))),
        (false, false) => Cursor::through(caught.newest),
    };
    let meta = UpdatesMeta {
        cursor: reached.seal(keys),
        has_more,
        skipped_rooms: skipped,
    };
    app.page(request, user, rows, meta)
}

/// Returns what the caller missed in this version, and the rooms that brought too much; and counts
/// what it cost to find.
async fn catch_up(
    app: &App,
    caller: &Caller,
    version: Version,
    since: Cursor,
    limit: usize,
) -> Result<(CatchUp, Vec<RoomId>), ChatError> {
    let (now, user) = ((app.clock)(), caller.user.id);
    let caught = match version {
        Version::First => {
            let caught = app.chat.missed(now, user, since, limit).await;
            caught.map(|caught| (caught, Vec::new()))
        }
        Version::Second => {
            let most = MOST_OF_ROOMS;
            app.chat.missed_of_all(now, user, since, limit, most).await
        }
    };
    // A page of a few, and none at all where it is too much, costs as much to find as all that was
    // missed.
    let (rows, read) = match &caught {
        Ok((caught, _)) => (caught.missed.len(), caught.read),
        Err(_) => (0, MAX_MISSED),
    };
    charge(app, caller, rows, READS * read);
    caught
}
