//! The store in memory and in files: what is committed, in which order, and what follows from it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use tokio::sync::mpsc;

use crate::model::{
    Act, ClientId, MadeBy, Message, MessageId, Name, Notice, Timestamp, User, UserId, Username,
};
use crate::model::{EntryId, FIRST_OWN_ID, Subject, Whom};
use crate::store::disk::schema;
use crate::store::handle::CONCURRENT_READS;
use crate::store::log::blocks;
use crate::store::talk::client_ids;
use crate::store::write::{load, sweep};
use crate::store::*;

mod acts;
mod around;
mod changing;
mod clock;
mod costs;
mod cuts;
mod faults;
mod following;
mod leaving;
mod retention_cuts;
mod rewrite_cuts;
mod rewriting;
mod room_changes;
mod room_cuts;
mod room_names;
mod rooms;
mod trailing;

/// A sweep every few entries, so that all of its steps are met.
pub(crate) const OPTIONS: StoreOptions = StoreOptions {
    commit_interval: Duration::ZERO,
    sweep_every: 16,
    retry_after: Duration::ZERO,
    page_cache: 64 << 20,
    newest_messages: 8 << 20,
    queued_changes: 64 << 20,
    client_ids: 1_000_000,
    first_user_id: 1,
    edit_window: Some(DEFAULT_EDIT_WINDOW),
    first_contact: crate::model::FirstContact::Everyone,
    // Tests have times of their own.
    clock_trial: Duration::ZERO,
};

/// An open store whose batches are answered by a thread of its own.
pub(crate) struct Open {
    pub(crate) store: Store,
    teller: std::thread::JoinHandle<()>,
}

impl Open {
    pub(crate) fn at(location: &Location) -> Result<Self, OpenError> {
        Self::with(|done| Store::open(location, OPTIONS, done))
    }

    /// One that sweeps only when it is closed, unless so many entries are sent before.
    pub(crate) fn sweeping_every(entries: u64, location: &Location) -> Self {
        let options = StoreOptions {
            sweep_every: entries,
            ..OPTIONS
        };
        Self::with(|done| Store::open(location, options, done)).unwrap()
    }

    fn with(
        open: impl FnOnce(mpsc::Sender<Vec<Done>>) -> Result<Store, OpenError>,
    ) -> Result<Self, OpenError> {
        let (done, mut batches) = mpsc::channel::<Vec<Done>>(BATCHES);
        let store = open(done)?;
        let teller = std::thread::spawn(move || {
            while let Some(batch) = batches.blocking_recv() {
                batch.into_iter().for_each(|done| done.tell(drop));
            }
        });
        Ok(Self { store, teller })
    }

    pub(crate) fn memory() -> Self {
        Self::at(&Location::Memory).unwrap()
    }

    pub(crate) fn apply(&self, now: u64, change: Change) -> Result<Committed, StoreError> {
        let (answer, answered) = std::sync::mpsc::channel();
        let answer: Answer = Box::new(move |result| answer.send(result).unwrap());
        self.store.submit(Timestamp::from_ms(now), change, answer);
        answered.recv().unwrap()
    }

    pub(crate) fn with_users(self, count: u64) -> Self {
        for number in 1..=count {
            assert!(matches!(
                self.apply(0, new_user(&format!("user{number}"))),
                Ok(Committed::User(_))
            ));
        }
        self
    }

    /// Hands all of these in before it waits for their answers.
    pub(crate) fn apply_all(
        &self,
        now: u64,
        changes: impl IntoIterator<Item = Change>,
    ) -> Vec<Result<Committed, StoreError>> {
        let mut waiting = std::collections::VecDeque::new();
        let mut answers = Vec::new();
        for change in changes {
            // Fewer than the queue takes.
            if waiting.len() == 1_000 {
                let answered: std::sync::mpsc::Receiver<_> = waiting.pop_front().unwrap();
                answers.push(answered.recv().unwrap());
            }
            let (answer, answered) = std::sync::mpsc::channel();
            let answer: Answer = Box::new(move |result| answer.send(result).unwrap());
            self.store.submit(Timestamp::from_ms(now), change, answer);
            waiting.push_back(answered);
        }
        answers.extend(waiting.into_iter().map(|answered| answered.recv().unwrap()));
        answers
    }

    pub(crate) fn send(&self, from: u64, to: u64, content: &str) -> Message {
        sent(self.apply(0, message(from, to, content, None))).0
    }

