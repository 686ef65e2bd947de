//! Editing, deleting and reacting, held against a plain list of messages: within one transaction
//! and over several, over restarts, with the end of the log in memory and without.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::fixture::judging;
use super::{OPTIONS, Open, id, mark, message, user};
use crate::model::{
    Act, ClientId, Extras, Members, MessageId, MessagePart, Pair, Reaction, Reactors, ReplyTo,
    Timestamp,
};
use crate::store::maintain;
use crate::store::*;

const USERS: u64 = 3;
const EMOJI: [&str; 3] = ["👍", "❤️", "🇮🇩"];
const BEGAN: u64 = 1_700_000_000_000;
const DAY: u64 = 24 * 60 * 60 * 1_000;

/// What a reader sees of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    content: String,
    edited_at: Option<u64>,
    reactions: Vec<(String, u8)>,
    /// Which message it answers.
    reply_to: Option<u64>,
}

fn places(reaction: &Reaction) -> u8 {
    match reaction.by {
        Reactors::OfPair(members) => members,
        Reactors::OfRoom { .. } => panic!("no room is here"),
    }
}

impl Seen {
    fn of(content: &str, extras: Option<&Extras>) -> Self {
        let extras = extras.cloned().unwrap_or_default();
        let reactions = extras.reactions.into_iter();
        Self {
            content: content.to_owned(),
            edited_at: extras.edited_at.map(Timestamp::as_ms),
            reactions: reactions
                .map(|reaction| (reaction.emoji.to_string(), places(&reaction)))
                .collect(),
            reply_to: extras.reply_to.map(|reply| reply.to.get()),
        }
    }
}

/// What a row says of the message that it answers: whose it is, and what it says.
fn quoted(extras: Option<&Extras>) -> Option<(u64, String)> {
    let said = extras?.reply_to.as_ref()?.said.as_ref()?;
    Some((said.sender_id.get(), said.content.to_string()))
}

/// A message of the plain list.
#[derive(Debug, Clone)]
struct Plain {
    id: u64,
    from: u64,
    to: u64,
    first: String,
    /// `None` once it is deleted.
    seen: Option<Seen>,
    answered: Option<u64>,
    is_read: bool,
    at: u64,
}

impl Plain {
    fn sending(&self, content: &str) -> Change {
        let client_id = ClientId::new(&self.client_id()).ok();
        let talk = Talk::send(user(self.from), user(self.to), content.into(), client_id);
        let extras = Extras {
            reply_to: self.answered.map(|answered| ReplyTo::new(id(answered))),
            ..Extras::default()
        };
        Change::Talk(talk.with_extras(extras.boxed()))
    }

    fn client_id(&self) -> String {
        format!("c{}", self.id)
    }

    fn place(&self, user: u64) -> Option<u8> {
        let (low, high) = (self.from.min(self.to), self.from.max(self.to));
        [low, high]
            .iter()
            .position(|one| *one == user)
            .map(|at| at as u8)
    }
}

/// What a change comes to.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// An entry.
    Entry,
    /// Nothing new.
    Nothing,
    NotFound,
    NotYours,
    Reused,
}

/// The messages, and how many entries there are.
#[derive(Debug, Default)]
struct Model {
    messages: Vec<Plain>,
    entries: u64,
    now: u64,
}

impl Model {
    fn entry(&mut self) -> Expected {
        self.entries += 1;
        Expected::Entry
    }

    /// A random change, and what it must come to.
    fn change(&mut self, random: &mut StdRng, now: u64) -> (Change, Expected) {
        let user_id = random.random_range(1..=USERS);
        let pick = random.random_range(0..self.messages.len().max(1));
        if self.messages.is_empty() || random.random_bool(0.35) {
            return self.send(user_id, random);
        }
        let place = match random.random_bool(0.7) {
            // Mostly one of the newest.
            true => self.messages.len() - 1 - pick % 6.min(self.messages.len()),
            false => pick,
        };
        let message = id(self.messages[place].id);
        let who = user(user_id);
        match random.random_range(0..10) {
            0..3 => {
                let content = ["a", "b", "a much longer text than it was before"];
                let content = content[random.random_range(0..3)];
                let talk = Talk::edit(who, message, content.into());
                (Change::Talk(talk), self.edit(place, user_id, content, now))
            }
            3..5 => (
                Change::Talk(Talk::delete(who, message)),
                self.delete(place, Some(user_id)),
            ),
            5 => (
                Change::Talk(Talk::moderate(who, message)),
                self.delete(place, None),
            ),
            6..8 => {
                let emoji = EMOJI[random.random_range(0..3)];
                let on = random.random_bool(0.6);
                let talk = Talk::react(who, message, emoji.into(), on);
                (Change::Talk(talk), self.react(place, user_id, emoji, on))
            }
            8 => (mark(user_id, message), self.read(place, user_id)),
            _ if now >= self.messages[place].at + DAY => self.send(user_id, random),
            _ => self.again(place, random),
        }
    }

