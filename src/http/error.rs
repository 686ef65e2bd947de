//! Refusals as responses: one shape, one table of statuses.

use hyper::header::{self, HeaderValue};
use hyper::{Method, Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use super::json;
use crate::accounts::AccountError;
use crate::chat::ChatError;
use crate::limits::TooMuch;
use crate::metrics::METRICS;
use crate::model::{Code, FieldError};
use crate::transport::Body;

/// A refusal: `{"success":false,"error":{"code":"…","message":"…"}}` and the status of its code.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: Code,
    message: String,
    retry_after_ms: Option<u64>,
    allowed: &'static [Method],
}

/// A refusal.
#[derive(Serialize, JsonSchema)]
pub(super) struct Failure<'a> {
    #[schemars(extend("const" = false))]
    success: bool,
    error: ErrorBody<'a>,
}

/// What went wrong.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ErrorDetail")]
struct ErrorBody<'a> {
    code: Code,
    /// For the developer of a client.
    message: &'a str,
    /// As `Retry-After`, for pages of other origins, which may not read that.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

/// The status that goes with a code.
pub(super) const fn status(code: Code) -> StatusCode {
    match code {
        Code::MissingToken | Code::InvalidToken | Code::TokenExpired | Code::InvalidCredentials => {
            StatusCode::UNAUTHORIZED
        }
        Code::AccountDisabled
        | Code::Forbidden
        | Code::RegistrationClosed
        | Code::InvalidInvite => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::InvalidPayload
        | Code::EmptyMessage
        | Code::MessageTooLong
        | Code::InvalidReceiver => StatusCode::BAD_REQUEST,
        Code::UsernameTaken | Code::ClientIdReused => StatusCode::CONFLICT,
        Code::CursorExpired => StatusCode::GONE,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::StorageUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl ApiError {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            status: status(code),
            code,
            message: message.into(),
            retry_after_ms: None,
            allowed: &[],
        }
    }

    pub(super) fn not_found() -> Self {
        Self::new(Code::NotFound, "nothing is here")
    }

    /// The data file is still being opened.
    pub(super) fn starting() -> Self {
        Self {
            retry_after_ms: Some(1_000),
            ..Self::new(
                Code::StorageUnavailable,
                "the server is starting: try again shortly",
            )
        }
    }

    /// The disk takes no writes.
    pub(super) fn not_writable() -> Self {
        Self {
            retry_after_ms: Some(1_000),
            ..Self::new(
                Code::StorageUnavailable,
                "the disk takes no writes; reading goes on",
            )
        }
    }

    /// A `rate_limited` that says when to come back.
    pub(super) fn later(message: &str, retry_after_ms: u64) -> Self {
        Self {
            retry_after_ms: Some(retry_after_ms),
            ..Self::new(Code::RateLimited, message)
        }
    }

    /// Too many answers wait to be read.
    pub(super) fn crowded() -> Self {
        Self::later("earlier answers were not read yet, try again later", 1_000)
    }

    pub(super) fn method_not_allowed(allowed: &'static [Method], of_chats: bool) -> Self {
        let message = if of_chats {
            "messages are sent by the socket event send_message, and by nothing else"
        } else {
            "this path answers to other methods"
        };
        Self {
            allowed,
            ..Self::new(Code::MethodNotAllowed, message)
        }
    }

    pub(super) fn response(&self) -> Response<Body> {
        METRICS.refused(self.code.as_str());
        let error = ErrorBody {
            code: self.code,
            message: &self.message,
            retry_after_ms: self.retry_after_ms,
        };
        let mut response = json(
            self.status,
            &Failure {
                success: false,
                error,
            },
        );
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED && self.code != Code::InvalidCredentials {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(ms) = self.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
        }
        if self.allowed.is_empty() {
            response
        } else {
            allow(response, self.status, self.allowed)
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

impl From<ChatError> for ApiError {
    fn from(error: ChatError) -> Self {
        Self {
            retry_after_ms: error.retry_after_ms(),
            ..Self::new(error.code(), error.to_string())
        }
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        let refusal = Self {
            retry_after_ms: error.retry_after_ms(),
            ..Self::new(error.code(), error.to_string())
        };
        match error {
            // The caller is known; it is the proof for this one change that is wrong.
            AccountError::WrongPassword => Self {
                status: StatusCode::FORBIDDEN,
                ..refusal
            },
            _ => refusal,
        }
    }
}

impl From<TooMuch> for ApiError {
    fn from(error: TooMuch) -> Self {
        Self {
            retry_after_ms: Some(error.retry_after_ms),
            ..Self::new(Code::RateLimited, "too much at once, try again later")
        }
    }
}

impl From<FieldError> for ApiError {
    fn from(error: FieldError) -> Self {
        Self::new(Code::InvalidPayload, error.to_string())
    }
}
