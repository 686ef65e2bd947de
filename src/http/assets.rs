//! The page: the files of `static/`, inside the executable.
//!
//! A debug build reads them from the source tree at each request, so that the page can be worked on without building.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use rust_embed::RustEmbed;

use super::error::ApiError;
use crate::transport::Body;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/static"]
struct Assets;

/// The page runs nothing and loads nothing but its own files, and stands in no frame. Its icon is in the page itself.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A file by its exact path; `/` is `index.html`.
pub(super) fn serve(request: &Request<Incoming>) -> Result<Response<Body>, ApiError> {
    let path = match request.uri().path() {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    let file = Assets::get(path).ok_or_else(ApiError::not_found)?;
    let etag = etag(&file.metadata.sha256_hash());
    let mut response = if is_known(request.headers(), &etag) {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let body = match file.data {
            std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
        };
        Response::new(Body::from(body))
    };
    let headers = response.headers_mut();
    let kind = HeaderValue::from_str(file.metadata.mimetype());
    headers.insert(
        header::CONTENT_TYPE,
        kind.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    // Names carry no hash, so a browser asks each time and mostly hears that it has the file.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    );
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    Ok(response)
}

/// Whether whoever asks has it already (RFC 9110, section 13.1.2).
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim().trim_start_matches("W/") == etag)
}

/// 64 bits of the content's hash, quoted.
fn etag(hash: &[u8; 32]) -> String {
    let mut tag = String::from("\"");
    for byte in &hash[..8] {
        tag.push_str(&format!("{byte:02x}"));
    }
    tag.push('"');
    tag
}
