//! `/api/admin/hooks`: how other systems write here, and are told what happens here.

use std::sync::Arc;

use hyper::{Request, Response, StatusCode};

use crate::accounts::Admin;
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{HookInRow, HookOutRow, MadeHookInRow, MadeHookOutRow};
use crate::contract::{Code, Fields, Refusal, reads};
use crate::hooks::{Hook, HookError, HookId, NewIncoming, NewOutgoing};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{admin, base_url, body};
use crate::http::router::PathParams;
use crate::model::{HookEvent, RoomId, UserId};
use crate::web::{Body, RequestBody};

reads! {
    /// The body of a new incoming hook: `room_id` or `user_id`.
    WantedHookIn from Fields<'_> {
        /// The bot as which it writes.
        required bot_id: UserId,
        /// The room in which it writes.
        optional room_id: RoomId,
        /// The person to whom it writes.
        optional user_id: UserId,
        /// 1 to 64 characters, for administrators.
        required name: String,
    }
}

reads! {
    /// The body of a new outgoing hook.
    WantedHookOut from Fields<'_> {
        /// An `http:` or `https:` URL of at most 2,048 bytes.
        required url: String,
        /// Of what it tells; all, unless given.
        optional events: Vec<HookEvent>,
        /// Of which rooms alone it tells, at most 100. Then it tells of nothing that is of no room.
        optional room_ids: Vec<RoomId>,
    }
}

reads! {
    /// The hook that a path names.
    NamedHook from PathParams {
        required id: u64,
    }
}

reads! {
    /// What is to change of an incoming hook.
    ChangedHookIn from Fields<'_> {
        /// `false`: a hook that a restore brought back counts again.
        required paused: bool,
    }
}

reads! {
    /// What is to change of an outgoing hook.
    ChangedHookOut from Fields<'_> {
        /// Whether it rests. `false` has one go on from where it stands, also one that a restore
        /// brought back.
        required paused: bool,
    }
}

reads! {
    /// From where on an outgoing hook is to tell again.
    Replayed from Fields<'_> {
        /// A cursor of an event, after which it goes on, or `start`: all that the log has.
        required since: String,
    }
}

pub(in crate::http) const CREATE_IN: Operation = Operation::new(
    Access::Admin,
    "Makes a hook by which other systems write as a bot, with a URL that is shown this once. The bot must be in the room.",
)
.body::<WantedHookIn>()
.answers(&[201])
.data::<MadeHookInRow>();

/// `POST /api/admin/hooks/in` `{"bot_id","room_id"|"user_id","name"}`: 201 `{"id","url"}`.
pub(in crate::http) async fn create_in(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let base = base_url(app, &request);
    let body = body(request).await?;
    let wanted = WantedHookIn::read(&Fields::parse(&body)?)?;
    let wish = NewIncoming {
        bot: wanted.bot_id,
        user: wanted.user_id,
        room: wanted.room_id,
        name: wanted.name,
    };
    let made = app.hooks.create_in(admin, (app.clock)(), wish).await?;
    let id = made.hook.id.0;
    let row = MadeHookInRow {
        id,
        url: format!("{base}/api/hooks/{id}/{}", made.secret),
    };
    Ok(answer::data(StatusCode::CREATED, row))
}

pub(in crate::http) const ALL_IN: Operation =
    Operation::new(Access::Admin, "The incoming hooks, the oldest first.").data::<Vec<HookInRow>>();

/// `GET /api/admin/hooks/in`
pub(in crate::http) async fn all_in(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, request).await?;
    let hooks = app.hooks.all(admin);
    let rows = hooks.iter().filter_map(|hook| {
        let paused = app.hooks.is_unconfirmed(hook);
        Some(HookInRow::new(hook, hook.incoming()?, paused))
    });
    Ok(answer::data(StatusCode::OK, rows.collect::<Vec<_>>()))
}

/// Returns the hook that a path names, if it goes this way.
fn named(
    app: &App,
    admin: Admin,
    params: &PathParams,
    is_out: bool,
) -> Result<Arc<Hook>, ApiError> {
    let id = HookId(NamedHook::read(params)?.id);
    let hook = app.hooks.get(admin, id);
    let hook = hook.filter(|hook| hook.outgoing().is_some() == is_out);
    Ok(hook.ok_or(HookError::NoSuchHook)?)
}

pub(in crate::http) const CHANGE_IN: Operation = Operation::new(
    Access::Admin,
    "Has an incoming hook count again that a restore brought back.",
)
.path::<NamedHook>()
.body::<ChangedHookIn>()
.refuses(&[Code::NotFound]);

