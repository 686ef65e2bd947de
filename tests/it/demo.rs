//! A server to be looked at: who is there, what they have said, and that nothing of it is kept.

use std::process::Stdio;

use chatd::config::Config;
use serde_json::Value;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::process::Command;

use crate::program::until_ready;
use crate::support::{Person, Remote, TestServer, config, soon};

/// The two whom whoever looks may be.
async fn shown(remote: &Remote) -> [Person; 2] {
    let server = remote.send("GET", "/api/server", None, "").await.json();
    let accounts = server["data"]["demo"]["accounts"].as_array().unwrap();
    let people = accounts.iter().map(|account| Person {
        id: account["user"]["id"].as_u64().unwrap(),
        token: account["token"].as_str().unwrap().into(),
    });
    let people: Vec<_> = people.collect();
    people.try_into().unwrap_or_else(|_| panic!("not two"))
}

async fn demonstration() -> TestServer {
    let config = Config {
        demo: true,
        ..config()
    };
    TestServer::with(config).await
}

#[tokio::test]
async fn a_room_of_four_is_there_and_one_of_them_is_called_in_it() {
    let server = demonstration().await;
    let people = shown(&server).await;
    for (person, unread, mentions) in [(&people[0], 2, 1), (&people[1], 0, 0)] {
        let inbox = server.get("/api/inbox", &person.token).await;
        let rows = inbox["data"].as_array().unwrap();
        let row = rows.iter().find(|row| row["kind"] == "room").unwrap();
        assert_eq!(row["room"]["member_count"], 4);
        assert_eq!(row["unread_count"], unread);
        assert_eq!(row["mention_count"], mentions);
        let path = format!("/api/rooms/{}/history", row["room"]["id"]);
        let history = server.get(&path, &person.token).await;
        let messages = history["data"].as_array().unwrap();
        let talk = messages.iter().map(|message| message["sender_id"].as_u64());
        let talk: std::collections::BTreeSet<_> = talk.collect();
        assert_eq!(talk.len(), 4, "all of them talk");
    }
    server.stop().await;
}

#[tokio::test]
async fn two_people_are_there_with_a_conversation_of_some_days_and_can_go_on_with_it() {
    let server = demonstration().await;
    assert_eq!(server.setup_code, None, "it needs no set-up");
    let [sari, budi] = shown(&server).await;
    let path = format!("/api/chats/history/{}", budi.id);
    let history = server.get(&path, &sari.token).await;
    let messages = history["data"].as_array().unwrap();
    let days: std::collections::BTreeSet<_> = messages
        .iter()
        .map(|message| &message["created_at"].as_str().unwrap()[..10])
        .collect();
    assert!(messages.len() >= 20 && days.len() >= 3, "{days:?}");
    let times: Vec<_> = messages
        .iter()
        .map(|one| one["created_at"].as_str())
        .collect();
    assert!(times.is_sorted());
    let of = |sender: u64, read: bool| {
        let matches = |one: &&Value| one["sender_id"] == sender && one["is_read"] == read;
        messages.iter().filter(matches).count()
    };
    assert!(
        of(sari.id, true) > 0 && of(budi.id, true) > 0,
        "ticks are seen"
    );
    assert!(of(budi.id, false) > 0, "there is something new");
    let recents = server.get("/api/chats/", &sari.token).await;
    let recents = recents["data"].as_array().unwrap();
    let of_both: Vec<_> = recents.iter().map(|chat| &chat["unread_count"]).collect();
    assert_eq!(of_both, [2, 2, 0], "what she answered she has read");

    let mut hers = server.connect(&sari).await;
    let mut his = server.connect(&budi).await;
    let message = format!(r#"{{"receiver_id":{},"content":"Halo!"}}"#, budi.id);
    hers.say(&format!(r#"421["send_message",{message}]"#)).await;
    assert!(his.text().await.starts_with(r#"42["receive_message""#));
    server.stop().await;
}

#[tokio::test]
async fn whoever_logs_one_of_them_out_shuts_out_nobody_who_comes_later() {
    let server = demonstration().await;
    let [sari, _] = shown(&server).await;
    let out = server
        .send("POST", "/api/auth/logout", Some(&sari.token), "")
        .await;
    assert!(out.status.is_success());
    let old = server
        .send("GET", "/api/auth/me", Some(&sari.token), "")
        .await;
    assert_eq!(old.status, 401);
    let [sari, _] = shown(&server).await;
    server.get("/api/auth/me", &sari.token).await;
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_none_gives_nobody_a_token() {
    let server = TestServer::start().await;
    server.register("ada").await;
    let told = server.send("GET", "/api/server", None, "").await;
    assert_eq!(told.json()["data"].get("demo"), None);
    assert!(!told.body.contains("token"));
    server.stop().await;
}

fn chatd(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatd"));
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn the_executable_keeps_nothing_of_it_on_disk_and_no_token_in_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = chatd(&["--demo", "--port", "0"])
        .current_dir(folder.path())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut said = until_ready("http://", &mut log).await;
    let (_, address) = said.split_once("http://").unwrap();
    let address = address.split_once('/').unwrap().0.parse().unwrap();
    let [sari, _] = shown(&Remote::at(address)).await;
    let id = child.id().unwrap().to_string();
    let asked = Command::new("kill").arg(&id).status().await.unwrap();
    assert!(asked.success());
    assert!(soon(child.wait()).await.unwrap().success());
    soon(log.read_to_string(&mut said)).await.unwrap();
    assert!(said.contains("nothing is saved"), "{said}");
    assert!(!said.contains(&*sari.token) && !said.contains("eyJ"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn it_listens_on_this_machine_only_and_takes_no_data_file() {
    for (arguments, word) in [
        (&["--demo", "--host", "0.0.0.0"][..], "--host"),
        (&["--demo", "--host", "192.0.2.1"], "--host"),
        (&["--demo", "--host", "::"], "--host"),
        (&["--demo", "--data", "chat.redb"], "--data"),
    ] {
        let output = soon(chatd(arguments).args(["--port", "0"]).output())
            .await
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(word), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
