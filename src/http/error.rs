//! Refusals as responses: one shape for all.

use hyper::header::{self, HeaderValue};
use hyper::{Method, Response, StatusCode};

use super::answer::json;
use crate::contract::{Code, Failed, Refusal};
use crate::web::Body;

/// A refusal: `{"success":false,"error":{"code":"…","message":"…"}}` and its status.
#[derive(Debug)]
pub(super) struct ApiError {
    refusal: Refusal,
    /// The methods that the path answers to, where another was asked for.
    allowed: &'static [Method],
}

impl<R> From<R> for ApiError
where
    Refusal: From<R>,
{
    fn from(refused: R) -> Self {
        Self {
            refusal: refused.into(),
            allowed: &[],
        }
    }
}

impl ApiError {
    pub(super) fn not_found() -> Self {
        Refusal::new(Code::NotFound, "nothing is here").into()
    }

    /// The data file is still being opened.
    pub(super) fn starting() -> Self {
        let message = "the server is starting: try again shortly";
        Refusal::new(Code::StorageUnavailable, message)
            .retry_after(1_000)
            .into()
    }

    /// The disk takes no writes.
    pub(super) fn not_writable() -> Self {
        let message = "the disk takes no writes; reading goes on";
        Refusal::new(Code::StorageUnavailable, message)
            .retry_after(1_000)
            .into()
    }

    /// Another version of the tus protocol than the one that is spoken.
    pub(super) fn other_tus() -> Self {
        Refusal::invalid("Tus-Resumable must be 1.0.0")
            .with_status(412)
            .into()
    }

    /// Too many answers wait to be read.
    pub(super) fn crowded() -> Self {
        Refusal::later("earlier answers were not read yet, try again later", 1_000).into()
    }

    pub(super) fn method_not_allowed(allowed: &'static [Method], of_chats: bool) -> Self {
        let message = if of_chats {
            "messages are sent by the socket event send_message, and by nothing else"
        } else {
            "this path answers to other methods"
        };
        Self {
            refusal: Refusal::new(Code::MethodNotAllowed, message),
            allowed,
        }
    }

    pub(super) fn response(&self) -> Response<Body> {
        let refusal = &self.refusal;
        let status = StatusCode::from_u16(refusal.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json(status, &Failed::new(refusal));
        // For who finishes it, and counts it.
        response.extensions_mut().insert(refusal.code);
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED && refusal.code != Code::InvalidCredentials {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(ms) = refusal.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
        }
        if self.allowed.is_empty() {
            response
        } else {
            allow(response, status, self.allowed)
        }
    }
}

/// Names the methods that a path answers to.
pub(super) fn allow(
    mut response: Response<Body>,
    status: StatusCode,
    methods: &[Method],
) -> Response<Body> {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let names = if methods.contains(&Method::GET) {
        format!("{}, HEAD", names.join(", "))
    } else {
        names.join(", ")
    };
    *response.status_mut() = status;
    if let Ok(value) = HeaderValue::from_str(&names) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}
