//! Power cuts while messages are rewritten where they lie: what was confirmed is there, nothing of
//! it is lost, and nothing that was taken away comes back.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};

use super::faults::{Disk, Served, findings};
use super::{new_user, ops, user};
use crate::model::{Act, Members, MessageId, Reaction, RoomId};
use crate::store::*;

/// How many cuts there are, unless `CRASHES` says another number: 1,000 take some minutes.
const CUTS: u64 = 60;
const EMOJI: [&str; 3] = ["👍", "❤️", "🇮🇩"];

fn room() -> RoomId {
    RoomId::new(1).unwrap()
}

/// What is known of a message by the answers that came.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Its text names it and this number, which grows with each text.
    version: u64,
    is_gone: bool,
    /// In which chat it is, where that is known.
    in_room: Option<bool>,
    reactions: BTreeSet<(u64, &'static str)>,
    /// What was asked for and not answered, which may have been done or not.
    doubts: Vec<Asked>,
}

/// A change of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Edit(u64),
    Delete,
    React(u64, &'static str, bool),
}

impl Known {
    fn take(&mut self, asked: Asked) {
        match asked {
            Asked::Edit(version) => self.version = version,
            Asked::Delete => {
                *self = Self {
                    is_gone: true,
                    in_room: self.in_room,
                    ..Self::default()
                }
            }
            Asked::React(who, emoji, true) => drop(self.reactions.insert((who, emoji))),
            Asked::React(who, emoji, false) => drop(self.reactions.remove(&(who, emoji))),
        }
    }

    /// All that it may be: with none of what is in doubt, or with the first of it.
    fn may_be(&self) -> Vec<Self> {
        let mut all = vec![self.clone()];
        for doubt in &self.doubts {
            let mut next = all[all.len() - 1].clone();
            if !next.is_gone {
                next.take(*doubt);
            }
            all.push(next);
        }
        all
    }
}

/// A message as it is found: the number of its text, and how many reacted with what.
type Found = (u64, BTreeMap<String, u64>);

/// What a message of these people comes to; who wrote it is the sender in both chats.
struct Talking {
    random: StdRng,
    messages: BTreeMap<u64, Known>,
    versions: u64,
    confirmed: u64,
}

impl Talking {
    /// A change, and of which messages it is; none of a new one.
    fn change(&mut self) -> (Change, Vec<(u64, Asked)>) {
        self.versions += 1;
        if self.random.random_bool(0.03) {
            return self.erase_many();
        }
        let there = self.messages.iter().filter(|(_, known)| !known.is_gone);
        let newest = there.rev().take(20).map(|(id, _)| *id);
        let picked = newest.choose(&mut self.random);
        let Some(message) = picked.filter(|_| self.random.random_bool(0.8)) else {
            let content = format!("text {}", self.versions).into();
            let talk = match self.random.random_bool(0.5) {
                true => Talk::send_to_room(user(1), room(), content, None),
                false => Talk::send(user(1), user(2), content, None),
            };
            return (Change::Talk(talk), Vec::new());
        };
        let id = MessageId::new(message).unwrap();
        let (asked, talk) = match self.random.random_range(0..10) {
            0..4 => {
                // Longer ones leave their block.
                let more = "x".repeat([0, 10, 3_000][self.random.random_range(0..3)]);
                let content = format!("text {} {more}", self.versions);
                let talk = Talk::edit(user(1), id, content.into());
                (Asked::Edit(self.versions), talk)
            }
            4 => (Asked::Delete, Talk::delete(user(1), id)),
            _ => {
                // Each emoji is one person's: what is found tells how many, and so who.
                let which = self.random.random_range(0..3);
                let (who, emoji) = (1 + which as u64 % 2, EMOJI[which]);
                let on = self.random.random_bool(0.6);
                let talk = Talk::react(user(who), id, emoji.into(), on);
                (Asked::React(who, emoji, on), talk)
            }
        };
        (Change::Talk(talk.in_any_chat()), vec![(message, asked)])
    }

    /// The oldest of a chat go, as by retention: then they are the first of the log too.
    fn erase_many(&mut self) -> (Change, Vec<(u64, Asked)>) {
        let chats = [false, true].map(|in_room| {
            let there = self.messages.iter();
            let there = there.filter(|(_, it)| !it.is_gone && it.in_room == Some(in_room));
            let there = there.map(|(id, _)| *id);
            there.take(self.versions as usize % 9).collect::<Vec<_>>()
        });
        let many = chats.iter().map(|ids| EraseMany {
            messages: ids.iter().map(|id| MessageId::new(*id).unwrap()).collect(),
            sender: None,
            all_of: None,
        });
        let many = many.collect();
        let asked = chats.concat().into_iter().map(|id| (id, Asked::Delete));
        (Change::EraseMany(many), asked.collect())
    }

    /// Asks for changes until one is not answered.
    fn talk(&mut self, open: &Served) {
        loop {
            let count = self.random.random_range(1..8);
            let (changes, asked): (Vec<_>, Vec<_>) = (0..count).map(|_| self.change()).unzip();
            let mut is_alive = true;
            for (answer, asked) in open.apply(changes).into_iter().zip(asked) {
                match answer {
                    Ok(Committed::Talk(Outcome::Entry(notice))) if asked.is_empty() => {
                        let Act::Sent { content, .. } = &notice.entry.act else {
                            panic!("{notice:?}")
                        };
                        let known = Known {
                            version: version(content),
                            in_room: Some(matches!(notice.members, Members::Room(_))),
                            ..Known::default()
                        };
                        self.messages.insert(notice.entry.id.get(), known);
                        self.confirmed += 1;
                    }
                    Ok(_) => {
                        for (id, asked) in asked {
                            self.messages.get_mut(&id).unwrap().take(asked);
                        }
                        self.confirmed += 1;
                    }
                    Err(StoreError::Unavailable) => {
                        for (id, asked) in asked {
                            self.messages.get_mut(&id).unwrap().doubts.push(asked);
                        }
                        is_alive = false;
                    }
                    // It was erased just before.
                    Err(StoreError::Talk(TalkRefusal::NoSuchMessage)) if !asked.is_empty() => {}
                    other => panic!("{other:?}"),
                }
            }
            if !is_alive {
                return;
            }
        }
    }

