//! What the search costs: fills a data file, makes its index, and searches it as people would,
//! alone and beside sends.
//!
//! `cargo run --release --example search -- [MESSAGES] [CHATS] [SENDS_A_SECOND] [FOLDER]`

#![expect(
    clippy::print_stdout,
    reason = "its only purpose is to tell what it measured"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on says so best by stopping"
)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use chatd::chat::{Chat, Event, Listener, Rules};
use chatd::metrics::SearchMetrics;
use chatd::model::{RoomHistory, RoomId, RoomKind, RoomPost, Timestamp, UserId, Username};
use chatd::search::{Query, Search, SearchConfig, SearchError, Wanted, folder_of};
use chatd::store::{
    BATCHES, Change, Location, NewRoom, NewUser, RoomAct, RoomCommand, Store, StoreOptions, Talk,
};

/// How many people the reader writes to, and in how many rooms they are.
const CHATS: u64 = 64;
const ROOMS: u64 = 20;
const SEARCHES: usize = 1_000;
/// How long each turn beside sends lasts.
const TURN: Duration = Duration::from_secs(8);
/// Of so many words texts are made, the n-th of them 1/n times as often as the first.
const WORDS: usize = 40_000;

struct Nobody;

impl Listener for Nobody {
    fn happened(&self, _: Event<'_>) {}
}

/// A generator of numbers that needs no other crate.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A word as often as words are used: by Zipf's law, near enough.
    fn word(&mut self) -> usize {
        let share = self.below(1 << 30) as f64 / f64::from(1 << 30);
        ((WORDS as f64).powf(share) as usize).saturating_sub(1)
    }

    /// A text of about 100 characters.
    fn text(&mut self, words: &[String]) -> String {
        let mut text = String::new();
        while text.len() < 100 {
            text.push_str(&words[self.word()]);
            text.push(' ');
        }
        text.truncate(100);
        text
    }
}

/// Words of letters by turns, so that many begin alike.
fn words() -> Vec<String> {
    const SYLLABLES: [&str; 20] = [
        "ka", "ma", "sa", "ti", "ri", "no", "lo", "be", "te", "pu", "ga", "da", "si", "ku", "ha",
        "ran", "gan", "kan", "per", "ber",
    ];
    let word = |mut number: usize| {
        let mut word = String::new();
        while word.is_empty() || number > 0 {
            word.push_str(SYLLABLES[number % SYLLABLES.len()]);
            number /= SYLLABLES.len();
        }
        word
    };
    (0..WORDS).map(word).collect()
}

fn user(number: u64) -> UserId {
    UserId::new(number).unwrap()
}

fn main() {
    let mut args = std::env::args().skip(1);
    let mut number = |usual: u64| args.next().map_or(usual, |text| text.parse().unwrap());
    let (messages, chats, rate) = (number(1_000_000), number(319_000), number(2_000));
    let rate = u32::try_from(rate).unwrap();
    let place = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(place).unwrap();
    let data = folder.path().join("chatd.redb");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let words = words();
    let before = resident();
    let store = open(&data);
    let people = fill(&store, messages, chats, &words);
    let megabytes = |bytes: u64| bytes / 1_000_000;
    println!(
        "{messages} messages of 100 characters, {chats} chats and {ROOMS} rooms of {people} people; the data file has {} MB",
        megabytes(std::fs::metadata(&data).unwrap().len())
    );
    let resident_before = resident();
    let began = Instant::now();
    let search = search(&store, &data);
    let following = runtime.spawn(
        search
            .clone()
            .run(Timestamp::now, Duration::from_secs(1 << 20)),
    );
    runtime.block_on(made(&search, &store));
    let took = began.elapsed();
    let bytes = size_of(&folder_of(&data));
    println!(
        "made in {took:.1?}, {:.1} s a million; {:.1} bytes a message on the disk, {} files; {} MB more resident",
        took.as_secs_f64() * 1e6 / messages as f64,
        bytes as f64 / messages as f64,
        search.readings().parts,
        megabytes(resident().saturating_sub(resident_before)),
    );
    let mut random = Random(7);
    for round in 0..2 {
        let found = runtime.block_on(searched(&search, &mut random, &words, SEARCHES));
        println!("round {round}, alone: {found}");
    }
    let quiet = send(&store, rate, TURN);
    let is_done = AtomicBool::new(false);
    let beside = std::thread::scope(|scope| {
        let sending = scope.spawn(|| send(&store, rate, TURN));
        let searching = scope.spawn(|| {
            let mut random = Random(9);
            while !is_done.load(Ordering::Relaxed) {
                let found = runtime.block_on(searched(&search, &mut random, &words, 100));
                println!("beside {rate} sends a second: {found}");
            }
        });
        let beside = sending.join().unwrap();
        is_done.store(true, Ordering::Relaxed);
        searching.join().unwrap();
        beside
    });
    println!(
        "sends alone {}, beside searches {}",
        shown(quiet),
        shown(beside)
    );
    println!(
        "found after {:.0?} at the most",
        runtime.block_on(until_found(&search, &store))
    );
    following.abort();
    store.close();
    drop((search, store));
    reopened(&runtime, &data);
    println!(
        "resident before anything {} MB, at the end {} MB",
        megabytes(before),
        megabytes(resident())
    );
}

