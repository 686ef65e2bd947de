//! Editing, deleting and reacting in rooms, held against a plain list of messages: counts, pages
//! and what is told on catching up, within one transaction and over several, over restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};

use super::fixture::judging;
use super::{OPTIONS, Open, id, ops, user};
use crate::model::{
    Act, ChangedMessage, ClientId, Extras, Members, MembershipChange, MessageChange, MessageId,
    MessagePart, Notice, Reaction, ReplyTo, RoomHistory, RoomId, RoomKind, RoomPost, Timestamp,
};
use crate::store::maintain;
use crate::store::*;

const PEOPLE: u64 = 6;
const ADMIN: u64 = 1;
const EMOJI: [&str; 4] = ["👍", "❤️", "🇮🇩", "👩‍👩‍👧"];
const BEGAN: u64 = 1_700_000_000_000;
const DAY: u64 = 24 * 60 * 60 * 1_000;

fn room(number: u64) -> RoomId {
    RoomId::new(number).unwrap()
}

/// A reaction as its reader sees it: the emoji, how many, and whether theirs is one.
type Shown = (String, u64, bool);

/// What a member sees of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    content: String,
    edited_at: Option<u64>,
    reactions: Vec<Shown>,
    /// Which message it answers.
    reply_to: Option<u64>,
}

fn shown(reactions: &[Reaction]) -> Vec<Shown> {
    let row = |reaction: &Reaction| {
        let emoji = reaction.emoji.to_string();
        (emoji, reaction.count(), reaction.is_of(0))
    };
    reactions.iter().map(row).collect()
}

impl Seen {
    fn of(content: &str, extras: Option<&Extras>) -> Self {
        let extras = extras.cloned().unwrap_or_default();
        Self {
            content: content.to_owned(),
            edited_at: extras.edited_at.map(Timestamp::as_ms),
            reactions: shown(&extras.reactions),
            reply_to: extras.reply_to.map(|reply| reply.to.get()),
        }
    }
}

/// A message of the plain list.
#[derive(Debug, Clone)]
struct Plain {
    id: u64,
    from: u64,
    names: Vec<u64>,
    all: bool,
    reply_to: Option<u64>,
    is_gone: bool,
    at: u64,
    content: String,
    edited_at: Option<u64>,
    reactions: Vec<(&'static str, BTreeSet<u64>)>,
}

impl Plain {
    fn seen(&self, by: u64) -> Option<Seen> {
        let row = |(emoji, who): &(&str, BTreeSet<u64>)| {
            let count = who.len() as u64;
            ((*emoji).to_owned(), count, who.contains(&by))
        };
        (!self.is_gone).then(|| Seen {
            content: self.content.clone(),
            edited_at: self.edited_at,
            reactions: self.reactions.iter().map(row).collect(),
            reply_to: self.reply_to,
        })
    }
}

struct Room {
    history: RoomHistory,
    archived: bool,
    messages: Vec<Plain>,
    /// Of each member the entry by which they joined, and the numbers that they have read.
    members: BTreeMap<u64, (u64, BTreeSet<usize>)>,
    /// Up to which number each member has marked the room, or came in.
    positions: BTreeMap<u64, usize>,
}

impl Room {
    fn may_read(&self, by: u64, message: u64) -> bool {
        self.members
            .get(&by)
            .is_some_and(|(since, _)| self.history == RoomHistory::All || message > *since)
    }

    fn counts(&self, by: u64) -> (u64, u64) {
        let (_, read) = &self.members[&by];
        let (mut unread, mut mentions) = (0, 0);
        for (number, plain) in (1..).zip(&self.messages) {
            if !read.contains(&number) && !plain.is_gone {
                unread += 1;
                mentions += u64::from(plain.all || plain.names.contains(&by));
            }
        }
        (unread, mentions)
    }

    /// What a member may read, by id.
    fn view(&self, by: u64) -> BTreeMap<u64, Seen> {
        let member = self.members.get(&by);
        member.map_or_else(BTreeMap::new, |(since, _)| self.view_since(by, *since))
    }