    fn read<R>(&self, query: impl FnOnce(&Snapshot<'_>) -> Result<R, ReadError>) -> R {
        query(&Snapshot::new(&self.store.intake.data)).unwrap()
    }

    /// Erases what is older than this, as the server does it.
    fn retain(&self, than: u64, now: u64) {
        let [than, at] = [than, now].map(Timestamp::from_ms);
        loop {
            let expired = self.read(|snapshot| snapshot.expired(Older { than, now: at }));
            let (through, is_last) = (expired.through, expired.is_last);
            let many = expired.chats.into_iter().map(|messages| EraseMany {
                messages,
                sender: None,
                all_of: None,
            });
            let many: Vec<_> = many.collect();
            if !many.is_empty() || !is_last {
                self.apply(now, Change::Retain { many, through }).unwrap();
            }
            if is_last {
                return;
            }
        }
    }

    /// Erases the messages of a chat, likewise: those of one sender, or those older than this.
    fn erase_in(&self, chat: Erasable, sender: Option<u64>, than: Option<u64>, now: u64) {
        let older = than.map(|than| Older {
            than: Timestamp::from_ms(than),
            now: Timestamp::from_ms(now),
        });
        let mut after = 0;
        loop {
            let found =
                self.read(|snapshot| snapshot.to_erase(chat, sender.map(user), older, after));
            let Some(found) = found else { return };
            let is_last = found.is_last;
            after = found.through;
            let many = EraseMany {
                messages: found.messages,
                sender: sender.map(user),
                all_of: Some(after).filter(|_| is_last && than.is_none()),
            };
            self.apply(now, Change::EraseMany(vec![many])).unwrap();
            if is_last {
                return;
            }
        }
    }

    pub(crate) fn history(
        &self,
        user_id: u64,
        peer: u64,
        before: Option<u64>,
        after: Option<u64>,
        limit: usize,
    ) -> (Vec<u64>, bool) {
        let query = HistoryQuery {
            before: before.map(id),
            after: after.map(id),
            limit,
        };
        let page = self.read(|snapshot| snapshot.history(user(user_id), user(peer), query));
        (
            page.rows.iter().map(|row| row.message.id.get()).collect(),
            page.has_more,
        )
    }

    pub(crate) fn close(self) {
        self.store.close();
        self.teller.join().unwrap();
    }
}

pub(crate) fn user(number: u64) -> UserId {
    UserId::new(number).unwrap()
}

pub(crate) fn id(number: u64) -> MessageId {
    MessageId::new(number).unwrap()
}

pub(crate) fn new_user(name: &str) -> Change {
    Change::CreateUser(NewUser {
        username: Username::registered(name).unwrap(),
        name: None,
        avatar: None,
        password_hash: Some("hash".into()),
        is_admin: false,
        is_bot: false,
        only_if_first: false,
        invite: None,
    })
}

pub(crate) fn message(from: u64, to: u64, content: &str, client_id: Option<&str>) -> Change {
    let client_id = client_id.map(|text| ClientId::new(text).unwrap());
    let (from, to) = (user(from), user(to));
    Change::Talk(Talk::send(from, to, content.into(), client_id))
}

pub(crate) fn sent(result: Result<Committed, StoreError>) -> (Message, bool) {
    sent_as(result.unwrap()).unwrap_or_else(|other| panic!("{other:?}"))
}

/// The message of an outcome, and whether it is new.
pub(crate) fn sent_as(committed: Committed) -> Result<(Message, bool), Box<Committed>> {
    match committed {
        Committed::Talk(Outcome::Entry(notice)) if is_message(&notice) => {
            Ok((notice.into_message().unwrap(), true))
        }
        Committed::Talk(Outcome::Repeated(notice)) => Ok((notice.into_message().unwrap(), false)),
        other => Err(Box::new(other)),
    }
}

fn is_message(notice: &Notice) -> bool {
    matches!(notice.entry.act, Act::Sent { .. })
}

pub(crate) fn mark(reader: u64, message: MessageId) -> Change {
    Change::Talk(Talk::read(user(reader), message))
}

pub(crate) fn mark_chat(reader: u64, peer: u64, up_to: Option<u64>) -> Change {
    let up_to = up_to.map(id);
    Change::Talk(Talk::read_up_to(user(reader), user(peer), up_to))
}

/// What a mark of a chat came to.
pub(crate) struct ChatRead {
    pub(crate) up_to: MessageId,
    pub(crate) count: u64,
    pub(crate) changed: Vec<MessageId>,
    pub(crate) entry: Option<EntryId>,
}

pub(crate) fn chat_read(result: Result<Committed, StoreError>) -> ChatRead {
    let (entry, act) = match result.unwrap() {
        Committed::Talk(Outcome::Entry(notice)) => (Some(notice.entry.id), notice.entry.act),
        Committed::Talk(Outcome::Nothing(act)) => (None, act),
        other => panic!("{other:?}"),
    };
    match act {
        Act::ReadUpTo { message, marked } => ChatRead {
            up_to: message,
            count: marked.count,
            changed: marked.newest.to_vec(),
            entry,
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_come_in_commit_order_with_growing_ids() {
    let open = Open::memory().with_users(2);
    let (answered, answers) = std::sync::mpsc::channel();
    for number in 0..1_000_u64 {
        let answered = answered.clone();
        let answer: Answer =
            Box::new(move |result| answered.send((number, sent(result).0.id)).unwrap());
        open.store
            .submit(Timestamp::from_ms(1), message(1, 2, "x", None), answer);
    }
    let answers: Vec<_> = answers.iter().take(1_000).collect();
    assert!(
        answers.is_sorted(),
        "the ids do not follow the order of sending"
    );
    open.close();
}

#[test]
fn a_clock_that_goes_back_does_not_take_the_times_with_it() {
    let open = Open::memory().with_users(2);
    let times: Vec<_> = [5_000, 4_000, 6_000]
        .map(|now| {
            sent(open.apply(now, message(1, 2, "x", None)))
                .0
                .created_at
                .as_ms()
        })
        .into();
    assert_eq!(times, [5_000, 5_000, 6_000]);
}

#[test]
fn messages_after_one_of_2031_carry_the_clocks_time_and_keep_their_order() {
    const NOW: u64 = 1_800_000_000_000;
    const DAY: u64 = 24 * 60 * 60 * 1_000;
    const IN_2031: u64 = 1_925_000_000_000;
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let open = Open::at(&location).unwrap().with_users(2);
    let send = |open: &Open, now, number: u64| {
        let client_id = number.to_string();
        sent(open.apply(now, message(1, 2, "x", Some(&client_id))))
            .0
            .created_at
            .as_ms()
    };
    assert_eq!(send(&open, IN_2031, 1), IN_2031);
    // Several in one transaction, and enough of them for sweeps.
    for number in 2..60 {
        assert_eq!(send(&open, NOW + number, number), NOW + number);
    }
    // A clock that is back by less than a day is waited for.
    assert_eq!(send(&open, NOW - DAY + 60, 60), NOW + 59);
    let seen = |at| Change::Seen([(user(1), Timestamp::from_ms(at))].into());
    for (at, last_seen) in [(IN_2031, IN_2031), (NOW, NOW), (NOW - 1, NOW)] {
        open.apply(at, seen(at)).unwrap();
        let user = open.store.user(user(1)).unwrap();
        assert_eq!(user.last_seen, Some(Timestamp::from_ms(last_seen)));
    }
    open.close();
    let open = Open::at(&location).unwrap();
    assert_eq!(send(&open, NOW + 61, 61), NOW + 61);
    let (ids, _) = open.history(1, 2, None, None, 100);
    assert!(ids.is_sorted() && ids.len() == 61, "{ids:?}");
    open.close();
    let report = maintain::check(&folder.path().join("chatd.redb"), &mut |_| {}).unwrap();
    assert_eq!(report.findings, []);
}

/// A clock of the future makes client ids forgotten; once it is right again, nobody asks for them.
#[test]
fn a_file_whose_clock_was_in_the_future_for_a_moment_is_sound() {
    const NOW: u64 = 1_800_000_000_000;
    const IN_2031: u64 = 1_925_000_000_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let open = Open::at(&Location::File(path.clone()))
        .unwrap()
        .with_users(2);
    for (round, now) in [NOW, IN_2031, NOW].into_iter().enumerate() {
        for number in 0..100 {
            let client_id = format!("{round}-{number}");
            open.apply(now + number, message(1, 2, "x", Some(&client_id)))
                .unwrap();
        }
    }
    open.close();
    let report = maintain::check(&path, &mut |_| {}).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn accounts_are_made_whatever_ids_another_system_took() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let put = |open: &Open, id: u64| {
        let put = PutUser {
            whom: Whom::Id(UserId::new(id).unwrap()),
            is_numbered: false,
            names: vec![Username::stored(&format!("theirs-{id}"))],
            name: None,
            avatar: None,
            by: PutBy::Administrator,
        };
        open.apply(0, Change::PutUser(put)).unwrap();
    };
    let make = |open: &Open, name: &str| match open.apply(0, new_user(name)) {
        Ok(Committed::User(user)) => user.id.get(),
        other => panic!("{other:?}"),
    };
    let open = Open::at(&location).unwrap();
    put(&open, crate::model::MAX_ID);
    assert_eq!(make(&open, "a"), 1);
    for id in [2, 3, 5, crate::model::MAX_ID - 1] {
        put(&open, id);
    }
    assert_eq!([make(&open, "b"), make(&open, "c")], [4, 6]);
    put(&open, 7);
    open.close();
    let open = Open::at(&location).unwrap();
    assert_eq!([make(&open, "d"), make(&open, "e")], [8, 9]);
    // Nobody is the first any more.
    let first = NewUser {
        only_if_first: true,
        username: Username::stored("first"),
        name: None,
        avatar: None,
        password_hash: Some("hash".into()),
        is_admin: true,
        is_bot: false,
        invite: None,
    };
    let refused = open.apply(0, Change::CreateUser(first));
    assert!(matches!(refused, Err(StoreError::NotFirst)));
    open.close();
}

#[test]
fn a_client_id_gives_the_first_message_again_for_a_day() {
    const DAY: u64 = 24 * 60 * 60 * 1_000;
    let open = Open::memory().with_users(3);
    let (first, fresh) = sent(open.apply(1_000, message(1, 2, "hi", Some("a"))));
    assert!(fresh);
    assert_eq!(
        sent(open.apply(2_000, message(1, 2, "hi", Some("a")))),
        (first.clone(), false)
    );
    let (others, fresh) = sent(open.apply(2_000, message(2, 1, "hi", Some("a"))));
    assert!(
        fresh && others.id != first.id,
        "client ids are the sender's own"
    );
    for change in [
        message(1, 2, "other", Some("a")),
        message(1, 3, "hi", Some("a")),
    ] {
        assert!(matches!(
            open.apply(2_000, change),
            Err(StoreError::ClientIdReused)
        ));
    }
    let (later, fresh) = sent(open.apply(1_000 + DAY, message(1, 2, "hi", Some("a"))));
    assert!(fresh && later.id > first.id);
    assert_eq!(
        sent(open.apply(2_000 + DAY, message(1, 2, "hi", Some("a")))),
        (later, false)
    );
}

#[test]
fn a_client_id_is_forgotten_after_10_000_later_messages_and_no_sooner() {
    let open = Open::memory().with_users(2);
    let (first, _) = sent(open.apply(0, message(1, 2, "hi", Some("first"))));
    for number in 1..client_ids::CLIENT_IDS_PER_SENDER {
        open.store.submit(
            Timestamp::from_ms(0),
            message(1, 2, "x", Some(&number.to_string())),
            Box::new(|_| {}),
        );
    }
    assert_eq!(
        sent(open.apply(0, message(1, 2, "hi", Some("first")))),
        (first, false)
    );
    open.apply(0, message(1, 2, "x", Some("one more"))).unwrap();
    assert!(sent(open.apply(0, message(1, 2, "hi", Some("first")))).1);
}

#[test]
fn a_client_id_that_is_used_again_after_a_day_is_remembered_as_long_as_a_new_one() {
    const DAY: u64 = 24 * 60 * 60 * 1_000;
    let open = Open::memory().with_users(2);
    let name = |number: u64| message(1, 2, "x", Some(&number.to_string()));
    let last = client_ids::CLIENT_IDS_PER_SENDER as u64;
    open.apply_all(0, (1..=last).map(name));
    assert!(sent(open.apply(DAY, name(1))).1);
    // Those that push its first use out.
    open.apply_all(DAY, (last + 1..2 * last).map(name));
    assert!(!sent(open.apply(DAY, name(1))).1);
    open.apply(DAY, name(2 * last)).unwrap();
    assert!(sent(open.apply(DAY, name(1))).1);
    open.close();
}

#[test]
fn a_client_id_that_was_sent_while_its_senders_others_were_swept_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let open = Open::at(&location).unwrap().with_users(2);
    let name = |number: u64| number.to_string();
    for number in 0..100 {
        open.apply(0, message(1, 2, "x", Some(&name(number))))
            .unwrap();
    }
    open.close();
    let open = Open::at(&location).unwrap();
    for number in 0..100 {
        let (again, fresh) = sent(open.apply(0, message(1, 2, "x", Some(&name(number)))));
        assert!(!fresh, "{number} was stored again, as {}", again.id);
    }
    open.close();
}

#[test]
fn refused_changes_leave_their_neighbours_alone() {
    let open = Open::memory().with_users(2);
    assert!(matches!(
        open.apply(0, message(1, 1, "x", None)),
        Err(StoreError::SamePerson)
    ));
    assert!(matches!(
        open.apply(0, message(1, 9, "x", None)),
        Err(StoreError::NoSuchUser)
    ));
    assert!(matches!(
        open.apply(0, new_user("USER1")),
        Err(StoreError::UsernameTaken)
    ));
    let first = NewUser {
        only_if_first: true,
        ..match new_user("x") {
            Change::CreateUser(new) => new,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(
        open.apply(0, Change::CreateUser(first)),
        Err(StoreError::NotFirst)
    ));
    assert_eq!(
        open.send(1, 2, "x").id.get(),
        1,
        "a refused change took an id"
    );
}

#[test]
fn only_the_receiver_marks_a_message_read_and_once_is_enough() {
    let open = Open::memory().with_users(3);
    let message = open.send(1, 2, "x").id;
    let mark = |reader: u64, message: MessageId| open.apply(0, self::mark(reader, message));
    assert!(matches!(mark(1, message), Err(StoreError::NotReceiver)));
    assert!(matches!(mark(3, message), Err(StoreError::NoSuchMessage)));
    assert!(matches!(mark(2, id(99)), Err(StoreError::NoSuchMessage)));
    let Ok(Committed::Talk(Outcome::Entry(read))) = mark(2, message) else {
        panic!("it was refused")
    };
    assert_eq!(
        (read.entry.id, read.sides()),
        (EntryId::new(2).unwrap(), Some([user(2), user(1)]))
    );
    let Ok(Committed::Talk(Outcome::Nothing(_))) = mark(2, message) else {
        panic!("it was refused")
    };
    assert!(
        matches!(mark(2, id(2)), Err(StoreError::NoSuchMessage)),
        "the mark's own entry is no message"
    );
}

#[test]
fn a_chat_is_read_up_to_a_message_and_names_what_changed() {
    let open = Open::memory().with_users(2);
    let ids: Vec<u64> = (0..6)
        .map(|number| open.send(1 + number % 2, 2 - number % 2, "x").id.get())
        .collect();
    // 1 -> 2 sent ids 1, 3, 5.
    let read = chat_read(open.apply(0, mark_chat(2, 1, Some(ids[3]))));
    assert_eq!((read.count, read.up_to), (2, id(ids[3])));
    assert_eq!(read.changed, [id(1), id(3)]);
    let read = chat_read(open.apply(0, mark_chat(2, 1, None)));
    assert_eq!((read.count, read.changed.as_slice()), (1, &[id(5)][..]));
    let read = chat_read(open.apply(0, mark_chat(2, 1, None)));
    assert_eq!((read.count, read.entry), (0, None));
    assert!(matches!(
        open.apply(0, mark_chat(2, 9, None)),
        Err(StoreError::NoSuchUser)
    ));
}

#[test]
fn a_chat_of_many_unread_names_the_newest_hundred() {
    let open = Open::memory().with_users(2);
    (0..250).for_each(|_| drop(open.send(1, 2, "x")));
    let read = chat_read(open.apply(0, mark_chat(2, 1, None)));
    assert_eq!(read.count, 250);
    assert_eq!(read.changed, (151..=250).map(id).collect::<Vec<_>>());
}

#[test]
fn history_pages_meet_without_gap_or_overlap_in_both_directions() {
    let open = Open::memory().with_users(3);
    let mut ids = Vec::new();
    for number in 0..57 {
        ids.push(open.send(1 + number % 2, 2 - number % 2, "x").id.get());
        open.send(3, 1, "between");
    }
    for limit in [1, 10, 57, 100] {
        let (mut backward, mut before) = (Vec::new(), None);
        loop {
            let (page, has_more) = open.history(1, 2, before, None, limit);
            before = page.first().copied();
            backward.splice(0..0, page);
            if !has_more {
                break;
            }
        }
        assert_eq!(backward, ids, "backward by {limit}");
        let (mut forward, mut after) = (Vec::<u64>::new(), 0);
        loop {
            // An id of another conversation, or of none, is as good a bound as one of this.
            let (page, has_more) = open.history(2, 1, None, Some(after + 1), limit);
            forward.extend(&page);
            after = page.last().copied().unwrap_or(after);
            if !has_more {
                break;
            }
        }
        assert_eq!(forward, ids[1..], "forward by {limit}");
    }
    assert_eq!(
        open.history(1, 2, Some(ids[5]), Some(ids[1]), 2),
        (vec![ids[2], ids[3]], true)
    );
    assert_eq!(
        open.history(1, 2, Some(ids[5]), Some(ids[1]), 3),
        (vec![ids[2], ids[3], ids[4]], false)
    );
    assert_eq!(
        open.history(1, 2, None, Some(crate::model::MAX_ID), 3),
        (vec![], false)
    );
    assert_eq!(open.history(2, 3, None, None, 3), (vec![], false));
}

#[test]
fn recents_are_newest_first_and_page_by_their_last_message() {
    let open = Open::memory().with_users(6);
    for peer in 2..=6 {
        open.send(peer, 1, &format!("from {peer}"));
    }
    open.send(1, 3, "to 3");
    let peers = |before: Option<MessageId>, limit| {
        let page = open.read(|snapshot| snapshot.recents(user(1), before, limit));
        let peers: Vec<u64> = page.rows.iter().map(|row| row.peer.id.get()).collect();
        (
            peers,
            page.rows.last().map(|row| row.last_message.id),
            page.has_more,
        )
    };
    let (first, next, more) = peers(None, 3);
    assert_eq!((first, more), (vec![3, 6, 5], true));
    let (rest, _, more) = peers(next, 3);
    assert_eq!((rest, more), (vec![4, 2], false));
    let page = open.read(|snapshot| snapshot.recents(user(1), None, 10));
    assert_eq!(&*page.rows[0].last_message.content, "to 3");
    assert_eq!(
        page.rows[0].unread_count, 1,
        "an answer does not mark what was read"
    );
}

/// What a plain model of the same operations says.
#[derive(Default)]
struct Model {
    /// By id: sender, receiver, read.
    messages: BTreeMap<u64, (u64, u64, bool)>,
}

impl Model {
    fn unread(&self, reader: u64, after: u64) -> Vec<u64> {
        let unread = self
            .messages
            .iter()
            .filter(|(id, (_, to, read))| *to == reader && !read && **id > after);
        unread.map(|(id, _)| *id).collect()
    }
}

/// The store's answers are the model's, for every person.
fn assert_agrees(open: &Open, model: &Model, users: u64, random: &mut rand::rngs::StdRng) {
    for me in 1..=users {
        let after = random.random_range(0..=model.messages.len() as u64);
        let limit = random.random_range(1..20);
        let (page, total) =
            open.read(|snapshot| snapshot.unread(user(me), (after > 0).then(|| id(after)), limit));
        let wanted = model.unread(me, after);
        assert_eq!(
            page.rows.iter().map(|row| row.id.get()).collect::<Vec<_>>(),
            wanted[..limit.min(wanted.len())]
        );
        assert_eq!(
            (page.has_more, total),
            (wanted.len() > limit, model.unread(me, 0).len() as u64)
        );
        let recents = open
            .read(|snapshot| snapshot.recents(user(me), None, 100))
            .rows;
        let peers: std::collections::BTreeSet<u64> = model
            .messages
            .values()
            .filter(|(from, to, _)| *from == me || *to == me)
            .map(|(from, to, _)| from + to - me)
            .collect();
        assert_eq!(recents.len(), peers.len());
        for row in &recents {
            let peer = row.peer.id.get();
            let unread = model
                .messages
                .values()
                .filter(|(from, to, read)| (*from, *to) == (peer, me) && !read)
                .count();
            assert_eq!(row.unread_count, unread as u64);
            let of_two = |(from, to, _): &(u64, u64, bool)| {
                (*from, *to) == (peer, me) || (*from, *to) == (me, peer)
            };
            let last = model
                .messages
                .iter()
                .filter(|(_, message)| of_two(message))
                .map(|(id, _)| *id)
                .next_back();
            assert_eq!(Some(row.last_message.id.get()), last);
            let all = HistoryQuery {
                before: None,
                after: None,
                limit: 10_000,
            };
            let history = open.read(|snapshot| snapshot.history(user(me), user(peer), all));
            let rows: Vec<_> = history
                .rows
                .iter()
                .map(|row| (row.message.id.get(), row.is_read))
                .collect();
            let wanted: Vec<_> = model
                .messages
                .iter()
                .filter(|(_, message)| of_two(message))
                .map(|(id, (_, _, read))| (*id, *read))
                .collect();
            assert_eq!(rows, wanted);
        }
        assert!(recents.is_sorted_by(|left, right| left.last_message.id > right.last_message.id));
    }
}

#[test]
fn nothing_derived_drifts_over_random_operations_and_restarts() {
    const USERS: u64 = 4;
    for seed in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::File(folder.path().join("chatd.redb"));
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let mut model = Model::default();
        let mut open = Open::at(&location).unwrap().with_users(USERS);
        for round in 0..4 {
            for _ in 0..60 {
                let me = random.random_range(1..=USERS);
                let peer = 1 + (me + random.random_range(0..USERS - 1)) % USERS;
                match random.random_range(0..10) {
                    0..6 => {
                        let message = open.send(me, peer, "x");
                        model.messages.insert(message.id.get(), (me, peer, false));
                    }
                    6..9 => {
                        let Some(message) =
                            model.unread(me, 0).get(random.random_range(0..5)).copied()
                        else {
                            continue;
                        };
                        open.apply(0, mark(me, id(message))).unwrap();
                        model.messages.get_mut(&message).unwrap().2 = true;
                    }
                    _ => {
                        let newest = open.store.intake.data.state.read().last_entry;
                        let up_to = random
                            .random_bool(0.7)
                            .then(|| random.random_range(1..=newest.max(1)));
                        let read = chat_read(open.apply(0, mark_chat(me, peer, up_to)));
                        let mut changed = Vec::new();
                        for (id, (from, to, is_read)) in &mut model.messages {
                            if (*from, *to) == (peer, me)
                                && up_to.is_none_or(|up_to| *id <= up_to)
                                && !*is_read
                            {
                                *is_read = true;
                                changed.push(MessageId::new(*id).unwrap());
                            }
                        }
                        assert_eq!((read.count, read.changed), (changed.len() as u64, changed));
                    }
                }
            }
            assert_agrees(&open, &model, USERS, &mut random);
            if round % 2 == 0 {
                open.close();
                open = Open::at(&location).unwrap();
                assert_agrees(&open, &model, USERS, &mut random);
            }
        }
        open.close();
    }
}

#[test]
fn closing_writes_what_is_queued() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let open = Open::at(&location).unwrap().with_users(2);
    let (answered, answers) = std::sync::mpsc::channel();
    for _ in 0..500 {
        let answered = answered.clone();
        let answer: Answer = Box::new(move |result| answered.send(result.is_ok()).unwrap());
        open.store
            .submit(Timestamp::from_ms(1), message(1, 2, "x", None), answer);
    }
    drop(answered);
    open.close();
    assert_eq!(answers.iter().filter(|stored| *stored).count(), 500);
    let open = Open::at(&location).unwrap();
    assert_eq!(open.history(1, 2, None, None, 1_000).0.len(), 500);
    open.close();
    let late = Open::at(&location).unwrap();
    late.store.close();
    assert!(matches!(
        late.apply(0, message(1, 2, "x", None)),
        Err(StoreError::Unavailable)
    ));
}

#[test]
fn names_are_found_by_any_part_those_that_begin_with_it_first() {
    let open = Open::memory();
    for name in ["bob", "Adabob", "ada", "carl"] {
        open.apply(0, new_user(name)).unwrap();
    }
    let found = |text: &str, except, limit| -> Vec<String> {
        let (users, _) = open.store.search_users(text, Some(user(except)), limit);
        users.iter().map(|user| user.username.to_string()).collect()
    };
    assert_eq!(found("BOB", 9, 10), ["bob", "Adabob"]);
    assert_eq!(found("", 1, 2), ["ada", "Adabob"]);
    assert_eq!(found("zoe", 9, 10), [""; 0]);
}

fn refusal(path: &Path) -> OpenError {
    let before = std::fs::read(path).unwrap();
    let error = Open::at(&Location::File(path.to_owned()))
        .err()
        .expect("it was opened");
    assert!(
        std::fs::read(path).unwrap() == before,
        "a file that was refused has changed"
    );
    error
}

#[test]
fn a_foreign_file_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "Dear diary, this is longer than any header of any database. ".repeat(100),
    )
    .unwrap();
    assert!(matches!(refusal(&text), OpenError::Foreign));
    let other = folder.path().join("other.redb");
    let db = Database::create(&other).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(redb::TableDefinition::<u64, u64>::new("theirs"))
        .unwrap();
    txn.commit().unwrap();
    drop(db);
    assert!(matches!(refusal(&other), OpenError::Foreign));
}