/// Opens the file again, as a start does, and says what the index adds.
fn reopened(runtime: &tokio::runtime::Runtime, data: &Path) {
    let store = open(data);
    let before = resident();
    let began = Instant::now();
    let search = search(&store, data);
    let opened = began.elapsed();
    let following = runtime.spawn(
        search
            .clone()
            .run(Timestamp::now, Duration::from_secs(1 << 20)),
    );
    runtime.block_on(made(&search, &store));
    println!(
        "opened again in {opened:.1?}, caught up after {:.1?}; {} kB more resident",
        began.elapsed(),
        resident().saturating_sub(before) / 1_000,
    );
    following.abort();
    store.close();
}

fn open(data: &Path) -> Store {
    let (done, mut batches) = tokio::sync::mpsc::channel(BATCHES);
    let location = Location::File(data.to_owned());
    let store = Store::open(&location, StoreOptions::default(), done).unwrap();
    std::thread::spawn(move || {
        while let Some(batch) = batches.blocking_recv() {
            batch.into_iter().for_each(|done| done.tell(drop));
        }
    });
    store
}

fn search(store: &Store, data: &Path) -> Search {
    let keys = store.cursor_keys();
    let chat = Chat::new(store.clone(), Arc::new(Nobody), Rules::default(), keys);
    let config = SearchConfig::beside(data);
    Search::new(store.clone(), chat, &config, SearchMetrics::default())
}