    /// What one may read who joined by this entry.
    fn view_since(&self, by: u64, since: u64) -> BTreeMap<u64, Seen> {
        let is_open = self.history == RoomHistory::All;
        let readable = self.messages.iter();
        let readable = readable.filter(|plain| is_open || plain.id > since);
        readable
            .filter_map(|plain| Some((plain.id, plain.seen(by)?)))
            .collect()
    }
}

/// What an act comes to.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Entry,
    Nothing,
    NotFound,
    NotYours,
    ReadOnly,
}

#[derive(Default)]
struct Model {
    rooms: Vec<Room>,
    entries: u64,
    now: u64,
}

fn outcome(result: Result<Committed, StoreError>) -> Expected {
    match result {
        Ok(Committed::Talk(Outcome::Entry(_))) => Expected::Entry,
        Ok(Committed::Room(done)) if !done.notices.is_empty() => Expected::Entry,
        Ok(_) => Expected::Nothing,
        Err(
            StoreError::Talk(TalkRefusal::NoSuchMessage)
            | StoreError::Room(RoomRefusal::NoSuchRoom),
        ) => Expected::NotFound,
        Err(StoreError::Talk(TalkRefusal::NotSender)) => Expected::NotYours,
        Err(StoreError::Room(RoomRefusal::Archived)) => Expected::ReadOnly,
        other => panic!("{other:?}"),
    }
}

impl Model {
    fn entry(&mut self) -> Expected {
        self.entries += 1;
        Expected::Entry
    }

    fn change(&mut self, random: &mut StdRng) -> (Change, Expected) {
        let by = random.random_range(1..=PEOPLE);
        let at = random.random_range(0..self.rooms.len());
        match random.random_range(0..40) {
            0 => return self.leave(at, by),
            1..3 => return self.enter(at, random.random_range(1..=PEOPLE)),
            3..8 => return self.read(at, by, random),
            _ => {}
        }
        let messages = &self.rooms[at].messages;
        if messages.is_empty() || random.random_bool(0.3) {
            return self.send(at, by, random);
        }
        let newest = messages.len().saturating_sub(6);
        let first = if random.random_bool(0.7) { newest } else { 0 };
        let place = random.random_range(first..messages.len());
        let message = id(messages[place].id);
        let who = user(by);
        let (talk, expected) = match random.random_range(0..10) {
            0..3 => {
                let content = *["a", "b", "a much longer text than it was"]
                    .choose(random)
                    .unwrap();
                let talk = Talk::edit(who, message, content.into());
                (talk, self.edit((at, place), by, content))
            }
            3..5 => (
                Talk::delete(who, message),
                self.delete((at, place), Some(by)),
            ),
            5 => (Talk::moderate(who, message), self.delete((at, place), None)),
            _ => {
                let emoji = *EMOJI.choose(random).unwrap();
                let on = random.random_bool(0.6);
                let talk = Talk::react(who, message, emoji.into(), on);
                (talk, self.react((at, place), by, emoji, on))
            }
        };
        (Change::Talk(talk.in_any_chat()), expected)
    }

