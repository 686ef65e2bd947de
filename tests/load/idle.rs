//! What an idle connection costs the server: resident memory over many authenticated WebSockets,
//! each of its own person.
//!
//! ```text
//! cargo build --release && cargo run --release --example idle -- --connections 10000
//! ```
//!
//! Makes the accounts with cheap passwords in this process, starts the executable (`--chatd FILE`,
//! by default the release build beside this example) on the same data file and on loopback,
//! connects, and reads the server's `/proc` entry: after start, with all connected and quiet, after
//! each has sent one event of 100 kB, and after all have left; with `--rounds N` also after all
//! have come and left again so often, which shows what is never given back.

mod people;

use std::path::PathBuf;
use std::time::Duration;

use futures_util::SinkExt;
use people::{AT_ONCE, Error, Socket, enter, hear, register, start};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

#[expect(
    clippy::print_stdout,
    reason = "a measurement is for whoever started it"
)]
#[tokio::main]
async fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().collect();
    let value = |flag: &str| {
        args.iter()
            .position(|arg| arg == flag)
            .and_then(|at| args.get(at + 1))
            .cloned()
    };
    let connections: usize = value("--connections").unwrap_or("10000".into()).parse()?;
    let rounds: usize = value("--rounds").unwrap_or("1".into()).parse()?;
    let beside = std::env::current_exe()?
        .parent()
        .and_then(|folder| folder.parent())
        .map(|folder| folder.join("chatd"));
    let chatd = value("--chatd")
        .map(PathBuf::from)
        .or(beside)
        .ok_or("give --chatd FILE")?;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("chatd.redb");
    rlimit::increase_nofile_limit(u64::MAX)?;

    let tokens = register(&data, connections).await?;
    let (mut server, address) = start(&chatd, &data).await?;
    let pid = server.id().ok_or("the server has ended")?;
    let before = settled(pid).await?;
    println!("resident after start: {} KiB", before);

    let mut sockets = connect(&address, tokens.clone()).await?;
    let idle = settled(pid).await?;
    let each = |kib: u64| kib.saturating_sub(before) as f64 / connections as f64;
    println!(
        "{connections} idle connections: {idle} KiB, {:.2} KiB each",
        each(idle)
    );

    let large = format!("42[\"unknown\",\"{}\"]", "x".repeat(100_000));
    for socket in &mut sockets {
        socket.send(Message::text(large.as_str())).await?;
        // The ack of a second event says that the first has been read.
        socket
            .send(Message::text(
                r#"421["presence_subscribe",{"user_ids":[]}]"#,
            ))
            .await?;
    }
    for socket in &mut sockets {
        hear(socket, "431").await?;
    }
    let after = settled(pid).await?;
    println!(
        "after an event of 100 kB from each: {after} KiB, {:.2} KiB each",
        each(after)
    );

    drop(sockets);
    println!("after all have left: {} KiB", settled(pid).await?);
    for round in 2..=rounds {
        drop(connect(&address, tokens.clone()).await?);
        println!(
            "after all have come and left {round} times: {} KiB",
            settled(pid).await?
        );
    }
    server.kill().await?;
    Ok(())
}

/// A socket for each token.
async fn connect(address: &str, tokens: Vec<String>) -> Result<Vec<Socket>, Error> {
    let mut sockets = Vec::with_capacity(tokens.len());
    let mut connecting = JoinSet::new();
    let mut tokens = tokens.into_iter();
    loop {
        while connecting.len() < AT_ONCE
            && let Some(token) = tokens.next()
        {
            connecting.spawn(join(address.to_owned(), token));
        }
        match connecting.join_next().await {
            Some(socket) => sockets.push(socket??),
            None => return Ok(sockets),
        }
    }
}

/// A socket of the person whose token this is.
async fn join(address: String, token: String) -> Result<Socket, Error> {
    Ok(enter(&address, &format!("{{\"token\":\"{token}\"}}"))
        .await?
        .0)
}

/// The resident memory of a process in KiB, once it has been the same for a second.
async fn settled(pid: u32) -> Result<u64, Error> {
    let mut last = 0;
    loop {
        let status = tokio::fs::read_to_string(format!("/proc/{pid}/status")).await?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .ok_or("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).ok_or("no VmRSS")?.parse()?;
        if kib.abs_diff(last) <= 64 {
            return Ok(kib);
        }
        last = kib;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