    fn send(&mut self, from: u64, random: &mut StdRng) -> (Change, Expected) {
        let to = 1 + (from + random.random_range(0..USERS - 1)) % USERS;
        let answered = random.random_bool(0.3);
        let answered = answered.then(|| random.random_range(1..=self.entries + 2));
        let is_there = |it: &Plain| it.seen.is_some() && Some(it.id) == answered;
        if answered.is_some() && !self.between(from, to).any(is_there) {
            let extras = Extras {
                reply_to: answered.map(|answered| ReplyTo::new(id(answered))),
                ..Extras::default()
            };
            let talk = Talk::send(user(from), user(to), "an answer".into(), None);
            let talk = talk.with_extras(extras.boxed());
            return (Change::Talk(talk), Expected::NotFound);
        }
        let expected = self.entry();
        let first = "x".repeat(random.random_range(1..300));
        let plain = Plain {
            id: self.entries,
            from,
            to,
            seen: Some(Seen {
                content: first.clone(),
                edited_at: None,
                reactions: Vec::new(),
                reply_to: answered,
            }),
            first,
            answered,
            is_read: false,
            at: self.now,
        };
        let change = plain.sending(&plain.first);
        self.messages.push(plain);
        (change, expected)
    }

    fn again(&mut self, place: usize, random: &mut StdRng) -> (Change, Expected) {
        let plain = &self.messages[place];
        let is_same = random.random_bool(0.7);
        let content = if is_same { &plain.first } else { "another" };
        let change = plain.sending(content);
        let expected = match (&plain.seen, is_same) {
            (None, _) => Expected::NotFound,
            (Some(_), true) => Expected::Nothing,
            (Some(_), false) => Expected::Reused,
        };
        (change, expected)
    }

    fn edit(&mut self, place: usize, user: u64, content: &str, now: u64) -> Expected {
        let plain = &mut self.messages[place];
        match &mut plain.seen {
            _ if plain.from != user && plain.to != user => Expected::NotFound,
            None => Expected::NotFound,
            Some(_) if plain.from != user => Expected::NotYours,
            Some(seen) if seen.content == content => Expected::Nothing,
            Some(seen) => {
                (seen.content, seen.edited_at) = (content.to_owned(), Some(now));
                self.entry()
            }
        }
    }

    fn delete(&mut self, place: usize, user: Option<u64>) -> Expected {
        let plain = &mut self.messages[place];
        if let Some(user) = user {
            if plain.place(user).is_none() {
                return Expected::NotFound;
            }
            if plain.from != user {
                return Expected::NotYours;
            }
        }
        match plain.seen.take() {
            None => Expected::Nothing,
            Some(_) => self.entry(),
        }
    }

    fn react(&mut self, place: usize, user: u64, emoji: &str, on: bool) -> Expected {
        let plain = &mut self.messages[place];
        let (Some(member), Some(seen)) = (plain.place(user), &mut plain.seen) else {
            return Expected::NotFound;
        };
        let known = seen.reactions.iter_mut().find(|(known, _)| known == emoji);
        let is_on = known
            .as_ref()
            .is_some_and(|(_, who)| who >> member & 1 == 1);
        if is_on == on {
            return Expected::Nothing;
        }
        match known {
            Some((_, who)) => *who ^= 1 << member,
            None => seen.reactions.push((emoji.to_owned(), 1 << member)),
        }
        seen.reactions.retain(|(_, who)| *who != 0);
        self.entry()
    }

