//! What people hear live and what they are told when they catch up: the same, over random histories
//! in a real store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::channel;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::chat::{
    Audience, Chat, Event, Listener, NewRoom, RoomUpdate, Rules, SendMessage, SendToRoom, audience,
};
use crate::model::{
    ChatId, CursorKeys, Extras, MembershipChange, Notify, Role, RoomHistory, RoomId, RoomKind,
    RoomPost, Username,
};
use crate::store::{BATCHES, Change, Done, Location, NewUser, Store};

const NOW: Timestamp = Timestamp::from_ms(1_749_124_800_000);
const PEOPLE: u64 = 5;

/// What each person heard live in each version, with its cursor.
#[derive(Default)]
struct Heard(
    Mutex<Vec<(UserId, Version, Cursor, String)>>,
    /// Who is in each room, as entries are told.
    Mutex<BTreeMap<RoomId, BTreeSet<UserId>>>,
);

const VERSIONS: [Version; 2] = [Version::First, Version::Second];

impl Listener for Heard {
    fn happened(&self, event: Event<'_>) {
        if let Event::Happened { notice, .. } = event {
            let Audience { people, room } = audience(notice);
            let mut members = self.1.lock();
            if let Act::MemberChanged(change) = &notice.entry.act {
                let members = members.entry(change.room).or_default();
                match change.change {
                    MembershipChange::Joined => drop(members.insert(change.user)),
                    MembershipChange::Role => {}
                    _ => drop(members.remove(&change.user)),
                }
            }
            for user in room
                .and_then(|room| members.get(&room))
                .into_iter()
                .flatten()
            {
                if people.iter().all(|hearer| hearer.user != *user) {
                    for (cursor, update) in told_in_room(notice) {
                        let heard = (*user, Version::Second, cursor, json(&update));
                        self.0.lock().push(heard);
                    }
                }
            }
            for told in told_live(&people, notice) {
                let heard_by = |version: &Version| told.versions.contains(&version.number());
                for version in VERSIONS.into_iter().filter(heard_by) {
                    for hearer in told.hearers {
                        let heard = (hearer.user, version, told.cursor, json(&told.update));
                        self.0.lock().push(heard);
                    }
                }
            }
        }
    }
}

impl Heard {
    fn of(&self, user: UserId, version: Version) -> Vec<(Cursor, String)> {
        let all = self.0.lock();
        let theirs = all
            .iter()
            .filter(|(hearer, in_version, ..)| (*hearer, *in_version) == (user, version));
        theirs
            .map(|(_, _, cursor, text)| (*cursor, text.clone()))
            .collect()
    }
}

fn json(update: &Update<'_>) -> String {
    format!(
        "{} {}",
        update.name(),
        serde_json::to_string(update).unwrap()
    )
}

fn person(random: &mut StdRng) -> UserId {
    UserId::new(random.random_range(1..=PEOPLE)).unwrap()
}

fn chat() -> (Chat, Arc<Heard>) {
    let (done, mut batches) = tokio::sync::mpsc::channel::<Vec<Done>>(BATCHES);
    let store = Store::open(&Location::Memory, Default::default(), done).unwrap();
    std::thread::spawn(move || {
        while let Some(batch) = batches.blocking_recv() {
            batch.into_iter().for_each(|done| done.tell(drop));
        }
    });
    for number in 1..=PEOPLE {
        let new = NewUser {
            username: Username::registered(&format!("person{number}")).unwrap(),
            name: None,
            avatar: None,
            password_hash: Some("".into()),
            is_admin: false,
            is_bot: false,
            only_if_first: false,
            invite: None,
        };
        store.submit(
            NOW,
            Change::CreateUser(new),
            Box::new(|result| drop(result.unwrap())),
        );
    }
    let heard = Arc::new(Heard::default());
    let listener = Arc::<Heard>::clone(&heard);
    let chat = Chat::new(store, listener, Rules::default(), CursorKeys::default());
    (chat, heard)
}

