//! The same of files in boxes (ISO 14496-12), films of MP4 and pictures of AVIF, and of their
//! cousins MOV and HEIC, which are not shown: boxes are kept that are known to belong to picture
//! and sound; every other is overwritten where it lies, so that nothing else moves, and no place
//! that another part names. Of the bytes themselves those are kept that a track of pictures or
//! sound, or an item that is seen, names: tracks of places and movements are none.

use std::io::{Read, Seek, SeekFrom, Write};

use super::clean::CleanError;
use super::flac::blank_flac;
use super::items::clean_items;
use super::samples::samples_of;

/// Boxes in boxes, to which a file that is made wrong leads.
const MAX_DEPTH: u32 = 8;
/// More boxes of one level than any file has: a film in pieces of a second, for nine hours.
const MAX_BOXES: usize = 1 << 16;

/// 16 MiB: metadata of FLAC with the largest picture in it.
const MAX_METADATA: u64 = 16 << 20;

/// What boxes are read from.
pub(super) trait Source: Read + Seek {}
impl<S: Read + Seek> Source for S {}

/// A file that is cleaned where it lies.
pub(super) trait Medium: Source + Write {}
impl<M: Source + Write> Medium for M {}

/// One box: where it is, and where its content begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) kind: [u8; 4],
    pub(super) start: u64,
    pub(super) content: u64,
    pub(super) end: u64,
}

/// Width and height.
pub(super) type Sides = (u32, u32);

/// Which bytes belong to what is seen and heard.
#[derive(Default)]
pub(super) struct Kept {
    /// From where to where.
    pub(super) ranges: Vec<(u64, u64)>,
    /// Where the bytes of an item of Exif are, in its order, by from where and how many.
    pub(super) exif: Vec<Vec<(u64, u64)>>,
    /// A film in pieces, which say themselves what of them is whose.
    in_pieces: bool,
    /// Whether there is a track that is blanked.
    has_other_tracks: bool,
}

/// An item of Exif that tells nothing: the place of its TIFF structure, and one without entries.
/// Without that, programs refuse the picture.
const NO_EXIF: &[u8; 18] = b"\0\0\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0";

/// Overwrites what a file of so many bytes tells of its maker. Returns width and height as it is
/// shown, where they are told. Where it is malformed, what was known by then is overwritten.
pub(super) fn clean_boxes(
    file: &mut dyn Medium,
    length: u64,
    is_picture: bool,
) -> Result<Option<Sides>, CleanError> {
    let (mut size, mut kept) = (None, Kept::default());
    let (level, end) = some_places(file, 0, length)?;
    wipe(file, end, length - end)?;
    if length - end >= 8 {
        // One box that is free, where something was that is none.
        file.seek(SeekFrom::Start(end))?;
        file.write_all(&u32::try_from(length - end).unwrap_or(0).to_be_bytes())?;
        file.write_all(b"free")?;
    }
    let mut is_formed = true;
    for place in &level {
        let done = match &place.kind {
            b"ftyp" | b"styp" | b"mdat" | b"sidx" | b"ssix" | b"mfra" => Ok(()),
            b"moov" => clean_within(file, *place, (0, None), &mut kept, &mut size),
            b"moof" => {
                kept.in_pieces = true;
                clean_within(file, *place, (0, None), &mut kept, &mut size)
            }
            b"meta" if is_picture => clean_items(file, *place, length, &mut kept).map(|found| {
                size = size.or(found);
            }),
            _ => blank(file, *place),
        };
        is_formed &= was_formed(done)?;
    }
    let is_known = match kept.in_pieces {
        true => !kept.has_other_tracks,
        false => !kept.ranges.is_empty(),
    };
    let is_whole = is_formed && is_known;
    // A picture loses what lies beside its known parts even so; of a film nothing would be left.
    let is_wiped = is_whole || is_picture && !kept.ranges.is_empty();
    if is_wiped && !kept.in_pieces {
        let ranges = merged(kept.ranges);
        for place in level.iter().filter(|place| place.kind == *b"mdat") {
            wipe_others(file, place.content, place.end, &ranges)?;
        }
    }
    for extents in &kept.exif {
        let mut left = &NO_EXIF[..];
        for (from, length) in extents {
            let count = left
                .len()
                .min(usize::try_from(*length).unwrap_or(usize::MAX));
            file.seek(SeekFrom::Start(*from))?;
            file.write_all(&left[..count])?;
            left = &left[count..];
        }
    }
    match is_whole {
        true => Ok(size),
        false => Err(CleanError::Malformed),
    }
}