    fn read(&mut self, place: usize, user: u64) -> Expected {
        let plain = &mut self.messages[place];
        match plain.seen {
            _ if plain.place(user).is_none() => Expected::NotFound,
            None => Expected::NotFound,
            Some(_) if plain.from == user => Expected::NotYours,
            Some(_) if plain.is_read => Expected::Nothing,
            Some(_) => {
                plain.is_read = true;
                self.entry()
            }
        }
    }

    /// Messages that are older than this go.
    fn retain(&mut self, open: &Open, than: u64) {
        open.retain(than, self.now);
        let old = self.messages.iter_mut().filter(|it| it.at < than);
        old.for_each(|it| it.seen = None);
        self.entries = open.store.last_entry();
    }

    /// All of a sender's messages in a chat go.
    fn erase_of(&mut self, open: &Open, from: u64, to: u64) {
        let pair = Pair::new(user(from), user(to)).unwrap();
        open.erase_in(Erasable::Pair(pair), Some(from), None, self.now);
        let theirs = self.messages.iter_mut();
        let theirs = theirs.filter(|it| (it.from, it.to) == (from, to));
        theirs.for_each(|it| it.seen = None);
        self.entries = open.store.last_entry();
    }

    fn between(&self, one: u64, other: u64) -> impl Iterator<Item = &Plain> {
        self.messages.iter().filter(move |plain| {
            [one, other] == [plain.from, plain.to] || [other, one] == [plain.from, plain.to]
        })
    }

    /// What a person sees of all their messages.
    fn view(&self, user: u64) -> BTreeMap<u64, Seen> {
        let theirs = self
            .messages
            .iter()
            .filter(|plain| plain.place(user).is_some());
        theirs
            .filter_map(|plain| Some((plain.id, plain.seen.clone()?)))
            .collect()
    }
}

fn outcome(result: Result<Committed, StoreError>) -> Expected {
    match result {
        Ok(Committed::Talk(Outcome::Entry(_))) => Expected::Entry,
        Ok(Committed::Talk(_)) => Expected::Nothing,
        Err(StoreError::Talk(TalkRefusal::NoSuchMessage)) => Expected::NotFound,
        Err(StoreError::Talk(TalkRefusal::NotSender | TalkRefusal::NotReceiver)) => {
            Expected::NotYours
        }
        Err(StoreError::Talk(TalkRefusal::ClientIdReused)) => Expected::Reused,
        other => panic!("{other:?}"),
    }
}

fn open_with(path: &Path, newest_messages: usize) -> Open {
    let options = StoreOptions {
        newest_messages,
        edit_window: None,
        ..OPTIONS
    };
    let location = Location::File(path.to_owned());
    Open::with(|done| Store::open(&location, options, done)).unwrap()
}

