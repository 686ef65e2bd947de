//! What rooms were called: of one that was renamed, and of one that was erased, no former name is
//! in anything that is given or made after it. And large rooms and talkative people that are erased
//! step by step, over restarts.

use std::path::Path;
use std::time::Duration;

use redb::Database;

use super::fixture::judging;
use super::*;
use crate::model::{
    Act, ClientId, EntryId, Members, Notice, Role, RoomHistory, RoomId, RoomKind, RoomPost,
};
use crate::store::log::blocks;
use crate::store::log::record::Record;
use crate::store::tables::LOG;
use crate::store::*;

const NOW: u64 = 1_700_000_000_000;
/// So many are taken out by one change.
const AT_ONCE: usize = 64;
/// So many messages are erased by one.
const ERASED_AT_ONCE: usize = 256;

fn room() -> RoomId {
    RoomId::new(1).unwrap()
}

fn act(open: &Open, by: Option<u64>, what: RoomCommand) -> Result<RoomDone, StoreError> {
    let by = by.map(user);
    match open.apply(NOW, Change::Room(RoomAct { by, what }))? {
        Committed::Room(done) => Ok(done),
        other => panic!("{other:?}"),
    }
}

fn create(open: &Open, name: &str, topic: &str, members: impl Iterator<Item = u64>) {
    let what = RoomCommand::Create {
        room: NewRoom {
            name: name.into(),
            topic: topic.into(),
            avatar: None,
            kind: RoomKind::Open,
            history: RoomHistory::All,
            post: RoomPost::All,
        },
        members: members.map(user).collect(),
        most: 10_000,
    };
    act(open, Some(1), what).unwrap();
}

fn update(open: &Open, update: RoomUpdate) {
    let room = room();
    act(open, Some(1), RoomCommand::Update { room, update }).unwrap();
}

fn say(open: &Open, by: u64, content: &str) {
    let talk = Talk::send_to_room(user(by), room(), content.into(), None);
    open.apply(NOW, Change::Talk(talk)).unwrap();
}

fn missed(open: &Open, by: u64) -> Vec<Notice> {
    let missed = open.read(|snapshot| snapshot.missed_of_all(user(by), 1, MAX_MISSED, MAX_MISSED));
    missed.page.unwrap().rows
}

/// The names of rooms that a person, or a follower of the log, is told of.
fn names(notices: &[Notice]) -> Vec<String> {
    let changed = |notice: &Notice| match &notice.entry.act {
        Act::RoomChanged { room, .. } => Some(room.name.to_string()),
        _ => None,
    };
    let beside = |notice: &Notice| notice.room.as_ref().map(|room| room.name.to_string());
    let names = notices
        .iter()
        .map(|notice| (changed(notice), beside(notice)));
    names
        .flat_map(|(one, other)| one.into_iter().chain(other))
        .collect()
}

fn rewrite(open: &Open) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(open.store.rewrite()).unwrap();
}

fn contains(bytes: &[u8], word: &str) -> bool {
    memchr::memmem::find(bytes, word.as_bytes()).is_some()
}

/// Whatever is made of the file has these words, and none of those.
fn assert_says(path: &Path, there: &[&str], gone: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.redb");
    maintain::backup(path, &copy, &mut |_| {}).unwrap();
    let mut lines = Vec::new();
    maintain::export(path, &mut lines, &mut |_| {}).unwrap();
    let imported = folder.path().join("imported.redb");
    maintain::import(&imported, &mut &lines[..], judging(), &mut |_| {}).unwrap();
    let mut again = Vec::new();
    maintain::export(&imported, &mut again, &mut |_| {}).unwrap();
    assert_eq!(String::from_utf8(again), String::from_utf8(lines.clone()));
    let [file, copied, brought] = [path, &copy, &imported].map(|path| std::fs::read(path).unwrap());
    let all = [
        ("file", file),
        ("copy", copied),
        ("export", lines),
        ("import", brought),
    ];
    for (what, bytes) in &all {
        for word in there {
            assert!(contains(bytes, word), "{word} is not in the {what}");
        }
        for word in gone {
            assert!(!contains(bytes, word), "{word} is in the {what}");
        }
    }
    for path in [path, &copy, &imported] {
        assert_eq!(maintain::check(path, &mut |_| {}).unwrap().findings, []);
    }
}

