//! The open packet's JSON: what the server tells a client about its session.

use std::time::Duration;

use serde::Serialize;

/// The first packet of a session.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Handshake<'a> {
    /// The session's id: a secret of the client's.
    pub sid: &'a str,
    /// `["websocket"]` for a session that may still upgrade, else empty.
    pub upgrades: &'a [&'a str],
    /// Milliseconds between two pings.
    #[serde(serialize_with = "as_ms")]
    pub ping_interval: Duration,
    /// Milliseconds that a client may take to answer one.
    #[serde(serialize_with = "as_ms")]
    pub ping_timeout: Duration,
    /// The most bytes of a polling body, or of a WebSocket message.
    pub max_payload: usize,
}

impl Handshake<'_> {
    /// The JSON of the open packet.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers are valid JSON")
    }
}

fn as_ms<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_open_packet_has_exactly_the_keys_of_the_protocol() {
        let handshake = Handshake {
            sid: "lv_VI97HAXpY6yYWAAAC",
            upgrades: &["websocket"],
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload: 1_000_000,
        };
        assert_eq!(
            handshake.to_json(),
            r#"{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
        );
    }
}