/// Returns whether a part was well formed: what follows one that was not tells as much, and is
/// cleaned all the same.
fn was_formed(done: Result<(), CleanError>) -> Result<bool, CleanError> {
    match done {
        Ok(()) => Ok(true),
        Err(CleanError::Malformed) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns what was found in a box; blanks one in which it cannot be told what is what.
fn or_blank<T>(
    file: &mut dyn Medium,
    place: Place,
    found: Result<T, CleanError>,
) -> Result<T, CleanError> {
    if let Err(CleanError::Malformed) = found {
        blank(file, place)?;
    }
    found
}

/// The boxes of a level.
pub(super) fn places(file: &mut dyn Source, from: u64, end: u64) -> Result<Vec<Place>, CleanError> {
    let (places, known) = some_places(file, from, end)?;
    // Some programs end a level with four bytes of nothing.
    match end - known < 8 {
        true => Ok(places),
        false => Err(CleanError::Malformed),
    }
}

/// The boxes of a level up to where it is damaged, which is told too. The bytes of a film, or of a
/// picture of JPEG XL, may be cut off.
pub(super) fn some_places(
    file: &mut dyn Source,
    from: u64,
    end: u64,
) -> Result<(Vec<Place>, u64), CleanError> {
    let (mut places, mut start) = (Vec::new(), from);
    while end.saturating_sub(start) >= 8 {
        if places.len() >= MAX_BOXES {
            return Err(CleanError::Malformed);
        }
        file.seek(SeekFrom::Start(start))?;
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let [a, b, c, d, kind @ ..] = head;
        let (length, head_bytes) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (end - start, 8),
            1 if end - start >= 16 => {
                let mut long = [0; 8];
                file.read_exact(&mut long)?;
                (u64::from_be_bytes(long), 16)
            }
            length => (length.into(), 8),
        };
        let next = start.saturating_add(length);
        let is_cut = next > end && !matches!(&kind, b"mdat" | b"jxlc" | b"jxlp");
        if length < head_bytes || is_cut {
            break;
        }
        places.push(Place {
            kind,
            start,
            content: start + head_bytes,
            end: next.min(end),
        });
        start = next.min(end);
    }
    Ok((places, start.min(end)))
}

/// Makes a box one that is free, with nothing in it.
pub(super) fn blank(file: &mut dyn Medium, place: Place) -> Result<(), CleanError> {
    file.seek(SeekFrom::Start(place.start + 4))?;
    file.write_all(b"free")?;
    wipe(file, place.content, place.end - place.content)
}

/// Overwrites so many bytes with nothing.
pub(super) fn wipe(file: &mut dyn Medium, from: u64, length: u64) -> Result<(), CleanError> {
    const ZEROES: [u8; 16 << 10] = [0; 16 << 10];
    if length > 0 {
        file.seek(SeekFrom::Start(from))?;
    }
    let mut left = length;
    while left > 0 {
        let count = left.min(ZEROES.len() as u64);
        file.write_all(&ZEROES[..count as usize])?;
        left -= count;
    }
    Ok(())
}

/// Stretches in their order, of which none touches another.
pub(super) fn merged(mut all: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    all.sort_unstable();
    all.dedup_by(|next, before| {
        let touches = next.0 <= before.1;
        if touches {
            before.1 = before.1.max(next.1);
        }
        touches
    });
    all
}

/// Overwrites of a stretch all that is not in these, which are [`merged`]. Those that lie elsewhere
/// are not looked at: there may be millions of them, and as many stretches as a file has boxes.
pub(super) fn wipe_others(
    file: &mut dyn Medium,
    from: u64,
    end: u64,
    kept: &[(u64, u64)],
) -> Result<(), CleanError> {
    let mut at = from;
    let first = kept.partition_point(|(_, last)| *last <= from);
    let there = kept[first..].iter().take_while(|(start, _)| *start < end);
    for (start, last) in there {
        wipe(file, at, start.saturating_sub(at))?;
        at = (*last).min(end);
    }
    wipe(file, at, end.saturating_sub(at))
}

/// Which boxes are kept within one of this kind.
fn known_within(kind: [u8; 4]) -> &'static [&'static [u8; 4]] {
    match &kind {
        b"moov" => &[b"mvhd", b"trak", b"mvex"],
        b"mvex" => &[b"mehd", b"trex"],
        b"trak" => &[b"tkhd", b"edts", b"tref", b"mdia"],
        b"edts" => &[b"elst"],
        b"mdia" => &[b"mdhd", b"hdlr", b"minf", b"elng"],
        b"minf" => &[b"vmhd", b"smhd", b"nmhd", b"dinf", b"hdlr", b"stbl"],
        b"dinf" => &[b"dref"],
        b"stbl" => &[
            b"stsd", b"stts", b"ctts", b"cslg", b"stsc", b"stsz", b"stz2", b"stco", b"co64",
            b"stss", b"stsh", b"sdtp", b"sbgp", b"sgpd", b"subs",
        ],
        b"moof" => &[b"mfhd", b"traf"],
        b"traf" => &[
            b"tfhd", b"tfdt", b"trun", b"sdtp", b"sbgp", b"sgpd", b"subs",
        ],
        _ => &[],
    }
}