/// `tests/formats/1.redb.gz` was made by the chatd of that format: 40 messages of three people in
/// the pairs 1-2, 2-1, 1-3 and 3-2 by turns, two of three with the client id `c` and the message's
/// number; 2 has read 1's, and 1 has read 2's first and third. The later ones have the same,
/// exported and imported by the chatd of that format.
#[test]
fn a_file_of_every_earlier_format_is_migrated_and_read() {
    is_migrated_and_read(include_bytes!("../../../tests/formats/1.redb.gz"));
    is_migrated_and_read(include_bytes!("../../../tests/formats/2.redb.gz"));
    is_migrated_and_read(include_bytes!("../../../tests/formats/3.redb.gz"));
    is_migrated_and_read(include_bytes!("../../../tests/formats/4.redb.gz"));
}

fn is_migrated_and_read(packed: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let mut file = std::fs::File::create(&path).unwrap();
    std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut file).unwrap();
    for _ in 0..2 {
        let open = Open::at(&Location::File(path.clone())).unwrap();
        assert_eq!(open.store.user_by_name("cleo").unwrap().id, user(3));
        let page = open.read(|snapshot| {
            let all = HistoryQuery {
                before: None,
                after: None,
                limit: 100,
            };
            snapshot.history(user(1), user(2), all)
        });
        let rows: Vec<_> = page
            .rows
            .iter()
            .map(|row| (row.message.id.get(), row.is_read))
            .collect();
        let wanted: Vec<_> = (1..=40)
            .filter(|number| number % 4 == 1 || number % 4 == 2)
            .map(|number| (number, number % 4 == 1 || number == 2 || number == 10))
            .collect();
        assert_eq!(rows, wanted);
        assert_eq!(page.rows[0].message.content.as_ref(), "message 1 👋");
        let (_, unread) = open.read(|snapshot| snapshot.unread(user(3), None, 100));
        assert_eq!(unread, 10);
        let again = message(2, 1, "message 38 👋", Some("c38"));
        let at = page.rows.last().unwrap().message.created_at.as_ms();
        let (again, fresh) = sent(open.apply(at, again));
        assert_eq!((again.id.get(), fresh), (38, false));
        open.close();
    }
    let db = Database::open(&path).unwrap();
    assert_eq!(schema::format(&db).unwrap(), Some(schema::FORMAT));
    let txn = db.begin_read().unwrap();
    assert!(txn.open_table(tables::OLD_LOG).is_err(), "it has two logs");
}

