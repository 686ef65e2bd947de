//! Power cuts while retention erases, that of the server and that of a room, and while a room is
//! erased: what is young enough is there with its file, and what was taken away stays away.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};

use super::faults::{Disk, Served, findings};
use super::rewrite_cuts::all;
use super::{new_user, ops, user};
use crate::model::{Attachment, ClientId, Extras, FileId, FileKind, MessageId, RoomId, Timestamp};
use crate::store::*;

/// How many cuts there are, unless `CRASHES` says another number: 1,000 take some minutes.
const CUTS: u64 = 40;
const BEGAN: u64 = 1_700_000_000_000;
const DAY: u64 = 24 * 60 * 60 * 1_000;
/// How old messages get, and those of a room with a retention of its own.
const KEPT: u64 = 30 * DAY;
const KEPT_IN_ROOM: u64 = 10 * DAY;

/// The room whose messages go sooner.
const ROOM: u64 = 1;

fn room(number: u64) -> RoomId {
    RoomId::new(number).unwrap()
}

/// A message of which it was said that it is stored.
#[derive(Debug, Clone)]
struct Kept {
    at: u64,
    /// Its room; 0 for two people.
    room: u64,
    file: Option<FileId>,
    /// It was said that it is gone.
    is_gone: bool,
    /// Which of the erasures that were not answered would take it.
    doubt: Option<u64>,
}

struct Talking {
    random: StdRng,
    now: u64,
    messages: BTreeMap<u64, Kept>,
    /// The newest room, which is erased now and then.
    erasable: u64,
    files: u64,
    erasures: u64,
    confirmed: u64,
    steps: u64,
}

fn apply(open: &Served, now: u64, change: Change) -> Result<Committed, StoreError> {
    let (answer, answered) = std::sync::mpsc::channel();
    let answer: Answer = Box::new(move |result| answer.send(result).unwrap());
    open.store.submit(Timestamp::from_ms(now), change, answer);
    answered.recv().unwrap()
}

fn snapshot(open: &Served) -> Snapshot<'_> {
    Snapshot::new(&open.store.intake.data)
}

/// Whether the disk still takes what is asked of it.
type Alive = bool;

impl Talking {
    /// Uploads a file, as far as the disk lets it.
    fn upload(&mut self, open: &Served) -> Option<FileId> {
        self.files += 1;
        let id =
            FileId::new(u128::from(self.random.random::<u64>()) << 64 | u128::from(self.files));
        let begin = FileCommand::Begin(NewFile {
            owner: user(1),
            name: "a.bin".into(),
            length: 7,
            metadata: None,
        });
        let finish = FileCommand::Finish(FileContent {
            kind: FileKind::Other,
            size: 7,
            checksum: 7,
            dimensions: None,
            preview: None,
        });
        for what in [begin, finish] {
            let change = Change::File(FileAct { id, what });
            apply(open, self.now, change).ok()?;
        }
        Some(id)
    }

    fn send(&mut self, open: &Served) -> Alive {
        let mut extras = Extras::default();
        let mut file = None;
        if self.random.random_bool(0.3) {
            let Some(id) = self.upload(open) else {
                return false;
            };
            extras.attachments.push(Attachment::named(id, None));
            file = Some(id);
        }
        let content = "x".repeat([5, 50, 3_000][self.random.random_range(0..3)]);
        let number = [0, ROOM, self.erasable][self.random.random_range(0..3)];
        let client_id = format!("{:x}", self.random.random::<u64>());
        let client_id = ClientId::new(&client_id).ok();
        let talk = match number {
            0 => Talk::send(user(1), user(2), content.into(), client_id),
            number => Talk::send_to_room(user(1), room(number), content.into(), client_id),
        };
        let change = Change::Talk(talk.with_extras(extras.boxed()));
        match apply(open, self.now, change) {
            Ok(Committed::Talk(Outcome::Entry(notice))) => {
                let kept = Kept {
                    at: notice.entry.at.as_ms(),
                    room: number,
                    file,
                    is_gone: false,
                    doubt: None,
                };
                self.messages.insert(notice.entry.id.get(), kept);
                self.confirmed += 1;
                true
            }
            Err(StoreError::Unavailable) => false,
            other => panic!("{other:?}"),
        }
    }

