//! Two people talk: the six events of clients, their acks, and who hears what.

use chatd::contract::Code;
use serde_json::{Value, json};

use crate::support::TestServer;

/// The code of an ack that failed.
fn code(ack: &Value) -> &str {
    assert_eq!(ack["success"], false, "{ack}");
    ack["error"]["code"].as_str().unwrap()
}

#[tokio::test]
async fn a_receiver_hears_what_a_sender_sends() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let (mut ada_socket, mut bob_socket) = (server.connect(&ada).await, server.connect(&bob).await);
    let message = json!({"receiver_id": bob.id, "content": "Halo! 👋", "client_id": "c-1"});
    let (ack, before) = ada_socket.call(1, "send_message", message).await;
    let data = &ack["data"];
    assert_eq!(
        before,
        [json!(["message_sent", data, before[0][2]])],
        "the sender's own socket hears of it too"
    );
    assert!(before[0][2].is_string(), "its cursor");
    assert_eq!(data["client_id"], "c-1");
    let heard = bob_socket.expect("receive_message").await;
    assert_eq!(
        heard,
        json!({"id": data["id"], "sender_id": ada.id, "receiver_id": bob.id, "content": "Halo! 👋", "created_at": data["created_at"]})
    );
    server.stop().await;
}

#[tokio::test]
async fn every_socket_of_both_people_hears_and_a_repeated_client_id_is_told_to_its_socket_alone() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let (mut one, mut two) = (server.connect(&ada).await, server.connect(&ada).await);
    let (mut three, mut four) = (server.connect(&bob).await, server.connect(&bob).await);
    let message = json!({"receiver_id": bob.id.to_string(), "content": "x", "client_id": "c"});
    let (first, _) = one.call(1, "send_message", message.clone()).await;
    assert_eq!(two.expect("message_sent").await, first["data"]);
    assert_eq!(
        three.expect("receive_message").await["id"],
        first["data"]["id"]
    );
    let (again, before) = two.call(1, "send_message", message).await;
    assert_eq!(again, first);
    assert_eq!(
        before,
        [json!(["message_sent", first["data"]])],
        "without a cursor: this is not its place"
    );
    // The next thing that the others hear is the next message.
    let (second, before) = one
        .call(
            2,
            "send_message",
            json!({"receiver_id": bob.id, "content": "y"}),
        )
        .await;
    assert_eq!(
        before,
        [json!(["message_sent", second["data"], before[0][2]])]
    );
    assert_eq!(
        three.expect("receive_message").await["id"],
        second["data"]["id"]
    );
    assert_eq!(
        four.expect("receive_message").await["id"],
        first["data"]["id"]
    );
    assert_eq!(
        four.expect("receive_message").await["id"],
        second["data"]["id"]
    );
    server.stop().await;
}

#[tokio::test]
async fn reads_are_told_to_the_sender_and_to_the_readers_other_sockets() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut sender = server.connect(&ada).await;
    let (mut reader, mut other) = (server.connect(&bob).await, server.connect(&bob).await);
    let mut ids = Vec::new();
    for number in 0..3 {
        let (ack, _) = sender
            .call(
                number,
                "send_message",
                json!({"receiver_id": bob.id, "content": "x"}),
            )
            .await;
        ids.push(ack["data"]["id"].clone());
        reader.expect("receive_message").await;
        other.expect("receive_message").await;
    }
    let read = |id: &Value| json!({"message_id": id, "user_id": bob.id});
    let (ack, before) = reader
        .call(1, "mark_as_read", json!({"message_id": ids[0]}))
        .await;
    assert_eq!(
        (ack, before),
        (
            json!({"success": true, "data": {"message_id": ids[0]}}),
            vec![]
        )
    );
    assert_eq!(sender.expect("messege_read").await, read(&ids[0]));
    assert_eq!(other.expect("messege_read").await, read(&ids[0]));
    let (ack, before) = reader.call(2, "messege_read", read(&ids[0])).await;
    assert_eq!(
        (ack["success"].clone(), before),
        (json!(true), vec![]),
        "again is as good as once"
    );
    let (ack, before) = reader
        .call(
            3,
            "mark_chat_as_read",
            json!({"user_id": ada.id, "up_to": ids[1]}),
        )
        .await;
    assert_eq!(
        (ack["data"].clone(), before),
        (json!({"user_id": ada.id, "count": 1}), vec![])
    );
    let chat_read = json!({"reader_id": bob.id, "peer_id": ada.id, "up_to": ids[1]});
    for socket in [&mut sender, &mut other] {
        assert_eq!(socket.expect("chat_read").await, chat_read);
        assert_eq!(socket.expect("messege_read").await, read(&ids[1]));
    }
    let (ack, _) = reader
        .call(4, "mark_chat_as_read", json!({"user_id": ada.id}))
        .await;
    assert_eq!(ack["data"]["count"], 1);
    server.stop().await;
}

