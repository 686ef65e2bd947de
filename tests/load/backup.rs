//! What sends wait beside what is done with the whole file: fills one, then sends at a steady pace,
//! in turns alone, beside backups and beside rewrites; in the end beside retention, by which most
//! of it is erased.
//!
//! `cargo run --release --example backup -- [MESSAGES] [SENDS_A_SECOND] [FOLDER]`

#![expect(
    clippy::print_stdout,
    reason = "its only purpose is to tell what it measured"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on says so best by stopping"
)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use chatd::model::{Timestamp, UserId, Username};
use chatd::store::{
    BATCHES, Change, EraseMany, Location, NewUser, Older, Store, StoreOptions, Talk,
};

/// How long each turn sends.
const TURN: Duration = Duration::from_secs(8);
/// How often both turns are taken.
const ROUNDS: usize = 4;
/// Milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// How many people write to each other.
const PEOPLE: u64 = 1_000;

fn main() {
    let mut args = std::env::args().skip(1);
    let messages: u64 = args.next().map_or(1_000_000, |text| text.parse().unwrap());
    let rate: u32 = args.next().map_or(2_000, |text| text.parse().unwrap());
    let folder =
        tempfile::tempdir_in(args.next().map_or_else(std::env::temp_dir, PathBuf::from)).unwrap();
    let path = folder.path().join("chatd.redb");
    let (done, mut batches) = tokio::sync::mpsc::channel(BATCHES);
    let store = Store::open(&Location::File(path.clone()), StoreOptions::default(), done).unwrap();
    std::thread::spawn(move || {
        while let Some(batch) = batches.blocking_recv() {
            batch.into_iter().for_each(|done| done.tell(drop));
        }
    });
    fill(&store, messages);
    let size = || std::fs::metadata(&path).unwrap().len() >> 20;
    println!("{messages} messages, {} MiB, {rate} sends a second", size());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for round in 0..ROUNDS {
        let quiet = send(&store, rate);
        let mut copied = (Vec::new(), 0);
        let copies = beside(&store, rate, || {
            let began = Instant::now();
            let backup = runtime.block_on(store.backup()).unwrap();
            copied.0.push(began.elapsed().as_millis());
            copied.1 = backup.size() >> 20;
        });
        let mut rewritten = Vec::new();
        let rewrites = beside(&store, rate, || {
            let began = Instant::now();
            runtime.block_on(store.rewrite()).unwrap();
            rewritten.push(began.elapsed().as_millis());
        });
        println!(
            "round {round}: alone {}; beside backups {}; beside rewrites {}; a backup of {} MiB took {:?} ms, \
             a rewrite {rewritten:?} ms; the file has {} MiB",
            shown(quiet),
            shown(copies),
            shown(rewrites),
            copied.1,
            copied.0,
            size()
        );
    }
    retain(&store, &runtime, rate);
    println!("the file has {} MiB", size());
    runtime.block_on(store.rewrite()).unwrap();
    println!("rewritten it has {} MiB", size());
    let began = Instant::now();
    store.close();
    drop(store);
    println!("closing took {:?}", began.elapsed());
    for _ in 0..2 {
        let began = Instant::now();
        let report = chatd::store::maintain::check(&path, &mut |_| {}).unwrap();
        println!(
            "a check took {:?}: {}, {:?}",
            began.elapsed(),
            report.counts,
            report.findings
        );
    }
    let began = Instant::now();
    let compacted = chatd::store::maintain::compact(&path, &mut |_| {}).unwrap();
    println!("compacting took {:?}: {compacted:?}", began.elapsed());
    let lines = folder.path().join("lines");
    let began = Instant::now();
    let mut file = std::fs::File::create(&lines).unwrap();
    chatd::store::maintain::export(&path, &mut file, &mut |_| {}).unwrap();
    println!(
        "exporting took {:?}: {} MiB",
        began.elapsed(),
        std::fs::metadata(&lines).unwrap().len() >> 20
    );
    let began = Instant::now();
    let mut file = std::io::BufReader::new(std::fs::File::open(&lines).unwrap());
    let target = folder.path().join("imported.redb");
    let judging = chatd::store::maintain::Judging {
        now: Timestamp::now(),
        password_hash: &|text| Ok(text.into()),
        file: &|_| Err("there are no files".into()),
    };
    chatd::store::maintain::import(&target, &mut file, judging, &mut |_| {}).unwrap();
    println!("importing took {:?}", began.elapsed());
}