    /// Asks for an erasure of these, which is done whole or not at all.
    fn erase(&mut self, open: &Served, change: Change, ids: &[MessageId]) -> Alive {
        self.erasures += 1;
        let answer = apply(open, self.now, change);
        for id in ids {
            let known = self.messages.get_mut(&id.get());
            let known = known.filter(|known| !known.is_gone);
            match (&answer, known) {
                (Ok(_), Some(known)) => known.is_gone = true,
                (Err(StoreError::Unavailable), Some(known)) => known.doubt = Some(self.erasures),
                (_, None) => {}
                (Err(error), _) => panic!("{error}"),
            }
        }
        let is_alive = answer.is_ok();
        self.confirmed += u64::from(is_alive);
        self.steps += u64::from(is_alive);
        is_alive
    }

    /// One step of the server's retention. Returns whether there was nothing to be done, too.
    fn retain(&mut self, open: &Served) -> (Alive, bool) {
        let older = Older {
            than: Timestamp::from_ms(self.now - KEPT),
            now: Timestamp::from_ms(self.now),
        };
        let expired = snapshot(open).expired(older).unwrap();
        let (through, is_last) = (expired.through, expired.is_last);
        if expired.chats.is_empty() && is_last {
            return (true, true);
        }
        let ids = expired.chats.concat();
        for id in &ids {
            let at = self.messages.get(&id.get()).map(|kept| kept.at);
            assert!(
                at.is_none_or(|at| at < self.now - KEPT),
                "{id} is too young"
            );
        }
        let many = expired.chats.into_iter().map(|messages| EraseMany {
            messages,
            sender: None,
            all_of: None,
        });
        let many = many.collect();
        (
            self.erase(open, Change::Retain { many, through }, &ids),
            is_last,
        )
    }

    /// One step of a room's: of its retention, or of its erasure.
    fn erase_in(&mut self, open: &Served, number: u64, kept: Option<u64>) -> (Alive, bool) {
        let older = kept.map(|kept| Older {
            than: Timestamp::from_ms(self.now - kept),
            now: Timestamp::from_ms(self.now),
        });
        let chat = Erasable::Room(room(number));
        let found = snapshot(open).to_erase(chat, None, older, 0).unwrap();
        let Some(found) = found.filter(|found| !found.messages.is_empty()) else {
            return (true, true);
        };
        let many = EraseMany {
            messages: found.messages.clone(),
            sender: None,
            all_of: None,
        };
        let change = Change::EraseMany(vec![many]);
        (self.erase(open, change, &found.messages), found.is_last)
    }

    /// Erases the second room, of which a new one takes the place.
    fn erase_room(&mut self, open: &Served) -> Alive {
        let erase = RoomCommand::Erase {
            room: room(self.erasable),
        };
        let act = RoomAct {
            by: None,
            what: erase,
        };
        if apply(open, self.now, Change::Room(act)).is_err() {
            return false;
        }
        let gone = self.erasable;
        // From now on nobody reads it, whatever is there of it.
        for kept in self.messages.values_mut().filter(|kept| kept.room == gone) {
            kept.is_gone = true;
        }
        match apply(open, self.now, create()) {
            Ok(_) => self.erasable += 1,
            Err(_) => return false,
        }
        self.erase_in(open, gone, None).0
    }

    /// Does things until the disk takes no more.
    fn talk(&mut self, open: &Served) {
        if is_erased(open, self.erasable) && apply(open, self.now, create()).is_err() {
            return;
        }
        self.erasable = greatest_room(open);
        loop {
            let is_alive = match self.random.random_range(0..20) {
                0..12 => self.send(open),
                12..15 => {
                    self.now += self.random.random_range(0..5 * DAY);
                    true
                }
                15..18 => self.retain(open).0,
                18 => self.erase_in(open, ROOM, Some(KEPT_IN_ROOM)).0,
                _ if self.random.random_bool(0.3) => self.erase_room(open),
                _ => self.edit(open),
            };
            if !is_alive {
                return;
            }
        }
    }

