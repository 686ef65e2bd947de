//! The same of files in boxes (ISO 14496-12), films of MP4 and pictures of AVIF: what tells of
//! their maker is overwritten where it lies, so that nothing else moves, and no place that another
//! part names.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::clean::CleanError;

/// 1 MiB: more than the description of a picture has.
const MAX_META: u64 = 1 << 20;
/// Boxes in boxes, to which a file that is made wrong leads.
const MAX_DEPTH: u32 = 4;
/// More boxes of one level than any file has.
const MAX_BOXES: usize = 4_096;
/// More pieces than any picture has, all of its items together. Each may be told without a byte of
/// its own, so that a few bytes would lead to billions.
const MAX_EXTENTS: u64 = 4_096;

/// One box: where it is, and where its content begins.
#[derive(Debug, Clone, Copy)]
struct Place {
    kind: [u8; 4],
    start: u64,
    content: u64,
    end: u64,
}

/// Overwrites what a file of so many bytes tells of its maker. Returns width and height as it is
/// shown, where they are told.
pub(super) fn clean_boxes<F: Read + Write + Seek>(
    file: &mut F,
    length: u64,
) -> Result<Option<(u32, u32)>, CleanError> {
    let mut size = None;
    for place in places(file, 0, length)? {
        match &place.kind {
            b"moov" => clean_film(file, place, 0, &mut size)?,
            b"meta" => {
                let found = clean_picture(file, place)?;
                size = size.or(found);
            }
            b"uuid" | b"udta" | b"free" | b"skip" => blank(file, place)?,
            _ => {}
        }
    }
    Ok(size)
}

/// The boxes of a level.
fn places(file: &mut (impl Read + Seek), from: u64, end: u64) -> Result<Vec<Place>, CleanError> {
    let (mut places, mut start) = (Vec::new(), from);
    while start < end {
        if end - start < 8 || places.len() >= MAX_BOXES {
            return Err(CleanError::Malformed);
        }
        file.seek(SeekFrom::Start(start))?;
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let [a, b, c, d, kind @ ..] = head;
        let (length, head_bytes) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (end - start, 8),
            1 => {
                let mut long = [0; 8];
                file.read_exact(&mut long)?;
                (u64::from_be_bytes(long), 16)
            }
            length => (length.into(), 8),
        };
        let next = start.checked_add(length).filter(|next| *next <= end);
        let next = next.filter(|_| length >= head_bytes);
        let next = next.ok_or(CleanError::Malformed)?;
        places.push(Place {
            kind,
            start,
            content: start + head_bytes,
            end: next,
        });
        start = next;
    }
    Ok(places)
}

/// Makes a box one that is free, with nothing in it.
fn blank(file: &mut (impl Write + Seek), place: Place) -> Result<(), CleanError> {
    file.seek(SeekFrom::Start(place.start + 4))?;
    file.write_all(b"free")?;
    wipe(file, place.content, place.end - place.content)
}

fn wipe(file: &mut (impl Write + Seek), from: u64, length: u64) -> Result<(), CleanError> {
    file.seek(SeekFrom::Start(from))?;
    io::copy(&mut io::repeat(0).take(length), file)?;
    Ok(())
}

/// Wipes what a film and its tracks tell beside themselves.
fn clean_film<F: Read + Write + Seek>(
    file: &mut F,
    film: Place,
    depth: u32,
    size: &mut Option<(u32, u32)>,
) -> Result<(), CleanError> {
    for place in places(file, film.content, film.end)? {
        match &place.kind {
            b"udta" | b"meta" | b"uuid" | b"free" | b"skip" => blank(file, place)?,
            b"trak" if depth < MAX_DEPTH => clean_film(file, place, depth + 1, size)?,
            b"tkhd" => *size = size.or(track_size(file, place)?),
            _ => {}
        }
    }
    Ok(())
}

