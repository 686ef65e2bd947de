//! Following the log from outside: each entry once and in order, as it is by now, from memory and
//! from the disk alike, and being woken by what comes.

use super::{Open, mark_chat, user};
use crate::model::{Members, Notice};
use crate::store::log::blocks::tamper;
use crate::store::*;

const PLENTY: usize = 1 << 20;

fn trail(open: &Open, after: u64, most: usize, bytes: usize) -> Trail {
    open.read(|snapshot| snapshot.entries_after(after, most, bytes))
}

/// What is given of an entry: its id, what was done, and the message that it changed.
fn told(notice: &Notice) -> (u64, String, Option<String>) {
    let message = notice.message.as_ref();
    let changed = message.map(|message| message.content.to_string());
    let what = format!("{:?} by {:?}", notice.entry.act, notice.entry.author);
    (notice.entry.id.get(), what, changed)
}

/// Follows the whole log, a few entries at a time.
fn followed(open: &Open, most: usize, bytes: usize) -> Vec<(u64, String, Option<String>)> {
    let (mut position, mut all) = (0, Vec::new());
    loop {
        let page = trail(open, position, most, bytes);
        assert!(page.notices.len() <= most && page.damaged == 0);
        all.extend(page.notices.iter().map(told));
        if page.through == position {
            assert_eq!(position, page.newest);
            return all;
        }
        position = page.through;
    }
}

/// A conversation in which much was done.
fn talk(open: &Open) {
    let first = open.send(1, 2, "first").id;
    let second = open.send(2, 1, "second").id;
    open.send(1, 3, "to another");
    let changes = [
        Change::Talk(Talk::edit(user(1), first, "newest text".into())),
        Change::Talk(Talk::react(user(2), first, "👍".into(), true)),
        Change::Talk(Talk::delete(user(2), second)),
        mark_chat(2, 1, None),
    ];
    for change in changes {
        open.apply(5, change).unwrap();
    }
    open.send(3, 1, &"long ".repeat(900));
}

#[test]
fn every_entry_is_given_once_in_order_from_memory_and_from_the_disk_alike() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let open = Open::at(&location).unwrap().with_users(3);
    talk(&open);
    let all = followed(&open, 100, PLENTY);
    let ids: Vec<_> = all.iter().map(|(id, ..)| *id).collect();
    assert_eq!(ids, (1..=open.store.last_entry()).collect::<Vec<_>>());
    assert!(all[0].1.contains("newest text"), "{:?}", all[0]);
    assert!(all[1].1.starts_with("Erased"), "{:?}", all[1]);
    let changed: Vec<_> = all.iter().map(|(.., changed)| changed.as_deref()).collect();
    let newest = Some("newest text");
    assert_eq!(changed[3..6], [newest, newest, Some("")]);
    for (most, bytes) in [(1, PLENTY), (2, PLENTY), (100, 1), (3, 200)] {
        assert_eq!(followed(&open, most, bytes), all, "{most} of {bytes} bytes");
    }
    open.close();
    // Nothing of it is in memory now.
    let open = Open::at(&location).unwrap();
    for (most, bytes) in [(100, PLENTY), (1, PLENTY), (100, 1)] {
        assert_eq!(followed(&open, most, bytes), all, "{most} of {bytes} bytes");
    }
    let beyond = trail(&open, 1_000, 10, PLENTY);
    assert!(beyond.notices.is_empty() && beyond.through == 1_000 && beyond.newest < 1_000);
    open.close();
}

#[test]
fn those_who_were_there_come_with_an_entry() {
    let open = Open::memory().with_users(3);
    open.send(3, 1, "hello");
    let page = trail(&open, 0, 10, PLENTY);
    let [notice] = &page.notices[..] else {
        panic!("{page:?}");
    };
    let Members::Pair(pair) = notice.members else {
        panic!("{notice:?}");
    };
    assert_eq!(pair.members(), [user(1), user(3)]);
    assert_eq!((notice.entry.author, notice.number), (Some(user(3)), 1));
    open.close();
}

#[test]
fn a_damaged_entry_is_counted_and_does_not_stop_who_follows() {
    let open = Open::memory().with_users(2);
    let sent: Vec<_> = (0..5)
        .map(|number| open.send(1, 2, &number.to_string()).id)
        .collect();
    // Of an entry that changes a damaged one nothing can be told either.
    for at in [2, 3] {
        let edit = Talk::edit(user(1), sent[at], "edited".into());
        open.apply(0, Change::Talk(edit)).unwrap();
    }
    let db = open.store.intake.data.database().unwrap();
    let txn = db.begin_write().unwrap();
    tamper(&txn, |entries| {
        *entries.get_mut(&3).unwrap().last_mut().unwrap() ^= 1
    });
    txn.commit().unwrap();
    open.store.intake.data.tail.write().clear();
    let page = trail(&open, 0, 100, PLENTY);
    let ids: Vec<_> = page.notices.iter().map(|notice| told(notice).0).collect();
    let right = vec![1, 2, 4, 5, 7];
    assert_eq!((ids, page.through, page.damaged), (right, 7, 2));
    assert_eq!(told(&page.notices[4]).2.as_deref(), Some("edited"));
    open.close();
}

#[tokio::test]
async fn who_follows_is_woken_by_what_is_committed() {
    let open = Open::memory().with_users(2);
    let mut newest = open.store.newest_entry();
    let position = trail(&open, 0, 10, PLENTY).through;
    assert_eq!(position, 0);
    let sent = open.send(1, 2, "woken").id;
    newest.changed().await.unwrap();
    assert_eq!(*newest.borrow_and_update(), sent.get());
    let page = open
        .store
        .read(move |snapshot| snapshot.entries_after(position, 10, PLENTY))
        .await
        .unwrap();
    assert_eq!((page.through, page.newest), (sent.get(), sent.get()));
    open.close();
}
