//! What reading costs, counted: chats gone through at a time, and rows found however the chats lie.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Open, id, mark_chat, message, sent, user};
use crate::model::Timestamp;
use crate::store::read::chats::{Order, Pick};
use crate::store::state::State;
use crate::store::talk::conversation::Conversation;
use crate::store::*;

/// More chats than are gone through in two turns. An open store with so many, all with user 1.
const CHATS: u64 = 2_500;

/// Everybody has written to user 1, in this order of their ids: 2, 3, 4 and so on.
fn crowded() -> Open {
    let open = Open::memory().with_users(CHATS + 1);
    let messages = (2..=CHATS + 1).map(|from| message(from, 1, "hello", None));
    for answer in open.apply_all(0, messages) {
        sent(answer);
    }
    open
}

fn unread(open: &Open, after: Option<u64>, limit: usize) -> (Vec<u64>, bool, u64) {
    let data = &open.store.intake.data;
    let (page, total) = Snapshot::new(data)
        .unread(user(1), after.map(id), limit)
        .unwrap();
    let ids = page.rows.iter().map(|message| message.id.get()).collect();
    (ids, page.has_more, total)
}

#[test]
fn the_state_is_held_for_some_hundreds_of_chats_at_a_time_and_each_is_seen_once() {
    let open = crowded();
    // Some are written to again, so that they have touches that count for nothing.
    for from in 2..300 {
        open.send(1, from, "again");
    }
    let snapshot = Snapshot::new(&open.store.intake.data);
    for order in [Order::Messages, Order::Entries] {
        let (mut turns, mut seen) = (Vec::new(), Vec::new());
        let pick = |_: &State, chat: &Conversation| Pick::Take(chat.pair.members()[1].get());
        snapshot
            .go_through(user(1), order, pick, |peers| {
                // Nothing is held here: a writer could change it.
                let state = &open.store.intake.data.state;
                assert!(state.try_write_for(Duration::from_secs(30)).is_some());
                turns.push(peers.len());
                seen.extend(peers);
                Ok(())
            })
            .unwrap();
        assert!(turns.len() >= 3 && turns.iter().all(|chats| *chats <= 1_024));
        let newest: Vec<u64> = (2..300).rev().chain((300..=CHATS + 1).rev()).collect();
        assert_eq!(seen, newest);
    }
    open.close();
}

#[test]
fn a_chat_that_is_written_in_meanwhile_is_told_of_once() {
    let open = crowded();
    let snapshot = Snapshot::new(&open.store.intake.data);
    let (mut turns, mut seen) = (0, BTreeSet::new());
    let pick = |_: &State, chat: &Conversation| Pick::Take(chat.pair.members()[1].get());
    let newest = snapshot
        .go_through(user(1), Order::Messages, pick, |peers| {
            for peer in peers {
                assert!(seen.insert(peer), "{peer} came twice");
            }
            if turns == 0 {
                open.send(2, 1, "meanwhile");
            }
            turns += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(seen.len() as u64, CHATS, "one was missed");
    assert_eq!(newest, CHATS);
    open.close();
}

#[test]
fn who_has_enough_of_a_long_list_is_given_no_more_of_it() {
    let open = crowded();
    let snapshot = Snapshot::new(&open.store.intake.data);
    let mut looked = 0;
    let pick = |_: &State, _: &Conversation| {
        looked += 1;
        match looked {
            10 => Pick::Last(looked),
            _ => Pick::Take(looked),
        }
    };
    let mut found = Vec::new();
    snapshot
        .go_through(user(1), Order::Messages, pick, |some| {
            found.extend(some);
            Ok(())
        })
        .unwrap();
    assert_eq!(found, (1..=10).collect::<Vec<_>>());
    let page = snapshot.recents(user(1), None, 50).unwrap();
    assert!(page.has_more && page.rows.len() == 50);
    open.close();
}

#[test]
fn pages_of_a_long_list_of_chats_have_each_once() {
    let open = crowded();
    let (mut before, mut peers) = (None, Vec::new());
    loop {
        let snapshot = Snapshot::new(&open.store.intake.data);
        let page = snapshot.recents(user(1), before, 300).unwrap();
        peers.extend(page.rows.iter().map(|row| row.peer.id.get()));
        before = page.rows.last().map(|row| row.last_message.id);
        if !page.has_more {
            break;
        }
    }
    assert_eq!(peers, (2..=CHATS + 1).rev().collect::<Vec<_>>());
    open.close();
}

#[test]
fn unread_messages_of_many_chats_come_oldest_first_and_on_every_page() {
    let open = crowded();
    // A second message of some, and some are read.
    for from in (2..=CHATS + 1).step_by(7) {
        open.send(from, 1, "more");
    }
    for from in (2..=CHATS + 1).step_by(5) {
        open.apply(0, mark_chat(1, from, Some(CHATS))).unwrap();
    }
    let mut expected: Vec<u64> = (2..=CHATS + 1)
        .filter(|from| !(from - 2).is_multiple_of(5))
        .map(|from| from - 1)
        .collect();
    let seconds = CHATS.div_ceil(7);
    expected.extend(CHATS + 1..=CHATS + seconds);
    let (mut after, mut all) = (None, Vec::new());
    loop {
        let (page, has_more, total) = unread(&open, after, 400);
        assert_eq!(total, expected.len() as u64);
        assert!(page.len() <= 400);
        after = page.last().copied();
        all.extend(page);
        if !has_more {
            break;
        }
    }
    assert_eq!(all, expected);
    // A page that ends in the middle of a chat goes on there.
    let (page, has_more, _) = unread(&open, None, 1);
    assert_eq!((page, has_more), (vec![2], true));
    open.close();
}

#[test]
fn who_was_away_from_many_chats_catches_up_with_each_entry_once() {
    let open = crowded();
    let snapshot = Snapshot::new(&open.store.intake.data);
    let missed = snapshot.missed(user(1), 1, 9_999).unwrap();
    let (page, newest) = (missed.page.unwrap(), missed.newest);
    let entries: Vec<u64> = page
        .rows
        .iter()
        .map(|missed| missed.entry.id.get())
        .collect();
    assert_eq!(entries, (1..=CHATS).collect::<Vec<_>>());
    assert_eq!((newest, page.has_more), (CHATS, false));
    let missed = snapshot.missed(user(1), CHATS - 3, 2).unwrap();
    let page = missed.page.unwrap();
    assert!(page.has_more && page.rows.len() == 2);
    // All four are gone through for a page of two, and that is what it costs.
    assert_eq!(missed.read, 4 + 2);
    open.close();
}

#[test]
fn many_invites_that_expired_go_at_once() {
    let open = Open::memory();
    let invite = |number: u64, expires_at: u64| {
        Change::CreateInvite(Invite {
            code: format!("code-{number}").into(),
            max_uses: 1,
            uses: 0,
            created_at: Timestamp::from_ms(0),
            expires_at: Timestamp::from_ms(expires_at),
            room: None,
            registers: true,
            by: crate::store::Maker::Operator,
        })
    };
    open.apply_all(0, (0..2_000).map(|number| invite(number, 10)));
    open.apply(0, invite(2_000, 100)).unwrap();
    assert_eq!(open.store.invites().len(), 2_001);
    open.apply(50, invite(2_001, 100)).unwrap();
    let kept: Vec<_> = open.store.invites();
    let kept: Vec<_> = kept.iter().map(|invite| &*invite.code).collect();
    assert_eq!(kept, ["code-2001", "code-2000"]);
    open.close();
}
