//! Every room in memory, found by its id, and every person's rooms.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::applying::RoomTable;
use super::changes::{RoomChanges, RoomRow};
use super::head::{RoomHead, RoomState};
use super::member::{Person, RoomMember};
use crate::model::{Blocked, ChatSettings, EntryId, Notify, RoomId, RoomKind, UserId};
use crate::store::sealed::{Rest, unseal_under};

/// All that is on disk of rooms.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rooms {
    rooms: BTreeMap<RoomId, RoomHead>,
    members: FxHashMap<RoomId, BTreeMap<UserId, RoomMember>>,
    people: FxHashMap<UserId, Person>,
    own: FxHashMap<UserId, EntryId>,
    settings: FxHashMap<(UserId, UserId), ChatSettings>,
    /// Whom each person has blocked.
    blocks: FxHashMap<UserId, Blocked>,
    /// Those that anybody may find and join, each with its name in lower case.
    open: BTreeMap<RoomId, Box<str>>,
    /// Those of which something is still to be erased.
    abandoned: BTreeSet<RoomId>,
    /// How many were erased.
    gone: usize,
    /// Of each, the members who want to be told of every message, whatever its size.
    loud: FxHashMap<RoomId, BTreeSet<UserId>>,
}

impl Rooms {
    /// Derives what is kept so that nobody need look at every room, once all of them are there.
    pub(crate) fn derive(&mut self) {
        let heads = std::mem::take(&mut self.rooms);
        self.gone = heads.values().filter(|head| head.is_gone()).count();
        for head in heads.values() {
            self.note_name(head);
            self.note_abandoned(head);
        }
        self.rooms = heads;
    }

    fn note_name(&mut self, head: &RoomHead) {
        let room = &head.room;
        match room.kind == RoomKind::Open && room.archived_at.is_none() {
            true => self.open.insert(room.id, room.name.to_lowercase().into()),
            false => self.open.remove(&room.id),
        };
    }

    fn note_abandoned(&mut self, head: &RoomHead) {
        match head.is_to_be_erased() {
            true => self.abandoned.insert(head.id()),
            false => self.abandoned.remove(&head.id()),
        };
    }

    /// The open rooms whose id is greater than this number, ascending, each with its name in lower
    /// case.
    pub(crate) fn open_after(&self, after: u64) -> impl Iterator<Item = (RoomId, &str)> {
        let from = RoomId::new(after + 1).ok();
        let open = from.map(|from| self.open.range(from..));
        let open = open.into_iter().flatten();
        open.map(|(room, name)| (*room, &**name))
    }

    /// The rooms of which something is still to be erased: those that are gone, and those that all
    /// have left.
    pub(crate) fn abandoned(&self) -> impl Iterator<Item = RoomId> {
        self.abandoned.iter().copied()
    }

    /// A room.
    pub(crate) fn head(&self, room: RoomId) -> Option<&RoomHead> {
        self.rooms.get(&room)
    }

    /// How many rooms there are that were not erased.
    pub(crate) fn count(&self) -> usize {
        self.rooms.len() - self.gone
    }

    /// The rooms whose id is greater than this number, ascending.
    pub(crate) fn heads_after(&self, after: u64) -> impl Iterator<Item = &RoomHead> {
        let from = RoomId::new(after + 1).ok();
        let rooms = from.map(|from| self.rooms.range(from..));
        rooms.into_iter().flatten().map(|(_, head)| head)
    }

    /// The greatest id of a room; 0 where there is none.
    pub(crate) fn greatest(&self) -> u64 {
        let last = self.rooms.last_key_value();
        last.map_or(0, |(id, _)| id.get())
    }

    /// A member of a room.
    pub(crate) fn member(&self, room: RoomId, user: UserId) -> Option<&RoomMember> {
        self.members.get(&room)?.get(&user)
    }

    /// The members of a room who want to be told of every message, whatever its size.
    pub(crate) fn loud(&self, room: RoomId) -> impl Iterator<Item = UserId> {
        self.loud.get(&room).into_iter().flatten().copied()
    }

