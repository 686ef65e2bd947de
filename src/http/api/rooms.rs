//! `/api/rooms`: making rooms, changing them, and who is in them.

use hyper::{Request, Response, StatusCode};
use serde_json::value::RawValue;

use crate::chat::{NewRoom, RoomUpdate};
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{RoomRow, SettingsRow};
use crate::contract::{Code, Fields, Nothing, Refusal, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Query, body, body_within, caller, count, optional_body};
use crate::http::router::PathParams;
use crate::limits::Kind;
use crate::model::{
    ChatId, Notify, Role, Room, RoomHistory, RoomId, RoomKind, RoomPost, Timestamp, UserId,
};
use crate::web::{Body, RequestBody};

/// 64 KiB: so many ids of the longest kind, and a room's description.
const MAX_BODY: usize = 64 << 10;

reads! {
    /// The body of a new room.
    WantedRoom from Fields<'_> {
        /// 1 to 64 characters.
        required name: String,
        /// What it is for; at most 500 characters.
        optional topic: String,
        /// A picture's URL.
        optional avatar: String,
        /// Who may find and join it; `closed`, unless said otherwise.
        optional kind: RoomKind,
        /// What those who join read of the time before; `all`, unless said otherwise.
        optional history: RoomHistory,
        /// Who writes; `all`, unless said otherwise.
        optional post: RoomPost,
        /// Who else is in it from the start; at most 1,000.
        optional member_ids: Vec<UserId>,
    }
}

reads! {
    /// The changes of a room; what is absent stays.
    #[schemars(rename = "ChangeRoom")]
    ChangedRoom from Fields<'_> {
        optional name: String,
        optional topic: String,
        /// Null for none.
        nullable avatar: String,
        optional kind: RoomKind,
        optional history: RoomHistory,
        optional post: RoomPost,
    }
}

reads! {
    /// What a member is to be.
    WantedMember from Fields<'_> {
        /// `member`, unless said otherwise; one who is a member keeps their role.
        optional role: Role,
    }
}

reads! {
    /// How a chat is to make itself heard; what is absent stays.
    WantedSettings from Fields<'_> {
        /// Of what it notifies.
        optional notify: Notify,
        /// Until when it is silent; null for not at all.
        nullable muted_until: Timestamp,
    }
}

reads! {
    /// The room that a path names.
    Named from PathParams {
        required id: RoomId,
    }
}

reads! {
    /// The member that a path names.
    NamedMember from PathParams {
        required id: RoomId,
        required user_id: UserId,
    }
}

reads! {
    /// The other person of a chat.
    Peer from PathParams {
        required user_id: UserId,
    }
}

/// Answers with a room.
fn shown(status: StatusCode, room: &Room) -> Response<Body> {
    answer::data(status, RoomRow::from(room))
}

pub(in crate::http) const CREATE: Operation =
    Operation::new(Access::User, "Makes a room, whose owner the caller is.")
        .body::<WantedRoom>()
        .refuses(&[
            Code::Forbidden,
            Code::NotAccepted,
            Code::NotFound,
            Code::RoomFull,
        ])
        .answers(&[201])
        .data::<RoomRow<'_>>();

/// `POST /api/rooms`: 201 and the room.
pub(in crate::http) async fn create(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?;
    if !app.chat.may_make_rooms(caller.is_admin()) {
        let message = "only administrators make rooms here";
        return Err(Refusal::new(Code::Forbidden, message).into());
    }
    let body = body_within(request, MAX_BODY).await?;
    let wanted = WantedRoom::read(&Fields::parse(&body)?)?;
    let members = wanted.member_ids.unwrap_or_default();
    count(app, &caller, Kind::Rooms, 1)?;
    count(app, &caller, Kind::Members, members.len())?;
    let new = NewRoom {
        name: wanted.name.into(),
        topic: wanted.topic.unwrap_or_default().into(),
        avatar: wanted.avatar.map(Into::into),
        kind: wanted.kind.unwrap_or_default(),
        history: wanted.history.unwrap_or_default(),
        post: wanted.post.unwrap_or_default(),
    };
    let room = app
        .chat
        .create_room((app.clock)(), caller.user.id, new, members)
        .await?;
    Ok(shown(StatusCode::CREATED, &room))
}