/// Width and height of a track that is seen; its last eight bytes, in 65,536ths.
fn track_size(
    file: &mut (impl Read + Seek),
    track: Place,
) -> Result<Option<(u32, u32)>, CleanError> {
    if track.end - track.content < 84 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(track.end - 8))?;
    let mut sides = [0; 8];
    file.read_exact(&mut sides)?;
    let [a, b, _, _, c, d, _, _] = sides;
    let size = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    Ok((size.0 > 0 && size.1 > 0).then_some((size.0.into(), size.1.into())))
}

/// Wipes the items of a picture that are not seen (ISO 23008-12): Exif, XMP and what else has a
/// media type of its own.
fn clean_picture<F: Read + Write + Seek>(
    file: &mut F,
    meta: Place,
) -> Result<Option<(u32, u32)>, CleanError> {
    let length = meta.end - meta.content;
    if length > MAX_META {
        return Err(CleanError::Malformed);
    }
    file.seek(SeekFrom::Start(meta.content))?;
    let mut bytes = Vec::new();
    Read::by_ref(file).take(length).read_to_end(&mut bytes)?;
    // The version and flags of a full box stand before its boxes.
    let inside = (4, bytes.len() as u64);
    let mut within = io::Cursor::new(&bytes);
    let boxes = places(&mut within, inside.0, inside.1)?;
    let of_kind = |kind: &[u8; 4]| boxes.iter().find(|place| place.kind == *kind);
    let body = |place: &Place| &bytes[place.content as usize..place.end as usize];
    let malformed = CleanError::Malformed;
    let unseen = match of_kind(b"iinf") {
        Some(place) => unseen_items(body(place)).ok_or(malformed)?,
        None => Vec::new(),
    };
    let data =
        of_kind(b"idat").map(|place| (meta.content + place.content, meta.content + place.end));
    if let Some(place) = of_kind(b"iloc") {
        let extents = extents_of(body(place), &unseen).ok_or(CleanError::Malformed)?;
        // Each byte is wiped once at most, however often it is named.
        let mut left = file.seek(SeekFrom::End(0))?;
        for (method, from, length) in extents {
            left = left.checked_sub(length).ok_or(CleanError::Malformed)?;
            let from = match (method, data) {
                (0, _) => from,
                (1, Some((start, end)))
                    if from
                        .checked_add(length)
                        .is_some_and(|last| last <= end - start) =>
                {
                    start + from
                }
                _ => return Err(CleanError::Malformed),
            };
            let end = file.seek(SeekFrom::End(0))?;
            if from.checked_add(length).is_none_or(|last| last > end) {
                return Err(CleanError::Malformed);
            }
            wipe(file, from, length)?;
        }
    } else if !unseen.is_empty() {
        return Err(CleanError::Malformed);
    }
    let properties = of_kind(b"iprp").map(body);
    Ok(properties.and_then(picture_size))
}

/// A number of so many bytes, at the front of these.
fn number(bytes: &mut &[u8], length: usize) -> Option<u64> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(
        taken
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    )
}

/// The items that are no part of what is seen.
fn unseen_items(mut list: &[u8]) -> Option<Vec<u64>> {
    let version = number(&mut list, 1)?;
    number(&mut list, 3)?;
    number(&mut list, if version == 0 { 2 } else { 4 })?;
    let mut within = io::Cursor::new(list);
    let entries = places(&mut within, 0, list.len() as u64).ok()?;
    let mut unseen = Vec::new();
    for entry in entries.iter().filter(|entry| entry.kind == *b"infe") {
        let mut item = &list[entry.content as usize..entry.end as usize];
        let version = number(&mut item, 1)?;
        number(&mut item, 3)?;
        let id = number(&mut item, if version == 2 { 2 } else { 4 })?;
        number(&mut item, 2)?;
        let is_seen = !matches!(item.get(..4)?, b"Exif" | b"mime" | b"uri ");
        if version < 2 || !is_seen {
            unseen.push(id);
        }
    }
    Some(unseen)
}