    fn note_loud(&mut self, room: RoomId, user: UserId, is_loud: bool) {
        if is_loud {
            self.loud.entry(room).or_default().insert(user);
        } else if let Some(loud) = self.loud.get_mut(&room) {
            loud.remove(&user);
            if loud.is_empty() {
                self.loud.remove(&room);
            }
        }
    }

    /// The members of a room whose id is greater than this number, ascending.
    pub(crate) fn members_after(
        &self,
        room: RoomId,
        after: u64,
    ) -> impl Iterator<Item = (UserId, &RoomMember)> {
        let members = self.members.get(&room).zip(UserId::new(after + 1).ok());
        let members = members.map(|(members, from)| members.range(from..));
        members
            .into_iter()
            .flatten()
            .map(|(user, member)| (*user, member))
    }

    /// In which rooms a person is, and was.
    pub(crate) fn person(&self, user: UserId) -> Option<&Person> {
        self.people.get(&user)
    }

    /// Each person's rooms.
    pub(crate) fn people(&self) -> impl Iterator<Item = (UserId, &Person)> {
        self.people.iter().map(|(user, person)| (*user, person))
    }

    /// The newest entry of a person's own stream.
    pub(crate) fn own(&self, user: UserId) -> Option<EntryId> {
        self.own.get(&user).copied()
    }

    /// Everybody's newest entry of their own stream.
    pub(crate) fn all_own(&self) -> &FxHashMap<UserId, EntryId> {
        &self.own
    }

    /// How the chat with `peer` makes itself heard to a person.
    pub(crate) fn settings(&self, user: UserId, peer: UserId) -> ChatSettings {
        self.settings
            .get(&(user, peer))
            .copied()
            .unwrap_or_default()
    }

    /// How all chats of two make themselves heard, where that was set.
    pub(crate) fn all_settings(&self) -> &FxHashMap<(UserId, UserId), ChatSettings> {
        &self.settings
    }

    /// Whom each person has blocked.
    pub(crate) fn all_blocks(&self) -> &FxHashMap<UserId, Blocked> {
        &self.blocks
    }

    /// Whom a person has blocked.
    pub(crate) fn blocked_by(&self, user: UserId) -> Blocked {
        self.blocks.get(&user).cloned().unwrap_or_default()
    }

    /// Returns whether a person has blocked another.
    pub(crate) fn blocks(&self, user: UserId, peer: UserId) -> bool {
        let blocked = self.blocks.get(&user);
        blocked.is_some_and(|blocked| blocked.contains(peer))
    }

    /// Returns whether two people are in one room.
    pub(crate) fn share_room(&self, one: UserId, other: UserId) -> bool {
        match (self.person(one), self.person(other)) {
            (Some(one), Some(other)) => one.meets(other),
            _ => false,
        }
    }

    /// All rows beside the log that these rooms have.
    pub(crate) fn rows(&self) -> BTreeSet<RoomRow> {
        let rooms = self.rooms.keys().map(|room| RoomRow::Room(*room));
        let people = self.people.iter().flat_map(|(user, person)| {
            let stays = person.stays.iter().map(|stay| stay.room);
            let rooms = person.rooms.iter().copied().chain(stays);
            rooms.map(|room| RoomRow::Member(room, *user))
        });
        let settings = self.settings.keys();
        let settings = settings.map(|(user, peer)| RoomRow::Settings(*user, *peer));
        let blocks = self.blocks.iter().flat_map(|(user, blocked)| {
            let blocked = blocked.ids().iter();
            blocked.map(|peer| RoomRow::Settings(*user, *peer))
        });
        let rows = rooms.chain(people).chain(settings);
        rows.chain(blocks).collect()
    }

