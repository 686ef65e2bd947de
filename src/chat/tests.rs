//! The verbs over a store in memory, with a list as listener.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use parking_lot::Mutex;

use super::*;
use crate::model::{
    Act, ClientId, ContentError, Cursor, Era, Message, MessageChange, Moderator, Notice, PrivateId,
    Timestamp, UserId, Username,
};
use crate::store::{BATCHES, Command, Done, Location, NewUser, Store};

const NOW: Timestamp = Timestamp::from_ms(1_749_124_800_000);

/// Writes down what happened.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Listener for Diary {
    fn happened(&self, event: Event<'_>) {
        self.0.lock().push(match event {
            Event::Happened { notice, .. } => {
                let entry = &notice.entry;
                match &entry.act {
                    Act::Sent { .. } => format!("sent {} fresh true", entry.id),
                    Act::Read { message } => format!("read {message} by {}", entry.author.unwrap()),
                    Act::RoomChanged { .. }
                    | Act::MemberChanged(_)
                    | Act::RoomRead(_)
                    | Act::Settings { .. } => format!("of a room: {}", entry.id),
                    Act::ReadUpTo { marked, .. } => format!("chat read, {} messages", marked.count),
                    other => format!("{other:?}"),
                }
            }
            Event::Repeated { notice, .. } => format!("sent {} fresh false", notice.entry.id),
            Event::Typing {
                user_id,
                receiver_id,
                ..
            } => format!("{user_id} types to {receiver_id}"),
            Event::RoomTyping { user_id, .. } => format!("{user_id} types in a room"),
            Event::RoomSeen { user_id, .. } => format!("{user_id} has seen a room"),
        });
    }
}

fn chat() -> (Chat, Arc<Diary>) {
    let (done, mut batches) = tokio::sync::mpsc::channel::<Vec<Done>>(BATCHES);
    let store = Store::open(&Location::Memory, Default::default(), done).unwrap();
    std::thread::spawn(move || {
        while let Some(batch) = batches.blocking_recv() {
            batch.into_iter().for_each(|done| done.tell(drop));
        }
    });
    for name in ["ada", "bob"] {
        let new = NewUser {
            username: Username::registered(name).unwrap(),
            name: None,
            avatar: None,
            password_hash: Some("".into()),
            is_admin: false,
            is_bot: false,
            only_if_first: false,
            invite: None,
        };
        store.submit(NOW, Command::create_user(new), |result| {
            drop(result.unwrap())
        });
    }
    let diary = Arc::new(Diary::default());
    (
        Chat::new(
            store,
            Arc::<Diary>::clone(&diary),
            Rules {
                max_message_chars: 10,
                ..Rules::default()
            },
            crate::model::CursorKeys::default(),
        ),
        diary,
    )
}

fn user(number: u64) -> UserId {
    UserId::new(number).unwrap()
}

/// A reply that can be waited for.
fn reply<T: Send + 'static>() -> (impl FnOnce(T) + Send + 'static, Receiver<T>) {
    let (sender, receiver): (Sender<T>, _) = channel();
    (move |value| drop(sender.send(value)), receiver)
}

fn send(
    chat: &Chat,
    from: u64,
    to: u64,
    content: &str,
    client_id: Option<&str>,
) -> Result<Message, ChatError> {
    let client_id = client_id.map(|text| ClientId::new(text).unwrap());
    let (reply, replied) = reply();
    let request = SendMessage {
        receiver_id: user(to),
        content: content.into(),
        client_id,
        extras: None,
    };
    chat.send(NOW, user(from), request, None, reply);
    let sent: Result<Notice, ChatError> = replied.recv().unwrap();
    sent.map(|notice| notice.into_message().unwrap())
}

#[test]
fn what_happened_is_told_before_the_reply_and_once() {
    let (chat, diary) = chat();
    let message = send(&chat, 1, 2, "Halo!", Some("a")).unwrap();
    assert_eq!(*diary.0.lock(), ["sent 1 fresh true"]);
    assert_eq!(send(&chat, 1, 2, "Halo!", Some("a")).unwrap(), message);
    for _ in 0..2 {
        let (reply, replied) = reply();
        chat.mark_read(NOW, user(2), message.id, None, reply);
        replied.recv().unwrap().unwrap();
        let (reply, replied) = self::reply();
        chat.mark_chat_read(NOW, user(2), user(1), None, None, reply);
        assert_eq!(replied.recv().unwrap().unwrap().count, 0);
    }
    assert_eq!(
        *diary.0.lock(),
        ["sent 1 fresh true", "sent 1 fresh false", "read 1 by 2"]
    );
}

/// A copy of a running server's file keeps the key of an era whose end it has lost.
#[test]
fn a_cursor_from_ahead_of_the_log_is_not_known_although_its_key_is() {
    let (chat, _) = chat();
    let key = [7; 16];
    chat.cursor_keys().set(vec![Era { first: 0, key }]);
    let socket = *b"ABCDEFGHIJKLMNOPQRST";
    let texts: Vec<_> = (0..4)
        .map(|entry| {
            let cursor = Cursor::through(entry).seal(chat.cursor_keys());
            let id = PrivateId { entry, socket }.seal(chat.cursor_keys(), user(2));
            (entry, cursor, id)
        })
        .collect();
    for newest in 0..3 {
        for (entry, cursor, id) in &texts {
            let is_there = *entry <= newest;
            let cursor = chat.open_cursor(cursor.as_str(), user(2));
            assert_eq!(cursor, is_there.then_some(Cursor::through(*entry)));
            let id = chat.open_private_id(id, user(2)).map(|id| id.entry);
            assert_eq!(id, is_there.then_some(*entry));
        }
        send(&chat, 1, 2, "on", None).unwrap();
    }
}

