//! Disks that fail: power cuts, errors at any operation, no room. What was confirmed is there,
//! once; what is there was confirmed or told of late; what is derived equals a recount.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use redb::{ReadableDatabase, ReadableTable};
use tokio::sync::mpsc;

use super::{OPTIONS, chat_read, id, mark_chat, message, new_user, sent, sent_as, user};
use crate::model::{Act, ConversationId, Cursor, Message, MessageId, Timestamp, UserId};
use crate::store::disk::medium::Medium;
use crate::store::disk::schema;
use crate::store::log::blocks;
use crate::store::state::State;
use crate::store::talk::conversation::Conversation;
use crate::store::*;

const SECTOR: usize = 512;
pub(crate) const USERS: u64 = 5;

/// A disk with a cache: what is not synced may be lost, sector by sector.
#[derive(Debug, Default)]
pub(crate) struct Disk(pub(crate) Mutex<Bytes>, Condvar);

#[derive(Debug, Default)]
pub(crate) struct Bytes {
    /// What reading shows.
    cache: Vec<u8>,
    /// What a power cut leaves for certain.
    safe: Vec<u8>,
    /// The sectors that differ.
    unsynced: BTreeSet<usize>,
    pub(crate) operations: u64,
    /// The operation that fails, and with what.
    fails_at: Option<(u64, io::ErrorKind)>,
    /// Whether every later one fails too.
    stays_broken: bool,
    /// How long the file may get; beyond it there is no room.
    capacity: Option<usize>,
    /// Whether it says so when asked.
    tells_room: bool,
    /// Whether syncing waits.
    held: bool,
    /// Whether syncing panics, as redb does on some damaged pages.
    panics: bool,
}

impl Bytes {
    /// Does nothing any more.
    pub(crate) fn die(&mut self) {
        (self.fails_at, self.stays_broken) = (Some((0, io::ErrorKind::Other)), true);
    }

    /// What a power cut leaves at least.
    pub(crate) fn safe(&self) -> Vec<u8> {
        self.safe.clone()
    }

    /// What is left after the process is killed: the kernel writes what it was given.
    pub(crate) fn written(&self) -> Vec<u8> {
        self.cache.clone()
    }

    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.fails_at {
            Some((at, kind))
                if self.operations == at || self.operations > at && self.stays_broken =>
            {
                Err(kind.into())
            }
            _ => Ok(()),
        }
    }

    fn touch(&mut self, from: usize, to: usize) {
        self.unsynced.extend(from / SECTOR..to.div_ceil(SECTOR));
    }

    /// What is left after a power cut.
    pub(crate) fn cut(&self, random: &mut StdRng) -> Vec<u8> {
        let mut left = self.safe.clone();
        if random.random_bool(0.5) {
            left.resize(self.cache.len(), 0);
        }
        for sector in &self.unsynced {
            let range = sector * SECTOR..(sector + 1) * SECTOR;
            if random.random_bool(0.5) && range.end <= left.len() && range.end <= self.cache.len() {
                left[range.clone()].copy_from_slice(&self.cache[range]);
            }
        }
        left
    }
}

impl Disk {
    pub(crate) fn with(bytes: Vec<u8>) -> Arc<Self> {
        let bytes = Bytes {
            safe: bytes.clone(),
            cache: bytes,
            ..Bytes::default()
        };
        Arc::new(Self(Mutex::new(bytes), Condvar::new()))
    }

    /// One that does no more operations than this.
    pub(crate) fn dying_after(operations: u64, bytes: Vec<u8>) -> Arc<Self> {
        let disk = Self::with(bytes);
        disk.die_after(operations);
        disk
    }

    /// Has it do so many operations more, and none after them.
    pub(crate) fn die_after(&self, operations: u64) {
        let mut bytes = self.0.lock();
        let last = bytes.operations + operations;
        bytes.fails_at = Some((last + 1, io::ErrorKind::Other));
        bytes.stays_broken = true;
    }

    /// Fails the next operation, and no later one.
    pub(crate) fn fail_once(&self) {
        let mut bytes = self.0.lock();
        let next = bytes.operations + 1;
        bytes.fails_at = Some((next, io::ErrorKind::Other));
    }

    pub(crate) fn medium(self: &Arc<Self>) -> Arc<dyn Medium> {
        Arc::clone(self) as Arc<dyn Medium>
    }

    pub(crate) fn open(self: &Arc<Self>) -> Served {
        Served::on(Arc::clone(self) as Arc<dyn Medium>).unwrap()
    }
}

