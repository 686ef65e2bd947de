//! Why a request is refused before it reaches a session.

use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use crate::web::Body;

/// Seconds that a client is to wait where the server is full.
const FULL_RETRY_AFTER: &str = "5";

/// The reason that a request is refused. The numbers and words are the reference's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    TransportUnknown,
    SessionUnknown,
    HandshakeMethod,
    BadRequest,
    /// A WebSocket was asked for by a request that is no attempt to open one.
    NoUpgrade,
    /// A WebSocket of another version than 13 was asked for.
    WebSocketVersion,
    ProtocolVersion,
    /// The application's word.
    Forbidden(&'static str),
    /// A WebSocket of another site's page.
    ForeignPage,
    /// As many sessions are open as may be.
    Full,
    /// The server is stopping.
    Stopping,
}

impl Refusal {
    const fn code_and_message(self) -> (u8, &'static str) {
        match self {
            Self::TransportUnknown => (0, "Transport unknown"),
            Self::SessionUnknown => (1, "Session ID unknown"),
            Self::HandshakeMethod => (2, "Bad handshake method"),
            Self::BadRequest | Self::NoUpgrade | Self::WebSocketVersion => (3, "Bad request"),
            Self::Forbidden(message) => (4, message),
            Self::ForeignPage => (4, "Forbidden"),
            Self::ProtocolVersion => (5, "Unsupported protocol version"),
            Self::Full => (3, "Too many sessions"),
            Self::Stopping => (3, "The server is stopping"),
        }
    }

    /// Returns the answer: JSON for polling; bare text, and the connection closed, for a WebSocket.
    pub(super) fn response(self, websocket: bool) -> Response<Body> {
        let (code, message) = self.code_and_message();
        let mut response = Response::new(if websocket {
            Body::from(message)
        } else {
            Body::from(format!("{{\"code\":{code},\"message\":\"{message}\"}}"))
        });
        *response.status_mut() = match self {
            Self::WebSocketVersion => StatusCode::UPGRADE_REQUIRED,
            // As the reference: to a WebSocket every other refusal is a bad request.
            Self::Forbidden(_) if !websocket => StatusCode::FORBIDDEN,
            Self::Full | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        let headers = response.headers_mut();
        if matches!(self, Self::Full | Self::Stopping) {
            let seconds = HeaderValue::from_static(FULL_RETRY_AFTER);
            headers.insert(header::RETRY_AFTER, seconds);
        }
        if websocket && matches!(self, Self::NoUpgrade | Self::WebSocketVersion) {
            let spoken = HeaderValue::from_static("13");
            headers.insert(header::SEC_WEBSOCKET_VERSION, spoken);
        }
        if websocket {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            if self == Self::WebSocketVersion {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.append(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            }
        } else {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
        }
        response
    }
}
