//! `/api/admin/rooms`: all rooms, for administrators of the server: what they are called and how
//! many are in them, and nothing that was said there.

use hyper::{Request, Response, StatusCode};

use super::room_pages::next_meta;
use super::rooms::{Erasing, is_to_be_erased};
use crate::chat::{ChatError, RoomRefusal};
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{MemberRow, NextMeta, OwnedRoom};
use crate::contract::{Code, Fields, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Limit, Query, admin, body, operator};
use crate::http::router::PathParams;
use crate::model::{RoomId, UserId};
use crate::web::{Body, RequestBody};

reads! {
    /// The query of a page of all rooms.
    WhichOfAll from Query<'_> {
        optional limit: Limit<50, 500>,
        /// `meta.next_after` of the page before.
        optional after: RoomId,
    }
}

reads! {
    /// The query of a page of any room's members.
    WhichOfMembers from Query<'_> {
        optional limit: Limit<100, 500>,
        /// `meta.next_after` of the page before.
        optional after: UserId,
    }
}

reads! {
    /// What an administrator sets of a room.
    #[schemars(rename = "RetainRoom")]
    Retained from Fields<'_> {
        /// After how many days its messages are erased, 1 to 36,525; null for as the server does.
        nullable retention_days: u32,
    }
}

reads! {
    /// The room that a path names.
    Named from PathParams {
        required id: RoomId,
    }
}

pub(in crate::http) const ALL: Operation = Operation::new(
    Access::Admin,
    "All rooms but those that were erased, ascending by id: what they are called and how many are in them, and nothing that was said there.",
)
.query::<WhichOfAll>()
.page::<Vec<OwnedRoom>, NextMeta>();

/// `GET /api/admin/rooms?limit=&after=`
pub(in crate::http) async fn all(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    admin(app, request).await?;
    let which = WhichOfAll::read(&Query::of(request))?;
    let after = which.after.map_or(0, RoomId::get);
    let page = app.chat.all_rooms(after, Limit::of(which.limit)).await?;
    let meta = next_meta(&page, |room| room.id.get());
    let rows: Vec<OwnedRoom> = page.rows.into_iter().map(OwnedRoom).collect();
    Ok(answer::rows(rows, meta))
}

pub(in crate::http) const SHOW: Operation = Operation::new(
    Access::Admin,
    "Any room: what it is called and how many are in it, and nothing that was said there.",
)
.path::<Named>()
.refuses(&[Code::NotFound])
.data::<OwnedRoom>();

/// `GET /api/admin/rooms/:id`
pub(in crate::http) async fn show(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    admin(app, request).await?;
    let room = app.chat.any_room(Named::read(params)?.id);
    let room = room.ok_or(ChatError::from(RoomRefusal::NoSuchRoom))?;
    Ok(answer::data(StatusCode::OK, OwnedRoom(room)))
}

pub(in crate::http) const RETAIN: Operation = Operation::new(
    Access::Admin,
    "Sets after how many days the messages of any room are erased, where that is sooner than the server does it. Its members hear of it as the server's own act.",
)
.path::<Named>()
.body::<Retained>()
.refuses(&[Code::NotFound])
.data::<OwnedRoom>();

/// `PATCH /api/admin/rooms/:id` `{"retention_days"}`: the room, changed.
pub(in crate::http) async fn retain(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    admin(app, &request).await?;
    let room = Named::read(params)?.id;
    let body = body(request).await?;
    let retained = Retained::read(&Fields::parse(&body)?)?;
    let room = match retained.retention_days {
        Some(days) => app.chat.retain_room((app.clock)(), room, days).await?,
        None => {
            let room = app.chat.any_room(room);
            room.ok_or(ChatError::from(RoomRefusal::NoSuchRoom))?
        }
    };
    Ok(answer::data(StatusCode::OK, OwnedRoom(room)))
}

pub(in crate::http) const ARCHIVE: Operation = Operation::new(
    Access::Admin,
    "Archives any room: from then on it is only read. Its members hear of it as the server's own act. With `erase` all of it goes: from the answer on it has no name and nobody reads it, and what is left, members and messages, \
     goes step by step after that, over restarts of the server too.",
)
.path::<Named>()
.query::<Erasing>()
.refuses(&[Code::NotFound])
.data::<OwnedRoom>();

/// `DELETE /api/admin/rooms/:id`: the room, archived or, with `erase`, on its way out.
pub(in crate::http) async fn archive(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    admin(app, request).await?;
    let room = Named::read(params)?.id;
    let now = (app.clock)();
    let room = match is_to_be_erased(request)? {
        true => app.chat.erase_room(now, None, room).await?,
        false => app.chat.archive_any_room(now, room).await?,
    };
    Ok(answer::data(StatusCode::OK, OwnedRoom(room)))
}

pub(in crate::http) const MEMBERS: Operation = Operation::new(
    Access::Operator,
    "The members of any room, ascending by id, for the server's operator: answered by its control socket alone.",
)
.path::<Named>()
.query::<WhichOfMembers>()
.refuses(&[Code::NotFound])
.page::<Vec<MemberRow>, NextMeta>();

/// `GET /api/admin/rooms/:id/members?limit=&after=`, for the server's operator alone.
pub(in crate::http) async fn members(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    operator(request)?;
    let room = Named::read(params)?.id;
    let which = WhichOfMembers::read(&Query::of(request))?;
    let (after, limit) = (which.after.map_or(0, UserId::get), Limit::of(which.limit));
    let page = app.chat.members_of_any_room(room, after, limit).await?;
    let meta = next_meta(&page, |member| member.user.id.get());
    let rows: Vec<MemberRow> = page.rows.into_iter().map(MemberRow::from).collect();
    Ok(answer::rows(rows, meta))
}