/// What a check finds in these bytes, which a cut has left.
pub(super) fn findings(bytes: &[u8]) -> Vec<maintain::Finding> {
    let disk = Disk::with(bytes.to_vec());
    let path = Path::new("after the cut");
    let report = maintain::check::check_medium(disk.medium(), path, &mut |_| {});
    report.unwrap().findings
}

impl Medium for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().cache.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.0.lock();
        let from = usize::try_from(offset).unwrap();
        let there = bytes.cache.get(from..from + out.len());
        out.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut bytes = self.0.lock();
        bytes.operate()?;
        let from = usize::try_from(offset).unwrap();
        let to = from + data.len();
        if bytes.capacity.is_some_and(|capacity| to > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        bytes.cache[from..to].copy_from_slice(data);
        bytes.touch(from, to);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut bytes = self.0.lock();
        bytes.operate()?;
        let (old, new) = (bytes.cache.len(), usize::try_from(len).unwrap());
        bytes.cache.resize(new, 0);
        bytes.touch(old.min(new), old.max(new));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut bytes = self.0.lock();
        self.1.wait_while(&mut bytes, |bytes| bytes.held);
        assert!(!bytes.panics, "this disk panics, as it was told to");
        bytes.operate()?;
        let Bytes {
            cache,
            safe,
            unsynced,
            ..
        } = &mut *bytes;
        safe.resize(cache.len(), 0);
        for sector in std::mem::take(unsynced) {
            let range = sector * SECTOR..((sector + 1) * SECTOR).min(cache.len());
            if range.start < range.end {
                safe[range.clone()].copy_from_slice(&cache[range]);
            }
        }
        Ok(())
    }

    fn free(&self) -> Option<u64> {
        let bytes = self.0.lock();
        let capacity = bytes.capacity.filter(|_| bytes.tells_room)?;
        // Room is counted in reserves, so that a small disk will do.
        Some((capacity.saturating_sub(bytes.cache.len()) as u64) << 10)
    }

    fn forget_cache(&self) {
        let mut bytes = self.0.lock();
        bytes.cache = bytes.safe.clone();
        bytes.unsynced.clear();
    }
}

/// An open store, and what it has said so far.
pub(crate) struct Served {
    pub(crate) store: Store,
    teller: std::thread::JoinHandle<()>,
    late: Arc<Mutex<Vec<Committed>>>,
}

impl Served {
    fn on(medium: Arc<dyn Medium>) -> Result<Self, OpenError> {
        Self::sweeping_every(OPTIONS.sweep_every, medium)
    }

