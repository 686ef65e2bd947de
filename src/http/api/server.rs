//! What anybody may know of the server.

use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::http::assets::VERSION;
use crate::http::error::ApiError;
use crate::http::{App, Nothing, success};
use crate::transport::Body;

/// `{"name","version","registration","setup_required","max_message_chars"}`; also `"page"`, the version of the page, by
/// which an open one knows that there is a newer
#[derive(Serialize)]
struct Server {
    name: &'static str,
    version: &'static str,
    registration: &'static str,
    setup_required: bool,
    max_message_chars: usize,
    page: &'static str,
}

/// `GET /api/server`, without a token.
pub(in crate::http) fn show(app: &App) -> Response<Body> {
    let server = Server {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        registration: app.accounts.registration().as_str(),
        setup_required: app.accounts.setup_code().is_some(),
        max_message_chars: app.chat.max_message_chars(),
        page: VERSION,
    };
    success(StatusCode::OK, Some(server), None::<Nothing>)
}

/// `GET /readyz`: changes can be written. 503 while they cannot.
pub(in crate::http) fn ready(app: &App) -> Result<Response<Body>, ApiError> {
    if app.chat.is_writable() {
        Ok(health())
    } else {
        Err(ApiError::not_writable())
    }
}

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