    /// Gives a message that is there another length, so that it leaves its block.
    fn edit(&mut self, open: &Served) -> Alive {
        let there = self.messages.iter().filter(|(_, kept)| !kept.is_gone);
        let there = there.filter(|(_, kept)| kept.at + DAY / 2 > self.now);
        let Some((id, _)) = there.choose(&mut self.random) else {
            return true;
        };
        let content = "y".repeat(self.random.random_range(1..4_000));
        let talk = Talk::edit(user(1), MessageId::new(*id).unwrap(), content.into());
        match apply(open, self.now, Change::Talk(talk.in_any_chat())) {
            Ok(_) => true,
            Err(StoreError::Unavailable) => false,
            other => panic!("{other:?}"),
        }
    }

    /// Holds what is there against what is known.
    fn compare(&mut self, open: &Served) {
        let found = found(open, self.erasable + 1);
        // The room may have been erased, or made, by what was not answered.
        self.erasable = greatest_room(open);
        let mut whole: BTreeMap<u64, BTreeSet<bool>> = BTreeMap::new();
        for (id, kept) in &mut self.messages {
            let is_there = found.contains_key(id);
            let was_gone = kept.is_gone;
            match kept.doubt.take() {
                _ if was_gone => assert!(!is_there, "{id} has come back: {kept:?}"),
                // Of a room whose erasure was not answered.
                _ if is_erased(open, kept.room) => {}
                Some(doubt) => drop(whole.entry(doubt).or_default().insert(is_there)),
                None => assert!(is_there, "{id} is lost: {kept:?}"),
            }
            kept.is_gone = !is_there;
            let Some(file) = kept.file else { continue };
            let sent = open.store.sent_file(file);
            match is_there {
                true => assert_eq!(found[id].file, Some(file), "{id} has lost its file"),
                false => assert!(open.store.pending_file(file).is_none(), "{id}"),
            }
            // What a room had that is erased goes with its messages, after it.
            if is_there || !is_erased(open, kept.room) {
                assert_eq!(sent.is_some(), is_there, "the file of {id}: {kept:?}");
            }
        }
        for (doubt, states) in whole {
            assert_eq!(states.len(), 1, "erasure {doubt} is half done");
        }
        let retained = open.store.retained();
        for (id, kept) in found {
            assert!(
                id > retained,
                "{id} is there, and retention was at {retained}"
            );
            // It may be one whose answer did not come.
            self.messages.entry(id).or_insert(kept);
        }
    }

    /// Retention goes on where it was, and comes to its end; so do rooms that are erased.
    fn finish(&mut self, open: &Served) {
        for room in open.store.rooms_to_erase() {
            while self.erase_in(open, room.get(), None) != (true, true) {}
        }
        loop {
            match self.retain(open) {
                (true, true) => break,
                (is_alive, _) => assert!(is_alive),
            }
        }
        while self.erase_in(open, ROOM, Some(KEPT_IN_ROOM)) != (true, true) {}
        assert_eq!(open.store.rooms_to_erase(), []);
        let found = found(open, self.erasable);
        for id in found.keys() {
            let kept = &self.messages[id];
            let age = self.now - kept.at;
            assert!(
                age <= KEPT && (kept.room != ROOM || age <= KEPT_IN_ROOM),
                "{id}: {kept:?}"
            );
        }
    }
}

/// Returns the id of the room that was made last, whether it was erased or not.
fn greatest_room(open: &Served) -> u64 {
    open.store.intake.data.state.read().rooms.greatest()
}

/// Returns whether a room, of those from 1 on, is erased, or was never made.
fn is_erased(open: &Served, number: u64) -> bool {
    let room = RoomId::new(number).ok();
    room.is_some_and(|room| {
        let room = open.store.room(room);
        room.is_none_or(|room| room.name.is_empty())
    })
}

