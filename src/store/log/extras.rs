//! What a message has beside its text, as optional fields of its entry: their length in bytes, then
//! of each its tag, its length and so many bytes.

use super::record::put_back;
use crate::model::{EntryId, Extras, MessageId, Meta, UserId};
use crate::store::sealed::{Rest, put};

/// The message that this one answers: a pointer back.
const REPLY_TO: u64 = 1;
/// The accounts that are mentioned; none for all members of the room.
const MENTIONS: u64 = 5;

/// An object of the app's own, as JSON text.
const META: u64 = 6;

/// Appends them with their length before them.
pub(super) fn put_fields(id: EntryId, extras: &Extras<impl AsRef<str>>, out: &mut Vec<u8>) {
    let Extras {
        reply_to,
        mentions,
        mention_all,
        meta,
    } = extras;
    let mut fields = Vec::with_capacity(extras.bytes() + 16);
    let mut value = Vec::new();
    if let Some(message) = reply_to {
        put_back(&mut value, id, Some((*message).into()));
        put_field(REPLY_TO, &value, &mut fields);
    }
    if !mentions.is_empty() {
        value.clear();
        for user in mentions {
            put(&mut value, user.get());
        }
        put_field(MENTIONS, &value, &mut fields);
    }
    if *mention_all {
        put_field(MENTIONS, &[], &mut fields);
    }
    if let Some(meta) = meta {
        put_field(META, meta.as_str().as_bytes(), &mut fields);
    }
    put(out, fields.len() as u64);
    out.extend_from_slice(&fields);
}

fn put_field(tag: u64, value: &[u8], out: &mut Vec<u8>) {
    put(out, tag);
    put(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Takes one field. One whose tag is not known is passed over; `None` is one that no chatd wrote.
pub(super) fn take_field<'a>(
    id: EntryId,
    extras: &mut Option<Box<Extras<&'a str>>>,
    tag: u64,
    value: &'a [u8],
) -> Option<()> {
    let mut rest = Rest(value);
    match tag {
        REPLY_TO => {
            let message = rest.take_back(id)?.map(MessageId::from);
            extras.get_or_insert_default().reply_to = message;
        }
        MENTIONS if value.is_empty() => extras.get_or_insert_default().mention_all = true,
        MENTIONS => {
            let extras = extras.get_or_insert_default();
            while !rest.0.is_empty() {
                extras.mentions.push(UserId::new(rest.take()?).ok()?);
            }
        }
        META => {
            let text = std::str::from_utf8(value).ok()?;
            extras.get_or_insert_default().meta = Some(Meta::stored(text));
        }
        _ => {}
    }
    Some(())
}
