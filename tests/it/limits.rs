//! Rate limits over the wire: whom they stop, whom they do not, and what is said of it.

use chatd::config::Config;
use chatd::http::TrustedProxies;
use chatd::limits::Rates;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};

use crate::support::{Reply, TestServer, config};

/// A server behind a proxy on this machine, with these limits alone.
async fn limited(settings: &[&str]) -> TestServer {
    let mut rates = Rates::off();
    for setting in settings {
        rates.set(setting.parse().unwrap());
    }
    TestServer::with(Config {
        rates,
        trusted_proxies: TrustedProxies::new(["127.0.0.1".parse().unwrap()]),
        ..config()
    })
    .await
}

/// A request that the proxy had from this address.
async fn from(server: &TestServer, address: &str, method: &str, path: &str, body: Value) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "x")
        .header("x-forwarded-for", address)
        .body(Full::from(body.to_string()))
        .unwrap();
    server.request(request).await
}

fn is_refused(reply: &Reply) {
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (429, "rate_limited")
    );
    let wait: u64 = reply.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=3_600).contains(&wait), "{wait}");
    let ms = reply.json()["error"]["retry_after_ms"].as_u64().unwrap();
    assert_eq!(ms.div_ceil(1_000), wait);
}

#[tokio::test]
async fn too_many_messages_are_refused_with_the_time_to_wait() {
    let server = limited(&["messages=1/h:2", "typing=1/h:1"]).await;
    let (ada, bob) = server.two_people().await;
    let (mut one, mut two) = (server.connect(&ada).await, server.connect(&ada).await);
    let message = json!({"receiver_id": bob.id, "content": "x", "client_id": "c"});
    let (ack, _) = one.call(1, "send_message", message.clone()).await;
    assert_eq!(ack["success"], true);
    // A person's sockets share the limit; a repeated message counts, for it costs as much.
    let (ack, _) = two.call(1, "send_message", message.clone()).await;
    assert_eq!(ack["success"], true);
    let (ack, _) = one.call(2, "send_message", message.clone()).await;
    let error = &ack["error"];
    assert_eq!(
        (&ack["success"], &error["code"]),
        (&json!(false), &json!("rate_limited"))
    );
    assert!(error["message"].is_string());
    let wait = error["retry_after_ms"].as_u64().unwrap();
    assert!((1..=3_600_000).contains(&wait), "{wait}");
    // Without a callback it is told by chat_error, with the client id by which the message is found
    // again.
    one.say(&format!("42{}", json!(["send_message", message])))
        .await;
    let error = loop {
        let event = one.event().await;
        if event[0] == "chat_error" {
            break event;
        }
    };
    assert_eq!(
        (
            &error[1]["event"],
            &error[1]["code"],
            &error[1]["client_id"]
        ),
        (&json!("send_message"), &json!("rate_limited"), &json!("c"))
    );
    let typing = json!({"receiver_id": bob.id, "is_typing": true});
    let (ack, _) = one.call(3, "typing", typing.clone()).await;
    assert_eq!(ack["success"], true, "each kind has its own limit");
    let (ack, _) = one.call(4, "typing", typing).await;
    assert_eq!(ack["error"]["code"], "rate_limited");
    let mut other = server.connect(&bob).await;
    let message = json!({"receiver_id": ada.id, "content": "x"});
    let (ack, _) = other.call(1, "send_message", message).await;
    assert_eq!(ack["success"], true, "bob was stopped with ada");
    server.stop().await;
}

#[tokio::test]
async fn logins_are_limited_by_address_and_by_name() {
    let server = limited(&["logins=1/h:3", "names=1/h:5"]).await;
    server.register("ada").await;
    let login = |address: &'static str, name: &'static str| {
        let server = &server;
        async move {
            let body = json!({"username": name, "password": "password2"});
            from(server, address, "POST", "/api/auth/login", body).await
        }
    };
    for _ in 0..3 {
        let reply = login("1.2.3.4", "ada").await;
        assert_eq!(reply.code(), "invalid_credentials");
    }
    is_refused(&login("1.2.3.4", "ada").await);
    is_refused(&login("1.2.3.4", "eve").await);
    // Of IPv6 a /64 counts as one, and nobody writes themselves another address.
    for _ in 0..2 {
        let reply = login("2001:db8::1", "ADA").await;
        assert_eq!(reply.code(), "invalid_credentials");
    }
    is_refused(&login("5.5.5.5", "ada").await);
    assert_eq!(
        login("2001:db8::ffff", "eve").await.code(),
        "invalid_credentials"
    );
    is_refused(&login("2001:db8::2", "eve").await);
    is_refused(&login("9.9.9.9, 2001:db8::3", "eve").await);
    server.stop().await;
}

