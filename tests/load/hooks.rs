//! How many events a second an outgoing hook tells a receiver on this machine, beside sends at a
//! steady pace; and how far behind it is when they end.
//!
//! `cargo run --release --example hooks -- [EVENTS] [SENDS_A_SECOND] [CHATS]`

#![expect(
    clippy::print_stdout,
    reason = "its only purpose is to tell what it measured"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on says so best by stopping"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chatd::accounts::Admin;
use chatd::chat::{Chat, Event, Listener, Rules};
use chatd::hooks::{DEFAULT_RETRY, Hooks, HooksConfig, NewOutgoing};
use chatd::metrics::Metrics;
use chatd::model::{Timestamp, UserId, Username};
use chatd::outgoing::{Outbound, Reach, Trust};
use chatd::store::{BATCHES, Change, Location, NewUser, Store, StoreOptions, Talk};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{MissedTickBehavior, interval};

struct Nobody;

impl Listener for Nobody {
    fn happened(&self, _: Event<'_>) {}
}

/// Answers each request by 204, and counts it.
async fn receive(mut stream: TcpStream, told: Arc<AtomicU64>) {
    let mut read = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        let head = read.windows(4).position(|four| four == b"\r\n\r\n");
        let whole = head.and_then(|head| {
            let text = std::str::from_utf8(&read[..head]).unwrap();
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let end = head + 4 + length.unwrap().parse::<usize>().unwrap();
            (read.len() >= end).then_some(end)
        });
        if let Some(end) = whole {
            read.drain(..end);
            told.fetch_add(1, Ordering::Relaxed);
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            continue;
        }
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => read.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
}

fn user(number: u64) -> Change {
    Change::CreateUser(NewUser {
        username: Username::registered(&format!("person-{number}")).unwrap(),
        name: None,
        avatar: None,
        password_hash: None,
        is_admin: false,
        is_bot: false,
        only_if_first: false,
        invite: None,
    })
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let mut number = |usual: u64| args.next().map_or(usual, |text| text.parse().unwrap());
    let (events, rate, chats) = (number(20_000), number(1_000), number(100));
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let (done, batches) = tokio::sync::mpsc::channel(BATCHES);
    let store = Store::open(&location, StoreOptions::default(), done).unwrap();
    let chat = Chat::new(
        store.clone(),
        Arc::new(Nobody),
        Rules::default(),
        store.cursor_keys(),
    );
    tokio::spawn(chat.clone().run(batches, || 0));
    for number in 0..=chats {
        store.apply(Timestamp::now(), user(number)).await.unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let told = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&told);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(receive(stream, Arc::clone(&counted)));
        }
    });
    let hooks = HooksConfig {
        direct: true,
        outbound: Outbound::new(Trust::with(None).unwrap(), Reach::Private, 256),
        retry: DEFAULT_RETRY,
        clock: Timestamp::now,
        metrics: Metrics::default().hooks,
    };
    let hooks = Hooks::new(store.clone(), chat, hooks);
    tokio::spawn(hooks.run());
    let wish = NewOutgoing {
        url,
        events: Vec::new(),
        rooms: Vec::new(),
    };
    let made = hooks.create_out(Admin::operator(), Timestamp::now(), wish);
    made.await.unwrap();

    let mut ticks = interval(Duration::from_millis(10));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let began = Instant::now();
    let mut sent = 0;
    while sent < events {
        ticks.tick().await;
        for _ in 0..(rate / 100).max(1) {
            let id = |number| UserId::new(number).unwrap();
            let talk = Talk::send(id(1), id(2 + sent % chats), "x".repeat(100).into(), None);
            store.submit(Timestamp::now(), Change::Talk(talk), drop);
            sent += 1;
        }
    }
    let (took, behind) = (began.elapsed(), sent - told.load(Ordering::Relaxed));
    while told.load(Ordering::Relaxed) < sent {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let all = began.elapsed();
    println!(
        "{sent} events in {chats} chats, {:.0} sent a second: {behind} behind at the end, all told after {:.0} ms more, {:.0} a second",
        sent as f64 / took.as_secs_f64(),
        (all - took).as_secs_f64() * 1_000.0,
        sent as f64 / all.as_secs_f64()
    );
    store.close();
}