/// All that is read is what the plain list says.
fn assert_right(open: &Open, model: &Model, random: &mut StdRng) {
    for one in 1..=USERS {
        for other in (1..=USERS).filter(|other| *other != one) {
            let all: Vec<&Plain> = model.between(one, other).collect();
            let there: Vec<&Plain> = all.iter().copied().filter(|it| it.seen.is_some()).collect();
            let (before, after) = match random.random_range(0..3) {
                0 => (None, None),
                1 => (Some(random.random_range(1..=model.entries + 1)), None),
                _ => (None, Some(random.random_range(1..=model.entries.max(1)))),
            };
            let limit = random.random_range(1..12);
            let wanted: Vec<&&Plain> = there
                .iter()
                .filter(|it| before.is_none_or(|before| it.id < before))
                .filter(|it| after.is_none_or(|after| it.id > after))
                .collect();
            let page = match after {
                Some(_) => &wanted[..limit.min(wanted.len())],
                None => &wanted[wanted.len().saturating_sub(limit)..],
            };
            let query = HistoryQuery {
                before: before.map(id),
                after: after.map(id),
                limit,
            };
            let found = open.read(|snapshot| snapshot.history(user(one), user(other), query));
            let rows: Vec<_> = found
                .rows
                .iter()
                .map(|row| {
                    (
                        row.message.id.get(),
                        Some(Seen::of(
                            &row.message.content,
                            row.message.extras.as_deref(),
                        )),
                        row.is_read,
                    )
                })
                .collect();
            let right: Vec<_> = page
                .iter()
                .map(|it| (it.id, it.seen.clone(), it.is_read))
                .collect();
            assert_eq!(rows, right, "{one} and {other}, {query:?}");
            assert_eq!(found.has_more, wanted.len() > page.len(), "{query:?}");
            for row in &found.rows {
                let extras = row.message.extras.as_deref();
                let answered = extras.and_then(|extras| extras.reply_to.as_ref());
                let answered = answered.and_then(|reply| {
                    let plain = all.iter().find(|it| it.id == reply.to.get())?;
                    Some((
                        plain.from,
                        plain.seen.as_ref()?.content.chars().take(200).collect(),
                    ))
                });
                assert_eq!(quoted(extras), answered);
            }
        }
        let unread: Vec<u64> = model
            .messages
            .iter()
            .filter(|it| it.to == one && it.seen.is_some() && !it.is_read)
            .map(|it| it.id)
            .collect();
        let (page, total) = open.read(|snapshot| snapshot.unread(user(one), None, 1_000));
        let rows: Vec<_> = page.rows.iter().map(|row| row.id.get()).collect();
        assert_eq!((rows, total), (unread.clone(), unread.len() as u64));

        let mut chats: Vec<(u64, u64, u64, usize)> = (1..=USERS)
            .filter(|other| *other != one)
            .filter_map(|other| {
                let newest = model.between(one, other).last()?.id;
                let shown = model
                    .between(one, other)
                    .filter(|it| it.seen.is_some())
                    .last()?;
                let count = unread
                    .iter()
                    .filter(|id| model.between(one, other).any(|it| it.id == **id));
                Some((newest, other, shown.id, count.count()))
            })
            .collect();
        chats.sort_by(|one, other| other.cmp(one));
        let found = open.read(|snapshot| snapshot.recents(user(one), None, 10));
        let rows: Vec<_> = found
            .rows
            .iter()
            .map(|row| {
                let (peer, shown) = (row.peer.id.get(), row.last_message.id.get());
                (row.place.get(), peer, shown, row.unread_count as usize)
            })
            .collect();
        assert_eq!(rows, chats);
        // Page by page it is the same.
        if let Some((newest, ..)) = chats.first() {
            let rest = open.read(|snapshot| snapshot.recents(user(one), Some(id(*newest)), 10));
            assert_eq!(rest.rows.len(), chats.len() - 1);
        }
    }
}

/// Whoever saw a person's messages after an entry sees by what came since what is there now.
fn assert_caught_up(open: &Open, model: &Model, (entry, views): &(u64, Vec<BTreeMap<u64, Seen>>)) {
    for (number, view) in (1..).zip(views) {
        let mut view = view.clone();
        let mut from = entry + 1;
        loop {
            let missed =
                open.read(|snapshot| snapshot.missed_of_all(user(number), from, 7, 10_000));
            let page = missed.page.unwrap();
            for notice in &page.rows {
                from = notice.entry.id.get() + 1;
                let message = notice.message.as_deref();
                match &notice.entry.act {
                    Act::Sent { .. } => {
                        let sent = notice.clone().into_message().unwrap();
                        let known = view.insert(
                            sent.id.get(),
                            Seen::of(&sent.content, sent.extras.as_deref()),
                        );
                        assert!(known.is_none(), "told twice");
                    }
                    Act::MessageChanged { message, change }
                        if change.part() == MessagePart::Whole =>
                    {
                        view.remove(&message.get());
                    }
                    Act::MessageChanged { .. } => {
                        let message = message.unwrap();
                        let seen = Seen::of(&message.content, message.extras.as_deref());
                        view.insert(message.id.get(), seen);
                    }
                    Act::ErasedMany(erasure) => {
                        let Members::Pair(pair) = notice.members else {
                            panic!("{notice:?}")
                        };
                        let goes = |it: &Plain| {
                            let is_theirs = erasure.sender.is_none_or(|who| who.get() == it.from);
                            let is_before = erasure.before.is_none_or(|at| it.id < at.get());
                            let is_here = pair.place(user(it.from)).is_some()
                                && pair.place(user(it.to)).is_some();
                            is_here && is_theirs && is_before && it.id < from
                        };
                        let gone = model.messages.iter().filter(|it| goes(it));
                        gone.for_each(|it| drop(view.remove(&it.id)));
                    }
                    _ => {}
                }
            }
            if !page.has_more {
                break;
            }
        }
        assert_eq!(view, model.view(number), "of {number} since {entry}");
    }
}

