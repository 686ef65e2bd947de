//! A data file as lines.

use std::borrow::Cow;
use std::io::{BufWriter, Write};
use std::path::Path;

use redb::{ReadTransaction, ReadableDatabase, ReadableTable};
use serde::Serialize;

use super::lines::{
    AttachmentLine, ChangeLine, FORMAT, Header, Line, MessageLine, ReactionLine, Time, UserLine,
    VERSION, VERSION_WITHOUT_OTHERS,
};
use super::{Counts, MaintainError, Partial, Progress, Source, Unit, Watch, guard};
use super::{export_people, export_rooms};
use crate::model::{
    Act, ClientId, EntryId, Erasure, Extras, MadeBy, Pair, Reaction, RoomId, User, UserId,
};
use crate::store::disk::schema;
use crate::store::error::StoreError;
use crate::store::log::blocks::{Log, damaged, decode};
use crate::store::log::chain::ReadLog;
use crate::store::log::record::Record;
use crate::store::people::users;
use crate::store::sealed::unseal;
use crate::store::tables::{CONVERSATIONS, CREDENTIALS, USERS};
use crate::store::talk::conversation::author_of;

/// How many lines are written between two looks at how far it is.
const TOLD_EVERY: u64 = 4_096;

/// Writes a stopped server's file as JSON Lines; the form is in the manual. Fails at the first
/// record that is missing or damaged: what was written until then must not be used.
pub fn export(data: &Path, out: &mut dyn Write, watch: Watch<'_>) -> Result<Counts, MaintainError> {
    let source = Source::of_file(data, true, watch)?;
    guard(|| export_source(&source, out, watch))
}

/// [`export`] of a file in the making.
pub fn export_partial(
    partial: &Partial,
    out: &mut dyn Write,
    watch: Watch<'_>,
) -> Result<Counts, MaintainError> {
    let source = Source::open(partial.medium(), true, watch)?
        .ok_or_else(|| MaintainError::Empty(partial.target().to_owned()))?;
    guard(|| export_source(&source, out, watch))
}

fn export_source(
    source: &Source,
    out: &mut dyn Write,
    watch: Watch<'_>,
) -> Result<Counts, MaintainError> {
    let counts = source.counts()?;
    let txn = source.db.begin_read()?;
    let mut out = BufWriter::with_capacity(1 << 16, out);
    let others = export_people::lines(&txn)?;
    let header = Header {
        format: FORMAT.into(),
        version: match others.is_empty() {
            true => VERSION_WITHOUT_OTHERS,
            false => VERSION,
        },
        accounts: counts.accounts,
        others: others.len() as u64,
        entries: counts.entries,
    };
    write(&mut out, &header)?;
    export_accounts(&txn, &mut out)?;
    for line in &others {
        write(&mut out, line)?;
    }
    let pairs = pairs(&txn)?;
    let log = Log::open_any(&txn)?;
    let mut walk = log.walk(1)?;
    let mut next = 0;
    while let Some(row) = walk.next() {
        next += 1;
        let (key, sealed) = row?;
        if key != next {
            return Err(damaged(next).into());
        }
        let (id, record) = decode(key, sealed)?;
        let line = line(&log, &pairs, id, &record)?;
        write(&mut out, &line.ok_or_else(|| damaged(next))?)?;
        if next.is_multiple_of(TOLD_EVERY) || next == counts.entries {
            watch(Progress {
                what: "exporting",
                done: next,
                total: counts.entries,
                unit: Unit::Records,
            });
        }
    }
    out.flush()?;
    Ok(counts)
}

fn write(out: &mut impl Write, line: &impl Serialize) -> Result<(), MaintainError> {
    serde_json::to_writer(&mut *out, line).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}

fn export_accounts(txn: &ReadTransaction, out: &mut impl Write) -> Result<(), MaintainError> {
    let credentials = txn.open_table(CREDENTIALS)?;
    for row in txn.open_table(USERS)?.iter()? {
        let (key, value) = row?;
        let key = key.value();
        let User {
            id,
            username,
            name,
            avatar,
            is_admin,
            is_bot,
            disabled,
            deleted,
            erasing,
            token_version,
            revoked_at,
            created_at,
            last_seen,
            made_by,
            profile_at: _,
            named_at: _,
            subject,
        } = users::decode(key, value.value(), |key| {
            Ok(credentials.get(key)?.is_some())
        })?;
        let sealed = credentials.get(key)?;
        let hash = sealed
            .as_ref()
            .map(|sealed| unseal("credentials", key, sealed.value()))
            .transpose()?;
        write(
            out,
            &Line::User(UserLine {
                id,
                username: username.as_str().into(),
                name: name.as_ref().map(|name| name.as_str().into()),
                avatar: avatar.as_deref().map(Cow::from),
                is_admin,
                is_bot,
                disabled,
                deleted,
                erasing,
                token_version,
                revoked_at: revoked_at.map(Time::from),
                created_at: created_at.into(),
                last_seen: last_seen.map(Time::from),
                of_app: (made_by != users::made_by(hash.is_some()))
                    .then_some(made_by == MadeBy::App),
                password_hash: hash.map(String::from_utf8_lossy),
                issuer: subject.as_deref().map(|whom| Cow::from(&*whom.issuer)),
                subject: subject.as_deref().map(|whom| Cow::from(&*whom.subject)),
            }),
        )?;
    }
    Ok(())
}