    fn send(&mut self, at: usize, by: u64, random: &mut StdRng) -> (Change, Expected) {
        let room_id = room(at as u64 + 1);
        let plain = &self.rooms[at];
        let names: Vec<u64> = match random.random_bool(0.4) {
            true => plain.members.keys().copied().sample(random, 2),
            false => Vec::new(),
        };
        let all = random.random_bool(0.15);
        let first = "x".repeat(random.random_range(1..200));
        let readable = plain.messages.iter();
        let readable = readable.filter(|it| !it.is_gone && plain.may_read(by, it.id));
        let reply_to = readable.map(|it| it.id).choose(random);
        let reply_to = reply_to.filter(|_| random.random_bool(0.3));
        let extras = Extras {
            reply_to: reply_to.map(|message| ReplyTo::new(id(message))),
            mentions: names.iter().map(|name| user(*name)).collect(),
            mention_all: all,
            ..Extras::default()
        };
        let client_id = random
            .random_bool(0.5)
            .then(|| format!("c{}", self.entries));
        let client_id = client_id.map(|text| ClientId::new(&text).unwrap());
        let talk = Talk::send_to_room(user(by), room_id, first.as_str().into(), client_id);
        let change = Change::Talk(talk.with_extras(extras.boxed()));
        if !plain.members.contains_key(&by) {
            return (change, Expected::NotFound);
        }
        if plain.archived {
            return (change, Expected::ReadOnly);
        }
        let expected = self.entry();
        let id = self.entries;
        let room = &mut self.rooms[at];
        room.messages.push(Plain {
            id,
            from: by,
            content: first,
            names: names.into_iter().filter(|name| *name != by).collect(),
            all,
            reply_to,
            is_gone: false,
            at: self.now,
            edited_at: None,
            reactions: Vec::new(),
        });
        let number = room.messages.len();
        room.members.get_mut(&by).unwrap().1.insert(number);
        (change, expected)
    }

    fn edit(&mut self, (at, place): (usize, usize), by: u64, content: &str) -> Expected {
        let now = self.now;
        let room = &mut self.rooms[at];
        let may_read = room.may_read(by, room.messages[place].id);
        let plain = &mut room.messages[place];
        match () {
            () if !may_read => Expected::NotFound,
            () if room.archived => Expected::ReadOnly,
            () if plain.is_gone => Expected::NotFound,
            () if plain.from != by => Expected::NotYours,
            () if plain.content == content => Expected::Nothing,
            () => {
                (plain.content, plain.edited_at) = (content.to_owned(), Some(now));
                self.entry()
            }
        }
    }

    fn delete(&mut self, (at, place): (usize, usize), by: Option<u64>) -> Expected {
        let room = &mut self.rooms[at];
        let may_read = by.is_none_or(|by| room.may_read(by, room.messages[place].id));
        let plain = &mut room.messages[place];
        let is_own = by == Some(plain.from);
        let may_erase = is_own || by.is_none_or(|by| by == ADMIN);
        match () {
            () if !may_read && !is_own => Expected::NotFound,
            () if !may_erase => Expected::NotYours,
            () if plain.is_gone => Expected::Nothing,
            () => {
                plain.is_gone = true;
                self.entry()
            }
        }
    }

    fn react(
        &mut self,
        (at, place): (usize, usize),
        by: u64,
        emoji: &'static str,
        on: bool,
    ) -> Expected {
        let room = &mut self.rooms[at];
        let may_read = room.may_read(by, room.messages[place].id);
        let plain = &mut room.messages[place];
        if !may_read {
            return Expected::NotFound;
        }
        if room.archived {
            return Expected::ReadOnly;
        }
        if plain.is_gone {
            return Expected::NotFound;
        }
        let known = plain.reactions.iter_mut().find(|(one, _)| *one == emoji);
        let changes = match known {
            Some((_, who)) if on => who.insert(by),
            Some((_, who)) => who.remove(&by),
            None if on => {
                plain.reactions.push((emoji, BTreeSet::from([by])));
                true
            }
            None => false,
        };
        plain.reactions.retain(|(_, who)| !who.is_empty());
        if changes {
            self.entry()
        } else {
            Expected::Nothing
        }
    }

    fn read(&mut self, at: usize, by: u64, random: &mut StdRng) -> (Change, Expected) {
        let up_to = random.random_range(1..=self.entries);
        let change = Change::Talk(Talk::read_room(
            user(by),
            room(at as u64 + 1),
            Some(id(up_to)),
        ));
        let room = &mut self.rooms[at];
        let covered = room.messages.iter().take_while(|it| it.id <= up_to).count();
        let Some((_, read)) = room.members.get_mut(&by) else {
            return (change, Expected::NotFound);
        };
        // Their own messages are read, and move it only once they mark them.
        read.extend(1..=covered);
        let position = room.positions.entry(by).or_default();
        let before = *position;
        *position = before.max(covered);
        let expected = match covered > before {
            true => self.entry(),
            false => Expected::Nothing,
        };
        (change, expected)
    }

