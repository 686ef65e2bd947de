//! The items of a picture in boxes (ISO 23008-12): those that are seen stay; Exif, XMP and what
//! else has a media type of its own do not, nor do names.

use std::collections::BTreeMap;
use std::io::{self, SeekFrom};

use super::boxes::{
    Kept, Medium, Place, Sides, blank, content, merged, number, places, wipe, wipe_from,
    wipe_others,
};
use super::clean::CleanError;

/// 1 MiB: more than the description of a picture has.
const MAX_META: u64 = 1 << 20;
/// More pieces than any picture has, all of its items together. Each may be told without a byte of
/// its own, so that a few bytes would lead to billions.
const MAX_EXTENTS: u64 = 4_096;
/// The items that are seen, or of which others are made.
const SEEN: [&[u8; 4]; 11] = [
    b"av01", b"hvc1", b"hev1", b"lhv1", b"avc1", b"vvc1", b"grid", b"iovl", b"iden", b"tmap",
    b"unci",
];
/// What may be said of an item.
const PROPERTIES: [&[u8; 4]; 22] = [
    b"ispe", b"pixi", b"colr", b"av1C", b"hvcC", b"avcC", b"lhvC", b"vvcC", b"pasp", b"irot",
    b"imir", b"clap", b"auxC", b"clli", b"mdcv", b"a1op", b"a1lx", b"lsel", b"cclv", b"amve",
    b"rloc", b"ndwt",
];

/// An item.
struct Item {
    id: u64,
    kind: Option<[u8; 4]>,
    /// Where its name is, from the beginning of the file.
    name: (u64, u64),
}

/// Keeps what is seen of a picture of so many bytes. Returns its width and height, as it is shown.
pub(super) fn clean_items(
    file: &mut dyn Medium,
    meta: Place,
    length: u64,
    kept: &mut Kept,
) -> Result<Option<Sides>, CleanError> {
    let bytes = content(file, meta, MAX_META)?;
    // The version and flags of a full box stand before its boxes.
    let boxes = places(&mut io::Cursor::new(&bytes), 4, bytes.len() as u64)?;
    let of_kind = |kind: &[u8; 4]| boxes.iter().find(|place| place.kind == *kind);
    let body = |place: &Place| &bytes[place.content as usize..place.end as usize];
    let there = |place: &Place| Place {
        start: meta.content + place.start,
        content: meta.content + place.content,
        end: meta.content + place.end,
        ..*place
    };
    for place in &boxes {
        match &place.kind {
            b"hdlr" => wipe_from(file, there(place), 12)?,
            b"pitm" | b"iinf" | b"iloc" | b"iprp" | b"iref" | b"idat" | b"grpl" | b"dinf" => {}
            _ => blank(file, there(place))?,
        }
    }
    let malformed = CleanError::Malformed;
    let items = match of_kind(b"iinf") {
        Some(place) => items_of(body(place), meta.content + place.content).ok_or(malformed)?,
        None => Vec::new(),
    };
    for item in &items {
        wipe(file, item.name.0, item.name.1 - item.name.0)?;
    }
    let data = of_kind(b"idat").map(there);
    let extents = match of_kind(b"iloc") {
        Some(place) => extents_of(body(place)).ok_or(CleanError::Malformed)?,
        None => return Err(CleanError::Malformed),
    };
    let (in_data, is_formed) = keep_seen(&items, extents, (data, length), kept);
    if let Some(data) = data {
        let in_data = merged(in_data);
        wipe_others(file, data.content, data.end, &in_data)?;
        // A picture may lie there alone.
        kept.ranges.extend(in_data);
    }
    let size = match of_kind(b"iprp") {
        Some(place) => clean_properties(file, there(place))?,
        None => None,
    };
    match is_formed {
        true => Ok(size),
        false => Err(CleanError::Malformed),
    }
}

/// Keeps the bytes of the items that are seen, and notes those of Exif. `data` is the box that has
/// bytes of items in itself: returns which of these are kept, and whether all items lie where they
/// can.
fn keep_seen(
    items: &[Item],
    extents: Vec<Extents>,
    (data, length): (Option<Place>, u64),
    kept: &mut Kept,
) -> (Vec<(u64, u64)>, bool) {
    let (mut in_data, mut is_formed) = (Vec::new(), true);
    // Of items of one number the first counts. There may be tens of thousands.
    let kinds = items.iter().rev().map(|item| (item.id, item.kind));
    let kinds: BTreeMap<_, _> = kinds.collect();
    for (id, method, pieces) in extents {
        let kind = kinds.get(&id).copied().flatten();
        let is_seen = kind.is_some_and(|kind| SEEN.contains(&&kind));
        let (start, end) = match (method, data) {
            (0, _) => (0, length),
            (1, Some(data)) => (data.content, data.end),
            _ => {
                is_formed &= !is_seen || method == 2;
                continue;
            }
        };
        // Of a picture that is cut off the others tell as much.
        let Some(its) = located(&pieces, start, end) else {
            is_formed = false;
            continue;
        };
        let kept_there = if method == 1 {
            &mut in_data
        } else {
            &mut kept.ranges
        };
        match is_seen {
            true => kept_there.extend(its.iter().map(|(from, bytes)| (*from, from + bytes))),
            false if kind == Some(*b"Exif") => kept.exif.push(its),
            false => {}
        }
    }
    (in_data, is_formed)
}

