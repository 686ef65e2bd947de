//! Where the wire and the truth meet: socket events become verbs, and what happened becomes events.
//!
//! `inbound.rs` checks who connects, reads each event's payload and calls a verb of chat; `outbound.rs` hears what
//! happened and broadcasts it; `attendance.rs` tells who comes and goes; `expiry.rs` knows which socket's token ends
//! next, `places.rs` which socket may be continued. The JSON is that of `contract`.

mod attendance;
mod expiry;
mod inbound;
mod outbound;
mod places;

pub use attendance::Attendance;
pub use expiry::Expiry;
pub use inbound::Inbound;
pub use outbound::Outbound;

use crate::hub::Room;
use crate::model::UserId;

/// The sockets of a person.
fn user_room(user: UserId) -> Room {
    Room::Numbered("user", user.get())
}

/// The sockets that asked to hear of a person's coming and going.
fn presence_room(user: UserId) -> Room {
    Room::Numbered(PRESENCE_ROOM, user.get())
}

const PRESENCE_ROOM: &str = "presence";