#[test]
fn a_migration_of_the_log_goes_on_where_it_was_stopped() {
    let (written, db) = {
        let open = Open::memory().with_users(3);
        for number in 0..300 {
            let content = "text ".repeat(1 + number % 40);
            open.send(1 + number as u64 % 2, 3, &content);
        }
        let db = open.store.intake.data.database().unwrap();
        let written = blocks::entries(&db);
        open.close();
        let db = Arc::into_inner(db).expect("the store is closed");
        (written, db)
    };
    // The entries of format 3 lie in blocks already.
    blocks::tamper_entries(&db);
    schema::tamper_format(&db, 3);
    assert!(blocks::old_entries(&db) == 300 && blocks::entries(&db) == written);
    schema::prepare(&db, Some(3)).unwrap();
    for stops_after in [1, 2, 5] {
        let before = blocks::old_entries(&db);
        for _ in 0..stops_after {
            assert!(schema::migrate_step(&db, 2_000).unwrap());
        }
        let after = blocks::old_entries(&db);
        assert!(0 < after && after < before, "{after} of {before} are left");
        assert_eq!(blocks::entries(&db), written, "the two forms together");
    }
    schema::migrate_log(&db, 2_000).unwrap();
    assert_eq!(blocks::old_entries(&db), 0);
    assert_eq!(blocks::entries(&db), written);
    // Those of formats 1 and 2 have a row each.
    blocks::tamper_old(&db);
    let rows = |db: &Database| {
        let txn = db.begin_read().unwrap();
        let rows = txn
            .open_table(tables::OLD_LOG)
            .map(|table| table.len().unwrap());
        rows.ok()
    };
    assert_eq!(rows(&db), Some(300));
    assert_eq!(blocks::entries(&db), written, "the old form is not read");
    // So many steps, and then it is stopped.
    for stops_after in [1, 2, 5] {
        let before = rows(&db).unwrap();
        for _ in 0..stops_after {
            assert!(schema::migrate_step(&db, 2_000).unwrap());
        }
        let after = rows(&db).unwrap();
        assert!(0 < after && after < before, "{after} of {before} are left");
        assert_eq!(blocks::entries(&db), written, "the two forms together");
    }
    schema::migrate_log(&db, 2_000).unwrap();
    assert_eq!(rows(&db), None);
    assert_eq!(blocks::old_entries(&db), 0);
    assert_eq!(blocks::entries(&db), written);
    schema::migrate_log(&db, 2_000).unwrap();
    assert_eq!(blocks::entries(&db), written);
}