#[test]
fn former_names_of_a_room_and_all_names_of_an_erased_one_are_in_no_byte_after_the_rewrite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let location = Location::File(path.clone());
    let open = Open::at(&location).unwrap().with_users(3);
    create(&open, "MergerWithAcme", "LayoffsInMay", 2..=3);
    say(&open, 2, "WhatIsSaid");
    let out = RoomCommand::Remove {
        room: room(),
        user: user(3),
    };
    act(&open, Some(1), out).unwrap();
    update(
        &open,
        RoomUpdate {
            name: Some("ProjectBlue".into()),
            topic: Some("BudgetOfBlue".into()),
            ..RoomUpdate::default()
        },
    );
    // By the server's own hand, as for a retention.
    let days = RoomCommand::Retain {
        room: room(),
        days: Some(90),
    };
    act(&open, None, days).unwrap();

    // At once, live and over a restart. Who is out of it hears neither name.
    let mut open = open;
    for _ in 0..2 {
        let told = names(&missed(&open, 2));
        assert!(
            told.len() >= 3 && told.iter().all(|name| name == "ProjectBlue"),
            "{told:?}"
        );
        let told = names(&missed(&open, 3));
        assert!(
            !told.is_empty() && told.iter().all(String::is_empty),
            "{told:?}"
        );
        let trail = open.read(|snapshot| snapshot.entries_after(0, 1_000, 1 << 20));
        let told = names(&trail.notices);
        assert!(
            told.len() >= 5 && told.iter().all(|name| name == "ProjectBlue"),
            "{told:?}"
        );
        open.close();
        open = Open::at(&location).unwrap();
    }
    assert!(
        open.store.erased_since().is_some(),
        "the file is to be rewritten"
    );
    rewrite(&open);
    open.close();
    let renamed = ["ProjectBlue", "BudgetOfBlue", "WhatIsSaid"];
    let former = ["MergerWithAcme", "LayoffsInMay"];
    assert_says(&path, &renamed, &former);

    let open = Open::at(&location).unwrap();
    let erase = RoomCommand::Erase { room: room() };
    let done = act(&open, Some(1), erase).unwrap().room.unwrap();
    assert_eq!((&*done.name, &*done.topic, done.member_count), ("", "", 0));
    open.erase_in(Erasable::Room(room()), None, None, NOW);
    assert_eq!(open.store.rooms_to_erase(), []);
    rewrite(&open);
    open.close();
    assert_says(&path, &["user1"], &[&renamed[..], &former].concat());
}

#[test]
fn former_names_that_a_chatd_of_before_left_go_with_the_next_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let location = Location::File(path.clone());
    let open = Open::at(&location).unwrap().with_users(2);
    create(&open, "MergerWithAcme", "LayoffsInMay", 2..=2);
    open.close();
    let first = {
        let db = Database::open(&path).unwrap();
        let (id, sealed) = blocks::entries(&db).remove(0);
        (EntryId::new(id).unwrap(), sealed)
    };
    assert!(matches!(
        Record::decode(first.0, &first.1).unwrap().act,
        Act::RoomChanged { .. }
    ));
    let open = Open::at(&location).unwrap();
    let name = Some("ProjectBlue".into());
    update(
        &open,
        RoomUpdate {
            name,
            ..RoomUpdate::default()
        },
    );
    open.close();
    // As such a chatd left it.
    let db = Database::open(&path).unwrap();
    let txn = db.begin_write().unwrap();
    let values = [(first.0.get(), first.1)].into();
    blocks::rewrite_entries(&mut txn.open_table(LOG).unwrap(), &values).unwrap();
    txn.commit().unwrap();
    drop(db);
    let open = Open::at(&location).unwrap();
    assert!(contains(&std::fs::read(&path).unwrap(), "MergerWithAcme"));
    rewrite(&open);
    assert!(!contains(&std::fs::read(&path).unwrap(), "MergerWithAcme"));
    open.close();
    assert_says(&path, &["ProjectBlue"], &["MergerWithAcme"]);
}