    fn leave(&mut self, at: usize, by: u64) -> (Change, Expected) {
        let by = if by == ADMIN { 2 } else { by };
        let room_id = room(at as u64 + 1);
        let what = RoomCommand::Remove {
            room: room_id,
            user: user(by),
        };
        let change = Change::Room(RoomAct {
            by: Some(user(ADMIN)),
            what,
        });
        let gone = self.rooms[at].members.remove(&by).is_some();
        let expected = if gone {
            self.entry()
        } else {
            Expected::Nothing
        };
        (change, expected)
    }

    fn enter(&mut self, at: usize, by: u64) -> (Change, Expected) {
        let what = RoomCommand::SetMembers {
            room: room(at as u64 + 1),
            members: vec![(user(by), None)],
            most: 100,
        };
        let change = Change::Room(RoomAct {
            by: Some(user(ADMIN)),
            what,
        });
        if self.rooms[at].members.contains_key(&by) {
            return (change, Expected::Nothing);
        }
        if self.rooms[at].archived {
            return (change, Expected::ReadOnly);
        }
        let expected = self.entry();
        let room = &mut self.rooms[at];
        let read = (1..=room.messages.len()).collect();
        room.members.insert(by, (self.entries, read));
        room.positions.insert(by, room.messages.len());
        (change, expected)
    }

    /// Messages that are older than this go: of all rooms, or of one.
    fn retain(&mut self, open: &Open, than: u64, of: Option<usize>) {
        match of {
            None => open.retain(than, self.now),
            Some(at) => {
                let chat = Erasable::Room(room(at as u64 + 1));
                open.erase_in(chat, None, Some(than), self.now);
            }
        }
        let rooms = self.rooms.iter_mut().enumerate();
        let rooms = rooms.filter(|(at, _)| of.is_none_or(|of| of == *at));
        let all = rooms.flat_map(|(_, room)| &mut room.messages);
        all.filter(|it| it.at < than)
            .for_each(|it| it.is_gone = true);
        self.entries = open.store.last_entry();
    }

    fn view(&self, by: u64) -> BTreeMap<u64, Seen> {
        self.rooms.iter().flat_map(|room| room.view(by)).collect()
    }
}

/// All that is read is what the plain list says.
fn assert_right(open: &Open, model: &Model, random: &mut StdRng) {
    for by in 1..=PEOPLE {
        let now = Timestamp::from_ms(model.now);
        let inbox = open
            .read(|snapshot| snapshot.inbox(now, user(by), None, 100))
            .0;
        for (number, plain) in (1..).zip(&model.rooms) {
            let mine = open.read(|snapshot| {
                let mine = snapshot.my_room(user(by), room(number));
                Ok(mine
                    .map(|mine| (mine.unread_count, mine.mention_count))
                    .ok())
            });
            if !plain.members.contains_key(&by) {
                assert_eq!(mine, None);
                continue;
            }
            assert_eq!(mine, Some(plain.counts(by)), "room {number}, user {by}");
            let view: Vec<(u64, Seen)> = plain.view(by).into_iter().collect();
            let last = inbox.rows.iter().find_map(|row| match &row.chat {
                InboxChat::Room {
                    room: shown,
                    last_message,
                } if shown.id == room(number) => last_message.as_ref().map(|last| last.id.get()),
                _ => None,
            });
            let newest = view.last().map(|(id, _)| *id);
            assert_eq!(last, newest.filter(|_| !plain.archived));
            let limit = random.random_range(1..8);
            let edge = random.random_range(1..=model.entries + 1);
            let (before, after) = match random.random_range(0..3) {
                0 => (None, None),
                1 => (Some(edge), None),
                _ => (None, Some(edge)),
            };
            let wanted: Vec<_> = view
                .iter()
                .filter(|(id, _)| before.is_none_or(|before| *id < before))
                .filter(|(id, _)| after.is_none_or(|after| *id > after))
                .cloned()
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
            let found = open.read(|snapshot| snapshot.room_history(user(by), room(number), query));
            let rows: Vec<_> = found
                .rows
                .iter()
                .map(|row| (row.id.get(), Seen::of(&row.content, row.extras.as_deref())))
                .collect();
            assert_eq!(rows, page, "room {number}, user {by}: {query:?}");
            assert_eq!(found.has_more, wanted.len() > page.len(), "{query:?}");
            for row in &found.rows {
                assert_quotes(plain, by, row);
            }
            let one = plain.messages.choose(random);
            if let Some(one) = one.filter(|one| plain.may_read(by, one.id)) {
                assert_reactors(open, one, by);
            }
        }
    }
}

