//! The groups of sockets that are told together.

use crate::hub::Group;
use crate::model::UserId;

/// The families of groups.
const USER: u8 = 0;
const PRESENCE: u8 = 1;

/// The sockets of a person.
pub(super) fn user_group(user: UserId) -> Group {
    Group::new(USER, user.get())
}

/// The sockets that asked to hear of a person's coming and going.
pub(super) fn presence_group(user: UserId) -> Group {
    Group::new(PRESENCE, user.get())
}

/// Returns the person whom the sockets of a group watch, if it is one of [`presence_group`].
pub(super) fn watched_by(group: &Group) -> Option<UserId> {
    let user = UserId::new(group.number()).ok();
    user.filter(|_| is_presence(group))
}

/// Returns whether a group is one of [`presence_group`].
pub(super) fn is_presence(group: &Group) -> bool {
    group.family() == PRESENCE
}