    /// One that sweeps once so many entries were appended.
    pub(crate) fn sweeping_every(entries: u64, medium: Arc<dyn Medium>) -> Result<Self, OpenError> {
        let options = StoreOptions {
            sweep_every: entries,
            ..OPTIONS
        };
        let (done, mut batches) = mpsc::channel::<Vec<Done>>(BATCHES);
        let store = Store::open_on(medium, options, done)?;
        let late = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&late);
        let teller = std::thread::spawn(move || {
            while let Some(batch) = batches.blocking_recv() {
                for done in batch {
                    done.tell(|committed| heard.lock().push(committed));
                }
            }
        });
        Ok(Self {
            store,
            teller,
            late,
        })
    }

    /// Hands all of these in before it waits for their answers.
    pub(crate) fn apply(&self, changes: Vec<Change>) -> Vec<Result<Committed, StoreError>> {
        self.hand_in(changes)()
    }

    /// Hands all of these in; the answers are waited for when they are asked for.
    fn hand_in(
        &self,
        changes: Vec<Change>,
    ) -> impl FnOnce() -> Vec<Result<Committed, StoreError>> + use<> {
        let (answered, answers) = std::sync::mpsc::channel();
        let count = changes.len();
        for (number, change) in changes.into_iter().enumerate() {
            let answered = answered.clone();
            let answer: Answer = Box::new(move |result| answered.send((number, result)).unwrap());
            self.store.submit(Timestamp::from_ms(1), change, answer);
        }
        move || {
            let answers: BTreeMap<usize, _> = answers.iter().take(count).collect();
            answers.into_values().collect()
        }
    }

    fn send(&self, content: &str) -> Result<Committed, StoreError> {
        self.apply(vec![message(1, 2, content, Some(content))])
            .remove(0)
    }

    /// Sends until it is taken.
    fn send_until_taken(&self, content: &str) {
        while let Err(error) = self.send(content) {
            assert!(matches!(error, StoreError::Unavailable), "{error}");
            std::thread::yield_now();
        }
    }

    pub(crate) fn with_users(self) -> Self {
        let users = (1..=USERS).map(|number| new_user(&format!("user{number}")));
        for answer in self.apply(users.collect()) {
            answer.unwrap();
        }
        self
    }

    /// Every message, by content, as its people see it.
    pub(crate) fn messages(&self) -> BTreeMap<String, Message> {
        let snapshot = Snapshot::new(&self.store.intake.data);
        let mut found = BTreeMap::new();
        for me in 1..=USERS {
            for row in snapshot.recents(user(me), None, 100).unwrap().rows {
                let (mut before, mut has_more) = (None, true);
                while has_more {
                    let query = HistoryQuery {
                        before,
                        after: None,
                        limit: 100_000,
                    };
                    let page = snapshot.history(user(me), row.peer.id, query).unwrap();
                    let rows = page.rows;
                    assert!(
                        rows.is_sorted_by(|left, right| left.message.id < right.message.id),
                        "ids ascend"
                    );
                    has_more = page.has_more;
                    before = rows.first().map(|row| row.message.id);
                    for HistoryRow { message, .. } in rows {
                        let content = message.content.to_string();
                        if let Some(other) = found.insert(content, message.clone()) {
                            assert_eq!(other, message, "one content is one message");
                        }
                    }
                }
            }
        }
        found
    }

    /// What stands in memory equals what the log says when it is read from its beginning.
    pub(crate) fn assert_recounted(&self) {
        let db = self.store.intake.data.database().unwrap();
        let txn = db.begin_read().unwrap();
        let mut counted = State::default();
        let conversations = txn.open_table(tables::CONVERSATIONS).unwrap();
        for row in conversations.iter().unwrap() {
            let (key, value) = row.unwrap();
            let (_, pair) = schema::decode_conversation(key.value(), value.value())
                .unwrap()
                .unwrap();
            counted.put_conversation(Conversation::new(pair));
        }
        let mut last = 0;
        for (key, sealed) in blocks::entries(&db) {
            let (entry_id, entry) = blocks::decode(key, &sealed).unwrap();
            assert_eq!(key, last + 1, "no entry is left out");
            last = key;
            counted.apply(entry_id, &entry).unwrap();
        }
        counted.derive();
        let state = self.store.intake.data.state.read();
        assert_eq!(state.last_entry, last);
        assert_eq!(state.conversation_count(), counted.conversation_count());
        for number in 1..=counted.conversation_count() {
            let id = ConversationId::new(number).unwrap();
            assert_eq!(state.conversation(id), counted.conversation(id));
        }
        for me in 1..=USERS {
            let pairs = |state: &State| -> [Vec<_>; 2] {
                [
                    state.recent(user(me)).map(|chat| chat.pair).collect(),
                    state.touched(user(me)).map(|chat| chat.pair).collect(),
                ]
            };
            assert_eq!(pairs(&state), pairs(&counted), "recents, touched of {me}");
        }
    }

    pub(crate) fn close(self) -> Vec<Committed> {
        self.store.close();
        self.teller.join().unwrap();
        std::mem::take(&mut *self.late.lock())
    }
}

/// A few changes at random; contents and client ids are unique.
fn some_changes(random: &mut StdRng, number: &mut u64) -> Vec<Change> {
    (0..random.random_range(1..30))
        .map(|_| {
            let me = random.random_range(1..=USERS);
            let peer = 1 + (me + random.random_range(0..USERS - 1)) % USERS;
            if random.random_bool(0.8) {
                *number += 1;
                let content = format!("m{number}");
                message(me, peer, &content, Some(&content))
            } else {
                mark_chat(me, peer, None)
            }
        })
        .collect()
}

fn contents(committed: &[Committed]) -> Vec<String> {
    let messages = committed
        .iter()
        .filter_map(|committed| match sent_as(committed.clone()) {
            Ok((message, true)) => Some(message.content.to_string()),
            _ => None,
        });
    messages.collect()
}

