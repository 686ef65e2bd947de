//! Rewriting the file of an open store: what was erased is in no byte of it, and nothing else is
//! lost, whatever is written meanwhile and wherever the process or the power ends.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use redb::{Database, ReadableDatabase, ReadableTable};

use super::faults::{Disk, Served};
use super::{OPTIONS, Open, id, message, new_user, ops, sent, sent_as, user};
use crate::model::{Act, RoomId, Timestamp};
use crate::store::data::Data;
use crate::store::log::blocks;
use crate::store::log::further::without_what_it_hangs;
use crate::store::maintain::rewrite::{Rewriting, Step};
use crate::store::maintain::rewrites::{self, Waiting};
use crate::store::tables;
use crate::store::*;

const NOW: u64 = 1_700_000_000_000;
const USERS: u64 = 4;
/// Letters of several scripts, of one to four bytes each.
const SCRIPTS: [&str; 6] = [
    "abcdefghijklmnopqrstuvwxyz",
    "абвгдежзиклмнопрстуфхцчшщъыьэюя",
    "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生",
    "กขคงจชซญดตถทนบปผพฟมยรลวสหอ",
    "😀😁😂🤣😃😄😅😆😉😊😋😎😍😘🥰😗😙😚🙂🤗🤩🤔🤨😐😑",
];

/// A word that stands nowhere else.
fn word(random: &mut StdRng) -> String {
    let script = SCRIPTS[random.random_range(0..SCRIPTS.len())];
    let letters: Vec<char> = script.chars().collect();
    let letter = |_| letters[random.random_range(0..letters.len())];
    (0..14).map(letter).collect()
}

fn contains(bytes: &[u8], word: &str) -> bool {
    memchr::memmem::find(bytes, word.as_bytes()).is_some()
}

fn delete(author: u64, message: u64) -> Change {
    Change::Talk(Talk::delete(user(author), id(message)))
}

fn edit(author: u64, message: u64, content: &str) -> Change {
    Change::Talk(Talk::edit(user(author), id(message), content.into()))
}

/// Who wrote to whom, and the text.
type Live = (u64, u64, String);

/// What was confirmed: the messages that there are by their ids, and texts that are gone.
#[derive(Debug, Default, Clone)]
struct Confirmed {
    live: BTreeMap<u64, Live>,
    gone: Vec<String>,
    accounts: u64,
}

/// A browser subscribes that may have been another's.
fn subscribe(of: u64, number: u64) -> Change {
    let wish = NewSubscription {
        endpoint: format!("https://push.example.net/{number}").into(),
        p256dh: [4; 65],
        auth: [7; 16],
        lang: PushLanguage::En,
        show: PushShow::Text,
        base: "".into(),
        session: None,
        until: None,
    };
    Change::Subscribe {
        user: user(of),
        wish,
    }
}

impl Confirmed {
    /// Does something at random, and notes what came of it.
    fn act(&mut self, random: &mut StdRng, apply: &dyn Fn(Change) -> Committed) {
        let which = self.live.keys().copied().choose(random);
        match (random.random_range(0..10), which) {
            (0..5, _) | (_, None) => {
                let from = random.random_range(1..=USERS);
                let to = 1 + (from + random.random_range(0..USERS - 1)) % USERS;
                let mut content = word(random);
                if random.random_bool(0.1) {
                    // Beyond a page.
                    content = format!("{content} {}", "x".repeat(5_000));
                }
                let name = random.random::<u64>().to_string();
                let change = message(from, to, &content, Some(&name));
                let (message, _) = sent_as(apply(change)).unwrap();
                self.live.insert(message.id.get(), (from, to, content));
            }
            (5..7, Some(which)) => {
                let (from, _, content) = self.live.get_mut(&which).unwrap();
                let next = word(random);
                apply(edit(*from, which, &next));
                self.gone.push(std::mem::replace(content, next));
            }
            (7..9, Some(which)) => {
                let (from, _, content) = self.live.remove(&which).unwrap();
                apply(delete(from, which));
                self.gone.push(content);
            }
            (9, Some(which)) if random.random_bool(0.5) => self.erase_oldest(which, apply),
            _ => {
                self.accounts += 1;
                apply(new_user(&format!("more{}", self.accounts)));
                apply(subscribe(
                    random.random_range(1..=USERS),
                    random.random_range(0..9),
                ));
            }
        }
    }