pub(in crate::http) const CHANGE: Operation =
    Operation::new(Access::User, "Changes a room, for its admins.")
        .path::<Named>()
        .body::<ChangedRoom>()
        .refuses(&[Code::NotFound, Code::Forbidden, Code::ReadOnly])
        .data::<RoomRow<'_>>();

/// `PATCH /api/rooms/:id`: the room, changed.
pub(in crate::http) async fn change(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?;
    let room = Named::read(params)?.id;
    let body = body(request).await?;
    let changed = ChangedRoom::read(&Fields::parse(&body)?)?;
    count(app, &caller, Kind::Rooms, 1)?;
    let update = RoomUpdate {
        name: changed.name.map(Into::into),
        topic: changed.topic.map(Into::into),
        avatar: changed.avatar.map(|avatar| avatar.map(Into::into)),
        kind: changed.kind,
        history: changed.history,
        post: changed.post,
    };
    let changed = app
        .chat
        .update_room((app.clock)(), caller.user.id, room, update);
    Ok(shown(StatusCode::OK, &*changed.await?))
}

reads! {
    /// Whether all of a room is to be erased.
    Erasing from Query<'_> {
        /// Everybody is taken out of the room, and every message of it is erased, in the end.
        optional erase: bool,
    }
}

/// Returns whether a room is to be erased, and not only archived.
pub(super) fn is_to_be_erased(request: &Request<RequestBody>) -> Result<bool, ApiError> {
    let asked = Erasing::read(&Query::of(request))?;
    Ok(asked.erase.unwrap_or(false))
}

pub(in crate::http) const ARCHIVE: Operation = Operation::new(
    Access::User,
    "Archives a room, for its owners: from then on it is only read. With `erase` all of it goes: from the answer on it has no name and nobody reads it, and what is left, members and messages, \
     goes step by step after that, over restarts of the server too.",
)
.path::<Named>()
.query::<Erasing>()
.refuses(&[Code::NotFound, Code::Forbidden])
.data::<RoomRow<'_>>();

/// `DELETE /api/rooms/:id`: the room, archived.
pub(in crate::http) async fn archive(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let room = Named::read(params)?.id;
    let is_erased = is_to_be_erased(request)?;
    count(app, &caller, Kind::Rooms, 1)?;
    let (now, by) = ((app.clock)(), caller.user.id);
    let room = match is_erased {
        true => app.chat.erase_room(now, Some(by), room).await?,
        false => app.chat.archive_room(now, by, room).await?,
    };
    Ok(shown(StatusCode::OK, &room))
}

pub(in crate::http) const PUT_MEMBERS: Operation = Operation::new(
    Access::User,
    "Adds up to 1,000 people to a room, for its admins; those who are in it already stay as they are.",
)
.path::<Named>()
.body::<Vec<UserId>>()
.refuses(&[
    Code::NotFound,
    Code::NotAccepted,
    Code::Forbidden,
    Code::RoomFull,
    Code::ReadOnly,
])
.data::<Nothing>();

/// `PUT /api/rooms/:id/members` `[2,3]`
pub(in crate::http) async fn put_members(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?;
    let room = Named::read(params)?.id;
    let body = body_within(request, MAX_BODY).await?;
    let items: Vec<&RawValue> = serde_json::from_str(&body)
        .map_err(|_| Refusal::invalid("the payload must be a list of ids"))?;
    count(app, &caller, Kind::Members, items.len())?;
    let ids = items.into_iter().enumerate().map(|(place, item)| {
        let id = serde_json::from_str::<UserId>(item.get());
        let id = id.map_err(|_| Refusal::invalid(format!("id {place}: must be a user's id")))?;
        Ok((id, None))
    });
    let members = ids.collect::<Result<Vec<_>, Refusal>>()?;
    app.chat
        .set_room_members((app.clock)(), caller.user.id, room, members)
        .await?;
    Ok(answer::data(StatusCode::OK, Nothing {}))
}

pub(in crate::http) const PUT_MEMBER: Operation = Operation::new(
    Access::User,
    "Adds a person to a room, or gives a member another role, for its admins; only owners name owners.",
)
.path::<NamedMember>()
.optional_body::<WantedMember>()
.refuses(&[
    Code::NotFound,
    Code::NotAccepted,
    Code::Forbidden,
    Code::RoomFull,
    Code::ReadOnly,
])
.data::<Nothing>();