/// The tracks that are seen or heard.
const SHOWN: [&[u8; 4]; 4] = [b"vide", b"soun", b"pict", b"auxv"];
/// What a sample of pictures or of sound is described by.
const CODECS: [&[u8; 4]; 27] = [
    b"avcC", b"hvcC", b"av1C", b"vpcC", b"dvcC", b"dvvC", b"esds", b"colr", b"pasp", b"clap",
    b"btrt", b"fiel", b"gama", b"mdcv", b"clli", b"SmDm", b"CoLL", b"hvcE", b"lhvC", b"amve",
    b"dOps", b"dac3", b"dec3", b"alac", b"chnl", b"wave", b"chan",
];

/// Keeps what is known within a box, and blanks what is not. `handler` is the kind of the track
/// that it is in.
fn clean_within(
    file: &mut dyn Medium,
    within: Place,
    (depth, handler): (u32, Option<[u8; 4]>),
    kept: &mut Kept,
    size: &mut Option<Sides>,
) -> Result<(), CleanError> {
    if depth > MAX_DEPTH {
        return Err(CleanError::Malformed);
    }
    let known = known_within(within.kind);
    let level = places(file, within.content, within.end);
    let level = or_blank(file, within, level)?;
    let mut is_formed = true;
    for place in &level {
        let done = match known.contains(&&place.kind) {
            true => clean_known(file, *place, (depth, handler), kept, size),
            false => blank(file, *place),
        };
        is_formed &= was_formed(done)?;
    }
    if !is_formed {
        return Err(CleanError::Malformed);
    }
    if within.kind == *b"stbl" {
        samples_of(file, &level, &mut kept.ranges)?;
    }
    Ok(())
}

/// Cleans a box that is known where it is.
fn clean_known(
    file: &mut dyn Medium,
    place: Place,
    (depth, handler): (u32, Option<[u8; 4]>),
    kept: &mut Kept,
    size: &mut Option<Sides>,
) -> Result<(), CleanError> {
    match &place.kind {
        b"trak" => {
            let handler = handler_of(file, place);
            let handler = or_blank(file, place, handler)?;
            if !handler.is_some_and(|kind| SHOWN.contains(&&kind)) {
                kept.has_other_tracks = true;
                return blank(file, place);
            }
            clean_within(file, place, (depth + 1, handler), kept, size)
        }
        b"mvhd" | b"mdhd" => forget_times(file, place),
        b"tkhd" => {
            forget_times(file, place)?;
            *size = size.or(track_size(file, place)?);
            Ok(())
        }
        // Its name, behind its kind.
        b"hdlr" => wipe_from(file, place, 12),
        b"dref" => {
            for reference in places(file, place.content + 8, place.end)? {
                wipe_from(file, reference, 4)?;
            }
            Ok(())
        }
        b"stsd" => clean_descriptions(file, place, handler == Some(*b"soun")),
        b"mvex" | b"edts" | b"mdia" | b"minf" | b"dinf" | b"stbl" | b"traf" => {
            clean_within(file, place, (depth + 1, handler), kept, size)
        }
        _ => Ok(()),
    }
}

