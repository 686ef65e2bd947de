//! The server, as anyone may know it.

use std::time::Duration;

use hyper::{Response, StatusCode};

use crate::accounts::Admin;
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{Demo, LoggedIn, Server};
use crate::contract::{Code, Version};
use crate::http::answer;
use crate::http::app::App;
use crate::http::assets::VERSION;
use crate::http::error::ApiError;
use crate::model::UserId;
use crate::web::Body;

/// Their tokens are made anew each time, so that a password or a logout by one who looks shuts out
/// no other. `None` once one of them was disabled.
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
    Operation::new(Access::Anyone, "The server, as anyone may know it.")
        .refuses(&[Code::StorageUnavailable])
        .data::<Server>();

/// `GET /api/server`, without a token.
pub(in crate::http) fn show(app: &App) -> Response<Body> {
    let server = Server {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        registration: app.accounts.registration().as_str(),
        setup_required: app.accounts.setup_code().is_some(),
        versions: Version::ALL,
        max_message_chars: app.chat.max_message_chars(),
        max_file: app.files.max_file(),
        edit_window_ms: app.chat.edit_window().map(as_ms),
        retention_ms: app.chat.retention().map(as_ms),
        directory: app.chat.directory().as_str(),
        hook_direct: app.hooks.tells_of_direct(),
        page: VERSION,
        avatar_origins: app.avatar_origins.clone(),
        demo: demo(app),
    };
    answer::data(StatusCode::OK, server)
}

fn as_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(in crate::http) const READY: Operation = Operation::new(
    Access::Anyone,
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
    Operation::new(Access::Anyone, "Says `ok` whenever the process answers.")
        .bare("text/plain; charset=utf-8");

/// `GET /healthz`: the process answers.
pub(in crate::http) fn health() -> Response<Body> {
    answer::ok()
}
