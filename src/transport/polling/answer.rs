//! The answers to polling requests.

use hyper::body::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use crate::web::Body;

/// The answer to a POST: that it was received.
pub(super) fn received() -> Response<Body> {
    let mut response = Response::new(Body::from("ok"));
    headers(&mut response, "text/html");
    response
}

/// A 400 without a body.
pub(super) fn bad_request() -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

/// The answer to a GET: these packets.
pub(super) fn payload(body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    headers(&mut response, "text/plain; charset=UTF-8");
    response
}

fn headers(response: &mut Response<Body>, content_type: &'static str) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