/// `PATCH /api/admin/hooks/in/:id` `{"paused":false}`
pub(in crate::http) async fn change_in(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let hook = named(app, admin, params, false)?;
    let body = body(request).await?;
    if ChangedHookIn::read(&Fields::parse(&body)?)?.paused {
        let message = "paused: a restore alone pauses incoming hooks; take this one away by DELETE";
        return Err(Refusal::invalid(message).into());
    }
    app.hooks
        .pause(admin, (app.clock)(), hook.id, false)
        .await?;
    Ok(answer::done())
}

pub(in crate::http) const DELETE_IN: Operation = Operation::new(
    Access::Admin,
    "Takes an incoming hook away: its URL is good no more.",
)
.path::<NamedHook>()
.refuses(&[Code::NotFound]);

pub(in crate::http) const DELETE_OUT: Operation =
    Operation::new(Access::Admin, "Takes an outgoing hook away.")
        .path::<NamedHook>()
        .refuses(&[Code::NotFound]);

/// `DELETE /api/admin/hooks/in/:id`, `DELETE /api/admin/hooks/out/:id`
pub(in crate::http) async fn delete(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
    is_out: bool,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, request).await?;
    let hook = named(app, admin, params, is_out)?;
    app.hooks.delete(admin, (app.clock)(), hook.id).await?;
    Ok(answer::done())
}

pub(in crate::http) const CREATE_OUT: Operation = Operation::new(
    Access::Admin,
    "Makes a hook by which another system is told what happens here from now on, with a secret that is shown this once. Requests \
     have the headers and signatures of Standard Webhooks, and a body `{\"type\",\"timestamp\",\"cursor\",\"data\",\"offline\"}`, whose \
     `data` is that of the event of version 2 of a socket.",
)
.body::<WantedHookOut>()
.answers(&[201])
.data::<MadeHookOutRow>();

/// `POST /api/admin/hooks/out` `{"url","events"?,"room_ids"?}`: 201 `{"id","secret"}`.
pub(in crate::http) async fn create_out(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let body = body(request).await?;
    let wanted = WantedHookOut::read(&Fields::parse(&body)?)?;
    let wish = NewOutgoing {
        url: wanted.url,
        events: wanted.events.unwrap_or_default(),
        rooms: wanted.room_ids.unwrap_or_default(),
    };
    let made = app.hooks.create_out(admin, (app.clock)(), wish).await?;
    let row = MadeHookOutRow {
        id: made.hook.id.0,
        secret: made.secret,
    };
    Ok(answer::data(StatusCode::CREATED, row))
}

pub(in crate::http) const ALL_OUT: Operation = Operation::new(
    Access::Admin,
    "The outgoing hooks, the oldest first, and how each fares.",
)
.data::<Vec<HookOutRow>>();

/// `GET /api/admin/hooks/out`
pub(in crate::http) async fn all_out(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, request).await?;
    let hooks = app.hooks.all(admin);
    let rows = hooks.iter().filter_map(|hook| app.hooks.row(hook));
    Ok(answer::data(StatusCode::OK, rows.collect::<Vec<_>>()))
}

/// Answers with an outgoing hook as it is by then.
fn shown(app: &App, hook: &Hook) -> Result<Response<Body>, ApiError> {
    let row = app.hooks.row(hook).ok_or(HookError::NoSuchHook)?;
    Ok(answer::data(StatusCode::OK, row))
}

pub(in crate::http) const CHANGE_OUT: Operation = Operation::new(
    Access::Admin,
    "Has an outgoing hook rest, or go on: also one that failed for three days, whose receiver was gone, or that a restore \
     brought back.",
)
.path::<NamedHook>()
.body::<ChangedHookOut>()
.refuses(&[Code::NotFound])
.data::<HookOutRow>();

/// `PATCH /api/admin/hooks/out/:id` `{"paused":true}`
pub(in crate::http) async fn change_out(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let hook = named(app, admin, params, true)?;
    let body = body(request).await?;
    let paused = ChangedHookOut::read(&Fields::parse(&body)?)?.paused;
    let changed = app.hooks.pause(admin, (app.clock)(), hook.id, paused);
    shown(app, &*changed.await?)
}

pub(in crate::http) const REPLAY: Operation = Operation::new(
    Access::Admin,
    "Has an outgoing hook tell again what came after a place in the log, with the same `webhook-id` as before. What happened to \
     accounts is told once.",
)
.path::<NamedHook>()
.body::<Replayed>()
.refuses(&[Code::NotFound, Code::CursorExpired])
.data::<HookOutRow>();

/// `POST /api/admin/hooks/out/:id/replay` `{"since"}`
pub(in crate::http) async fn replay(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let hook = named(app, admin, params, true)?;
    let body = body(request).await?;
    let since = Replayed::read(&Fields::parse(&body)?)?.since;
    let changed = app.hooks.replay(admin, (app.clock)(), hook.id, &since);
    shown(app, &*changed.await?)
}