/// Who marks, and whose messages.
fn people(change: &Change) -> (UserId, UserId) {
    match change {
        Change::Talk(Talk {
            author,
            address: Address::Person(peer),
            ..
        }) => (*author, *peer),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_thousand_power_cuts_lose_and_double_nothing_that_was_confirmed() {
    const CUTS: u64 = 1_000;
    const CUTS_A_FILE: u64 = 20;
    let (mut confirmed_in_all, mut found_in_all) = (0, 0);
    for seed in 0..CUTS / CUTS_A_FILE {
        let mut random = StdRng::seed_from_u64(seed);
        let disk = Disk::with(Vec::new());
        disk.open().with_users().close();
        let mut bytes = std::mem::take(&mut disk.0.lock().safe);
        let mut confirmed: BTreeMap<String, Message> = BTreeMap::new();
        let mut read: BTreeMap<(UserId, UserId), MessageId> = BTreeMap::new();
        let (mut number, mut submitted) = (0, 0);
        for cut in 0..CUTS_A_FILE {
            let disk = Disk::with(bytes);
            disk.0.lock().fails_at = Some((random.random_range(1..200), io::ErrorKind::Other));
            disk.0.lock().stays_broken = true;
            match Served::on(Arc::clone(&disk) as Arc<dyn Medium>) {
                // The power may go while the file is opened, too.
                Err(OpenError::Io(_) | OpenError::Damaged(StoreError::Database(_))) => {}
                Err(error) => panic!("seed {seed}, cut {cut}: {error:?}"),
                Ok(open) => {
                    open.assert_recounted();
                    let stored = open.messages();
                    for (content, message) in &confirmed {
                        assert_eq!(stored.get(content), Some(message), "seed {seed}, cut {cut}");
                    }
                    assert!(stored.len() as u64 <= submitted, "seed {seed}, cut {cut}");
                    found_in_all += stored.len() - confirmed.len();
                    confirmed = stored;
                    let snapshot = Snapshot::new(&open.store.intake.data);
                    for ((reader, peer), up_to) in &read {
                        let (unread, _) = snapshot.unread(*reader, None, 100_000).unwrap();
                        assert!(
                            !unread
                                .rows
                                .iter()
                                .any(|row| row.sender_id == *peer && row.id <= *up_to),
                            "seed {seed}, cut {cut}: an acknowledged read mark is gone"
                        );
                    }
                    loop {
                        let changes = some_changes(&mut random, &mut number);
                        submitted = number;
                        let answers = open.apply(changes.clone());
                        let failed = answers.iter().any(Result::is_err);
                        for (change, answer) in changes.iter().zip(answers) {
                            let Ok(answer) = answer else { continue };
                            match sent_as(answer) {
                                Ok((message, _)) => {
                                    confirmed.insert(message.content.to_string(), message);
                                }
                                Err(marked) => {
                                    let up_to = chat_read(Ok(*marked)).up_to;
                                    // Where there is no message, none is covered.
                                    if up_to < MessageId::LAST {
                                        read.insert(people(change), up_to);
                                    }
                                }
                            }
                        }
                        if failed {
                            break;
                        }
                    }
                    open.close();
                }
            }
            bytes = disk.0.lock().cut(&mut random);
        }
        confirmed_in_all += confirmed.len();
    }
    assert!(
        confirmed_in_all > 10_000,
        "only {confirmed_in_all} messages were tried ({found_in_all} of them found unconfirmed)"
    );
}

#[test]
fn an_error_at_any_operation_passes_without_a_restart_and_what_is_stored_was_told_once() {
    for at in 1..250 {
        let mut random = StdRng::seed_from_u64(at);
        let disk = Disk::with(Vec::new());
        let open = disk.open().with_users();
        let mut told = Vec::new();
        {
            let mut bytes = disk.0.lock();
            let now = bytes.operations;
            bytes.fails_at = Some((now + at, io::ErrorKind::Other));
            bytes.stays_broken = false;
        }
        let mut number = 0;
        let mut refused = 0;
        while disk.0.lock().operations < at + 60 {
            let answers = open.apply(some_changes(&mut random, &mut number));
            refused += answers.iter().filter(|answer| answer.is_err()).count();
            told.extend(contents(&answers.into_iter().flatten().collect::<Vec<_>>()));
        }
        open.send_until_taken("after");
        told.push("after".into());
        assert!(open.store.is_writable());
        open.assert_recounted();
        let stored: Vec<String> = open.messages().into_keys().collect();
        let late = contents(&open.close());
        assert!(late.len() <= refused);
        told.extend(late);
        told.sort_unstable();
        assert_eq!(told, stored, "operation {at}");
        let open = disk.open();
        open.assert_recounted();
        assert_eq!(open.messages().len(), stored.len());
        open.close();
    }
}

/// In a crowd the next changes are judged while a commit is under way, upon what it commits. Where
/// it fails, or the database is opened anew, or the disk must be read for it, they are judged once
/// more, upon what is there.
#[test]
fn what_is_judged_beside_a_commit_is_built_upon_it_and_outlives_its_failure() {
    for case in ["passes", "fails", "reopens", "is cold"] {
        let (fails, is_cold) = (case == "fails", case == "is cold");
        let disk = Disk::with(Vec::new());
        let mut open = disk.open().with_users();
        let old = || message(2, 3, "old", Some("old"));
        assert!(open.apply(vec![old()])[0].is_ok());
        if is_cold {
            open.close();
            open = disk.open();
        }
        let hold = |held| {
            disk.0.lock().held = held;
            disk.1.notify_all();
        };
        // There was a crowd once, so that one is expected.
        hold(true);
        let crowd = (0..1_000).map(|number| message(3, 5, &format!("c{number}"), None));
        let crowd = open.hand_in(crowd.collect());
        hold(false);
        assert!(crowd().iter().all(Result::is_ok));
        hold(true);
        let first = open.hand_in(vec![message(1, 2, "one", Some("one"))]);
        while open.store.queued().0 > 0 {
            std::thread::yield_now();
        }
        let mut changes = vec![
            // Read, sent again, answered; and a conversation that is made beside the one that is
            // being made.
            mark_chat(2, 1, None),
            message(1, 2, "one", Some("one")),
            message(2, 1, "two", None),
            message(4, 3, "three", None),
        ];
        changes.extend(is_cold.then(old));
        changes.extend((0..1_000).map(|number| message(2, 1, &format!("m{number}"), None)));
        let count = changes.len();
        let second = open.hand_in(changes);
        // Some of them are taken; the others wait.
        while open.store.queued().0 == count {
            std::thread::yield_now();
        }
        {
            let mut bytes = disk.0.lock();
            let next = bytes.operations + 1;
            bytes.fails_at = fails.then_some((next, io::ErrorKind::Other));
        }
        if case == "reopens" {
            open.store.intake.suspect();
        }
        hold(false);
        assert_eq!(first()[0].is_err(), fails);
        let second: Vec<Committed> = second().into_iter().map(Result::unwrap).collect();
        let read = chat_read(Ok(second[0].clone()));
        let (message, fresh) = sent(Ok(second[1].clone()));
        assert_eq!(
            (read.count, &*message.content, fresh),
            (u64::from(!fails), "one", fails),
            "{case}"
        );
        assert!(!contents(&second).contains(&"old".to_owned()), "sent again");
        open.assert_recounted();
        let stored = open.messages();
        assert_eq!(stored.len(), 2_004);
        assert_eq!(contents(&open.close()).len(), 0);
        let open = disk.open();
        open.assert_recounted();
        assert_eq!(open.messages(), stored);
        open.close();
    }
}

/// A store whose batches are taken one by one. Room is for one; the writer waits with the next.
struct Slow {
    disk: Arc<Disk>,
    store: Store,
    batches: mpsc::Receiver<Vec<Done>>,
    /// The ids of the messages that were told as stored, and how many were refused.
    told: Arc<Mutex<(Vec<u64>, u64)>>,
}

fn wait_until(is_so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it does not come"
        );
        std::thread::yield_now();
    }
}