#[tokio::test]
async fn typing_reaches_the_receiver_and_presence_its_subscribers() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut watcher = server.connect(&ada).await;
    let (ack, _) = watcher
        .call(
            1,
            "presence_subscribe",
            json!({"user_ids": [bob.id, 99, bob.id]}),
        )
        .await;
    assert_eq!(
        ack["data"]["users"],
        json!([{"user_id": bob.id, "online": false, "last_seen": null}])
    );
    let mut socket = server.connect(&bob).await;
    assert_eq!(
        watcher.expect("presence").await,
        json!({"user_id": bob.id, "online": true, "last_seen": null})
    );
    let (ack, _) = socket
        .call(
            1,
            "typing",
            json!({"receiver_id": ada.id, "is_typing": true}),
        )
        .await;
    assert_eq!(ack, json!({"success": true, "data": {}}));
    assert_eq!(
        watcher.expect("typing").await,
        json!({"user_id": bob.id, "is_typing": true})
    );
    let second = server.connect(&bob).await;
    drop(second);
    drop(socket);
    let gone = watcher.expect("presence").await;
    assert_eq!(
        (gone["online"].clone(), gone["last_seen"].is_string()),
        (json!(false), true)
    );
    let (ack, _) = watcher
        .call(2, "presence_subscribe", json!({"user_ids": []}))
        .await;
    assert_eq!(ack["data"]["users"], json!([]));
    let mut back = server.connect(&bob).await;
    back.call(
        1,
        "typing",
        json!({"receiver_id": ada.id, "is_typing": false}),
    )
    .await;
    assert_eq!(
        watcher.event().await[0],
        "typing",
        "an earlier subscription is replaced"
    );
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_acked_with_its_code_and_the_key() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut socket = server.connect(&ada).await;
    let (sent, _) = socket
        .call(
            0,
            "send_message",
            json!({"receiver_id": bob.id, "content": "x", "client_id": "c"}),
        )
        .await;
    let id = &sent["data"]["id"];
    let invalid = Code::InvalidPayload;
    let many: Vec<u64> = (1..=501).collect();
    for (number, (event, payload, wanted, key)) in [
        ("send_message", json!(null), invalid, "object"),
        ("send_message", json!([]), invalid, "object"),
        (
            "send_message",
            json!({"content": "x"}),
            invalid,
            "receiver_id",
        ),
        (
            "send_message",
            json!({"receiver_id": "two", "content": "x"}),
            invalid,
            "receiver_id",
        ),
        (
            "send_message",
            json!({"receiver_id": 0, "content": "x"}),
            invalid,
            "receiver_id",
        ),
        (
            "send_message",
            json!({"receiver_id": bob.id}),
            invalid,
            "content",
        ),
        (
            "send_message",
            json!({"receiver_id": bob.id, "content": 5}),
            invalid,
            "content",
        ),
        (
            "send_message",
            json!({"receiver_id": bob.id, "content": "x", "client_id": ""}),
            invalid,
            "client_id",
        ),
        (
            "send_message",
            json!({"receiver_id": bob.id, "content": "x", "client_id": 7}),
            invalid,
            "client_id",
        ),
        (
            "send_message",
            json!({"receiver_id": bob.id, "content": " \n"}),
            Code::EmptyMessage,
            "",
        ),
        (
            "send_message",
            json!({"receiver_id": bob.id, "content": "é".repeat(4_001)}),
            Code::MessageTooLong,
            "4001",
        ),
        (
            "send_message",
            json!({"receiver_id": ada.id, "content": "x"}),
            Code::InvalidReceiver,
            "",
        ),
        (
            "send_message",
            json!({"receiver_id": 99, "content": "x"}),
            Code::NotFound,
            "",
        ),
        (
            "send_message",
            json!({"receiver_id": bob.id, "content": "y", "client_id": "c"}),
            Code::ClientIdReused,
            "",
        ),
        (
            "mark_chat_as_read",
            json!({"user_id": ada.id}),
            Code::InvalidReceiver,
            "user_id must be",
        ),
        (
            "typing",
            json!({"receiver_id": ada.id, "is_typing": true}),
            Code::InvalidReceiver,
            "receiver_id must be",
        ),
        ("mark_as_read", json!({}), invalid, "message_id"),
        (
            "mark_as_read",
            json!({"message_id": id}),
            Code::Forbidden,
            "",
        ),
        (
            "mark_as_read",
            json!({"message_id": 99}),
            Code::NotFound,
            "",
        ),
        (
            "messege_read",
            json!({"message_id": id}),
            invalid,
            "user_id",
        ),
        (
            "messege_read",
            json!({"message_id": id, "user_id": bob.id}),
            Code::Forbidden,
            "user_id",
        ),
        (
            "mark_chat_as_read",
            json!({"user_id": 99}),
            Code::NotFound,
            "",
        ),
        (
            "mark_chat_as_read",
            json!({"user_id": bob.id, "up_to": "x"}),
            invalid,
            "up_to",
        ),
        (
            "typing",
            json!({"receiver_id": bob.id}),
            invalid,
            "is_typing",
        ),
        (
            "typing",
            json!({"receiver_id": bob.id, "is_typing": "yes"}),
            invalid,
            "is_typing",
        ),
        (
            "presence_subscribe",
            json!({"user_ids": 2}),
            invalid,
            "user_ids",
        ),
        (
            "presence_subscribe",
            json!({"user_ids": many}),
            invalid,
            "user_ids",
        ),
        ("no_such_event", json!({}), invalid, "unknown event"),
    ]
    .into_iter()
    .enumerate()
    {
        let (ack, _) = socket
            .call(u32::try_from(number).unwrap() + 1, event, payload.clone())
            .await;
        assert_eq!(code(&ack), wanted.as_str(), "{event} {payload}");
        assert!(
            ack["error"]["message"].as_str().unwrap().contains(key),
            "{event} {payload}: {ack}"
        );
    }
    // An event without any argument, and one whose text is half a surrogate pair.
    socket.say(r#"4290["send_message"]"#).await;
    assert!(
        socket
            .text()
            .await
            .starts_with(r#"4390[{"success":false,"error":{"code":"invalid_payload""#)
    );
    socket
        .say(&format!(
            r#"4291["send_message",{{"receiver_id":{},"content":"\ud800"}}]"#,
            bob.id
        ))
        .await;
    assert!(socket.text().await.starts_with(
        r#"4391[{"success":false,"error":{"code":"invalid_payload","message":"content"#
    ));
    server.stop().await;
}

#[tokio::test]
async fn a_failing_event_without_a_callback_is_told_by_chat_error() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    let mut socket = server.connect(&ada).await;
    socket
        .say(r#"42["send_message",{"receiver_id":99,"content":"x","client_id":"c-9"}]"#)
        .await;
    let error = socket.expect("chat_error").await;
    assert_eq!(
        (&error["event"], &error["code"], &error["client_id"]),
        (&json!("send_message"), &json!("not_found"), &json!("c-9"))
    );
    // A payload that cannot be read names its message all the same, or its sender could not tell
    // which one failed.
    socket
        .say(r#"42["send_message",{"receiver_id":2,"client_id":"mine"}]"#)
        .await;
    let error = socket.expect("chat_error").await;
    assert_eq!(
        (&error["code"], &error["client_id"]),
        (&json!("invalid_payload"), &json!("mine"))
    );
    socket.say(r#"42["typing",{}]"#).await;
    assert_eq!(socket.expect("chat_error").await["event"], "typing");
    socket.say(r#"42["no_such_event",{}]"#).await;
    let (ack, before) = socket
        .call(1, "presence_subscribe", json!({"user_ids": []}))
        .await;
    assert_eq!(
        (ack["success"].clone(), before),
        (json!(true), vec![]),
        "an unknown event is ignored"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_client_without_a_right_token_is_refused_with_its_code() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    for (connect, refusal) in [
        (
            "40".to_owned(),
            r#"44{"message":"missing token","data":{"code":"missing_token"}}"#,
        ),
        (
            r#"40{"token":""}"#.into(),
            r#"44{"message":"missing token","data":{"code":"missing_token"}}"#,
        ),
        (
            r#"40{"token":null}"#.into(),
            r#"44{"message":"missing token","data":{"code":"missing_token"}}"#,
        ),
        (
            r#"40{"token":"x"}"#.into(),
            r#"44{"message":"invalid token","data":{"code":"invalid_token"}}"#,
        ),
        (
            r#"40{"token":7}"#.into(),
            r#"44{"message":"invalid token","data":{"code":"invalid_token"}}"#,
        ),
        (
            format!("40/other,{{\"token\":\"{}\"}}", ada.token),
            r#"44/other,{"message":"Invalid namespace"}"#,
        ),
    ] {
        let mut socket = server.websocket("").await;
        socket.text().await;
        socket.say(&connect).await;
        assert_eq!(socket.text().await, refusal, "{connect}");
        socket
            .say(&format!("40{{\"token\":\"{}\"}}", ada.token))
            .await;
        assert!(
            socket.text().await.starts_with("40{\"sid\""),
            "a refused client may try again"
        );
    }
    server.stop().await;
}

/// One who said more than is kept was told that their token was missing, and where the handshake
/// had one, was taken for a client of version 1.
#[tokio::test]
async fn a_client_that_says_too_much_of_itself_is_told_so() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    let keys: String = (0..1_024).map(|key| format!("\"x{key}\":1,")).collect();
    let connect = format!("40{{{keys}\"token\":\"{}\",\"v\":2}}", ada.token);
    let bearer = format!("Bearer {}", ada.token);
    let path = "/socket.io/?EIO=4&transport=websocket";
    for headers in [&[][..], &[("authorization", bearer.as_str())]] {
        let mut socket = server.try_wire_with(path, headers).await.unwrap();
        socket.text().await;
        socket.say(&connect).await;
        assert_eq!(
            socket.text().await,
            r#"44{"message":"the payload has more than 1024 keys","data":{"code":"invalid_token"}}"#
        );
    }
    server.stop().await;
}

/// REST took a token after `bearer`, and a handshake only after `Bearer`.
#[tokio::test]
async fn a_handshakes_token_is_taken_however_its_scheme_is_written() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    let path = "/socket.io/?EIO=4&transport=websocket";
    let begins = async |authorization: String| {
        let headers = [("authorization", &*authorization)];
        let mut socket = server.try_wire_with(path, &headers).await.unwrap();
        socket.text().await;
        socket.say("40").await;
        socket.text().await
    };
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let answer = begins(format!("{scheme} {}", ada.token)).await;
        assert!(answer.starts_with("40{\"sid\""), "{scheme}: {answer}");
    }
    for (authorization, code) in [
        ("Basic YWRhOnBhc3N3b3JkMQ==", "missing_token"),
        ("Bearer", "missing_token"),
        ("bearer x", "invalid_token"),
    ] {
        let answer = begins(authorization.to_owned()).await;
        assert!(answer.contains(code), "{authorization}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_crowd_of_senders_is_heard_in_the_order_of_the_history() {
    let server = TestServer::start().await;
    let bob = server.register("bob").await;
    let mut receiver = server.connect(&bob).await;
    let mut senders = tokio::task::JoinSet::new();
    for number in 0..8 {
        let person = server.register(&format!("sender{number}")).await;
        let mut socket = server.connect(&person).await;
        senders.spawn(async move {
            for count in 0..50 {
                socket.say(&json!(["send_message", {"receiver_id": 1, "content": format!("{number}.{count}")}]).to_string().replacen('[', "42[", 1)).await;
            }
            for _ in 0..50 {
                socket.expect("message_sent").await;
            }
        });
    }
    let mut heard = Vec::new();
    for _ in 0..400 {
        heard.push(
            receiver.expect("receive_message").await["id"]
                .as_u64()
                .unwrap(),
        );
    }
    assert!(
        heard.is_sorted_by(|left, right| left < right),
        "ids do not ascend"
    );
    senders.join_all().await;
    let unread = server.get("/api/chats/unread?limit=1000", &bob.token).await;
    let stored: Vec<u64> = unread["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_u64().unwrap())
        .collect();
    assert_eq!(stored, heard);
    server.stop().await;
}

#[tokio::test]
async fn typing_ends_when_the_one_who_types_is_gone_however_that_is() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let eve = server.register("eve").await;
    let (mut hears, mut other) = (server.connect(&bob).await, server.connect(&eve).await);
    let typing = |to: u64, is_typing: bool| json!({"receiver_id": to, "is_typing": is_typing});
    let told = |is_typing: bool| json!({"user_id": ada.id, "is_typing": is_typing});
    for leaves in ["lost", "closes", "leaves"] {
        let mut wire = server.connect(&ada).await;
        wire.call(1, "typing", typing(bob.id, true)).await;
        wire.call(2, "typing", typing(eve.id, true)).await;
        wire.call(3, "typing", typing(eve.id, false)).await;
        match leaves {
            "lost" => drop(wire),
            "closes" => wire.say("1").await,
            _ => wire.say("41").await,
        }
        assert_eq!(hears.expect("typing").await, told(true), "{leaves}");
        assert_eq!(hears.expect("typing").await, told(false), "{leaves}");
        // Whoever was told already is told no second time.
        assert_eq!(other.expect("typing").await, told(true), "{leaves}");
        assert_eq!(other.expect("typing").await, told(false), "{leaves}");
    }
    let mut wire = server.connect(&ada).await;
    wire.call(1, "typing", typing(eve.id, true)).await;
    assert_eq!(other.expect("typing").await, told(true));
    // A revoked token is one way of going.
    let reply = server
        .send("POST", "/api/auth/logout", Some(&ada.token), "")
        .await;
    assert!(reply.status.is_success());
    assert_eq!(other.expect("typing").await, told(false));
}

#[tokio::test]
async fn typing_to_everybody_at_once_ends_with_the_first_of_them() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    let mut wire = server.connect(&ada).await;
    let mut people = Vec::new();
    for number in 0..17 {
        let person = server.register(&format!("person{number}")).await;
        people.push((server.connect(&person).await, person.id));
    }
    for (number, (_, id)) in (0..).zip(&people) {
        let to = json!({"receiver_id": id, "is_typing": true});
        wire.call(number, "typing", to).await;
    }
    let (first, _) = &mut people[0];
    assert_eq!(first.expect("typing").await["is_typing"], true);
    assert_eq!(first.expect("typing").await["is_typing"], false);
    drop(wire);
    for (heard, _) in &mut people[1..] {
        assert_eq!(heard.expect("typing").await["is_typing"], true);
        assert_eq!(heard.expect("typing").await["is_typing"], false);
    }
}
