//! `/api/admin/bots` and `/api/admin/keys`: the credentials of programs.

use hyper::{Request, Response, StatusCode};

use crate::accounts::{ApiKey, ApiKeyId, NewBot};
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{BotKeyRow, BotRow, KeyRow, MadeBotRow, MadeKeyRow, Scope};
use crate::contract::{Code, Fields, Refusal, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{admin, body};
use crate::http::router::PathParams;
use crate::model::UserId;
use crate::web::{Body, RequestBody};

reads! {
    /// The body of a new bot.
    WantedBot from Fields<'_> {
        /// 1 to 32 characters of `a-z 0-9 . _ -`, as of a person.
        required username: String,
        /// 1 to 64 characters, shown and not unique; the username, unless given.
        optional name: String,
        /// An `https:` URL.
        optional avatar: String,
    }
}

reads! {
    /// The bot that a path names.
    NamedBot from PathParams {
        required id: UserId,
    }
}

reads! {
    /// The key of a bot that a path names.
    NamedBotKey from PathParams {
        required id: UserId,
        /// The key's number.
        required key_id: u64,
    }
}

reads! {
    /// The body of a new key.
    WantedKey from Fields<'_> {
        /// 1 to 64 characters, for administrators.
        required name: String,
        /// What the key opens.
        required scope: Scope,
    }
}

reads! {
    /// The key that a path names.
    NamedKey from PathParams {
        required id: u64,
    }
}

reads! {
    /// What is to change of a key.
    ChangedKey from Fields<'_> {
        /// `false`: a key that a restore brought back counts again.
        required paused: bool,
    }
}

pub(in crate::http) const CREATE_BOT: Operation = Operation::new(
    Access::Admin,
    "Makes a bot, and its first key, which is shown this once. A bot's key is good wherever a token is, for sockets too.",
)
.body::<WantedBot>()
.answers(&[201])
.refuses(&[Code::UsernameTaken])
.data::<MadeBotRow>();

/// `POST /api/admin/bots` `{"username","name"?,"avatar"?}`: 201 `{"id","key_id","key"}`.
pub(in crate::http) async fn create_bot(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let body = body(request).await?;
    let wanted = WantedBot::read(&Fields::parse(&body)?)?;
    let wish = NewBot {
        username: wanted.username,
        name: wanted.name,
        avatar: wanted.avatar,
    };
    let made = app.accounts.create_bot(admin, (app.clock)(), wish);
    let (bot, key) = made.await?;
    let row = MadeBotRow::new(&bot, key);
    Ok(answer::data(StatusCode::CREATED, row))
}

pub(in crate::http) const BOTS: Operation =
    Operation::new(Access::Admin, "The bots, ascending by id, with their keys.")
        .data::<Vec<BotRow>>();

fn bot_key(app: &App, key: &ApiKey) -> BotKeyRow {
    BotKeyRow::new(key, app.accounts.is_paused(key))
}

/// `GET /api/admin/bots`
pub(in crate::http) async fn bots(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, request).await?;
    let bots = app.accounts.bots(admin).into_iter();
    let rows: Vec<_> = bots
        .map(|(bot, keys)| BotRow::new(&bot, keys.iter().map(|key| bot_key(app, key)).collect()))
        .collect();
    Ok(answer::data(StatusCode::OK, rows))
}

pub(in crate::http) const CREATE_BOT_KEY: Operation = Operation::new(
    Access::Admin,
    "Makes a further key of a bot, shown this once.",
)
.path::<NamedBot>()
.answers(&[201])
.refuses(&[Code::NotFound])
.data::<MadeKeyRow>();

/// `POST /api/admin/bots/:id/keys`: 201 `{"id","key"}`.
pub(in crate::http) async fn create_bot_key(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, request).await?;
    let bot = NamedBot::read(params)?.id;
    let made = app.accounts.create_bot_key(admin, (app.clock)(), bot);
    Ok(answer::data(
        StatusCode::CREATED,
        MadeKeyRow::from(made.await?),
    ))
}

pub(in crate::http) const REVOKE_BOT_KEY: Operation = Operation::new(
    Access::Admin,
    "Takes a bot's key back. Its sockets are closed within a second.",
)
.path::<NamedBotKey>()
.refuses(&[Code::NotFound]);

/// `DELETE /api/admin/bots/:id/keys/:key_id`
pub(in crate::http) async fn revoke_bot_key(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, request).await?;
    let NamedBotKey { id, key_id } = NamedBotKey::read(params)?;
    let revoked = app
        .accounts
        .revoke_bot_key(admin, (app.clock)(), id, ApiKeyId(key_id));
    revoked.await?;
    Ok(answer::done())
}

pub(in crate::http) const CREATE_KEY: Operation = Operation::new(
    Access::Admin,
    "Makes a key by which an app's backend calls the administrators' routes, shown this once. With the scope `users` it \
     opens `/api/admin/users` and `/api/users`, changes and deletes only accounts that an app made (of others, and of \
     bots: `forbidden`), and neither makes nor changes administrators; with `all` it opens all of them.",
)
.body::<WantedKey>()
.answers(&[201])
.data::<MadeKeyRow>();

/// `POST /api/admin/keys` `{"name","scope":"users|all"}`: 201 `{"id","key"}`.
pub(in crate::http) async fn create_key(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let body = body(request).await?;
    let WantedKey { name, scope } = WantedKey::read(&Fields::parse(&body)?)?;
    let made = app
        .accounts
        .create_backend_key(admin, (app.clock)(), &name, scope.into());
    Ok(answer::data(
        StatusCode::CREATED,
        MadeKeyRow::from(made.await?),
    ))
}

pub(in crate::http) const KEYS: Operation =
    Operation::new(Access::Admin, "The keys of backends, the oldest first.").data::<Vec<KeyRow>>();

/// `GET /api/admin/keys`
pub(in crate::http) async fn keys(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, request).await?;
    let keys = app.accounts.backend_keys(admin);
    let rows = keys
        .iter()
        .filter_map(|key| KeyRow::new(key, app.accounts.is_paused(key)));
    Ok(answer::data(StatusCode::OK, rows.collect::<Vec<_>>()))
}

pub(in crate::http) const CHANGE_KEY: Operation = Operation::new(
    Access::Admin,
    "Has a key count again, a bot's or a backend's, that a restore brought back.",
)
.path::<NamedKey>()
.body::<ChangedKey>()
.refuses(&[Code::NotFound]);

/// `PATCH /api/admin/keys/:id` `{"paused":false}`
pub(in crate::http) async fn change_key(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let id = ApiKeyId(NamedKey::read(params)?.id);
    let body = body(request).await?;
    if ChangedKey::read(&Fields::parse(&body)?)?.paused {
        let message = "paused: a restore alone pauses keys; take this one back by DELETE";
        return Err(Refusal::invalid(message).into());
    }
    app.accounts.confirm_key(admin, (app.clock)(), id).await?;
    Ok(answer::done())
}

pub(in crate::http) const REVOKE_KEY: Operation = Operation::new(
    Access::Admin,
    "Takes a key back, a backend's or a bot's. A bot's sockets are closed within a second.",
)
.path::<NamedKey>()
.refuses(&[Code::NotFound]);

/// `DELETE /api/admin/keys/:id`
pub(in crate::http) async fn revoke_key(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, request).await?;
    let id = ApiKeyId(NamedKey::read(params)?.id);
    app.accounts.revoke_key(admin, (app.clock)(), id).await?;
    Ok(answer::done())
}