#[test]
fn what_is_edited_deleted_and_reacted_to_is_what_a_plain_list_says_over_restarts() {
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chatd.redb");
        let tail = [8 << 20, 2_000, 0][seed as usize % 3];
        let mut open = open_with(&path, tail).with_users(USERS);
        let mut model = Model::default();
        let mut seen = Vec::new();
        for round in 0..40 {
            // Now and then months pass.
            let passed = [1_000, 1_000, DAY / 3, 40 * DAY];
            model.now = model.now.max(BEGAN) + passed[random.random_range(0..4)];
            let now = model.now;
            let (changes, expected): (Vec<_>, Vec<_>) = (0..random.random_range(1..25))
                .map(|_| model.change(&mut random, now))
                .unzip();
            let shown = format!("{changes:?}");
            let found: Vec<_> = open
                .apply_all(now, changes)
                .into_iter()
                .map(outcome)
                .collect();
            assert_eq!(found, expected, "seed {seed}, round {round}: {shown}");
            match random.random_range(0..8) {
                0 => model.retain(&open, now - [DAY / 2, 60 * DAY][random.random_range(0..2)]),
                1 => {
                    let from = random.random_range(1..=USERS);
                    model.erase_of(&open, from, 1 + from % USERS);
                }
                _ => {}
            }
            assert_right(&open, &model, &mut random);
            seen.push((
                model.entries,
                (1..=USERS).map(|user| model.view(user)).collect(),
            ));
            assert_caught_up(&open, &model, &seen[random.random_range(0..seen.len())]);
            if random.random_bool(0.15) {
                open.close();
                assert_eq!(maintain::check(&path, &mut |_| {}).unwrap().findings, []);
                open = open_with(&path, tail);
                assert_right(&open, &model, &mut random);
            }
        }
        open.close();
        assert_outlives_copies(&path, &model, &mut random);
    }
}

/// A backup, and a file from an export, have the same messages, and none that is gone.
fn assert_outlives_copies(path: &Path, model: &Model, random: &mut StdRng) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.redb");
    maintain::backup(path, &copy, &mut |_| {}).unwrap();
    let mut lines = Vec::new();
    maintain::export(path, &mut lines, &mut |_| {}).unwrap();
    let imported = folder.path().join("imported.redb");
    maintain::import(&imported, &mut &lines[..], judging(), &mut |_| {}).unwrap();
    for copy in [copy, imported] {
        assert_eq!(maintain::check(&copy, &mut |_| {}).unwrap().findings, []);
        let open = open_with(&copy, 1 << 20);
        assert_right(&open, model, random);
        let mut again = Vec::new();
        open.close();
        maintain::export(&copy, &mut again, &mut |_| {}).unwrap();
        assert_eq!(String::from_utf8(again), String::from_utf8(lines.clone()));
    }
}

#[test]
fn a_message_can_be_edited_for_as_long_as_the_window_is_open() {
    const HOUR: u64 = 60 * 60 * 1_000;
    let edit = |open: &Open, now, content: &str| {
        let talk = Talk::edit(user(1), id(1), content.into());
        outcome_of_edit(open.apply(now, Change::Talk(talk)))
    };
    for (window, hours) in [(Some(24), 24), (Some(0), 0), (None, 10_000)] {
        let options = StoreOptions {
            edit_window: window.map(|hours: u64| Duration::from_secs(hours * 60 * 60)),
            ..OPTIONS
        };
        let open = Open::with(|done| Store::open(&Location::Memory, options, done)).unwrap();
        let open = open.with_users(2);
        open.apply(BEGAN, message(1, 2, "first", None)).unwrap();
        if hours > 0 {
            assert_eq!(edit(&open, BEGAN + hours * HOUR - 1, "second"), "second");
        }
        let late = edit(&open, BEGAN + hours * HOUR, "third");
        match window {
            None => assert_eq!(late, "third"),
            Some(_) => assert_eq!(late, "too late"),
        }
        // To say again what is so is never too late.
        let content = open
            .read(|snapshot| snapshot.unread(user(2), None, 1))
            .0
            .rows[0]
            .content
            .clone();
        assert_eq!(edit(&open, BEGAN + 20_000 * HOUR, &content), *content);
        open.close();
    }
}

