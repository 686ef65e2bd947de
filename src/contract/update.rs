//! The durable events as a person is told of them: by a socket, by catching up, and by REST alike.
//!
//! One change is one entry of the log and leads to one or more events for each person concerned, in
//! this order; a cursor names an entry and the number of an event in it.

use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value;

use super::Quote;
use super::attachments::Attachments;
use super::changes::{CHANGE_EVENTS, MessageUpdate, MessagesErased, Reactions};
use super::documents::Event;
use super::room_events::{
    BlockChanged, ChatSettingsAre, RoomChanged, RoomMember, RoomMessage, RoomReadUpTo,
};
use super::version::{Version, heard_in};
use crate::chat::{Form, Hearer, heard_by};
use crate::model::{
    Act, ChatId, ClientId, Cursor, Entry, Members, MessageId, Meta, Notice, Speaker, Timestamp,
    UserId, row_bytes,
};

/// One durable event for one person.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(transform = in_one_list)]
pub(crate) enum Update<'a> {
    /// To the receiver.
    ReceiveMessage(ReceiveMessage<'a>),
    /// To the sender, and the data of `send_message`'s ack.
    MessageSent(MessageSent<'a>),
    /// To the message's sender and its reader.
    MessegeRead(MessegeRead),
    /// To both.
    ChatRead(ChatReadUpTo),
    /// To the members, and the data of `send_message`'s ack in a room.
    RoomMessage(RoomMessage<'a>),
    /// To the reader's own sockets.
    RoomRead(RoomReadUpTo),
    /// To the members.
    RoomChanged(RoomChanged<'a>),
    /// To the person, and to the members of a room that is not large.
    RoomMember(RoomMember<'a>),
    /// To the person's own sockets.
    ChatSettings(ChatSettingsAre),
    /// To the person's own sockets.
    BlockChanged(BlockChanged),
    /// To both, or to the members of a room.
    Changed(MessageUpdate<'a>),
    /// To both, or to the members of a room.
    MessagesErased(MessagesErased),
}

/// `receive_message`:
/// `{"id":10,"sender_id":1,"receiver_id":2,"content":"Halo!",
/// "created_at":"2025-06-05T12:00:00.000Z"}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct ReceiveMessage<'a> {
    /// Grows in the order in which messages are stored.
    pub(crate) id: MessageId,
    /// Who wrote it.
    pub(crate) sender_id: UserId,
    /// Whom it is for.
    pub(crate) receiver_id: UserId,
    /// The text, as it was sent.
    pub(crate) content: &'a str,
    /// When the server took it.
    pub(crate) created_at: Timestamp,
    /// The message that it answers; absent where it answers none. Version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Quote<'static>")]
    pub(crate) reply_to: Option<Quote<'a>>,
    /// The object that the sender's app hung on it. Version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) meta: Option<&'a Meta>,
    /// What a hook calls the one who speaks through its bot; absent unless one does. Version 2.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Speaker")]
    pub(crate) speaker: Option<&'a Speaker>,
    /// The files that hang on it; absent where there are none. Version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attachments: Option<Attachments<'a>>,
    /// There, and true, where it was sent without a text and `content` is the names of its files.
    /// Version 2.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    pub(crate) auto_content: bool,
    /// When it got the text that it has; absent where that is the first one. Version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edited_at: Option<Timestamp>,
    /// The reactions to it; absent where there are none. Version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reactions: Option<Reactions<'a>>,
}

/// `message_sent`:
/// `{"id":10,"receiver_id":2,"content":"Halo!","created_at":"2025-06-05T12:00:00.000Z",
/// "client_id":"…"?}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct MessageSent<'a> {
    /// Grows in the order in which messages are stored.
    pub(crate) id: MessageId,
    /// Whom it is for.
    pub(crate) receiver_id: UserId,
    /// The text, as it was sent.
    pub(crate) content: &'a str,
    /// When the server took it.
    pub(crate) created_at: Timestamp,
    /// The sender's own name for it, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<&'a ClientId>,
    /// The message that it answers; absent where it answers none. Version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Quote<'static>")]
    pub(crate) reply_to: Option<Quote<'a>>,
    /// The object that the sender's app hung on it. Version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) meta: Option<&'a Meta>,
    /// What a hook calls the one who speaks through its bot; absent unless one does. Version 2.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Speaker")]
    pub(crate) speaker: Option<&'a Speaker>,
    /// The files that hang on it; absent where there are none. Version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attachments: Option<Attachments<'a>>,
    /// There, and true, where it was sent without a text and `content` is the names of its files.
    /// Version 2.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    pub(crate) auto_content: bool,
    /// When it got the text that it has; absent where that is the first one. Version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edited_at: Option<Timestamp>,
    /// The reactions to it; absent where there are none. Version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reactions: Option<Reactions<'a>>,
}

/// `messege_read`, so spelled from the first document on: `{"message_id":10,"user_id":2}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct MessegeRead {
    /// Which message.
    pub(crate) message_id: MessageId,
    /// Who read it.
    pub(crate) user_id: UserId,
}

/// `chat_read`: `{"reader_id":2,"peer_id":1,"up_to":57}`
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "ChatRead")]
pub(crate) struct ChatReadUpTo {
    /// Who read.
    pub(crate) reader_id: UserId,
    /// Whose messages.
    pub(crate) peer_id: UserId,
    /// Up to and including which.
    pub(crate) up_to: Option<MessageId>,
}

