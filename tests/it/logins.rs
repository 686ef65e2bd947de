//! Login sessions and links that reset a password: listed, ended, and gone on every door at once.

use chatd::config::Config;
use chatd::store::{Location, maintain};
use serde_json::{Value, json};

use crate::rooms::{ask, tried};
use crate::support::{Person, TestServer, config};

async fn sessions(server: &TestServer, person: &Person) -> Vec<Value> {
    let listed = server.get("/api/auth/sessions", &person.token).await;
    listed["data"].as_array().unwrap().clone()
}

async fn is_refused(server: &TestServer, person: &Person) -> bool {
    let reply = server
        .send("GET", "/api/auth/me", Some(&person.token), "")
        .await;
    reply.status == 401 && reply.code() == "invalid_token"
}

#[tokio::test]
async fn each_login_is_a_session_and_one_that_is_ended_loses_its_sockets_and_no_other() {
    let server = TestServer::start().await;
    let first = server.register("ada").await;
    let second = server.login("ada", "password1").await;
    let (mut one, mut two) = (server.connect(&first).await, server.connect(&second).await);
    let listed = sessions(&server, &first).await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    let current: Vec<_> = listed.iter().filter(|row| row["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["address"], "127.0.0.1");
    let of_second = sessions(&server, &second).await;
    let id = of_second.iter().find(|row| row["current"] == true).unwrap()["id"].clone();
    assert_ne!(id, current[0]["id"]);

    let path = format!("/api/auth/sessions/{}", id.as_str().unwrap());
    ask(&server, &first, "DELETE", &path, Value::Null).await;
    assert_eq!(two.expect("chat_error").await["code"], "invalid_token");
    assert_eq!(two.text().await, "41");
    assert!(is_refused(&server, &second).await);
    // The other goes on.
    let message = json!({"receiver_id": first.id, "content": "x"});
    assert_eq!(
        one.call(1, "send_message", message).await.0["error"]["code"],
        "invalid_receiver"
    );
    assert_eq!(sessions(&server, &first).await.len(), 1);
    let again = tried(&server, &first, "DELETE", &path, Value::Null).await;
    assert_eq!(again.status, 404);
}

#[tokio::test]
async fn nobody_ends_the_sessions_of_another() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let id = sessions(&server, &ada).await[0]["id"].clone();
    let path = format!("/api/auth/sessions/{}", id.as_str().unwrap());
    let refused = tried(&server, &bob, "DELETE", &path, Value::Null).await;
    assert_eq!(refused.status, 404);
    assert!(!is_refused(&server, &ada).await);
    for wrong in ["s1", "x", "7", "s00000000000000ff0"] {
        let path = format!("/api/auth/sessions/{wrong}");
        let refused = tried(&server, &bob, "DELETE", &path, Value::Null).await;
        assert_eq!(refused.status, 400, "{wrong}");
    }
    let others = tried(&server, &bob, "DELETE", "/api/auth/sessions", Value::Null).await;
    assert_eq!(others.status, 400, "it must be said that it is the others");
}

#[tokio::test]
async fn all_others_end_at_once_and_what_revokes_tokens_ends_every_session() {
    let server = TestServer::start().await;
    let first = server.register("ada").await;
    let (second, third) = (
        server.login("ada", "password1").await,
        server.login("ada", "password1").await,
    );
    let path = "/api/auth/sessions?others=true";
    ask(&server, &second, "DELETE", path, Value::Null).await;
    assert!(is_refused(&server, &first).await && is_refused(&server, &third).await);
    assert_eq!(sessions(&server, &second).await.len(), 1);

    let change = json!({"password": "password2", "current_password": "password1"});
    let changed = ask(&server, &second, "PATCH", "/api/auth/me", change).await;
    let renewed = Person {
        id: first.id,
        token: changed["data"]["token"].as_str().unwrap().into(),
    };
    assert!(is_refused(&server, &second).await);
    assert_eq!(sessions(&server, &renewed).await.len(), 1);
    ask(&server, &renewed, "POST", "/api/auth/logout", Value::Null).await;
    assert!(is_refused(&server, &renewed).await);
    let last = server.login("ada", "password2").await;
    assert_eq!(sessions(&server, &last).await.len(), 1);
}

#[tokio::test]
async fn of_too_many_sessions_the_one_that_was_unused_for_longest_ends() {
    let server = TestServer::start().await;
    let first = server.register("ada").await;
    let mut last = server.login("ada", "password1").await;
    for _ in 0..98 {
        last = server.login("ada", "password1").await;
    }
    assert_eq!(sessions(&server, &last).await.len(), 100);
    assert!(!is_refused(&server, &first).await);
    server.login("ada", "password1").await;
    assert_eq!(sessions(&server, &last).await.len(), 100);
    assert!(is_refused(&server, &first).await);
}

fn config_at(folder: &std::path::Path) -> Config {
    Config {
        data: Location::File(folder.join("chatd.redb")),
        ..config()
    }
}

/// Nobody is logged out by a restart; an ended session stays ended over one; a backup that is put
/// to use ends all.
#[tokio::test]
async fn sessions_last_over_a_restart_and_end_with_a_restore() {
    let folder = tempfile::tempdir().unwrap();
    let config = config_at(folder.path());
    let server = TestServer::with(config.clone()).await;
    let first = server.register("ada").await;
    let second = server.login("ada", "password1").await;
    let others = "/api/auth/sessions?others=true";
    ask(&server, &second, "DELETE", others, Value::Null).await;
    server.stop().await;
    let data = folder.path().join("chatd.redb");
    let copy = folder.path().join("copy.redb");
    maintain::backup(&data, &copy, &mut |_| {}).unwrap();

    let server = TestServer::with(config.clone()).await;
    assert!(is_refused(&server, &first).await);
    assert_eq!(sessions(&server, &second).await.len(), 1);
    server.stop().await;

    let restored = Config {
        data: Location::File(copy),
        ..config
    };
    let server = TestServer::with(restored).await;
    assert!(is_refused(&server, &second).await);
    let anew = server.login("ada", "password1").await;
    assert_eq!(sessions(&server, &anew).await.len(), 1);
}

#[tokio::test]
async fn a_reset_link_gives_another_password_once_and_logs_in() {
    let server = TestServer::start().await;
    let root = server.admin().await;
    let ada = server.register("ada").await;
    let path = format!("/api/admin/users/{}/reset-link", ada.id);
    let refused = tried(&server, &ada, "POST", &path, Value::Null).await;
    assert_eq!(refused.status, 403);
    let link = ask(&server, &root, "POST", &path, Value::Null).await;
    let first = code_of(&link);
    let link = ask(&server, &root, "POST", &path, Value::Null).await;
    let code = code_of(&link);
    let reset = async |code: &str, password: &str| {
        let body = json!({"code": code, "password": password}).to_string();
        server.send("POST", "/api/auth/reset", None, &body).await
    };
    // A new one takes the place of the earlier one.
    for wrong in [first.as_str(), "", "x"] {
        let refused = reset(wrong, "password2").await;
        assert_eq!(
            (refused.status.as_u16(), refused.code().as_str()),
            (403, "invalid_code")
        );
    }
    assert_eq!(reset(&code, "short").await.code(), "invalid_payload");
    let done = reset(&code, "password2").await;
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(done.json()["data"]["user"]["id"], ada.id);
    assert!(is_refused(&server, &ada).await);
    assert_eq!(reset(&code, "password3").await.code(), "invalid_code");
    let body = json!({"username": "ada", "password": "password1"}).to_string();
    let old = server.send("POST", "/api/auth/login", None, &body).await;
    assert_eq!(old.status, 401);
    server.login("ada", "password2").await;
}

#[tokio::test]
async fn a_link_ends_with_another_password_and_is_none_of_bots_and_of_who_is_gone() {
    let server = TestServer::start().await;
    let root = server.admin().await;
    let ada = server.register("ada").await;
    let path = format!("/api/admin/users/{}/reset-link", ada.id);
    let link = ask(&server, &root, "POST", &path, Value::Null).await;
    let change = json!({"password": "password2", "current_password": "password1"});
    ask(&server, &ada, "PATCH", "/api/auth/me", change).await;
    let body = json!({"code": code_of(&link), "password": "password3"}).to_string();
    let refused = server.send("POST", "/api/auth/reset", None, &body).await;
    assert_eq!(refused.code(), "invalid_code");

    let bot = ask(
        &server,
        &root,
        "POST",
        "/api/admin/bots",
        json!({"username": "robot"}),
    )
    .await;
    let app = json!({"username": "theirs"});
    ask(&server, &root, "PUT", "/api/admin/users/777", app).await;
    for (id, status) in [
        (bot["data"]["id"].as_u64().unwrap(), 403),
        (777, 403),
        (4_242, 404),
    ] {
        let path = format!("/api/admin/users/{id}/reset-link");
        let refused = tried(&server, &root, "POST", &path, Value::Null).await;
        assert_eq!(refused.status, status, "{id}");
    }
}

fn code_of(link: &Value) -> String {
    let url = link["data"]["url"].as_str().unwrap();
    let (before, code) = url.split_once("/#/reset/").unwrap();
    assert!(before.starts_with("http://"));
    code.to_owned()
}
