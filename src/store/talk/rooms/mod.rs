//! Rooms in memory: each with what sending to it needs, its members one by one, and of each person
//! in which rooms they are.

pub(crate) mod all;
pub(crate) mod applying;
pub(crate) mod changes;
pub(crate) mod head;
pub(crate) mod member;
pub(crate) mod rows;

pub(crate) use all::Rooms;
pub(crate) use applying::{apply, for_touched};
pub(crate) use changes::RoomChanges;
pub(crate) use head::{RoomHead, may_read, own_record, remains_in_room};
pub(crate) use member::{Person, RoomMember};