    /// Holds what is there against what is known, and takes over what was in doubt.
    fn compare(&mut self, found: &BTreeMap<u64, Found>) {
        for (id, known) in &mut self.messages {
            let states = known.may_be();
            let now = found.get(id);
            let is_so = |state: &&Known| match now {
                None => state.is_gone,
                Some((version, reactions)) => {
                    let mut counts = BTreeMap::new();
                    for (_, emoji) in &state.reactions {
                        *counts.entry((*emoji).to_owned()).or_insert(0) += 1;
                    }
                    !state.is_gone && state.version == *version && counts == *reactions
                }
            };
            let right = states.iter().rev().find(is_so);
            let right = right.unwrap_or_else(|| panic!("{id} is {now:?}, and not {states:?}"));
            *known = Known {
                doubts: Vec::new(),
                ..right.clone()
            };
        }
        // A message may be there whose answer did not come.
        for (id, (version, _)) in found {
            self.messages.entry(*id).or_insert(Known {
                version: *version,
                ..Known::default()
            });
        }
    }
}

/// The number in a text.
fn version(content: &str) -> u64 {
    content.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Reads all pages; `page` gives the one before a message.
pub(super) fn all<T>(
    id: impl Fn(&T) -> MessageId,
    page: impl Fn(HistoryQuery) -> Result<HistoryPage<T>, ReadError>,
) -> Vec<T> {
    let (mut rows, mut before) = (Vec::new(), None);
    loop {
        let query = HistoryQuery {
            before,
            after: None,
            limit: 500,
        };
        let page = page(query).unwrap();
        before = page.rows.first().map(&id);
        rows.extend(page.rows);
        if !page.has_more {
            return rows;
        }
    }
}

fn found(open: &Served) -> BTreeMap<u64, Found> {
    let snapshot = Snapshot::new(&open.store.intake.data);
    let counts = |reactions: &[Reaction]| {
        let row = |reaction: &Reaction| (reaction.emoji.to_string(), reaction.count());
        reactions.iter().map(row).collect::<BTreeMap<_, _>>()
    };
    let mut found = BTreeMap::new();
    let of_two = |query| snapshot.history(user(2), user(1), query);
    for row in all(|row: &HistoryRow| row.message.id, of_two) {
        let extras = row.message.extras.unwrap_or_default();
        let seen = (version(&row.message.content), counts(&extras.reactions));
        found.insert(row.message.id.get(), seen);
    }
    let of_room = |query| snapshot.room_history(user(2), room(), query);
    for row in all(|row: &RoomMessage| row.id, of_room) {
        let extras = row.extras.unwrap_or_default();
        // Who reacted is as many as it says.
        let who = snapshot.reactors_in_room(user(2), row.id, None, 0, 1_000);
        let mut of_rows = BTreeMap::new();
        for (_, emoji) in who.unwrap().rows {
            *of_rows.entry(emoji.to_string()).or_insert(0) += 1;
        }
        assert_eq!(of_rows, counts(&extras.reactions));
        found.insert(row.id.get(), (version(&row.content), of_rows));
    }
    found
}

fn begin() -> Vec<u8> {
    let disk = Disk::with(Vec::new());
    let open = disk.open();
    let users = (1..=2).map(|number| new_user(&format!("user{number}")));
    let what = RoomCommand::Create {
        room: ops(),
        members: vec![user(2)],
        most: 10,
    };
    let by = Some(user(1));
    let room = std::iter::once(Change::Room(RoomAct { by, what }));
    let answers = open.apply(users.chain(room).collect());
    assert!(answers.iter().all(Result::is_ok));
    open.close();
    disk.0.lock().safe()
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "how much was tried is said with `--nocapture`"
)]
fn over_power_cuts_in_rewrites_nothing_is_lost_and_nothing_comes_back() {
    let cuts = std::env::var("CRASHES");
    let cuts = cuts.map_or(CUTS, |cuts| cuts.parse().expect("a number of cuts"));
    let (mut done, mut confirmed, mut gone) = (0, 0, 0);
    // A new file now and then, so that the rounds do not grow longer.
    for seed in 0.. {
        if done == cuts {
            break;
        }
        let mut talking = Talking {
            random: StdRng::seed_from_u64(seed),
            messages: BTreeMap::new(),
            versions: 0,
            confirmed: 0,
        };
        let mut bytes = begin();
        for _ in 0..20.min(cuts - done) {
            done += 1;
            let disk = Disk::dying_after(talking.random.random_range(10..300), bytes);
            // The power may go while the file is opened, too.
            if let Ok(open) = Served::sweeping_every(16, disk.medium()) {
                talking.talk(&open);
                open.close();
            }
            bytes = disk.0.lock().cut(&mut talking.random);
            assert_eq!(findings(&bytes), [], "seed {seed}, cut {done}");
            let open = Disk::with(bytes.clone()).open();
            talking.compare(&found(&open));
            open.close();
        }
        confirmed += talking.confirmed;
        gone += talking.messages.values().filter(|it| it.is_gone).count();
    }
    println!("{done} cuts: {confirmed} changes confirmed, 0 lost; {gone} erased, 0 came back");
    assert!(
        confirmed > 20 * cuts && gone as u64 > cuts,
        "{confirmed}, {gone}"
    );
}
