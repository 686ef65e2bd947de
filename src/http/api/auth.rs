//! `/api/auth`: register, log in and out, who the caller is, and what they change of that.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use crate::accounts::{ChangeOwn, Login, Register};
use crate::http::error::ApiError;
use crate::http::request::{allow, body, caller};
use crate::http::{App, Nothing, success};
use crate::limits::{Key, Kind};
use crate::model::{Fields, Timestamp, User, UserId, Username};
use crate::transport::Body;

/// The caller's own account: `{"id","username","avatar","is_admin"}`
#[derive(Serialize)]
struct Account {
    id: UserId,
    username: String,
    avatar: Option<Arc<str>>,
    is_admin: bool,
}

impl From<&User> for Account {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            username: user.username.as_str().to_owned(),
            avatar: user.avatar.clone(),
            is_admin: user.is_admin,
        }
    }
}

/// The caller's own account after a change; with a new password also `"token","expires_at"`, since all earlier ones are
/// revoked.
#[derive(Serialize)]
struct Changed {
    #[serde(flatten)]
    account: Account,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

/// `{"token","expires_at","user"}`
#[derive(Serialize)]
pub(in crate::http) struct LoggedIn {
    token: String,
    expires_at: Timestamp,
    user: Account,
}

impl From<Login> for LoggedIn {
    fn from(login: Login) -> Self {
        Self {
            token: login.token,
            expires_at: login.expires_at,
            user: Account::from(&*login.user),
        }
    }
}

fn logged_in(status: StatusCode, login: Login) -> Response<Body> {
    success(status, Some(LoggedIn::from(login)), None::<Nothing>)
}

/// `POST /api/auth/register` `{"username","password","avatar"?,"invite"?}`: 201 and a token.
pub(in crate::http) async fn register(
    app: &App,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    allow(app, &request, Kind::Registrations)?;
    let body = body(request).await?;
    let fields = Fields::parse(&body)?;
    let wish = Register {
        username: fields.required("username")?,
        password: fields.required("password")?,
        avatar: fields.optional("avatar")?,
        invite: fields.optional("invite")?,
    };
    let login = app.accounts.register((app.clock)(), wish).await?;
    Ok(logged_in(StatusCode::CREATED, login))
}

/// `POST /api/auth/login` `{"username","password"}`: 200 and a token.
pub(in crate::http) async fn login(
    app: &App,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    allow(app, &request, Kind::Logins)?;
    let body = body(request).await?;
    let fields = Fields::parse(&body)?;
    let username: String = fields.required("username")?;
    // Whether or not there is such an account, so that this tells nothing of it.
    let name = Username::key_of(&username);
    app.limits.check(Kind::Passwords, Key::Name(&name))?;
    let login = app
        .accounts
        .login((app.clock)(), &username, fields.required("password")?)
        .await?;
    Ok(logged_in(StatusCode::OK, login))
}

/// `GET /api/auth/me`: the caller.
pub(in crate::http) async fn me(
    app: &App,
    request: &Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    Ok(success(
        StatusCode::OK,
        Some(Account::from(&*caller.user)),
        None::<Nothing>,
    ))
}

/// `PATCH /api/auth/me` `{"username"?,"avatar"?,"password"?,"current_password"?}`: the caller, changed.
pub(in crate::http) async fn change(
    app: &App,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?;
    let body = body(request).await?;
    let fields = Fields::parse(&body)?;
    let wish = ChangeOwn {
        username: fields.optional("username")?,
        avatar: fields.nullable("avatar")?,
        password: fields.optional("password")?,
        current_password: fields.optional("current_password")?,
    };
    if wish.current_password.is_some() {
        let name = caller.user.username.key();
        app.limits.check(Kind::Passwords, Key::Name(&name))?;
    }
    let (user, login) = app
        .accounts
        .change_own((app.clock)(), &caller, wish)
        .await?;
    let (token, expires_at) = login.map(|login| (login.token, login.expires_at)).unzip();
    let changed = Changed {
        account: Account::from(&*user),
        token,
        expires_at,
    };
    Ok(success(StatusCode::OK, Some(changed), None::<Nothing>))
}

/// `POST /api/auth/logout`: every token of the caller is refused from now on, and their sockets are disconnected.
pub(in crate::http) async fn logout(
    app: &App,
    request: &Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    app.accounts.logout((app.clock)(), &caller).await?;
    Ok(success(StatusCode::OK, None::<Nothing>, None::<Nothing>))
}