    /// The oldest messages of the chat of one go at once, as by retention.
    fn erase_oldest(&mut self, which: u64, apply: &dyn Fn(Change) -> Committed) {
        let chat = |live: &Live| (live.0.min(live.1), live.0.max(live.1));
        let which = chat(&self.live[&which]);
        let of_chat = self.live.iter().filter(|(_, live)| chat(live) == which);
        let oldest: Vec<u64> = of_chat.map(|(id, _)| *id).take(5).collect();
        let many = EraseMany {
            messages: oldest.iter().map(|oldest| id(*oldest)).collect(),
            sender: None,
            all_of: None,
        };
        apply(Change::EraseMany(vec![many]));
        let gone = oldest.iter().filter_map(|id| self.live.remove(id));
        self.gone.extend(gone.map(|(_, _, content)| content));
    }

    /// All that was confirmed is there, and nothing that was erased.
    fn assert_in(&self, data: &Data, users: usize) {
        let snapshot = Snapshot::new(data);
        let mut found = BTreeMap::new();
        for me in 1..=USERS {
            for peer in (1..=USERS).filter(|peer| *peer != me) {
                let query = HistoryQuery {
                    before: None,
                    after: None,
                    limit: 100_000,
                };
                let page = snapshot.history(user(me), user(peer), query).unwrap();
                found.extend(page.rows.into_iter().map(|row| {
                    let message = row.message;
                    let (from, to) = (message.sender_id.get(), message.receiver_id.get());
                    (message.id.get(), (from, to, message.content.to_string()))
                }));
            }
        }
        assert!(found == self.live, "not as it was confirmed");
        assert_eq!(users as u64, USERS + self.accounts, "accounts");
    }
}

fn file() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    (folder, path)
}

