//! Entries of the kinds that a further varint names, the first of what their kind has: changes of
//! messages.

use super::head::Kind;
use super::record::{Author, Links, Record, put_back};
use crate::model::{Act, EntryId, MessageId, Moderator, Stream, UserId};
use crate::store::sealed::{Rest, put};

/// A message got another text.
const EDITED: u64 = 1;
/// A message was erased.
const DELETED: u64 = 2;
/// A reaction was put on a message, or taken away.
const REACTED: u64 = 3;

/// By whom a message was erased: its author, the server, or the account of this number less this.
const BY_AUTHOR: u64 = 0;
const BY_SERVER: u64 = 1;
const BY_ACCOUNT: u64 = 1;

/// Appends an entry up to its checksum.
pub(super) fn encode<T: AsRef<str>>(record: &Record<T>, id: EntryId, out: &mut Vec<u8>) {
    let Some(message) = record.act.changes() else {
        return;
    };
    record.encode_head(id, Kind::Other, 0, out);
    let kind = match &record.act {
        Act::Edited { .. } => EDITED,
        Act::Deleted { .. } => DELETED,
        _ => REACTED,
    };
    put(out, kind);
    put_back(out, id, Some(message.into()));
    match &record.act {
        Act::Deleted { by, .. } => {
            put(out, record.links.number);
            put(out, record.rank);
            put(
                out,
                match by {
                    None => BY_AUTHOR,
                    Some(Moderator::Server) => BY_SERVER,
                    Some(Moderator::Account(user)) => BY_ACCOUNT + user.get(),
                },
            );
        }
        Act::Reacted { emoji, on, .. } => {
            put(out, u64::from(*on));
            out.extend_from_slice(emoji.as_ref().as_bytes());
        }
        _ => {}
    }
}

/// Returns whether the next number names one of these kinds.
pub(super) fn is_next(rest: &Rest<'_>) -> bool {
    let first = rest.0.first().map(|first| u64::from(*first));
    first.is_some_and(|kind| (EDITED..=REACTED).contains(&kind))
}

/// Reads the rest of an entry back: its rank, its number where it has one, and the act.
pub(super) fn take<'a>(
    id: EntryId,
    (stream, author): (Stream, Author),
    rest: &mut Rest<'a>,
) -> Option<(u64, Links, Act<&'a str>)> {
    let is_pair = matches!((stream, author), (Stream::Pair(_), Author::Member(_)));
    let is_room = matches!(
        (stream, author),
        (Stream::Room(_), Author::Account(_) | Author::Server)
    );
    let kind = rest.take()?;
    // In a room nobody but a member does the others.
    if !is_pair && !(is_room && (kind == DELETED || author != Author::Server)) {
        return None;
    }
    let message = MessageId::from(rest.take_back(id)??);
    let mut links = Links::default();
    let mut rank = 0;
    let act = match kind {
        EDITED => Act::Edited {
            message,
            content: None,
        },
        DELETED => {
            links.number = rest.take()?;
            rank = rest.take().filter(|rank| *rank <= links.number)?;
            let by = take_moderator(rest)?;
            if is_room && (rank != 0 || by.is_some()) {
                return None;
            }
            Act::Deleted { message, by }
        }
        REACTED => {
            let on = match rest.take()? {
                0 => false,
                1 => true,
                _ => return None,
            };
            let emoji = std::str::from_utf8(std::mem::take(&mut rest.0)).ok()?;
            Act::Reacted { message, emoji, on }
        }
        _ => return None,
    };
    rest.0.is_empty().then_some((rank, links, act))
}

fn take_moderator(rest: &mut Rest<'_>) -> Option<Option<Moderator>> {
    Some(match rest.take()? {
        BY_AUTHOR => None,
        BY_SERVER => Some(Moderator::Server),
        account => Some(Moderator::Account(UserId::new(account - BY_ACCOUNT).ok()?)),
    })
}
