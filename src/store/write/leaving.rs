//! An account that leaves: its rooms first have somebody to look after them.

use std::collections::BTreeSet;

use super::staging::Staging;
use crate::model::{MembershipChange, Notice, Role, RoomId, Timestamp, UserId};
use crate::store::change::Committed;
use crate::store::error::ReadError;
use crate::store::people::leaving::Leaving;

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
            if role == Role::Owner
                && head.owners == 1
                && let Some(successor) = self.successor(room, user)
            {
                let (change, owner) = (MembershipChange::Role, Role::Owner);
                notices.push(self.change_member(user, at, (room, successor), change, owner)?);
            }
            let left = MembershipChange::Left;
            notices.push(self.change_member(user, at, (room, user), left, role)?);
        }
        Ok(notices)
    }

    /// Returns who follows the last owner of a room; `None` where nobody else is in it.
    fn successor(&self, room: RoomId, owner: UserId) -> Option<UserId> {
        let published = self.state.rooms.members_after(room, 0);
        let mut ids: BTreeSet<UserId> = published.map(|(user, _)| user).collect();
        let ahead = self.state.ahead.iter().map(|ahead| &ahead.changes.rooms);
        for changes in ahead.chain([&self.changes.rooms]) {
            let members = changes.members.keys();
            ids.extend(members.filter(|(of, _)| *of == room).map(|(_, user)| *user));
        }
        let rooms = self.rooms();
        let others = ids.into_iter().filter(|user| *user != owner);
        let others = others.filter_map(|user| Some((user, rooms.member(room, user)?)));
        let eldest = others.max_by_key(|(_, member)| {
            let since = std::cmp::Reverse(member.since);
            (member.role >= Role::Admin, since)
        });
        eldest.map(|(user, _)| user)
    }
}
