//! Rooms as they are to be: what a transaction changes, upon what is on its way to the disk, upon
//! what is on disk. One room and one member are looked for at a time.

use crate::model::{ChatSettings, EntryId, RoomId, UserId};
use crate::store::sealed::{put, seal_under};
use crate::store::state::State;
use crate::store::talk::rooms::applying::RoomTable;
use crate::store::talk::rooms::rows::RowSource;
use crate::store::talk::rooms::{Person, RoomChanges, RoomHead, RoomMember};

/// Rooms to be changed.
pub(crate) struct Overlay<'a> {
    pub(crate) state: &'a State,
    pub(crate) changes: &'a mut RoomChanges,
}

/// Rooms to look at.
#[derive(Clone, Copy)]
pub(crate) struct RoomView<'a> {
    pub(crate) state: &'a State,
    pub(crate) changes: Option<&'a RoomChanges>,
}

impl<'a> RoomView<'a> {
    /// Returns the rooms as they are once what is ahead of a state is on disk.
    pub(crate) fn of(state: &'a State) -> Self {
        Self {
            state,
            changes: None,
        }
    }

    /// What is changed of it, the newest first.
    fn layers(self) -> impl Iterator<Item = &'a RoomChanges> {
        let ahead = self.state.ahead.iter().rev();
        let ahead = ahead.map(|ahead| &ahead.changes.rooms);
        self.changes.into_iter().chain(ahead)
    }

    /// A room.
    pub(crate) fn head(self, room: RoomId) -> Option<&'a RoomHead> {
        let changed = self.layers().find_map(|layer| layer.heads.get(&room));
        changed.or_else(|| self.state.rooms.head(room))
    }

    /// A member of a room.
    pub(crate) fn member(self, room: RoomId, user: UserId) -> Option<&'a RoomMember> {
        let changed = self
            .layers()
            .find_map(|layer| layer.members.get(&(room, user)));
        match changed {
            Some(member) => member.as_ref(),
            None => self.state.rooms.member(room, user),
        }
    }

    /// A person's rooms.
    pub(crate) fn person(self, user: UserId) -> Option<&'a Person> {
        let changed = self.layers().find_map(|layer| layer.people.get(&user));
        changed.or_else(|| self.state.rooms.person(user))
    }

    /// The newest entry of a person's own stream.
    pub(crate) fn own(self, user: UserId) -> Option<EntryId> {
        let changed = self.layers().find_map(|layer| layer.own.get(&user));
        changed.copied().or_else(|| self.state.rooms.own(user))
    }

    /// The settings of a chat of two.
    pub(crate) fn settings(self, user: UserId, peer: UserId) -> ChatSettings {
        let changed = self
            .layers()
            .find_map(|layer| layer.settings.get(&(user, peer)));
        let known = || self.state.rooms.settings(user, peer);
        changed.copied().unwrap_or_else(known)
    }

    /// Returns whether a person has blocked another.
    pub(crate) fn blocks(self, user: UserId, peer: UserId) -> bool {
        let changed = self
            .layers()
            .find_map(|layer| layer.blocks.get(&(user, peer)));
        let known = || self.state.rooms.blocks(user, peer);
        changed.copied().unwrap_or_else(known)
    }

    /// How many people a person has blocked, those of a moment ago not counted.
    pub(crate) fn blocked_count(self, user: UserId) -> usize {
        self.state.rooms.blocked_by(user).ids().len()
    }

    /// Returns whether two people are in one room.
    pub(crate) fn share_room(self, one: UserId, other: UserId) -> bool {
        match (self.person(one), self.person(other)) {
            (Some(one), Some(other)) => one.meets(other),
            _ => false,
        }
    }

    /// The row of what is derived of a room, a member, or a person's own stream; `None` where there
    /// is no such.
    pub(crate) fn encode_state(self, key: (u64, u64)) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        match key {
            (0, user) => put(&mut body, self.own(UserId::new(user).ok()?)?.get()),
            (room, 0) => self.head(RoomId::new(room).ok()?)?.state.encode(&mut body),
            (room, user) => {
                let (room, user) = (RoomId::new(room).ok()?, UserId::new(user).ok()?);
                self.member(room, user)?.encode(&mut body);
            }
        }
        Some(seal_under(&[key.0, key.1], &body))
    }

    /// The greatest id of a room.
    pub(crate) fn greatest(self) -> u64 {
        let changed = self.layers().map(|layer| layer.greatest).max();
        changed.unwrap_or(0).max(self.state.rooms.greatest())
    }
}

impl RowSource for RoomView<'_> {
    fn head(&self, room: RoomId) -> Option<&RoomHead> {
        RoomView::head(*self, room)
    }

    fn member(&self, room: RoomId, user: UserId) -> Option<&RoomMember> {
        RoomView::member(*self, room, user)
    }

    fn person(&self, user: UserId) -> Option<&Person> {
        RoomView::person(*self, user)
    }

    fn settings(&self, user: UserId, peer: UserId) -> ChatSettings {
        RoomView::settings(*self, user, peer)
    }

    fn blocks(&self, user: UserId, peer: UserId) -> bool {
        RoomView::blocks(*self, user, peer)
    }
}

impl Overlay<'_> {
    fn view(&self) -> RoomView<'_> {
        RoomView {
            state: self.state,
            changes: Some(self.changes),
        }
    }
}

impl RoomTable for Overlay<'_> {
    fn head_mut(&mut self, room: RoomId) -> Option<&mut RoomHead> {
        if !self.changes.heads.contains_key(&room) {
            let head = self.view().head(room)?.clone();
            self.changes.heads.insert(room, head);
        }
        self.changes.heads.get_mut(&room)
    }

    fn put_head(&mut self, head: RoomHead) {
        self.changes.heads.insert(head.id(), head);
    }

    fn member_mut(&mut self, room: RoomId, user: UserId) -> Option<&mut RoomMember> {
        let key = (room, user);
        if !self.changes.members.contains_key(&key) {
            let member = self.view().member(room, user)?.clone();
            self.changes.members.insert(key, Some(member));
        }
        self.changes.members.get_mut(&key)?.as_mut()
    }

    fn set_member(
        &mut self,
        room: RoomId,
        user: UserId,
        member: Option<RoomMember>,
    ) -> Option<RoomMember> {
        let before = self.view().member(room, user).cloned();
        self.changes.members.insert((room, user), member);
        before
    }

    fn person_mut(&mut self, user: UserId) -> &mut Person {
        if !self.changes.people.contains_key(&user) {
            let person = self.view().person(user).cloned();
            self.changes.people.insert(user, person.unwrap_or_default());
        }
        self.changes.people.entry(user).or_default()
    }

    fn set_own(&mut self, user: UserId, entry: EntryId) {
        self.changes.own.insert(user, entry);
    }

    fn set_settings(&mut self, user: UserId, peer: UserId, settings: ChatSettings) {
        self.changes.settings.insert((user, peer), settings);
    }

    fn set_block(&mut self, user: UserId, peer: UserId, blocked: bool) {
        self.changes.blocks.insert((user, peer), blocked);
    }
}
