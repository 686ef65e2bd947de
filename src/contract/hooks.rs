//! What outgoing hooks tell: the body of each request.

use schemars::JsonSchema;
use serde::Serialize;

use super::Update;
use super::changes::{CHANGE_WEBHOOKS, InChat, MessageDeleted};
use super::documents::Webhook;
use super::room_events::{RoomChanged, RoomMember, RoomMessage};
use super::update::ReceiveMessage;
use super::version::Version;
use crate::chat::Form;
use crate::model::{
    Act, HookEvent, Members, Notice, RoomId, SealedCursor, Timestamp, User, UserId,
};

/// The body of a request: `{"type","timestamp","cursor","data","offline"}`.
#[derive(Serialize)]
pub(crate) struct HookBody<'a> {
    /// What happened: the name of an event, or `gap`: what happened up to here is not told, or may
    /// not be so any more, so read afresh.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// When.
    pub(crate) timestamp: Timestamp,
    /// The place in the log: given as `since` to a replay, the hook tells again what came after.
    pub(crate) cursor: SealedCursor,
    pub(crate) data: HookData<'a>,
    /// Of a message: those who are to be told of it and have no socket open, as of when it was
    /// first sent.
    pub(crate) offline: &'a [UserId],
}

const OF_MESSAGES: [Webhook; 2] = [
    Webhook::new::<ReceiveMessage<'_>>(
        HookEvent::DirectMessage.as_str(),
        "A message from one person to another, where the operator has hooks told of these",
    ),
    Webhook::new::<RoomMessage<'_>>(HookEvent::RoomMessage.as_str(), "A message in a room"),
];
const OF_ROOMS_AND_ACCOUNTS: [Webhook; 5] = [
    Webhook::new::<RoomChanged<'_>>(
        HookEvent::RoomChanged.as_str(),
        "A room was made, changed or archived",
    ),
    Webhook::new::<RoomMember<'_>>(
        HookEvent::RoomMember.as_str(),
        "A person joined a room, left it, was removed, or has another role",
    ),
    Webhook::new::<HookUser<'_>>(HookEvent::UserCreated.as_str(), "An account was made"),
    Webhook::new::<GoneUser>(HookEvent::UserDeleted.as_str(), "An account is gone"),
    Webhook::new::<NoData>(
        "gap",
        "What happened up to here is not told, or may not be so any more: read afresh",
    ),
];

/// Returns every type of a body, and what its `data` is.
pub(crate) fn webhooks() -> Vec<Webhook> {
    [&OF_MESSAGES[..], &CHANGE_WEBHOOKS, &OF_ROOMS_AND_ACCOUNTS].concat()
}

/// What a hook tells of an event: the same as sockets of version 2 hear of it.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum HookData<'a> {
    /// As a member hears it who did not do it.
    Update(Update<'a>),
    /// One of many messages that went at once.
    Deleted(MessageDeleted),
    /// An account that was made.
    UserCreated(HookUser<'a>),
    /// An account that is gone.
    UserDeleted(GoneUser),
    /// Nothing, of a gap.
    Gap(NoData),
}

/// An account: `{"id","username","name","avatar","is_bot"}`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct HookUser<'a> {
    id: UserId,
    username: &'a str,
    name: &'a str,
    avatar: Option<&'a str>,
    is_bot: bool,
}

impl<'a> HookUser<'a> {
    pub(crate) fn of(user: &'a User) -> Self {
        Self {
            id: user.id,
            username: user.username.as_str(),
            name: user.shown_name(),
            avatar: user.avatar.as_deref(),
            is_bot: user.is_bot,
        }
    }
}

/// An account that is gone: `{"id"}`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct GoneUser {
    /// Whose it was.
    pub(crate) id: UserId,
}

/// `{}`
#[derive(Serialize, JsonSchema)]
pub(crate) struct NoData {}

/// Returns the event that an entry is to hooks, if it is one.
pub(crate) fn hook_event(notice: &Notice) -> Option<HookEvent> {
    Some(match (&notice.entry.act, notice.members) {
        (Act::Sent { .. }, Members::Pair(_)) => HookEvent::DirectMessage,
        (Act::Sent { .. }, Members::Room(_)) => HookEvent::RoomMessage,
        (Act::MessageChanged { change, .. }, _) => change.hook_event(),
        (Act::ErasedMany(erasure), _) if !erasure.messages.is_empty() => HookEvent::MessageDeleted,
        (Act::RoomChanged { .. }, _) => HookEvent::RoomChanged,
        (Act::MemberChanged(_), _) => HookEvent::RoomMember,
        _ => return None,
    })
}

/// Returns the room that an entry is of.
pub(crate) fn hook_room(notice: &Notice) -> Option<RoomId> {
    match (&notice.entry.act, notice.members) {
        // In a large room it stands in the stream of the person.
        (Act::MemberChanged(membership), _) => Some(membership.room),
        (_, Members::Room(room)) => Some(room),
        (_, Members::Pair(_) | Members::Own(_)) => None,
    }
}

/// Returns how many requests tell of an entry: one, but of many messages that went at once one for
/// each.
pub(crate) fn hook_parts(notice: &Notice) -> usize {
    notice.entry.act.erased_many().len().max(1)
}

/// Returns what one of them tells. `None` where nothing is left to be told: the message is gone
/// since, and the entry of that says so.
pub(crate) fn hook_data(notice: &Notice, part: usize) -> Option<HookData<'_>> {
    let entry = &notice.entry;
    match &entry.act {
        Act::ErasedMany(erasure) => {
            let gone = erasure.messages.get(part)?;
            let room_id = hook_room(notice);
            let sides = match notice.members {
                Members::Pair(pair) => pair.members().get(gone.place).copied().zip(Some(pair)),
                Members::Room(_) | Members::Own(_) => None,
            };
            let (sender_id, receiver_id) = match sides {
                Some((sender, pair)) => (Some(sender), pair.other(sender)),
                None => (None, None),
            };
            Some(HookData::Deleted(MessageDeleted {
                message_id: gone.id,
                chat: InChat {
                    sender_id,
                    receiver_id,
                    room_id,
                },
                deleted_at: entry.at,
                by: entry.author,
            }))
        }
        Act::MessageChanged { .. } => {
            notice.message.as_ref()?;
            let update = Update::of(notice, Form::Member, Version::Second).next();
            update.map(HookData::Update)
        }
        _ => {
            let update = Update::of(notice, Form::Member, Version::Second).next();
            update.map(HookData::Update)
        }
    }
}