const RECEIVE_MESSAGE: Event = Event::durable::<ReceiveMessage<'_>>(
    "receive_message",
    "A message came. To every socket of the receiver.",
);
const MESSAGE_SENT: Event = Event::durable::<MessageSent<'_>>(
    "message_sent",
    "A message is stored. To every socket of the sender, the sending one included. Of one that is sent again under its \
     `client_id`, once more to the socket that sends it again, without a cursor: merge by `id`.",
);
const MESSEGE_READ: Event = Event::durable::<MessegeRead>(
    "messege_read",
    "A message was read. To every socket of its sender, and to the reader's other sockets.",
);
const CHAT_READ: Event = Event::durable::<ChatReadUpTo>(
    "chat_read",
    "A chat was read, up to and including a message. To every socket of both, the calling one left out.",
);

const ROOM_MESSAGE: Event = Event::durable::<RoomMessage<'_>>(
    "room_message",
    "A message came to a room, or was sent there. To every socket of every member; `client_id` to the sender's alone.",
)
.of_second();
const ROOM_READ: Event = Event::durable::<RoomReadUpTo>(
    "room_read",
    "A person has read a room up to a message. To every socket of theirs.",
)
.of_second();
const ROOM_CHANGED: Event = Event::durable::<RoomChanged<'_>>(
    "room_changed",
    "A room was made, changed or archived. To every socket of every member.",
)
.of_second();
const ROOM_MEMBER: Event = Event::durable::<RoomMember<'_>>(
    "room_member",
    "A person joined a room, left it, was removed, or has another role. To every socket of that person, and, in rooms of \
     at most 200 members, of every member.",
)
.of_second();
const CHAT_SETTINGS: Event = Event::durable::<ChatSettingsAre>(
    "chat_settings",
    "A person has set how a chat makes itself heard. To every socket of theirs.",
)
.of_second();

const BLOCK_CHANGED: Event = Event::durable::<BlockChanged>(
    "block_changed",
    "A person has blocked another, or does so no more. To every socket of theirs; the other hears nothing of it.",
)
.of_second();

const MESSAGES_ERASED: Event = Event::durable::<MessagesErased>(
    "messages_erased",
    "Many messages of a chat are gone at once: all, or one sender's, or those before an id. Of retention, of a room that \
     is erased, of an account that is. To both, or to every member.",
)
.of_second();