impl Slow {
    fn open() -> Self {
        let disk = Disk::with(Vec::new());
        let (done, batches) = mpsc::channel::<Vec<Done>>(1);
        let medium = Arc::clone(&disk) as Arc<dyn Medium>;
        let mut slow = Self {
            store: Store::open_on(medium, OPTIONS, done).unwrap(),
            disk,
            batches,
            told: Arc::default(),
        };
        for name in ["ada", "bob"] {
            let change = new_user(name);
            slow.store.submit(Timestamp::from_ms(1), change, drop);
            slow.tell_next();
        }
        slow
    }

    fn tell_next(&mut self) {
        let batch = self.batches.blocking_recv().unwrap();
        batch.into_iter().for_each(|done| done.tell(drop));
    }

    fn send(&self, count: u64) {
        for _ in 0..count {
            let told = Arc::clone(&self.told);
            let answer: Answer = Box::new(move |result| match result {
                Err(StoreError::Unavailable) => told.lock().1 += 1,
                result => told.lock().0.push(sent(result).0.id.get()),
            });
            let change = message(1, 2, "hello", None);
            self.store.submit(Timestamp::from_ms(1), change, answer);
        }
    }

    /// Has a crowd published, the batch of which waits until somebody takes the one before it:
    /// 5,001 messages in all.
    fn stuck(&self) {
        self.disk.0.lock().held = true;
        self.send(1);
        wait_until(|| self.store.queued().0 == 0);
        self.send(5_000);
        wait_until(|| self.store.queued().0 == 0);
        self.disk.0.lock().held = false;
        self.disk.1.notify_all();
        wait_until(|| self.store.last_entry() == 5_001);
        assert_eq!(*self.told.lock(), (vec![], 0));
    }

