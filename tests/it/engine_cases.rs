//! The cases that the two official suites share, on the path of whichever includes them: handshake,
//! heartbeat, close.

use std::time::Duration;

use serde_json::{Value, json};

use super::PATH;
use crate::harness;
use crate::support::{Heard, Remote, Wire};

/// Opens a session and gives its query.
pub async fn init_long_polling_session(server: &Remote) -> String {
    let reply = server
        .send("GET", &format!("{PATH}?EIO=4&transport=polling"), None, "")
        .await;
    let handshake: Value = serde_json::from_str(reply.body.strip_prefix('0').unwrap()).unwrap();
    format!(
        "?EIO=4&transport=polling&sid={}",
        handshake["sid"].as_str().unwrap()
    )
}

pub async fn get(server: &Remote, query: &str) -> (u16, String) {
    let reply = server
        .send("GET", &format!("{PATH}{query}"), None, "")
        .await;
    (reply.status.as_u16(), reply.body)
}

pub async fn post(server: &Remote, query: &str, body: &str) -> (u16, String) {
    let reply = server
        .send("POST", &format!("{PATH}{query}"), None, body)
        .await;
    (reply.status.as_u16(), reply.body)
}

pub async fn websocket(server: &Remote, query: &str) -> Wire {
    server
        .wire(&format!("{PATH}?EIO=4&transport=websocket{query}"))
        .await
}

/// What of a polling session's query a WebSocket takes over.
pub fn sid(query: &str) -> &str {
    &query[query.find("&sid=").unwrap()..]
}

pub fn assert_is_handshake(text: &str, upgrades: &[&str]) {
    let value: Value = serde_json::from_str(text.strip_prefix('0').unwrap()).unwrap();
    assert!(value["sid"].is_string());
    let rest = json!({
        "sid": value["sid"], "upgrades": upgrades, "pingInterval": 300, "pingTimeout": 200, "maxPayload": 1_000_000,
    });
    assert_eq!(value, rest);
}

mod handshake {
    mod http_long_polling {
        use super::super::*;

        #[tokio::test]
        async fn successfully_opens_a_session() {
            let server = harness::start().await;
            let (status, body) = get(&server, "?EIO=4&transport=polling").await;
            assert_eq!(status, 200);
            assert_is_handshake(&body, &["websocket"]);
        }

        #[tokio::test]
        async fn fails_with_an_invalid_eio_query_parameter() {
            let server = harness::start().await;
            for query in ["?transport=polling", "?EIO=abc&transport=polling"] {
                assert_eq!(get(&server, query).await.0, 400);
            }
        }

        #[tokio::test]
        async fn fails_with_an_invalid_transport_query_parameter() {
            let server = harness::start().await;
            for query in ["?EIO=4", "?EIO=4&transport=abc"] {
                assert_eq!(get(&server, query).await.0, 400);
            }
        }

        #[tokio::test]
        async fn fails_with_an_invalid_request_method() {
            let server = harness::start().await;
            for method in ["POST", "PUT"] {
                let reply = server
                    .send(method, &format!("{PATH}?EIO=4&transport=polling"), None, "")
                    .await;
                assert_eq!(reply.status.as_u16(), 400);
            }
        }
    }

    mod websocket {
        use super::super::*;

        #[tokio::test]
        async fn successfully_opens_a_session() {
            let server = harness::start().await;
            let Heard::Text(text) = websocket(&server, "").await.hear().await else {
                panic!("no text")
            };
            assert_is_handshake(&text, &[]);
        }

        #[tokio::test]
        async fn fails_with_an_invalid_eio_query_parameter() {
            let server = harness::start().await;
            for query in ["?transport=websocket", "?EIO=abc&transport=websocket"] {
                assert_eq!(
                    server.try_wire(&format!("{PATH}{query}")).await.err(),
                    Some(400)
                );
            }
        }

        #[tokio::test]
        async fn fails_with_an_invalid_transport_query_parameter() {
            let server = harness::start().await;
            for query in ["?EIO=4", "?EIO=4&transport=abc"] {
                assert_eq!(
                    server.try_wire(&format!("{PATH}{query}")).await.err(),
                    Some(400)
                );
            }
        }
    }
}

mod heartbeat {
    mod http_long_polling {
        use super::super::*;

        #[tokio::test]
        async fn sends_ping_pong_packets() {
            let server = harness::patient().await;
            let session = init_long_polling_session(&server).await;
            for _ in 0..3 {
                assert_eq!(get(&server, &session).await, (200, "2".into()));
                assert_eq!(post(&server, &session, "3").await, (200, "ok".into()));
            }
        }

        #[tokio::test]
        async fn closes_the_session_upon_ping_timeout() {
            let server = harness::start().await;
            let session = init_long_polling_session(&server).await;
            // The case as it is written: a client that is silent for exactly so long, by its own
            // clock.
            tokio::time::sleep(Duration::from_millis(300 + 200)).await;
            assert_eq!(get(&server, &session).await.0, 400);
        }
    }

    mod websocket {
        use super::super::*;

        #[tokio::test]
        async fn sends_ping_pong_packets() {
            let server = harness::patient().await;
            let mut socket = websocket(&server, "").await;
            socket.hear().await;
            for _ in 0..3 {
                socket.hears("2").await;
                socket.say("3").await;
            }
        }

        #[tokio::test]
        async fn closes_the_session_upon_ping_timeout() {
            let server = harness::start().await;
            assert_eq!(websocket(&server, "").await.close_code().await, 1005);
        }
    }
}

mod close {
    use super::*;

    #[tokio::test]
    async fn forcefully_closes_the_session_http_long_polling() {
        let server = harness::start().await;
        for _ in 0..20 {
            let session = init_long_polling_session(&server).await;
            let (polled, _) = tokio::join!(get(&server, &session), post(&server, &session, "1"));
            assert_eq!(polled, (200, "6".into()));
            assert_eq!(get(&server, &session).await.0, 400);
        }
    }

    #[tokio::test]
    async fn forcefully_closes_the_session_websocket() {
        let server = harness::start().await;
        let mut socket = websocket(&server, "").await;
        socket.hear().await;
        socket.say("1").await;
        assert_eq!(
            socket.hear().await,
            Heard::Close(1005),
            "at once, and not by a ping timeout"
        );
    }
}