/// The changes of rows, in their order: after which entry each came, and which row it is of.
fn row_changes(open: &Open) -> Vec<(u64, changes::Row)> {
    let db = open.store.intake.data.database().unwrap();
    let table = db
        .begin_read()
        .unwrap()
        .open_table(tables::CHANGES)
        .unwrap();
    let all = table.iter().unwrap().map(|row| {
        let (number, value) = row.unwrap();
        let change = changes::RowChange::decode(number.value(), value.value()).unwrap();
        (change.after, change.row)
    });
    all.collect()
}

#[test]
fn what_changes_of_accounts_and_invites_has_its_place_among_the_entries_and_takes_no_id() {
    let open = Open::memory().with_users(2);
    let (first, second) = (open.send(1, 2, "one"), {
        open.apply(0, Change::Seen([(user(1), Timestamp::from_ms(5))].into()))
            .unwrap();
        open.send(2, 1, "two")
    });
    assert_eq!((first.id.get(), second.id.get()), (1, 2));
    let invite = |code: &str| {
        Change::CreateInvite(Invite {
            code: code.into(),
            max_uses: 1,
            uses: 0,
            created_at: Timestamp::from_ms(0),
            expires_at: Timestamp::from_ms(u64::MAX >> 12),
            room: None,
            registers: true,
            by: Maker::Operator,
        })
    };
    open.apply(0, invite("gone")).unwrap();
    open.apply(0, invite("used")).unwrap();
    open.apply(0, Change::RevokeInvite("gone".into())).unwrap();
    let Change::CreateUser(new) = new_user("user3") else {
        unreachable!("that is what it makes");
    };
    let invited = NewUser {
        invite: Some("used".into()),
        ..new
    };
    open.apply(0, Change::CreateUser(invited)).unwrap();
    let [users, credentials, invites] = [1, 2, 3];
    let expected = [
        (0, (credentials, 1, 0)),
        (0, (users, 2, 0)),
        (0, (credentials, 2, 0)),
        (1, (users, 1, 0)),
        (2, (invites, 1, 0)),
        (2, (users, 3, 0)),
        (2, (credentials, 3, 0)),
        (2, (invites, 2, 0)),
    ];
    assert_eq!(row_changes(&open), expected);
    // A refusal leaves no trace, and neither does a read mark.
    open.apply(0, new_user("user3")).unwrap_err();
    open.apply(0, mark_chat(1, 2, None)).unwrap();
    assert_eq!(row_changes(&open), expected);
    open.close();
}

#[test]
fn a_newer_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    Open::at(&Location::File(path.clone())).unwrap().close();
    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(tables::META)
        .unwrap()
        .insert("format", &8_u32.to_le_bytes()[..])
        .unwrap();
    txn.commit().unwrap();
    drop(db);
    let error = refusal(&path);
    assert!(
        matches!(
            error,
            OpenError::Newer {
                found: 8,
                known: schema::FORMAT
            }
        ),
        "{error}"
    );
}

#[test]
fn a_file_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let open = Open::at(&location).unwrap();
    assert!(matches!(
        Open::at(&location).err(),
        Some(OpenError::InUse { .. })
    ));
    open.close();
    Open::at(&location).unwrap().close();
}

#[test]
fn a_damaged_record_is_an_error_and_never_a_wrong_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let open = Open::at(&Location::File(path.clone()))
        .unwrap()
        .with_users(2);
    for content in ["the right text", "another"] {
        open.send(1, 2, content);
    }
    open.close();
    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    blocks::tamper(&txn, |log| {
        *log.get_mut(&1).unwrap().last_mut().unwrap() ^= 1;
    });
    txn.commit().unwrap();
    drop(db);
    let open = Open::at(&Location::File(path)).unwrap();
    let query = |limit| HistoryQuery {
        before: None,
        after: None,
        limit,
    };
    let snapshot = Snapshot::new(&open.store.intake.data);
    let error = snapshot.history(user(1), user(2), query(2)).unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::Failed(StoreError::Damaged {
                table: "log",
                key: 1
            })
        ),
        "{error}"
    );
    assert_eq!(
        snapshot.history(user(1), user(2), query(1)).unwrap().rows[0]
            .message
            .content
            .as_ref(),
        "another",
        "what is whole is still read"
    );
    open.close();
}