    fn on_disk(&self) -> u64 {
        let db = self.store.intake.data.database().unwrap();
        let log = blocks::Log::open(&db.begin_read().unwrap()).unwrap();
        log.last().unwrap()
    }
}

/// What listens to the writer may be slow; the disk need not wait for it.
#[test]
fn changes_are_committed_while_those_before_are_still_told_and_told_after_them() {
    let mut slow = Slow::open();
    slow.stuck();
    slow.send(2_500);
    wait_until(|| slow.on_disk() > 5_001);
    assert_eq!(
        slow.store.last_entry(),
        5_001,
        "it is published out of turn"
    );
    assert_eq!(*slow.told.lock(), (vec![], 0));
    slow.tell_next();
    slow.tell_next();
    assert_eq!(*slow.told.lock(), (Vec::from_iter(1..=5_001), 0));
    while slow.told.lock().0.len() < 7_501 {
        slow.tell_next();
    }
    assert_eq!(*slow.told.lock(), (Vec::from_iter(1..=7_501), 0));
    slow.store.close();
}

#[test]
fn a_commit_that_fails_while_those_before_are_still_told_takes_nothing_from_them() {
    let mut slow = Slow::open();
    slow.stuck();
    let next = {
        let mut bytes = slow.disk.0.lock();
        let next = bytes.operations + 1;
        (bytes.fails_at, bytes.stays_broken) = (Some((next, io::ErrorKind::Other)), true);
        next
    };
    slow.send(2_500);
    wait_until(|| slow.disk.0.lock().operations >= next);
    slow.tell_next();
    slow.tell_next();
    assert_eq!(*slow.told.lock(), (Vec::from_iter(1..=5_001), 0));
    while slow.told.lock().1 < 2_500 {
        slow.tell_next();
    }
    slow.disk.0.lock().fails_at = None;
    wait_until(|| slow.store.is_writable());
    slow.send(1);
    slow.tell_next();
    assert_eq!(*slow.told.lock(), (Vec::from_iter(1..=5_002), 2_500));
    assert_eq!(slow.on_disk(), 5_002);
    slow.store.close();
}

#[test]
fn a_writer_that_panics_confirms_nothing_more_and_lets_the_store_close() {
    let disk = Disk::with(Vec::new());
    let open = disk.open().with_users();
    disk.0.lock().held = true;
    let first = open.hand_in(vec![message(1, 2, "one", None)]);
    while open.store.queued().0 > 0 {
        std::thread::yield_now();
    }
    let second = open.hand_in((0..600).map(|_| message(2, 1, "more", None)).collect());
    {
        let mut bytes = disk.0.lock();
        (bytes.held, bytes.panics) = (false, true);
        disk.1.notify_all();
    }
    assert_eq!(first().len(), 0, "nobody knows what became of it");
    let refused = second();
    assert_eq!(refused.len(), 600);
    assert!(
        refused
            .iter()
            .all(|answer| matches!(answer, Err(StoreError::Unavailable)))
    );
    assert!(!open.store.is_writable());
    assert!(matches!(open.send("late"), Err(StoreError::Unavailable)));
    disk.0.lock().panics = false;
    open.close();
}