#[test]
fn what_cannot_be_sent_is_refused_with_the_reason_and_told_to_nobody() {
    let (chat, diary) = chat();
    send(&chat, 1, 2, "first", Some("a")).unwrap();
    let too_long = ContentError::TooLong {
        chars: 11,
        limit: 10,
    };
    for (from, to, content, client_id, refusal) in [
        (1, 2, " \n", None, ContentError::Empty.into()),
        (1, 2, "eleven char", None, too_long.into()),
        (1, 1, "x", None, ChatError::InvalidReceiver),
        (1, 9, "x", None, ChatError::NoSuchUser),
        (1, 2, "other", Some("a"), ChatError::ClientIdReused),
    ] {
        assert_eq!(
            send(&chat, from, to, content, client_id),
            Err(refusal),
            "{content:?}"
        );
    }
    assert_eq!(diary.0.lock().len(), 1);
}

#[test]
fn only_the_verb_of_those_who_moderate_erases_what_another_has_said() {
    let (chat, _) = chat();
    let message = send(&chat, 1, 2, "Halo!", None).unwrap().id;
    for moderator in [Moderator::Server, Moderator::Account(user(2))] {
        let (reply, replied) = reply();
        let by = Some(moderator);
        let change = (message, MessageChange::Deleted { by });
        chat.change(NOW, user(2), Chats::All, change, None, reply);
        let refused = replied.recv().unwrap();
        assert!(matches!(refused, Err(ChatError::NotSender)));
    }
    let (reply, replied) = reply();
    chat.moderate(NOW, user(2), message, reply);
    assert_eq!(replied.recv().unwrap().unwrap().message.id, message);
}

#[test]
fn typing_is_told_to_those_who_exist() {
    let (chat, diary) = chat();
    // The store answers in order, so an answered change says that both accounts are there.
    send(&chat, 1, 2, "x", None).unwrap();
    assert_eq!(
        chat.typing(user(1), user(1), true),
        Err(ChatError::InvalidReceiver)
    );
    assert_eq!(
        chat.typing(user(1), user(9), true),
        Err(ChatError::NoSuchUser)
    );
    assert_eq!(chat.typing(user(1), user(2), true), Ok(true));
    assert_eq!(diary.0.lock().last().unwrap(), "1 types to 2");
}

/// For each room in which a socket told that its person types, it kept a list of its own of those
/// whom that one has blocked, and when another was blocked looked for each of them in all of these:
/// one person with thousands of them kept everybody waiting for half a minute.
#[tokio::test]
async fn whom_a_person_has_blocked_is_one_list_for_all_who_go_by_it() {
    let (chat, _) = chat();
    let blocked = || chat.all_blocked_by(user(1));
    while chat.must_see(user(1), user(2)).is_err() {
        // They are being made still.
        tokio::task::yield_now().await;
    }
    chat.block(NOW, user(1), user(2), true).await.unwrap();
    let first = blocked();
    chat.block(NOW, user(1), user(2), true).await.unwrap();
    assert!(first.is_unchanged(&blocked()));
    chat.block(NOW, user(1), user(2), false).await.unwrap();
    assert!(first.contains(user(2)) && !blocked().contains(user(2)));
    assert!(!first.is_unchanged(&blocked()));
}

/// Each arrival and each leaving was a transaction of its own, or three pages of a larger one.
#[tokio::test]
async fn who_comes_and_goes_is_written_once_for_all_of_it_and_as_it_is_then() {
    let (chat, _) = chat();
    let (ada, bob) = (user(1), user(2));
    let at = |seconds| NOW.plus(std::time::Duration::from_secs(seconds));
    let last_seen = || [ada, bob].map(|user| chat.last_seen(user));
    for seconds in 0..3 {
        chat.arrived(at(seconds), ada, |_| {});
        chat.left(at(seconds), ada, |_| {});
    }
    chat.arrived(at(3), bob, |_| {});
    assert_eq!(last_seen(), [None, None], "nothing waits for the disk");
    let news = chat.presence().take_unkept();
    assert_eq!(news.len(), 2, "{news:?}");
    assert!(
        chat.presence().take_unkept().is_empty(),
        "each is told once"
    );
    chat.arrived(at(4), ada, |_| {});
    chat.left(at(4), ada, |_| {});
    chat.left(at(5), bob, |_| {});
    chat.arrived(at(6), bob, |_| {});
    chat.keep_news(at(7)).await;
    assert_eq!(last_seen(), [Some(at(4)), Some(at(7))]);
    // Who stays is written anew when that was a while ago.
    chat.keep_present(at(8), &[ada, bob]).await;
    assert_eq!(last_seen(), [Some(at(4)), Some(at(7))]);
    chat.keep_present(at(60), &[ada, bob]).await;
    assert_eq!(last_seen(), [Some(at(4)), Some(at(60))]);
}

#[tokio::test]
async fn who_went_just_before_the_end_was_seen_then() {
    let (chat, _) = chat();
    let later = NOW.plus(std::time::Duration::from_secs(1));
    for number in [1, 2] {
        chat.arrived(NOW, user(number), |_| {});
    }
    chat.left(NOW, user(1), |_| {});
    chat.close(later);
    // What is asked for before is done before.
    let barrier = Command::seen([].into());
    chat.store.apply(later, barrier).await.unwrap();
    assert_eq!(chat.last_seen(user(1)), Some(NOW));
    assert_eq!(chat.last_seen(user(2)), Some(later));
}
