//! `/api/rooms/:id/invites`, `/api/rooms/join` and `/api/invites/look`: links that lead into a
//! room.

use std::sync::Arc;

use hyper::{Request, Response, StatusCode};

use crate::accounts::{AccountError, Invite, Maker, NewInvite, Registration};
use crate::chat::{ChatError, RoomInvite};
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{InviteLook, InviteRow, RoomRow};
use crate::contract::{Code, Fields, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{allow, base_url, body, caller, count, optional_body};
use crate::http::router::PathParams;
use crate::limits::Kind;
use crate::model::RoomId;
use crate::web::{Body, RequestBody};

reads! {
    /// The body of a new invite into a room.
    WantedRoomInvite from Fields<'_> {
        /// How many people it may lead into the room; 1, unless said otherwise.
        optional max_uses: u32,
        /// For how many seconds it is good; 604800, unless said otherwise.
        optional expires_in: u64,
    }
}

reads! {
    /// An invite into a room.
    #[schemars(rename = "JoinByInvite")]
    ShownInvite from Fields<'_> {
        /// Its code.
        required invite: String,
    }
}

reads! {
    /// An invite that is looked at.
    #[schemars(rename = "LookAtInvite")]
    SeenInvite from Fields<'_> {
        /// Its code.
        required code: String,
    }
}

reads! {
    /// The room that a path names.
    Named from PathParams {
        required id: RoomId,
    }
}

reads! {
    /// The room that a path names, and an invite into it.
    NamedInvite from PathParams {
        required id: RoomId,
        required code: String,
    }
}

pub(in crate::http) const MAKE: Operation = Operation::new(
    Access::User,
    "Makes an invite into a room, for its admins: a link by which people with an account join it. Made by an \
     administrator of the server it lets new people register too, who are in the room then. It ends where its maker \
     is no admin of the room any more. A person has at most 50 that can still be used.",
)
.path::<Named>()
.optional_body::<WantedRoomInvite>()
.refuses(&[Code::NotFound, Code::Forbidden, Code::ReadOnly])
.answers(&[201])
.data::<InviteRow>();

/// `POST /api/rooms/:id/invites` `{"max_uses"?:1,"expires_in"?:604800}`, the latter in seconds: 201
/// and the invite.
pub(in crate::http) async fn make(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?;
    let room = Named::read(params)?.id;
    let base = base_url(app, &request);
    let body = optional_body(request).await?;
    let wanted = WantedRoomInvite::read(&Fields::parse(&body)?)?;
    count(app, &caller, Kind::Rooms, 1)?;
    let now = (app.clock)();
    let wish = NewInvite {
        max_uses: wanted.max_uses,
        expires_in_secs: wanted.expires_in,
    };
    let terms = wish.terms(now)?;
    let invite = RoomInvite {
        code: terms.code,
        max_uses: terms.max_uses,
        expires_at: terms.expires_at,
        registers: caller.is_admin(),
        by_token: caller.administers_by_token(),
    };
    let by = caller.user.id;
    let invited = app.chat.invite_to_room(now, by, room, invite.clone());
    let into = invited.await?;
    let made = Invite {
        code: invite.code,
        max_uses: invite.max_uses,
        uses: 0,
        created_at: now,
        expires_at: invite.expires_at,
        room: Some((room, 0)),
        registers: invite.registers,
        by: Maker::Account(by),
    };
    let row = InviteRow::new(&base, made, |_| Some(into));
    Ok(answer::data(StatusCode::CREATED, row))
}

pub(in crate::http) const LIST: Operation = Operation::new(
    Access::User,
    "The invites into a room that are kept, whoever made them, the newest first; for its admins.",
)
.path::<Named>()
.refuses(&[Code::NotFound, Code::Forbidden])
.data::<Vec<InviteRow>>();

/// `GET /api/rooms/:id/invites`
pub(in crate::http) async fn list(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let room = Named::read(params)?.id;
    let base = base_url(app, request);
    let (into, invites) = app.chat.room_invites(caller.user.id, room).await?;
    let rows = invites.into_iter();
    let rows = rows.map(|invite| InviteRow::new(&base, invite, |_| Some(Arc::clone(&into))));
    let rows: Vec<_> = rows.collect();
    Ok(answer::data(StatusCode::OK, rows))
}

pub(in crate::http) const REVOKE: Operation = Operation::new(
    Access::User,
    "Takes an invite into a room away, whoever made it; for the room's admins.",
)
.path::<NamedInvite>()
.refuses(&[Code::NotFound, Code::Forbidden]);

/// `DELETE /api/rooms/:id/invites/:code`
pub(in crate::http) async fn revoke(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let NamedInvite { id, code } = NamedInvite::read(params)?;
    count(app, &caller, Kind::Rooms, 1)?;
    let (now, by) = ((app.clock)(), caller.user.id);
    match app.chat.revoke_room_invite(now, by, id, code.into()).await {
        Err(ChatError::InvalidInvite) => Err(AccountError::NoSuchInvite.into()),
        result => Ok(result.map(|()| answer::done())?),
    }
}

pub(in crate::http) const JOIN: Operation = Operation::new(
    Access::User,
    "Joins the room into which an invite leads. For one who is in it already nothing is used up.",
)
.body::<ShownInvite>()
.refuses(&[
    Code::InvalidInvite,
    Code::Forbidden,
    Code::RoomFull,
    Code::ReadOnly,
])
.data::<RoomRow<'_>>();

/// `POST /api/rooms/join` `{"invite"}`: the room.
pub(in crate::http) async fn join(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?;
    let body = body(request).await?;
    let invite = ShownInvite::read(&Fields::parse(&body)?)?.invite;
    count(app, &caller, Kind::Rooms, 1)?;
    let now = (app.clock)();
    let joined = app.chat.join_room_by(now, caller.user.id, invite.into());
    let room = joined.await?;
    Ok(answer::data(StatusCode::OK, RoomRow::from(&*room)))
}

pub(in crate::http) const LOOK: Operation = Operation::new(
    Access::Anyone,
    "Says into which room an invite leads, and whether new people can register by it. Uses nothing up.",
)
.body::<SeenInvite>()
.refuses(&[Code::InvalidInvite, Code::RateLimited])
.data::<InviteLook>();

/// `POST /api/invites/look` `{"code"}`: `{"room":{"id","name"},"registers"}`, without a token.
pub(in crate::http) async fn look(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    allow(app, &request, Kind::Requests)?;
    let body = body(request).await?;
    let code = SeenInvite::read(&Fields::parse(&body)?)?.code;
    let (room, registers) = app.chat.look_at_invite((app.clock)(), &code)?;
    let registers = registers && app.accounts.registration() != Registration::Closed;
    Ok(answer::data(
        StatusCode::OK,
        InviteLook::new(room, registers),
    ))
}
