//! The events that clients send: name, payload, ack, and the codes of their refusals.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;

use super::acks::{MarkedChatRead, MarkedRead, Nothing, PresenceList};
use super::documents::Event;
use super::{Code, FieldError, Fields, MessageSent, reads};
use crate::model::{ClientId, MessageId, Meta, UserId};

/// Writes the enum, the names, the decoder and what the documents say of each event from one table.
macro_rules! client_events {
    ($($event:ident = $name:literal: $payload:ident => $command:expr, acked by $ack:ident,
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

            /// Decodes its payload.
            pub(crate) fn decode<'a>(self, fields: &Fields<'a>) -> Result<Command<'a>, FieldError> {
                match self { $(Self::$event => $payload::read(fields).map($command),)* }
            }

            /// Returns all of them as the documents describe them.
            pub(super) fn described() -> &'static [Event] {
                const DESCRIBED: &[Event] = &[$(Event::from_client::<$payload, $ack>(
                    $name,
                    $about,
                    &[$(Code::$code),*],
                )),*];
                DESCRIBED
            }
        }
    };
}

client_events! {
    SendMessage = "send_message": NewMessage => Command::Send, acked by MessageSent,
        "Stores a message, then `receive_message` to every socket of the receiver and `message_sent` to every \
         socket of the sender. With a `client_id`, sending it again stores nothing again.",
        [EmptyMessage, MessageTooLong, InvalidReceiver, NotFound, ClientIdReused];
    MarkAsRead = "mark_as_read": OneRead => Command::from, acked by MarkedRead,
        "Marks one message read, for its receiver; idempotent. Then `messege_read`.",
        [NotFound, Forbidden];
    MessegeRead = "messege_read": OwnRead => Command::from, acked by MarkedRead,
        "The same as `mark_as_read`; `user_id` must be the caller's own.",
        [NotFound, Forbidden];
    MarkChatAsRead = "mark_chat_as_read": WholeRead => Command::MarkChatRead, acked by MarkedChatRead,
        "Marks every message from that user read, up to and including `up_to` where given. Then one `chat_read`, \
         and one `messege_read` for each of the newest 100 messages that changed.",
        [NotFound, InvalidReceiver];
    Typing = "typing": TypingTo => Command::Typing, acked by Nothing,
        "Not stored; `typing` to the receiver's sockets.",
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
}

/// An event of a client, decoded.
pub(crate) enum Command<'a> {
    Send(NewMessage<'a>),
    /// By `mark_as_read`, or by `messege_read`, whose `reader` must be the caller.
    MarkRead {
        message_id: MessageId,
        reader: Option<UserId>,
    },
    MarkChatRead(WholeRead),
    Typing(TypingTo),
    Watch(Watched),
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
        /// /api/server`).
        required content: Text<'a>,
        /// The sender's own name for it, unique among theirs: sending it again gives the first
        /// message back.
        optional client_id: ClientId,
        /// An object of the app's own, of at most 2 KiB as JSON, which is kept and given back as it
        /// is.
        optional meta: Meta,
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
    /// The payload of `typing`.
    #[schemars(rename = "SendTyping")]
    TypingTo from Fields<'_> {
        required receiver_id: UserId,
        required is_typing: bool,
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
            let Ok(Command::MarkRead { message_id, reader }) = event.decode(&fields) else {
                panic!("{name} marks a message");
            };
            assert_eq!(message_id.get(), 10);
            assert_eq!(reader.map(UserId::get), expected);
        }
        assert_eq!(ClientEvent::named("send"), None);
    }
}