/// Returns the durable events.
pub(super) fn updates() -> Vec<Event> {
    let sent_and_read = [
        RECEIVE_MESSAGE,
        MESSAGE_SENT,
        MESSEGE_READ,
        CHAT_READ,
        ROOM_MESSAGE,
        ROOM_READ,
        ROOM_CHANGED,
        ROOM_MEMBER,
        CHAT_SETTINGS,
        BLOCK_CHANGED,
    ];
    [&sent_and_read[..], &CHANGE_EVENTS, &[MESSAGES_ERASED]].concat()
}

/// Lists the forms of what is one of several itself beside the others.
fn in_one_list(schema: &mut Schema) {
    if let Some(Value::Array(forms)) = schema.get_mut("anyOf") {
        let all = std::mem::take(forms).into_iter();
        let forms_of = |mut form: Value| match form.get_mut("anyOf").map(Value::take) {
            Some(Value::Array(forms)) => forms,
            _ => vec![form],
        };
        *forms = all.flat_map(forms_of).collect();
    }
}

impl<'a> Update<'a> {
    /// The event's name.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::ReceiveMessage(_) => RECEIVE_MESSAGE.name,
            Self::MessageSent(_) => MESSAGE_SENT.name,
            Self::MessegeRead(_) => MESSEGE_READ.name,
            Self::ChatRead(_) => CHAT_READ.name,
            Self::RoomMessage(_) => ROOM_MESSAGE.name,
            Self::RoomRead(_) => ROOM_READ.name,
            Self::RoomChanged(_) => ROOM_CHANGED.name,
            Self::RoomMember(_) => ROOM_MEMBER.name,
            Self::ChatSettings(_) => CHAT_SETTINGS.name,
            Self::BlockChanged(_) => BLOCK_CHANGED.name,
            Self::Changed(update) => update.name(),
            Self::MessagesErased(_) => MESSAGES_ERASED.name,
        }
    }

    /// Returns how many bytes it takes as a row of a page, about.
    pub(crate) fn row_bytes(&self) -> usize {
        let (content, meta) = match self {
            Self::ReceiveMessage(message) => (message.content, message.meta),
            Self::MessageSent(message) => (message.content, message.meta),
            Self::RoomMessage(message) => (message.content, message.meta),
            Self::RoomChanged(RoomChanged { room, .. })
            | Self::RoomMember(RoomMember {
                room: Some(room), ..
            }) => (room.topic, None),
            Self::Changed(update) => (update.content(), None),
            _ => ("", None),
        };
        row_bytes(content) + meta.map_or(0, |meta| meta.as_str().len())
    }

    /// The data of `send_message`'s ack: what the sender hears of the message.
    pub(crate) fn sent(notice: &'a Notice, version: Version) -> Option<Self> {
        Self::first(notice, Form::Own, version)
    }

    /// The events of an entry in this form and version, in this order.
    pub(crate) fn of(
        notice: &'a Notice,
        form: Form,
        version: Version,
    ) -> impl Iterator<Item = Self> {
        let first = Self::first(notice, form, version);
        first.into_iter().chain(Self::further(notice))
    }

    /// The first of them: all that there are, but for a chat that was read.
    fn first(notice: &'a Notice, form: Form, version: Version) -> Option<Self> {
        if notice.message.is_some()
            && let Some(changed) = MessageUpdate::of(notice)
        {
            return Some(Self::Changed(changed));
        }
        if let Act::ErasedMany(_) = &notice.entry.act {
            return Self::of_erasure(notice, form);
        }
        match notice.sides() {
            Some(sides) => Self::of_pair(notice, sides, form, version),
            None if version >= Version::Second => Self::of_room(notice, form),
            None => None,
        }
    }

    /// Those after the first, of a chat between two people that was read.
    fn further(notice: &'a Notice) -> impl Iterator<Item = Self> {
        let (ids, sides) = match &notice.entry.act {
            Act::ReadUpTo { marked, .. } => (&marked.newest[..], notice.sides()),
            _ => (&[][..], None),
        };
        let reads = sides.map(move |[user_id, _]| {
            let ids = ids.iter();
            ids.map(move |id| Self::messege_read(*id, user_id))
        });
        reads.into_iter().flatten()
    }

    /// The one of an entry of a room, or of a person's own.
    fn of_room(notice: &'a Notice, form: Form) -> Option<Self> {
        let Entry {
            id,
            author,
            at: created_at,
            ref act,
            ..
        } = notice.entry;
        let is_own = form == Form::Own;
        Some(match (act, notice.members) {
            (
                Act::Sent {
                    content,
                    client_id,
                    extras,
                },
                Members::Room(room_id),
            ) => {
                let extras = extras.as_deref();
                Self::RoomMessage(RoomMessage {
                    id: id.into(),
                    room_id,
                    number: notice.number,
                    sender_id: author?,
                    content,
                    created_at,
                    client_id: client_id.as_ref().filter(|_| is_own),
                    reply_to: Quote::of(extras),
                    mentions: extras.map_or(&[], |extras| &extras.mentions),
                    mention_all: extras.is_some_and(|extras| extras.mention_all),
                    meta: extras.and_then(|extras| extras.meta.as_ref()),
                    speaker: extras.and_then(|extras| extras.speaker.as_ref()),
                    attachments: Attachments::of(extras),
                    auto_content: extras.is_some_and(|extras| extras.auto_content),
                    edited_at: extras.and_then(|extras| extras.edited_at),
                    reactions: extras.and_then(|extras| Reactions::in_room(&extras.reactions)),
                })
            }
            (Act::RoomChanged { change, room }, _) => {
                Self::RoomChanged(RoomChanged::new(author, *change, room))
            }
            (Act::MemberChanged(membership), _) => {
                Self::RoomMember(RoomMember::new(notice, membership, is_own))
            }
            (Act::RoomRead(read), _) => Self::RoomRead((*read).into()),
            (
                Act::Settings {
                    chat: ChatId::Person(user_id),
                    blocks: Some(blocked),
                    ..
                },
                _,
            ) => Self::BlockChanged(BlockChanged {
                user_id: *user_id,
                blocked: *blocked,
            }),
            (Act::Settings { chat, settings, .. }, _) => {
                let members = notice.room.as_ref().map_or(2, |room| room.member_count);
                Self::ChatSettings(ChatSettingsAre::new(*chat, *settings, members))
            }
            _ => return None,
        })
    }

    /// The event of an entry that erased many messages.
    fn of_erasure(notice: &'a Notice, form: Form) -> Option<Self> {
        let Act::ErasedMany(erasure) = &notice.entry.act else {
            return None;
        };
        let (user_id, room_id) = match notice.members {
            Members::Pair(pair) => {
                let [first, second] = pair.members();
                (Some(if form == Form::Own { second } else { first }), None)
            }
            Members::Room(room) => (None, Some(room)),
            Members::Own(_) => return None,
        };
        Some(Self::MessagesErased(MessagesErased {
            user_id,
            room_id,
            sender_id: erasure.sender,
            before: erasure.before,
        }))
    }

    /// The first one of an entry between two people, its author first.
    fn of_pair(
        notice: &'a Notice,
        [user_id, other]: [UserId; 2],
        form: Form,
        version: Version,
    ) -> Option<Self> {
        let entry = &notice.entry;
        Some(match &entry.act {
            Act::Sent {
                content,
                client_id,
                extras,
            } => {
                let extras = extras.as_deref().filter(|_| version >= Version::Second);
                let meta = extras.and_then(|extras| extras.meta.as_ref());
                let speaker = extras.and_then(|extras| extras.speaker.as_ref());
                let reply_to = Quote::of(extras);
                let attachments = Attachments::of(extras);
                let auto_content = extras.is_some_and(|extras| extras.auto_content);
                let edited_at = extras.and_then(|extras| extras.edited_at);
                let reactions = extras.map_or(&[][..], |extras| &extras.reactions);
                let (id, receiver_id, created_at) = (entry.id.into(), other, entry.at);
                match form {
                    Form::Own => Self::MessageSent(MessageSent {
                        id,
                        receiver_id,
                        content,
                        created_at,
                        client_id: client_id.as_ref(),
                        reply_to,
                        meta,
                        speaker,
                        attachments,
                        auto_content,
                        edited_at,
                        reactions: Reactions::new(reactions, user_id, other),
                    }),
                    Form::Member => Self::ReceiveMessage(ReceiveMessage {
                        id,
                        sender_id: user_id,
                        receiver_id,
                        content,
                        created_at,
                        reply_to,
                        meta,
                        speaker,
                        attachments,
                        auto_content,
                        edited_at,
                        reactions: Reactions::new(reactions, other, user_id),
                    }),
                }
            }
            Act::Read { message } => Self::messege_read(*message, user_id),
            Act::ReadUpTo { message, .. } => Self::ChatRead(ChatReadUpTo {
                reader_id: user_id,
                peer_id: other,
                up_to: Some(*message),
            }),
            _ => return None,
        })
    }

    const fn messege_read(message_id: MessageId, user_id: UserId) -> Self {
        Self::MessegeRead(MessegeRead {
            message_id,
            user_id,
        })
    }
}

