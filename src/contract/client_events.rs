//! The events that clients send: name, payload, ack, and the codes of their refusals.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;

use super::acks::{Deleted, MarkedChatRead, MarkedRead, Nothing, PresenceList};
use super::changes::{MessageEdited, ReactionChanged};
use super::documents::Event;
use super::room_events::{RoomMessage, RoomReadUpTo};
use super::{Code, FieldError, Fields, MessageSent, NamedFile, Version, reads};
use crate::model::{ClientId, Emoji, MessageId, Meta, RoomId, UserId};

/// Writes the enum, the names, the decoder and what the documents say of each event from one table.
macro_rules! client_events {
    ($($event:ident = $name:literal: $payload:ident => $command:expr, acked by $ack:ident,
        $(in place of $key:ident a room: $of_room:ident => $in_room:expr, acked by $room_ack:ident,)?
        $about:literal, [$($code:ident),*];)*) => {
        /// An event that a client may send.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum ClientEvent {
            $($event,)*
        }

        impl ClientEvent {
            const ALL: &'static [Self] = &[$(Self::$event),*];

            /// Returns its name on the wire.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$event => $name,)* }
            }

            /// Decodes its payload, as a socket of this version sends it.
            pub(crate) fn decode<'a>(
                self,
                fields: &Fields<'a>,
                version: Version,
            ) -> Result<Command<'a>, FieldError> {
                match self { $(Self::$event => {
                    $(if names_room(fields, stringify!($key), version)? {
                        return $of_room::read(fields).map($in_room);
                    })?
                    $payload::read(fields).map($command)
                })* }
            }

            /// Returns all of them as the documents describe them.
            pub(super) fn described() -> &'static [Event] {
                const DESCRIBED: &[Event] = &[$(Event::from_client::<$payload, $ack>(
                    $name,
                    $about,
                    &[$(Code::$code),*],
                )$(.or_in_room::<$of_room, $room_ack>())?),*];
                DESCRIBED
            }
        }
    };
}

client_events! {
    SendMessage = "send_message": NewMessage => Command::Send, acked by MessageSent,
        in place of receiver_id a room: NewRoomMessage => Command::SendToRoom, acked by RoomMessage,
        "Stores a message, then `receive_message` to every socket of the receiver and `message_sent` to every \
         socket of the sender; of a room `room_message` to every socket of every member. With a `client_id`, sending \
         it again stores nothing again: the ack and the event to the sending socket, this time without a cursor, give \
         the message that there is.",
        [EmptyMessage, MessageTooLong, InvalidReceiver, NotFound, NotAccepted, ClientIdReused, ReadOnly, Forbidden];
    MarkAsRead = "mark_as_read": OneRead => Command::from, acked by MarkedRead,
        "Marks one message read, for its receiver; idempotent. Then `messege_read`. Of a room's message, which takes \
         version 2, moves the reader's position to it; then `room_read`.",
        [NotFound, Forbidden];
    MessegeRead = "messege_read": OwnRead => Command::from, acked by MarkedRead,
        "The same as `mark_as_read`; `user_id` must be the caller's own.",
        [NotFound, Forbidden];
    MarkChatAsRead = "mark_chat_as_read": WholeRead => Command::MarkChatRead, acked by MarkedChatRead,
        in place of user_id a room: WholeRoomRead => Command::MarkRoomRead, acked by RoomReadUpTo,
        "Marks every message from that user read, up to and including `up_to` where given. Then one `chat_read`, \
         and one `messege_read` for each of the newest 100 messages that changed. Of a room it moves the reader's \
         position, which only moves forward; then one `room_read`.",
        [NotFound, InvalidReceiver];
    EditMessage = "edit_message": NewText => Command::from, acked by MessageEdited,
        "Gives a message of the caller's own another text, as long as `--edit-window` says; then `message_edited`. \
         The same text changes nothing, and the ack has the `edited_at` that was. A room's message takes version 2, \
         as for the events below.",
        [EmptyMessage, MessageTooLong, NotFound, NotAccepted, Forbidden, EditWindowOver, ReadOnly];
    DeleteMessage = "delete_message": Erasing => Command::from, acked by Deleted,
        "Erases a message of the caller's own, or, for its admins, any of a room; idempotent. Then \
         `message_deleted`.",
        [NotFound, Forbidden];
    React = "react": Reacting => Command::from, acked by ReactionChanged,
        "Puts an emoji on a message, or takes it away; idempotent. Then `reaction`.",
        [NotFound, NotAccepted, Forbidden, TooManyReactions, ReadOnly];
    Typing = "typing": TypingTo => Command::Typing, acked by Nothing,
        in place of receiver_id a room: TypingInRoom => Command::TypingInRoom, acked by Nothing,
        "Not stored; `typing` to the receiver's sockets, or, in a room of at most 100 members, `room_typing` to the \
         others, unless one may not write there.",
        [NotFound, NotAccepted, Forbidden, InvalidReceiver];
    InView = "in_view": LookingAt => Command::InView, acked by Nothing,
        in place of receiver_id a room: LookingAtRoom => Command::RoomInView, acked by Nothing,
        "Says that the person has that chat in view by this socket, or has it no more: while they have, nothing of it \
         is pushed to them. Not stored; void after 60 s unless it is said again, and with the socket. A socket has at \
         most 4 chats in view.",
        [NotFound, InvalidReceiver];
    PresenceSubscribe = "presence_subscribe": Watched => Command::Watch, acked by PresenceList,
        "Says who of them is there, then `presence` on each change. Replaces the earlier set.",
        [];
}

