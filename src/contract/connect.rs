//! The payload of a CONNECT, and why one is refused. The answer to an accepted one is
//! [`crate::socketio::Connected`], for any Socket.IO server gives the same.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Code, Fields, Refusal, Version, reads};

reads! {
    /// The part of a CONNECT that would continue a socket.
    Continued<'a> from Fields<'a> {
        /// As the answer to the lost socket's CONNECT gave it.
        optional pid: Cow<'a, str>,
        /// The cursor of the last event that the client had.
        optional offset: Cow<'a, str>,
    }
}

reads! {
    /// The part of a CONNECT that describes its client.
    Capable from Fields<'_> {
        /// Whether the client takes cursors, and so can be continued: `false` for one whose
        /// listeners break on a second argument. Where it is absent, clients whose handshake tells
        /// that they are of Python or Dart take none, and all others do.
        optional cursor: bool,
    }
}

reads! {
    /// The part of a CONNECT that says what its client knows of.
    Speaks from Fields<'_> {
        /// The version of the events that the client speaks, of `versions` in `GET /api/server`.
        /// One that the server does not know is taken as the newest below it.
        optional v: Version,
    }
}

/// What a CONNECT carries.
// Read part by part: a wrong token is answered, and the rest is passed over where it is wrong.
#[derive(JsonSchema)]
#[schemars(rename = "Auth")]
#[expect(
    dead_code,
    reason = "a description; the gateway reads each part by itself"
)]
pub(super) struct ConnectPayload<'a> {
    /// The JWT; absent where the handshake had an `Authorization` header.
    token: Option<Cow<'a, str>>,
    #[serde(flatten)]
    speaks: Speaks,
    #[serde(flatten)]
    capable: Capable,
    #[serde(flatten)]
    continued: Continued<'a>,
}

/// What a CONNECT is refused with: `{"message":"…","data":{"code":"…"}}`
#[derive(JsonSchema)]
pub(crate) struct ConnectError {
    pub(crate) message: String,
    pub(crate) data: RefusalData,
}

/// Why a socket is refused, for a program.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RefusalData {
    pub(crate) code: Code,
}

impl From<Refusal> for ConnectError {
    fn from(refusal: Refusal) -> Self {
        Self {
            message: refusal.message.into_owned(),
            data: RefusalData { code: refusal.code },
        }
    }
}