fn open(path: &Path) -> Open {
    Open::at(&Location::File(path.to_owned())).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

fn assert_sound(path: &Path) {
    let report = maintain::check(path, &mut |_| {}).unwrap();
    assert_eq!(report.findings, []);
}

fn names(folder: &tempfile::TempDir) -> Vec<String> {
    let names = std::fs::read_dir(folder.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn what_was_erased_is_in_no_byte_of_the_rewritten_file_nor_of_a_backup_or_an_export() {
    let mut random = StdRng::seed_from_u64(1);
    let (folder, path) = file();
    let store = open(&path).with_users(USERS);
    let mut confirmed = Confirmed::default();
    let texts: Vec<_> = (0..200).map(|_| word(&mut random)).collect();
    for text in &texts {
        let sent = sent(store.apply(NOW, message(1, 2, text, None))).0;
        confirmed.live.insert(sent.id.get(), (1, 2, text.clone()));
    }
    let long = format!("{} {}", word(&mut random), "x".repeat(9_000));
    let long_id = sent(store.apply(NOW, message(2, 1, &long, Some("long"))))
        .0
        .id;
    let long_word = long.split(' ').next().unwrap().to_owned();
    let bytes = std::fs::read(&path).unwrap();
    for text in texts.iter().chain([&long_word]) {
        assert!(contains(&bytes, text), "{text} is not where it was written");
    }
    assert_eq!(store.store.erased_since(), None);
    store.apply(NOW + 5, delete(2, long_id.get())).unwrap();
    let mut gone = vec![long_word];
    for (which, (_, _, text)) in confirmed.live.clone() {
        match which % 3 {
            0 => {
                let next = word(&mut random);
                store.apply(NOW + 9, edit(1, which, &next)).unwrap();
                confirmed.live.insert(which, (1, 2, next));
            }
            1 => {
                store.apply(NOW + 9, delete(1, which)).unwrap();
                confirmed.live.remove(&which);
            }
            _ => continue,
        }
        gone.push(text);
    }
    let erased_at = Some(Timestamp::from_ms(NOW + 5));
    assert_eq!(store.store.erased_since(), erased_at);
    let bytes = std::fs::read(&path).unwrap();
    let left = gone.iter().filter(|text| contains(&bytes, text)).count();
    assert!(left > 0, "there is nothing to be rewritten");
    store.close();
    // What is left to do is known after a stop.
    let store = open(&path);
    assert_eq!(store.store.erased_since(), erased_at);
    runtime().block_on(store.store.rewrite()).unwrap();
    assert_eq!(store.store.erased_since(), None);
    confirmed.assert_in(&store.store.intake.data, USERS as usize);
    let backup = runtime().block_on(store.store.backup()).unwrap();
    let mut copied = vec![0; backup.size() as usize];
    backup.read_at(0, &mut copied).unwrap();
    drop(backup);
    let kept = store.send(1, 2, "goes on").id.get();
    let rewritten = std::fs::read(&path).unwrap();
    store.close();
    assert_sound(&path);
    let mut lines = Vec::new();
    maintain::export(&path, &mut lines, &mut |_| {}).unwrap();
    for (name, bytes) in [
        ("the file", &rewritten),
        ("the closed file", &std::fs::read(&path).unwrap()),
        ("a backup", &copied),
        ("an export", &lines),
    ] {
        let left: Vec<_> = gone.iter().filter(|text| contains(bytes, text)).collect();
        assert!(left.is_empty(), "{name} has {left:?}");
        for (_, _, text) in confirmed.live.values() {
            assert!(contains(bytes, text), "{name} has lost {text}");
        }
    }
    assert_eq!(names(&folder), ["chatd.redb"]);
    let again = open(&path);
    confirmed.live.insert(kept, (1, 2, "goes on".into()));
    assert_eq!(again.store.erased_since(), None);
    confirmed.assert_in(&again.store.intake.data, USERS as usize);
    again.close();
}

/// The emoji stayed in the entries by which it was put there and taken away, for good.
#[test]
fn an_emoji_on_an_erased_message_is_in_no_byte_of_the_rewritten_file() {
    let (_folder, path) = file();
    let store = open(&path).with_users(USERS);
    let apply = |change| store.apply(NOW, change).unwrap();
    let room = Room::new(&apply).room;
    let in_room = |text: &str| {
        let talk = Talk::send_to_room(user(1), room, text.into(), None);
        match apply(Change::Talk(talk)) {
            Committed::Talk(Outcome::Entry(notice)) => notice.entry.id.get(),
            other => panic!("{other:?}"),
        }
    };
    let react = |by, message, emoji: &str, on| {
        let talk = Talk::react(user(by), id(message), emoji.into(), on);
        apply(Change::Talk(talk.in_any_chat()));
    };
    let gone = ["🪼", "🦤", "🫎"];
    let left = ["🐙", "🦚"];
    let messages = [
        store.send(1, 2, "between two").id.get(),
        in_room("in a room"),
    ];
    let others = [store.send(1, 2, "stays").id.get(), in_room("stays there")];
    for (message, other) in messages.into_iter().zip(others) {
        // Several of one person, who takes one away again, and one of another.
        for (by, emoji, on) in [(2, 0, true), (2, 1, true), (2, 1, false), (1, 2, true)] {
            react(by, message, gone[emoji], on);
        }
        react(2, other, left[0], true);
        react(2, other, left[1], true);
    }
    for message in messages {
        apply(Change::Talk(
            Talk::delete(user(1), id(message)).in_any_chat(),
        ));
    }
    let contained = |bytes: &[u8]| gone.map(|emoji| contains(bytes, emoji));
    assert_eq!(contained(&std::fs::read(&path).unwrap()), [true; 3]);
    runtime().block_on(store.store.rewrite()).unwrap();
    store.close();
    for _ in 0..2 {
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(contained(&bytes), [false; 3]);
        assert!(left.iter().all(|emoji| contains(&bytes, emoji)));
        assert_sound(&path);
        open(&path).close();
        maintain::compact(&path, &mut |_| {}).unwrap();
    }
}

/// A room of all, and the messages that were sent there and are not erased, with their senders.
struct Room {
    room: RoomId,
    messages: BTreeMap<u64, u64>,
}

impl Room {
    fn new(apply: &dyn Fn(Change) -> Committed) -> Self {
        let what = RoomCommand::Create {
            room: ops(),
            members: (2..=USERS).map(user).collect(),
            most: 10,
        };
        let by = Some(user(1));
        apply(Change::Room(RoomAct { by, what }));
        Self {
            room: RoomId::new(1).unwrap(),
            messages: BTreeMap::new(),
        }
    }

    /// Sends, reacts or erases at random.
    fn act(&mut self, random: &mut StdRng, apply: &dyn Fn(Change) -> Committed) {
        let which = self.messages.iter().choose(random);
        let which = which.map(|(message, from)| (*message, *from));
        let by = random.random_range(1..=USERS);
        match (random.random_range(0..10), which) {
            (0..3, _) | (_, None) => {
                let content = word(random).into();
                let talk = Talk::send_to_room(user(by), self.room, content, None);
                if let Committed::Talk(Outcome::Entry(notice)) = apply(Change::Talk(talk)) {
                    self.messages.insert(notice.entry.id.get(), by);
                }
            }
            (3..9, Some((message, _))) => {
                let on = random.random_bool(0.7);
                let talk = Talk::react(user(by), id(message), "👍".into(), on);
                apply(Change::Talk(talk.in_any_chat()));
            }
            (_, Some((message, from))) => {
                let talk = Talk::delete(user(from), id(message));
                apply(Change::Talk(talk.in_any_chat()));
                self.messages.remove(&message);
            }
        }
    }
}

/// The keys and values of a table.
type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// The rows of every table, by its name.
fn rows(db: &Database) -> BTreeMap<String, Rows> {
    fn of<K: redb::Key + 'static>(
        db: &Database,
        table: redb::TableDefinition<'static, K, &'static [u8]>,
    ) -> Rows {
        let table = db.begin_read().unwrap().open_table(table).unwrap();
        let rows = table.iter().unwrap().map(|row| {
            let (key, value) = row.unwrap();
            let key = K::as_bytes(&key.value()).as_ref().to_vec();
            (key, value.value().to_vec())
        });
        rows.collect()
    }
    use tables::*;
    let mut all = BTreeMap::new();
    for (name, rows) in [
        ("meta", of(db, META)),
        ("conversations", of(db, CONVERSATIONS)),
        ("users", of(db, USERS)),
        ("credentials", of(db, CREDENTIALS)),
        ("invites", of(db, INVITES)),
        ("keys", of(db, KEYS)),
        ("files", of(db, FILES)),
        ("hooks", of(db, HOOKS)),
        ("changes", of(db, CHANGES)),
        ("newest_changes", of(db, NEWEST_CHANGES)),
        ("rooms", of(db, ROOMS)),
        ("room_members", of(db, ROOM_MEMBERS)),
        ("relations", of(db, RELATIONS)),
        ("reactions", of(db, REACTIONS)),
        ("push_subscriptions", of(db, PUSH_SUBSCRIPTIONS)),
        ("conversation_states", of(db, CONVERSATION_STATES)),
        ("stream_states", of(db, STREAM_STATES)),
        ("client_ids", of(db, CLIENT_IDS)),
    ] {
        all.insert(name.to_owned(), rows);
    }
    let log = blocks::entries(db);
    let erased: BTreeSet<_> = log
        .iter()
        .filter(|(id, sealed)| {
            let (_, record) = blocks::decode(*id, sealed).unwrap();
            matches!(record.act, Act::Erased { .. })
        })
        .map(|(id, _)| *id)
        .collect();
    let log = log.iter().map(|(id, sealed)| {
        let (entry, record) = blocks::decode(*id, sealed).unwrap();
        // A copy leaves out what hangs on a message that is erased.
        let plain = match record.act.changes() {
            Some(message) if erased.contains(&message.get()) => {
                without_what_it_hangs(entry, sealed).unwrap()
            }
            _ => None,
        };
        let plain = plain.unwrap_or_else(|| sealed.clone());
        (id.to_be_bytes().to_vec(), plain)
    });
    all.insert("log".to_owned(), log.collect());
    all
}

/// Rewrites the file at this path step by step, with what `told` does in between.
fn rewrite(store: &Store, path: &Path, told: &mut dyn FnMut(Step)) {
    let writer = store.writer().unwrap();
    let given_up = AtomicBool::new(false);
    let metrics = crate::metrics::StoreMetrics::default();
    let waiting: Waiting = rewrites::copy(&writer, path, metrics, &given_up, told).unwrap();
    let (left, _) = waiting.take_place(told).unwrap();
    left.let_go(&given_up);
}

#[test]
fn a_rewritten_file_has_every_row_of_every_table_whatever_was_written_meanwhile() {
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let (folder, path) = file();
        let store = open(&path).with_users(USERS);
        let mut confirmed = Confirmed::default();
        let apply = |change| store.apply(NOW, change).unwrap();
        let mut room = Room::new(&apply);
        for _ in 0..600 {
            confirmed.act(&mut random, &apply);
            room.act(&mut random, &apply);
        }
        let mut steps = Vec::new();
        let mut before = BTreeMap::new();
        rewrite(&store.store, &path, &mut |step| {
            steps.push(step);
            match step {
                Step::Copied | Step::Followed => {
                    for _ in 0..random.random_range(0..40) {
                        confirmed.act(&mut random, &apply);
                        room.act(&mut random, &apply);
                    }
                }
                Step::Synced => before = rows(&store.store.intake.data.database().unwrap()),
                Step::Named => {}
            }
        });
        assert!(
            steps.starts_with(&[Step::Copied]) && steps.ends_with(&[Step::Synced, Step::Named])
        );
        let mut after = rows(&store.store.intake.data.database().unwrap());
        // What was erased since it began may be in the new file, and has another time.
        for all in [&mut before, &mut after] {
            let meta = all.get_mut("meta").unwrap();
            meta.retain(|(name, _)| name != tables::ERASED.as_bytes());
        }
        assert!(!before["reactions"].is_empty());
        for (table, rows) in &before {
            assert!(after.get(table) == Some(rows), "{table}, seed {seed}");
        }
        let users = store.store.users_after(0, 10_000).0.len();
        confirmed.assert_in(&store.store.intake.data, users);
        for _ in 0..100 {
            confirmed.act(&mut random, &apply);
        }
        store.close();
        assert_eq!(names(&folder), ["chatd.redb"]);
        assert_sound(&path);
        let again = open(&path);
        let users = again.store.users_after(0, 10_000).0.len();
        confirmed.assert_in(&again.store.intake.data, users);
        again.close();
    }
}

/// How many rounds a test of crashes has: a few, or as many as `CRASHES` says.
fn rounds(usual: u64) -> u64 {
    let rounds = std::env::var("CRASHES").ok();
    rounds.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn a_server_killed_anywhere_in_a_rewrite_leaves_the_old_file_or_the_new_one_whole() {
    for seed in 0..rounds(12) {
        let mut random = StdRng::seed_from_u64(seed);
        let (folder, path) = file();
        let store = open(&path).with_users(USERS);
        let apply = |change| store.apply(NOW, change).unwrap();
        let mut confirmed = Confirmed::default();
        for _ in 0..random.random_range(50..400) {
            confirmed.act(&mut random, &apply);
        }
        let erased = confirmed.gone.clone();
        let (mut number, killed_at) = (0, random.random_range(1..14));
        let mut killed = None;
        let elsewhere = tempfile::tempdir().unwrap();
        let copy = elsewhere.path().join("chatd.redb");
        let mut is_named = false;
        rewrite(&store.store, &path, &mut |step| {
            if matches!(step, Step::Copied | Step::Followed) {
                for _ in 0..random.random_range(0..20) {
                    confirmed.act(&mut random, &apply);
                }
            }
            is_named |= step == Step::Named;
            number += 1;
            // As a process that is killed here leaves the folder; at the last step in any case.
            if killed.is_none() && (number == killed_at || is_named) {
                for name in names(&folder) {
                    let from = folder.path().join(&name);
                    std::fs::copy(from, elsewhere.path().join(name)).unwrap();
                }
                killed = Some((confirmed.clone(), step));
            }
        });
        store.close();
        let (confirmed, step) = killed.unwrap();
        let bytes = std::fs::read(&copy).unwrap();
        let left = erased.iter().filter(|text| contains(&bytes, text)).count();
        assert!(step != Step::Named || left == 0, "{left} are left");
        let again = open(&copy);
        assert_eq!(
            names(&elsewhere),
            ["chatd.redb"],
            "what it left is cleared away"
        );
        let users = again.store.users_after(0, 10_000).0.len();
        confirmed.assert_in(&again.store.intake.data, users);
        if step != Step::Named {
            let is_noted = again.store.erased_since().is_some();
            assert_eq!(is_noted, !confirmed.gone.is_empty());
        }
        again.close();
        assert_sound(&copy);
    }
}

#[test]
fn a_power_cut_anywhere_in_a_rewrite_loses_nothing_and_brings_nothing_back() {
    for seed in 0..rounds(12) {
        let mut random = StdRng::seed_from_u64(1_000 + seed);
        let (old, new) = (Disk::with(Vec::new()), Disk::with(Vec::new()));
        let store = Served::sweeping_every(OPTIONS.sweep_every, old.medium()).unwrap();
        let apply = |change| store.apply(vec![change]).remove(0).unwrap();
        for number in 1..=USERS {
            apply(new_user(&format!("user{number}")));
        }
        let mut confirmed = Confirmed::default();
        for _ in 0..random.random_range(50..300) {
            confirmed.act(&mut random, &apply);
        }
        let writer = store.store.writer().unwrap();
        let given_up = AtomicBool::new(false);
        let cut_at = random.random_range(0..10);
        let mut number = 0;
        // What is certain to be on the disks whose file may have the name, and what it must have.
        let mut cut: Option<(Vec<Vec<u8>>, Confirmed)> = None;
        let mut told = |step, confirmed: &mut Confirmed, random: &mut StdRng| {
            if matches!(step, Step::Copied | Step::Followed) {
                for _ in 0..random.random_range(0..20) {
                    confirmed.act(random, &apply);
                }
            }
            number += 1;
            if number == cut_at {
                cut = Some((vec![old.0.lock().cut(random)], confirmed.clone()));
            }
        };
        let ready = Rewriting::begin(&writer)
            .unwrap()
            .copy_to(new.medium(), &given_up, &mut |step| {
                told(step, &mut confirmed, &mut random);
            })
            .unwrap();
        // The rename is a moment in which either may be what is found.
        let mut named = None;
        let mut cuts = StdRng::seed_from_u64(seed);
        ready
            .take_place(&mut |_| {}, || {
                named = Some(vec![
                    old.0.lock().cut(&mut cuts),
                    new.0.lock().cut(&mut cuts),
                ]);
                Ok(None)
            })
            .unwrap();
        let named = (named.unwrap(), confirmed.clone());
        for _ in 0..30 {
            confirmed.act(&mut random, &apply);
        }
        let later = (vec![new.0.lock().cut(&mut random)], confirmed.clone());
        drop(writer);
        store.close();
        for (images, confirmed) in cut.into_iter().chain([named, later]) {
            for image in images {
                let disk = Disk::with(image);
                let again = Served::sweeping_every(OPTIONS.sweep_every, disk.medium()).unwrap();
                let users = again.store.users_after(0, 10_000).0.len();
                confirmed.assert_in(&again.store.intake.data, users);
                again.close();
                let path = Path::new("after the cut");
                let report = maintain::check::check_medium(disk.medium(), path, &mut |_| {});
                assert_eq!(report.unwrap().findings, [], "seed {seed}");
            }
        }
    }
}

#[test]
fn readers_and_writers_go_on_while_the_file_is_rewritten_again_and_again() {
    let (folder, path) = file();
    let store = open(&path).with_users(USERS);
    let stopped = AtomicBool::new(false);
    let confirmed = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let (mut confirmed, mut random) = (Confirmed::default(), StdRng::seed_from_u64(3));
            while !stopped.load(Ordering::Relaxed) {
                confirmed.act(&mut random, &|change| store.apply(NOW, change).unwrap());
            }
            confirmed
        });
        let reading = scope.spawn(|| {
            while !stopped.load(Ordering::Relaxed) {
                let (ids, _) = store.history(1, 2, None, None, 100_000);
                assert!(ids.is_sorted());
            }
        });
        for _ in 0..6 {
            runtime().block_on(store.store.rewrite()).unwrap();
        }
        stopped.store(true, Ordering::Relaxed);
        reading.join().unwrap();
        writing.join().unwrap()
    });
    store.close();
    assert_eq!(names(&folder), ["chatd.redb"]);
    assert_sound(&path);
    let again = open(&path);
    let users = again.store.users_after(0, 10_000).0.len();
    confirmed.assert_in(&again.store.intake.data, users);
    again.close();
}