#[test]
fn conversations_of_several_rows_are_read_back_and_a_row_that_is_not_whole_is_named_and_made_anew()
{
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let location = Location::File(path.clone());
    let open = Open::at(&location).unwrap().with_users(20);
    // 190 conversations in three rows, the last of which is not full.
    for low in 1..20 {
        for high in low + 1..=20 {
            open.send(low, high, &format!("{low} to {high}"));
        }
    }
    open.close();
    let are_read_back = |location: &Location| {
        let open = Open::at(location).unwrap();
        let snapshot = Snapshot::new(&open.store.intake.data);
        for low in 1..20 {
            let recents = snapshot.recents(user(low), None, 50).unwrap().rows;
            let peers: Vec<u64> = recents.iter().map(|row| row.peer.id.get()).collect();
            let expected: Vec<u64> = (low + 1..=20).rev().chain((1..low).rev()).collect();
            assert_eq!(peers, expected);
        }
        open.close();
    };
    are_read_back(&location);
    type Tamper = fn(&mut redb::Table<'_, u64, &'static [u8]>);
    let cases: [(&str, u64, Tamper); 4] = [
        ("a flipped bit", 1, |rows| {
            let mut value = rows.get(1).unwrap().unwrap().value().to_vec();
            value[20] ^= 1;
            rows.insert(1, &value[..]).unwrap();
        }),
        ("a row in the midst with fewer conversations", 1, |rows| {
            let mut row = Vec::new();
            sweep::decode_row(1, rows.get(1).unwrap().unwrap().value(), &mut row).unwrap();
            row.pop();
            let mut body = Vec::new();
            sealed::put(&mut body, row.len() as u64);
            row.iter()
                .for_each(|conversation| conversation.encode(&mut body));
            rows.insert(1, &sealed::seal(1, &body)[..]).unwrap();
        }),
        ("a missing row", 2, |rows| {
            rows.remove(1).unwrap();
        }),
        ("a row beyond the last", 1_000_000_000_000, |rows| {
            rows.insert(1_000_000_000_000, &sealed::seal(0, &[])[..])
                .unwrap();
        }),
    ];
    for (what, expected, tamper) in cases {
        let damaged = folder.path().join("damaged.redb");
        std::fs::copy(&path, &damaged).unwrap();
        let db = Database::open(&damaged).unwrap();
        let txn = db.begin_write().unwrap();
        tamper(&mut txn.open_table(tables::CONVERSATION_STATES).unwrap());
        txn.commit().unwrap();
        let error = load::load(&db, &OPTIONS).err().unwrap();
        assert!(
            matches!(
                error,
                StoreError::Damaged {
                    table: "conversation_states",
                    key
                } if key == expected
            ),
            "{what}: {error:?}"
        );
        drop(db);
        are_read_back(&Location::File(damaged.clone()));
        let report = maintain::check(&damaged, &mut |_| {}).unwrap();
        assert_eq!(report.findings, [], "{what}");
    }
}

fn change(open: &Open, id: u64, change: UserChange) -> Result<Arc<User>, StoreError> {
    let change = Change::ChangeUser {
        user: user(id),
        change,
    };
    match open.apply(7, change)? {
        Committed::User(user) => Ok(user),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_data_file_is_its_owners_alone_and_an_old_one_is_left_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    Open::at(&Location::File(path.clone())).unwrap().close();
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    Open::at(&Location::File(path.clone())).unwrap().close();
    assert_eq!(mode(), 0o640);
}

#[test]
fn a_changed_account_is_so_after_a_reopen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let open = Open::at(&Location::File(path.clone()))
        .unwrap()
        .with_users(2);
    let wish = UserChange {
        name: None,
        username: Username::registered("ada").ok(),
        avatar: Some(Some("https://example.org/a.png".into())),
        password_hash: Some("another".into()),
        is_admin: Some(true),
        disabled: Some(false),
        revoke_tokens: true,
        issuers_ahead: Duration::from_secs(3),
        if_token_version: Some(0),
        by_code: None,
    };
    let made = change(&open, 1, wish.clone()).unwrap();
    assert_eq!(
        (made.token_version, made.revoked_at),
        (1, Some(Timestamp::from_ms(7)))
    );
    assert!(
        matches!(change(&open, 1, wish), Err(StoreError::Revoked)),
        "a change that was proved before a revocation held after it"
    );
    open.close();
    let open = Open::at(&Location::File(path)).unwrap();
    assert_eq!(open.store.user_by_name("ADA").as_deref(), Some(&*made));
    assert!(open.store.user_by_name("user1").is_none());
    let hash = open.read(|snapshot| snapshot.password_hash(user(1)));
    assert_eq!(hash.as_deref(), Some("another"));
    open.close();
}

#[test]
fn names_that_change_hands_are_never_shared() {
    let open = Open::memory().with_users(2);
    let named = |name: &str| UserChange {
        username: Username::registered(name).ok(),
        ..UserChange::default()
    };
    assert!(matches!(
        change(&open, 1, named("USER2")),
        Err(StoreError::UsernameTaken)
    ));
    for (id, name) in [(1, "x"), (2, "user1"), (1, "user2"), (1, "User2")] {
        assert!(change(&open, id, named(name)).is_ok(), "{id} {name}");
    }
    let holder = |name: &str| open.store.user_by_name(name).map(|user| user.id.get());
    assert_eq!(
        (holder("user1"), holder("user2"), holder("x")),
        (Some(2), Some(1), None)
    );
}

#[test]
fn the_last_enabled_administrator_stays_one() {
    let open = Open::memory().with_users(3);
    let admin = |is_admin| UserChange {
        is_admin: Some(is_admin),
        ..UserChange::default()
    };
    let disabled = |disabled| UserChange {
        disabled: Some(disabled),
        ..UserChange::default()
    };
    change(&open, 1, admin(true)).unwrap();
    change(&open, 2, admin(true)).unwrap();
    change(&open, 2, disabled(true)).unwrap();
    for wish in [admin(false), disabled(true)] {
        assert!(matches!(change(&open, 1, wish), Err(StoreError::LastAdmin)));
    }
    change(&open, 2, disabled(false)).unwrap();
    // Both at once, in one transaction or in two: one of them stays.
    let (answer, answered) = std::sync::mpsc::channel();
    for id in [1, 2] {
        let answer = answer.clone();
        let demote = Change::ChangeUser {
            user: user(id),
            change: admin(false),
        };
        open.store.submit(
            Timestamp::from_ms(8),
            demote,
            Box::new(move |result| answer.send(result.is_ok()).unwrap()),
        );
    }
    assert_eq!(
        (answered.recv().unwrap(), answered.recv().unwrap()),
        (true, false)
    );
}

#[test]
fn an_account_is_put_under_the_id_it_has_elsewhere() {
    let open = Open::memory().with_users(1);
    let put = |id, name: &str, avatar: Option<Option<&str>>, by_token| {
        let change = Change::PutUser(PutUser {
            whom: Whom::Id(user(id)),
            is_numbered: false,
            names: vec![Username::foreign(name).unwrap()],
            name: None,
            avatar: avatar.map(|avatar| avatar.map(Into::into)),
            by: match by_token {
                true => PutBy::Token { issued_at: None },
                false => PutBy::Administrator,
            },
        });
        match open.apply(0, change)? {
            Committed::Put { user, created } => Ok((user, created)),
            other => panic!("{other:?}"),
        }
    };
    assert!(
        put(
            29,
            "Ada Lovelace",
            Some(Some("https://example.org/a.png")),
            false
        )
        .unwrap()
        .1
    );
    let (kept, created) = put(29, "Somebody", None, true).unwrap();
    assert_eq!((kept.username.as_str(), created), ("Ada Lovelace", false));
    let (renamed, created) = put(29, "ada", None, false).unwrap();
    assert_eq!(
        (
            renamed.username.as_str(),
            renamed.avatar.as_deref(),
            created
        ),
        ("ada", Some("https://example.org/a.png"), false)
    );
    assert_eq!(put(29, "ada", Some(None), false).unwrap().0.avatar, None);
    assert!(matches!(
        put(30, "USER1", None, false),
        Err(StoreError::UsernameTaken)
    ));
    let next = open.apply(0, new_user("next"));
    assert!(matches!(next, Ok(Committed::User(user)) if user.id.get() == 30));
    let hash = open.read(|snapshot| snapshot.password_hash(user(29)));
    assert_eq!(hash, None);
}

