//! What it costs when everybody comes back at once, after the server was killed: how long until all
//! are recovered with what they missed, and what senders wait meanwhile.
//!
//! ```text
//! cargo build --release && cargo run --release --example comeback -- --connections 9000
//! ```
//!
//! People connect and lose their connections; each is sent three messages; the server gets SIGKILL
//! and is started anew on the same data, and all come back together. Each must be recovered with
//! exactly its three messages. Beside it ten people send one message after the other, also before,
//! for comparison. Both ends are on this machine and share its cores, and each connection needs a
//! file descriptor on both, in two processes.

mod people;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::SinkExt;
use people::{Error, Socket, enter, hear, register, start};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

/// How many send beside those who come back.
const SENDERS: usize = 10;
/// How many messages each misses.
const MISSED: usize = 3;

#[expect(
    clippy::print_stdout,
    reason = "a measurement is for whoever started it"
)]
#[tokio::main]
async fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().collect();
    let value = |flag: &str| {
        let at = args.iter().position(|arg| arg == flag)?;
        args.get(at + 1).cloned()
    };
    let connections: usize = value("--connections").unwrap_or("9000".into()).parse()?;
    let beside = std::env::current_exe()?
        .parent()
        .and_then(|folder| folder.parent())
        .map(|folder| folder.join("chatd"));
    let chatd = value("--chatd").map(PathBuf::from).or(beside);
    let chatd = chatd.ok_or("give --chatd FILE")?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("chatd.redb");
    rlimit::increase_nofile_limit(u64::MAX)?;

    let mut tokens = register(&data, connections + SENDERS).await?;
    let (mut server, address) = start(&chatd, &data).await?;
    let senders = tokens.split_off(connections);
    let places = arrive(&address, &tokens, None).await?.1;

    // Each is sent its messages, many at a time; by all senders in turn, since one that says so
    // much is closed for a flood.
    let mut sockets = Vec::new();
    for token in &senders {
        sockets.push(enter(&address, &auth(token, None)).await?.0);
    }
    for number in 0..MISSED {
        for (at, chunk) in places.chunks(500).enumerate() {
            let sender = &mut sockets[at % SENDERS];
            for place in chunk {
                let message =
                    json!({"receiver_id": place.user, "content": format!("missed {number}")});
                let event = json!(["send_message", message]);
                sender.send(Message::text(format!("421{event}"))).await?;
            }
            for _ in chunk {
                while !text(sender).await?.starts_with("431") {}
            }
        }
    }
    drop(sockets);
    let quiet = send_until(&address, &senders, async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok(())
    })
    .await?
    .0;
    println!("sends alone: {}", quantiles(quiet));

    server.kill().await?;
    let began = Instant::now();
    let (_server, address) = start(&chatd, &data).await?;
    println!("started after SIGKILL in {:?}", began.elapsed());
    let (waits, took) = send_until(&address, &senders, async {
        let began = Instant::now();
        let (_, back) = arrive(&address, &tokens, Some(&places)).await?;
        assert_eq!(back.len(), connections);
        Ok(began.elapsed())
    })
    .await?;
    println!("{connections} clients recovered, {MISSED} messages each, in {took:?}");
    println!("sends meanwhile: {}", quantiles(waits));
    Ok(())
}

/// What a stock client keeps of its socket, and whose it is.
struct Place {
    user: u64,
    pid: String,
}

fn auth(token: &str, place: Option<&Place>) -> String {
    match place {
        None => json!({ "token": token }).to_string(),
        Some(place) => json!({ "token": token, "pid": place.pid }).to_string(),
    }
}

/// Everybody connects, all at once; those who have a place must be recovered with what they missed.
async fn arrive(
    address: &str,
    tokens: &[String],
    places: Option<&[Place]>,
) -> Result<(Vec<Socket>, Vec<Place>), Error> {
    let mut arriving = JoinSet::new();
    for (at, token) in tokens.iter().enumerate() {
        let place = places.map(|places| &places[at]);
        let pid = place.map(|place| place.pid.clone());
        let (address, auth, user) = (address.to_owned(), auth(token, place), user_of(token)?);
        arriving.spawn(async move {
            let (mut socket, answer) = enter(&address, &auth).await?;
            let answer: Value = serde_json::from_str(answer.get(2..).unwrap_or_default())?;
            let given = answer["pid"].as_str().ok_or("no pid")?.to_owned();
            if let Some(pid) = pid {
                if pid != given {
                    return Err("a client was not recovered".into());
                }
                for number in 0..MISSED {
                    let event = hear(&mut socket, "42[\"receive_message\"").await?;
                    if !event.contains(&format!("missed {number}")) {
                        return Err(format!("expected message {number}: {event}").into());
                    }
                }
            }
            Ok::<_, Error>((at, socket, Place { user, pid: given }))
        });
    }
    let mut arrived = Vec::new();
    while let Some(one) = arriving.join_next().await {
        arrived.push(one??);
    }
    arrived.sort_unstable_by_key(|(at, ..)| *at);
    Ok(arrived
        .into_iter()
        .map(|(_, socket, place)| (socket, place))
        .unzip())
}

/// Whose token this is: its claim `sub`.
fn user_of(token: &str) -> Result<u64, Error> {
    use base64::Engine;
    let claims = token.split('.').nth(1).ok_or("no claims")?;
    let claims = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(claims)?;
    let claims: Value = serde_json::from_slice(&claims)?;
    Ok(claims["sub"].as_str().ok_or("no subject")?.parse()?)
}

/// Has the senders send to each other until `work` is done; gives what each send waited, and what
/// the work came to.
async fn send_until<T>(
    address: &str,
    senders: &[String],
    work: impl Future<Output = Result<T, Error>>,
) -> Result<(Vec<Duration>, T), Error> {
    let done = Arc::new(AtomicBool::new(false));
    let mut sending = JoinSet::new();
    for (at, token) in senders.iter().enumerate() {
        let receiver = user_of(&senders[(at + 1) % senders.len()])?;
        let (mut socket, _) = enter(address, &auth(token, None)).await?;
        let done = Arc::clone(&done);
        sending.spawn(async move {
            let message = json!({"receiver_id": receiver, "content": "x".repeat(100)});
            let event = format!("421{}", json!(["send_message", message]));
            let mut waits = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let began = Instant::now();
                socket.send(Message::text(event.as_str())).await?;
                while !text(&mut socket).await?.starts_with("431") {}
                waits.push(began.elapsed());
            }
            Ok::<_, Error>(waits)
        });
    }
    let result = work.await;
    done.store(true, Ordering::Relaxed);
    let mut waits = Vec::new();
    while let Some(one) = sending.join_next().await {
        waits.extend(one??);
    }
    Ok((waits, result?))
}

/// The next text.
async fn text(socket: &mut Socket) -> Result<String, Error> {
    hear(socket, "").await
}

fn quantiles(mut waits: Vec<Duration>) -> String {
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    format!(
        "{} of them, p50 {:?}, p99 {:?}, the longest {:?}",
        waits.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    )
}
