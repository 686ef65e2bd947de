//! Which client library opened a session, as far as its handshake tells.
//!
//! Libraries differ in what they do with an event of more than one argument. Most hand each
//! listener as many as it names; python-socketio calls `def listener(data)` with all of them, which
//! raises, and Dart's client hands over a list in place of the value. And python-engineio takes a
//! few packets of one poll alone.

use hyper::header::USER_AGENT;

use crate::transport::Handshake;
use crate::web::query_pairs;

/// With more packets in one answer to a poll, python-engineio gives up its connection, and all of
/// them are lost (`Payload.max_decode_packets`).
const PACKETS_OF_PYTHON: u16 = 16;

/// A client library, by how it calls its listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// python-socketio, over requests, websocket-client or aiohttp.
    Python,
    /// Dart's `socket_io_client`, outside of a browser.
    Dart,
    /// Any other, or one that does not say.
    Other,
}

/// What Python's HTTP and WebSocket libraries call themselves, besides `python` and `python-…`.
const OF_PYTHON: [&str; 4] = ["cpython", "aiohttp", "websocket-client", "websockets"];

impl Library {
    /// Returns the library that sent this handshake.
    pub(super) fn of(handshake: &Handshake<'_>) -> Self {
        let agent = handshake.headers.get(USER_AGENT);
        let named = agent.and_then(|agent| Self::named(agent.to_str().ok()?));
        match named {
            Some(library) => library,
            // websocket-client, under a synchronous Client that begins with a WebSocket, sends no
            // `User-Agent`; and an application may send its own.
            None if stamped_by_python(handshake.query) => Self::Python,
            None => Self::Other,
        }
    }

    /// Returns the library that a `User-Agent` names by any of its products.
    fn named(agent: &str) -> Option<Self> {
        agent.split_ascii_whitespace().find_map(|product| {
            let name = product.split('/').next().unwrap_or(product);
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            let begins = |with: &str| {
                let start = name.get(..with.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(with))
            };
            if is("python") || begins("python-") || OF_PYTHON.into_iter().any(is) {
                Some(Self::Python)
            } else if is("dart") {
                Some(Self::Dart)
            } else {
                None
            }
        })
    }

    /// Returns how many packets it takes by one poll, where that is a bound.
    pub(super) fn packets_a_poll(self) -> Option<u16> {
        (self == Self::Python).then_some(PACKETS_OF_PYTHON)
    }

    /// Returns whether its listeners can be given an argument that they do not know of.
    pub fn takes_further_arguments(self) -> bool {
        self == Self::Other
    }
}

/// Returns whether the query has python-engineio's time stamp: `t=` and seconds with a fraction.
/// Those of JavaScript and Dart are letters and digits.
fn stamped_by_python(query: &str) -> bool {
    // Seen without decoding it: a fraction has a point, as it is or escaped.
    if !query.contains(['.', '%']) {
        return false;
    }
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    query_pairs(query).any(|(key, value)| {
        let parts = value.split_once('.');
        key == "t" && parts.is_some_and(|(secs, part)| is_number(secs) && is_number(part))
    })
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::*;

    fn library(agent: Option<&str>, query: &str) -> Library {
        let mut headers = HeaderMap::new();
        if let Some(agent) = agent {
            headers.insert(USER_AGENT, agent.parse().unwrap());
        }
        Library::of(&Handshake {
            headers: &headers,
            query,
            peer: ([127, 0, 0, 1], 1).into(),
        })
    }

    #[test]
    fn a_client_of_python_or_dart_is_known_by_its_agent() {
        for (agent, is) in [
            ("python-requests/2.32.3", Library::Python),
            ("Python/3.11 aiohttp/3.9.5", Library::Python),
            ("Python-urllib/3.11", Library::Python),
            ("python-httpx/0.27.0", Library::Python),
            ("websocket-client/1.8.0", Library::Python),
            ("Python/3.12 websockets/13.0", Library::Python),
            ("my-bot/1.0 python-requests/2.32.3", Library::Python),
            ("Dart/3.4 (dart:io)", Library::Dart),
            ("dart/2.19", Library::Dart),
            ("node-XMLHttpRequest", Library::Other),
            ("okhttp/4.12.0", Library::Other),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                Library::Other,
            ),
            ("Dartmouth/1.0", Library::Other),
            ("pythonic/1.0", Library::Other),
            ("p\u{79}thö", Library::Other),
            ("", Library::Other),
        ] {
            assert_eq!(library(Some(agent), "EIO=4"), is, "{agent}");
        }
        assert_eq!(library(None, "EIO=4"), Library::Other);
    }

    #[test]
    fn a_client_of_python_that_sends_no_agent_is_known_by_its_time_stamp() {
        let python = "transport=websocket&EIO=4&t=1764342000.1234567";
        assert_eq!(library(None, python), Library::Python);
        assert_eq!(library(Some("my own app"), python), Library::Python);
        for other in [
            "t=PfO1xyz",
            "t=hk3x9b2q",
            "t=1764342000",
            "t=1.",
            "t=.5",
            "t=1.2.3",
            "u=1.5",
        ] {
            assert_eq!(library(None, other), Library::Other, "{other}");
        }
    }
}
