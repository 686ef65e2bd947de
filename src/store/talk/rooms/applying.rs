//! What an entry of a room, or of a person's own, makes of the rooms.
//!
//! An entry is applied to what a transaction changes, and at a start to all that is read from the
//! tables. There an entry may come that is known already: by it nothing changes that later entries
//! do not set right.

use std::sync::Arc;

use super::head::{RoomHead, RoomState};
use super::member::{Person, RoomMember, Stay};
use crate::model::{
    Act, ChatId, ChatSettings, EntryId, Extras, Membership, MembershipChange, MessagePart, Role,
    RoomChange, RoomId, Stream, UserId,
};
use crate::store::log::record::{Author, Record};

/// Where rooms are kept.
pub(crate) trait RoomTable {
    /// A room to be changed.
    fn head_mut(&mut self, room: RoomId) -> Option<&mut RoomHead>;
    /// Puts a room that is new.
    fn put_head(&mut self, head: RoomHead);
    /// A member to be changed.
    fn member_mut(&mut self, room: RoomId, user: UserId) -> Option<&mut RoomMember>;
    /// Puts a member, or takes one away. Returns the one before.
    fn set_member(
        &mut self,
        room: RoomId,
        user: UserId,
        member: Option<RoomMember>,
    ) -> Option<RoomMember>;
    /// A person to be changed.
    fn person_mut(&mut self, user: UserId) -> &mut Person;
    /// Notes the newest entry of a person's own stream.
    fn set_own(&mut self, user: UserId, entry: EntryId);
    /// Notes how a chat of two makes itself heard to the first of them.
    fn set_settings(&mut self, user: UserId, peer: UserId, settings: ChatSettings);
    /// Notes that a person has blocked another, or has no more.
    fn set_block(&mut self, user: UserId, peer: UserId, blocked: bool);
}

/// Applies an entry. `None` where it is of a room that is not there.
pub(crate) fn apply<T>(rooms: &mut impl RoomTable, id: EntryId, record: &Record<T>) -> Option<()> {
    match record.stream {
        Stream::Pair(_) => return Some(()),
        Stream::Own(user) => rooms.set_own(user, id),
        Stream::Room(room) => {
            if let Act::RoomChanged {
                change: RoomChange::Created,
                room,
            } = &record.act
                && rooms.head_mut(room.id).is_none()
            {
                rooms.put_head(RoomHead::new(id, Arc::clone(room)));
            }
            let state = &mut rooms.head_mut(room)?.state;
            if state.last_entry < Some(id) {
                apply_to_state(state, id, record);
            }
        }
    }
    match &record.act {
        Act::Sent { extras, .. } | Act::Erased { extras, .. } => {
            sent(rooms, record, extras.as_deref())
        }
        // What these change beside the room itself is in the messages.
        Act::MessageChanged { .. } | Act::ErasedMany(_) => {
            matches!(record.stream, Stream::Room(_)).then_some(())
        }
        Act::RoomChanged { room, .. } => {
            let head = rooms.head_mut(room.id)?;
            (head.room, head.described) = (Arc::clone(room), id);
            Some(())
        }
        Act::MemberChanged(membership) => change_member(rooms, id, record, membership),
        Act::RoomRead(read) => {
            if let (Stream::Own(user), number) = (record.stream, read.number)
                && let Some(member) = rooms.member_mut(read.room, user)
            {
                member.read_through(number, read.message);
            }
            Some(())
        }
        Act::Settings {
            chat,
            settings,
            blocks,
        } => {
            let Stream::Own(user) = record.stream else {
                return None;
            };
            match chat {
                ChatId::Person(peer) => {
                    rooms.set_settings(user, *peer, *settings);
                    if let Some(blocked) = blocks {
                        rooms.set_block(user, *peer, *blocked);
                    }
                }
                ChatId::Room(room) => {
                    if let Some(member) = rooms.member_mut(*room, user) {
                        member.settings = *settings;
                    }
                }
            }
            Some(())
        }
        _ => None,
    }
}