/// Who shares which conversation, from conversation 1.
fn pairs(txn: &ReadTransaction) -> Result<Vec<Pair>, StoreError> {
    let mut pairs = Vec::new();
    for row in txn.open_table(CONVERSATIONS)?.iter()? {
        let (key, value) = row?;
        let damaged = StoreError::Damaged {
            table: "conversations",
            key: key.value(),
        };
        let decoded = schema::decode_conversation(key.value(), value.value())?;
        let (id, pair) = decoded.ok_or_else(|| damaged.clone())?;
        if id.get() != pairs.len() as u64 + 1 {
            return Err(damaged);
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

/// Returns the line of an entry; `None` for one that no chatd writes.
fn line<'a>(
    log: &Log,
    pairs: &[Pair],
    id: EntryId,
    record: &Record<&'a str>,
) -> Result<Option<Line<'a>>, StoreError> {
    let pair = record.stream.pair().map(|conversation| {
        let place = usize::try_from(conversation.get() - 1).unwrap_or(usize::MAX);
        pairs.get(place).copied()
    });
    let pair = match pair {
        Some(None) => return Ok(None),
        Some(Some(pair)) => Some(pair),
        None => None,
    };
    let Act::MessageChanged { message, change } = &record.act else {
        return Ok(match pair {
            Some(pair) => line_of_pair(id, pair, record),
            None => export_rooms::line(id, record),
        });
    };
    let said = ChangeLine {
        id,
        message: *message,
        by: author_of(pair, record),
        at: record.at.into(),
        change: change.clone(),
        left_out: None,
    };
    let is_erased = |message: Record<&str>| matches!(message.act, Act::Erased { .. });
    Line::of_change(&said, || log.read((*message).into(), is_erased))
}

/// Returns the line of an entry between two people that changes no one message.
fn line_of_pair<'a>(id: EntryId, pair: Pair, record: &Record<&'a str>) -> Option<Line<'a>> {
    let (who, peer) = (
        pair.members()[record.place()],
        pair.members()[1 - record.place()],
    );
    let at = record.at.into();
    Some(match &record.act {
        Act::Sent { .. } => Line::Message(message_line(id, pair, [who, peer], record)?),
        Act::Erased { client_id, .. } => Line::ErasedMessage {
            id,
            sender_id: who,
            receiver_id: peer,
            created_at: at,
            client_id: client_id.as_ref().map(text_of),
        },
        Act::ErasedMany(erasure) => erasure_line(id, None, erasure, at),
        Act::Read { message } => Line::Read {
            id,
            message_id: *message,
            user_id: who,
            at,
        },
        Act::ReadUpTo { message, .. } => Line::ChatRead {
            id,
            user_id: who,
            peer_id: peer,
            up_to: *message,
            at,
        },
        _ => return None,
    })
}

/// Returns the line of a message as it is.
fn message_line<'a>(
    id: EntryId,
    pair: Pair,
    [sender_id, receiver_id]: [UserId; 2],
    record: &Record<&'a str>,
) -> Option<MessageLine<'a>> {
    let Act::Sent {
        content,
        client_id,
        extras,
    } = &record.act
    else {
        return None;
    };
    let extras = extras.as_ref();
    Some(MessageLine {
        id,
        sender_id,
        receiver_id,
        content: (*content).into(),
        created_at: record.at.into(),
        client_id: client_id.as_ref().map(text_of),
        reply_to: extras
            .and_then(|extras| extras.reply_to.as_ref())
            .map(|reply| reply.to),
        meta: extras
            .and_then(|extras| extras.meta.as_ref())
            .map(|meta| meta.as_str().to_owned().into()),
        speaker: extras
            .and_then(|extras| extras.speaker.as_ref())
            .map(|speaker| speaker.as_str().to_owned().into()),
        attachments: extras.map_or_else(Vec::new, |extras| attachments(extras)),
        auto_content: extras.is_some_and(|extras| extras.auto_content),
        edited_at: extras.and_then(|extras| extras.edited_at).map(Time::from),
        reactions: extras.map_or_else(Vec::new, |extras| reactions(pair, extras)),
    })
}

/// Returns the line of many messages that were erased at once.
pub(super) fn erasure_line<'a>(
    id: EntryId,
    room_id: Option<RoomId>,
    erasure: &Erasure,
    at: Time,
) -> Line<'a> {
    let messages = erasure.messages.iter();
    Line::Erasure {
        id,
        room_id,
        sender_id: erasure.sender,
        before: erasure.before,
        message_ids: messages.map(|message| message.id).collect(),
        at,
    }
}

pub(super) fn text_of<'a>(client_id: &ClientId<&str>) -> Cow<'a, str> {
    client_id.with_text(|text| text.to_owned().into())
}

fn reactions<'a>(pair: Pair, extras: &Extras<&'a str>) -> Vec<ReactionLine<'a>> {
    let line = |reaction: &Reaction<&'a str>| {
        let members = pair.members().into_iter().enumerate();
        let theirs = members.filter(|(place, _)| reaction.is_of(*place));
        ReactionLine {
            emoji: reaction.emoji.into(),
            user_ids: theirs.map(|(_, user)| user).collect(),
        }
    };
    extras.reactions.iter().map(line).collect()
}

/// Returns the lines of a message's files.
pub(super) fn attachments<'a>(extras: &Extras<&'a str>) -> Vec<AttachmentLine<'a>> {
    extras
        .attachments
        .iter()
        .map(AttachmentLine::from)
        .collect()
}
