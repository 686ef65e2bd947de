//! What people hear live and what they are told when they catch up: the same, over random histories
//! in a real store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::chat::{
    Audience, Chat, Chats, Event, Listener, NewRoom, RoomUpdate, Rules, SendMessage, SendToRoom,
    audience, heard_from,
};
use crate::model::{
    ChatId, CursorKeys, EntryId, Extras, MembershipChange, MessageChange, Notify, ReplyTo, Role,
    RoomHistory, RoomId, RoomKind, RoomPost, Username,
};
use crate::store::{BATCHES, Command, Done, Location, NewUser, Store};

const NOW: Timestamp = Timestamp::from_ms(1_749_124_800_000);
const PEOPLE: u64 = 5;

/// What each person heard live in each version, with its cursor.
#[derive(Default)]
struct Heard(
    Mutex<Vec<(UserId, Version, Cursor, String)>>,
    /// Who is in each room since which entry, as entries are told.
    Mutex<BTreeMap<RoomId, BTreeMap<UserId, EntryId>>>,
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
                    MembershipChange::Joined => {
                        members.insert(change.user, notice.entry.id);
                    }
                    MembershipChange::Role => {}
                    _ => drop(members.remove(&change.user)),
                }
            }
            let members = room.and_then(|room| members.get(&room));
            let by_then = members.into_iter().flatten();
            let by_then = by_then.filter(|(_, since)| **since <= heard_from(notice));
            for (user, _) in by_then {
                if people.iter().all(|hearer| hearer.user != *user) {
                    for (cursor, update) in told_in_room(notice) {
                        let heard = (*user, Version::Second, cursor, json(&update));
                        self.0.lock().push(heard);
                    }
                }
            }
            tell_live(&people, notice, |told| {
                let heard_by = |version: &Version| told.versions.contains(&version.number());
                for version in VERSIONS.into_iter().filter(heard_by) {
                    for hearer in told.hearers {
                        let heard = (hearer.user, version, told.cursor, json(told.update));
                        self.0.lock().push(heard);
                    }
                }
            });
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
        store.submit(NOW, Command::create_user(new), |result| {
            drop(result.unwrap())
        });
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
                    reply_to: random.random_bool(0.3).then(|| ReplyTo::new(message)),
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
                history: match random.random_bool(0.5) {
                    true => RoomHistory::All,
                    false => RoomHistory::Joined,
                },
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
            // A second after the one before: it need not wait.
            let _ = chat.store_marks(NOW.plus(Duration::from_secs(1)));
            chat.mark_room_read(NOW, author, room, None, None, answer);
            let _ = answered.await;
        }
        _ => {
            let request = SendToRoom {
                room_id: room,
                content: format!("to all {step}").into(),
                client_id: Some(ClientId::new(&format!("r{}", step % 40)).unwrap()),
                extras: Extras {
                    mentions: std::iter::once(other)
                        .filter(|_| random.random_bool(0.3))
                        .collect(),
                    reply_to: random.random_bool(0.2).then(|| {
                        let newest = random.random_range(1..=chat.newest().max(1));
                        ReplyTo::new(MessageId::new(newest).unwrap())
                    }),
                    ..Extras::default()
                }
                .boxed(),
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
            assert!(second.len() > of_pairs.len() + 10, "seed {seed}: {user}");
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
                    let [told, missed] = [told, missed].map(without_names);
                    assert_eq!(
                        told, missed,
                        "seed {seed}: {user} {version:?} since {since:?}"
                    );
                }
            }
        }
    }
}

/// What was told, without what rooms are called: who catches up is told that as it is by now.
fn without_names(told: Vec<(Cursor, String)>) -> Vec<(Cursor, String)> {
    let plain = |(cursor, told): (Cursor, String)| {
        let (event, data) = told.split_once(' ').unwrap();
        let mut data: serde_json::Value = serde_json::from_str(data).unwrap();
        let Some(room) = data
            .get_mut("room")
            .and_then(serde_json::Value::as_object_mut)
        else {
            return (cursor, told);
        };
        for key in ["name", "topic", "avatar"] {
            room.remove(key);
        }
        (cursor, format!("{event} {data}"))
    };
    told.into_iter().map(plain).collect()
}

