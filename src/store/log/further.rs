//! Entries of the kinds that a further varint names, the first of what their kind has: changes of
//! messages, one by one or many at once.

use super::head::Kind;
use super::record::{Author, Links, Record, put_back};
use crate::model::{
    Act, EntryId, ErasedMessage, Erasure, MessageChange, MessageId, Moderator, Stream, UserId,
};
use crate::store::error::StoreError;
use crate::store::sealed::{Rest, put, seal, unseal};

/// A message got another text.
const EDITED: u64 = 1;
/// A message was erased.
const DELETED: u64 = 2;
/// A reaction was put on a message, or taken away.
const REACTED: u64 = 3;
/// Many messages of a chat were erased at once.
const ERASED_MANY: u64 = 6;

/// By whom a message was erased: its author, the server, or the account of this number less this.
const BY_AUTHOR: u64 = 0;
const BY_SERVER: u64 = 1;
const BY_ACCOUNT: u64 = 1;

/// Appends an entry up to its checksum.
pub(super) fn encode<T: AsRef<str>>(record: &Record<T>, id: EntryId, out: &mut Vec<u8>) {
    match &record.act {
        Act::MessageChanged { message, change } => {
            record.encode_head(id, Kind::Other, 0, out);
            put_change(id, record, (*message, change), out);
        }
        Act::ErasedMany(erasure) => {
            record.encode_head(id, Kind::Other, 0, out);
            put(out, ERASED_MANY);
            put_erasure(id, record.stream, erasure, out);
        }
        _ => {}
    }
}

