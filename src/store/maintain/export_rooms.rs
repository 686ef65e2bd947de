//! Entries of rooms, and of people's own, as lines.

use super::export::{attachments, erasure_line, text_of};
use super::lines::{Line, RoomReactionLine, Time};
use crate::model::{Act, ChatId, ChatSettings, EntryId, Extras, Room, RoomChange, Stream, UserId};
use crate::store::log::record::{Author, Record};

/// Returns the line of an entry; `None` for one that no chatd writes.
pub(super) fn line<'a>(id: EntryId, record: &Record<&'a str>) -> Option<Line<'a>> {
    let by = match record.author {
        Author::Account(by) => Some(by),
        // By its hand rooms are archived and messages deleted.
        Author::Server => None,
        Author::Member(_) => return None,
    };
    let at = Time::from(record.at);
    Some(match &record.act {
        Act::ErasedMany(erasure) => match record.stream {
            Stream::Room(room) => erasure_line(id, Some(room), erasure, at),
            Stream::Pair(_) | Stream::Own(_) => return None,
        },
        Act::Sent { .. } | Act::Erased { .. } => return message(id, by?, record),
        Act::RoomChanged { change, room } => room_line(id, by, (*change, room), at),
        Act::MemberChanged(membership) => Line::RoomMember {
            id,
            room_id: membership.room,
            user_id: membership.user,
            change: membership.change,
            role: membership.role,
            by: by?,
            at,
        },
        Act::RoomRead(read) => Line::RoomRead {
            id,
            room_id: read.room,
            user_id: by?,
            up_to: read.message,
            at,
        },
        Act::Settings {
            chat,
            settings,
            blocks,
        } => settings_line(id, by?, (*chat, settings, *blocks), at),
        _ => return None,
    })
}

/// Returns the line of a room as it is since this entry.
fn room_line<'a>(
    id: EntryId,
    by: Option<UserId>,
    (change, room): (RoomChange, &Room),
    at: Time,
) -> Line<'a> {
    Line::Room {
        id,
        room_id: room.id,
        change,
        by,
        name: room.name.to_string().into(),
        topic: room.topic.to_string().into(),
        avatar: room.avatar.as_ref().map(|avatar| avatar.to_string().into()),
        kind: room.kind,
        history: room.history,
        post: room.post,
        retention_days: room.retention_days,
        at,
    }
}

/// Returns the line of how a chat makes itself heard.
fn settings_line<'a>(
    id: EntryId,
    user_id: UserId,
    (chat, settings, blocked): (ChatId, &ChatSettings, Option<bool>),
    at: Time,
) -> Line<'a> {
    let (peer_id, room_id) = match chat {
        ChatId::Person(peer) => (Some(peer), None),
        ChatId::Room(room) => (None, Some(room)),
    };
    Line::ChatSettings {
        id,
        user_id,
        peer_id,
        room_id,
        notify: settings.notify,
        muted_until: settings.muted_until.map(Time::from),
        blocked,
        at,
    }
}

/// Returns the line of a message, or of what is left of one that was deleted.
fn message<'a>(id: EntryId, sender_id: UserId, record: &Record<&'a str>) -> Option<Line<'a>> {
    let Stream::Room(room_id) = record.stream else {
        return None;
    };
    let (Act::Sent {
        client_id, extras, ..
    }
    | Act::Erased { client_id, extras }) = &record.act
    else {
        return None;
    };
    let created_at = Time::from(record.at);
    let client_id = client_id.as_ref().map(text_of);
    let extras = extras.as_deref().cloned().unwrap_or_default();
    let Act::Sent { content, .. } = &record.act else {
        return Some(Line::ErasedRoomMessage {
            id,
            room_id,
            sender_id,
            created_at,
            client_id,
            mentions: extras.mentions.into_vec(),
            mention_all: extras.mention_all,
        });
    };
    let attachments = attachments(&extras);
    let Extras {
        reply_to,
        mentions,
        mention_all,
        meta,
        speaker,
        attachments: _,
        auto_content,
        edited_at,
        first_content: _,
        reactions,
    } = extras;
    let reactions = reactions.into_iter().map(|reaction| RoomReactionLine {
        emoji: reaction.emoji.into(),
        count: reaction.count(),
    });
    Some(Line::RoomMessage {
        id,
        room_id,
        sender_id,
        content: (*content).into(),
        created_at,
        client_id,
        reply_to: reply_to.map(|reply| reply.to),
        mentions: mentions.into_vec(),
        mention_all,
        meta: meta.map(|meta| meta.as_str().to_owned().into()),
        speaker: speaker.map(|speaker| speaker.as_str().to_owned().into()),
        attachments,
        auto_content,
        edited_at: edited_at.map(Time::from),
        reactions: reactions.collect(),
    })
}
