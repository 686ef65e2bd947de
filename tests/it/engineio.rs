//! The official Engine.IO protocol suite, revision 4, case by case and by its names, on the raw
//! echo of the harness.

use crate::harness;
use crate::support::{Heard, Remote, Wire};

#[path = "engine_cases.rs"]
mod engine_cases;

use engine_cases::{get, init_long_polling_session, post, sid, websocket};

const PATH: &str = "/engine.io/";

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
                    // The server had not begun with the request that was cut, so nothing was lost
                    // with it.
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
