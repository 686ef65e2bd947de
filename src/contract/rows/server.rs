//! The server, as anyone may know it.

use schemars::JsonSchema;
use serde::Serialize;

use super::LoggedIn;

/// `{"name","version","registration","setup_required","versions","max_message_chars","max_file",
/// "edit_window_ms","retention_ms","directory","hook_direct"}`; also `"page"`, the
/// version of the page, by which an open one knows that there is a newer, and on a server to be
/// looked at `"demo":{"accounts":[…]}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Who may register: people with an `invite`, anyone (`open`), or no one (`closed`).
    pub(crate) registration: &'static str,
    /// Whether the first account is still to be made, by the set-up link of the server's log.
    pub(crate) setup_required: bool,
    /// The versions of a socket's events that a client may ask for by `v`.
    pub(crate) versions: [u8; 2],
    /// The longest message.
    pub(crate) max_message_chars: usize,
    /// The largest file, in bytes.
    pub(crate) max_file: u64,
    /// For how long a message may be edited, in milliseconds; null for always.
    pub(crate) edit_window_ms: Option<u64>,
    /// After how long messages are erased, in milliseconds; null for never.
    pub(crate) retention_ms: Option<u64>,
    /// Whom people find: `everyone`; those with whom they share a chat (`shared`); one whose whole
    /// name is given, too (`exact`); nobody (`none`).
    pub(crate) directory: &'static str,
    /// Whether other systems of the operator are told of messages between two people.
    pub(crate) hook_direct: bool,
    pub(crate) page: &'static str,
    /// From which origins, beside this server's, the page shows pictures of people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) avatar_origins: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) demo: Option<Demo>,
}

/// The people whom anyone may be, logged in already, as by `POST /api/auth/login`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Demo {
    pub(crate) accounts: Vec<LoggedIn>,
}
