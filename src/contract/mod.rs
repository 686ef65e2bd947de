//! What clients can rely on: all that goes over the wire, written down once.
//!
//! ```text
//! code.rs, refusal.rs          an error -> its code, its status, its words
//! fields.rs, reads.rs          decoding what clients send, so that a refusal names the key
//! connect.rs                   a CONNECT, and why it is refused
//! client_events.rs, acks.rs    what clients send, and what they are acked with
//! room_events.rs               the events of rooms, which are of version 2
//! update.rs, server_events.rs  the durable events, and the volatile ones; events.rs lists both
//! attachments.rs               the files of messages
//! hooks.rs                     what outgoing hooks tell
//! changes.rs                   what is told of changed messages, and of reactions
//! version.rs                   the versions of them, and which hear an event alike
//! rows/                        the rows of REST's answers
//! documents/                   the OpenAPI and AsyncAPI documents, made of these types, and a page
//! ```
//!
//! Above `chat` and `accounts`, which know nothing of JSON, and below both doors, which know no
//! other.

mod acks;
mod attachments;
mod changes;
mod client_events;
mod code;
mod connect;
pub(crate) mod documents;
mod events;
mod fields;
mod hooks;
mod quotes;
mod reads;
mod refusal;
mod room_events;
pub(crate) mod rows;
mod server_events;
mod update;
mod version;

pub(crate) use acks::{Deleted, MarkedChatRead, MarkedRead, Nothing, PresenceList, Succeeded};
pub(crate) use attachments::{AttachmentRow, Attachments, NamedFile};
pub(crate) use changes::{MessageEdited, ReactionChanged, ReactionRow, Reactions};
pub(crate) use client_events::{
    ChangeCommand, ClientEvent, Command, Erasing, NewMessage, NewRoomMessage, NewText, Reacting,
    Text, TypingInRoom, TypingTo, WholeRead, WholeRoomRead,
};
pub use code::Code;
pub(crate) use connect::{Capable, ConnectError, Continued, Speaks};
pub(crate) use events::events;
pub use fields::{FieldError, Fields};
pub(crate) use hooks::{
    GoneUser, HookBody, HookData, HookUser, NoData, hook_data, hook_event, hook_parts, hook_room,
    webhooks,
};
pub(crate) use quotes::{OwnedQuote, Quote};
pub(crate) use reads::reads;
pub(crate) use refusal::{Failed, Refusal};
pub(crate) use room_events::{RoomReadUpTo, RoomSeen, RoomSkipped, RoomTyping};
pub(crate) use server_events::{
    CHAT_ERROR, ChatErrorEvent, PRESENCE, Presence, ROOM_SEEN, ROOM_SKIPPED, ROOM_TYPING, TYPING,
    Typing, USER_CHANGED, UserChanged,
};
pub(crate) use update::{MessageSent, Told, Update, tell_live, told_in_room, updates_of};
pub(crate) use version::Version;
