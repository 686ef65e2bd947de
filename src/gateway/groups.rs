//! The groups of sockets that are told together.

use crate::hub::Group;
use crate::model::UserId;

/// The families of groups.
const USER: u8 = 0;
const PRESENCE: u8 = 1;
const HIDDEN: u8 = 2;

/// The sockets of a person.
pub(super) fn user_group(user: UserId) -> Group {
    Group::new(USER, user.get())
}

/// The sockets that asked to hear of a person's coming and going.
pub(super) fn presence_group(user: UserId) -> Group {
    Group::new(PRESENCE, user.get())
}

/// The sockets that asked the same of a person whom they may not see at present. Nothing is told to
/// them until they may.
pub(super) fn hidden_group(user: UserId) -> Group {
    Group::new(HIDDEN, user.get())
}

/// Returns the person whom the sockets of a group watch, if it is one of [`presence_group`].
pub(super) fn watched_by(group: &Group) -> Option<UserId> {
    of_family(group, PRESENCE)
}

/// Returns the person whom the sockets of a group would watch, if it is one of [`hidden_group`].
pub(super) fn hidden_from(group: &Group) -> Option<UserId> {
    of_family(group, HIDDEN)
}

fn of_family(group: &Group, family: u8) -> Option<UserId> {
    let user = UserId::new(group.number()).ok();
    user.filter(|_| group.family() == family)
}

/// Returns whether a group is one of [`presence_group`] or of [`hidden_group`].
pub(super) fn is_of_watchers(group: &Group) -> bool {
    matches!(group.family(), PRESENCE | HIDDEN)
}