fn outcome_of_edit(result: Result<Committed, StoreError>) -> String {
    match result {
        Ok(Committed::Talk(Outcome::Entry(notice))) => notice.message.unwrap().content.to_string(),
        Ok(Committed::Talk(Outcome::Unchanged(message))) => message.content.to_string(),
        Err(StoreError::Talk(TalkRefusal::EditWindowOver)) => "too late".to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_takes_so_many_reactions_and_no_more() {
    let open = Open::memory().with_users(2);
    open.send(1, 2, "x");
    let react = |who, number: u32, on| {
        let emoji = char::from_u32(0x1f600 + number).unwrap().to_string();
        let talk = Talk::react(user(who), id(1), emoji.into(), on);
        open.apply(0, Change::Talk(talk)).map(drop)
    };
    let full = |result| matches!(result, Err(StoreError::Talk(TalkRefusal::TooManyReactions)));
    for number in 0..10 {
        react(1, number, true).unwrap();
        react(2, 10 + number, true).unwrap();
    }
    assert!(full(react(1, 10, true)), "ten of one person");
    assert!(full(react(2, 0, true)));
    react(1, 0, false).unwrap();
    react(1, 10, true).unwrap();
    assert!(full(react(1, 20, true)));
    react(1, 10, true).unwrap();
    open.close();
}

/// Users 1 and 2 react to a message with two forms of one emoji, of which the earlier is there.
pub(super) fn assert_a_heart_is_one(open: &Open, now: u64, message: MessageId) {
    let react = |who, emoji: &str, on| {
        let talk = Talk::react(user(who), message, emoji.into(), on).in_any_chat();
        let message = match open.apply(now, Change::Talk(talk)).unwrap() {
            Committed::Talk(Outcome::Entry(notice)) => notice.message.unwrap(),
            Committed::Talk(Outcome::Unchanged(message)) => message,
            other => panic!("{other:?}"),
        };
        let reactions = message.reactions().iter();
        let of = |reaction: &Reaction| (reaction.emoji.to_string(), reaction.count());
        reactions.map(of).collect::<Vec<_>>()
    };
    let (earlier, later) = ("\u{2764}", "\u{2764}\u{fe0f}");
    let hearts = |count| vec![(earlier.to_owned(), count)];
    assert_eq!(react(1, earlier, true), hearts(1));
    assert_eq!(react(1, later, true), hearts(1));
    assert_eq!(react(2, later, true), hearts(2));
    assert_eq!(react(1, later, false), hearts(1));
    assert_eq!(react(1, later, false), hearts(1));
    assert_eq!(react(2, earlier, false), vec![]);
    assert_eq!(react(2, later, true), vec![(later.to_owned(), 1)]);
}

/// Of a message from before there was one form of an emoji it could be put there a second time, and
/// not be taken away.
#[test]
fn an_emoji_of_another_form_is_the_one_that_is_there() {
    let open = Open::memory().with_users(2);
    open.send(1, 2, "x");
    assert_a_heart_is_one(&open, 0, id(1));
    open.close();
}

/// What a person has erased in a row is stepped over in few reads.
#[test]
fn a_chat_of_which_ten_thousand_were_erased_in_a_row_is_read_in_few_steps() {
    let open = Open::memory().with_users(2);
    let sends = (0..12_000).map(|number| message(1, 2, &number.to_string(), None));
    open.apply_all(0, sends);
    let deletes = (1_001..=11_000).map(|number| Change::Talk(Talk::delete(user(1), id(number))));
    open.apply_all(0, deletes);
    let last = (11_001..=12_000).map(|number| Change::Talk(Talk::delete(user(1), id(number))));
    open.apply_all(0, last);
    // A snapshot that may use memory alone may read some hundred entries.
    let memory = Snapshot::of_memory(&open.store.intake.data);
    let recents = memory.recents(user(2), None, 10).unwrap();
    assert_eq!(recents.rows[0].last_message.id, id(1_000));
    assert_eq!(recents.rows[0].unread_count, 1_000);
    let query = HistoryQuery {
        before: None,
        after: None,
        limit: 50,
    };
    let memory = Snapshot::of_memory(&open.store.intake.data);
    let page = memory.history(user(2), user(1), query).unwrap();
    assert_eq!(page.rows.last().unwrap().message.id, id(1_000));
    assert_eq!((page.rows.len(), page.has_more), (50, true));
    open.close();
}