/// Every message that is there, as its readers see it.
fn found(open: &Served, rooms: u64) -> BTreeMap<u64, Kept> {
    let snapshot = snapshot(open);
    let kept = |room: u64, at: Timestamp, extras: &Option<Box<Extras>>| {
        let files = extras
            .as_deref()
            .map_or(&[][..], |extras| &extras.attachments);
        Kept {
            at: at.as_ms(),
            room,
            file: files.first().map(|file| file.id),
            is_gone: false,
            doubt: None,
        }
    };
    let mut found = BTreeMap::new();
    let of_two = |query| snapshot.history(user(2), user(1), query);
    for row in all(|row: &HistoryRow| row.message.id, of_two) {
        let message = &row.message;
        let kept = kept(0, message.created_at, &message.extras);
        found.insert(message.id.get(), kept);
    }
    for number in 1..=rooms {
        if snapshot.my_room(user(2), room(number)).is_err() {
            continue;
        }
        let of_room = |query| snapshot.room_history(user(2), room(number), query);
        for row in all(|row: &RoomMessage| row.id, of_room) {
            let kept = kept(number, row.created_at, &row.extras);
            found.insert(row.id.get(), kept);
        }
    }
    found
}

fn create() -> Change {
    let what = RoomCommand::Create {
        room: ops(),
        members: vec![user(2)],
        most: 10,
    };
    Change::Room(RoomAct {
        by: Some(user(1)),
        what,
    })
}

fn begin() -> Vec<u8> {
    let disk = Disk::with(Vec::new());
    let open = disk.open();
    for number in 1..=2 {
        apply(&open, BEGAN, new_user(&format!("user{number}"))).unwrap();
    }
    for _ in 0..2 {
        apply(&open, BEGAN, create()).unwrap();
    }
    open.close();
    disk.0.lock().safe()
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "how much was tried is said with `--nocapture`"
)]
fn over_power_cuts_in_retention_nothing_young_is_lost_and_nothing_old_comes_back() {
    let cuts = std::env::var("CRASHES");
    let cuts = cuts.map_or(CUTS, |cuts| cuts.parse().expect("a number of cuts"));
    let (mut done, mut confirmed, mut steps, mut gone, mut files) = (0, 0, 0, 0, 0);
    for seed in 0.. {
        if done == cuts {
            break;
        }
        let mut talking = Talking {
            random: StdRng::seed_from_u64(seed),
            now: BEGAN + KEPT,
            messages: BTreeMap::new(),
            erasable: 2,
            files: 0,
            erasures: 0,
            confirmed: 0,
            steps: 0,
        };
        let mut bytes = begin();
        for _ in 0..20.min(cuts - done) {
            done += 1;
            let disk = Disk::dying_after(talking.random.random_range(10..600), bytes);
            // The power may go while the file is opened, too.
            if let Ok(open) = Served::sweeping_every(16, disk.medium()) {
                talking.talk(&open);
                open.close();
            }
            bytes = disk.0.lock().cut(&mut talking.random);
            assert_eq!(findings(&bytes), [], "seed {seed}, cut {done}");
            let disk = Disk::with(bytes.clone());
            let open = disk.open();
            talking.compare(&open);
            let finishes = talking.random.random_bool(0.3);
            if finishes {
                talking.finish(&open);
                talking.compare(&open);
            }
            open.close();
            if finishes {
                bytes = disk.0.lock().safe();
            }
        }
        confirmed += talking.confirmed;
        steps += talking.steps;
        gone += talking.messages.values().filter(|it| it.is_gone).count();
        files += talking
            .messages
            .values()
            .filter(|it| it.file.is_some())
            .count();
    }
    println!(
        "{done} cuts: {confirmed} changes confirmed, {steps} steps; {gone} messages erased, {files} files: 0 lost, 0 came back"
    );
    assert!(
        confirmed > 5 * cuts && steps > cuts / 2,
        "{confirmed}, {steps}"
    );
    assert!(gone as u64 > cuts && files as u64 > cuts, "{gone}, {files}");
}