/// Nobody sees anything of the room.
fn assert_unseen(open: &Open, members: u64) {
    for by in [1, 2, members] {
        let snapshot = Snapshot::new(&open.store.intake.data);
        assert!(snapshot.my_room(user(by), room()).is_err());
        assert!(snapshot.room(user(by), room()).is_err());
        assert_eq!(snapshot.my_rooms(user(by), true, 0, 9).unwrap().rows, []);
        let query = HistoryQuery {
            before: None,
            after: None,
            limit: 9,
        };
        assert!(snapshot.room_history(user(by), room(), query).is_err());
        assert_eq!(snapshot.readable(user(by), None).unwrap(), []);
        let told = missed(open, by);
        let is_of_room = |notice: &&Notice| matches!(notice.members, Members::Room(_));
        for notice in told.iter().filter(is_of_room) {
            assert!(!matches!(notice.entry.act, Act::Sent { .. }), "{notice:?}");
        }
    }
}

#[test]
fn a_room_of_300_is_erased_in_small_steps_that_go_on_after_every_restart() {
    const MEMBERS: u64 = 300;
    const MESSAGES: u64 = 600;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let location = Location::File(path.clone());
    let open = Open::at(&location).unwrap().with_users(MEMBERS);
    create(&open, "MergerWithAcme", "", 2..=MEMBERS);
    for number in 0..MESSAGES {
        say(&open, 1 + number % 5, "said");
    }
    let erase = || RoomCommand::Erase { room: room() };
    let first = act(&open, Some(1), erase()).unwrap();
    // It is archived, and all is told to be gone.
    assert_eq!(first.notices.len(), 2 + AT_ONCE);
    assert_eq!(first.room.unwrap().member_count, MEMBERS - AT_ONCE as u64);
    assert_unseen(&open, MEMBERS);
    open.close();

    let mut steps = 1;
    loop {
        // Whatever is stopped goes on.
        let open = Open::at(&location).unwrap();
        assert_eq!(open.store.rooms_to_erase(), [room()]);
        assert_unseen(&open, MEMBERS);
        let done = act(&open, None, erase()).unwrap();
        assert!(done.notices.len() <= AT_ONCE, "{}", done.notices.len());
        let left = done.room.unwrap().member_count;
        open.close();
        steps += 1;
        if left == 0 {
            break;
        }
    }
    assert_eq!(steps, MEMBERS.div_ceil(AT_ONCE as u64));
    let mut after = 0;
    loop {
        let open = Open::at(&location).unwrap();
        assert_eq!(open.store.rooms_to_erase(), [room()]);
        let chat = Erasable::Room(room());
        let found = open.read(|snapshot| snapshot.to_erase(chat, None, None, after));
        let found = found.unwrap();
        assert!(found.messages.len() <= ERASED_AT_ONCE);
        after = found.through;
        let many = EraseMany {
            messages: found.messages,
            sender: None,
            all_of: None,
        };
        open.apply(NOW, Change::EraseMany(vec![many])).unwrap();
        let is_last = found.is_last;
        open.close();
        if is_last {
            break;
        }
    }
    assert_eq!(after, MESSAGES);
    let open = Open::at(&location).unwrap();
    assert_eq!(open.store.rooms_to_erase(), []);
    for by in 1..=MEMBERS {
        assert_eq!(open.store.rooms_of(user(by)), []);
    }
    open.close();
    assert_eq!(maintain::check(&path, &mut |_| {}).unwrap().findings, []);
}