impl ClientEvent {
    /// Returns the event of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.name() == name)
    }

    /// Returns whether it counts among the messages that a person may send in a time: each is told
    /// to others, and stays.
    pub(crate) const fn counts_as_message(self) -> bool {
        match self {
            Self::SendMessage | Self::EditMessage | Self::DeleteMessage | Self::React => true,
            Self::MarkAsRead
            | Self::MessegeRead
            | Self::MarkChatAsRead
            | Self::Typing
            | Self::InView
            | Self::PresenceSubscribe => false,
        }
    }
}

/// Returns whether an event names its chat by a room, in place of this key.
fn names_room(
    fields: &Fields<'_>,
    key: &'static str,
    version: Version,
) -> Result<bool, FieldError> {
    const ROOM: &str = "room_id";
    if !fields.has(ROOM) {
        return Ok(false);
    }
    let reason = match version {
        Version::First => "rooms take version 2 of the socket".to_owned(),
        Version::Second if fields.has(key) => format!("stands in place of {key}, not beside it"),
        Version::Second => return Ok(true),
    };
    Err(FieldError::Invalid { key: ROOM, reason })
}

/// An event of a client, decoded.
pub(crate) enum Command<'a> {
    Send(NewMessage<'a>),
    SendToRoom(NewRoomMessage<'a>),
    /// By `mark_as_read`, or by `messege_read`, whose `reader` must be the caller.
    MarkRead {
        message_id: MessageId,
        reader: Option<UserId>,
    },
    MarkChatRead(WholeRead),
    MarkRoomRead(WholeRoomRead),
    Change(ChangeCommand<'a>),
    Typing(TypingTo),
    TypingInRoom(TypingInRoom),
    InView(LookingAt),
    RoomInView(LookingAtRoom),
    Watch(Watched),
}

/// An event by which a client changes one message, decoded.
pub(crate) enum ChangeCommand<'a> {
    Edit(NewText<'a>),
    Delete(Erasing),
    React(Reacting),
}

impl<'a> From<NewText<'a>> for Command<'a> {
    fn from(new: NewText<'a>) -> Self {
        Self::Change(ChangeCommand::Edit(new))
    }
}

impl From<Erasing> for Command<'_> {
    fn from(which: Erasing) -> Self {
        Self::Change(ChangeCommand::Delete(which))
    }
}

impl From<Reacting> for Command<'_> {
    fn from(new: Reacting) -> Self {
        Self::Change(ChangeCommand::React(new))
    }
}

impl From<OneRead> for Command<'_> {
    fn from(read: OneRead) -> Self {
        Self::MarkRead {
            message_id: read.message_id,
            reader: None,
        }
    }
}

impl From<OwnRead> for Command<'_> {
    fn from(read: OwnRead) -> Self {
        Self::MarkRead {
            message_id: read.message_id,
            reader: Some(read.user_id),
        }
    }
}

reads! {
    /// The payload of `send_message`.
    #[schemars(rename = "SendMessage")]
    NewMessage<'a> from Fields<'a> {
        /// Another existing user.
        required receiver_id: UserId,
        /// At least one character that is no space, and at most 4,000 (`max_message_chars` of `GET
        /// /api/server`). Beside files it may be absent or empty.
        optional content: Text<'a>,
        /// The sender's own name for it, unique among theirs: sending it again gives the first
        /// message back.
        optional client_id: ClientId,
        /// The message that it answers, of the same chat, which the sender may read.
        optional reply_to: MessageId,
        /// An object of the app's own, of at most 2 KiB as JSON, which is kept and given back as it
        /// is.
        optional meta: Meta,
        /// Files that the sender has uploaded and not sent yet, at most 10: each by its id, or by
        /// an object with that and what is to be seen or heard in it.
        optional attachments: Vec<NamedFile>,
    }
}

