//! The events that clients send: what each carries, does, is acked with and may be refused with. What it does is done by
//! `inbound.rs`.

use std::borrow::Cow;

use schemars::JsonSchema;

use super::wire::{
    CHAT_ERROR, ConnectError, Connected, Failed, MarkedChatRead, MarkedRead, Nothing, PRESENCE,
    PresenceList, TYPING,
};
use crate::chat::{self, MessageSent};
use crate::describe::{self, Events, reads};
use crate::model::{ClientId, Code, Fields, MessageId, UserId};

/// The events that a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    SendMessage,
    MarkAsRead,
    MessegeRead,
    MarkChatAsRead,
    Typing,
    PresenceSubscribe,
}

impl Known {
    const ALL: [Self; 6] = [
        Self::SendMessage,
        Self::MarkAsRead,
        Self::MessegeRead,
        Self::MarkChatAsRead,
        Self::Typing,
        Self::PresenceSubscribe,
    ];

    /// What it carries, does, is acked with and may be refused with.
    const fn described(self) -> &'static describe::Event {
        const SEND_MESSAGE: describe::Event = describe::Event::from_client::<
            NewMessage<'_>,
            MessageSent<'_>,
        >(
            "send_message",
            "Stores a message, then `receive_message` to every socket of the receiver and `message_sent` to every \
                 socket of the sender. With a `client_id`, sending it again stores nothing again.",
            &[
                Code::EmptyMessage,
                Code::MessageTooLong,
                Code::InvalidReceiver,
                Code::NotFound,
                Code::ClientIdReused,
            ],
        );
        const MARK_AS_READ: describe::Event = describe::Event::from_client::<OneRead, MarkedRead>(
            "mark_as_read",
            "Marks one message read, for its receiver; idempotent. Then `messege_read`.",
            &[Code::NotFound, Code::Forbidden],
        );
        const MESSEGE_READ: describe::Event = describe::Event::from_client::<OwnRead, MarkedRead>(
            "messege_read",
            "The same as `mark_as_read`; `user_id` must be the caller's own.",
            &[Code::NotFound, Code::Forbidden],
        );
        const MARK_CHAT_AS_READ: describe::Event = describe::Event::from_client::<
            WholeRead,
            MarkedChatRead,
        >(
            "mark_chat_as_read",
            "Marks every message from that user read, up to and including `up_to` where given. Then one `chat_read`, \
                 and one `messege_read` for each of the newest 100 messages that changed.",
            &[Code::NotFound, Code::InvalidReceiver],
        );
        const TYPING_TO: describe::Event = describe::Event::from_client::<TypingTo, Nothing>(
            "typing",
            "Not stored; `typing` to the receiver's sockets.",
            &[Code::NotFound, Code::InvalidReceiver],
        );
        const PRESENCE_SUBSCRIBE: describe::Event = describe::Event::from_client::<
            Watched,
            PresenceList,
        >(
            "presence_subscribe",
            "Says who of them is there, then `presence` on each change. Replaces the earlier set.",
            &[],
        );
        match self {
            Self::SendMessage => &SEND_MESSAGE,
            Self::MarkAsRead => &MARK_AS_READ,
            Self::MessegeRead => &MESSEGE_READ,
            Self::MarkChatAsRead => &MARK_CHAT_AS_READ,
            Self::Typing => &TYPING_TO,
            Self::PresenceSubscribe => &PRESENCE_SUBSCRIBE,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        self.described().name
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

reads! {
    /// What `send_message` carries.
    #[schemars(rename = "SendMessage")]
    NewMessage<'a> from Fields<'a> {
        /// Another existing user.
        required receiver_id: UserId,
        /// At least one character that is no space, and at most 4,000 (`max_message_chars` of `GET /api/server`).
        required content: Text<'a>,
        /// The sender's own name for it, unique among theirs: sending it again gives the first message back.
        optional client_id: ClientId,
    }
}

reads! {
    /// What `mark_as_read` carries.
    #[schemars(rename = "MarkAsRead")]
    OneRead from Fields<'_> {
        required message_id: MessageId,
    }
}

reads! {
    /// What `messege_read` carries.
    #[schemars(rename = "MarkOwnRead")]
    OwnRead from Fields<'_> {
        required message_id: MessageId,
        /// The caller's own.
        required user_id: UserId,
    }
}

reads! {
    /// What `mark_chat_as_read` carries.
    #[schemars(rename = "MarkChatAsRead")]
    WholeRead from Fields<'_> {
        /// Who wrote the messages.
        required user_id: UserId,
        /// The last message to be marked; without it, all.
        optional up_to: MessageId,
    }
}

reads! {
    /// What `typing` carries.
    #[schemars(rename = "SendTyping")]
    TypingTo from Fields<'_> {
        required receiver_id: UserId,
        required is_typing: bool,
    }
}

reads! {
    /// What `presence_subscribe` carries.
    #[schemars(rename = "PresenceSubscribe")]
    Watched from Fields<'_> {
        /// At most 500.
        required user_ids: Vec<UserId>,
    }
}

reads! {
    /// What a CONNECT carries that would continue a socket.
    Continued<'a> from Fields<'a> {
        /// As the answer to the lost socket's CONNECT gave it.
        optional pid: Cow<'a, str>,
        /// The cursor of the last event that the client had.
        optional offset: Cow<'a, str>,
    }
}

reads! {
    /// What a CONNECT says of its client.
    Capable from Fields<'_> {
        /// Whether the client takes cursors, and so can be continued: `false` for one whose listeners break on a second
        /// argument. Where it is absent, clients whose handshake tells that they are of Python or Dart take none, and
        /// all others do.
        optional cursor: bool,
    }
}

/// What a CONNECT carries.
// Read in two steps, for what is wrong with the token is answered, and with the rest passed over.
#[derive(JsonSchema)]
#[expect(
    dead_code,
    reason = "`connect` reads the token first, `resume` the rest"
)]
struct Auth<'a> {
    /// The JWT; absent where the handshake had an `Authorization` header.
    token: Option<Cow<'a, str>>,
    #[serde(flatten)]
    capable: Capable,
    #[serde(flatten)]
    continued: Continued<'a>,
}

/// All that a socket says and hears, as the documents tell it.
pub fn events() -> Events {
    let volatile = [TYPING, PRESENCE, CHAT_ERROR];
    Events::new::<Failed<'_>>(
        describe::Connecting::new::<Auth<'_>, Connected, ConnectError>(),
        Known::ALL.map(|known| *known.described()).to_vec(),
        [&chat::UPDATES[..], &volatile].concat(),
    )
}

/// A string that is borrowed where it holds no escape.
#[derive(serde::Deserialize, JsonSchema)]
#[schemars(transparent, inline)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);
