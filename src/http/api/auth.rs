//! `/api/auth`: register, log in, and who the caller is.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use crate::accounts::{Login, Register};
use crate::http::error::ApiError;
use crate::http::request::{body, caller};
use crate::http::{App, Nothing, success};
use crate::model::{Fields, Timestamp, User, UserId};
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

/// `{"token","expires_at","user"}`
#[derive(Serialize)]
struct LoggedIn {
    token: String,
    expires_at: Timestamp,
    user: Account,
}

fn logged_in(status: StatusCode, login: Login) -> Response<Body> {
    let user = Account::from(&*login.user);
    success(
        status,
        Some(LoggedIn {
            token: login.token,
            expires_at: login.expires_at,
            user,
        }),
        None::<Nothing>,
    )
}

/// `POST /api/auth/register` `{"username","password","avatar"?,"invite"?}`: 201 and a token.
pub(in crate::http) async fn register(
    app: &App,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
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
    let body = body(request).await?;
    let fields = Fields::parse(&body)?;
    let username: String = fields.required("username")?;
    let login = app
        .accounts
        .login((app.clock)(), &username, fields.required("password")?)
        .await?;
    Ok(logged_in(StatusCode::OK, login))
}

/// `GET /api/auth/me`: the caller.
pub(in crate::http) fn me(
    app: &App,
    request: &Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request)?;
    Ok(success(
        StatusCode::OK,
        Some(Account::from(&*caller.user)),
        None::<Nothing>,
    ))
}
