//! `/api/rooms`: what is read of rooms, in pages.

use hyper::{Request, Response, StatusCode};

use crate::chat::{ChatError, HistoryQuery, Page, RoomRefusal};
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{
    HistoryMeta, MemberRow, NextMeta, OwnedRoom, RoomMessageRow, RoomReadRow, ShownRoom,
};
use crate::contract::{Code, FieldError, Fields, RoomReadUpTo, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Limit, Query, caller, charge, optional_body};
use crate::http::router::PathParams;
use crate::model::{MessageId, RoomId, UserId};
use crate::web::{Body, RequestBody};

reads! {
    /// The query of a page of the caller's rooms.
    WhichRooms from Query<'_> {
        optional limit: Limit<50, 200>,
        /// `meta.next_after` of the page before.
        optional after: RoomId,
        /// Only those that are archived.
        optional archived: bool,
    }
}

reads! {
    /// The query of a page of rooms to join.
    WhichOpen from Query<'_> {
        /// A part of the name, without regard to case; without it, all.
        text query: String,
        optional limit: Limit<50, 200>,
        /// `meta.next_after` of the page before.
        optional after: RoomId,
    }
}

reads! {
    /// The query of a page of members.
    WhichMembers from Query<'_> {
        /// A part of the name, without regard to case; without it, all.
        text query: String,
        optional limit: Limit<100, 500>,
        /// `meta.next_after` of the page before.
        optional after: UserId,
    }
}

reads! {
    /// The query of a page of messages.
    WhichMessages from Query<'_> {
        optional limit: Limit<50, 500>,
        /// Only those before this one; the newest of them.
        optional before: MessageId,
        /// Only those after this one; the oldest of them.
        optional after: MessageId,
        /// This one and those around it; with neither `before` nor `after`.
        optional around: MessageId,
    }
}

reads! {
    /// How far a room was read.
    #[schemars(rename = "ReadRoom")]
    WantedRead from Fields<'_> {
        /// The last message that was read; without it, the newest.
        optional up_to: MessageId,
    }
}

reads! {
    /// The room that a path names.
    Named from PathParams {
        required id: RoomId,
    }
}

/// Returns where a page's list goes on: after its last row.
pub(super) fn next_meta<T>(page: &Page<T>, id: impl FnOnce(&T) -> u64) -> NextMeta {
    let last = page.rows.last().filter(|_| page.has_more);
    NextMeta {
        next_after: last.map(|row| id(row).to_string()),
    }
}

pub(in crate::http) const MINE: Operation =
    Operation::new(Access::User, "The caller's rooms, ascending by id.")
        .query::<WhichRooms>()
        .page::<Vec<ShownRoom>, NextMeta>();

/// `GET /api/rooms?limit=&after=&archived=`: the caller's rooms, with `mine`.
pub(in crate::http) async fn mine(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let which = WhichRooms::read(&Query::of(request))?;
    let (is_archived, limit) = (which.archived.unwrap_or(false), Limit::of(which.limit));
    let after = which.after.map_or(0, RoomId::get);
    let page = app
        .chat
        .my_rooms(caller.user.id, is_archived, after, limit)
        .await?;
    charge(app, &caller, page.rows.len(), 0);
    let meta = next_meta(&page, |mine| mine.room.id.get());
    let rows: Vec<ShownRoom> = page.rows.into_iter().map(ShownRoom::mine).collect();
    app.page(request, caller.user.id, rows, meta)
}

pub(in crate::http) const OPEN: Operation = Operation::new(
    Access::User,
    "Open rooms that the caller is not in and may join, ascending by id. A page looks at 10,000 at most, so that one with few \
     rows, or none, may have `meta.next_after`.",
)
.query::<WhichOpen>()
.page::<Vec<OwnedRoom>, NextMeta>();

/// `GET /api/rooms/open?query=&limit=&after=`: those that the caller may join.
pub(in crate::http) async fn open(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let which = WhichOpen::read(&Query::of(request))?;
    let text = which.query.unwrap_or_default();
    let limit = Limit::of(which.limit);
    let after = which.after.map_or(0, RoomId::get);
    let open = app.chat.open_rooms(caller.user.id, text, after, limit);
    let open = open.await?;
    charge(app, &caller, open.rows.len(), open.looked_at);
    let next_after = open.next_after.map(|after| after.to_string());
    let meta = NextMeta { next_after };
    let rows: Vec<OwnedRoom> = open.rows.into_iter().map(OwnedRoom).collect();
    app.page(request, caller.user.id, rows, meta)
}

pub(in crate::http) const SHOW: Operation = Operation::new(
    Access::User,
    "A room of the caller's, with `mine`, or one that they may join, without.",
)
.path::<Named>()
.refuses(&[Code::NotFound])
.data::<ShownRoom>();