/// Where the bytes of these items are: by which method, from where, and how many.
fn extents_of(mut list: &[u8], items: &[u64]) -> Option<Vec<(u64, u64, u64)>> {
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
    let (mut extents, mut left) = (Vec::new(), MAX_EXTENTS);
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
        for _ in 0..pieces {
            number(&mut list, index)?;
            let (more, bytes) = (number(&mut list, offset)?, number(&mut list, length)?);
            if items.contains(&id) {
                // None stands for all that there is.
                let bytes = Some(bytes).filter(|bytes| *bytes > 0)?;
                extents.push((method, from.checked_add(more)?, bytes));
            }
        }
    }
    Some(extents)
}

/// Width and height of the largest picture, as it is shown.
fn picture_size(properties: &[u8]) -> Option<(u32, u32)> {
    let inside = |bytes: &[u8]| {
        let mut within = io::Cursor::new(bytes);
        places(&mut within, 0, bytes.len() as u64).ok()
    };
    let list = inside(properties)?;
    let list = list.iter().find(|place| place.kind == *b"ipco")?;
    let list = &properties[list.content as usize..list.end as usize];
    let (mut size, mut is_turned) = (None, false);
    for place in inside(list)? {
        let mut body = &list[place.content as usize..place.end as usize];
        match &place.kind {
            b"ispe" => {
                number(&mut body, 4)?;
                let width = u32::try_from(number(&mut body, 4)?).ok()?;
                let height = u32::try_from(number(&mut body, 4)?).ok()?;
                let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
                if size.is_none_or(|known| area((width, height)) > area(known)) {
                    size = Some((width, height));
                }
            }
            b"irot" => is_turned = number(&mut body, 1)? & 1 == 1,
            _ => {}
        }
    }
    let (width, height) = size?;
    Some(if is_turned {
        (height, width)
    } else {
        (width, height)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn made(kind: &[u8; 4], content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        let length = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
        [&length[..], kind, &content].concat()
    }

    fn cleaned(file: &[u8]) -> (Vec<u8>, Option<(u32, u32)>) {
        let mut medium = Cursor::new(file.to_vec());
        let size = clean_boxes(&mut medium, file.len() as u64).unwrap();
        let out = medium.into_inner();
        assert_eq!(out.len(), file.len(), "nothing moves");
        for secret in [&b"+52.5200"[..], b"ACME"] {
            assert!(!out.windows(secret.len()).any(|part| part == secret));
        }
        (out, size)
    }

    #[test]
    fn a_film_says_no_more_where_it_was_taken() {
        let mut head = vec![0; 84];
        head[76..].copy_from_slice(&[0x05, 0, 0, 0, 0x02, 0xd0, 0, 0]);
        let track = |kind: &[u8; 4]| {
            let place = made(b"\xa9xyz", &[b"+52.5200+013.4050/"]);
            made(
                b"trak",
                &[
                    &made(b"tkhd", &[&head]),
                    &made(kind, &[&place]),
                    &made(b"mdia", &[b"media"]),
                ],
            )
        };
        let film = |kind: &[u8; 4]| {
            [
                made(b"ftyp", &[b"mp42\0\0\0\0"]),
                made(b"mdat", &[b"pictures"]),
                made(
                    b"moov",
                    &[
                        &made(b"mvhd", &[b"head"]),
                        &track(kind),
                        &made(kind, &[b"ACME"]),
                    ],
                ),
                made(
                    if kind == b"free" { b"free" } else { b"uuid" },
                    &[b"+52.5200"],
                ),
            ]
            .concat()
        };
        let (out, size) = cleaned(&film(b"udta"));
        assert_eq!(size, Some((1_280, 720)));
        let blanked =
            |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().filter(|byte| *byte != 0).collect() };
        // The same film whose boxes were free and empty.
        let mut expected = film(b"free");
        for secret in [&b"\xa9xyz+52.5200+013.4050/"[..], b"+52.5200", b"ACME"] {
            while let Some(at) = expected
                .windows(secret.len())
                .position(|part| part == secret)
            {
                expected[at..at + secret.len()].fill(0);
            }
        }
        // The length of the box within the free one is gone too.
        assert!(out.windows(5).any(|part| part == b"media"));
        assert!(blanked(&out).len() <= blanked(&expected).len());
    }

    #[test]
    fn a_picture_says_no_more_where_it_was_taken_and_keeps_its_items() {
        let item =
            |id: u8, kind: &[u8; 4]| made(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0], kind, b"\0"]);
        let items = made(
            b"iinf",
            &[
                &[0, 0, 0, 0, 0, 3],
                &item(1, b"av01"),
                &item(2, b"Exif"),
                &item(3, b"mime"),
            ],
        );
        let properties = made(
            b"iprp",
            &[&made(
                b"ipco",
                &[
                    &made(b"ispe", &[&[0; 4], &[0, 0, 0, 4, 0, 0, 0, 3]]),
                    &made(b"irot", &[&[1]]),
                ],
            )],
        );
        let picture = |at: u8| {
            let places = made(
                b"iloc",
                &[
                    &[1, 0, 0, 0, 0x44, 0, 0, 3],
                    &[0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, at, 0, 0, 0, 6],
                    &[0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, at + 6, 0, 0, 0, 8],
                    &[0, 3, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4],
                ],
            );
            let data = made(b"idat", &[b"ACME"]);
            let meta = made(b"meta", &[&[0; 4], &items, &places, &data, &properties]);
            [
                made(b"ftyp", &[b"avif"]),
                meta,
                made(b"mdat", &[b"pixels+52.5200"]),
            ]
            .concat()
        };
        let at = picture(0).len() - 14;
        let (out, size) = cleaned(&picture(u8::try_from(at).unwrap()));
        assert!(out.ends_with(b"pixels\0\0\0\0\0\0\0\0"));
        assert_eq!(size, Some((3, 4)));
        // Items that lie outside of the file.
        let beyond = picture(240);
        let mut medium = Cursor::new(beyond.clone());
        assert!(clean_boxes(&mut medium, beyond.len() as u64).is_err());
    }

    #[test]
    fn boxes_that_lie_of_their_length_are_refused_and_nothing_panics() {
        use rand::{RngExt, SeedableRng};
        let film = [
            made(b"ftyp", &[b"mp42"]),
            made(b"moov", &[&made(b"trak", &[&made(b"udta", &[b"x"])])]),
        ]
        .concat();
        let mut random = rand::rngs::StdRng::seed_from_u64(7);
        for _ in 0..5_000 {
            let mut harmed = film.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..harmed.len());
                harmed[at] = random.random();
            }
            let length = harmed.len() as u64;
            let _ = clean_boxes(&mut Cursor::new(harmed), length);
        }
        for end in 1..film.len() {
            let is_whole = end == 12;
            let cut = clean_boxes(&mut Cursor::new(film[..end].to_vec()), end as u64);
            assert_eq!(cut.is_ok(), is_whole, "{end}");
        }
    }

    /// An item of 65,535 pieces, none of which takes a byte to tell; and pieces that name the same
    /// bytes over and over. Of some kilobytes that took gigabytes, and hours.
    #[test]
    fn a_picture_of_more_pieces_than_any_has_is_malformed() {
        let item = made(b"infe", &[&[2, 0, 0, 0, 0, 2, 0, 0], b"Exif", b"\0"]);
        let items = made(b"iinf", &[&[0, 0, 0, 0, 0, 1], &item]);
        let picture = |sizes: u8, entry: &[u8], times: u16| {
            let mut list = vec![1, 0, 0, 0, sizes, 0];
            list.extend(times.to_be_bytes());
            list.extend(entry.repeat(times.into()));
            let meta = made(b"meta", &[&[0; 4], &items, &made(b"iloc", &[&list])]);
            let parts = [made(b"ftyp", &[b"avif"]), meta, made(b"mdat", &[&[1; 64]])];
            parts.concat()
        };
        let without_size = [0, 2, 0, 0, 0, 0, 0xff, 0xff];
        let the_same = [0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 32];
        for file in [
            picture(0x00, &without_size, 6_000),
            picture(0x44, &the_same, 4_000),
        ] {
            let mut medium = Cursor::new(file.clone());
            assert!(clean_boxes(&mut medium, file.len() as u64).is_err());
        }
    }
}
