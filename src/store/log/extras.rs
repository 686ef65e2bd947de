//! What a message has beside its text, as optional fields of its entry: their length in bytes, then
//! of each its tag, its length and so many bytes.

use crate::model::{Extras, Meta};
use crate::store::sealed::put;

/// An object of the app's own, as JSON text.
const META: u64 = 6;

/// Appends them with their length before them.
pub(super) fn put_fields(extras: &Extras<impl AsRef<str>>, out: &mut Vec<u8>) {
    let Extras { meta } = extras;
    let mut fields = Vec::with_capacity(extras.bytes() + 8);
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
    extras: &mut Option<Box<Extras<&'a str>>>,
    tag: u64,
    value: &'a [u8],
) -> Option<()> {
    if tag == META {
        let text = std::str::from_utf8(value).ok()?;
        extras.get_or_insert_default().meta = Some(Meta::stored(text));
    }
    Some(())
}