#[test]
fn a_full_disk_refuses_messages_is_still_read_and_recovers_once_there_is_room() {
    for tells_room in [true, false] {
        let disk = Disk::with(Vec::new());
        let open = disk.open().with_users();
        open.send("before").unwrap();
        {
            let mut bytes = disk.0.lock();
            bytes.capacity = Some(bytes.cache.len());
            bytes.tells_room = tells_room;
        }
        let mut random = StdRng::seed_from_u64(7);
        let mut number = 0;
        let mut told = vec!["before".to_owned()];
        loop {
            let long = "x".repeat(3_000);
            let changes = some_changes(&mut random, &mut number).into_iter();
            let changes = changes.map(|change| match change {
                Change::Talk(Talk {
                    author,
                    address,
                    act:
                        Act::Sent {
                            content,
                            client_id,
                            extras,
                        },
                }) => Change::Talk(Talk {
                    author,
                    address,
                    act: Act::Sent {
                        content: format!("{content} {long}").into(),
                        client_id,
                        extras,
                    },
                }),
                other => other,
            });
            let answers = open.apply(changes.collect());
            let full = answers
                .iter()
                .any(|answer| matches!(answer, Err(StoreError::Unavailable)));
            told.extend(contents(&answers.into_iter().flatten().collect::<Vec<_>>()));
            if full {
                break;
            }
        }
        for _ in 0..5 {
            // Where only the writes themselves fail, a small one may still find room.
            if tells_room {
                assert!(!open.store.is_writable());
                let refused = open.send("refused");
                assert!(matches!(refused, Err(StoreError::Unavailable)));
            }
            let stored = open.messages();
            assert!(
                told.iter().all(|content| stored.contains_key(content)),
                "reading goes on"
            );
        }
        disk.0.lock().capacity = None;
        open.send_until_taken("there is room");
        told.push("there is room".into());
        assert!(open.store.is_writable());
        open.assert_recounted();
        let stored: Vec<String> = open.messages().into_keys().collect();
        told.extend(contents(&open.close()));
        told.sort_unstable();
        assert_eq!(told, stored);
    }
}

/// The server started, offered its link, and the first registration was refused without a word why.
#[test]
fn a_disk_that_is_too_small_from_the_start_is_said_then_and_used_once_there_is_room() {
    let disk = Disk::with(Vec::new());
    disk.open().with_users().close();
    {
        let mut bytes = disk.0.lock();
        // Of 32 MiB one KiB is missing.
        bytes.capacity = Some(bytes.cache.len() + (32 << 10) - 1);
        bytes.tells_room = true;
    }
    let open = disk.open();
    assert!(!open.store.is_writable());
    let said = open.store.shortage().unwrap().to_string();
    assert!(
        said.contains("31 MiB free, and with less than 32 MiB"),
        "{said}"
    );
    let refused = open.send("refused");
    assert!(matches!(refused, Err(StoreError::Unavailable)));
    disk.0.lock().capacity = None;
    assert!(open.store.shortage().is_none());
    open.send_until_taken("there is room");
    assert!(open.store.is_writable());
    open.close();
}

/// What was begun of the file was all zeros, and every later start took it for another program's.
#[test]
fn a_disk_without_room_for_a_new_file_is_left_empty_and_takes_one_later() {
    for capacity in [0, 4_096, 20_000, 60_000] {
        let disk = Disk::with(Vec::new());
        disk.0.lock().capacity = Some(capacity);
        let refused = Served::on(disk.medium()).err().unwrap();
        let kind = match &refused {
            OpenError::Io(error) => Some(error.kind()),
            OpenError::Damaged(error) => error.refusal(),
            _ => None,
        };
        assert_eq!(kind, Some(io::ErrorKind::StorageFull), "{refused}");
        disk.0.lock().capacity = None;
        disk.open().store.close();
    }
}

#[test]
fn client_ids_are_known_over_sweeps_and_restarts_for_a_day() {
    let disk = Disk::with(Vec::new());
    let mut open = disk.open().with_users();
    let mut random = StdRng::seed_from_u64(3);
    let mut first: Vec<(Change, Message)> = Vec::new();
    for round in 0..6 {
        let mut number = round * 10_000;
        let changes: Vec<Change> = (0..10)
            .flat_map(|_| some_changes(&mut random, &mut number))
            .collect();
        for (change, answer) in changes.clone().into_iter().zip(open.apply(changes)) {
            if let Ok((message, fresh)) = sent_as(answer.unwrap()) {
                assert!(fresh);
                first.push((change, message));
            }
        }
        first.shuffle(&mut random);
        for (change, message) in first.iter().take(50) {
            let again = sent(open.apply(vec![change.clone()]).remove(0));
            assert_eq!(again, (message.clone(), false));
        }
        let swept = disk.0.lock().operations;
        if round % 2 == 0 {
            open.close();
        } else {
            // As a kill would: nothing of the last sweep is written.
            disk.0.lock().fails_at = Some((swept + 1, io::ErrorKind::Other));
            disk.0.lock().stays_broken = true;
            open.close();
            disk.0.lock().fails_at = None;
        }
        open = disk.open();
    }
    open.close();
}

