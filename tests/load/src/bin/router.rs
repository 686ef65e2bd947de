//! What the wire alone costs: the contract's `send_message` on plain tokio-tungstenite, with
//! nothing stored and nobody checked. Not a chat server; something to hold one against.
//!
//! `bare-router PORT`, on loopback.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Where each user's frames go.
#[derive(Default)]
struct Routes {
    users: Mutex<HashMap<u64, UnboundedSender<Utf8Bytes>>>,
    last_id: AtomicU64,
}

#[derive(Deserialize)]
struct Event<'a>(
    #[serde(borrow)] std::borrow::Cow<'a, str>,
    #[serde(borrow)] Payload<'a>,
);

#[derive(Deserialize)]
struct Payload<'a> {
    /// Absent, the message is for everybody who is there.
    #[serde(default)]
    receiver_id: Option<u64>,
    #[serde(borrow)]
    content: &'a serde_json::value::RawValue,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let port: u16 = std::env::args().nth(1).ok_or("bare-router PORT")?.parse()?;
    rlimit::increase_nofile_limit(u64::MAX)?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let routes = Arc::new(Routes::default());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, Arc::clone(&routes)));
    }
}

async fn serve(stream: TcpStream, routes: Arc<Routes>) -> Result<(), Error> {
    let socket = tokio_tungstenite::accept_async(stream).await?;
    let (mut sink, mut source) = socket.split();
    sink.send(Message::text(
        r#"0{"sid":"none","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#,
    ))
    .await?;
    let (outbox, mut waiting) = unbounded_channel::<Utf8Bytes>();
    tokio::spawn(async move {
        // What waits goes out together.
        while let Some(text) = waiting.recv().await {
            sink.feed(Message::Text(text)).await?;
            while let Ok(text) = waiting.try_recv() {
                sink.feed(Message::Text(text)).await?;
            }
            sink.flush().await?;
        }
        Ok::<_, Error>(())
    });
    let mut user = 0;
    while let Some(Ok(message)) = source.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        if let Some(auth) = text.strip_prefix("40") {
            user = subject(auth)?;
            let mut users = routes.users.lock().unwrap_or_else(PoisonError::into_inner);
            users.insert(user, outbox.clone());
            outbox.send("40{\"sid\":\"none\"}".into())?;
        } else if let Some(rest) = text.strip_prefix("42") {
            let begin = rest.find('[').ok_or("no event")?;
            let (ack, event) = rest.split_at(begin);
            let Event(
                name,
                Payload {
                    receiver_id,
                    content,
                },
            ) = serde_json::from_str(event)?;
            if name != "send_message" {
                continue;
            }
            let id = routes.last_id.fetch_add(1, Ordering::Relaxed) + 1;
            let content = content.get();
            let at = "2026-01-01T00:00:00.000Z";
            let Some(receiver_id) = receiver_id else {
                let heard = format!(
                    r#"42["room_message",{{"id":{id},"room_id":1,"number":{id},"sender_id":{user},"content":{content},"created_at":"{at}"}}]"#
                );
                let heard = Utf8Bytes::from(heard);
                let users = routes.users.lock().unwrap_or_else(PoisonError::into_inner);
                for member in users.values() {
                    let _ = member.send(heard.clone());
                }
                drop(users);
                let data = &heard[r#"42["room_message","#.len()..heard.len() - 1];
                outbox.send(format!(r#"43{ack}[{{"success":true,"data":{data}}}]"#).into())?;
                continue;
            };
            let sent = format!(
                r#"{{"id":{id},"receiver_id":{receiver_id},"content":{content},"created_at":"{at}"}}"#
            );
            let heard = format!(
                r#"42["receive_message",{{"id":{id},"sender_id":{user},"receiver_id":{receiver_id},"content":{content},"created_at":"{at}"}}]"#
            );
            let receiver = {
                let users = routes.users.lock().unwrap_or_else(PoisonError::into_inner);
                users.get(&receiver_id).cloned()
            };
            if let Some(receiver) = receiver {
                let _ = receiver.send(heard.into());
            }
            outbox.send(format!(r#"42["message_sent",{sent}]"#).into())?;
            if !ack.is_empty() {
                outbox.send(format!(r#"43{ack}[{{"success":true,"data":{sent}}}]"#).into())?;
            }
        }
    }
    Ok(())
}

/// Whose a token says that it is.
fn subject(auth: &str) -> Result<u64, Error> {
    #[derive(Deserialize)]
    struct Auth {
        token: String,
    }
    #[derive(Deserialize, serde::Serialize, Clone)]
    struct Claims {
        sub: String,
    }
    let Auth { token } = serde_json::from_str(auth)?;
    let token = jsonwebtoken::dangerous::insecure_decode::<Claims>(token)?;
    Ok(token.claims.sub.parse()?)
}