    /// Takes over a row of what is derived. `None` for one that cannot be read.
    pub(crate) fn take_state(&mut self, key: (u64, u64), sealed: &[u8]) -> Option<()> {
        let mut rest = Rest(unseal_under(&[key.0, key.1], sealed)?);
        match key {
            (0, user) => {
                let entry = EntryId::new(rest.take()?).ok()?;
                self.set_own(UserId::new(user).ok()?, entry);
            }
            (room, 0) => {
                let state = RoomState::decode(&mut rest)?;
                self.head_mut(RoomId::new(room).ok()?)?.state = state;
            }
            (room, user) => {
                let (room, user) = (RoomId::new(room).ok()?, UserId::new(user).ok()?);
                // One who has left since has no membership.
                if let Some(member) = self.member_mut(room, user) {
                    member.take(&mut rest)?;
                } else {
                    return Some(());
                }
            }
        }
        rest.0.is_empty().then_some(())
    }

    /// The keys of the rows of what is derived that a pass up to this entry has written.
    pub(crate) fn derived_before(&self, entry: u64) -> impl Iterator<Item = (u64, u64)> {
        let known = self.rooms.values();
        let known = known.filter(move |head| head.since.get() <= entry);
        let rooms = known.map(|head| (head.id().get(), 0));
        let members = self.members.iter().flat_map(move |(room, members)| {
            let known = members.iter();
            let known = known.filter(move |(_, member)| member.since.get() <= entry);
            known.map(|(user, _)| (room.get(), user.get()))
        });
        rooms.chain(members)
    }

    /// Takes over what a transaction changed, once it is on disk.
    pub(crate) fn publish(&mut self, changes: RoomChanges) {
        for (room, head) in changes.heads {
            let before = self.rooms.get(&room);
            // One that was erased stays so.
            let was_gone = before.is_some_and(RoomHead::is_gone);
            self.gone += usize::from(head.is_gone() && !was_gone);
            // Of most only the messages have changed.
            if before.is_none_or(|before| !Arc::ptr_eq(&before.room, &head.room)) {
                self.note_name(&head);
            }
            if head.members == 0 || head.is_gone() || !self.abandoned.is_empty() {
                self.note_abandoned(&head);
            }
            self.rooms.insert(room, head);
        }
        for ((room, user), member) in changes.members {
            self.set_member(room, user, member);
        }
        self.people.extend(changes.people);
        self.own.extend(changes.own);
        for ((user, peer), settings) in changes.settings {
            self.set_settings(user, peer, settings);
        }
        for ((user, peer), blocked) in changes.blocks {
            self.set_block(user, peer, blocked);
        }
    }
}

impl RoomTable for Rooms {
    fn head_mut(&mut self, room: RoomId) -> Option<&mut RoomHead> {
        self.rooms.get_mut(&room)
    }

    fn put_head(&mut self, head: RoomHead) {
        self.rooms.insert(head.id(), head);
    }

    fn member_mut(&mut self, room: RoomId, user: UserId) -> Option<&mut RoomMember> {
        self.members.get_mut(&room)?.get_mut(&user)
    }

    fn set_member(
        &mut self,
        room: RoomId,
        user: UserId,
        member: Option<RoomMember>,
    ) -> Option<RoomMember> {
        let notify = member.as_ref().and_then(|member| member.settings.notify);
        self.note_loud(room, user, notify == Some(Notify::All));
        match member {
            Some(member) => self.members.entry(room).or_default().insert(user, member),
            None => {
                let members = self.members.get_mut(&room)?;
                let before = members.remove(&user);
                if members.is_empty() {
                    self.members.remove(&room);
                }
                before
            }
        }
    }

    fn person_mut(&mut self, user: UserId) -> &mut Person {
        self.people.entry(user).or_default()
    }

    fn set_own(&mut self, user: UserId, entry: EntryId) {
        let own = self.own.entry(user).or_insert(entry);
        *own = entry.max(*own);
    }

    fn set_settings(&mut self, user: UserId, peer: UserId, settings: ChatSettings) {
        match settings == ChatSettings::default() {
            true => self.settings.remove(&(user, peer)),
            false => self.settings.insert((user, peer), settings),
        };
    }

    fn set_block(&mut self, user: UserId, peer: UserId, blocked: bool) {
        let theirs = self.blocks.entry(user).or_default();
        theirs.set(peer, blocked);
        if theirs.ids().is_empty() {
            self.blocks.remove(&user);
        }
    }
}
