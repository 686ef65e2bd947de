//! Answers: JSON in its envelope, encoded once and in its size.

use std::cell::RefCell;

use bytes::Bytes;
use hyper::body::Body as _;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::json;
use crate::limits::BYTES_A_COUNT;
use crate::web::Body;

/// 64 KiB: a thread's buffer that grew larger is given back.
const MAX_KEPT_BYTES: usize = 64 << 10;

/// `{"success":true,"data":…}`, and `meta` where there is some.
#[derive(Serialize)]
struct Success<T, M> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<M>,
}

/// Answers `ok`, as plain text.
pub(super) fn ok() -> Response<Body> {
    let mut response = Response::new(Body::from("ok"));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Answers that a request succeeded, with no data.
pub(super) fn done() -> Response<Body> {
    success(StatusCode::OK, None::<()>, None::<()>)
}

/// Answers that a request succeeded, with this data.
pub(super) fn data<T: Serialize>(status: StatusCode, data: T) -> Response<Body> {
    success(status, Some(data), None::<()>)
}

/// Answers with rows and the `meta` beside them.
pub(super) fn rows<T: Serialize, M: Serialize>(rows: T, meta: M) -> Response<Body> {
    success(StatusCode::OK, Some(rows), Some(meta))
}

fn success<T: Serialize, M: Serialize>(
    status: StatusCode,
    data: Option<T>,
    meta: Option<M>,
) -> Response<Body> {
    let success = Success {
        success: true,
        data,
        meta,
    };
    json(status, &success)
}

thread_local! {
    /// Where answers are written, so that each is then allocated once and in its size.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn encode<T: Serialize>(value: &T) -> serde_json::Result<Bytes> {
    SCRATCH.with_borrow_mut(|out| {
        out.clear();
        json::write(out, value)?;
        let bytes = Bytes::copy_from_slice(out);
        out.shrink_to(MAX_KEPT_BYTES);
        Ok(bytes)
    })
}

/// Answers with a value as JSON.
pub(super) fn json<T: Serialize>(status: StatusCode, body: &T) -> Response<Body> {
    let body = match encode(body) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "a response could not be encoded");
            let mut response = Response::new(Body::default());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return response;
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    // A page of messages is for its reader alone, and old in a moment.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns whether other connections should get their turn before the next request of the same one,
/// which may be there already: after a long answer, and after one that came to nothing since it was
/// too much.
pub(super) fn cost_much(response: &Response<Body>) -> bool {
    let is_long = || response.body().size_hint().lower() > 2 * BYTES_A_COUNT as u64;
    response.status() == StatusCode::TOO_MANY_REQUESTS || is_long()
}

/// Keeps a browser from taking what a person wrote for a page or a script.
pub(super) fn no_sniffing(response: &mut Response<Body>) {
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
}