/// `GET /api/rooms/:id`
pub(in crate::http) async fn show(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let (user, room) = (caller.user.id, Named::read(params)?.id);
    let row = match app.chat.my_room(user, room).await {
        Ok(mine) => ShownRoom::mine(mine),
        // Of one that is open everybody may know.
        Err(ChatError::Room(RoomRefusal::NoSuchRoom)) => {
            ShownRoom::open(app.chat.room(user, room).await?)
        }
        Err(error) => return Err(error.into()),
    };
    Ok(answer::data(StatusCode::OK, row))
}

pub(in crate::http) const MEMBERS: Operation =
    Operation::new(Access::User, "The members of a room, ascending by id.")
        .path::<Named>()
        .query::<WhichMembers>()
        .refuses(&[Code::NotFound])
        .page::<Vec<MemberRow>, NextMeta>();

/// `GET /api/rooms/:id/members?query=&limit=100&after=`
pub(in crate::http) async fn members(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let room = Named::read(params)?.id;
    let which = WhichMembers::read(&Query::of(request))?;
    let text = which.query.unwrap_or_default();
    let (user, limit) = (caller.user.id, Limit::of(which.limit));
    let after = which.after.map_or(0, UserId::get);
    let members = app.chat.room_members(user, room, text, after, limit);
    let (page, looked_at) = members.await?;
    charge(app, &caller, page.rows.len(), looked_at);
    let meta = next_meta(&page, |member| member.user.id.get());
    let rows: Vec<MemberRow> = page.rows.into_iter().map(MemberRow::from).collect();
    app.page(request, user, rows, meta)
}

pub(in crate::http) const HISTORY: Operation = Operation::new(
    Access::User,
    "A page of the messages of a room, ascending by id. The newest, with `after` the oldest after that id, or with \
     `around` those around that id.",
)
.path::<Named>()
.query::<WhichMessages>()
.refuses(&[Code::NotFound])
.page::<Vec<RoomMessageRow>, HistoryMeta>();

/// `GET /api/rooms/:id/history?limit=50&before=&after=&around=`
pub(in crate::http) async fn history(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let (user, room) = (caller.user.id, Named::read(params)?.id);
    let which = WhichMessages::read(&Query::of(request))?;
    let (before, after, limit) = (which.before, which.after, Limit::of(which.limit));
    let page = match which.around {
        Some(_) if before.is_some() || after.is_some() => {
            let reason = "stands alone, without before and after".to_owned();
            let key = "around";
            return Err(FieldError::Invalid { key, reason }.into());
        }
        Some(message) => {
            let around = app.chat.room_history_around(user, room, message, limit);
            around.await?
        }
        None => {
            let query = HistoryQuery {
                before,
                after,
                limit,
            };
            app.chat.room_history(user, room, query).await?
        }
    };
    charge(app, &caller, page.rows.len(), 0);
    let meta = HistoryMeta {
        has_more: page.has_more,
        has_newer: page.has_newer,
    };
    let rows: Vec<RoomMessageRow> = page.rows.into_iter().map(Into::into).collect();
    app.page(request, user, rows, meta)
}

pub(in crate::http) const MARK_READ: Operation = Operation::new(
    Access::User,
    "Moves the caller's position in a room, as `mark_chat_as_read` does; it only moves forward.",
)
.path::<Named>()
.optional_body::<WantedRead>()
.refuses(&[Code::NotFound])
.data::<RoomReadUpTo>();

/// `POST /api/rooms/:id/read` `{"up_to"?}`
pub(in crate::http) async fn mark_read(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?;
    let room = Named::read(params)?.id;
    let body = optional_body(request).await?;
    let fields = Fields::parse(&body)?;
    let up_to = WantedRead::read(&fields)?.up_to;
    let (reply, replied) = tokio::sync::oneshot::channel();
    let reply = move |result| drop(reply.send(result));
    app.chat
        .mark_room_read((app.clock)(), caller.user.id, room, up_to, None, reply);
    let mark = replied.await.unwrap_or(Err(ChatError::Unavailable))?;
    Ok(answer::data(StatusCode::OK, RoomReadUpTo::from(mark.read)))
}

pub(in crate::http) const READS: Operation = Operation::new(
    Access::User,
    "How far each member of a room has read, in rooms of at most 100 members.",
)
.path::<Named>()
.refuses(&[Code::NotFound, Code::Forbidden])
.data::<Vec<RoomReadRow>>();

/// `GET /api/rooms/:id/reads`: `[{"user_id","up_to"}]`
pub(in crate::http) async fn reads(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let room = Named::read(params)?.id;
    let reads = app.chat.room_reads(caller.user.id, room).await?;
    let rows = reads.into_iter();
    let rows = rows.map(|(user_id, up_to)| RoomReadRow { user_id, up_to });
    let rows: Vec<RoomReadRow> = rows.collect();
    Ok(answer::data(StatusCode::OK, rows))
}