#[test]
fn a_rewrite_is_given_up_where_a_commit_failed_meanwhile_and_the_next_one_is_done() {
    let old = Disk::with(Vec::new());
    let store = old.open().with_users();
    let sent = |content: &str| {
        store
            .apply(vec![message(1, 2, content, Some(content))])
            .remove(0)
    };
    sent("before").unwrap();
    let given_up = AtomicBool::new(false);
    let writer = store.store.writer().unwrap();
    let rewriting = Rewriting::begin(&writer).unwrap();
    let fails = &mut |step| {
        if step == Step::Followed {
            old.fail_once();
            sent("fails").unwrap_err();
            while sent("again").is_err() {}
        }
    };
    let medium = Disk::with(Vec::new());
    let ready = rewriting
        .copy_to(medium.medium(), &given_up, fails)
        .unwrap();
    let name = || panic!("what was copied may not be what the disk has");
    assert!(ready.take_place(&mut |_| {}, name).is_err());
    let new = Disk::with(Vec::new());
    let rewriting = Rewriting::begin(&writer).unwrap();
    let ready = rewriting
        .copy_to(new.medium(), &given_up, &mut |_| {})
        .unwrap();
    ready.take_place(&mut |_| {}, || Ok(None)).unwrap();
    drop(writer);
    sent("after").unwrap();
    store.close();
    let again = Disk::with(new.0.lock().safe()).open();
    let messages = again.messages();
    assert!(
        ["before", "again", "after"]
            .iter()
            .all(|text| messages.contains_key(*text))
    );
    again.close();
}

/// What could not be synced may be undone by a power cut, and with it all that was confirmed since.
#[test]
fn nothing_is_confirmed_until_the_new_files_name_is_durable() {
    let (_folder, path) = file();
    let old = Disk::with(Vec::new());
    let store = old.open().with_users();
    let writer = store.store.writer().unwrap();
    let given_up = AtomicBool::new(false);
    let new = Disk::with(Vec::new());
    let rewriting = Rewriting::begin(&writer).unwrap();
    let ready = rewriting
        .copy_to(new.medium(), &given_up, &mut |_| {})
        .unwrap();
    // A folder that is not there cannot be synced.
    let absent = path.join("absent");
    ready
        .take_place(&mut |_| {}, || Ok(Some(absent.clone())))
        .unwrap();
    let send = || store.apply(vec![message(1, 2, "x", None)]).remove(0);
    assert!(matches!(send(), Err(StoreError::Unavailable)));
    assert!(!store.store.is_writable());
    *store.store.intake.data.unsynced.lock() = Some(path.clone());
    std::fs::write(&path, "").unwrap();
    while send().is_err() {
        std::thread::yield_now();
    }
    drop(writer);
    store.close();
}
