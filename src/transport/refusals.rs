//! What the log says of requests that are refused before they reach a session: a line a minute of
//! each kind, with what mends it.

use super::refusal::Refusal;
use crate::web::Seldom;

/// The number of each kind since the last line of it.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    transport_unknown: Seldom,
    session_unknown: Seldom,
    handshake_method: Seldom,
    bad_request: Seldom,
    no_upgrade: Seldom,
    protocol_version: Seldom,
    full: Seldom,
}

impl Refusals {
    /// Counts one more, and says so if it is time.
    pub(super) fn log(&self, refusal: Refusal) {
        let (seldom, what) = match refusal {
            Refusal::TransportUnknown => (
                &self.transport_unknown,
                "requests for /socket.io/ named no transport: a client of Socket.IO names polling or websocket",
            ),
            Refusal::SessionUnknown => (
                &self.session_unknown,
                "requests named sessions that are not open here, as after a restart, and their clients open new ones; where \
                 that goes on, a proxy spreads one client's requests over several servers, or caches /socket.io/",
            ),
            Refusal::HandshakeMethod => (
                &self.handshake_method,
                "sessions were asked for by another method than GET: a proxy loses the query, or the client is none of \
                 Socket.IO",
            ),
            Refusal::BadRequest | Refusal::WebSocketVersion => (
                &self.bad_request,
                "requests were refused that do not fit their session or transport",
            ),
            Refusal::NoUpgrade => (
                &self.no_upgrade,
                "WebSockets arrived as plain requests: have the proxy pass the upgrade on (nginx: proxy_http_version 1.1; \
                 proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";)",
            ),
            Refusal::ProtocolVersion => (
                &self.protocol_version,
                "clients of Socket.IO 2 or older were refused: they need version 3 or 4 (EIO=4)",
            ),
            Refusal::Full => (
                &self.full,
                "sessions were refused: as many are open as may be, in all (--max-connections) or from one address; where \
                 that address is a proxy's, name it by --trusted-proxy",
            ),
            // Of pages the log says more where they are judged, and of these the application knows.
            Refusal::ForeignPage | Refusal::Forbidden(_) | Refusal::Stopping => return,
        };
        if let Some(count) = seldom.now() {
            tracing::info!(count, "{what}");
        }
    }
}
