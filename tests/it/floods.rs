//! One bad client against all: packets that cost others something are counted, whatever they are.

use chatd::config::Config;
use chatd::limits::Rates;
use serde_json::{Value, json};

use crate::support::{Person, TestServer, Wire, config};

/// A server with these limits alone.
async fn limited(settings: &[&str]) -> TestServer {
    let mut rates = Rates::off();
    for setting in settings {
        rates.set(setting.parse().unwrap());
    }
    TestServer::with(Config { rates, ..config() }).await
}

async fn session(server: &TestServer) -> Wire {
    let mut wire = server.websocket("").await;
    assert!(wire.text().await.starts_with("0{"));
    wire
}

/// Whether a session that asks for a socket of this person gets one; else it is closed without a
/// word, so that a stock client comes back later.
async fn joins(server: &TestServer, person: &Person) -> Option<Wire> {
    let mut wire = session(server).await;
    wire.say(&format!("40{}", json!({"token": &*person.token})))
        .await;
    let answer = wire.text_or_end().await?;
    assert!(answer.starts_with("40{\"sid\""), "{answer}");
    Some(wire)
}

#[tokio::test]
async fn the_chat_answers_a_binary_event_at_its_header_and_keeps_nothing() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut wire = server.connect(&ada).await;
    let placeholder = json!({"_placeholder": true, "num": 0});
    let message = json!(["send_message", {"receiver_id": bob.id, "content": placeholder}]);
    wire.say(&format!("452-7{message}")).await;
    let ack = wire.text().await;
    let ack: Value = serde_json::from_str(ack.strip_prefix("437").unwrap()).unwrap();
    assert_eq!(ack[0]["error"]["code"], "invalid_payload", "{ack}");
    let why = ack[0]["error"]["message"].as_str().unwrap();
    assert!(why.contains("content"), "it names the key: {why}");
    wire.say_binary(&[7; 10_000]).await;
    wire.say_binary(&[7; 10_000]).await;
    // Without an ack to answer by.
    wire.say(&format!("451-{message}")).await;
    let error = wire.expect("chat_error").await;
    assert_eq!(
        (&error["event"], &error["code"]),
        (&json!("send_message"), &json!("invalid_payload"))
    );
    wire.say_binary(b"x").await;
    wire.say(r#"451-["unknown",{"_placeholder":true,"num":0}]"#)
        .await;
    wire.say_binary(b"x").await;
    // Nor is one half sent that would do without what it brings.
    let message = json!(["send_message", {"receiver_id": bob.id, "content": "x"}, placeholder]);
    wire.say(&format!("451-8{message}")).await;
    assert!(wire.text().await.starts_with(r#"438[{"success":false"#));
    wire.say_binary(b"x").await;
    let text = json!({"receiver_id": bob.id, "content": "text"});
    let (ack, _) = wire.call(9, "send_message", text).await;
    assert_eq!(
        (&ack["success"], &ack["data"]["id"]),
        (&json!(true), &json!(1))
    );
}

#[tokio::test]
async fn connects_of_one_person_are_counted_and_nobody_elses() {
    let server = limited(&["connections=1/h:3"]).await;
    let (ada, bob) = server.two_people().await;
    for _ in 0..3 {
        assert!(joins(&server, &ada).await.is_some());
    }
    assert!(joins(&server, &ada).await.is_none(), "one too many");
    assert!(joins(&server, &bob).await.is_some());
}

/// One client that came back fifty times a second, to be told the same megabytes each time, took a
/// processor from everybody else.
#[tokio::test]
async fn a_client_that_comes_back_counts_by_what_it_is_told() {
    let server = limited(&["connections=1/h:20"]).await;
    let (ada, bob) = server.two_people().await;
    let mut first = session(&server).await;
    let token = &*ada.token;
    first.say(&format!("40{}", json!({"token": token}))).await;
    let welcome = first.text().await;
    let welcome: Value = serde_json::from_str(welcome.strip_prefix("40").unwrap()).unwrap();
    let auth = json!({"token": token, "pid": welcome["pid"]});
    let goes_on = async || {
        let mut wire = session(&server).await;
        wire.say(&format!("40{auth}")).await;
        wire.text_or_end().await.is_some()
    };
    for _ in 0..3 {
        assert!(goes_on().await, "to be told nothing");
    }
    let mut his = server.connect(&bob).await;
    for number in 0..600 {
        let message = json!({"receiver_id": ada.id, "content": "hi"});
        his.call(number, "send_message", message).await;
    }
    let mut times = 0;
    while goes_on().await {
        times += 1;
        assert!(
            times < 4,
            "600 messages count as much as 6 others, and more"
        );
    }
    assert!(times > 0);
}

#[tokio::test]
async fn every_event_of_a_person_is_counted_the_unknown_and_the_unreadable_too() {
    let server = limited(&["requests=1/h:3", "messages=1/h:1", "typing=off"]).await;
    let (ada, _) = server.two_people().await;
    let mut wire = server.connect(&ada).await;
    // One that nobody knows, one that cannot be read, one that is binary: each is one of three.
    wire.say(r#"42["unknown"]"#).await;
    wire.say(r#"42["presence_subscribe",7]"#).await;
    assert_eq!(wire.expect("chat_error").await["code"], "invalid_payload");
    wire.say(r#"451-1["unknown",{"_placeholder":true,"num":0}]"#)
        .await;
    assert!(wire.text().await.contains("invalid_payload"));
    wire.say_binary(b"x").await;
    for packet in [r#"422["unknown"]"#, r#"422["presence_subscribe",7]"#] {
        wire.say(packet).await;
        let ack = wire.text().await;
        assert!(ack.contains("rate_limited"), "{packet}: {ack}");
    }
    wire.say(r#"451-2["presence_subscribe",{"_placeholder":true,"num":0}]"#)
        .await;
    assert!(wire.text().await.contains("rate_limited"));
    wire.say_binary(b"x").await;
    // A message that is none is one.
    wire.say(r#"422["send_message",{}]"#).await;
    assert!(wire.text().await.contains("invalid_payload"));
    wire.say(r#"422["send_message",{"client_id":"mine"}]"#)
        .await;
    assert!(wire.text().await.contains("rate_limited"));
    wire.say(r#"42["send_message",{"client_id":"mine"}]"#).await;
    let error = wire.expect("chat_error").await;
    assert_eq!(
        (&error["code"], &error["client_id"]),
        (&json!("rate_limited"), &json!("mine")),
        "its sender finds it again"
    );
}

#[tokio::test]
async fn somebody_who_comes_and_goes_all_the_time_does_not_flood_those_who_watch() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let mut watcher = server.connect(&ada).await;
    let watched = json!({"user_ids": [bob.id]});
    watcher.call(1, "presence_subscribe", watched).await;
    let visits = 200;
    for _ in 0..visits {
        let mut wire = server.connect(&bob).await;
        wire.say("41").await;
    }
    let mut last = server.connect(&bob).await;
    last.call(
        1,
        "typing",
        json!({"receiver_id": ada.id, "is_typing": true}),
    )
    .await;
    let mut changes = Vec::new();
    // What is told at once, until the last visit has begun.
    loop {
        let event = watcher.event().await;
        match event[0].as_str() {
            Some("presence") => changes.push(event[1]["online"].clone()),
            _ => break,
        }
    }
    // Sixty at once, and one in two seconds; two a visit without a bound.
    assert!((2..visits).contains(&changes.len()), "{}", changes.len());
    drop(last);
    while changes.last() != Some(&json!(false)) || server_says_online(&server, &ada, &bob).await {
        let event = watcher.event().await;
        if event[0] == "presence" {
            changes.push(event[1]["online"].clone());
        }
    }
}

async fn server_says_online(server: &TestServer, asks: &Person, of: &Person) -> bool {
    let path = format!("/api/users/{}", of.id);
    server.get(&path, &asks.token).await["data"]["online"] == true
}

#[tokio::test]
async fn somebody_who_comes_and_goes_all_the_time_pushes_nobody_elses_recovery_out() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let lost = async |person: &Person| {
        let mut wire = session(&server).await;
        wire.say(&format!("40{}", json!({"token": &*person.token})))
            .await;
        let welcome: Value = serde_json::from_str(&wire.text().await[2..]).unwrap();
        welcome["pid"].as_str().unwrap().to_owned()
    };
    let recovers = async |person: &Person, pid: &str| {
        let mut wire = session(&server).await;
        let auth = json!({"token": &*person.token, "pid": pid});
        wire.say(&format!("40{auth}")).await;
        let welcome: Value = serde_json::from_str(&wire.text().await[2..]).unwrap();
        welcome["pid"] == pid
    };
    let (adas, bobs) = (lost(&ada).await, lost(&bob).await);
    let mut latest = String::new();
    for _ in 0..100 {
        latest = lost(&bob).await;
    }
    assert!(recovers(&ada, &adas).await);
    assert!(recovers(&bob, &latest).await);
    // What is not remembered counts as left before the start, which is within the window here.
    assert!(recovers(&bob, &bobs).await);
}