/// Erases all that is older than 30 days, as a server does it, beside sends.
fn retain(store: &Store, runtime: &tokio::runtime::Runtime, rate: u32) {
    let now = Timestamp::now();
    let than = Timestamp::from_ms(now.as_ms() - 30 * DAY_MS);
    let is_done = AtomicBool::new(false);
    let (began, mut erased, mut steps) = (Instant::now(), 0, 0);
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                println!("beside retention {}", shown(send(store, rate)));
            }
        });
        loop {
            let step = Instant::now();
            let read = store.read(move |snapshot| snapshot.expired(Older { than, now }));
            let expired = runtime.block_on(read).unwrap();
            let (through, is_last) = (expired.through, expired.is_last);
            let many = expired.chats.into_iter().map(|messages| EraseMany {
                messages,
                sender: None,
                all_of: None,
            });
            let many: Vec<_> = many.collect();
            erased += many.iter().map(|many| many.messages.len()).sum::<usize>();
            steps += 1;
            runtime
                .block_on(store.apply(now, Change::Retain { many, through }))
                .unwrap();
            if is_last {
                break;
            }
            std::thread::sleep(step.elapsed());
        }
        let took = began.elapsed();
        is_done.store(true, Ordering::Relaxed);
        sending.join().unwrap();
        println!("retention erased {erased} messages in {steps} steps and {took:?}");
    });
}

/// Sends while `work` is done again and again.
fn beside(store: &Store, rate: u32, mut work: impl FnMut()) -> [f64; 3] {
    let stop = Instant::now() + TURN;
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| send(store, rate));
        while Instant::now() < stop {
            work();
        }
        sending.join().unwrap()
    })
}

fn shown([p50, p99, max]: [f64; 3]) -> String {
    format!("p50 {p50:.1} p99 {p99:.1} max {max:.1} ms")
}

fn message(number: u64) -> Change {
    let sender = number * 7 % PEOPLE;
    let receiver = (sender + 1 + number % 40) % PEOPLE;
    let user = |number| UserId::new(number + 1).unwrap();
    let content = "x".repeat(100).into();
    Change::Talk(Talk::send(user(sender), user(receiver), content, None))
}

/// Makes people, and so many messages, as fast as they are taken.
fn fill(store: &Store, messages: u64) {
    let (answered, answers) = mpsc::channel();
    let mut waiting = 0;
    let people = (1..=PEOPLE).map(|number| {
        Change::CreateUser(NewUser {
            username: Username::registered(&format!("user{number}")).unwrap(),
            name: None,
            avatar: None,
            password_hash: Some("none".into()),
            is_admin: false,
            is_bot: false,
            only_if_first: false,
            invite: None,
        })
    });
    // Their times go from 400 days ago to today.
    let (now, mut taken) = (Timestamp::now().as_ms(), 0);
    for change in people.chain((0..messages).map(message)) {
        let ago = 400 * DAY_MS / messages * messages.saturating_sub(taken);
        taken += 1;
        let at = Timestamp::from_ms(now - ago);
        let answered = answered.clone();
        let answer = move |result: Result<_, _>| answered.send(result.is_ok()).unwrap();
        store.submit(at, change, answer);
        waiting += 1;
        while waiting > 10_000 {
            assert!(answers.recv().unwrap());
            waiting -= 1;
        }
    }
    (0..waiting).for_each(|_| assert!(answers.recv().unwrap()));
}

/// Sends at a steady pace, whether or not answers come; p50, p99 and the longest wait, in
/// milliseconds.
fn send(store: &Store, rate: u32) -> [f64; 3] {
    let waits = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let (finished, done) = mpsc::channel::<()>();
    let began = Instant::now();
    let mut number = 0;
    loop {
        let due = Duration::from_secs(1) * number / rate;
        if due > TURN {
            break;
        }
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        let (waits, finished) = (Arc::clone(&waits), finished.clone());
        let answer = move |result: Result<_, _>| {
            assert!(result.is_ok());
            waits
                .lock()
                .push((began.elapsed() - due).as_secs_f64() * 1_000.0);
            drop(finished);
        };
        store.submit(Timestamp::now(), message(u64::from(number)), answer);
        number += 1;
    }
    drop(finished);
    // Ends once every answer has come.
    let _ = done.recv();
    let mut waits = waits.lock().clone();
    waits.sort_by(f64::total_cmp);
    [
        waits[waits.len() / 2],
        waits[waits.len() * 99 / 100],
        waits[waits.len() - 1],
    ]
}
