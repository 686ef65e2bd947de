//! The log of the program itself: what it says, and what it must never say.

use serde_json::{Value, json};

use crate::program::Running;
use crate::support::{Remote, Reply};

fn data(reply: &Reply) -> Value {
    reply.json()["data"].take()
}

/// Writes by a hook, rightly and wrongly; gives its secret. And has another system told that is not
/// there.
async fn use_hooks(remote: &Remote, admin: &str) -> String {
    let post = async |path: &str, token: Option<&str>, body: Value| {
        remote.send("POST", path, token, &body.to_string()).await
    };
    let bot = json!({"username": "monitor"});
    let bot = data(&post("/api/admin/bots", Some(admin), bot).await);
    let me = data(&remote.send("GET", "/api/auth/me", Some(admin), "").await);
    let wish = json!({"bot_id": bot["id"], "user_id": me["id"], "name": "secret-name"});
    let hook = data(&post("/api/admin/hooks/in", Some(admin), wish).await);
    let url = hook["url"].as_str().unwrap();
    let path = format!("/api/{}", url.split_once("/api/").unwrap().1);
    for body in [
        json!({"content": "secret-words"}),
        json!({"content": 5}),
        json!({"text": "secret-words"}),
    ] {
        post(&path, None, body).await;
    }
    post(&format!("{path}secret-wrong"), None, json!({})).await;
    let url = "https://secret-path.invalid/secret-path?secret-query";
    post("/api/admin/hooks/out", Some(admin), json!({"url": url})).await;
    path.rsplit_once('/').unwrap().1.to_owned()
}

/// Does a little of everything; gives the words that no log may hold.
async fn use_it(server: &Running, secret: &str) -> Vec<(&'static str, String)> {
    let remote = &server.remote;
    let mut secrets = vec![("the secret of other tokens", secret.to_owned())];
    let account = |name: &str, password: &str| json!({"username": name, "password": password});
    let post = async |path: &str, token: Option<&str>, body: Value| {
        remote.send("POST", path, token, &body.to_string()).await
    };
    let mut first = account("ada", "secret-password-1");
    first["invite"] = server.setup_code.clone().into();
    let ada = data(&post("/api/auth/register", None, first).await);
    let bob = data(
        &post(
            "/api/auth/register",
            None,
            account("bob", "secret-password-2"),
        )
        .await,
    );
    post("/api/auth/login", None, account("bob", "secret-wrong")).await;
    post(
        "/api/auth/login",
        None,
        account("secret-nobody", "secret-wrong"),
    )
    .await;
    let again = data(&post("/api/auth/login", None, account("bob", "secret-password-2")).await);
    let token = |login: &Value| login["token"].as_str().unwrap().to_owned();
    // With another system's key ids begin elsewhere.
    let receiver = ada["user"]["id"].clone();
    let (ada, bob, again) = (token(&ada), token(&bob), token(&again));
    remote
        .send("GET", "/api/auth/me", Some("secret.bad.token"), "")
        .await;
    let invite = data(&post("/api/admin/invites", Some(&ada), json!({})).await);
    let invite = invite["code"].as_str().unwrap().to_owned();
    let gone = format!("/api/admin/invites/{invite}");
    remote.send("DELETE", &gone, Some(&ada), "").await;

    secrets.push(("the secret of a hook", use_hooks(remote, &ada).await));

    let mut socket = remote.wire("/socket.io/?EIO=4&transport=websocket").await;
    let open = socket.text().await;
    let sid = |open: &str| {
        let open: Value = serde_json::from_str(&open[1..]).unwrap();
        open["sid"].as_str().unwrap().to_owned()
    };
    secrets.push(("a WebSocket's sid", sid(&open)));
    socket.say(&format!("40{}", json!({"token": bob}))).await;
    socket.text().await;
    let message = json!({"receiver_id": receiver, "content": "secret-words", "client_id": "secret-client-id"});
    let (ack, _) = socket.call(1, "send_message", message).await;
    assert_eq!(ack["success"], true);
    let id = ack["data"]["id"].clone();
    let edited = json!({"message_id": id, "content": "secret-edited"});
    let (ack, _) = socket.call(1, "edit_message", edited).await;
    assert_eq!(ack["success"], true);
    socket
        .call(1, "delete_message", json!({"message_id": id}))
        .await;
    let bad = json!({"receiver_id": "secret-receiver", "content": "secret-words"});
    socket.call(2, "send_message", bad).await;
    socket.call(3, "secret_event", json!({})).await;
    socket.say("4secret-garbage").await;
    while socket.text_or_end().await.is_some() {}

    let poll = "/socket.io/?EIO=4&transport=polling";
    let polling = sid(&remote.send("GET", poll, None, "").await.body);
    let path = format!("{poll}&sid={polling}");
    let connect = format!("40{}", json!({"token": ada}));
    remote.send("POST", &path, None, &connect).await;
    remote.send("GET", &path, None, "").await;
    let message = r#"42["send_message",{"receiver_id":2,"content":"secret-polled"}]"#;
    remote.send("POST", &path, None, message).await;
    remote.send("GET", &path, None, "").await;
    remote.send("POST", &path, None, "secret-garbage").await;
    remote
        .send("GET", &format!("{poll}&sid=secret-unknown-sid"), None, "")
        .await;
    remote
        .send("GET", "/secret-path?token=secret-query", None, "")
        .await;

    let wish = json!({"password": "secret-password-3", "current_password": "secret-password-2"});
    let path = "/api/auth/me";
    let changed = remote
        .send("PATCH", path, Some(&bob), &wish.to_string())
        .await;
    let renewed = data(&changed)["token"].as_str().unwrap().to_owned();
    post("/api/auth/logout", Some(&renewed), json!({})).await;
    secrets.extend([
        ("a token", ada),
        ("a token", bob),
        ("a token", again),
        ("a token", renewed),
        ("an invite", invite),
        ("a polling sid", polling),
        ("something that was sent", "secret-".to_owned()),
        ("a hash", "$argon2".to_owned()),
    ]);
    secrets
}