/// Overwrites the content of a box from this byte of it on.
pub(super) fn wipe_from(file: &mut dyn Medium, place: Place, from: u64) -> Result<(), CleanError> {
    let from = (place.content + from).min(place.end);
    wipe(file, from, place.end - from)
}

/// Returns the kind of a track.
fn handler_of(file: &mut dyn Medium, track: Place) -> Result<Option<[u8; 4]>, CleanError> {
    let level = places(file, track.content, track.end)?;
    let Some(media) = level.iter().find(|place| place.kind == *b"mdia") else {
        return Ok(None);
    };
    let level = places(file, media.content, media.end)?;
    let handler = level.iter().find(|place| place.kind == *b"hdlr");
    let Some(handler) = handler.filter(|place| place.end - place.content >= 12) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(handler.content + 8))?;
    let mut kind = [0; 4];
    file.read_exact(&mut kind)?;
    Ok(Some(kind))
}

/// Overwrites when something was made and changed.
fn forget_times(file: &mut dyn Medium, place: Place) -> Result<(), CleanError> {
    let mut version = [0];
    file.seek(SeekFrom::Start(place.content))?;
    file.read_exact(&mut version)?;
    let bytes = if version == [0] { 8 } else { 16 };
    match place.content + 4 + bytes <= place.end {
        true => wipe(file, place.content + 4, bytes),
        false => Err(CleanError::Malformed),
    }
}

/// Cleans what samples are described by: the name of the program that made them, and what is not
/// known.
fn clean_descriptions(
    file: &mut dyn Medium,
    place: Place,
    is_sound: bool,
) -> Result<(), CleanError> {
    for entry in places(file, place.content + 8, place.end)? {
        let length = entry.end - entry.content;
        let inner = match is_sound {
            false if length >= 78 => {
                wipe(file, entry.content + 42, 32)?;
                78
            }
            true if length >= 28 => {
                let mut version = [0; 2];
                file.seek(SeekFrom::Start(entry.content + 8))?;
                file.read_exact(&mut version)?;
                match version {
                    [0, 0] => 28,
                    // QuickTime's own, whose boxes are elsewhere.
                    _ => continue,
                }
            }
            _ => return Err(CleanError::Malformed),
        };
        for part in places(file, entry.content + inner, entry.end)? {
            match &part.kind {
                b"dfLa" => clean_flac(file, part)?,
                kind if CODECS.contains(&kind) => {}
                _ => blank(file, part)?,
            }
        }
    }
    Ok(())
}

/// Cleans the metadata of FLAC behind its version, or blanks it.
fn clean_flac(file: &mut dyn Medium, place: Place) -> Result<(), CleanError> {
    let told = content(file, place, MAX_METADATA);
    let mut told = or_blank(file, place, told)?;
    if !told.get_mut(4..).is_some_and(blank_flac) {
        return blank(file, place);
    }
    file.seek(SeekFrom::Start(place.content))?;
    file.write_all(&told)?;
    Ok(())
}

/// Width and height of a track that is seen, in 65,536ths in its last eight bytes; before them
/// stands how it is turned.
fn track_size(file: &mut dyn Medium, track: Place) -> Result<Option<Sides>, CleanError> {
    if track.end - track.content < 84 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(track.end - 44))?;
    let mut matrix = [0; 44];
    file.read_exact(&mut matrix)?;
    let number = |at: usize| u16::from_be_bytes([matrix[at], matrix[at + 1]]);
    let (width, height) = (u32::from(number(36)), u32::from(number(40)));
    let is_turned = number(0) == 0 && number(4) != 0;
    let size = if is_turned {
        (height, width)
    } else {
        (width, height)
    };
    Ok((width > 0 && height > 0).then_some(size))
}

/// Reads the content of a box of at most so many bytes.
pub(super) fn content(
    file: &mut dyn Medium,
    place: Place,
    most: u64,
) -> Result<Vec<u8>, CleanError> {
    let length = place.end - place.content;
    if length > most {
        return Err(CleanError::Malformed);
    }
    file.seek(SeekFrom::Start(place.content))?;
    let mut bytes = vec![0; length as usize];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A number of so many bytes, at the front of these.
pub(super) fn number(bytes: &mut &[u8], length: usize) -> Option<u64> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let next = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    Some(taken.iter().fold(0, next))
}

#[cfg(test)]
mod tests;
