//! Who hears an entry, and in which form: one answer for the sockets that hear it live and for the
//! clients that catch up later.

use crate::model::{Act, Notice, UserId};

/// The form in which a person hears an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the sender of a message hears it, with their own name for it.
    Sender,
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

/// Returns the people who hear an entry. Those of one form stand together, so that it is encoded
/// once for them.
pub fn audience(notice: &Notice) -> [Hearer; 2] {
    let form = match notice.entry.act {
        Act::Sent { .. } => Form::Sender,
        Act::Read { .. } | Act::ReadUpTo { .. } => Form::Member,
    };
    [
        Hearer {
            user: notice.other(),
            form: Form::Member,
        },
        Hearer {
            user: notice.entry.author,
            form,
        },
    ]
}

/// Returns the form in which this person hears an entry, if at all.
pub fn heard_by(notice: &Notice, user: UserId) -> Option<Form> {
    let hearer = audience(notice)
        .into_iter()
        .find(|hearer| hearer.user == user);
    hearer.map(|hearer| hearer.form)
}

/// Returns whether the socket that asked for an entry hears it too. One that asked for a mark has
/// its ack instead.
pub fn is_heard_by_origin(notice: &Notice) -> bool {
    match notice.entry.act {
        Act::Sent { .. } => true,
        Act::Read { .. } | Act::ReadUpTo { .. } => false,
    }
}
