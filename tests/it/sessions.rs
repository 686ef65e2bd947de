//! Sessions as their clients see them: polling, WebSocket, the upgrade between them, and the rules
//! of both.

use std::time::Duration;

use chatd::config::Config;
use chatd::transport::{EngineConfig, Heartbeat};
use chatd::web::Origins;
use serde_json::json;

use crate::support::{Heard, Reply, TestServer, config, soon};

const PATH: &str = "/socket.io/?EIO=4&transport=polling";

/// Opens a polling session and gives its path.
async fn open(server: &TestServer) -> String {
    let reply = server.send("GET", PATH, None, "").await;
    assert_eq!(reply.headers["content-type"], "text/plain; charset=UTF-8");
    let handshake: serde_json::Value =
        serde_json::from_str(reply.body.strip_prefix('0').unwrap()).unwrap();
    let keys: Vec<&String> = handshake.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "maxPayload",
            "pingInterval",
            "pingTimeout",
            "sid",
            "upgrades"
        ]
    );
    assert_eq!(handshake["upgrades"], json!(["websocket"]));
    format!("{PATH}&sid={}", handshake["sid"].as_str().unwrap())
}

/// Opens a polling session of somebody who has joined.
async fn join(server: &TestServer, name: &str) -> String {
    let person = server.register(name).await;
    let path = open(server).await;
    post(
        server,
        &path,
        &format!("40{{\"token\":\"{}\"}}", person.token),
    )
    .await;
    assert!(
        server
            .send("GET", &path, None, "")
            .await
            .body
            .starts_with("40{\"sid\"")
    );
    path
}

async fn post(server: &TestServer, path: &str, body: &str) {
    let reply = server.send("POST", path, None, body).await;
    assert_eq!(
        (reply.status.as_u16(), reply.body.as_str()),
        (200, "ok"),
        "{body}"
    );
}