/// Waits until everything is indexed.
async fn made(search: &Search, store: &Store) {
    let newest = store.last_entry();
    loop {
        match search.search(user(1), wanted("nothing")).await {
            Ok(page) if page.indexed_through >= newest => return,
            Ok(_) | Err(SearchError::Indexing { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn wanted(text: &str) -> Wanted {
    Wanted {
        query: Query::parse(text).unwrap(),
        chat: None,
        sender: None,
        has_file: false,
        before: None,
        limit: 20,
    }
}

/// Searches so often, and says how long it took.
async fn searched(search: &Search, random: &mut Random, words: &[String], times: usize) -> String {
    let (mut took, mut rows) = (Vec::new(), 0);
    for number in 0..times {
        let (one, other) = (&words[random.word()], &words[random.word()]);
        let text = match number % 5 {
            0 | 1 => one.clone(),
            2 => format!("{one} {other}"),
            3 => one[..2].to_owned(),
            _ => format!("{one} -{other}"),
        };
        let began = Instant::now();
        let page = search.search(user(1), wanted(&text)).await.unwrap();
        took.push(began.elapsed());
        rows += page.rows.len();
    }
    format!(
        "{}, {:.1} rows each",
        shown(took),
        rows as f64 / times as f64
    )
}

/// The longest of some times from a confirmed send to its being found.
async fn until_found(search: &Search, store: &Store) -> Duration {
    let mut longest = Duration::ZERO;
    for number in 0..20 {
        let word = format!("unique{number}");
        let talk = Talk::send(user(1), user(2), word.as_str().into(), None);
        store
            .apply(Timestamp::now(), Change::Talk(talk))
            .await
            .unwrap();
        let began = Instant::now();
        while search
            .search(user(1), wanted(&word))
            .await
            .unwrap()
            .rows
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        longest = longest.max(began.elapsed());
    }
    longest
}

/// Makes the people and rooms, and sends all messages. A twentieth is of rooms.
fn fill(store: &Store, messages: u64, chats: u64, words: &[String]) -> u64 {
    // Each writes to the few after them.
    let people = (chats / 10).max(CHATS + 2);
    let now = Timestamp::now();
    all(
        store,
        now,
        (1..=people).map(|number| new_user(&format!("user{number}"))),
    );
    all(store, now, (1..=ROOMS).map(|_| new_room()));
    let mut random = Random(1);
    let changes = (0..messages).map(|number| {
        let text = random.text(words).into();
        if number % 20 == 0 {
            let room = RoomId::new(1 + random.below(ROOMS)).unwrap();
            return Change::Talk(Talk::send_to_room(
                user(1 + random.below(2)),
                room,
                text,
                None,
            ));
        }
        let chat = random.below(chats);
        // The first of them are the reader's.
        let (from, to) = match chat < CHATS {
            true => (1, chat + 2),
            false => {
                let from = 1 + chat % people;
                (from, 1 + (from + chat / people) % people)
            }
        };
        let (from, to) = if random.below(2) == 0 {
            (from, to)
        } else {
            (to, from)
        };
        Change::Talk(Talk::send(user(from), user(to), text, None))
    });
    all(store, now, changes);
    people
}

fn all(store: &Store, now: Timestamp, changes: impl Iterator<Item = Change>) {
    let (answered, answers) = mpsc::channel();
    let mut waiting = 0;
    for change in changes {
        if waiting == 8_000 {
            answers.recv().unwrap();
            waiting -= 1;
        }
        let answered = answered.clone();
        let answer = move |result: Result<_, _>| answered.send(result.unwrap()).unwrap();
        store.submit(now, change, answer);
        waiting += 1;
    }
    for _ in 0..waiting {
        answers.recv().unwrap();
    }
}

fn new_user(name: &str) -> Change {
    Change::CreateUser(NewUser {
        username: Username::registered(name).unwrap(),
        name: None,
        avatar: None,
        password_hash: None,
        is_admin: false,
        is_bot: false,
        only_if_first: false,
        invite: None,
    })
}

fn new_room() -> Change {
    let room = NewRoom {
        name: "room".into(),
        topic: "".into(),
        avatar: None,
        kind: RoomKind::Open,
        history: RoomHistory::All,
        post: RoomPost::All,
    };
    Change::Room(RoomAct {
        by: Some(user(1)),
        what: RoomCommand::Create {
            room,
            members: vec![user(2)],
            most: 100,
        },
    })
}

/// Sends at a steady pace, and says how long each took.
fn send(store: &Store, rate: u32, long: Duration) -> Vec<Duration> {
    let (answered, answers) = mpsc::channel();
    let began = Instant::now();
    let mut random = Random(3);
    let words = words();
    let mut count = 0;
    while began.elapsed() < long {
        let due = began + Duration::from_secs(1) * count / rate;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let answered = answered.clone();
        let (from, to) = (2 + random.below(60), 1);
        let talk = Talk::send(user(from), user(to), random.text(&words).into(), None);
        let answer = move |result: Result<_, _>| {
            result.unwrap();
            answered.send(due.elapsed()).unwrap();
        };
        store.submit(Timestamp::now(), Change::Talk(talk), answer);
        count += 1;
    }
    (0..count).map(|_| answers.recv().unwrap()).collect()
}

fn shown(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    format!(
        "p50 {:.2?}, p99 {:.2?}, most {:.2?}",
        at(0.5),
        at(0.99),
        at(1.0)
    )
}

fn size_of(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().flatten();
    files.map(|file| file.metadata().unwrap().len()).sum()
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}