/// Has one random message edited, deleted or reacted to, or refused: mostly one of the newest.
fn change(chat: &Chat, random: &mut StdRng) {
    const EMOJI: [&str; 3] = ["👍", "❤️", "🇮🇩"];
    let author = person(random);
    let newest = chat.newest().max(1);
    let oldest = match random.random_bool(0.8) {
        true => newest.saturating_sub(20).max(1),
        false => 1,
    };
    let message = MessageId::new(random.random_range(oldest..=newest)).unwrap();
    let (done, answered) = channel();
    let answer = move |_| {
        let _ = done.send(());
    };
    let change = match random.random_range(0..6) {
        0 | 1 => MessageChange::Edited {
            content: Some(format!("edited {}", random.random_range(0..1_000)).into()),
        },
        2 => MessageChange::Deleted { by: None },
        _ => MessageChange::Reacted {
            emoji: (*EMOJI.choose(random).unwrap()).into(),
            on: random.random_bool(0.6),
        },
    };
    chat.change(NOW, author, Chats::All, (message, change), None, answer);
    answered.recv().unwrap();
}

/// Has, now and then, all messages of one person erased, or all of a room, or a room with them.
async fn erase_many(chat: &Chat, random: &mut StdRng) {
    let room = RoomId::new(random.random_range(1..=4)).unwrap();
    match random.random_range(0..300) {
        0..3 => {
            let user = person(random);
            for mut erasing in chat.sent_by(user).await.unwrap() {
                while chat.erase_step(NOW, &mut erasing).await.unwrap() {}
            }
            chat.sent_is_erased(NOW, user).await.unwrap();
        }
        3..6 => {
            let mut erasing = chat.said_in(room);
            while chat.erase_step(NOW, &mut erasing).await.unwrap() {}
        }
        6 => drop(chat.erase_room(NOW, None, room).await),
        _ => {}
    }
}

/// What a device shows of the messages that it heard of: their texts, what they answer, and how
/// many reacted with what.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Device {
    messages: BTreeMap<u64, Shown>,
    /// The messages that it was told are gone.
    gone: Vec<u64>,
    /// How often it was told that many are.
    many: usize,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Shown {
    room: Option<u64>,
    /// The other person of a chat of two.
    peer: Option<u64>,
    from: u64,
    content: String,
    is_edited: bool,
    answers: Option<u64>,
    reactions: BTreeMap<String, u64>,
}

impl Device {
    /// Takes in an event of this person's.
    fn hear(&mut self, user: UserId, told: &str) {
        let (event, data) = told.split_once(' ').unwrap();
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| data[key].as_u64().unwrap_or_default();
        match event {
            "receive_message" | "message_sent" | "room_message" => {
                let reactions = data["reactions"].as_array().into_iter().flatten();
                let reactions = reactions.map(|row| {
                    let emoji = row["emoji"].as_str().unwrap().to_owned();
                    (emoji, row["count"].as_u64().unwrap())
                });
                let shown = Shown {
                    room: data["room_id"].as_u64(),
                    peer: match event {
                        "receive_message" => data["sender_id"].as_u64(),
                        _ => data["receiver_id"].as_u64(),
                    },
                    from: data["sender_id"].as_u64().unwrap_or(user.get()),
                    content: text("content"),
                    is_edited: data.get("edited_at").is_some(),
                    answers: data["reply_to"]["id"].as_u64(),
                    reactions: reactions.collect(),
                };
                self.messages.insert(number("id"), shown);
            }
            "message_edited" => {
                if let Some(known) = self.messages.get_mut(&number("message_id")) {
                    (known.content, known.is_edited) = (text("content"), true);
                }
            }
            "reaction" => {
                if let Some(known) = self.messages.get_mut(&number("message_id")) {
                    match number("count") {
                        0 => drop(known.reactions.remove(&text("emoji"))),
                        count => drop(known.reactions.insert(text("emoji"), count)),
                    }
                }
            }
            "message_deleted" => {
                self.messages.remove(&number("message_id"));
                self.gone.push(number("message_id"));
            }
            "messages_erased" => {
                let (room, peer) = (data["room_id"].as_u64(), data["user_id"].as_u64());
                let (sender, before) = (data["sender_id"].as_u64(), data["before"].as_u64());
                self.many += 1;
                self.messages.retain(|id, known| {
                    (known.room, known.peer) != (room, peer)
                        || sender.is_some_and(|sender| known.from != sender)
                        || before.is_some_and(|before| *id >= before)
                });
            }
            // Of a room that one leaves, or comes back to, nothing is kept.
            "room_member" if number("user_id") == user.get() && text("change") != "role" => {
                let room = Some(number("room_id"));
                self.messages.retain(|_, known| known.room != room);
            }
            _ => {}
        }
    }

