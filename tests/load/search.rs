//! What the search costs: fills a data file, makes its index, searches it as people would, alone
//! and beside sends, and holds what is found against a plain scan. Prints one table: each bound,
//! and what was measured.
//!
//! `cargo run --release --example search -- --messages 10000000`
//!
//! `--chats`, `--people`, `--rate` (sends a second) and `--folder` say otherwise than is usual.
//! Each part runs in a process of its own, so that none has what another left in memory.

#![expect(
    clippy::print_stdout,
    reason = "its only purpose is to tell what it measured"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on says so best by stopping"
)]

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use chatd::budget::Budget;
use chatd::chat::{Chat, Event, Listener, Rules};
use chatd::metrics::SearchMetrics;
use chatd::model::{
    Act, RoomHistory, RoomId, RoomKind, RoomPost, Stream, Timestamp, UserId, Username,
};
use chatd::search::{Query, Search, SearchConfig, SearchError, Wanted, folder_of};
use chatd::store::{
    BATCHES, Change, Location, NewRoom, NewUser, RoomAct, RoomCommand, Snapshot, Store,
    StoreOptions, Talk,
};
use tokio::runtime::Runtime;

/// How many people the reader writes to, and in how many rooms they are.
const CHATS: u64 = 64;
const ROOMS: u64 = 20;
/// How many searches of each kind.
const SEARCHES: usize = 1_000;
/// How long each turn of sends lasts, and how many there are alone and beside searches, by turns.
const TURN: Duration = Duration::from_secs(8);
const TURNS: usize = 3;
/// 20 ms from a search to the next beside sends: as some dozens of people do who type.
const PAUSE: Duration = Duration::from_millis(20);
/// Of so many words texts are made, the n-th of them 1/n times as often as the first.
const WORDS: usize = 40_000;
/// What the text of a search of each kind is.
const KINDS: [&str; 5] = [
    "a word",
    "two words",
    "a beginning of two letters",
    "a word, a minus word",
    "a phrase",
];
/// So many searches are held against a plain scan, of words from this one on, that few texts have.
const SCANNED: usize = 60;
const RARE: usize = 1_000;
const MB: f64 = 1e6;

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

/// What is measured.
struct Setting {
    messages: u64,
    chats: u64,
    people: u64,
    rate: u32,
    folder: PathBuf,
    /// The part that this process measures; `None` for the one that has all measured.
    part: Option<String>,
}

impl Setting {
    fn of_arguments() -> Self {
        let mut setting = Self {
            messages: 1_000_000,
            chats: 319_000,
            people: 200_000,
            rate: 2_000,
            folder: std::env::temp_dir(),
            part: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().unwrap_or_default();
            match &*name {
                "--messages" => setting.messages = value.parse().unwrap(),
                "--chats" => setting.chats = value.parse().unwrap(),
                "--people" => setting.people = value.parse().unwrap(),
                "--rate" => setting.rate = value.parse().unwrap(),
                "--folder" => setting.folder = value.into(),
                "--part" => setting.part = Some(value),
                _ => panic!("{name}: one of --messages, --chats, --people, --rate, --folder"),
            }
        }
        setting
    }

    fn data(&self) -> PathBuf {
        self.folder.join("chatd.redb")
    }

    /// Has a process measure a part, and returns the rows that it gives.
    fn measured(&self, folder: &Path, part: &str) -> Vec<String> {
        let numbers = [
            ("--messages", self.messages),
            ("--chats", self.chats),
            ("--people", self.people),
            ("--rate", u64::from(self.rate)),
        ];
        let numbers = numbers.map(|(name, number)| [name.to_owned(), number.to_string()]);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(numbers.as_flattened())
            .args(["--part", part, "--folder"])
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let lines = lines
            .map(Result::unwrap)
            .inspect(|line| println!("  {part}: {line}"));
        let rows = lines.filter(|line| line.starts_with('|')).collect();
        assert!(child.wait().unwrap().success(), "{part} failed");
        rows
    }
}

/// Gives a row of the table.
fn row(what: &str, bound: &str, measured: &str, is_met: bool) {
    let verdict = if is_met { "" } else { "**missed**" };
    println!("| {what} | {bound} | {measured} | {verdict} |");
}

