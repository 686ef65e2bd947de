//! The official Socket.IO protocol suite, revision 5, case by case and by its names, on the
//! namespaces of the harness.

use serde_json::Value;

use crate::harness;
use crate::support::{Heard, Remote, Wire};

#[path = "engine_cases.rs"]
mod engine_cases;

use engine_cases::{get, init_long_polling_session, sid, websocket};

const PATH: &str = "/socket.io/";

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

    /// Not of the suite: binary where none is due, text where binary is, and placeholders that lead
    /// nowhere.
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
