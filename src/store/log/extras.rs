//! What a message has beside its text, as optional fields of its entry: their length in bytes, then
//! of each its tag, its length and so many bytes.

use super::record::put_back;
use crate::model::{
    Attachment, EntryId, Extras, FileId, FileKind, MessageId, Meta, Reaction, Reactors, ReplyTo,
    Speaker, Timestamp, UserId,
};
use crate::store::sealed::{Rest, put};

/// The message that this one answers: a pointer back.
const REPLY_TO: u64 = 1;
/// When the text that it has was given to it: a time.
pub(super) const EDITED_AT: u64 = 2;
/// The keyed hash of the first text, 8 bytes, once it has another.
pub(super) const FIRST_CONTENT: u64 = 4;
/// The accounts that are mentioned; none for all members of the room.
pub(super) const MENTIONS: u64 = 5;

/// An object of the app's own, as JSON text.
const META: u64 = 6;
/// The reactions in a conversation of two: of each a byte, the members, then a varint and so many
/// bytes, the emoji.
pub(super) const REACTIONS: u64 = 7;
/// Those in a room: of each a varint, how many, then the emoji likewise.
pub(super) const ROOM_REACTIONS: u64 = 8;
/// The files: a byte of flags for all, then of each its id, flags and so on.
pub(super) const ATTACHMENTS: u64 = 9;
/// Of an entry that says how a chat of two makes itself heard: that the person has blocked the
/// other (1), or has no more (0). A chatd that does not know it reads the rest.
pub(super) const BLOCKED: u64 = 10;
/// What a hook calls the one who speaks through its bot, as text.
const SPEAKER: u64 = 11;

/// Of all files: the text is made of their names.
pub(super) const AUTO_CONTENT: u8 = 1;
/// Of one file: its width and height are written.
const HAS_DIMENSIONS: u8 = 1;
/// Of one file: there is a preview.
const HAS_PREVIEW: u8 = 2;
/// Of one file: what its sender says of it is written.
const HAS_ALT: u8 = 4;

/// Appends them with their length before them.
pub(super) fn put_fields(id: EntryId, extras: &Extras<impl AsRef<str>>, out: &mut Vec<u8>) {
    let Extras {
        reply_to,
        mentions,
        mention_all,
        meta,
        speaker,
        attachments,
        auto_content,
        edited_at,
        first_content,
        reactions,
    } = extras;
    let mut fields = Vec::with_capacity(extras.bytes() + 16);
    let mut value = Vec::new();
    if let Some(reply) = reply_to {
        put_back(&mut value, id, Some(reply.to.into()));
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
    if let Some(speaker) = speaker {
        put_field(SPEAKER, speaker.as_str().as_bytes(), &mut fields);
    }
    if !attachments.is_empty() {
        let files = encode_attachments(attachments, *auto_content);
        put_field(ATTACHMENTS, &files, &mut fields);
    }
    if let Some(at) = edited_at {
        value.clear();
        put(&mut value, at.as_ms());
        put_field(EDITED_AT, &value, &mut fields);
    }
    if let Some(hash) = first_content {
        put_field(FIRST_CONTENT, &hash.to_le_bytes(), &mut fields);
    }
    if let Some(Reaction { by, .. }) = reactions.first() {
        let tag = match by {
            Reactors::OfPair(_) => REACTIONS,
            Reactors::OfRoom { .. } => ROOM_REACTIONS,
        };
        put_field(tag, &encode_reactions(reactions), &mut fields);
    }
    put(out, fields.len() as u64);
    out.extend_from_slice(&fields);
}

/// Appends the fields of an entry by which a person has blocked another, or has no more.
pub(super) fn put_block(blocked: bool, out: &mut Vec<u8>) {
    let mut fields = Vec::with_capacity(3);
    put_field(BLOCKED, &[u8::from(blocked)], &mut fields);
    put(out, fields.len() as u64);
    out.extend_from_slice(&fields);
}

/// Reads its field back.
pub(super) fn take_block(value: &[u8]) -> Option<bool> {
    match value {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

fn put_field(tag: u64, value: &[u8], out: &mut Vec<u8>) {
    put(out, tag);
    put(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Returns the form of reactions.
pub(crate) fn encode_reactions(reactions: &[Reaction<impl AsRef<str>>]) -> Vec<u8> {
    let mut out = Vec::new();
    for reaction in reactions {
        match reaction.by {
            Reactors::OfPair(members) => out.push(members),
            Reactors::OfRoom { count, .. } => put(&mut out, count),
        }
        put_emoji(reaction.emoji.as_ref(), &mut out);
    }
    out
}

fn take_reaction<'a>(rest: &mut Rest<'a>) -> Option<Reaction<&'a str>> {
    let [members] = *rest.take_bytes(1)? else {
        return None;
    };
    let by = Reactors::OfPair(members);
    let emoji = take_emoji(rest)?;
    let is_right = (1..=3).contains(&members);
    is_right.then_some(Reaction { emoji, by })
}

fn take_room_reaction<'a>(rest: &mut Rest<'a>) -> Option<Reaction<&'a str>> {
    let by = Reactors::of_room(rest.take()?);
    let emoji = take_emoji(rest)?;
    (!by.is_nobody()).then_some(Reaction { emoji, by })
}

/// Appends an emoji, with its length before it.
pub(crate) fn put_emoji(emoji: &str, out: &mut Vec<u8>) {
    put_text(emoji, out);
}

/// Reads such an emoji back.
pub(crate) fn take_emoji<'a>(rest: &mut Rest<'a>) -> Option<&'a str> {
    take_text(rest)
}

