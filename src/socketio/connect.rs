//! The data of a CONNECT packet that a server sends.

use schemars::JsonSchema;
use serde::Serialize;

/// The answer to a CONNECT that was accepted: `{"sid":"…","pid":"…"?}`
#[derive(Debug, Serialize, JsonSchema)]
pub struct Connected<'a> {
    /// The socket's id.
    pub sid: &'a str,
    /// Secret: what its client shows to go on as this socket; absent where the client takes no
    /// cursors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<String>,
}