#[test]
fn an_owner_is_the_last_who_is_taken_out_of_a_room_that_they_erase() {
    let open = Open::memory().with_users(AT_ONCE as u64);
    create(&open, "Ops", "", 2..=AT_ONCE as u64);
    let erase = RoomCommand::Erase { room: room() };
    let done = act(&open, Some(1), erase).unwrap();
    let out: Vec<_> = done
        .notices
        .iter()
        .filter_map(|notice| match &notice.entry.act {
            Act::MemberChanged(change) => Some((change.user, change.role)),
            _ => None,
        })
        .collect();
    assert_eq!(out.len(), AT_ONCE);
    assert_eq!(out.last(), Some(&(user(1), Role::Owner)));
    open.close();
}

/// Until the last of the room was erased, what was said there was told once more to who sent it
/// again.
#[test]
fn what_is_sent_again_to_a_room_that_was_erased_is_gone_at_once() {
    let open = Open::memory().with_users(2);
    create(&open, "Ops", "", 2..=2);
    let again = || {
        let client_id = Some(ClientId::new("once").unwrap());
        let talk = Talk::send_to_room(user(2), room(), "said".into(), client_id);
        open.apply(NOW, Change::Talk(talk))
    };
    for _ in 0..2 {
        assert!(again().is_ok());
    }
    act(&open, Some(1), RoomCommand::Erase { room: room() }).unwrap();
    assert_eq!(open.store.rooms_to_erase(), [room()], "the message is left");
    assert!(matches!(
        again(),
        Err(StoreError::Talk(TalkRefusal::NoSuchMessage))
    ));
    open.close();
}

/// The metrics counted them for ever, and no list had them.
#[test]
fn a_room_that_was_erased_is_counted_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let open = Open::at(&location).unwrap().with_users(2);
    for name in ["Ops", "Dev"] {
        create(&open, name, "", 2..=2);
    }
    let second = RoomId::new(2).unwrap();
    act(&open, Some(1), RoomCommand::Archive { room: second }).unwrap();
    assert_eq!(open.store.rooms(), 2);
    // What is asked of it again changes nothing.
    for by in [Some(1), None] {
        act(&open, by, RoomCommand::Erase { room: room() }).unwrap();
        assert_eq!(open.store.rooms(), 1);
    }
    open.close();
    let open = Open::at(&location).unwrap();
    assert_eq!(open.store.rooms(), 1);
    open.close();
}

#[test]
fn a_talkative_account_is_erased_in_small_steps_that_go_on_after_a_restart() {
    const MESSAGES: usize = 600;
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let open = Open::at(&location).unwrap().with_users(3);
    for number in 0..MESSAGES {
        let (from, to) = [(2, 1), (1, 2)][number % 2];
        open.apply(NOW, message(from, to, "said", None)).unwrap();
    }
    let leaving = Change::DeleteUser(Leaving {
        user: user(2),
        erases: true,
        issuers_ahead: Duration::ZERO,
        if_token_version: None,
    });
    open.apply(NOW, leaving).unwrap();
    open.close();
    let (mut erased, mut steps, mut after) = (0, 0, 0);
    loop {
        let open = Open::at(&location).unwrap();
        assert_eq!(open.store.leavers_to_erase(), [user(2)]);
        let chats = open.read(|snapshot| snapshot.erasable_chats_of(user(2)));
        let [chat] = chats[..] else {
            panic!("{chats:?}")
        };
        let found = open.read(|snapshot| snapshot.to_erase(chat, Some(user(2)), None, after));
        let found = found.unwrap();
        assert!(found.messages.len() <= ERASED_AT_ONCE);
        (erased, steps, after) = (erased + found.messages.len(), steps + 1, found.through);
        let many = EraseMany {
            messages: found.messages,
            sender: Some(user(2)),
            all_of: None,
        };
        open.apply(NOW, Change::EraseMany(vec![many])).unwrap();
        let is_last = found.is_last;
        if is_last {
            open.apply(NOW, Change::SentIsErased(user(2))).unwrap();
            assert_eq!(open.store.leavers_to_erase(), []);
            open.close();
            break;
        }
        open.close();
    }
    assert_eq!(
        (erased, steps),
        (MESSAGES / 2, MESSAGES.div_ceil(ERASED_AT_ONCE))
    );
}
