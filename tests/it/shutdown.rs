//! Stopping: what was accepted is written and answered, and clients are told.

use chatd::config::Config;
use chatd::store::Location;
use serde_json::json;

use crate::support::{TestServer, config};

#[tokio::test]
async fn a_stopping_server_tells_its_clients_and_keeps_what_it_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let data = Location::File(folder.path().join("chatd.redb"));
    let server = TestServer::with(Config {
        data: data.clone(),
        ..config()
    })
    .await;
    let (ada, bob) = server.two_people().await;
    let mut socket = server.connect(&ada).await;
    for number in 0..200 {
        let message =
            json!(["send_message", {"receiver_id": bob.id, "content": number.to_string()}]);
        socket.say(&format!("42{number}{message}")).await;
    }
    socket.text().await;
    let (confirmed, ()) = tokio::join!(
        async {
            let mut confirmed = 1;
            loop {
                match socket.text_or_end().await {
                    Some(text) if text.starts_with("42[\"message_sent\"") => confirmed += 1,
                    Some(_) => {}
                    None => return confirmed,
                }
            }
        },
        server.stop(),
    );
    let server = TestServer::with(Config { data, ..config() }).await;
    let history = server
        .get(
            &format!("/api/chats/history/{}?limit=500", bob.id),
            &ada.token,
        )
        .await;
    let stored = history["data"].as_array().unwrap().len();
    assert!(
        stored >= confirmed,
        "{confirmed} were confirmed, {stored} are stored"
    );
    let person = server
        .get(&format!("/api/users/{}", ada.id), &bob.token)
        .await;
    assert!(
        person["data"]["last_seen"].is_string(),
        "who was there when it stopped was seen then"
    );
    server.stop().await;
}