fn assert_unknown(reply: &Reply) {
    assert_eq!(
        (reply.status.as_u16(), reply.body.as_str()),
        (400, r#"{"code":1,"message":"Session ID unknown"}"#)
    );
}

/// It was spoken to before its handshake had left, and took what came first for the handshake.
#[tokio::test]
async fn a_session_that_is_spoken_to_while_it_opens_hears_its_handshake_first() {
    let server = crate::harness::greeting().await;
    let path = "/engine.io/?EIO=4&transport=websocket";
    let mut wire = server.wire(path).await;
    let handshake = wire.text().await;
    assert!(handshake.starts_with("0{"), "{handshake}");
    wire.hears("4hi").await;
}

#[tokio::test]
async fn two_people_chat_by_polling_alone() {
    let server = TestServer::start().await;
    let (ada, bob) = (join(&server, "ada").await, join(&server, "bob").await);
    let (heard, ()) = tokio::join!(
        server.send("GET", &bob, None, ""),
        post(
            &server,
            &ada,
            r#"421["send_message",{"receiver_id":2,"content":"Halo!"}]"#
        ),
    );
    assert!(
        heard
            .body
            .starts_with(r#"42["receive_message",{"id":1,"sender_id":1,"#),
        "{}",
        heard.body
    );
    let answered = server.send("GET", &ada, None, "").await.body;
    let packets: Vec<&str> = answered.split('\u{1e}').collect();
    assert!(packets[0].starts_with(r#"42["message_sent""#), "{answered}");
    if let Some(ack) = packets.get(1) {
        assert!(ack.starts_with("431["), "{answered}");
    }
    server.stop().await;
}

#[tokio::test]
async fn requests_against_the_rules_are_refused_in_the_references_words() {
    let server = TestServer::start().await;
    let live = open(&server).await;
    for (method, path, code, message) in [
        ("GET", "/socket.io/", 0, "Transport unknown"),
        (
            "GET",
            "/socket.io/?EIO=4&transport=pigeon",
            0,
            "Transport unknown",
        ),
        (
            "GET",
            "/socket.io/?EIO=4&transport=polling&transport=__proto__",
            0,
            "Transport unknown",
        ),
        (
            "GET",
            "/socket.io/?EIO=4&transport=polling&sid=nope",
            1,
            "Session ID unknown",
        ),
        (
            "GET",
            "/socket.io/?EIO=3&transport=polling&sid=nope",
            1,
            "Session ID unknown",
        ),
        (
            "POST",
            "/socket.io/?EIO=4&transport=polling",
            2,
            "Bad handshake method",
        ),
        (
            "GET",
            "/socket.io/?EIO=4&transport=websocket",
            3,
            "Bad request",
        ),
        (
            "GET",
            "/socket.io/?EIO=3&transport=polling",
            5,
            "Unsupported protocol version",
        ),
        (
            "GET",
            "/socket.io/?transport=polling",
            5,
            "Unsupported protocol version",
        ),
        ("GET", &*live.replace("EIO=4", "EIO=3"), 3, "Bad request"),
        (
            "GET",
            &*live.replace("transport=polling", "transport=websocket"),
            3,
            "Bad request",
        ),
        ("PUT", &*live, 3, "Bad request"),
    ] {
        let reply = server.send(method, path, None, "").await;
        assert_eq!(reply.status.as_u16(), 400, "{path}");
        assert_eq!(
            reply.body,
            format!(r#"{{"code":{code},"message":"{message}"}}"#),
            "{method} {path}"
        );
        assert_eq!(reply.headers["content-type"], "application/json");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_malformed_packet_ends_its_own_session_and_no_other() {
    let server = TestServer::start().await;
    let other = open(&server).await;
    for body in [
        "",
        "7",
        "2",
        "4\u{1e}",
        "\u{1e}4",
        "42[\"before CONNECT\"]",
        "bad",
        "40{",
        "44{}",
    ] {
        let path = open(&server).await;
        let reply = server.send("POST", &path, None, body).await;
        assert_eq!(
            (reply.status.as_u16(), reply.body.as_str()),
            (400, ""),
            "{body:?}"
        );
        assert_unknown(&server.send("GET", &path, None, "").await);
    }
    post(&server, &other, "40").await;
    assert!(
        server
            .send("GET", &other, None, "")
            .await
            .body
            .starts_with("44{")
    );
    server.stop().await;
}

#[tokio::test]
async fn a_second_request_of_a_kind_ends_the_session() {
    let server = TestServer::start().await;
    let path = open(&server).await;
    let (first, second) = tokio::join!(
        server.send("GET", &path, None, ""),
        server.send("GET", &path, None, "")
    );
    let mut statuses = [
        (first.status.as_u16(), first.body),
        (second.status.as_u16(), second.body),
    ];
    statuses.sort();
    assert_eq!(statuses, [(200, "1".into()), (400, String::new())]);
    assert_unknown(&server.send("GET", &path, None, "").await);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_closes_gets_a_noop_and_is_forgotten() {
    let server = TestServer::start().await;
    let path = open(&server).await;
    let (polled, ()) = tokio::join!(
        server.send("GET", &path, None, ""),
        post(&server, &path, "1")
    );
    assert!(
        ["6", ""].contains(&polled.body.as_str()) || polled.body.contains("Session ID"),
        "{}",
        polled.body
    );
    assert_unknown(&server.send("GET", &path, None, "").await);
    server.stop().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_session_lives() {
    let config = Config {
        engine: EngineConfig {
            max_payload: 2_000,
            ..EngineConfig::default()
        },
        ..config()
    };
    let server = TestServer::with(config).await;
    let path = join(&server, "ada").await;
    let exactly = format!("42[\"x\",\"{}\"]", "x".repeat(2_000 - 9));
    assert_eq!(exactly.len(), 2_001);
    let reply = server.send("POST", &path, None, &exactly).await;
    assert_eq!((reply.status.as_u16(), reply.body.as_str()), (413, ""));
    post(&server, &path, &exactly.replacen("xx", "x", 1)).await;
    server.stop().await;
}

#[tokio::test]
async fn a_session_moves_to_a_websocket_and_loses_nothing() {
    let server = TestServer::start().await;
    let path = join(&server, "ada").await;
    let bob = server.register("bob").await;
    let mut sender = server.connect(&bob).await;
    let sid = path.split("sid=").last().unwrap();
    let mut socket = server.websocket(&format!("&sid={sid}")).await;
    socket.say("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    for _ in 0..2 {
        assert_eq!(
            server.send("GET", &path, None, "").await.body,
            "6",
            "a poll while probing does not wait"
        );
    }
    sender
        .call(
            1,
            "send_message",
            json!({"receiver_id": 1, "content": "by polling"}),
        )
        .await;
    assert!(
        server
            .send("GET", &path, None, "")
            .await
            .body
            .contains("by polling")
    );
    sender
        .call(
            2,
            "send_message",
            json!({"receiver_id": 1, "content": "between"}),
        )
        .await;
    socket.say("5").await;
    assert_eq!(socket.expect("receive_message").await["content"], "between");
    sender
        .call(
            3,
            "send_message",
            json!({"receiver_id": 1, "content": "after"}),
        )
        .await;
    assert_eq!(socket.expect("receive_message").await["content"], "after");
    let reply = server.send("GET", &path, None, "").await;
    assert_eq!(
        reply.body, r#"{"code":3,"message":"Bad request"}"#,
        "polling is over"
    );
    let mut second = server.websocket(&format!("&sid={sid}")).await;
    assert_eq!(second.close_code().await, 1005);
    let (ack, _) = socket
        .call(4, "presence_subscribe", json!({"user_ids": []}))
        .await;
    assert_eq!(ack["success"], true, "the first WebSocket is untouched");
    server.stop().await;
}

/// A stock client whose poll was ended for the upgrade, and whose WebSocket then closed before it
/// took over, did nothing until its pings failed 45 s later.
#[tokio::test]
async fn a_server_that_stops_amid_an_upgrade_lets_the_client_finish_and_hear_its_last_words() {
    let server = TestServer::start().await;
    let path = join(&server, "ada").await;
    let bob = server.register("bob").await;
    let mut sender = server.connect(&bob).await;
    let sid = path.split("sid=").last().unwrap();
    let mut socket = server.websocket(&format!("&sid={sid}")).await;
    socket.say("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    assert_eq!(server.send("GET", &path, None, "").await.body, "6");
    sender
        .call(
            1,
            "send_message",
            json!({"receiver_id": 1, "content": "last"}),
        )
        .await;
    tokio::join!(server.stop(), async {
        assert_eq!(sender.close_code().await, 1005, "the server is stopping");
        socket.say("5").await;
        assert_eq!(socket.expect("receive_message").await["content"], "last");
        assert_eq!(socket.close_code().await, 1005);
    });
}

#[tokio::test]
async fn a_failed_probe_leaves_the_session_to_polling() {
    let server = TestServer::start().await;
    let path = open(&server).await;
    let query = format!("&sid={}", path.split("sid=").last().unwrap());
    for first in ["4hello", "2foo", "1"] {
        let mut socket = server.websocket(&query).await;
        socket.say(first).await;
        assert_eq!(socket.close_code().await, 1005, "{first}");
    }
    post(&server, &path, "40").await;
    assert!(
        server
            .send("GET", &path, None, "")
            .await
            .body
            .starts_with("44{")
    );
    server.stop().await;
}

#[tokio::test]
async fn a_websocket_is_closed_with_the_right_code() {
    let config = Config {
        engine: EngineConfig {
            max_payload: 2_000,
            ..EngineConfig::default()
        },
        ..config()
    };
    let server = TestServer::with(config).await;
    for (name, say, code) in [
        ("no packet", "9", 1005),
        ("an empty packet", "", 1005),
        ("a ping from a client", "2", 1005),
        ("a close packet", "1", 1005),
        ("an event before CONNECT", "42[\"x\"]", 1005),
        (
            "a message over the limit",
            &*format!("4{}", "x".repeat(2_000)),
            1009,
        ),
    ] {
        let mut socket = server.websocket("").await;
        socket.text().await;
        socket.say(say).await;
        assert_eq!(socket.close_code().await, code, "{name}");
    }
    let mut socket = server.websocket("").await;
    socket.text().await;
    socket.say_binary(&[1, 2, 3]).await;
    assert_eq!(
        socket.close_code().await,
        1005,
        "binary that no event announced"
    );
    server.stop().await;
}

#[tokio::test]
async fn silence_ends_a_session_on_both_transports() {
    let heartbeat = Heartbeat {
        interval: Duration::from_millis(50),
        timeout: Duration::from_millis(50),
    };
    let config = Config {
        engine: EngineConfig {
            heartbeat,
            ..EngineConfig::default()
        },
        ..config()
    };
    let server = TestServer::with(config).await;
    let path = open(&server).await;
    assert_eq!(server.send("GET", &path, None, "").await.body, "2");
    assert_eq!(server.send("GET", &path, None, "").await.body, "1");
    assert_unknown(&server.send("GET", &path, None, "").await);
    let mut socket = server.websocket("").await;
    assert_eq!(socket.close_code().await, 1005);
    server.stop().await;
}

#[tokio::test]
async fn a_session_that_joins_nothing_is_closed() {
    let io = chatd::hub::IoConfig {
        connect_timeout: Duration::from_millis(50),
        ..chatd::hub::IoConfig::default()
    };
    let server = TestServer::with(Config { io, ..config() }).await;
    let ada = server.register("ada").await;
    let mut joined = server.connect(&ada).await;
    let mut socket = server.websocket("").await;
    socket.text().await;
    socket.say("40").await;
    assert!(socket.text().await.starts_with("44{"));
    assert_eq!(socket.close_code().await, 1005, "a refusal is no joining");
    let path = open(&server).await;
    assert_eq!(server.send("GET", &path, None, "").await.body, "1");
    let (ack, _) = joined
        .call(1, "presence_subscribe", json!({"user_ids": []}))
        .await;
    assert_eq!(ack["success"], true, "one that joined stays");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_others_hear_on() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut stalled = server.connect(&bob).await;
    let (mut sender, mut reader) = (server.connect(&ada).await, server.connect(&bob).await);
    let content = "x".repeat(4_000);
    let (heard, ()) = tokio::join!(
        async {
            // The last message says that all were heard.
            let mut heard = 0;
            while reader.expect("receive_message").await["content"] != "last" {
                heard += 1;
            }
            heard
        },
        async {
            // More than the socket buffers of both ends and two outboxes hold.
            for number in 0..5_000 {
                sender
                    .call(
                        number,
                        "send_message",
                        json!({"receiver_id": bob.id, "content": content}),
                    )
                    .await;
            }
            sender
                .call(
                    5_000,
                    "send_message",
                    json!({"receiver_id": bob.id, "content": "last"}),
                )
                .await;
        },
    );
    assert_eq!(heard, 5_000);
    let mut read = 0;
    while stalled.text_or_end().await.is_some() {
        read += 1;
    }
    assert!(
        read < 5_000,
        "the stalled client was sent everything, so nothing was bounded"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_full_answers_503_and_takes_the_next_when_one_has_gone() {
    let config = Config {
        engine: EngineConfig {
            max_sessions: 2,
            ..EngineConfig::default()
        },
        ..config()
    };
    let server = TestServer::with(config).await;
    let path = open(&server).await;
    let _socket = server.websocket("").await;
    let refused = server.send("GET", PATH, None, "").await;
    assert_eq!(
        (
            refused.status.as_u16(),
            refused.headers["retry-after"].to_str().unwrap()
        ),
        (503, "5")
    );
    assert_eq!(
        server
            .try_wire("/socket.io/?EIO=4&transport=websocket")
            .await
            .err(),
        Some(503)
    );
    post(&server, &path, "1").await;
    assert_eq!(server.send("GET", &path, None, "").await.body, "6");
    open(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_strangers_page_may_not_connect_and_a_listed_one_may() {
    let origins = Origins::new(["https://app.example.org".to_owned()]).unwrap();
    let config = Config {
        engine: EngineConfig {
            origins,
            ..EngineConfig::default()
        },
        ..config()
    };
    let server = TestServer::with(config).await;
    let own = format!("http://{}", server.address);
    for (origin, refused) in [
        (None, None),
        (Some(own.as_str()), None),
        (Some("https://app.example.org"), None),
        (Some("https://evil.example.net"), Some(400)),
    ] {
        let connected = server
            .try_wire_from("/socket.io/?EIO=4&transport=websocket", origin)
            .await;
        assert_eq!(connected.err(), refused, "{origin:?}");
    }
    for (method, path, status) in [
        ("GET", PATH, 200),
        ("GET", "/socket.io/?EIO=4", 400),
        ("GET", "/api/server", 200),
        ("GET", "/api/chats", 401),
        ("OPTIONS", PATH, 204),
        ("OPTIONS", "/api/chats/1/read", 204),
    ] {
        let ask = |origin: &'static str| {
            let request = hyper::Request::builder()
                .method(method)
                .uri(path)
                .header("host", "x");
            let request = request
                .header("origin", origin)
                .header("access-control-request-method", "PATCH");
            request
                .header("access-control-request-headers", "authorization")
                .body(Default::default())
                .unwrap()
        };
        let listed = server.request(ask("https://app.example.org")).await;
        assert_eq!(listed.status.as_u16(), status, "{method} {path}");
        assert_eq!(
            listed.headers["access-control-allow-origin"], "https://app.example.org",
            "{path}"
        );
        assert_eq!(listed.headers["access-control-allow-credentials"], "true");
        assert!(
            listed
                .headers
                .get_all("vary")
                .iter()
                .any(|vary| vary == "origin")
        );
        if method == "OPTIONS" {
            assert_eq!(
                listed.headers["access-control-allow-headers"],
                "authorization"
            );
        }
        let foreign = server.request(ask("https://evil.example.net")).await;
        assert!(
            !foreign.headers.contains_key("access-control-allow-origin"),
            "{path}"
        );
    }
    server.stop().await;
}

/// A browser kept from an allowed page how long it was to wait.
#[tokio::test]
async fn an_allowed_page_may_read_how_long_it_is_to_wait() {
    let origins = Origins::new(["https://app.example.org".to_owned()]).unwrap();
    let engine = EngineConfig {
        origins,
        ..EngineConfig::default()
    };
    let server = TestServer::with(Config { engine, ..config() }).await;
    for (origin, is_told) in [
        ("https://app.example.org", true),
        ("https://evil.example.net", false),
    ] {
        for path in [PATH, "/api/server", "/api/chats"] {
            let request = hyper::Request::builder().uri(path).header("host", "x");
            let request = request.header("origin", origin).body(Default::default());
            let reply = server.request(request.unwrap()).await;
            let exposed = reply.headers.get("access-control-expose-headers");
            let exposed = exposed.map(|names| names.to_str().unwrap());
            let is_there = exposed.is_some_and(|names| names.contains("retry-after"));
            assert_eq!(is_there, is_told, "{origin} {path}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_flood_of_empty_fragments_closes_its_own_connection_and_starves_nobody() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    let mut other = server.connect(&ada).await;
    let mut flood = server.raw_websocket().await;
    // One text frame that is not final, then empty continuations without end.
    let mut frames = vec![0x01, 0x80, 0, 0, 0, 0];
    frames.extend([0x00, 0x80, 0, 0, 0, 0].repeat(2_000));
    let closed = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while flood.write_all(&frames).await.is_ok() {}
    });
    for number in 0..100 {
        let (ack, _) = other
            .call(number, "presence_subscribe", json!({"user_ids": []}))
            .await;
        assert_eq!(ack["success"], true);
    }
    soon(closed).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn text_that_is_no_utf_8_is_closed_with_1007_and_a_torn_frame_with_1002() {
    let server = TestServer::start().await;
    for (frame, code) in [
        (&[0x81_u8, 0x82, 0, 0, 0, 0, 0xff, 0xfe][..], 1007_u16),
        (&[0xc1, 0x80, 0, 0, 0, 0], 1002),
        (&[0x81, 0x01, b'4'], 1002),
    ] {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = server.raw_websocket().await;
        stream.write_all(frame).await.unwrap();
        let mut heard = Vec::new();
        soon(stream.read_to_end(&mut heard)).await.unwrap();
        let close = [&[0x88, 2][..], &code.to_be_bytes()].concat();
        assert!(heard.ends_with(&close), "{frame:x?}: {heard:x?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn every_event_of_a_burst_is_answered_without_another_one_having_to_come() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    let mut wire = server.connect(&ada).await;
    // One turn reads 64 messages; where the 64th ends within the reader's buffer, that holds the
    // last ones whole.
    for count in 60..=140 {
        wire.say_at_once((0..count).map(|id| format!("42{id}[\"nobody knows this\"]")))
            .await;
        for id in 0..count {
            // A ping instead would be what woke the server up.
            let heard = wire.hear().await;
            let is_ack =
                matches!(&heard, Heard::Text(text) if text.starts_with(&format!("43{id}[")));
            assert!(is_ack, "{id} of {count}: {heard:?}");
        }
    }
    server.stop().await;
}