fn invite(code: &str, max_uses: u32, expires_at: u64) -> Change {
    Change::CreateInvite(Invite {
        code: code.into(),
        max_uses,
        uses: 0,
        created_at: Timestamp::from_ms(0),
        expires_at: Timestamp::from_ms(expires_at),
        room: None,
        registers: true,
        by: Maker::Operator,
    })
}

fn invited(name: &str, code: &str) -> Change {
    match new_user(name) {
        Change::CreateUser(new) => Change::CreateUser(NewUser {
            invite: Some(code.into()),
            ..new
        }),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_invite_is_used_with_the_account_it_makes_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let open = Open::at(&Location::File(path.clone()))
        .unwrap()
        .with_users(1);
    open.apply(0, invite("single", 1, 100)).unwrap();
    open.apply(0, invite("triple", 3, 100)).unwrap();
    let refused = |now, name: &str, code: &str| {
        let refused = open.apply(now, invited(name, code));
        matches!(refused, Err(StoreError::InvalidInvite))
    };
    assert!(refused(0, "a", "unknown"));
    assert!(refused(100, "a", "single"), "it has expired");
    // A name that is taken costs no use.
    assert!(matches!(
        open.apply(0, invited("USER1", "single")),
        Err(StoreError::UsernameTaken)
    ));
    // Twelve at once for the last use, in as few transactions as they fall into.
    let (answer, answered) = std::sync::mpsc::channel();
    for number in 0..12 {
        let answer = answer.clone();
        open.store.submit(
            Timestamp::from_ms(1),
            invited(&format!("racer{number}"), "single"),
            Box::new(move |result| answer.send(result.is_ok()).unwrap()),
        );
    }
    let made = (0..12).filter(|_| answered.recv().unwrap()).count();
    assert_eq!(made, 1);
    open.apply(1, invited("b", "triple")).unwrap();
    open.close();
    let open = Open::at(&Location::File(path)).unwrap();
    let uses = |code: &str| open.store.invite(code).map(|invite| invite.uses);
    assert_eq!((uses("single"), uses("triple")), (Some(1), Some(1)));
    open.apply(1, Change::RevokeInvite("triple".into()))
        .unwrap();
    assert!(matches!(
        open.apply(1, invited("c", "triple")),
        Err(StoreError::InvalidInvite)
    ));
    // What has expired is cleared away by the next one.
    open.apply(100, invite("next", 1, 200)).unwrap();
    let codes: Vec<_> = open.store.invites().into_iter().map(|i| i.code).collect();
    assert_eq!(codes, ["next".into()]);
    open.close();
}

#[test]
fn the_pulse_stands_still_while_the_writer_hangs_and_goes_on_after_it() {
    // Nobody takes the batches: one finds room, and the writer waits with the next.
    let (done, mut batches) = mpsc::channel::<Vec<Done>>(1);
    let store = Store::open(&Location::Memory, OPTIONS, done).unwrap();
    // Every round that was asked for is made.
    let first = store.pulse();
    while store.pulse() == first {
        std::thread::yield_now();
    }
    for name in ["ada", "bob"] {
        store.submit(Timestamp::from_ms(0), new_user(name), Box::new(drop));
        while store.user_by_name(name).is_none() {
            std::thread::yield_now();
        }
    }
    // The second account is stored, and so its round goes on until somebody takes the first batch.
    let hanging = store.pulse();
    assert_eq!(store.pulse(), hanging);
    let told = std::thread::spawn(move || {
        while let Some(batch) = batches.blocking_recv() {
            batch.into_iter().for_each(|done| done.tell(drop));
        }
    });
    while store.pulse() == hanging {
        std::thread::yield_now();
    }
    store.close();
    told.join().unwrap();
}

#[tokio::test]
async fn what_memory_holds_is_answered_while_every_reading_thread_is_busy() {
    let open = Open::memory().with_users(2);
    for _ in 0..200 {
        open.send(1, 2, "x");
    }
    let every = u32::try_from(CONCURRENT_READS).unwrap();
    let threads = Arc::clone(&open.store.reads).acquire_many_owned(every);
    let threads = threads.await.unwrap();
    let newest = |limit| {
        let query = HistoryQuery {
            before: None,
            after: None,
            limit,
        };
        let store = open.store.clone();
        async move {
            let page = store.read(move |snapshot| snapshot.history(user(1), user(2), query));
            page.await.unwrap().rows.len()
        }
    };
    assert_eq!(newest(50).await, 50);
    // A page that takes longer than others should wait goes to a thread.
    let mut many = std::pin::pin!(newest(150));
    let waits = |cx: &mut std::task::Context<'_>| {
        std::task::Poll::Ready(Future::poll(many.as_mut(), cx).is_pending())
    };
    assert!(std::future::poll_fn(waits).await);
    drop(threads);
    assert_eq!(many.await, 150);
    open.close();
}

/// A server that had ended kept its data file locked for as long as any task held the store.
#[test]
fn a_file_that_is_closed_can_be_opened_though_something_still_holds_its_store() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let open = Open::at(&location).unwrap().with_users(2);
    open.send(1, 2, "x");
    let held = open.store.clone();
    open.close();
    let again = Open::at(&location).unwrap();
    assert_eq!(again.history(1, 2, None, None, 10).0.len(), 1);
    again.close();
    drop(held);
}

/// An app's user is called as the newest token says, in whatever order tokens come.
#[test]
fn an_apps_account_follows_the_newest_token_and_one_made_here_follows_none() {
    let open = Open::memory().with_users(1);
    let tell = |id, names: &[&str], avatar: Option<Option<&str>>, secs: Option<u64>| {
        let change = Change::PutUser(PutUser {
            whom: Whom::Id(user(id)),
            is_numbered: false,
            names: names.iter().map(|name| Username::stored(name)).collect(),
            name: None,
            avatar: avatar.map(|avatar| avatar.map(Into::into)),
            by: PutBy::Token {
                issued_at: secs.map(|secs| Timestamp::from_ms(secs * 1_000)),
            },
        });
        match open.apply(0, change).unwrap() {
            Committed::Put { user, .. } => {
                let avatar = user.avatar.as_deref().map(str::to_owned);
                (user.username.as_str().to_owned(), avatar)
            }
            other => panic!("{other:?}"),
        }
    };
    let is = |name: &str, avatar: Option<&str>| (name.to_owned(), avatar.map(str::to_owned));
    let picture = "https://example.org/a.png";
    assert_eq!(tell(29, &["Ada"], None, Some(100)), is("Ada", None));
    // Older, and undated: no news.
    assert_eq!(tell(29, &["Eve"], Some(None), Some(99)), is("Ada", None));
    assert_eq!(tell(29, &["Eve"], None, None), is("Ada", None));
    // Another case is another way to write it; nothing said leaves what there is.
    assert_eq!(
        tell(29, &["ADA"], Some(Some(picture)), Some(100)),
        is("ADA", Some(picture))
    );
    assert_eq!(tell(29, &[], None, Some(200)), is("ADA", Some(picture)));
    // A name that is taken gives way to the next one, and no account is refused for it.
    assert_eq!(
        tell(29, &["USER1", "user1-29"], Some(None), Some(201)),
        is("user1-29", None)
    );
    assert_eq!(tell(29, &["user1"], None, Some(202)), is("user1-29", None));
    assert_eq!(tell(1, &["Eve"], None, Some(300)), is("user1", None));
    let made_by = |id| open.store.user(user(id)).unwrap().made_by;
    assert_eq!((made_by(1), made_by(29)), (MadeBy::Here, MadeBy::App));
}