/// Where the pieces of an item are, whose offsets count from `start` on: of each its first byte and
/// how many there are. `None` where one does not lie before `end`.
fn located(pieces: &[(u64, u64)], start: u64, end: u64) -> Option<Vec<(u64, u64)>> {
    let place = |(from, bytes): &(u64, u64)| {
        let from = start.checked_add(*from).filter(|from| *from <= end)?;
        // None stands for all that there is.
        let bytes = if *bytes == 0 { end - from } else { *bytes };
        (bytes <= end - from).then_some((from, bytes))
    };
    pieces.iter().map(place).collect()
}

/// The items, of which a list that begins at this byte of the file tells.
fn items_of(mut list: &[u8], at: u64) -> Option<Vec<Item>> {
    let whole = list.len();
    let version = number(&mut list, 1)?;
    number(&mut list, 3)?;
    number(&mut list, if version == 0 { 2 } else { 4 })?;
    let at = at + (whole - list.len()) as u64;
    let entries = places(&mut io::Cursor::new(list), 0, list.len() as u64).ok()?;
    let mut items = Vec::new();
    for entry in entries.iter().filter(|entry| entry.kind == *b"infe") {
        let mut item = &list[entry.content as usize..entry.end as usize];
        let version = number(&mut item, 1)?;
        number(&mut item, 3)?;
        let id = number(&mut item, if version == 3 { 4 } else { 2 })?;
        number(&mut item, 2)?;
        let kind = match version {
            0 | 1 => None,
            _ => Some(u32::try_from(number(&mut item, 4)?).ok()?.to_be_bytes()),
        };
        let end = at + entry.end;
        items.push(Item {
            id,
            kind,
            name: (end - item.len() as u64, end),
        });
    }
    Some(items)
}

/// An item's number, the way in which its bytes are named, and of each piece from where and how
/// many.
type Extents = (u64, u64, Vec<(u64, u64)>);

/// Where the bytes of items are.
fn extents_of(mut list: &[u8]) -> Option<Vec<Extents>> {
    let version = number(&mut list, 1)?;
    number(&mut list, 3)?;
    let sizes = number(&mut list, 2)?;
    let nibble = |at: u32| (sizes >> at & 0xf) as usize;
    let (offset, length, base) = (nibble(12), nibble(8), nibble(4));
    let index = if version == 0 { 0 } else { nibble(0) };
    if [offset, length, base, index].iter().any(|size| *size > 8) {
        return None;
    }
    let wide = if version < 2 { 2 } else { 4 };
    let count = number(&mut list, wide)?;
    let (mut items, mut left) = (Vec::new(), MAX_EXTENTS);
    for _ in 0..count {
        let id = number(&mut list, wide)?;
        let method = match version {
            0 => 0,
            _ => number(&mut list, 2)? & 0xf,
        };
        number(&mut list, 2)?;
        let from = number(&mut list, base)?;
        let pieces = number(&mut list, 2)?;
        left = left.checked_sub(pieces)?;
        let mut extents = Vec::new();
        for _ in 0..pieces {
            number(&mut list, index)?;
            let (more, bytes) = (number(&mut list, offset)?, number(&mut list, length)?);
            extents.push((from.checked_add(more)?, bytes));
        }
        items.push((id, method, extents));
    }
    Some(items)
}

/// Blanks the properties of items that are not known. Returns width and height of the largest
/// picture, as it is shown.
fn clean_properties(file: &mut dyn Medium, properties: Place) -> Result<Option<Sides>, CleanError> {
    let list = places(file, properties.content, properties.end)?;
    let (mut size, mut is_turned) = (None, false);
    let Some(list) = list.iter().find(|place| place.kind == *b"ipco") else {
        return Ok(None);
    };
    for place in places(file, list.content, list.end)? {
        match &place.kind {
            b"ispe" => {
                let mut sides = [0; 12];
                file.seek(SeekFrom::Start(place.content))?;
                file.read_exact(&mut sides)?;
                let side = |at: usize| {
                    u32::from_be_bytes([sides[at], sides[at + 1], sides[at + 2], sides[at + 3]])
                };
                let found = (side(4), side(8));
                let area = |(width, height): Sides| u64::from(width) * u64::from(height);
                if size.is_none_or(|known| area(found) > area(known)) {
                    size = Some(found);
                }
            }
            b"irot" => {
                let mut turn = [0];
                file.seek(SeekFrom::Start(place.content))?;
                file.read_exact(&mut turn)?;
                is_turned = turn[0] & 1 == 1;
            }
            kind if PROPERTIES.contains(&kind) => {}
            _ => blank(file, place)?,
        }
    }
    Ok(size.map(|(width, height)| match is_turned {
        true => (height, width),
        false => (width, height),
    }))
}
