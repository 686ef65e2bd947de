//! A room without its members: all that a message to it needs. A transaction that changes it works
//! on a copy, so it is small however many members there are.

use std::sync::Arc;

use super::member::RoomMember;
use crate::model::{
    Act, ChangedMessage, EntryId, Members, Membership, MembershipChange, MessageId, Role, Room,
    RoomHistory, RoomId, RoomPost, RoomRead, Stream, Timestamp, UserId,
};
use crate::store::log::chain::Chain;
use crate::store::log::record::{Author, Links, Record};
use crate::store::room_act::{MAX_TOLD_MEMBERS, RoomRefusal};
use crate::store::sealed::{Rest, put};
use crate::store::talk::numbers::NumberSet;

/// A room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoomHead {
    /// Its description. The number of members in it says nothing.
    pub(crate) room: Arc<Room>,
    /// The entry by which it was made.
    pub(crate) since: EntryId,
    /// The newest entry that changed its description.
    pub(crate) described: EntryId,
    /// How many members it has.
    pub(crate) members: u64,
    /// How many of them are owners.
    pub(crate) owners: u64,
    /// What follows from its messages.
    pub(crate) state: RoomState,
}

/// What follows from the entries of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RoomState {
    /// Its messages.
    pub(crate) chain: Chain,
    /// Its newest entry of any kind.
    pub(crate) last_entry: Option<EntryId>,
    /// The numbers of messages whose content is gone.
    pub(crate) erased: NumberSet,
    /// The numbers of messages that mention all members, and are not erased.
    pub(crate) all_at: NumberSet,
}

impl RoomHead {
    /// Returns a room in which nothing has happened but this.
    pub(crate) fn new(since: EntryId, room: Arc<Room>) -> Self {
        Self {
            room,
            since,
            described: since,
            members: 0,
            owners: 0,
            state: RoomState::default(),
        }
    }

    /// Which room it is.
    pub(crate) fn id(&self) -> RoomId {
        self.room.id
    }

    /// Returns whether it was erased: then it has no name, and is nobody's to read, also while some
    /// are in it and some of what was said there is not erased yet.
    pub(crate) fn is_gone(&self) -> bool {
        self.room.name.is_empty()
    }

    /// Returns whether something of it is still to be erased: it is gone, or all have left it.
    pub(crate) fn is_to_be_erased(&self) -> bool {
        let is_empty = self.members == 0;
        let is_left = !is_empty || !self.is_gone() || self.state.erased.count() < self.count();
        (is_empty || self.is_gone()) && is_left
    }

    /// Returns its description, with the number of its members.
    pub(crate) fn described(&self) -> Arc<Room> {
        Arc::new(Room {
            member_count: self.members,
            ..Room::clone(&self.room)
        })
    }

    /// Returns how many messages it has.
    pub(crate) fn count(&self) -> u64 {
        self.state.chain.length()
    }

    /// Returns the newest message, erased or not.
    pub(crate) fn newest(&self) -> Option<MessageId> {
        self.state.chain.last()
    }

    /// Returns whether the message of this number was erased.
    pub(crate) fn is_erased(&self, number: u64) -> bool {
        self.state.erased.contains(number)
    }

    /// Returns how many messages a member has not read.
    pub(crate) fn unread(&self, member: &RoomMember) -> u64 {
        let read = member.read.count() + self.state.erased.count_outside(&member.read);
        self.count().saturating_sub(read)
    }

    /// Returns how many of those mention the member.
    pub(crate) fn mentions(&self, member: &RoomMember) -> u64 {
        let by_name = member.mentions.count_outside(&self.state.erased);
        by_name + self.state.all_at.count_outside(&member.read)
    }

    /// Refuses what a member may not write here.
    pub(crate) fn check_writes(&self, member: &RoomMember) -> Result<(), RoomRefusal> {
        if self.room.archived_at.is_some() {
            return Err(RoomRefusal::Archived);
        }
        if self.room.post == RoomPost::Admins && member.role < Role::Admin {
            return Err(RoomRefusal::PostAdmins);
        }
        Ok(())
    }