    fn heard(user: UserId, told: &[(Cursor, String)]) -> Self {
        let mut device = Self::default();
        told.iter().for_each(|(_, told)| device.hear(user, told));
        device
    }
}

#[tokio::test]
async fn every_device_ends_with_the_same_however_often_it_was_away() {
    let (mut erased, mut many, mut changed) = (0, 0, 0);
    for seed in 100..103 {
        let random = &mut StdRng::seed_from_u64(seed);
        let (chat, heard) = chat();
        for step in 1..=300 {
            act(&chat, random, step);
            act_in_room(&chat, random, step).await;
            change(&chat, random);
            change(&chat, random);
            erase_many(&chat, random).await;
        }
        for number in 1..=PEOPLE {
            let user = UserId::new(number).unwrap();
            let live = heard.of(user, Version::Second);
            let end = Device::heard(user, &live);
            erased += end.gone.len();
            many += end.many;
            changed += end.messages.values().filter(|it| it.is_edited).count();
            assert!(end.messages.len() > 3, "seed {seed}: {user}");
            for _ in 0..4 {
                // Away, for a time or for several, of which each begins where the last one ended.
                let mut since = Cursor::through(0);
                let mut device = Device::default();
                for _ in 0..random.random_range(0..3) {
                    let until = Cursor::through(random.random_range(since.entry..=chat.newest()));
                    let there = live.iter();
                    let there = there.filter(|(at, _)| *at > since && *at <= until);
                    there.for_each(|(_, told)| device.hear(user, told));
                    since = until;
                }
                let limit = random.random_range(50..500);
                let missed = caught_up(&chat, user, Version::Second, since, limit).await;
                // What it is told are places of the live order, and none of what is gone but that.
                for (at, told) in &missed {
                    let same = live.iter().find(|(place, _)| place == at);
                    let (_, lived) = same.expect("a place that was told live");
                    let name = |told: &str| told.split(' ').next().unwrap().to_owned();
                    assert_eq!(name(told), name(lived));
                    if name(told) == "messages_erased" {
                        assert_eq!(told, lived);
                    }
                    device.hear(user, told);
                }
                assert_eq!(device.messages, end.messages, "seed {seed}: {user}");
                // The first version ends with the same texts.
                let first = caught_up(&chat, user, Version::First, Cursor::through(0), limit).await;
                let first = Device::heard(user, &first);
                let of_pairs = end.messages.iter().filter(|(_, it)| it.room.is_none());
                let texts = of_pairs.map(|(id, it)| (*id, &*it.content));
                let seen = first.messages.iter().map(|(id, it)| (*id, &*it.content));
                assert!(texts.eq(seen), "seed {seed}: {user}");
            }
        }
    }
    assert!(
        erased > 30 && many > 20 && changed > 30,
        "{erased}, {many}, {changed}"
    );
}
