//! Who hears an entry, and in which form: one answer for the sockets that hear it live and for the
//! clients that catch up later.

use smallvec::SmallVec;

use crate::model::{Act, EntryId, Members, Notice, RoomChange, RoomHistory, RoomId, UserId};

/// The form in which a person hears an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the one hears it whom it is about: the sender of a message, with their own name for it;
    /// the one who came into a room, with the room. Of many messages of two people that went at
    /// once, as the first of these hears it.
    Own,
    /// As any member hears it.
    Member,
}

/// A person who hears an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hearer {
    /// The person.
    pub user: UserId,
    /// The form in which they hear it.
    pub form: Form,
}

/// Those who hear an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// People by themselves. Those of one form stand together, so that it is encoded once for them.
    pub people: SmallVec<[Hearer; 2]>,
    /// A room, all of whose members at that entry hear it as members, but for those named above.
    pub room: Option<RoomId>,
}

/// Returns those who hear an entry.
pub fn audience(notice: &Notice) -> Audience {
    let form = match notice.entry.act {
        Act::Sent { .. } => Form::Own,
        _ => Form::Member,
    };
    let author = notice.entry.author.map(|user| Hearer { user, form });
    let member = |user| Hearer {
        user,
        form: Form::Member,
    };
    let own = |user| Hearer {
        user,
        form: Form::Own,
    };
    match notice.members {
        // Each hears which chat it is by the other one.
        Members::Pair(pair) if matches!(notice.entry.act, Act::ErasedMany(_)) => {
            let [first, second] = pair.members();
            Audience {
                people: [own(first), member(second)].into_iter().collect(),
                room: None,
            }
        }
        Members::Pair(pair) => {
            let is_other = |user: &UserId| Some(*user) != notice.entry.author;
            let others = pair.members().into_iter().filter(is_other).map(member);
            let author = author.filter(|author| pair.place(author.user).is_some());
            Audience {
                people: others.chain(author).collect(),
                room: None,
            }
        }
        Members::Room(room) => {
            // Who makes a room is no member yet, who leaves it none any more, and both hear of it.
            let named = match &notice.entry.act {
                Act::Sent { .. } => author,
                Act::RoomChanged {
                    change: RoomChange::Created,
                    ..
                } => author,
                Act::MemberChanged(change) => Some(own(change.user)),
                _ => None,
            };
            Audience {
                people: named.into_iter().collect(),
                room: Some(room),
            }
        }
        Members::Own(user) => Audience {
            people: [own(user)].into_iter().collect(),
            room: None,
        },
    }
}

/// Returns the form in which this person hears an entry, if at all. Of an entry of a room it is
/// asked for those who were members then.
pub fn heard_by(notice: &Notice, user: UserId) -> Option<Form> {
    let Audience { people, room } = audience(notice);
    let named = people.iter().find(|hearer| hearer.user == user);
    let named = named.map(|hearer| hearer.form);
    named.or_else(|| room.map(|_| Form::Member))
}

/// Returns the entry at which who hears an entry of a room must have been a member: that one
/// itself, and of a change of a message the message, where newcomers read nothing of the time
/// before them.
pub fn heard_from(notice: &Notice) -> EntryId {
    let changed = notice.message.as_ref();
    let hidden = changed.filter(|message| message.history == RoomHistory::Joined);
    hidden.map_or(notice.entry.id, |message| message.id.into())
}

/// Returns whether the socket that asked for an entry hears it too. One that asked for a mark has
/// its ack instead.
pub fn is_heard_by_origin(notice: &Notice) -> bool {
    match notice.entry.act {
        Act::Sent { .. } => true,
        Act::RoomChanged { .. }
        | Act::MemberChanged(_)
        | Act::Settings { .. }
        | Act::MessageChanged { .. }
        | Act::ErasedMany(_) => true,
        Act::Read { .. } | Act::ReadUpTo { .. } | Act::RoomRead(_) | Act::Erased { .. } => false,
    }
}