/// Appends what an entry says that changed one message: how, which one, and what belongs to that.
fn put_change<T: AsRef<str>>(
    id: EntryId,
    record: &Record<T>,
    (message, change): (MessageId, &MessageChange<T>),
    out: &mut Vec<u8>,
) {
    let kind = match change {
        MessageChange::Edited { .. } => EDITED,
        MessageChange::Deleted { .. } => DELETED,
        MessageChange::Reacted { .. } => REACTED,
    };
    put(out, kind);
    put_back(out, id, Some(message.into()));
    match change {
        MessageChange::Edited { .. } => {}
        MessageChange::Deleted { by } => {
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
        MessageChange::Reacted { emoji, on } => {
            put(out, u64::from(*on));
            out.extend_from_slice(emoji.as_ref().as_bytes());
        }
    }
}

/// Returns a sealed entry without what it hangs on a message; `None` where it hangs nothing there,
/// or nothing any more.
pub(crate) fn without_what_it_hangs(
    id: EntryId,
    sealed: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let body = unseal("log", id.get(), sealed)?;
    let hung = match Record::decode(id, sealed)?.act {
        Act::MessageChanged {
            change: MessageChange::Reacted { emoji, .. },
            ..
        } => emoji,
        _ => "",
    };
    // It stands last.
    let rest = &body[..body.len() - hung.len()];
    Ok((!hung.is_empty()).then(|| seal(id.get(), rest)))
}

/// Returns whether the next number names one of these kinds.
pub(super) fn is_next(rest: &Rest<'_>) -> bool {
    let first = rest.0.first().map(|first| u64::from(*first));
    first.is_some_and(|kind| (EDITED..=REACTED).contains(&kind) || kind == ERASED_MANY)
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
    if kind == ERASED_MANY {
        let erasure = take_erasure(id, (stream, author), rest)?;
        let act = Act::ErasedMany(Box::new(erasure));
        return rest.0.is_empty().then(|| (0, Links::default(), act));
    }
    // In a room nobody but a member does the others.
    if !is_pair && !(is_room && (kind == DELETED || author != Author::Server)) {
        return None;
    }
    let message = MessageId::from(rest.take_back(id)??);
    let mut links = Links::default();
    let mut rank = 0;
    let change = match kind {
        EDITED => MessageChange::Edited { content: None },
        DELETED => {
            links.number = rest.take()?;
            rank = rest.take().filter(|rank| *rank <= links.number)?;
            let by = take_moderator(rest)?;
            if is_room && (rank != 0 || by.is_some()) {
                return None;
            }
            MessageChange::Deleted { by }
        }
        REACTED => {
            let on = match rest.take()? {
                0 => false,
                1 => true,
                _ => return None,
            };
            let emoji = std::str::from_utf8(std::mem::take(&mut rest.0)).ok()?;
            MessageChange::Reacted { emoji, on }
        }
        _ => return None,
    };
    let act = Act::MessageChanged { message, change };
    rest.0.is_empty().then_some((rank, links, act))
}

fn take_moderator(rest: &mut Rest<'_>) -> Option<Option<Moderator>> {
    Some(match rest.take()? {
        BY_AUTHOR => None,
        BY_SERVER => Some(Moderator::Server),
        account => Some(Moderator::Account(UserId::new(account - BY_ACCOUNT).ok()?)),
    })
}

/// Appends what an entry says that erased many messages: whose, before which, how many; and of each
/// how far its id and its number are behind those of the one before it. Between two people also
/// whose it is, and how far its rank is behind that person's one before it.
fn put_erasure(id: EntryId, stream: Stream, erasure: &Erasure, out: &mut Vec<u8>) {
    put(out, erasure.sender.map_or(0, UserId::get));
    put(
        out,
        erasure
            .before
            .map_or(0, |before| 1 + id.get() - before.get()),
    );
    put(out, erasure.messages.len() as u64);
    let (mut last, mut number, mut ranks) = (None, 0, [0; 2]);
    for message in &erasure.messages {
        match last {
            None => put_back(out, id, Some(message.id.into())),
            Some(last) => put(out, message.id.get() - last),
        }
        put(out, message.number - number);
        if let Stream::Pair(_) = stream {
            let rank = &mut ranks[message.place];
            put(out, (message.rank - *rank) << 1 | message.place as u64);
            *rank = message.rank;
        }
        (last, number) = (Some(message.id.get()), message.number);
    }
}

/// Reads it back.
fn take_erasure(
    id: EntryId,
    (stream, author): (Stream, Author),
    rest: &mut Rest<'_>,
) -> Option<Erasure> {
    let is_pair = match stream {
        Stream::Pair(_) => true,
        Stream::Room(_) => false,
        Stream::Own(_) => return None,
    };
    if author != Author::Server {
        return None;
    }
    let sender = match rest.take()? {
        0 => None,
        account => Some(UserId::new(account).ok()?),
    };
    let before = match rest.take()? {
        0 => None,
        distance => Some(MessageId::new(id.get().checked_sub(distance - 1)?).ok()?),
    };
    let count = usize::try_from(rest.take()?).ok()?;
    // Each has two bytes at least.
    let mut messages = Vec::with_capacity(count.min(rest.0.len() / 2));
    let (mut last, mut number, mut ranks) = (None, 0_u64, [0_u64; 2]);
    for _ in 0..count {
        let next = match last {
            None => MessageId::from(rest.take_back(id)??),
            Some(last) => {
                let step = rest.take().filter(|step| *step > 0)?;
                MessageId::new(MessageId::get(last).checked_add(step)?).ok()?
            }
        };
        let step = rest.take().filter(|step| *step > 0)?;
        number = number.checked_add(step)?;
        let (mut place, mut rank) = (0, 0);
        if is_pair {
            let step = rest.take().filter(|step| *step > 1)?;
            place = usize::from(step & 1 == 1);
            rank = ranks[place].checked_add(step >> 1)?;
            ranks[place] = rank;
        }
        if EntryId::from(next) >= id || rank > number {
            return None;
        }
        messages.push(ErasedMessage {
            id: next,
            number,
            place,
            rank,
        });
        last = Some(next);
    }
    Some(Erasure {
        sender,
        before,
        messages,
    })
}