/// `PUT /api/rooms/:id/members/:user_id` `{"role"?}`
pub(in crate::http) async fn put_member(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?;
    let NamedMember { id: room, user_id } = NamedMember::read(params)?;
    let body = optional_body(request).await?;
    let role = WantedMember::read(&Fields::parse(&body)?)?.role;
    let members = vec![(user_id, role)];
    count(app, &caller, Kind::Members, 1)?;
    app.chat
        .set_room_members((app.clock)(), caller.user.id, room, members)
        .await?;
    Ok(answer::data(StatusCode::OK, Nothing {}))
}

pub(in crate::http) const REMOVE_MEMBER: Operation = Operation::new(
    Access::User,
    "Takes a member out of a room, for its admins.",
)
.path::<NamedMember>()
.refuses(&[Code::NotFound, Code::Forbidden])
.data::<Nothing>();

/// `DELETE /api/rooms/:id/members/:user_id`
pub(in crate::http) async fn remove_member(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let NamedMember { id: room, user_id } = NamedMember::read(params)?;
    count(app, &caller, Kind::Members, 1)?;
    app.chat
        .remove_room_member((app.clock)(), caller.user.id, room, user_id)
        .await?;
    Ok(answer::data(StatusCode::OK, Nothing {}))
}

pub(in crate::http) const JOIN: Operation = Operation::new(Access::User, "Joins an open room.")
    .path::<Named>()
    .refuses(&[
        Code::NotFound,
        Code::Forbidden,
        Code::RoomFull,
        Code::ReadOnly,
    ])
    .data::<RoomRow<'_>>();

/// `POST /api/rooms/:id/join`: the room.
pub(in crate::http) async fn join(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let room = Named::read(params)?.id;
    count(app, &caller, Kind::Rooms, 1)?;
    let joined = app.chat.join_room((app.clock)(), caller.user.id, room);
    Ok(shown(StatusCode::OK, &*joined.await?))
}

pub(in crate::http) const LEAVE: Operation = Operation::new(Access::User, "Leaves a room.")
    .path::<Named>()
    .refuses(&[Code::NotFound, Code::Forbidden])
    .data::<Nothing>();

/// `POST /api/rooms/:id/leave`
pub(in crate::http) async fn leave(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let room = Named::read(params)?.id;
    count(app, &caller, Kind::Rooms, 1)?;
    app.chat
        .leave_room((app.clock)(), caller.user.id, room)
        .await?;
    Ok(answer::data(StatusCode::OK, Nothing {}))
}

pub(in crate::http) const SET: Operation = Operation::new(
    Access::User,
    "Sets how a room makes itself heard to the caller.",
)
.path::<Named>()
.body::<WantedSettings>()
.refuses(&[Code::NotFound])
.data::<SettingsRow>();

/// `PATCH /api/rooms/:id/me` `{"notify"?,"muted_until"?}`: how it is then.
pub(in crate::http) async fn set(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let room = Named::read(params)?.id;
    settings(app, request, ChatId::Room(room)).await
}

pub(in crate::http) const SET_PAIR: Operation = Operation::new(
    Access::User,
    "Sets how the chat with a person makes itself heard to the caller.",
)
.path::<Peer>()
.body::<WantedSettings>()
.refuses(&[Code::NotFound, Code::InvalidReceiver])
.data::<SettingsRow>();

/// `PATCH /api/chats/:user_id/me` `{"notify"?,"muted_until"?}`: how it is then.
pub(in crate::http) async fn set_pair(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let peer = Peer::read(params)?.user_id;
    settings(app, request, ChatId::Person(peer)).await
}

async fn settings(
    app: &App,
    request: Request<RequestBody>,
    chat: ChatId,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?;
    let body = body(request).await?;
    let wanted = WantedSettings::read(&Fields::parse(&body)?)?;
    let (notify, muted_until) = (wanted.notify, wanted.muted_until);
    let set = app
        .chat
        .set_chat((app.clock)(), caller.user.id, chat, notify, muted_until);
    let (settings, members) = set.await?;
    Ok(answer::data(
        StatusCode::OK,
        SettingsRow::new(settings, members),
    ))
}
