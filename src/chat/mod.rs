//! The verbs of talk: check, store, tell.
//!
//! ```text
//! verbs.rs       sending and marking; notifier.rs: announcing what is on disk, in commit order
//! rooms.rs       the verbs of rooms, judged by the store in commit order; marks.rs: one a second
//! views.rs       which chats people look at; contacts.rs: who sees whom, and blocks
//! changing.rs    editing, deleting and reacting
//! files.rs       the URLs of the files that messages name
//! reading.rs     pages, and what a person missed; cursors.rs: from where on
//! audience.rs    who hears an entry, live and caught up alike
//! offline.rs     whom a message concerns who is not there
//! presence.rs    who is there; attendance.rs: as the store keeps it
//! ```
//!
//! A verb that changes something is handed a reply, which is called once, after the change is on
//! disk and after [`Listener::happened`] was told of it; the notifier calls both, one after the
//! other in commit order. Neither may block. Reading verbs are `async` and return pages.
//!
//! No clock and no wire here: `now` is an argument, and JSON is `contract`'s.

mod attendance;
mod audience;
mod changing;
mod contacts;
mod cursors;
mod erasing;
mod error;
mod event;
mod files;
mod marks;
mod notifier;
mod offline;
mod presence;
mod reading;
mod rooms;
mod rules;
mod verbs;
mod views;

#[cfg(test)]
mod tests;

pub use attendance::KEPT_AT_ONCE;
pub use audience::{Audience, Form, Hearer, audience, heard_by, heard_from, is_heard_by_origin};
pub use changing::{Changed, Chats};
pub use erasing::Erasing;
pub use error::ChatError;
pub use event::{Behind, Event, Listener};
pub use files::FileUrls;
pub use offline::MAX_OFFLINE;
pub use presence::{Presence, PresenceChange, Seen, Told};
pub use reading::CatchUp;
pub use rooms::{
    AnyMark, MAX_ADDED, MAX_MENTIONS, MAX_SEEN_MEMBERS, RoomFieldError, RoomMark, SendToRoom,
};
pub use rules::{DEFAULT_RECOVERY_WINDOW, RoomCreation, Rules};
pub use verbs::{Chat, Mark, SendMessage};

pub use crate::store::maintain::{Backup, Compacted};
pub use crate::store::{ContactRefusal, RoomRefusal};
pub use crate::store::{FoundMessage, Leavers, MAX_MISSED, Older, SentIn, SentText};
pub use crate::store::{
    HistoryPage, HistoryQuery, HistoryRow, InboxChat, InboxRow, MemberRow, MyRoom, NewRoom,
    OpenRooms, Page, ReactorsPage, Recent, RoomInvite, RoomMessage, RoomUpdate,
};
