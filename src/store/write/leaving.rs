//! An account that leaves: its rooms first have somebody to look after them. And a room that all
//! leave, so that what was said there is erased.

use std::collections::BTreeSet;

use super::staging::Staging;
use crate::model::{Erasure, MembershipChange, Notice, Role, RoomId, Timestamp, UserId};
use crate::store::change::Committed;
use crate::store::error::ReadError;
use crate::store::log::record::Author;
use crate::store::people::leaving::Leaving;
use crate::store::room_act::{RoomDone, RoomRefusal};

/// 64 members of a room that is erased are taken out of it in one transaction: some milliseconds.
const TAKEN_OUT_AT_ONCE: usize = 64;

impl Staging<'_> {
    /// Deletes an account, which leaves all of its rooms.
    pub(super) fn delete_user(
        &mut self,
        now: Timestamp,
        leaving: &Leaving,
    ) -> Result<Committed, ReadError> {
        let user = self.people().delete_user(now, leaving)?;
        let notices = self.leave_rooms(now, leaving.user)?;
        self.revoke_void_invites(|invite| invite.by.account() == Some(leaving.user));
        Ok(Committed::Accompanied {
            committed: Box::new(Committed::User(user)),
            notices,
        })
    }

    /// Has a person leave every room. Where they are its last owner, its eldest admin follows them,
    /// else its eldest member.
    fn leave_rooms(&mut self, now: Timestamp, user: UserId) -> Result<Vec<Notice>, ReadError> {
        let at = now.following(self.changes.last_at);
        let rooms = self.rooms().person(user);
        let rooms = rooms.map(|person| person.rooms.clone()).unwrap_or_default();
        let mut notices = Vec::new();
        for room in rooms {
            let (head, member) = self.membership(room, user)?;
            let role = member.role;
            let empties = head.members == 1;
            if role == Role::Owner
                && head.owners == 1
                && let Some(successor) = self.successor(room, user)
            {
                let (change, owner) = (MembershipChange::Role, Role::Owner);
                notices.push(self.change_member(user, at, (room, successor), change, owner)?);
            }
            if empties {
                // What was said there is erased after this, and what it was called with this.
                let archived = self.archive(Author::Server, at, room, true)?;
                notices.extend(archived.notices);
            }
            let left = MembershipChange::Left;
            notices.push(self.change_member(user, at, (room, user), left, role)?);
        }
        Ok(notices)
    }

    /// Erases a room for one of its owners, or for the server: it is archived, has no name any
    /// more, and is nobody's to read. Some of its members are taken out of it, that owner last;
    /// what is asked of it again goes on with the others. What was said there is erased after this.
    pub(super) fn erase_room(
        &mut self,
        by: Option<UserId>,
        at: Timestamp,
        room: RoomId,
    ) -> Result<RoomDone, ReadError> {
        let author = by.map_or(Author::Server, Author::Account);
        let head = self.rooms().head(room).ok_or(RoomRefusal::NoSuchRoom)?;
        let (is_gone, has_members) = (head.is_gone(), head.members > 0);
        let mut notices = Vec::new();
        if !is_gone {
            notices.extend(self.archive(author, at, room, true)?.notices);
            // They hear that all of it goes before they are out of it.
            if has_members {
                let all = Erasure::default();
                notices.push(self.append_erasure_of_room(at, room, all)?);
            }
        }
        for (user, role) in self.some_of(room, by) {
            // The server's own hand is nobody's among them.
            let (by, change) = match by {
                Some(by) if by != user => (by, MembershipChange::Removed),
                _ => (user, MembershipChange::Left),
            };
            notices.push(self.change_member(by, at, (room, user), change, role)?);
        }
        Ok(self.done(room, notices))
    }

    /// Returns some members of a room, as many as are taken out of it at once, `last` only where
    /// these are all.
    fn some_of(&self, room: RoomId, last: Option<UserId>) -> Vec<(UserId, Role)> {
        let rooms = self.rooms();
        let with_role = |user: UserId| Some((user, rooms.member(room, user)?.role));
        let published = self.state.rooms.members_after(room, 0);
        let published = published.filter_map(|(user, _)| with_role(user));
        // One more, so that it is known whether these are all.
        let others = |(user, _): &(UserId, Role)| Some(*user) != last;
        let mut some: Vec<_> = published
            .filter(others)
            .take(TAKEN_OUT_AT_ONCE + 1)
            .collect();
        if some.len() <= TAKEN_OUT_AT_ONCE {
            // Some may have come a moment ago.
            let all = self.members_of(room).into_iter().filter_map(with_role);
            some = all.filter(others).take(TAKEN_OUT_AT_ONCE + 1).collect();
        }
        match some.len() > TAKEN_OUT_AT_ONCE {
            true => some.truncate(TAKEN_OUT_AT_ONCE),
            false => some.extend(last.and_then(with_role)),
        }
        some
    }

    /// Returns who is in a room, and who was a moment ago.
    fn members_of(&self, room: RoomId) -> BTreeSet<UserId> {
        let published = self.state.rooms.members_after(room, 0);
        let mut ids: BTreeSet<UserId> = published.map(|(user, _)| user).collect();
        let ahead = self.state.ahead.iter().map(|ahead| &ahead.changes.rooms);
        for changes in ahead.chain([&self.changes.rooms]) {
            let members = changes.members.keys();
            ids.extend(members.filter(|(of, _)| *of == room).map(|(_, user)| *user));
        }
        ids
    }

    /// Returns who follows the last owner of a room; `None` where nobody else is in it.
    fn successor(&self, room: RoomId, owner: UserId) -> Option<UserId> {
        let rooms = self.rooms();
        let others = self
            .members_of(room)
            .into_iter()
            .filter(|user| *user != owner);
        let others = others.filter_map(|user| Some((user, rooms.member(room, user)?)));
        let eldest = others.max_by_key(|(_, member)| {
            let since = std::cmp::Reverse(member.since);
            (member.role >= Role::Admin, since)
        });
        eldest.map(|(user, _)| user)
    }
}
