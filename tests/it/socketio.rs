//! The official Socket.IO protocol suite, revision 5, case by case and by its names, on the namespaces of the harness.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness;
use crate::support::{Heard, Remote, Wire};

const PATH: &str = "/socket.io/";

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
        async fn should_successfully_open_a_session() {
            let server = harness::start().await;
            let (status, body) = get(&server, "?EIO=4&transport=polling").await;
            assert_eq!(status, 200);
            assert_is_handshake(&body, &["websocket"]);
        }

        #[tokio::test]
        async fn should_fail_with_an_invalid_eio_query_parameter() {
            let server = harness::start().await;
            for query in ["?transport=polling", "?EIO=abc&transport=polling"] {
                assert_eq!(get(&server, query).await.0, 400);
            }
        }

        #[tokio::test]
        async fn should_fail_with_an_invalid_transport_query_parameter() {
            let server = harness::start().await;
            for query in ["?EIO=4", "?EIO=4&transport=abc"] {
                assert_eq!(get(&server, query).await.0, 400);
            }
        }

        #[tokio::test]
        async fn should_fail_with_an_invalid_request_method() {
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
        async fn should_successfully_open_a_session() {
            let server = harness::start().await;
            let Heard::Text(text) = websocket(&server, "").await.hear().await else {
                panic!("no text")
            };
            assert_is_handshake(&text, &[]);
        }

        #[tokio::test]
        async fn should_fail_with_an_invalid_eio_query_parameter() {
            let server = harness::start().await;
            for query in ["?transport=websocket", "?EIO=abc&transport=websocket"] {
                assert_eq!(
                    server.try_wire(&format!("{PATH}{query}")).await.err(),
                    Some(400)
                );
            }
        }

        #[tokio::test]
        async fn should_fail_with_an_invalid_transport_query_parameter() {
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
        async fn should_send_ping_pong_packets() {
            let server = harness::start().await;
            let session = init_long_polling_session(&server).await;
            for _ in 0..3 {
                assert_eq!(get(&server, &session).await, (200, "2".into()));
                assert_eq!(post(&server, &session, "3").await, (200, "ok".into()));
            }
        }

        #[tokio::test]
        async fn should_close_the_session_upon_ping_timeout() {
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
        async fn should_send_ping_pong_packets() {
            let server = harness::start().await;
            let mut socket = websocket(&server, "").await;
            socket.hear().await;
            for _ in 0..3 {
                socket.hears("2").await;
                socket.say("3").await;
            }
        }

        #[tokio::test]
        async fn should_close_the_session_upon_ping_timeout() {
            let server = harness::start().await;
            assert_eq!(websocket(&server, "").await.close_code().await, 1005);
        }
    }
}

mod close {
    use super::*;

    #[tokio::test]
    async fn should_forcefully_close_the_session_http_long_polling() {
        let server = harness::start().await;
        for _ in 0..20 {
            let session = init_long_polling_session(&server).await;
            let (polled, _) = tokio::join!(get(&server, &session), post(&server, &session, "1"));
            assert_eq!(polled, (200, "6".into()));
            assert_eq!(get(&server, &session).await.0, 400);
        }
    }

    #[tokio::test]
    async fn should_forcefully_close_the_session_websocket() {
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

mod upgrade {
    use super::*;

    async fn upgrading(server: &Remote) -> (String, Wire) {
        let session = init_long_polling_session(server).await;
        let mut socket = websocket(server, sid(&session)).await;
        socket.say("2probe").await;
        socket.say("5").await;
        socket.hears("3probe").await;
        (session, socket)
    }

    #[tokio::test]
    async fn should_successfully_upgrade_from_http_long_polling_to_websocket() {
        let server = harness::start().await;
        let (_, mut socket) = upgrading(&server).await;
        socket.say("40").await;
        assert!(socket.text().await.starts_with("40{"));
    }

    #[tokio::test]
    async fn should_ignore_http_requests_with_same_sid_after_upgrade() {
        let server = harness::start().await;
        let (session, mut socket) = upgrading(&server).await;
        socket.say("40").await;
        socket.text().await;
        assert_eq!(get(&server, &session).await.0, 400);
    }

    #[tokio::test]
    async fn should_ignore_websocket_connection_with_same_sid_after_upgrade() {
        let server = harness::start().await;
        let (session, mut socket) = upgrading(&server).await;
        assert_eq!(
            websocket(&server, sid(&session)).await.hear().await,
            Heard::Close(1005)
        );
        socket.say("40").await;
        assert!(socket.text().await.starts_with("40{"));
    }
}

/// A WebSocket whose Engine.IO handshake is behind us.
async fn opened(server: &Remote) -> Wire {
    let mut socket = websocket(server, "").await;
    socket.hear().await;
    socket
}

async fn init_socket_io_connection(server: &Remote) -> Wire {
    let mut socket = opened(server).await;
    socket.say("40").await;
    assert!(socket.text().await.starts_with("40{"));
    assert_eq!(socket.text().await, r#"42["auth",{}]"#);
    socket
}

mod connect {
    use super::*;

    async fn should_allow(connect: &str, prefix: &str, auth: &str) {
        let server = harness::start().await;
        let mut socket = opened(&server).await;
        socket.say(connect).await;
        let text = socket.text().await;
        let handshake: Value = serde_json::from_str(text.strip_prefix(prefix).unwrap()).unwrap();
        assert_eq!(
            handshake.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["sid"]
        );
        assert!(handshake["sid"].is_string());
        assert_eq!(socket.text().await, auth);
    }

    #[tokio::test]
    async fn should_allow_connection_to_the_main_namespace() {
        should_allow("40", "40", r#"42["auth",{}]"#).await;
    }

    #[tokio::test]
    async fn should_allow_connection_to_the_main_namespace_with_a_payload() {
        should_allow(
            r#"40{"token":"123"}"#,
            "40",
            r#"42["auth",{"token":"123"}]"#,
        )
        .await;
    }

    #[tokio::test]
    async fn should_allow_connection_to_a_custom_namespace() {
        should_allow("40/custom,", "40/custom,", r#"42/custom,["auth",{}]"#).await;
    }

    #[tokio::test]
    async fn should_allow_connection_to_a_custom_namespace_with_a_payload() {
        should_allow(
            r#"40/custom,{"token":"abc"}"#,
            "40/custom,",
            r#"42/custom,["auth",{"token":"abc"}]"#,
        )
        .await;
    }

    #[tokio::test]
    async fn should_disallow_connection_to_an_unknown_namespace() {
        let server = harness::start().await;
        let mut socket = opened(&server).await;
        socket.say("40/random").await;
        socket
            .hears(r#"44/random,{"message":"Invalid namespace"}"#)
            .await;
    }

    #[tokio::test]
    async fn should_disallow_connection_with_an_invalid_handshake() {
        let server = harness::start().await;
        let mut socket = opened(&server).await;
        socket.say("4abc").await;
        assert_eq!(socket.hear().await, Heard::Close(1005));
    }

    #[tokio::test]
    async fn should_close_the_connection_if_no_handshake_is_received() {
        let server = harness::start().await;
        let mut socket = opened(&server).await;
        // Pings are answered here, so that it is not their timeout that ends it.
        assert_eq!(socket.text_or_end().await, None);
    }
}

mod disconnect {
    use super::*;

    #[tokio::test]
    async fn should_disconnect_from_the_main_namespace() {
        let server = harness::start().await;
        let mut socket = init_socket_io_connection(&server).await;
        socket.say("41").await;
        socket.hears("2").await;
    }

    #[tokio::test]
    async fn should_connect_then_disconnect_from_a_custom_namespace() {
        let server = harness::start().await;
        let mut socket = init_socket_io_connection(&server).await;
        socket.hears("2").await;
        socket.say("3").await;
        socket.say("40/custom").await;
        assert!(socket.text().await.starts_with("40/custom,{"));
        assert_eq!(socket.text().await, r#"42/custom,["auth",{}]"#);
        socket.say("41/custom").await;
        socket
            .say(r#"42["message","message to main namespace"]"#)
            .await;
        assert_eq!(
            socket.text().await,
            r#"42["message-back","message to main namespace"]"#
        );
    }
}

mod message {
    use super::*;

    #[tokio::test]
    async fn should_send_a_plain_text_packet() {
        let server = harness::start().await;
        let mut socket = init_socket_io_connection(&server).await;
        socket.say(r#"42["message",1,"2",{"3":[true]}]"#).await;
        assert_eq!(
            socket.text().await,
            r#"42["message-back",1,"2",{"3":[true]}]"#
        );
    }

    /// Says an event of two attachments and hears it back.
    async fn echoes_attachments(say: &str, hear: &str) {
        let server = harness::start().await;
        let mut socket = init_socket_io_connection(&server).await;
        socket.say(say).await;
        socket.say_binary(&[1, 2, 3]).await;
        socket.say_binary(&[4, 5, 6]).await;
        assert_eq!(socket.text().await, hear);
        assert_eq!(socket.hear().await, Heard::Binary(vec![1, 2, 3]));
        assert_eq!(socket.hear().await, Heard::Binary(vec![4, 5, 6]));
    }

    #[tokio::test]
    async fn should_send_a_packet_with_binary_attachments() {
        echoes_attachments(
            r#"452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
            r#"452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
        )
        .await;
    }

    #[tokio::test]
    async fn should_send_a_plain_text_packet_with_an_ack() {
        let server = harness::start().await;
        let mut socket = init_socket_io_connection(&server).await;
        socket
            .say(r#"42456["message-with-ack",1,"2",{"3":[false]}]"#)
            .await;
        assert_eq!(socket.text().await, r#"43456[1,"2",{"3":[false]}]"#);
    }

    #[tokio::test]
    async fn should_send_a_packet_with_binary_attachments_and_an_ack() {
        echoes_attachments(
            r#"452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
            r#"462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
        )
        .await;
    }

    async fn should_close(packets: &[&'static str]) {
        let server = harness::start().await;
        let mut socket = init_socket_io_connection(&server).await;
        for packet in packets {
            match packet.strip_prefix("binary ") {
                Some(bytes) => socket.say_binary(bytes.as_bytes()).await,
                None => socket.say(packet).await,
            }
        }
        assert_eq!(socket.hear().await, Heard::Close(1005), "{packets:?}");
    }

    #[tokio::test]
    async fn should_close_the_connection_upon_invalid_format_unknown_packet_type() {
        should_close(&["4abc"]).await;
    }

    #[tokio::test]
    async fn should_close_the_connection_upon_invalid_format_invalid_payload_format() {
        should_close(&["42{}"]).await;
    }

    #[tokio::test]
    async fn should_close_the_connection_upon_invalid_format_invalid_ack_id() {
        should_close(&[r#"42abc["message-with-ack",1,"2",{"3":[false]}]"#]).await;
    }

    /// Not of the suite: binary where none is due, text where binary is, and placeholders that lead nowhere.
    #[tokio::test]
    async fn should_close_the_connection_upon_attachments_out_of_place() {
        const ONE: &str = r#"451-["message",{"_placeholder":true,"num":0}]"#;
        should_close(&["binary x"]).await;
        should_close(&[ONE, r#"42["message"]"#]).await;
        should_close(&[
            r#"451-["message",{"_placeholder":true,"num":1}]"#,
            "binary x",
        ])
        .await;
        should_close(&[
            r#"451-["message",{"_placeholder":true,"num":"0"}]"#,
            "binary x",
        ])
        .await;
        should_close(&[r#"4511-["message"]"#]).await;
    }

    /// Not of the suite: what a peer may say without being cut off.
    #[tokio::test]
    async fn should_echo_what_no_parser_of_values_would_take() {
        let server = harness::start().await;
        let mut socket = init_socket_io_connection(&server).await;
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for args in [
            r#""\ud800""#,
            "1e999",
            deep.as_str(),
            r#"{"_placeholder":true,"num":0}"#,
        ] {
            socket.say(&format!("42[\"message\",{args}]")).await;
            assert_eq!(socket.text().await, format!("42[\"message-back\",{args}]"));
        }
        for ignored in [
            r#"42["unknown"]"#,
            "42[1,2]",
            r#"42["error"]"#,
            r#"42["__proto__"]"#,
            "4399[1]",
        ] {
            socket.say(ignored).await;
        }
        socket.say(r#"42["message"]"#).await;
        assert_eq!(socket.text().await, r#"42["message-back"]"#);
    }
}