/// What a row answers says what it says now, where its reader may read that.
fn assert_quotes(plain: &Room, by: u64, row: &RoomMessage) {
    let extras = row.extras.as_deref();
    let Some(reply) = extras.and_then(|extras| extras.reply_to.as_ref()) else {
        return;
    };
    let answered = plain.messages.iter().find(|it| it.id == reply.to.get());
    let answered = answered.filter(|it| !it.is_gone && plain.may_read(by, it.id));
    let right = answered.map(|it| (it.from, it.content.clone()));
    let said = reply.said.as_ref();
    let found = said.map(|said| (said.sender_id.get(), said.content.to_string()));
    assert_eq!(found, right);
}

/// Who reacted to a message is who did, page by page.
fn assert_reactors(open: &Open, plain: &Plain, by: u64) {
    let mut right = BTreeSet::new();
    if !plain.is_gone {
        for (emoji, who) in &plain.reactions {
            right.extend(who.iter().map(|who| (*who, (*emoji).to_owned())));
        }
    }
    let (mut found, mut after) = (BTreeSet::new(), 0);
    loop {
        let page = open.read(|snapshot| {
            let page = snapshot.reactors_in_room(user(by), id(plain.id), None, after, 2);
            match page {
                Err(ReadError::Failed(StoreError::Talk(TalkRefusal::NoSuchMessage))) => Ok(None),
                page => page.map(Some),
            }
        });
        let Some(page) = page else {
            assert!(plain.is_gone);
            break;
        };
        assert!(page.rows.len() <= 2);
        for (who, emoji) in page.rows {
            assert!(found.insert((who.get(), emoji.to_string())), "told twice");
        }
        match page.next_after {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(found, right);
}

fn changed(view: &mut BTreeMap<u64, Seen>, by: u64, notice: &Notice, message: &ChangedMessage) {
    let known = view.get_mut(&message.id.get());
    let known = known.expect("nobody hears of a change of what they never read");
    let mut new = Seen::of(&message.content, message.extras.as_deref());
    // Whose a reaction is the event says; a client knows its own.
    for (emoji, _, mine) in &mut new.reactions {
        let was = known.reactions.iter().find(|(one, ..)| one == emoji);
        *mine = was.is_some_and(|(.., mine)| *mine);
        if let Act::MessageChanged { change, .. } = &notice.entry.act
            && let MessageChange::Reacted { emoji: one, on } = change
            && **one == **emoji
            && notice.entry.author == Some(user(by))
        {
            *mine = *on;
        }
    }
    *known = new;
}

/// Whoever saw the rooms after an entry sees by what came since what is there now.
fn assert_caught_up(open: &Open, model: &Model, (entry, views): &(u64, Vec<BTreeMap<u64, Seen>>)) {
    for (by, view) in (1..).zip(views) {
        let mut view = view.clone();
        let mut from = entry + 1;
        loop {
            let missed = open.read(|snapshot| snapshot.missed_of_all(user(by), from, 7, 10_000));
            let page = missed.page.unwrap();
            for notice in &page.rows {
                from = notice.entry.id.get() + 1;
                match &notice.entry.act {
                    Act::Sent {
                        content, extras, ..
                    } => {
                        let seen = Seen::of(content, extras.as_deref());
                        view.insert(notice.entry.id.get(), seen);
                    }
                    Act::MessageChanged { message, change }
                        if change.part() == MessagePart::Whole =>
                    {
                        view.remove(&message.get());
                    }
                    Act::MessageChanged { .. } => {
                        changed(&mut view, by, notice, notice.message.as_deref().unwrap());
                    }
                    Act::ErasedMany(erasure) => {
                        let Members::Room(of) = notice.members else {
                            panic!("{notice:?}")
                        };
                        let of = usize::try_from(of.get() - 1).unwrap();
                        let before = erasure.before.unwrap();
                        let gone = model.rooms[of].messages.iter();
                        let gone = gone.filter(|it| it.id < before.get());
                        gone.for_each(|it| drop(view.remove(&it.id)));
                    }
                    // Who comes in reads what there is.
                    Act::MemberChanged(change) if change.user == user(by) => {
                        let at = usize::try_from(change.room.get() - 1).unwrap();
                        let room = &model.rooms[at];
                        room.messages
                            .iter()
                            .for_each(|it| drop(view.remove(&it.id)));
                        if change.change == MembershipChange::Joined {
                            view.extend(room.view_since(by, notice.entry.id.get()));
                        }
                    }
                    _ => {}
                }
            }
            if !page.has_more {
                break;
            }
        }
        assert_eq!(view, model.view(by), "of {by} since {entry}");
    }
}

fn begin(path: &Path, tail: usize) -> (Open, Model) {
    let open = open_with(path, tail).with_users(PEOPLE);
    let mut model = Model {
        now: BEGAN,
        ..Model::default()
    };
    for history in [RoomHistory::All, RoomHistory::Joined] {
        let new = NewRoom {
            name: "Ops".into(),
            topic: "".into(),
            avatar: None,
            kind: RoomKind::Open,
            history,
            post: RoomPost::All,
        };
        let what = RoomCommand::Create {
            room: new,
            members: (2..=4).map(user).collect(),
            most: 100,
        };
        let act = RoomAct {
            by: Some(user(ADMIN)),
            what,
        };
        open.apply(BEGAN, Change::Room(act)).unwrap();
        let members = (1..=4).map(|member| {
            let since = model.entries + 1 + member;
            (member, (since, BTreeSet::new()))
        });
        let members = members.collect();
        model.entries += 5;
        model.rooms.push(Room {
            history,
            archived: false,
            messages: Vec::new(),
            members,
            positions: BTreeMap::new(),
        });
    }
    (open, model)
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

#[test]
fn what_is_changed_in_rooms_is_what_a_plain_list_says_over_restarts_and_copies() {
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chatd.redb");
        let tail = [8 << 20, 2_000, 0][seed as usize % 3];
        let (mut open, mut model) = begin(&path, tail);
        let mut seen = Vec::new();
        for round in 0..40 {
            // Now and then months pass.
            model.now += [1_000, 1_000, DAY / 3, 40 * DAY][random.random_range(0..4)];
            let (changes, expected): (Vec<_>, Vec<_>) = (0..random.random_range(1..25))
                .map(|_| model.change(&mut random))
                .unzip();
            let shown = format!("{changes:?}");
            let results = open.apply_all(model.now, changes).into_iter();
            let found: Vec<_> = results.map(outcome).collect();
            assert_eq!(found, expected, "seed {seed}, round {round}: {shown}");
            if random.random_bool(0.2) {
                let than = model.now - [DAY / 2, 60 * DAY][random.random_range(0..2)];
                let of = [None, Some(0), Some(1)][random.random_range(0..3)];
                model.retain(&open, than, of);
            }
            assert_right(&open, &model, &mut random);
            let views = (1..=PEOPLE).map(|by| model.view(by)).collect();
            seen.push((model.entries, views));
            assert_caught_up(&open, &model, seen.choose(&mut random).unwrap());
            if round == 35 {
                archive(&open, &mut model);
            }
            if random.random_bool(0.15) {
                open.close();
                assert_eq!(maintain::check(&path, &mut |_| {}).unwrap().findings, []);
                open = open_with(&path, tail);
                assert_right(&open, &model, &mut random);
            }
        }
        let gone = model.rooms.iter().flat_map(|room| &room.messages);
        let gone: Vec<_> = gone.filter(|plain| plain.is_gone).cloned().collect();
        assert!(gone.len() > 10, "{}", gone.len());
        open.close();
        assert_outlives_copies(&path, &model, &mut random);
    }
}

fn archive(open: &Open, model: &mut Model) {
    let what = RoomCommand::Archive { room: room(1) };
    let act = RoomAct {
        by: Some(user(ADMIN)),
        what,
    };
    open.apply(model.now, Change::Room(act)).unwrap();
    model.entries += 1;
    model.rooms[0].archived = true;
}

/// A backup, and a file from an export, have the same messages.
fn assert_outlives_copies(path: &Path, model: &Model, random: &mut StdRng) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.redb");
    maintain::backup(path, &copy, &mut |_| {}).unwrap();
    let mut lines = Vec::new();
    maintain::export(path, &mut lines, &mut |_| {}).unwrap();
    assert_says_nothing_of_what_is_gone(&lines, model);
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

/// Who put which emoji on a message that is gone stood in exports for ever.
fn assert_says_nothing_of_what_is_gone(lines: &[u8], model: &Model) {
    let messages = model.rooms.iter().flat_map(|room| &room.messages);
    let gone: BTreeSet<u64> = messages.filter(|it| it.is_gone).map(|it| it.id).collect();
    let lines = std::str::from_utf8(lines).unwrap().lines();
    let mut reactions = [0, 0];
    for line in lines.filter(|line| line.contains(r#""type":"reaction""#)) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let is_gone = gone.contains(&line["message_id"].as_u64().unwrap());
        assert_eq!(line.get("emoji").is_none(), is_gone, "{line}");
        reactions[usize::from(is_gone)] += 1;
    }
    // Of the others none may be left by retention.
    assert!(reactions[1] > 0, "{reactions:?}");
}

/// A room of three with a message; gives the store and the message.
fn one_message() -> (Open, MessageId) {
    let open = Open::memory().with_users(3);
    let new = ops();
    let what = RoomCommand::Create {
        room: new,
        members: vec![user(2), user(3)],
        most: 100,
    };
    let act = RoomAct {
        by: Some(user(ADMIN)),
        what,
    };
    open.apply(BEGAN, Change::Room(act)).unwrap();
    let talk = Talk::send_to_room(user(2), room(1), "first".into(), ClientId::new("c").ok());
    match open.apply(BEGAN, Change::Talk(talk)).unwrap() {
        Committed::Talk(Outcome::Entry(notice)) => (open, notice.entry.id.into()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_of_a_room_takes_so_many_reactions_and_no_more() {
    let (open, message) = one_message();
    let react = |who, number: u32, on| {
        let emoji = char::from_u32(0x1f600 + number).unwrap().to_string();
        let talk = Talk::react(user(who), message, emoji.into(), on).in_any_chat();
        open.apply(BEGAN, Change::Talk(talk)).map(drop)
    };
    let full = |result| matches!(result, Err(StoreError::Talk(TalkRefusal::TooManyReactions)));
    for number in 0..10 {
        react(1, number, true).unwrap();
        react(2, 10 + number, true).unwrap();
    }
    assert!(full(react(1, 10, true)), "ten of one person");
    assert!(full(react(3, 20, true)), "twenty kinds");
    react(3, 0, true).unwrap();
    react(1, 0, false).unwrap();
    react(1, 10, true).unwrap();
    open.close();
}

/// The same as between two people.
#[test]
fn an_emoji_of_another_form_is_the_one_that_is_there_in_a_room_too() {
    let (open, message) = one_message();
    super::changing::assert_a_heart_is_one(&open, BEGAN, message);
    open.close();
}

#[test]
fn a_reply_names_a_message_of_its_chat_that_is_there_and_its_sender_may_read() {
    let (open, message) = one_message();
    let between = open.send(1, 2, "between two").id;
    let answer = |talk: Talk, to: MessageId| {
        let extras = Extras {
            reply_to: Some(ReplyTo::new(to)),
            ..Extras::default()
        };
        open.apply(BEGAN, Change::Talk(talk.with_extras(extras.boxed())))
    };
    let in_room = |name| {
        let name = ClientId::new(name).ok();
        Talk::send_to_room(user(1), room(1), "an answer".into(), name)
    };
    let to_two = |receiver| Talk::send(user(1), user(receiver), "an answer".into(), None);
    let said = |result| match result {
        Ok(Committed::Talk(Outcome::Entry(notice) | Outcome::Repeated(notice))) => {
            let Act::Sent { extras, .. } = notice.entry.act else {
                panic!("it is a message")
            };
            let reply = extras.unwrap().reply_to.unwrap();
            reply.said.map(|said| said.content.to_string())
        }
        other => panic!("{other:?}"),
    };
    let unknown = |result| matches!(result, Err(StoreError::Talk(TalkRefusal::NoSuchMessage)));
    assert_eq!(said(answer(in_room("r"), message)).unwrap(), "first");
    assert_eq!(said(answer(to_two(2), between)).unwrap(), "between two");
    assert!(unknown(answer(in_room("x"), between)), "of another chat");
    assert!(unknown(answer(to_two(2), message)));
    assert!(unknown(answer(to_two(3), between)), "of a chat that begins");
    for beyond in [id(1), id(9_000)] {
        assert!(unknown(answer(in_room("x"), beyond)), "no message");
        assert!(unknown(answer(to_two(2), beyond)));
    }
    // Sent again, it says what it answers; with another answer it is another message.
    assert_eq!(said(answer(in_room("r"), message)).unwrap(), "first");
    let talk = Change::Talk(in_room("r"));
    assert!(matches!(
        open.apply(BEGAN, talk),
        Err(StoreError::Talk(TalkRefusal::ClientIdReused))
    ));
    let delete = Talk::delete(user(2), message).in_any_chat();
    open.apply(BEGAN, Change::Talk(delete)).unwrap();
    assert_eq!(said(answer(in_room("r"), message)), None, "which is gone");
    assert!(unknown(answer(in_room("x"), message)));
    open.close();
}

#[test]
fn a_client_id_stands_for_a_rooms_message_after_its_changes_as_for_one_between_two() {
    let (open, message) = one_message();
    let again = |content: &str| {
        let talk = Talk::send_to_room(user(2), room(1), content.into(), ClientId::new("c").ok());
        open.apply(BEGAN, Change::Talk(talk))
    };
    let edit = Talk::edit(user(2), message, "second".into()).in_any_chat();
    open.apply(BEGAN, Change::Talk(edit)).unwrap();
    match again("first").unwrap() {
        Committed::Talk(Outcome::Repeated(notice)) => {
            let Act::Sent { content, .. } = notice.entry.act else {
                panic!("it is a message")
            };
            assert_eq!(&*content, "second");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        again("second"),
        Err(StoreError::Talk(TalkRefusal::ClientIdReused))
    ));
    let delete = Talk::delete(user(2), message).in_any_chat();
    open.apply(BEGAN, Change::Talk(delete)).unwrap();
    assert!(matches!(
        again("first"),
        Err(StoreError::Talk(TalkRefusal::NoSuchMessage))
    ));
    // Of rooms the first version knows nothing.
    let react = Talk::react(user(1), message, "👍".into(), true);
    let refused = open.apply(BEGAN, Change::Talk(react));
    assert!(matches!(
        refused,
        Err(StoreError::Talk(TalkRefusal::NoSuchMessage))
    ));
    open.close();
}