#[tokio::test]
async fn the_log_holds_no_secret_at_its_loudest() {
    for format in ["text", "json"] {
        let secret = "the-secret-of-another-system-of-32";
        let flags = ["--log", "trace", "--log-format", format];
        // A variable that stands for a flag says yes as people write it.
        let variables = [("CHATD_JWT_SECRET", secret), ("CHATD_PROVISION_USERS", "1")];
        let server = Running::start(&flags, &variables).await;
        let secrets = use_it(&server, secret).await;
        let log = server.stop().await;
        assert!(log.contains("request"), "it says nothing at all: {log}");
        for (what, secret) in secrets {
            let line = log.lines().find(|line| line.contains(&secret));
            assert_eq!(line, None, "the log holds {what}");
        }
        if format == "json" {
            for line in log.lines() {
                let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
                assert!(
                    line["message"].is_string() && line["level"].is_string(),
                    "{line}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_quiet_day_leaves_a_short_log() {
    let server = Running::start(&[], &[]).await;
    use_it(&server, "not given").await;
    let log = server.stop().await;
    let connections = 30;
    assert!(log.lines().count() < connections, "{log}");
    assert!(!log.contains("ERROR") && !log.contains("WARN"), "{log}");
}

/// A socket was closed without a word to its client, and none in the log at its usual level.
#[tokio::test]
async fn the_log_says_why_a_client_that_floods_is_closed_and_says_it_once() {
    let server = Running::start(&[], &[]).await;
    let path = "/socket.io/?EIO=4&transport=websocket";
    for _ in 0..2 {
        let mut socket = server.remote.wire(path).await;
        socket.text().await;
        // Fewer frames than are too many, and more packets, however long a second is here.
        let pongs = (0..19_999).map(|_| "3".to_owned());
        socket.say_at_once(pongs).await;
        assert_eq!(socket.close_code().await, 1_008);
    }
    let poll = "/socket.io/?EIO=4&transport=polling";
    let open = server.remote.send("GET", poll, None, "").await.body;
    let open: Value = serde_json::from_str(&open[1..]).unwrap();
    let path = format!("{poll}&sid={}", open["sid"].as_str().unwrap());
    let pongs = vec!["3"; 30_000].join("\u{1e}");
    let reply = server.remote.send("POST", &path, None, &pongs).await;
    assert_eq!(reply.status.as_u16(), 400, "{}", reply.body);
    let log = server.stop().await;
    let lines = log.lines().filter(|line| line.contains("10000 packets"));
    let lines: Vec<_> = lines.collect();
    assert!(lines.len() == 1 && lines[0].contains(" INFO "), "{log}");
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing() {
    use std::process::Stdio;

    use tokio::io::BufReader;
    use tokio::process::Command;

    use crate::program::until_ready;
    use crate::support::{Remote, soon};

    // The least that a pipe holds on Linux, and what it holds unless said otherwise.
    const PIPE_BYTES: usize = 64 << 10;
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_chatd"))
        .args([
            "--port",
            "0",
            "--registration",
            "open",
            "--log",
            "trace",
            "--data",
        ])
        .arg(folder.path().join("chatd.redb"))
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let said = until_ready("http://", &mut log).await;
    let address = said.split("http://").nth(1).unwrap();
    let (address, _) = address.split_once('/').unwrap();
    let remote = Remote::documented(address.parse().unwrap()).await;
    // From here on nobody reads. Each request leaves a line of more than forty bytes.
    for _ in 0..2 * PIPE_BYTES / 40 {
        let reply = remote.send("GET", "/api/server", None, "").await;
        assert_eq!(reply.status.as_u16(), 200);
    }
    let body = json!({"username": "ada", "password": "password1"}).to_string();
    let ada = remote.send("POST", "/api/auth/register", None, &body).await;
    assert_eq!(ada.status.as_u16(), 201, "{}", ada.body);
    // It ends, too, and says so by its exit code.
    let id = child.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .arg(&id)
            .status()
            .await
            .unwrap()
            .success()
    );
    assert!(soon(child.wait()).await.unwrap().success());
    drop(log);
}

#[tokio::test]
async fn what_went_wrong_is_told_by_the_exit_code_where_nobody_reads_the_words() {
    use std::process::Stdio;

    use tokio::process::Command;

    use crate::support::soon;

    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none").join("chatd.redb");
    for (arguments, code) in [
        (&["--port", "x"][..], 2),
        (&["--port", "0"], 1),
        (&["check"], 1),
    ] {
        // Both ends of the pipe are gone before the program says anything.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = Command::new(env!("CARGO_BIN_EXE_chatd"))
            .args(arguments)
            .arg("--data")
            .arg(&missing)
            .stderr(Stdio::from(writer))
            .spawn()
            .unwrap();
        let ended = soon(child.wait()).await.unwrap();
        assert_eq!(ended.code(), Some(code), "{arguments:?}");
    }
}

/// It was no JSON, so that programs that read the log lost the one line that said why.
#[tokio::test]
async fn why_a_server_ended_is_an_object_in_a_log_of_objects() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none").join("chatd.redb");
    for level in ["info", "off"] {
        let ended = tokio::process::Command::new(env!("CARGO_BIN_EXE_chatd"))
            .args(["--port", "0", "--log-format", "json", "--log", level])
            .arg("--data")
            .arg(&missing)
            .output()
            .await
            .unwrap();
        assert_eq!(ended.status.code(), Some(1));
        let lines = String::from_utf8(ended.stderr).unwrap();
        let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        assert_eq!(last["level"], "ERROR", "{lines}");
        assert!(last["timestamp"].is_string(), "{lines}");
        let message = last["message"].as_str().unwrap();
        assert!(message.contains("there is no folder"), "{lines}");
    }
}

/// Whoever sets an issuer up had `invalid_token` to go by, and nothing else.
#[tokio::test]
async fn the_log_says_why_a_token_of_an_app_is_refused_and_holds_none() {
    let secret = "the-secret-of-another-system-of-32";
    let now = chatd::model::Timestamp::now().as_secs();
    let sign = |claims: Value, secret: &str| {
        let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
    };
    let good = json!({"sub": "29", "aud": "chat", "iat": now, "exp": now + 600});
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        sign(claims, secret)
    };
    let cases = [
        (
            sign(good.clone(), "another secret of the same length"),
            "no key fits",
        ),
        (with("sub", json!(["auth0|secretive"])), "sub must be"),
        (with("exp", Value::Null), "exp is missing"),
        (with("aud", "secretive".into()), "aud is none"),
        (with("iat", json!(now * 1_000)), "iat is in the future"),
        (with("sub", "77".into()), "no account of its subject"),
    ];
    for (level, lines) in [("debug", cases.len() + 1), ("info", 1)] {
        let flags = ["--log", level, "--jwt-audience", "chat"];
        let server = Running::start(&flags, &[("CHATD_JWT_SECRET", secret)]).await;
        for (token, _) in &cases {
            let path = "/api/auth/me";
            let refused = server.remote.send("GET", path, Some(token), "").await;
            assert_eq!(refused.code(), "invalid_token");
        }
        let log = server.stop().await;
        let told = log
            .lines()
            .filter(|line| line.contains("a token was refused"));
        assert_eq!(told.count(), lines, "{log}");
        for (token, reason) in &cases {
            assert!(level == "info" || log.contains(reason), "{reason}: {log}");
            let parts = token.split('.').any(|part| log.contains(part));
            assert!(!parts && !log.contains("secretive"), "{log}");
        }
    }
}

/// The one link that makes an administrator is there whatever the mode, and beside the key of an
/// app too.
#[tokio::test]
async fn a_server_for_an_apps_users_alone_offers_the_set_up_link_and_names_the_audience() {
    let secret = "the-secret-of-another-system-of-32";
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let variables = [("CHATD_JWT_SECRET", secret)];
    let server = Running::closed(&data, &["--provision-users"], &variables).await;
    let code = server.setup_code.clone().unwrap();
    let log = server.stop().await;
    assert_eq!(log.matches(&format!("/?setup={code}")).count(), 1, "{log}");
    assert!(log.contains("--jwt-audience"), "{log}");
}