/// Returns the events of an entry in this form and version, with their cursors.
fn with_cursors(
    notice: &Notice,
    form: Form,
    version: Version,
) -> impl Iterator<Item = (Cursor, Update<'_>)> {
    let entry = notice.entry.id.get();
    let at = move |event| Cursor { entry, event };
    let first = Update::first(notice, form, version).map(|update| (at(0), update));
    let further = (1..).zip(Update::further(notice));
    let further = further.map(move |(event, update)| (at(event), update));
    first.into_iter().chain(further)
}

/// An event as it is told live.
pub(crate) struct Told<'a> {
    /// Those who hear it so.
    pub(crate) hearers: &'a [Hearer],
    /// The numbers of the versions in which they do.
    pub(crate) versions: RangeInclusive<u8>,
    /// Its place.
    pub(crate) cursor: Cursor,
    /// The event.
    pub(crate) update: &'a Update<'a>,
}

/// Tells the events of an entry as they are told live: each with all who hear it in the same form
/// and version. By calls and no iterator, since an event is large and each adapter would move it.
pub(crate) fn tell_live(audience: &[Hearer], notice: &Notice, mut tell: impl FnMut(Told<'_>)) {
    let entry = notice.entry.id.get();
    for hearers in audience.chunk_by(|one, next| one.form == next.form) {
        let Some(Hearer { form, .. }) = hearers.first() else {
            continue;
        };
        for alike in heard_in(notice) {
            let mut tell = |event, update: &Update<'_>| {
                tell(Told {
                    hearers,
                    versions: alike.numbers.clone(),
                    cursor: Cursor { entry, event },
                    update,
                });
            };
            if let Some(first) = Update::first(notice, *form, alike.form) {
                tell(0, &first);
            }
            for (event, further) in (1..).zip(Update::further(notice)) {
                tell(event, &further);
            }
        }
    }
}

/// Returns the events of an entry as all members of a room are told of it live, but for those whom
/// it names.
pub(crate) fn told_in_room(notice: &Notice) -> impl Iterator<Item = (Cursor, Update<'_>)> {
    with_cursors(notice, Form::Member, Version::Second)
}

/// Returns the events of an entry as this person is told of them on catching up, by a client of
/// this version; none, where it is not for them.
pub(crate) fn updates_of(
    notice: &Notice,
    user: UserId,
    version: Version,
) -> impl Iterator<Item = (Cursor, Update<'_>)> {
    let is_heard = |numbers: &RangeInclusive<u8>| numbers.contains(&version.number());
    let form = heard_by(notice, user).filter(|_| {
        heard_in(notice)
            .iter()
            .any(|alike| is_heard(&alike.numbers))
    });
    form.into_iter()
        .flat_map(move |form| with_cursors(notice, form, version))
}

#[cfg(test)]
mod tests;