/// Two people may be called alike, and are found by that.
#[test]
fn a_name_is_shown_beside_the_username_and_found_like_it() {
    let open = Open::memory().with_users(2);
    let name = |text: &str| Name::parse(text).unwrap();
    let change = |id, change| {
        let user = user(id);
        match open.apply(0, Change::ChangeUser { user, change }).unwrap() {
            Committed::User(user) => user.shown_name().to_owned(),
            other => panic!("{other:?}"),
        }
    };
    let rename = |to: Option<&str>| UserChange {
        name: Some(to.map(name)),
        ..UserChange::default()
    };
    assert_eq!(change(1, rename(Some("Eve Smith"))), "Eve Smith");
    assert_eq!(change(2, rename(Some("eve SMITH"))), "eve SMITH");
    let found = |text: &str, limit| -> Vec<u64> {
        let (users, _) = open.store.search_users(text, Some(user(9)), limit);
        users.iter().map(|user| user.id.get()).collect()
    };
    assert_eq!(found("eve s", 9), [1, 2]);
    assert_eq!(found("smith", 9), [1, 2]);
    // Found by the username as well, and listed once.
    assert_eq!(found("", 9), [1, 2]);
    assert_eq!(found("e", 9), [1, 2]);
    assert_eq!(found("e", 1), [1]);
    let other = UserChange {
        username: Some(Username::registered("eve").unwrap()),
        ..UserChange::default()
    };
    assert_eq!(change(1, other), "Eve Smith");
    assert_eq!(change(1, rename(Some("eve"))), "eve");
    assert_eq!(change(2, rename(None)), "user2");
    assert_eq!(found("smith", 9), [0; 0]);
    assert_eq!(open.store.user(user(1)).unwrap().name, None);
    open.close();
}

/// Whoever was away asks by the last entry that they know of.
#[test]
fn those_who_share_a_chat_and_are_shown_otherwise_since_an_entry_are_found() {
    let open = Open::memory().with_users(4);
    let rename = |now, id, name: &str| {
        let change = UserChange {
            name: Some(Some(Name::parse(name).unwrap())),
            ..UserChange::default()
        };
        let user = user(id);
        open.apply(now, Change::ChangeUser { user, change })
            .unwrap();
    };
    let since = |entry| -> Vec<u64> {
        let found = open.read(|snapshot| snapshot.profiles_since(user(1), entry));
        let mut ids: Vec<_> = found.unwrap().iter().map(|user| user.id.get()).collect();
        ids.sort_unstable();
        ids
    };
    open.apply(10, message(1, 2, "a", None)).unwrap();
    open.apply(10, message(3, 1, "b", None)).unwrap();
    assert_eq!(since(0), [0; 0]);
    // The clock goes back, and a change is no older than the entry before it.
    rename(5, 2, "Bob");
    rename(5, 4, "Stranger");
    assert_eq!(since(0), [2]);
    assert_eq!(since(2), [2]);
    open.apply(20, message(1, 2, "c", None)).unwrap();
    assert_eq!(since(3), [0; 0]);
    rename(20, 3, "Carl");
    rename(21, 3, "Carl");
    assert_eq!((since(2), since(3)), (vec![2, 3], vec![3]));
    let peers = open.read(|snapshot| snapshot.peers(user(1)));
    assert_eq!(peers.len(), 2);
    open.close();
}

/// What a `PUT` and a token say of the name.
#[test]
fn an_apps_account_is_shown_as_the_app_says() {
    let open = Open::memory().with_users(1);
    let put = |id, username: &str, name: Option<&str>, by| {
        let change = Change::PutUser(PutUser {
            whom: Whom::Id(user(id)),
            is_numbered: true,
            names: vec![Username::stored(username)],
            name: name.map(|name| Name::parse(name).unwrap()),
            avatar: None,
            by,
        });
        match open.apply(0, change)? {
            Committed::Put { user, .. } => {
                Ok((user.username.to_string(), user.shown_name().to_owned()))
            }
            other => panic!("{other:?}"),
        }
    };
    let is = |username: &str, name: &str| (username.to_owned(), name.to_owned());
    let token = |secs: u64| PutBy::Token {
        issued_at: Some(Timestamp::from_ms(secs * 1_000)),
    };
    let put_well = |id, username, name, by| put(id, username, name, by).unwrap();
    let made = put_well(29, "user1", Some("user1"), token(100));
    assert_eq!(made, is("user1-29", "user1"));
    let later = put_well(29, "eve", Some("Eve"), token(101));
    assert_eq!(later, is("eve", "Eve"));
    assert_eq!(
        put_well(29, "eve", Some("Old"), token(99)),
        is("eve", "Eve")
    );
    assert_eq!(put_well(29, "eve", None, token(102)), is("eve", "Eve"));
    assert_eq!(put_well(29, "eve", None, PutBy::Backend), is("eve", "Eve"));
    // A backend that knows of no names says by the username how the account is shown.
    assert_eq!(put_well(29, "eva", None, PutBy::Backend), is("eva", "eva"));
    let refused = put(1, "eve", Some("Eve"), PutBy::Backend);
    assert!(matches!(refused, Err(StoreError::MadeHere)));
    assert_eq!(open.store.user(user(1)).unwrap().shown_name(), "user1");
    open.close();
}

#[test]
fn the_first_account_is_the_first_wherever_ids_begin() {
    let options = StoreOptions {
        first_user_id: FIRST_OWN_ID,
        ..OPTIONS
    };
    let open = Open::with(|done| Store::open(&Location::Memory, options, done)).unwrap();
    let first = |name: &str| match new_user(name) {
        Change::CreateUser(new) => Change::CreateUser(NewUser {
            only_if_first: true,
            ..new
        }),
        other => panic!("{other:?}"),
    };
    assert!(open.apply(0, first("ada")).is_ok());
    let second = open.apply(0, first("eve"));
    assert!(matches!(second, Err(StoreError::NotFirst)));
    open.close();
}

/// Accounts that an app means by other texts than ids.
#[test]
fn an_app_finds_its_account_by_issuer_and_subject_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let options = StoreOptions {
        first_user_id: FIRST_OWN_ID,
        ..OPTIONS
    };
    let whom = |issuer: &str, subject: &str| {
        Whom::Subject(Subject {
            issuer: issuer.into(),
            subject: subject.into(),
        })
    };
    let put = |open: &Open, issuer, subject| {
        let change = Change::PutUser(PutUser {
            whom: whom(issuer, subject),
            is_numbered: true,
            names: Vec::new(),
            name: None,
            avatar: None,
            by: PutBy::Token { issued_at: None },
        });
        match open.apply(0, change) {
            Ok(Committed::Put { user, created }) => (user.id.get(), created),
            other => panic!("{other:?}"),
        }
    };
    let open = Open::with(|done| Store::open(&location, options, done)).unwrap();
    assert_eq!(put(&open, "a", "x"), (FIRST_OWN_ID, true));
    assert_eq!(put(&open, "b", "x"), (FIRST_OWN_ID + 1, true));
    assert_eq!(put(&open, "a", "x"), (FIRST_OWN_ID, false));
    open.close();
    let open = Open::with(|done| Store::open(&location, options, done)).unwrap();
    assert_eq!(put(&open, "b", "x"), (FIRST_OWN_ID + 1, false));
    assert_eq!(put(&open, "a", "y"), (FIRST_OWN_ID + 2, true));
    let found = |issuer, subject| {
        let user = open.store.user_of(&whom(issuer, subject));
        user.map(|user| (user.id.get(), user.username.to_string()))
    };
    let first = (FIRST_OWN_ID, format!("user-{FIRST_OWN_ID}"));
    assert_eq!(found("a", "x"), Some(first));
    assert_eq!(found("", "x"), None);
    open.close();
}

/// An app's user 1 was the administrator who had set the server up.
#[test]
fn ids_given_here_are_apart_from_those_of_an_app() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    Open::at(&location).unwrap().with_users(2).close();
    let options = StoreOptions {
        first_user_id: FIRST_OWN_ID,
        ..OPTIONS
    };
    let make = |open: &Open, name: &str| match open.apply(0, new_user(name)) {
        Ok(Committed::User(user)) => user.id.get(),
        other => panic!("{other:?}"),
    };
    for first in [FIRST_OWN_ID, FIRST_OWN_ID + 2] {
        let open = Open::with(|done| Store::open(&location, options, done)).unwrap();
        assert_eq!(make(&open, &format!("a{first}")), first);
        assert_eq!(make(&open, &format!("b{first}")), first + 1);
        assert_eq!(
            open.store.users_made_here_below(FIRST_OWN_ID),
            [user(1), user(2)]
        );
        open.close();
    }
    // Without an app again they go on from there: no id is given twice.
    let open = Open::at(&location).unwrap();
    assert_eq!(make(&open, "next"), FIRST_OWN_ID + 4);
    open.close();
}
