//! `/api/admin`: what administrators may do. Others get `forbidden`.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use crate::accounts::{ChangeAccount, Invite, NewAccount, NewInvite, PutAccount};
use crate::http::error::ApiError;
use crate::http::request::{Query, admin, base_url, body, operator};
use crate::http::router::PathParams;
use crate::http::{App, Nothing, success};
use crate::model::{Fields, Timestamp, User, UserId};
use crate::transport::Body;

/// How many accounts a page has, unless asked otherwise; and the most.
const USERS: (usize, usize) = (50, 500);

/// `{"code","url","max_uses","uses","expires_at"}`, and `created_at`
#[derive(Serialize)]
struct InviteRow {
    code: Arc<str>,
    url: String,
    max_uses: u32,
    uses: u32,
    expires_at: Timestamp,
    created_at: Timestamp,
}

impl InviteRow {
    fn new(base: &str, invite: Invite) -> Self {
        Self {
            url: format!("{base}/?invite={}", invite.code),
            code: invite.code,
            max_uses: invite.max_uses,
            uses: invite.uses,
            expires_at: invite.expires_at,
            created_at: invite.created_at,
        }
    }
}

/// `POST /api/admin/invites` `{"max_uses"?:1,"expires_in"?:604800}`, the latter in seconds: 201 and the invite.
pub(in crate::http) async fn create_invite(
    app: &App,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let base = base_url(&request);
    let body = body(request).await?;
    // Everything has a default, so that nothing need be sent.
    let fields = match body.trim() {
        "" => Fields::default(),
        body => Fields::parse(body)?,
    };
    let wish = NewInvite {
        max_uses: fields.optional("max_uses")?,
        expires_in_secs: fields.optional("expires_in")?,
    };
    let invite = app
        .accounts
        .create_invite(admin, (app.clock)(), wish)
        .await?;
    Ok(success(
        StatusCode::CREATED,
        Some(InviteRow::new(&base, invite)),
        None::<Nothing>,
    ))
}

/// `GET /api/admin/invites`: all that are kept, the newest first.
pub(in crate::http) async fn invites(
    app: &App,
    request: &Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let base = base_url(request);
    let invites = app.accounts.invites(admin(app, request).await?).into_iter();
    let rows: Vec<_> = invites
        .map(|invite| InviteRow::new(&base, invite))
        .collect();
    Ok(success(StatusCode::OK, Some(rows), None::<Nothing>))
}

/// `DELETE /api/admin/invites/:code`
pub(in crate::http) async fn revoke_invite(
    app: &App,
    request: &Request<Incoming>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, request).await?;
    let code: String = params.get("code")?;
    app.accounts
        .revoke_invite(admin, (app.clock)(), &code)
        .await?;
    Ok(success(StatusCode::OK, None::<Nothing>, None::<Nothing>))
}

/// An account as administrators see it: `{"id","username","avatar","is_admin","disabled","created_at","last_seen"}`, and
/// `online`; `last_seen` is null while online.
#[derive(Serialize)]
struct AccountRow {
    id: UserId,
    username: String,
    avatar: Option<Arc<str>>,
    is_admin: bool,
    disabled: bool,
    created_at: Timestamp,
    last_seen: Option<Timestamp>,
    online: bool,
}

impl AccountRow {
    fn new(app: &App, user: &User) -> Self {
        let seen = app.presence.seen(user.id);
        Self {
            id: user.id,
            username: user.username.as_str().to_owned(),
            avatar: user.avatar.clone(),
            is_admin: user.is_admin,
            disabled: user.disabled,
            created_at: user.created_at,
            last_seen: seen.last_seen.or(user.last_seen).filter(|_| !seen.online),
            online: seen.online,
        }
    }
}

#[derive(Serialize)]
struct UsersMeta {
    has_more: bool,
}

/// `GET /api/admin/users?limit=50&after=<id>`: accounts ascending by id; with `username=` the one of that name, or none.
pub(in crate::http) async fn users(
    app: &App,
    request: &Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, request).await?;
    let query = Query::of(request);
    if let Some(name) = query.text("username") {
        let user = app.accounts.account_named(admin, name);
        let rows: Vec<_> = user.iter().map(|user| AccountRow::new(app, user)).collect();
        let meta = UsersMeta { has_more: false };
        return Ok(success(StatusCode::OK, Some(rows), Some(meta)));
    }
    let after: Option<UserId> = query.get("after")?;
    let (users, has_more) = app.accounts.accounts_after(
        admin,
        after.map_or(0, UserId::get),
        query.limit(USERS.0, USERS.1)?,
    );
    let rows: Vec<_> = users
        .iter()
        .map(|user| AccountRow::new(app, user))
        .collect();
    Ok(success(
        StatusCode::OK,
        Some(rows),
        Some(UsersMeta { has_more }),
    ))
}

/// `PUT /api/admin/users/:id` `{"username","avatar"?}`: 201 where it was made, 200 where it was there.
pub(in crate::http) async fn put_user(
    app: &App,
    request: Request<Incoming>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let id = params.get("id")?;
    let body = body(request).await?;
    let fields = Fields::parse(&body)?;
    let put = PutAccount {
        id,
        username: fields.required("username")?,
        avatar: fields.nullable("avatar")?,
    };
    let made = app.accounts.put_account(admin, (app.clock)(), put).await?;
    let status = match made.created {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok(success(
        status,
        Some(AccountRow::new(app, &made.user)),
        None::<Nothing>,
    ))
}

/// `PATCH /api/admin/users/:id` `{"disabled"?,"is_admin"?,"username"?,"avatar"?,"password"?}`
pub(in crate::http) async fn change_user(
    app: &App,
    request: Request<Incoming>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let id = params.get("id")?;
    let body = body(request).await?;
    let fields = Fields::parse(&body)?;
    let wish = ChangeAccount {
        username: fields.optional("username")?,
        avatar: fields.nullable("avatar")?,
        password: fields.optional("password")?,
        disabled: fields.optional("disabled")?,
        is_admin: fields.optional("is_admin")?,
    };
    let user = app
        .accounts
        .change_account(admin, (app.clock)(), id, wish)
        .await?;
    Ok(success(
        StatusCode::OK,
        Some(AccountRow::new(app, &user)),
        None::<Nothing>,
    ))
}

/// `POST /api/admin/users` `{"username","password","avatar"?,"is_admin"?}`: 201 and the account.
pub(in crate::http) async fn create_user(
    app: &App,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let body = body(request).await?;
    let fields = Fields::parse(&body)?;
    let wish = NewAccount {
        username: fields.required("username")?,
        password: fields.required("password")?,
        avatar: fields.optional("avatar")?,
        is_admin: fields.optional("is_admin")?.unwrap_or(false),
    };
    let user = app
        .accounts
        .create_account(admin, (app.clock)(), wish)
        .await?;
    Ok(success(
        StatusCode::CREATED,
        Some(AccountRow::new(app, &user)),
        None::<Nothing>,
    ))
}

/// `{"token","expires_at"}`
#[derive(Serialize)]
struct Token {
    token: String,
    expires_at: Timestamp,
}

/// `POST /api/admin/users/:id/token`: a token of somebody's, for whoever operates the server alone.
pub(in crate::http) async fn token(
    app: &App,
    request: &Request<Incoming>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let operator = operator(request)?;
    let id = params.get("id")?;
    let login = app.accounts.token_of(operator, (app.clock)(), id)?;
    let token = Token {
        token: login.token,
        expires_at: login.expires_at,
    };
    Ok(success(StatusCode::CREATED, Some(token), None::<Nothing>))
}