    /// Returns the change of a membership, with how the room stands then.
    pub(crate) fn membership(
        &self,
        user: UserId,
        change: MembershipChange,
        role: Role,
    ) -> Membership {
        let member_count = match change {
            MembershipChange::Joined => self.members + 1,
            MembershipChange::Left | MembershipChange::Removed => self.members.saturating_sub(1),
            MembershipChange::Role => self.members,
        };
        Membership {
            room: self.id(),
            user,
            change,
            role,
            member_count,
            number: self.count(),
            newest: self.newest(),
            last: self
                .state
                .last_entry
                .filter(|_| member_count > MAX_TOLD_MEMBERS),
            described: self.described,
        }
    }

    /// Returns the record of a change of a membership by a person: an entry of the room, or, where
    /// that is large, of the member's own stream, which ends with `own`.
    pub(crate) fn membership_record<T>(
        &self,
        by: UserId,
        at: Timestamp,
        membership: Membership,
        own: Option<EntryId>,
    ) -> Record<T> {
        let user = membership.user;
        let is_told = membership.member_count <= MAX_TOLD_MEMBERS;
        let act = Act::MemberChanged(Box::new(membership));
        let author = Author::Account(by);
        match is_told {
            true => self.record(author, at, act),
            false => Record {
                author,
                ..own_record(user, at, act, own)
            },
        }
    }

    /// Returns what a member's mark up to a message of this number comes to; `None` where their
    /// position is there already.
    pub(crate) fn read(
        &self,
        member: &RoomMember,
        message: MessageId,
        number: u64,
    ) -> Option<RoomRead> {
        // What they wrote themselves is read, and moves their position as any other message does.
        if member.read_up_to >= Some(message) {
            return None;
        }
        let mut after = member.clone();
        after.read_through(number, message);
        Some(RoomRead {
            room: self.id(),
            message,
            number,
            unread_count: self.unread(&after),
            mention_count: self.mentions(&after),
        })
    }

    /// Returns the record of an act in this room.
    pub(crate) fn record<T>(&self, author: Author, at: Timestamp, act: Act<T>) -> Record<T> {
        let links = match act {
            Act::Sent { .. } | Act::Erased { .. } => self.state.chain.next(),
            _ => Links::default(),
        };
        Record {
            stream: Stream::Room(self.id()),
            author,
            at,
            previous: self.state.last_entry,
            rank: 0,
            links,
            act,
        }
    }
}

/// Returns whether a member may read a message of the room.
pub(crate) fn may_read(head: &RoomHead, member: &RoomMember, message: MessageId) -> bool {
    !head.is_gone()
        && (head.room.history == RoomHistory::All || EntryId::from(message) > member.since)
}

/// Returns what is left of a message of a room, or all of it. The record must be a message.
pub(crate) fn remains_in_room(
    id: MessageId,
    room: RoomId,
    history: RoomHistory,
    record: &Record<&str>,
) -> ChangedMessage {
    let (content, extras) = match &record.act {
        Act::Sent {
            content, extras, ..
        } => (*content, extras.as_ref()),
        _ => ("", None),
    };
    let sender_id = match record.author {
        Author::Account(user) => user,
        Author::Member(_) | Author::Server => unreachable!("a room's message has an author"),
    };
    ChangedMessage {
        id,
        members: Members::Room(room),
        sender_id,
        content: content.into(),
        extras: extras.map(|extras| Box::new(extras.to_shared())),
        history,
    }
}

/// Returns the record of an act of a person's own, whose stream ends with `previous`.
pub(crate) fn own_record<T>(
    user: UserId,
    at: Timestamp,
    act: Act<T>,
    previous: Option<EntryId>,
) -> Record<T> {
    Record {
        stream: Stream::Own(user),
        author: Author::Account(user),
        at,
        previous,
        rank: 0,
        links: Links::default(),
        act,
    }
}

impl RoomState {
    /// Appends its form in a row.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.last_entry.map_or(0, EntryId::get));
        self.chain.encode(out);
        self.erased.encode(out);
        self.all_at.encode(out);
    }

    /// Reads it back.
    pub(crate) fn decode(rest: &mut Rest<'_>) -> Option<Self> {
        let last_entry = match rest.take()? {
            0 => None,
            number => Some(EntryId::new(number).ok()?),
        };
        Some(Self {
            last_entry,
            chain: Chain::decode(rest)?,
            erased: NumberSet::decode(rest)?,
            all_at: NumberSet::decode(rest)?,
        })
    }
}
