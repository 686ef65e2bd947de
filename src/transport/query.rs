//! The query of a request to the engine.

/// The transport that a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransportKind {
    Polling,
    WebSocket,
}

/// The part of a query that matters here. Of a repeated key the last one counts.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) transport: Option<TransportKind>,
    pub(super) sid: Option<String>,
    /// Set where it speaks revision 4 of the protocol, as this server does.
    pub(super) revision_4: bool,
}

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*key {
                "EIO" => query.revision_4 = value == "4",
                "transport" => {
                    query.transport = match &*value {
                        "polling" => Some(TransportKind::Polling),
                        "websocket" => Some(TransportKind::WebSocket),
                        _ => None,
                    }
                }
                "sid" => query.sid = Some(value.into_owned()).filter(|sid| !sid.is_empty()),
                _ => {}
            }
        }
        query
    }
}
