//! Read marks, history and recents.

use std::sync::Arc;

use super::{Open, chat_read, id, mark, mark_chat, user};
use crate::model::{EntryId, MessageId};
use crate::store::handle::CONCURRENT_READS;
use crate::store::*;

#[test]
fn only_the_receiver_marks_a_message_read_and_once_is_enough() {
    let open = Open::memory().with_users(3);
    let message = open.send(1, 2, "x").id;
    let mark = |reader: u64, message: MessageId| open.apply(0, self::mark(reader, message));
    assert!(matches!(
        mark(1, message),
        Err(StoreError::Talk(TalkRefusal::NotReceiver))
    ));
    assert!(matches!(
        mark(3, message),
        Err(StoreError::Talk(TalkRefusal::NoSuchMessage))
    ));
    assert!(matches!(
        mark(2, id(99)),
        Err(StoreError::Talk(TalkRefusal::NoSuchMessage))
    ));
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
        matches!(
            mark(2, id(2)),
            Err(StoreError::Talk(TalkRefusal::NoSuchMessage))
        ),
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
        Err(StoreError::People(PeopleRefusal::NoSuchUser))
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
