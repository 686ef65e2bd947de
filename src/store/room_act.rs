//! What is done with rooms and settings, and why it is refused.

use std::sync::Arc;

use crate::model::{
    ChatId, Notice, Notify, Role, Room, RoomHistory, RoomId, RoomKind, RoomPost, Timestamp, UserId,
};

/// 500 rooms: each costs one look at its newest entry whenever its member catches up.
pub const MAX_ROOMS: usize = 500;
/// 450 of them: into more nobody is put by others, so that there is always place for those that a
/// person enters by themselves.
pub(crate) const MAX_ROOMS_BY_OTHERS: usize = 450;
/// 250 of them: into more one admin puts nobody. They are given an invite, and enter if they like.
pub(crate) const MAX_ROOMS_BY_ONE: usize = 250;
/// 10,000 members: the default of `--max-room-members`.
pub const DEFAULT_MAX_ROOM_MEMBERS: u64 = 10_000;
/// In rooms of more members than this, a change of a membership is told to that member alone: a
/// crowd that joins would else fill what everybody else has to catch up with.
pub const MAX_TOLD_MEMBERS: u64 = 200;
/// In rooms of at most so many members, anybody may mention all.
pub(crate) const MAX_MENTIONED_BY_ALL: u64 = 20;

/// An act on a room, or on the settings of a chat.
#[derive(Debug, Clone)]
pub struct RoomAct {
    /// Who does it; `None` for the server itself, which archives and erases rooms, sets how long
    /// they are retained, and does nothing else.
    pub by: Option<UserId>,
    /// What is done.
    pub what: RoomCommand,
}

/// What is done with a room.
#[derive(Debug, Clone)]
pub enum RoomCommand {
    /// Makes a room, whose owner is its maker.
    Create {
        /// How it is described.
        room: NewRoom,
        /// Who else is in it from the start.
        members: Vec<UserId>,
        /// How many members it may have.
        most: u64,
    },
    /// Describes a room anew.
    Update {
        /// The room.
        room: RoomId,
        /// In what.
        update: RoomUpdate,
    },
    /// Makes a room one that is only read.
    Archive {
        /// The room.
        room: RoomId,
    },
    /// Makes a room one in which nobody is any more: what was said there is erased after it.
    Erase {
        /// The room.
        room: RoomId,
    },
    /// Sets after how many days the messages of a room are erased; `None` for as the server does.
    Retain {
        /// The room.
        room: RoomId,
        /// How many.
        days: Option<u32>,
    },
    /// Adds members, and changes the roles of those that are members already.
    SetMembers {
        /// The room.
        room: RoomId,
        /// Who; without a role, as they are, or as an ordinary member.
        members: Vec<(UserId, Option<Role>)>,
        /// How many members the room may have.
        most: u64,
    },
    /// Takes a member out of a room.
    Remove {
        /// The room.
        room: RoomId,
        /// Who.
        user: UserId,
    },
    /// Goes out of a room.
    Leave {
        /// The room.
        room: RoomId,
    },
    /// Joins an open room.
    Join {
        /// The room.
        room: RoomId,
        /// How many members it may have.
        most: u64,
    },
    /// Makes an invite into a room, whose code no other has.
    Invite {
        /// The room.
        room: RoomId,
        /// The invite.
        invite: RoomInvite,
        /// How many members the room may have.
        most: u64,
    },
    /// Takes an invite into a room away.
    RevokeInvite {
        /// The room.
        room: RoomId,
        /// The invite's code.
        invite: Arc<str>,
    },
    /// Joins a room by an invite, and uses that.
    JoinBy {
        /// The invite's code.
        invite: Arc<str>,
        /// How many members the room may have.
        most: u64,
    },
    /// Sets how a chat makes itself heard.
    Set {
        /// The chat.
        chat: ChatId,
        /// Of what it notifies, where that changes.
        notify: Option<Notify>,
        /// Until when it is silent, where that changes.
        muted_until: Option<Option<Timestamp>>,
    },
    /// Blocks another person, or does so no more.
    Block {
        /// Whom.
        user: UserId,
        /// Whether they are to be blocked.
        blocked: bool,
    },
}

/// An invite into a room, to be made.
#[derive(Debug, Clone)]
pub struct RoomInvite {
    /// The code, which nobody can guess and no other invite has.
    pub code: Arc<str>,
    /// How many people it may lead into the room.
    pub max_uses: u32,
    /// From when on it leads nobody.
    pub expires_at: Timestamp,
    /// Whether new people may register by it.
    pub registers: bool,
    /// Its maker administers by what a token of another system says, whatever their account is.
    pub by_token: bool,
}

/// How a room is described when it is made.
#[derive(Debug, Clone)]
pub struct NewRoom {
    /// Its name, which is checked already.
    pub name: Arc<str>,
    /// What it is for.
    pub topic: Arc<str>,
    /// Its picture.
    pub avatar: Option<Arc<str>>,
    /// Who may join it.
    pub kind: RoomKind,
    /// What newcomers read.
    pub history: RoomHistory,
    /// Who writes.
    pub post: RoomPost,
}

/// What is to change of a room; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct RoomUpdate {
    /// Its name, which is checked already.
    pub name: Option<Arc<str>>,
    /// What it is for.
    pub topic: Option<Arc<str>>,
    /// Its picture, or none.
    pub avatar: Option<Option<Arc<str>>>,
    /// Who may join it.
    pub kind: Option<RoomKind>,
    /// What newcomers read.
    pub history: Option<RoomHistory>,
    /// Who writes.
    pub post: Option<RoomPost>,
}

/// What an act on a room came to.
#[derive(Debug, Clone)]
pub struct RoomDone {
    /// The room as it is now; `None` where the act is about the chat of two people, or its author
    /// is no member any more.
    pub room: Option<Arc<Room>>,
    /// The entries, in order; none where all was so already.
    pub notices: Vec<Notice>,
}

/// Why an act in or on a room is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoomRefusal {
    /// No room has this id, or the caller is no member of it.
    #[error("no such room")]
    NoSuchRoom,
    /// Only its admins may do it.
    #[error("only an admin of the room may do that")]
    NotAdmin,
    /// Only its owners may do it.
    #[error("only an owner of the room may do that")]
    NotOwner,
    /// It would leave the room without an owner.
    #[error("the last owner of the room stays until there is another one")]
    LastOwner,
    /// Only the room's admins write.
    #[error("only admins write in this room")]
    PostAdmins,
    /// The room is archived.
    #[error("the room is archived")]
    Archived,
    /// It has as many members as it may have.
    #[error("the room has as many members as it may have")]
    Full,
    /// The person is in as many rooms as one may be.
    #[error("a person is in at most {MAX_ROOMS} rooms")]
    TooManyRooms,
    /// The person is in as many rooms as others may put one into.
    #[error(
        "others put a person into at most {MAX_ROOMS_BY_OTHERS} rooms: give an invite, by which they join if they like"
    )]
    TooManyByOthers,
    /// The person is in as many rooms of this admin as one may put them into.
    #[error(
        "one admin puts a person into at most {MAX_ROOMS_BY_ONE} rooms: give an invite, by which they join if they like"
    )]
    TooManyByOne,
    /// A message mentions one who is no member.
    #[error("mentions must be ids of members of the room")]
    NotMembers,
    /// Only admins may mention all in a room of so many.
    #[error("only admins mention all in a room of more than {MAX_MENTIONED_BY_ALL} members")]
    MentionAll,
}