fn main() {
    let setting = Setting::of_arguments();
    let words = words();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    match setting.part.as_deref() {
        None => all_parts(&setting),
        Some("fill") => filled(&setting, &words),
        Some(part @ ("make" | "small")) => {
            let config = SearchConfig::beside(&setting.data());
            let (config, most_mb) = match part {
                "make" => (config, 64),
                _ => (config.within(&Budget::for_memory(128 << 20)), 16),
            };
            made_anew(&setting, &runtime, &words, config, most_mb);
        }
        Some("search") => searched_alone(&setting, &runtime, &words),
        Some("beside") => searched_beside(&setting, &runtime, &words),
        Some("scan") => scanned(&setting, &runtime, &words),
        Some("people") => people_found(&setting),
        Some("chinese") => chinese(&setting, &runtime),
        Some(other) => panic!("no part {other}"),
    }
}

fn all_parts(setting: &Setting) {
    let folder = tempfile::tempdir_in(&setting.folder).unwrap();
    let began = Instant::now();
    let cores = std::thread::available_parallelism().unwrap();
    let mut rows = Vec::new();
    // The index of a small container is searched too, before the usual one takes its place.
    for part in [
        "fill", "small", "make", "search", "scan", "beside", "people", "chinese",
    ] {
        rows.extend(setting.measured(folder.path(), part));
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    println!();
    println!(
        "{} messages of 100 characters in {} chats, a reader in {CHATS} of them and in {ROOMS} rooms; {cores} cores; {:.0?} in all",
        setting.messages,
        setting.chats,
        began.elapsed()
    );
    println!();
    println!(
        "`cargo run --release --example search -- {}`",
        arguments.join(" ")
    );
    println!();
    println!("| what | bound | measured | |");
    println!("| --- | --- | --- | --- |");
    rows.iter().for_each(|row| println!("{row}"));
}

fn filled(setting: &Setting, words: &[String]) {
    let began = Instant::now();
    let store = open(&setting.data());
    fill(&store, setting, words);
    store.close();
    let bytes = std::fs::metadata(setting.data()).unwrap().len();
    println!(
        "filled in {:.0?}, {:.0} MB",
        began.elapsed(),
        bytes as f64 / MB
    );
}

/// Makes the index of all messages.
fn made_anew(
    setting: &Setting,
    runtime: &Runtime,
    words: &[String],
    config: SearchConfig,
    most_mb: u64,
) {
    let data = setting.data();
    let _ = std::fs::remove_dir_all(folder_of(&data));
    let store = open(&data);
    // What the data file keeps in memory of what was read is there before.
    runtime.block_on(each_entry(&store, |_, _, _| ()));
    let before = memory("RssAnon:");
    let most = Arc::new(AtomicU64::new(before));
    let watching = {
        let most = Arc::clone(&most);
        runtime.spawn(async move {
            loop {
                most.fetch_max(memory("RssAnon:"), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    };
    let began = Instant::now();
    let search = search(&store, &config);
    let following = runtime.spawn(
        search
            .clone()
            .run(Timestamp::now, Duration::from_secs(1 << 20)),
    );
    runtime.block_on(made(&search, &store));
    let a_million = began.elapsed().as_secs_f64() * 1e6 / setting.messages as f64;
    watching.abort();
    following.abort();
    let took = (most.load(Ordering::Relaxed) - before) as f64 / MB;
    let name = if most_mb < 64 {
        ", in a container of 128 MiB"
    } else {
        ""
    };
    row(
        &format!("made anew, a million messages{name}"),
        "60 s",
        &format!("{a_million:.1} s"),
        a_million <= 60.0,
    );
    row(
        &format!("memory while it is made{name}"),
        &format!("{most_mb} MB"),
        &format!("{took:.1} MB"),
        took <= most_mb as f64,
    );
    let a_message = size_of(&folder_of(&data)) as f64 / setting.messages as f64;
    row(
        &format!("on the disk, a message{name}"),
        "60 bytes",
        &format!("{a_message:.1} bytes in {} files", search.readings().parts),
        a_message <= 60.0,
    );
    if most_mb < 64 {
        let mut random = Random(7);
        let took = runtime.block_on(searched(&search, SEARCHES, || mixed(&mut random, words)));
        row(
            &format!("a search, any of these{name}"),
            "10 ms, 50 ms",
            &shown(&took),
            is_soon(&took),
        );
    }
    store.close();
}

/// Searches with nothing beside, after a start.
fn searched_alone(setting: &Setting, runtime: &Runtime, words: &[String]) {
    let store = open(&setting.data());
    let before = memory("RssAnon:");
    let began = Instant::now();
    let search = search(&store, &SearchConfig::beside(&setting.data()));
    let added = memory("RssAnon:").saturating_sub(before) as f64 / MB;
    row(
        "resident at the start",
        "8 MB",
        &format!("{added:.1} MB"),
        added <= 8.0,
    );
    let following = runtime.spawn(
        search
            .clone()
            .run(Timestamp::now, Duration::from_secs(1 << 20)),
    );
    runtime.block_on(made(&search, &store));
    println!("opened and caught up in {:.1?}", began.elapsed());
    let mut random = Random(7);
    let mut all = Vec::new();
    for (kind, name) in KINDS.iter().enumerate() {
        let took = runtime.block_on(searched(&search, SEARCHES, || {
            text(kind, &mut random, words)
        }));
        row(
            &format!("a search: {name}"),
            "10 ms, 50 ms",
            &shown(&took),
            is_soon(&took),
        );
        all.extend(took);
    }
    row(
        "a search, any of these",
        "10 ms, 50 ms",
        &shown(&all),
        is_soon(&all),
    );
    let added = memory("RssAnon:").saturating_sub(before) as f64 / MB;
    row(
        "memory after all of them, with what the data file keeps",
        "64 MB",
        &format!("{added:.1} MB"),
        added <= 64.0,
    );
    following.abort();
    store.close();
}

/// Returns whether searches are within the bounds: half of them in 10 ms, 99 of 100 in 50 ms.
fn is_soon(took: &[Duration]) -> bool {
    at(took, 0.5) <= Duration::from_millis(10) && at(took, 0.99) <= Duration::from_millis(50)
}

/// Sends at a steady pace, alone and beside searches by turns.
fn searched_beside(setting: &Setting, runtime: &Runtime, words: &[String]) {
    let store = open(&setting.data());
    let search = search(&store, &SearchConfig::beside(&setting.data()));
    let following = runtime.spawn(
        search
            .clone()
            .run(Timestamp::now, Duration::from_secs(1 << 20)),
    );
    runtime.block_on(made(&search, &store));
    let (mut quiet, mut beside, mut searches) = (Vec::new(), Vec::new(), Vec::new());
    let mut longest = Duration::ZERO;
    let mut random = Random(9);
    for turn in 0..TURNS {
        let alone = send(&store, setting.rate, TURN);
        println!("turn {turn}, sends alone: {}", shown(&alone));
        quiet.push(at(&alone, 0.99));
        let is_done = AtomicBool::new(false);
        let sent = std::thread::scope(|scope| {
            let sending = scope.spawn(|| send(&store, setting.rate, TURN));
            let searching = scope.spawn(|| {
                let mut took = Vec::new();
                while !is_done.load(Ordering::Relaxed) {
                    let text = || mixed(&mut random, words);
                    took.extend(runtime.block_on(searched(&search, 1, text)));
                    std::thread::sleep(PAUSE);
                }
                took
            });
            longest = longest.max(runtime.block_on(until_found(&search, &store, turn)));
            let sent = sending.join().unwrap();
            is_done.store(true, Ordering::Relaxed);
            searches.extend(searching.join().unwrap());
            sent
        });
        println!("turn {turn}, sends beside searches: {}", shown(&sent));
        beside.push(at(&sent, 0.99));
    }
    quiet.sort_unstable();
    beside.sort_unstable();
    let (quiet, beside) = (quiet[TURNS / 2], beside[TURNS / 2]);
    let times = beside.as_secs_f64() / quiet.as_secs_f64();
    row(
        "a search, any of these, beside sends",
        "10 ms, 50 ms",
        &shown(&searches),
        is_soon(&searches),
    );
    row(
        &format!(
            "p99 of {} sends a second beside searches, 20 ms from each to the next",
            setting.rate
        ),
        "1.2 times as alone",
        &format!("{beside:.2?}, {times:.2} times"),
        times <= 1.2,
    );
    row(
        "found after it was sent, beside both",
        "1 s",
        &format!("{longest:.0?} at the most"),
        longest <= Duration::from_secs(1),
    );
    following.abort();
    store.close();
}

/// Holds what the reader finds against every text of their chats.
fn scanned(setting: &Setting, runtime: &Runtime, words: &[String]) {
    let store = open(&setting.data());
    let search = search(&store, &SearchConfig::beside(&setting.data()));
    let following = runtime.spawn(
        search
            .clone()
            .run(Timestamp::now, Duration::from_secs(1 << 20)),
    );
    runtime.block_on(made(&search, &store));
    let mut random = Random(11);
    // Each as words, of which each but the last is followed by a space, and as a test of words.
    let asked: Vec<(usize, String, String)> = (0..SCANNED)
        .map(|number| {
            let mut word = || words[RARE + random.below((WORDS - RARE) as u64) as usize].clone();
            (number % 3, word(), words[random.word()].clone())
        })
        .collect();
    let has = |(kind, one, other): &(usize, String, String), text: &str| {
        let begins = |with: &str| text.split(' ').any(|word| word.starts_with(with));
        begins(one) && (*kind == 0 || begins(other) == (*kind == 1))
    };
    let mut wanted_ids = vec![Vec::new(); SCANNED];
    runtime.block_on(each_entry(&store, |id, is_readable, text| {
        if is_readable {
            for (asked, ids) in asked.iter().zip(&mut wanted_ids) {
                if has(asked, text) {
                    ids.push(id);
                }
            }
        }
    }));
    let (mut right, mut rows) = (0, 0);
    for ((kind, one, other), mut ids) in asked.iter().zip(wanted_ids) {
        ids.reverse();
        let text = match kind {
            0 => one.clone(),
            1 => format!("{one} {other}"),
            _ => format!("{one} -{other}"),
        };
        let found = runtime.block_on(all_found(&search, &text));
        right += usize::from(found == ids);
        rows += ids.len();
    }
    row(
        "searches that find exactly what a plain scan finds",
        "100 %",
        &format!("{right} of {SCANNED}, of {rows} rows"),
        right == SCANNED,
    );
    following.abort();
    store.close();
}

/// Everything that the reader finds, page by page.
async fn all_found(search: &Search, text: &str) -> Vec<u64> {
    let (mut ids, mut wanted) = (Vec::new(), wanted(text));
    wanted.limit = 100;
    loop {
        let page = search.search(user(1), wanted.clone()).await.unwrap();
        ids.extend(page.rows.iter().map(|hit| hit.message.id().get()));
        wanted.before = page.next_before;
        if wanted.before.is_none() {
            return ids;
        }
    }
}

/// Gives `take` the id and the text of each message, and whether the reader may read it.
async fn each_entry(store: &Store, mut take: impl FnMut(u64, bool, &str)) {
    let mut position = 0;
    loop {
        let read = move |snapshot: &Snapshot<'_>| snapshot.entries_after(position, 4_096, 4 << 20);
        let trail = store.read(read).await.unwrap();
        for notice in &trail.notices {
            let is_of_room = matches!(notice.entry.stream, Stream::Room(_));
            let is_of_reader = notice.sides().is_some_and(|sides| sides.contains(&user(1)));
            if let Act::Sent { content, .. } = &notice.entry.act {
                take(notice.entry.id.get(), is_of_room || is_of_reader, content);
            }
        }
        position = trail.through;
        if position >= trail.newest {
            return;
        }
    }
}

/// Makes an index of 131,072 messages of 100 Chinese characters, in a data file of its own.
fn chinese(setting: &Setting, runtime: &Runtime) {
    const MESSAGES: u64 = 1 << 17;
    let data = setting.folder.join("chinese.redb");
    let store = open(&data);
    let now = Timestamp::now();
    all(
        &store,
        now,
        (0..CHATS + 2).map(|number| new_user(&name_of(number))),
    );
    // Words of one to three of 3,500 characters, the frequent ones of frequent ones.
    let mut random = Random(17);
    let words: Vec<String> = (0..WORDS)
        .map(|_| {
            let chars = (0..1 + random.below(3)).map(|_| {
                let share = random.below(1 << 30) as f64 / f64::from(1 << 30);
                char::from_u32(0x4e00 + 3_500_f64.powf(share) as u32).unwrap()
            });
            chars.collect()
        })
        .collect();
    let texts = (0..MESSAGES).map(|number| {
        let mut text: Vec<char> = Vec::new();
        while text.len() < 100 {
            text.extend(words[random.word()].chars());
        }
        let text: String = text[..100].iter().collect();
        let peer = user(2 + number % CHATS);
        Change::Talk(Talk::send(user(1), peer, text.into(), None))
    });
    all(&store, now, texts);
    let search = search(&store, &SearchConfig::beside(&data));
    let following = runtime.spawn(
        search
            .clone()
            .run(Timestamp::now, Duration::from_secs(1 << 20)),
    );
    runtime.block_on(made(&search, &store));
    following.abort();
    let a_message = size_of(&folder_of(&data)) as f64 / MESSAGES as f64;
    row(
        "on the disk, a message of 100 Chinese characters (300 bytes)",
        "60 bytes",
        &format!("{a_message:.1} bytes in {} files", search.readings().parts),
        a_message <= 60.0,
    );
    let mut random = Random(19);
    let pair = || words[random.word()].clone() + &words[random.word()];
    let took = runtime.block_on(searched(&search, SEARCHES / 4, pair));
    row(
        "a search: two Chinese words that follow one another",
        "10 ms, 50 ms",
        &shown(&took),
        is_soon(&took),
    );
    store.close();
}

/// Searches among all people, and among those of the reader's chats.
fn people_found(setting: &Setting) {
    let store = open(&setting.data());
    let mut random = Random(13);
    let mut looked_up = |find: &dyn Fn(&str)| {
        let took = (0..10_000).map(|number| {
            let name = name_of(random.below(setting.people));
            let (from, letters) = (random.below(8) as usize, 1 + random.below(6) as usize);
            let text = match number % 4 {
                // Of a name that nobody has, the whole of it.
                0 => format!("{name}x"),
                1 => name[..letters].to_owned(),
                _ => name[from.min(name.len() - 1)..(from + letters).min(name.len())].to_owned(),
            };
            let began = Instant::now();
            find(&text);
            began.elapsed()
        });
        took.collect::<Vec<_>>()
    };
    let is_soon = |took: &[Duration]| at(took, 0.99) <= Duration::from_millis(2);
    let all = looked_up(&|text| drop(store.search_users(text, Some(user(1)), 20)));
    row(
        &format!("a search among {} people", setting.people),
        "2 ms",
        &shown(&all),
        is_soon(&all),
    );
    let peers = looked_up(&|text| drop(store.search_peers(user(1), text, 20)));
    row(
        "a search among those of one's chats",
        "2 ms",
        &shown(&peers),
        is_soon(&peers),
    );
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

fn search(store: &Store, config: &SearchConfig) -> Search {
    let keys = store.cursor_keys();
    let chat = Chat::new(store.clone(), Arc::new(Nobody), Rules::default(), keys);
    Search::new(store.clone(), chat, config, SearchMetrics::default())
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

/// Returns what is typed for a search of a kind.
fn text(kind: usize, random: &mut Random, words: &[String]) -> String {
    let (one, other) = (&words[random.word()], &words[random.word()]);
    match kind {
        0 => one.clone(),
        1 => format!("{one} {other}"),
        2 => one[..2].to_owned(),
        3 => format!("{one} -{other}"),
        _ => format!("\"{one} {other}\""),
    }
}

/// Returns the same for a search of any kind.
fn mixed(random: &mut Random, words: &[String]) -> String {
    let kind = random.below(KINDS.len() as u64) as usize;
    text(kind, random, words)
}

/// Searches so often, and returns how long each took.
async fn searched(
    search: &Search,
    times: usize,
    mut text: impl FnMut() -> String,
) -> Vec<Duration> {
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let wanted = wanted(&text());
        let began = Instant::now();
        search.search(user(1), wanted).await.unwrap();
        took.push(began.elapsed());
    }
    took
}

/// The longest of some times from a confirmed send to its being found.
async fn until_found(search: &Search, store: &Store, turn: usize) -> Duration {
    let mut longest = Duration::ZERO;
    for number in 0..20 {
        let word = format!("unique{turn}x{number}x");
        let talk = Talk::send(user(1), user(2), word.as_str().into(), None);
        let sent = store.apply(Timestamp::now(), Change::Talk(talk));
        sent.await.unwrap();
        let began = Instant::now();
        loop {
            let page = search.search(user(1), wanted(&word)).await.unwrap();
            if !page.rows.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        longest = longest.max(began.elapsed());
    }
    longest
}

/// The name of an account.
fn name_of(number: u64) -> String {
    let first = ["anna", "budi", "chloe", "dewi", "emma", "felix", "greta"];
    let last = ["smith", "santoso", "garcia", "nguyen", "kowalski", "okafor"];
    let (first, last) = (first[number as usize % 7], last[number as usize % 6]);
    format!("{first}.{last}{number}")
}

/// Makes the people and rooms, and sends all messages. A twentieth is of rooms.
fn fill(store: &Store, setting: &Setting, words: &[String]) {
    let (messages, chats) = (setting.messages, setting.chats);
    // Each writes to the few after them.
    let people = setting.people.max(CHATS + 2);
    let now = Timestamp::now();
    all(
        store,
        now,
        (0..people).map(|number| new_user(&name_of(number))),
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

/// Returns the time that a share of them is within.
fn at(took: &[Duration], share: f64) -> Duration {
    let mut sorted = took.to_vec();
    sorted.sort_unstable();
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

fn shown(took: &[Duration]) -> String {
    let (half, most, all) = (at(took, 0.5), at(took, 0.99), at(took, 1.0));
    format!("p50 {half:.2?}, p99 {most:.2?}, most {all:.2?}")
}

fn size_of(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().flatten();
    files.map(|file| file.metadata().unwrap().len()).sum()
}

/// Returns what the kernel says of this process's memory, in bytes.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}