#[test]
fn a_read_error_passes_without_a_restart() {
    let disk = Disk::with(Vec::new());
    let open = disk.open().with_users();
    open.send("kept").unwrap();
    open.store.intake.suspect();
    open.send_until_taken("and on");
    assert_eq!(open.messages().len(), 2);
    assert_eq!(id(1), open.messages()["kept"].id);
    open.close();
}

/// A cursor that was given for a message.
struct Given {
    content: String,
    id: u64,
    text: String,
}

/// Holds what was given against what a store has: a cursor is known where its message is there
/// still, and else not.
fn assert_known(open: &Served, given: &[Given], what: &str) {
    let (stored, keys) = (open.messages(), open.store.cursor_keys());
    for Given { content, id, text } in given {
        let is_there = stored
            .get(content)
            .is_some_and(|message| message.id.get() == *id);
        let opened = Cursor::open(text, &keys, user(1));
        let is_known = opened.is_some_and(|cursor| cursor.entry <= open.store.last_entry());
        assert_eq!(is_known, is_there, "{what}: {content} of entry {id}");
    }
}

/// Sends a message and notes the cursor that its people get, where it is confirmed.
fn send_noting(open: &Served, content: String, given: &mut Vec<Given>) -> bool {
    let Ok(committed) = open.send(&content) else {
        return false;
    };
    let (message, _) = sent(Ok(committed));
    let id = message.id.get();
    let text = Cursor::through(id).seal(&open.store.cursor_keys());
    given.push(Given {
        content,
        id,
        text: text.as_str().to_owned(),
    });
    true
}

/// Power cuts anywhere, and now and then the disk as it was after an earlier one.
#[test]
fn over_power_cuts_and_snapshots_a_cursor_is_known_exactly_where_its_message_is_there() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..12 {
        let mut random = StdRng::seed_from_u64(seed);
        let disk = Disk::with(Vec::new());
        disk.open().with_users().close();
        let mut bytes = std::mem::take(&mut disk.0.lock().safe);
        let (mut snapshots, mut given, mut number) = (vec![bytes.clone()], Vec::new(), 0);
        for cut in 0..25 {
            if random.random_bool(0.3) {
                bytes = snapshots[random.random_range(0..snapshots.len())].clone();
            }
            let disk = Disk::with(bytes);
            disk.0.lock().fails_at = Some((random.random_range(1..120), io::ErrorKind::Other));
            disk.0.lock().stays_broken = true;
            let what = format!("seed {seed}, cut {cut}");
            match Served::on(Arc::clone(&disk) as Arc<dyn Medium>) {
                Err(OpenError::Io(_) | OpenError::Damaged(StoreError::Database(_))) => {}
                Err(error) => panic!("{what}: {error:?}"),
                Ok(open) => {
                    assert_known(&open, &given, &what);
                    loop {
                        number += 1;
                        if !send_noting(&open, number.to_string(), &mut given) {
                            break;
                        }
                        // Ids are given again now, one by one.
                        assert_known(&open, &given, &what);
                    }
                    open.close();
                }
            }
            bytes = disk.0.lock().cut(&mut random);
            snapshots.push(bytes.clone());
        }
        let open = Disk::with(bytes).open();
        let stored = open.messages();
        let there = given.iter().filter(|one| stored.contains_key(&one.content));
        kept += there.clone().count();
        lost += given.len() - there.count();
        assert_known(&open, &given, "in the end");
        open.close();
    }
    assert!(lost > 20 && kept > 20, "{lost} and {kept}");
}

#[test]
fn a_disk_that_loses_what_it_confirmed_while_the_server_runs_takes_its_cursors_along() {
    let disk = Disk::with(Vec::new());
    let open = disk.open().with_users();
    let mut given = Vec::new();
    assert!(send_noting(&open, "kept".into(), &mut given));
    let before = {
        let bytes = disk.0.lock();
        (bytes.cache.clone(), bytes.safe.clone())
    };
    for content in ["lost 1", "lost 2"] {
        assert!(send_noting(&open, content.into(), &mut given));
    }
    {
        let mut bytes = disk.0.lock();
        (bytes.cache, bytes.safe) = before;
        bytes.unsynced.clear();
    }
    open.store.intake.suspect();
    for content in ["new 1", "new 2", "new 3"] {
        open.send_until_taken(content);
        assert_eq!(open.messages().get("lost 1"), None);
        assert_known(&open, &given, content);
    }
    assert_eq!(given[1].id, open.messages()["new 1"].id.get());
    open.close();
}
