//! An account that leaves: its rooms first have somebody to look after them. And a room that all
//! leave, so that what was said there is erased.

use std::collections::BTreeSet;

use super::staging::Staging;
use crate::model::{Erasure, MembershipChange, Notice, Role, RoomId, Timestamp, UserId};
use crate::store::change::Committed;
use crate::store::error::ReadError;
use crate::store::log::record::Author;
use crate::store::people::leaving::Leaving;
use crate::store::room_act::RoomDone;

impl Staging<'_> {
    /// Deletes an account, which leaves all of its rooms.
    pub(super) fn delete_user(
        &mut self,
        now: Timestamp,
        leaving: &Leaving,
    ) -> Result<Committed, ReadError> {
        let user = self.people().delete_user(now, leaving)?;
        let notices = self.leave_rooms(now, leaving.user)?;
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
            let loses_picture = head.members == 1 && head.room.avatar.is_some();
            if role == Role::Owner
                && head.owners == 1
                && let Some(successor) = self.successor(room, user)
            {
                let (change, owner) = (MembershipChange::Role, Role::Owner);
                notices.push(self.change_member(user, at, (room, successor), change, owner)?);
            }
            if loses_picture {
                // What was said there is erased after this, and its picture with this.
                let archived = self.archive(Author::Server, at, room, true)?;
                notices.extend(archived.notices);
            }
            let left = MembershipChange::Left;
            notices.push(self.change_member(user, at, (room, user), left, role)?);
        }
        Ok(notices)
    }

    /// Archives a room for one of its owners, or for the server, and takes all out of it, that
    /// owner last. What was said there is nobody's to read any more, and is erased after this.
    pub(super) fn erase_room(
        &mut self,
        by: Option<UserId>,
        at: Timestamp,
        room: RoomId,
    ) -> Result<RoomDone, ReadError> {
        let author = by.map_or(Author::Server, Author::Account);
        let mut notices = self.archive(author, at, room, true)?.notices;
        // They hear that all of it goes before they are out of it.
        let has_members = self.rooms().head(room).is_some_and(|head| head.members > 0);
        if has_members {
            let all = Erasure::default();
            notices.push(self.append_erasure_of_room(at, room, all)?);
        }
        let rooms = self.rooms();
        let roles = self.members_of(room).into_iter();
        let roles = roles.filter_map(|user| Some((user, rooms.member(room, user)?.role)));
        let mut roles: Vec<_> = roles.collect();
        roles.sort_by_key(|(user, _)| Some(*user) == by);
        for (user, role) in roles {
            // The server's own hand is nobody's among them.
            let (by, change) = match by {
                Some(by) if by != user => (by, MembershipChange::Removed),
                _ => (user, MembershipChange::Left),
            };
            notices.push(self.change_member(by, at, (room, user), change, role)?);
        }
        Ok(self.done(room, notices))
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