/// Has one random thing done, or refused; waits for the answer now and then, so that batches have
/// several.
fn act(chat: &Chat, random: &mut StdRng, step: u64) {
    let (author, other) = (person(random), person(random));
    let (done, answered) = channel();
    let message = MessageId::new(random.random_range(1..=step + 1)).unwrap();
    match random.random_range(0..10) {
        0..5 => {
            let named = random.random_bool(0.5);
            let request = SendMessage {
                receiver_id: other,
                content: format!("message {step} \u{1f600}\n").into(),
                // Some are sent again, and some of these with another content.
                client_id: named
                    .then(|| ClientId::new(&random.random_range(0..50).to_string()).unwrap()),
                extras: Extras {
                    meta: random
                        .random_bool(0.3)
                        .then(|| Meta::parse(&format!(r#"{{ "step":{step} }}"#)).unwrap()),
                    ..Extras::default()
                }
                .boxed(),
            };
            chat.send(NOW, author, request, None, move |_| {
                let _ = done.send(());
            });
        }
        5..8 => chat.mark_read(NOW, author, message, None, move |_| {
            let _ = done.send(());
        }),
        _ => {
            let up_to = Some(message).filter(|_| random.random_bool(0.7));
            chat.mark_chat_read(NOW, author, other, up_to, None, move |_| {
                let _ = done.send(());
            });
        }
    }
    if random.random_bool(0.3) {
        answered.recv().unwrap();
    }
}

/// Has one random thing done in or with a room, or refused.
async fn act_in_room(chat: &Chat, random: &mut StdRng, step: u64) {
    let (author, other) = (person(random), person(random));
    let room = RoomId::new(random.random_range(1..=4)).unwrap();
    match random.random_range(0..20) {
        0 => {
            let new = NewRoom {
                name: format!("room {step}").into(),
                topic: "".into(),
                avatar: None,
                kind: RoomKind::Open,
                history: RoomHistory::All,
                post: RoomPost::All,
            };
            drop(chat.create_room(NOW, author, new, vec![other]).await);
        }
        1 => drop(chat.join_room(NOW, author, room).await),
        2 => drop(chat.leave_room(NOW, author, room).await),
        3 => {
            let role = random.random_bool(0.5).then_some(Role::Admin);
            let members = vec![(other, role)];
            drop(chat.set_room_members(NOW, author, room, members).await);
        }
        4 => drop(chat.remove_room_member(NOW, author, room, other).await),
        5 => {
            let update = RoomUpdate {
                topic: Some(format!("topic {step}").into()),
                ..RoomUpdate::default()
            };
            drop(chat.update_room(NOW, author, room, update).await);
        }
        6 => {
            let chat_id = match random.random_bool(0.5) {
                true => ChatId::Room(room),
                false => ChatId::Person(other),
            };
            let notify = Some(Notify::Mentions).filter(|_| random.random_bool(0.5));
            let muted = Some(Some(NOW)).filter(|_| random.random_bool(0.5));
            drop(chat.set_chat(NOW, author, chat_id, notify, muted).await);
        }
        7..10 => {
            let (done, answered) = tokio::sync::oneshot::channel();
            let answer = move |_| {
                let _ = done.send(());
            };
            chat.mark_room_read(NOW, author, room, None, None, answer);
            let _ = answered.await;
        }
        _ => {
            let request = SendToRoom {
                room_id: room,
                content: format!("to all {step}").into(),
                client_id: Some(ClientId::new(&format!("r{}", step % 40)).unwrap()),
                extras: Extras {
                    mentions: [other].into_iter().collect(),
                    ..Extras::default()
                }
                .boxed()
                .filter(|_| random.random_bool(0.3)),
            };
            let (done, answered) = tokio::sync::oneshot::channel();
            let answer = move |_| {
                let _ = done.send(());
            };
            chat.send_to_room(NOW, author, request, None, answer);
            let _ = answered.await;
        }
    }
}

/// All that a person is told after a cursor, page by page.
async fn caught_up(
    chat: &Chat,
    user: UserId,
    version: Version,
    mut since: Cursor,
    limit: usize,
) -> Vec<(Cursor, String)> {
    let mut told = Vec::new();
    loop {
        let page = match version {
            Version::First => chat.missed(NOW, user, since, limit).await.unwrap(),
            Version::Second => {
                let missed = chat.missed_of_all(NOW, user, since, limit, 10_000).await;
                let (page, skipped) = missed.unwrap();
                assert!(skipped.is_empty());
                page
            }
        };
        let updates = page
            .missed
            .iter()
            .flat_map(|notice| updates_of(notice, user, version));
        told.extend(
            updates
                .filter(|(cursor, _)| *cursor > since)
                .map(|(cursor, update)| (cursor, json(&update))),
        );
        if !page.has_more {
            return told;
        }
        since = told.last().map_or(since, |(cursor, _)| *cursor);
    }
}

#[tokio::test]
async fn who_catches_up_is_told_what_they_would_have_heard() {
    for seed in 0..8 {
        let random = &mut StdRng::seed_from_u64(seed);
        let (chat, heard) = chat();
        for step in 1..=300 {
            act(&chat, random, step);
            act_in_room(&chat, random, step).await;
        }
        // Answered after all that was asked before it.
        let (done, answered) = channel();
        let first = MessageId::new(1).unwrap();
        chat.mark_read(NOW, UserId::new(1).unwrap(), first, None, move |_| {
            let _ = done.send(());
        });
        answered.recv().unwrap();
        for number in 1..=PEOPLE {
            let user = UserId::new(number).unwrap();
            let [first, second] = VERSIONS.map(|version| heard.of(user, version));
            let places = |heard: &[(Cursor, String)]| -> Vec<Cursor> {
                heard.iter().map(|(cursor, _)| *cursor).collect()
            };
            let is_of_pairs = |heard: &&(Cursor, String)| {
                !heard.1.starts_with("room_") && !heard.1.starts_with("chat_settings")
            };
            let of_pairs: Vec<_> = second.iter().filter(is_of_pairs).cloned().collect();
            assert_eq!(places(&first), places(&of_pairs), "one cursor for both");
            assert!(second.len() > of_pairs.len() + 20, "seed {seed}: {user}");
            let has_meta = |heard: &[(Cursor, String)]| {
                heard.iter().any(|(_, told)| told.contains("\"meta\":{ "))
            };
            assert!(has_meta(&second) && !has_meta(&first));
            for (version, live) in VERSIONS.into_iter().zip([first, second]) {
                assert!(
                    live.len() > 20,
                    "seed {seed}: {user} heard too little to compare"
                );
                assert!(live.is_sorted_by(|(one, _), (next, _)| one < next));
                let cursors: Vec<Cursor> = live.iter().map(|(cursor, _)| *cursor).collect();
                for _ in 0..10 {
                    // After one of their own events, or where others were told.
                    let since = match random.random_bool(0.5) {
                        true => *cursors.choose(random).unwrap(),
                        false => Cursor::through(random.random_range(0..=chat.newest())),
                    };
                    let limit = random.random_range(2..40);
                    let missed: Vec<_> =
                        live.iter().filter(|(at, _)| *at > since).cloned().collect();
                    let told = caught_up(&chat, user, version, since, limit).await;
                    assert_eq!(
                        told, missed,
                        "seed {seed}: {user} {version:?} since {since:?}"
                    );
                }
            }
        }
    }
}
