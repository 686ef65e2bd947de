//! The official Engine.IO protocol suite, revision 4, case by case and by its names, on the raw echo of the harness.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness;
use crate::support::{Heard, Remote, Wire};

const PATH: &str = "/engine.io/";

/// Opens a session and gives its query.
async fn init_long_polling_session(server: &Remote) -> String {
    let reply = server
        .send("GET", &format!("{PATH}?EIO=4&transport=polling"), None, "")
        .await;
    let handshake: Value = serde_json::from_str(reply.body.strip_prefix('0').unwrap()).unwrap();
    format!(
        "?EIO=4&transport=polling&sid={}",
        handshake["sid"].as_str().unwrap()
    )
}

async fn get(server: &Remote, query: &str) -> (u16, String) {
    let reply = server
        .send("GET", &format!("{PATH}{query}"), None, "")
        .await;
    (reply.status.as_u16(), reply.body)
}

async fn post(server: &Remote, query: &str, body: &str) -> (u16, String) {
    let reply = server
        .send("POST", &format!("{PATH}{query}"), None, body)
        .await;
    (reply.status.as_u16(), reply.body)
}

async fn websocket(server: &Remote, query: &str) -> Wire {
    server
        .wire(&format!("{PATH}?EIO=4&transport=websocket{query}"))
        .await
}

/// What of a polling session's query a WebSocket takes over.
fn sid(query: &str) -> &str {
    &query[query.find("&sid=").unwrap()..]
}

fn assert_is_handshake(text: &str, upgrades: &[&str]) {
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
            let server = harness::start().await;
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
            // The case as it is written: a client that is silent for exactly so long, by its own clock.
            tokio::time::sleep(Duration::from_millis(300 + 200)).await;
            assert_eq!(get(&server, &session).await.0, 400);
        }
    }

    mod websocket {
        use super::super::*;

        #[tokio::test]
        async fn sends_ping_pong_packets() {
            let server = harness::start().await;
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

mod message {
    mod http_long_polling {
        use super::super::*;

        async fn echoes(payload: &str) {
            let server = harness::start().await;
            let session = init_long_polling_session(&server).await;
            assert_eq!(post(&server, &session, payload).await, (200, "ok".into()));
            assert_eq!(get(&server, &session).await, (200, payload.into()));
        }

        #[tokio::test]
        async fn sends_and_receives_a_payload_containing_one_plain_text_packet() {
            echoes("4hello").await;
        }

        #[tokio::test]
        async fn sends_and_receives_a_payload_containing_several_plain_text_packets() {
            echoes("4test1\x1e4test2\x1e4test3").await;
        }

        #[tokio::test]
        async fn sends_and_receives_a_payload_containing_plain_text_and_binary_packets() {
            echoes("4hello\x1ebAQIDBA==").await;
        }

        #[tokio::test]
        async fn closes_the_session_upon_invalid_packet_format() {
            let server = harness::start().await;
            let session = init_long_polling_session(&server).await;
            assert_eq!(post(&server, &session, "abc").await.0, 400);
            assert_eq!(get(&server, &session).await.0, 400);
        }

        #[tokio::test]
        async fn closes_the_session_upon_duplicate_poll_requests() {
            let server = harness::start().await;
            let session = init_long_polling_session(&server).await;
            let (one, two) = tokio::join!(get(&server, &session), get(&server, &session));
            let mut replies = [one, two];
            replies.sort();
            assert_eq!(replies, [(200, "1".into()), (400, String::new())]);
            assert_eq!(get(&server, &session).await.0, 400);
        }

        #[tokio::test]
        async fn closes_the_session_upon_cancelled_polling_request() {
            let server = harness::start().await;
            for _ in 0..20 {
                let session = init_long_polling_session(&server).await;
                server.abandon(&format!("{PATH}{session}")).await;
                match get(&server, &session).await {
                    // The server had not begun with the request that was cut, so nothing was lost with it.
                    (200, ping) if ping == "2" => {}
                    closed => {
                        assert_eq!(closed.0, 400);
                        return;
                    }
                }
            }
            panic!("no cancelled request closed its session");
        }
    }

    mod websocket {
        use super::super::*;

        #[tokio::test]
        async fn sends_and_receives_a_plain_text_packet() {
            let server = harness::start().await;
            let mut socket = websocket(&server, "").await;
            socket.hear().await;
            socket.say("4hello").await;
            socket.hears("4hello").await;
        }

        #[tokio::test]
        async fn sends_and_receives_a_binary_packet() {
            let server = harness::start().await;
            let mut socket = websocket(&server, "").await;
            socket.hear().await;
            socket.say_binary(&[1, 2, 3, 4]).await;
            assert_eq!(socket.hear().await, Heard::Binary(vec![1, 2, 3, 4]));
        }

        #[tokio::test]
        async fn closes_the_session_upon_invalid_packet_format() {
            let server = harness::start().await;
            let mut socket = websocket(&server, "").await;
            socket.hear().await;
            socket.say("abc").await;
            assert_eq!(socket.hear().await, Heard::Close(1005));
        }
    }
}

mod upgrade {
    use super::*;

    /// A session whose WebSocket has been answered `3probe`.
    async fn probed(server: &Remote) -> (String, Wire) {
        let session = init_long_polling_session(server).await;
        let mut socket = websocket(server, sid(&session)).await;
        socket.say("2probe").await;
        socket.hears("3probe").await;
        (session, socket)
    }

    #[tokio::test]
    async fn successfully_upgrades_from_http_long_polling_to_websocket() {
        let server = harness::start().await;
        let (session, mut socket) = probed(&server).await;
        assert_eq!(get(&server, &session).await, (200, "6".into()));
        socket.say("5").await;
        socket.say("4hello").await;
        socket.hears("4hello").await;
    }

    #[tokio::test]
    async fn ignores_http_requests_with_same_sid_after_upgrade() {
        let server = harness::start().await;
        let (session, mut socket) = probed(&server).await;
        socket.say("5").await;
        socket.say("4hello").await;
        socket.hears("4hello").await;
        assert_eq!(get(&server, &session).await.0, 400);
        socket.say("4hello").await;
        socket.hears("4hello").await;
    }

    #[tokio::test]
    async fn ignores_websocket_connection_with_same_sid_after_upgrade() {
        let server = harness::start().await;
        let (session, mut socket) = probed(&server).await;
        socket.say("5").await;
        let mut second = websocket(&server, sid(&session)).await;
        assert_eq!(second.hear().await, Heard::Close(1005));
        socket.say("4hello").await;
        socket.hears("4hello").await;
    }
}
