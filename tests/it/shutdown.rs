//! Stopping: what was accepted is written and answered, and clients are told.

use chatd::config::Config;
use chatd::store::Location;
use serde_json::json;

use crate::program::Running;
use crate::support::{TestServer, config, soon};

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

#[tokio::test]
async fn a_request_that_never_ends_holds_a_stopping_server_no_longer_than_its_grace() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Running::start(&["--shutdown-grace", "200ms"], &[]).await;
    let mut stream = tokio::net::TcpStream::connect(server.remote.address)
        .await
        .unwrap();
    let request = "POST /api/auth/login HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    // The server says so once it waits for the body, which never comes.
    let mut waits = [0; 25];
    soon(stream.read_exact(&mut waits)).await.unwrap();
    assert_eq!(&waits, b"HTTP/1.1 100 Continue\r\n\r\n");
    let log = server.stop().await;
    assert!(log.contains("some clients were not told in time"), "{log}");
    // Had it waited for as long as bodies may take, it would have answered.
    let mut rest = Vec::new();
    let _ = soon(stream.read_to_end(&mut rest)).await;
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}
