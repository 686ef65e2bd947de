//! All that a socket says and hears, as the documents list it.

use super::connect::{ConnectError, ConnectPayload};
use super::documents::{Connecting, Events};
use super::server_events::{ROOM_SEEN, ROOM_SKIPPED, ROOM_TYPING};
use super::update::updates;
use super::{CHAT_ERROR, ClientEvent, PRESENCE, TYPING, USER_CHANGED};
use crate::socketio::Connected;

/// Returns every event, and the packets by which a socket connects.
pub(crate) fn events() -> Events {
    let volatile = [
        TYPING,
        PRESENCE,
        USER_CHANGED,
        ROOM_TYPING,
        ROOM_SEEN,
        ROOM_SKIPPED,
        CHAT_ERROR,
    ];
    Events {
        connecting: Connecting::new::<ConnectPayload<'_>, Connected<'_>, ConnectError>(),
        from_clients: ClientEvent::described().to_vec(),
        to_clients: [&updates()[..], &volatile].concat(),
    }
}
