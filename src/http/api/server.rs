//! What anybody may know of the server.

use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::auth::LoggedIn;
use crate::accounts::Admin;
use crate::describe::{Access, Operation};
use crate::http::assets::VERSION;
use crate::http::error::ApiError;
use crate::http::{App, Nothing, success};
use crate::model::{Code, UserId};
use crate::transport::Body;

/// `{"name","version","registration","setup_required","max_message_chars"}`; also `"page"`, the version of the page, by
/// which an open one knows that there is a newer, and on a server to be looked at `"demo":{"accounts":[…]}`
#[derive(Serialize, JsonSchema)]
struct Server {
    name: &'static str,
    version: &'static str,
    /// Who may register: whoever has an `invite`, anybody (`open`), or nobody (`closed`).
    registration: &'static str,
    /// Whether the first account is still to be made, by the set-up link of the server's log.
    setup_required: bool,
    /// The longest message.
    max_message_chars: usize,
    page: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    demo: Option<Demo>,
}

/// Those whom everybody may be, logged in already, as by `POST /api/auth/login`.
#[derive(Serialize, JsonSchema)]
struct Demo {
    accounts: Vec<LoggedIn>,
}

/// Their tokens are made anew each time, so that a password or a logout by one who looks shuts out no other. `None` once
/// one of them was disabled.
fn demo(app: &App) -> Option<Demo> {
    if app.shown.is_empty() {
        return None;
    }
    let now = (app.clock)();
    let login = |id: &UserId| app.accounts.token_of(Admin::operator(), now, *id).ok();
    let accounts = app.shown.iter().map(|id| login(id).map(LoggedIn::from));
    Some(Demo {
        accounts: accounts.collect::<Option<_>>()?,
    })
}

pub(in crate::http) const SHOW: Operation =
    Operation::new(Access::Anybody, "What anybody may know of the server.")
        .refuses(&[Code::StorageUnavailable])
        .data::<Server>();

/// `GET /api/server`, without a token.
pub(in crate::http) fn show(app: &App) -> Response<Body> {
    let server = Server {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        registration: app.accounts.registration().as_str(),
        setup_required: app.accounts.setup_code().is_some(),
        max_message_chars: app.chat.max_message_chars(),
        page: VERSION,
        demo: demo(app),
    };
    success(StatusCode::OK, Some(server), None::<Nothing>)
}

pub(in crate::http) const READY: Operation = Operation::new(
    Access::Anybody,
    "Says `ok` while changes can be written. 503 while the disk takes none, and while the data file is opened.",
)
.refuses(&[Code::StorageUnavailable])
.bare("text/plain; charset=utf-8");

/// `GET /readyz`: changes can be written. 503 while they cannot.
pub(in crate::http) fn ready(app: &App) -> Result<Response<Body>, ApiError> {
    if app.chat.is_writable() {
        Ok(health())
    } else {
        Err(ApiError::not_writable())
    }
}

pub(in crate::http) const HEALTH: Operation =
    Operation::new(Access::Anybody, "Says `ok` whenever the process answers.")
        .bare("text/plain; charset=utf-8");

/// `GET /healthz`: the process answers.
pub(in crate::http) fn health() -> Response<Body> {
    let mut response = Response::new(Body::from("ok"));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
