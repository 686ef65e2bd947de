//! What the tests of `engine.io-client` expect: a greeting, an echo with some wishes granted,
//! cookies, and a small limit.

use std::sync::Arc;
use std::time::Duration;

use chatd::transport::{
    Acceptor, CloseReason, Connection, Engine, EngineConfig, Frame, Handshake, Receiver,
};
use hyper::header::{self, HeaderMap, HeaderValue};

use super::fixture::{Fixture, engine_config};

pub(crate) fn fixture() -> Fixture {
    let config = EngineConfig {
        max_payload: 100,
        ..engine_config(500, 20_000)
    };
    Fixture {
        port: 3000,
        engines: vec![("/engine.io/", Engine::new(config, Arc::new(Greeter)))],
        hubs: Vec::new(),
        handshake_delay: Duration::ZERO,
    }
}

struct Greeter;

impl Acceptor for Greeter {
    fn allow(&self, handshake: &Handshake<'_>) -> Result<(), &'static str> {
        if handshake.query.contains("deny") {
            Err("Thou shall not pass")
        } else {
            Ok(())
        }
    }

    fn response_headers(&self, _: &Handshake<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for cookie in [
            "1=1; Max-Age=86400",
            "2=2; Path=/; HttpOnly; Secure; SameSite=Strict",
            "3=3; Max-Age=0",
            "4=4; Expires=Thu, 01 Jan 1970 00:00:01 GMT",
        ] {
            headers.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
        headers
    }

    fn open(&self, _: &Handshake<'_>, connection: Connection) -> Arc<dyn Receiver> {
        let say = |text: &str| {
            connection.send(Frame::message(|out| out.extend_from_slice(text.as_bytes())))
        };
        say("hi");
        Arc::new(Greeted {
            connection,
            posted: parking_lot::Mutex::default(),
        })
    }
}

struct Greeted {
    connection: Connection,
    /// The headers of the latest polling request that brought something.
    posted: parking_lot::Mutex<serde_json::Map<String, serde_json::Value>>,
}

impl Greeted {
    fn say(&self, text: &str) {
        self.connection
            .send(Frame::message(|out| out.extend_from_slice(text.as_bytes())));
    }
}

impl Receiver for Greeted {
    fn posting(&self, headers: &HeaderMap) {
        let pairs = headers.iter().map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes())
                    .into_owned()
                    .into(),
            )
        });
        *self.posted.lock() = pairs.collect();
    }

    fn message(&self, text: &str) -> Result<(), CloseReason> {
        match text {
            "give binary" => drop(self.connection.send(Frame::binary(&[0, 1, 2, 3, 4]))),
            "give utf8" => self.say("пойду спать всем спокойной ночи"),
            "sendHeaders" => {
                let headers = serde_json::to_string(&*self.posted.lock()).unwrap_or_default();
                self.say(&headers);
            }
            text => self.say(text),
        }
        Ok(())
    }

    fn binary(&self, bytes: &[u8]) -> Result<(), CloseReason> {
        self.connection.send(Frame::binary(bytes));
        Ok(())
    }

    fn closed(&self, _: CloseReason) {}
}