/// A login with this password, from this address.
async fn login(server: &TestServer, address: &str, name: &str, password: &str) -> Reply {
    let body = json!({"username": name, "password": password});
    from(server, address, "POST", "/api/auth/login", body).await
}

#[tokio::test]
async fn wrong_passwords_from_elsewhere_do_not_keep_the_owner_out() {
    let server = limited(&["passwords=1/h:5", "names=1/h:8", "logins=1/h:100"]).await;
    let ada = server.register("ada").await;
    // Right ones are not counted as wrong, however many.
    for _ in 0..10 {
        let reply = login(&server, "1.1.1.1", "ada", "password1").await;
        assert_eq!(reply.status, StatusCode::OK);
    }
    for _ in 0..5 {
        let reply = login(&server, "6.6.6.6", "ada", "wrong-one").await;
        assert_eq!(reply.code(), "invalid_credentials");
    }
    is_refused(&login(&server, "6.6.6.6", "ADA", "wrong-one").await);
    is_refused(&login(&server, "6.6.6.6", "ada", "password1").await);
    // From many addresses it is the name's own limit, which only strangers meet.
    for last in 0..3 {
        let reply = login(&server, &format!("6.6.7.{last}"), "ada", "wrong-one").await;
        assert_eq!(reply.code(), "invalid_credentials");
    }
    is_refused(&login(&server, "6.6.8.1", "ada", "wrong-one").await);
    let reply = login(&server, "1.1.1.1", "Ada", "password1").await;
    assert_eq!(reply.status, StatusCode::OK, "the owner is locked out");
    // Who has a good token is counted apart, wherever they are.
    let change = json!({"password": "password2", "current_password": "password1"});
    let request = Request::builder()
        .method("PATCH")
        .uri("/api/auth/me")
        .header("host", "x")
        .header("x-forwarded-for", "6.6.6.6")
        .header("authorization", format!("Bearer {}", ada.token))
        .body(Full::from(change.to_string()))
        .unwrap();
    assert_eq!(server.request(request).await.status, StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn a_thief_of_a_token_cannot_try_passwords_for_ever() {
    let server = limited(&["passwords=1/h:3"]).await;
    let ada = server.register("ada").await;
    let change = json!({"password": "password2", "current_password": "wrong-one"}).to_string();
    for _ in 0..3 {
        let reply = server
            .send("PATCH", "/api/auth/me", Some(&ada.token), &change)
            .await;
        assert_eq!(reply.code(), "invalid_credentials");
    }
    is_refused(
        &server
            .send("PATCH", "/api/auth/me", Some(&ada.token), &change)
            .await,
    );
    // A login is another matter.
    let reply = login(&server, "1.1.1.1", "ada", "password1").await;
    assert_eq!(reply.status, StatusCode::OK);
    server.stop().await;
}

#[tokio::test]
async fn who_shares_an_address_with_a_flood_of_logins_gets_in_where_they_did_before() {
    let server = limited(&["logins=1/h:3"]).await;
    server.register("ada").await;
    assert_eq!(
        login(&server, "1.2.3.4", "ada", "password1").await.status,
        StatusCode::OK
    );
    for name in ["eve", "eva"] {
        let reply = login(&server, "1.2.3.4", name, "wrong-one").await;
        assert_eq!(reply.code(), "invalid_credentials");
    }
    is_refused(&login(&server, "1.2.3.4", "eve", "wrong-one").await);
    let reply = login(&server, "1.2.3.4", "ada", "password1").await;
    assert_eq!(reply.status, StatusCode::OK, "the colleague is locked out");
    server.stop().await;
}

#[tokio::test]
async fn who_was_invited_is_not_stopped_by_strangers_behind_the_same_address() {
    let mut rates = Rates::off();
    rates.set("registrations=1/h:1".parse().unwrap());
    let server = TestServer::with(Config {
        rates,
        registration: chatd::accounts::Registration::Invite,
        trusted_proxies: TrustedProxies::new(["127.0.0.1".parse().unwrap()]),
        ..config()
    })
    .await;
    let register = async |name: &str, invite: Option<&str>| {
        let body = json!({"username": name, "password": "password1", "invite": invite});
        from(&server, "1.2.3.4", "POST", "/api/auth/register", body).await
    };
    assert_eq!(
        register("eve", Some("guess")).await.code(),
        "invalid_invite"
    );
    is_refused(&register("eve", Some("guess")).await);
    let first = register("ada", server.setup_code.as_deref()).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.body);
    let token = first.json()["data"]["token"].as_str().unwrap().to_owned();
    let invite = server
        .send(
            "POST",
            "/api/admin/invites",
            Some(&token),
            r#"{"max_uses":5}"#,
        )
        .await;
    let code = invite.json()["data"]["code"].as_str().unwrap().to_owned();
    assert_eq!(
        register("bob", Some(&code)).await.status,
        StatusCode::CREATED
    );
    // Of one invite no more than a few at once, even so.
    is_refused(&register("carl", Some(&code)).await);
    server.stop().await;
}

#[tokio::test]
async fn registrations_requests_and_connections_are_limited_too() {
    let server = limited(&["registrations=1/h:1", "requests=1/h:3", "connections=1/h:2"]).await;
    let ada = server.register("ada").await;
    let register = |address: &'static str, name: &'static str| {
        let server = &server;
        async move {
            let body = json!({"username": name, "password": "password1"});
            from(server, address, "POST", "/api/auth/register", body).await
        }
    };
    assert_eq!(register("1.2.3.4", "bob").await.status, StatusCode::CREATED);
    is_refused(&register("1.2.3.4", "carl").await);
    assert_eq!(
        register("1.2.3.5", "carl").await.status,
        StatusCode::CREATED
    );

    for _ in 0..3 {
        server.get("/api/auth/me", &ada.token).await;
    }
    let path = "/api/auth/me";
    is_refused(&server.send("GET", path, Some(&ada.token), "").await);
    let mut socket = server.connect(&ada).await;
    let (ack, _) = socket
        .call(1, "presence_subscribe", json!({"user_ids": []}))
        .await;
    assert_eq!(ack["error"]["code"], "rate_limited");
    for _ in 0..3 {
        let reply = from(&server, "1.2.3.4", "GET", path, json!(null)).await;
        assert_eq!(reply.code(), "missing_token");
    }
    is_refused(&from(&server, "1.2.3.4", "GET", path, json!(null)).await);

    let open = "/socket.io/?EIO=4&transport=polling";
    for _ in 0..2 {
        let reply = from(&server, "1.2.3.4", "GET", open, json!(null)).await;
        assert_eq!(reply.status, StatusCode::OK);
    }
    is_refused(&from(&server, "1.2.3.4", "GET", open, json!(null)).await);
    let reply = from(&server, "1.2.3.5", "GET", open, json!(null)).await;
    let sid: Value = serde_json::from_str(&reply.body[1..]).unwrap();
    let poll = format!("{open}&sid={}", sid["sid"].as_str().unwrap());
    for _ in 0..3 {
        // A session that is open is nobody's new one.
        let body = from(&server, "1.2.3.5", "GET", &format!("{poll}x"), json!(null)).await;
        assert!(body.body.contains("Session ID unknown"), "{}", body.body);
    }
    server.stop().await;
}

#[tokio::test]
async fn sessions_are_counted_by_the_address_that_a_trusted_proxy_names() {
    let mut engine = config().engine;
    engine.max_sessions_per_address = 1;
    let server = TestServer::with(Config {
        engine,
        trusted_proxies: TrustedProxies::new(["127.0.0.1".parse().unwrap()]),
        ..config()
    })
    .await;
    let open = "/socket.io/?EIO=4&transport=polling";
    for (address, status) in [("1.2.3.4", 200), ("1.2.3.4", 503), ("1.2.3.5", 200)] {
        let reply = from(&server, address, "GET", open, json!(null)).await;
        assert_eq!(reply.status.as_u16(), status, "{address}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_person_meets_no_limit_of_the_usual_ones() {
    let server = TestServer::with(Config {
        rates: Rates::default(),
        ..config()
    })
    .await;
    let (ada, bob) = server.two_people().await;
    let mut socket = server.connect(&ada).await;
    for number in 0..300 {
        let message = json!({"receiver_id": bob.id, "content": number.to_string()});
        let (ack, _) = socket.call(number, "send_message", message).await;
        assert_eq!(ack["success"], true, "{ack}");
        server.get("/api/chats", &bob.token).await;
    }
    server.stop().await;
}