fn encode_attachments(files: &[Attachment<impl AsRef<str>>], auto_content: bool) -> Vec<u8> {
    let mut out = vec![if auto_content { AUTO_CONTENT } else { 0 }];
    for file in files {
        out.extend_from_slice(&file.id.get().to_le_bytes());
        let has_dimensions = u8::from(file.dimensions.is_some()) * HAS_DIMENSIONS;
        let has_preview = u8::from(file.has_preview) * HAS_PREVIEW;
        let has_alt = u8::from(file.alt.is_some()) * HAS_ALT;
        out.push(has_dimensions | has_preview | has_alt);
        out.push(file.kind.number());
        put(&mut out, file.size);
        if let Some((width, height)) = file.dimensions {
            put(&mut out, width.into());
            put(&mut out, height.into());
        }
        put_text(file.name.as_ref(), &mut out);
        if let Some(alt) = &file.alt {
            put_text(alt.as_ref(), &mut out);
        }
    }
    out
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn take_text<'a>(rest: &mut Rest<'a>) -> Option<&'a str> {
    let length = usize::try_from(rest.take()?).ok()?;
    std::str::from_utf8(rest.take_bytes(length)?).ok()
}

fn take_attachment<'a>(rest: &mut Rest<'a>) -> Option<Attachment<&'a str>> {
    let id = FileId::new(u128::from_le_bytes(rest.take_bytes(16)?.try_into().ok()?));
    let [flags, kind] = *rest.take_bytes(2)? else {
        return None;
    };
    if flags & !(HAS_DIMENSIONS | HAS_PREVIEW | HAS_ALT) != 0 {
        return None;
    }
    let size = rest.take()?;
    let dimensions = match flags & HAS_DIMENSIONS {
        0 => None,
        _ => Some((
            u32::try_from(rest.take()?).ok()?,
            u32::try_from(rest.take()?).ok()?,
        )),
    };
    Some(Attachment {
        id,
        name: take_text(rest)?,
        kind: FileKind::numbered(kind)?,
        size,
        dimensions,
        has_preview: flags & HAS_PREVIEW != 0,
        alt: match flags & HAS_ALT {
            0 => None,
            _ => Some(take_text(rest)?),
        },
        opened_by: None,
    })
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
            extras.get_or_insert_default().reply_to = message.map(ReplyTo::new);
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
        SPEAKER => {
            let name = std::str::from_utf8(value).ok()?;
            extras.get_or_insert_default().speaker = Some(Speaker::stored(name));
        }
        EDITED_AT => {
            extras.get_or_insert_default().edited_at = Some(Timestamp::from_ms(rest.take()?));
        }
        FIRST_CONTENT => {
            let hash = u64::from_le_bytes(value.try_into().ok()?);
            extras.get_or_insert_default().first_content = Some(hash);
        }
        ATTACHMENTS => {
            let extras = extras.get_or_insert_default();
            extras.auto_content = match *rest.take_bytes(1)? {
                [0] => false,
                [AUTO_CONTENT] => true,
                _ => return None,
            };
            while !rest.0.is_empty() {
                extras.attachments.push(take_attachment(&mut rest)?);
            }
        }
        REACTIONS => {
            let extras = extras.get_or_insert_default();
            while !rest.0.is_empty() {
                extras.reactions.push(take_reaction(&mut rest)?);
            }
        }
        ROOM_REACTIONS => {
            let extras = extras.get_or_insert_default();
            while !rest.0.is_empty() {
                extras.reactions.push(take_room_reaction(&mut rest)?);
            }
        }
        _ => {}
    }
    Some(())
}