/// Notes what follows from an entry for its room.
fn apply_to_state<T>(state: &mut RoomState, id: EntryId, record: &Record<T>) {
    state.last_entry = Some(id);
    let number = record.links.number;
    match &record.act {
        Act::Sent { extras, .. } | Act::Erased { extras, .. } => {
            state.chain.push(id.into());
            if extras.as_ref().is_some_and(|extras| extras.mention_all) {
                state.all_at.mark(number);
            }
        }
        Act::MessageChanged { change, .. } => match change.part() {
            MessagePart::Whole => {
                state.erased.mark(number);
                state.all_at.unmark(number);
            }
            MessagePart::Text | MessagePart::Beside => {}
        },
        Act::ErasedMany(erasure) => {
            for message in &erasure.messages {
                state.erased.mark(message.number);
                state.all_at.unmark(message.number);
            }
        }
        _ => {}
    }
}

/// Marks a message in the set of its sender, and in the lists of those whom it mentions.
fn sent<T>(
    rooms: &mut impl RoomTable,
    record: &Record<T>,
    extras: Option<&Extras<T>>,
) -> Option<()> {
    let (Stream::Room(room), Author::Account(sender)) = (record.stream, record.author) else {
        return None;
    };
    let number = record.links.number;
    if let Some(member) = rooms.member_mut(room, sender) {
        member.read.mark(number);
    }
    // One that mentions all is counted once, whomever it names beside that.
    let names = extras.filter(|extras| !extras.mention_all);
    for user in names.map_or(&[][..], |extras| &extras.mentions) {
        if *user != sender
            && let Some(member) = rooms.member_mut(room, *user)
        {
            member.mention(number);
        }
    }
    Some(())
}

fn change_member<T>(
    rooms: &mut impl RoomTable,
    id: EntryId,
    record: &Record<T>,
    membership: &Membership,
) -> Option<()> {
    let Membership {
        room, user, role, ..
    } = *membership;
    let owner = |role: Role| u64::from(role == Role::Owner);
    rooms.head_mut(room)?;
    // At a start the rows may know a later membership: what became of an earlier one is in them.
    let known = rooms.member_mut(room, user);
    if known.is_some_and(|known| known.since > id) {
        return Some(());
    }
    let before = match membership.change {
        MembershipChange::Joined => {
            let read = (membership.number, membership.newest);
            let member = RoomMember::new(role, id, record.at, read);
            rooms.person_mut(user).enter(room);
            let before = rooms.set_member(room, user, Some(member));
            let head = rooms.head_mut(room)?;
            head.members += 1;
            head.owners += owner(role);
            before
        }
        MembershipChange::Left | MembershipChange::Removed => {
            let before = rooms.set_member(room, user, None);
            if let Some(before) = &before {
                let (since, until) = (before.since, id);
                rooms.person_mut(user).leave(Stay { room, since, until });
            }
            before
        }
        MembershipChange::Role => {
            // At a start the rows may know that the membership ended later.
            let Some(member) = rooms.member_mut(room, user) else {
                return Some(());
            };
            let before = std::mem::replace(&mut member.role, role);
            let head = rooms.head_mut(room)?;
            head.owners = head.owners - owner(before) + owner(role);
            None
        }
    };
    if let Some(before) = before {
        let head = rooms.head_mut(room)?;
        head.members -= 1;
        head.owners -= owner(before.role);
    }
    Some(())
}

/// Hands on the key of each row of what is derived that an entry changes: a room and 0, a room and
/// a member, or 0 and a person.
pub(crate) fn for_touched<T>(record: &Record<T>, mut touch: impl FnMut((u64, u64))) {
    match record.stream {
        Stream::Pair(_) => return,
        Stream::Room(room) => touch((room.get(), 0)),
        Stream::Own(user) => touch((0, user.get())),
    }
    match &record.act {
        Act::Sent { extras, .. } | Act::Erased { extras, .. } => {
            if let (Stream::Room(room), Author::Account(sender)) = (record.stream, record.author) {
                touch((room.get(), sender.get()));
                for user in extras.as_ref().map_or(&[][..], |extras| &extras.mentions) {
                    touch((room.get(), user.get()));
                }
            }
        }
        Act::MemberChanged(change) => touch((change.room.get(), change.user.get())),
        Act::RoomRead(read) => {
            if let Stream::Own(user) = record.stream {
                touch((read.room.get(), user.get()));
            }
        }
        _ => {}
    }
}