reads! {
    /// The payload of `send_message` to a room.
    #[schemars(rename = "SendRoomMessage")]
    NewRoomMessage<'a> from Fields<'a> {
        /// A room of the sender's.
        required room_id: RoomId,
        /// As of a message to a person.
        optional content: Text<'a>,
        /// As of a message to a person.
        optional client_id: ClientId,
        /// As of a message to a person.
        optional reply_to: MessageId,
        /// As of a message to a person.
        optional meta: Meta,
        /// The members whom it mentions, at most 50.
        optional mentions: Vec<UserId>,
        /// Whether it mentions all members: where the sender is an admin of the room, or the room
        /// has at most 20 members.
        optional mention_all: bool,
        /// As of a message to a person.
        optional attachments: Vec<NamedFile>,
    }
}

reads! {
    /// The payload of `mark_as_read`.
    #[schemars(rename = "MarkAsRead")]
    OneRead from Fields<'_> {
        required message_id: MessageId,
    }
}

reads! {
    /// The payload of `messege_read`.
    #[schemars(rename = "MarkOwnRead")]
    OwnRead from Fields<'_> {
        required message_id: MessageId,
        /// The caller's own.
        required user_id: UserId,
    }
}

reads! {
    /// The payload of `mark_chat_as_read`.
    #[schemars(rename = "MarkChatAsRead")]
    WholeRead from Fields<'_> {
        /// Who wrote the messages.
        required user_id: UserId,
        /// The last message to be marked; without it, all.
        optional up_to: MessageId,
    }
}

reads! {
    /// The payload of `mark_chat_as_read` in a room.
    #[schemars(rename = "MarkRoomAsRead")]
    WholeRoomRead from Fields<'_> {
        required room_id: RoomId,
        /// The last message that was read; without it, the newest.
        optional up_to: MessageId,
    }
}

reads! {
    /// The payload of `edit_message`.
    #[schemars(rename = "EditMessage")]
    NewText<'a> from Fields<'a> {
        required message_id: MessageId,
        /// What may be sent.
        required content: Text<'a>,
    }
}

reads! {
    /// The payload of `delete_message`.
    #[schemars(rename = "DeleteMessage")]
    Erasing from Fields<'_> {
        required message_id: MessageId,
    }
}

reads! {
    /// The payload of `react`.
    #[schemars(rename = "React")]
    Reacting from Fields<'_> {
        required message_id: MessageId,
        /// One emoji: what a reader takes for one character, of at most 32 bytes.
        required emoji: Emoji,
        /// `false` to take it away.
        required on: bool,
    }
}

reads! {
    /// The payload of `typing`.
    #[schemars(rename = "SendTyping")]
    TypingTo from Fields<'_> {
        required receiver_id: UserId,
        required is_typing: bool,
    }
}

reads! {
    /// The payload of `typing` in a room.
    #[schemars(rename = "SendRoomTyping")]
    TypingInRoom from Fields<'_> {
        required room_id: RoomId,
        required is_typing: bool,
    }
}

reads! {
    /// The payload of `in_view`.
    #[schemars(rename = "InView")]
    LookingAt from Fields<'_> {
        required receiver_id: UserId,
        /// `false` where they look at it no more.
        required on: bool,
    }
}

reads! {
    /// The payload of `in_view` of a room.
    #[schemars(rename = "RoomInView")]
    LookingAtRoom from Fields<'_> {
        required room_id: RoomId,
        /// As of a person.
        required on: bool,
    }
}

reads! {
    /// The payload of `presence_subscribe`.
    #[schemars(rename = "PresenceSubscribe")]
    Watched from Fields<'_> {
        /// At most 500.
        required user_ids: Vec<UserId>,
    }
}

/// A string that is borrowed where it holds no escape.
#[derive(Deserialize, JsonSchema)]
#[schemars(transparent, inline)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_marks_of_one_message_are_one_command() {
        let fields = Fields::parse(r#"{"message_id":10,"user_id":29}"#).unwrap();
        for (name, expected) in [("mark_as_read", None), ("messege_read", Some(29))] {
            let event = ClientEvent::named(name).unwrap();
            assert_eq!(event.name(), name);
            let decoded = event.decode(&fields, Version::First);
            let Ok(Command::MarkRead { message_id, reader }) = decoded else {
                panic!("{name} marks a message");
            };
            assert_eq!(message_id.get(), 10);
            assert_eq!(reader.map(UserId::get), expected);
        }
        assert_eq!(ClientEvent::named("send"), None);
    }
}
