//! Cutting what a picture tells of its maker: where it was taken, when, by which camera, and the
//! smaller picture that still shows what was cut away. Byte surgery on the file's own parts;
//! nothing is decoded, and the picture itself stays bit for bit.
//!
//! Parts are kept that are known to belong to the picture; every other is left out, so that one
//! that comes into use tomorrow tells nothing either. What lies behind the picture's end, or behind
//! the place where it is damaged, is cut off.

use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};

use super::exif::{orientation, tiff_of, turned};
use super::mp3::clean_mp3;
use super::ogg::clean_ogg;
use crate::model::FileKind;

/// A file that is not what its first bytes say.
#[derive(Debug)]
pub(super) enum CleanError {
    /// It is made wrong, or cut off before there is a picture in it.
    Malformed,
    /// It cannot be read, or its copy not be written.
    Io(io::Error),
}

impl From<io::Error> for CleanError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Malformed,
            _ => Self::Io(error),
        }
    }
}

/// Width and height as the picture is shown.
type Dimensions = Option<(u32, u32)>;
type Cleaned = Result<Dimensions, CleanError>;

/// Copies a picture, or sound, without what it tells of its maker. `None` for a kind of which
/// everything is kept, or which is cleaned where it lies. A picture that is damaged, or cut off,
/// ends at the damage: nothing is copied of which it is not known what it is. It is
/// [`CleanError::Malformed`] where no picture has begun by then.
pub(super) fn clean(
    kind: FileKind,
    input: &mut dyn Input,
    out: &mut dyn Output,
) -> Option<Cleaned> {
    Some(match kind {
        FileKind::Jpeg => jpeg(input, out),
        FileKind::Png => png(input, out),
        FileKind::Gif => gif(input, out),
        FileKind::Webp => webp(input, out),
        FileKind::Mp3 => clean_mp3(input, out).map(|()| None),
        FileKind::Ogg => clean_ogg(input, out).map(|()| None),
        _ => return None,
    })
}

/// What a picture is read from.
pub(super) trait Input: BufRead + Seek {}
impl<I: BufRead + Seek> Input for I {}

/// What its copy is written to.
pub(super) trait Output: Write + Seek {}
impl<O: Write + Seek> Output for O {}

fn take<const N: usize>(input: &mut dyn Input) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn take_vec(input: &mut dyn Input, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// 64 KiB: so much is looked through at once for what cannot be where it should.
const SEARCHED: u64 = 64 << 10;

/// Returns what `find` finds in the bytes between two places, by their place. They are handed to it
/// a piece at a time, each of which begins with the last `kept` bytes of the one before. The first
/// pieces are small, so that who has to look often for what is near reads little more than that.
pub(super) fn look_through<T>(
    input: &mut dyn Input,
    (mut from, end): (u64, u64),
    kept: u64,
    mut find: impl FnMut(&mut dyn Input, u64, &[u8]) -> io::Result<Option<T>>,
) -> io::Result<Option<T>> {
    let mut step = 256;
    while end.saturating_sub(from) > kept {
        let mut bytes = Vec::new();
        go_to(input, from)?;
        (&mut *input)
            .take(step.min(end - from))
            .read_to_end(&mut bytes)?;
        if let Some(found) = find(input, from, &bytes)? {
            return Ok(Some(found));
        }
        from += (bytes.len() as u64).saturating_sub(kept).max(1);
        step = (2 * step).min(SEARCHED);
    }
    Ok(None)
}

/// Goes on reading at this place, with what is at hand of it.
pub(super) fn go_to(input: &mut dyn Input, at: u64) -> io::Result<()> {
    let now = input.stream_position()?;
    input.seek_relative(at.cast_signed().wrapping_sub(now.cast_signed()))
}

/// Copies so many bytes.
fn copy(input: &mut dyn Input, out: &mut dyn Write, length: u64) -> Result<(), CleanError> {
    let copied = io::copy(&mut input.take(length), out)?;
    match copied == length {
        true => Ok(()),
        false => Err(CleanError::Malformed),
    }
}

/// Passes over so many bytes, which must be there.
fn pass(input: &mut dyn Input, length: u64) -> Result<(), CleanError> {
    copy(input, &mut io::sink(), length)
}

/// The bytes that are left.
fn left(input: &mut dyn Input) -> io::Result<u64> {
    let at = input.stream_position()?;
    let end = input.seek(SeekFrom::End(0))?;
    input.seek(SeekFrom::Start(at))?;
    Ok(end.saturating_sub(at))
}

/// Returns what was found of a picture that is damaged from here on; an error of the disk is none
/// of the picture's.
fn up_to_damage<T>(part: Result<T, CleanError>) -> Result<Option<T>, CleanError> {
    match part {
        Ok(part) => Ok(Some(part)),
        Err(CleanError::Malformed) => Ok(None),
        Err(error) => Err(error),
    }
}

const MARKER: u8 = 0xff;
const JPEG_END: u8 = 0xd9;

/// What is known of a JPEG so far.
#[derive(Default)]
struct Jpeg {
    size: Option<(u32, u32)>,
    turn: Option<u8>,
    /// Whether a scan has begun.
    is_shown: bool,
}

/// JPEG (ITU T.81): segments up to the end of the picture, behind which cameras put further
/// pictures. Of its applications' segments JFIF's without its smaller picture, a colour profile and
/// Adobe's note on colours stay.
fn jpeg(input: &mut dyn Input, out: &mut dyn Output) -> Cleaned {
    if take::<2>(input)? != [MARKER, 0xd8] {
        return Err(CleanError::Malformed);
    }
    out.write_all(&[MARKER, 0xd8])?;
    let mut found = Jpeg::default();
    up_to_damage(jpeg_segments(input, out, &mut found))?;
    out.write_all(&[MARKER, JPEG_END])?;
    let size = found.size.filter(|_| found.is_shown);
    let size = size.ok_or(CleanError::Malformed)?;
    Ok(Some(turned(size, found.turn)))
}

/// Copies the segments up to the end, which is left out.
fn jpeg_segments(
    input: &mut dyn Input,
    out: &mut dyn Output,
    found: &mut Jpeg,
) -> Result<(), CleanError> {
    let mut kind = jpeg_marker(input)?;
    loop {
        match kind {
            JPEG_END => return Ok(()),
            0x01 | 0xd0..=0xd7 => {
                kind = jpeg_marker(input)?;
                continue;
            }
            0xd8 => return Err(CleanError::Malformed),
            _ => {}
        }
        let length = u16::from_be_bytes(take(input)?);
        let length = length.checked_sub(2).ok_or(CleanError::Malformed)?;
        let body = take_vec(input, length.into())?;
        if matches!(kind, 0xc0..=0xcf) && !matches!(kind, 0xc4 | 0xc8 | 0xcc) {
            let [_, a, b, c, d] = body[..].first_chunk().ok_or(CleanError::Malformed)?;
            let (height, width) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
            found.size = Some((width.into(), height.into()));
        }
        if let Some(kept) = jpeg_segment(kind, &body, &mut found.turn) {
            out.write_all(&[MARKER, kind])?;
            let length = u16::try_from(kept.len() + 2).map_err(|_| CleanError::Malformed)?;
            out.write_all(&length.to_be_bytes())?;
            out.write_all(&kept)?;
        }
        kind = match kind {
            0xda => {
                found.is_shown = true;
                jpeg_scan(input, out)?
            }
            _ => jpeg_marker(input)?,
        };
    }
}

/// The next marker. What stands before it is none of a picture, and is left out.
fn jpeg_marker(input: &mut dyn Input) -> Result<u8, CleanError> {
    loop {
        while take::<1>(input)? != [MARKER] {}
        let mut kind = MARKER;
        while kind == MARKER {
            [kind] = take(input)?;
        }
        if kind != 0 {
            return Ok(kind);
        }
    }
}

/// Returns what is kept of a segment.
fn jpeg_segment(kind: u8, body: &[u8], turn: &mut Option<u8>) -> Option<Vec<u8>> {
    match kind {
        0xe0 if body.starts_with(b"JFIF\0") && body.len() >= 14 => {
            let mut kept = body[..14].to_vec();
            // No smaller picture.
            kept[12..].fill(0);
            Some(kept)
        }
        0xe1 => {
            let turned = orientation(body.strip_prefix(b"Exif\0\0")?)?;
            *turn = Some(turned);
            Some([b"Exif\0\0", &tiff_of(turned)[..]].concat())
        }
        0xe2 if body.starts_with(b"ICC_PROFILE\0") => Some(body.to_vec()),
        0xee if body.starts_with(b"Adobe") => Some(body.to_vec()),
        // Frames, tables and scans.
        0xc0..=0xcf | 0xda..=0xdf => Some(body.to_vec()),
        // Those of other applications, comments, and what is not known.
        _ => None,
    }
}

/// Copies a scan up to the marker behind it, which it gives.
fn jpeg_scan(input: &mut dyn Input, out: &mut dyn Output) -> Result<u8, CleanError> {
    loop {
        let there = input.fill_buf()?;
        if there.is_empty() {
            return Err(CleanError::Malformed);
        }
        let marker = there.iter().position(|byte| *byte == MARKER);
        let plain = marker.unwrap_or(there.len());
        out.write_all(&there[..plain])?;
        input.consume(plain);
        if marker.is_none() {
            continue;
        }
        let mut kind = MARKER;
        while kind == MARKER {
            [kind] = take(input)?;
        }
        match kind {
            // A byte of the scan that looks like a marker, and a restart of it.
            0x00 | 0xd0..=0xd7 => out.write_all(&[MARKER, kind])?,
            kind => return Ok(kind),
        }
    }
}

const PNG_MAGIC: &[u8; 8] = b"\x89PNG\r\n\x1a\n";
/// What belongs to a picture of PNG (third edition, section 11).
const PNG_KEPT: [&[u8; 4]; 20] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB",
    b"cICP", b"mDCV", b"cLLI", b"bKGD", b"hIST", b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT",
];
/// 64 KiB: more than a camera tells; a longer one is passed over.
const MAX_EXIF: u32 = 64 << 10;
/// 32 MiB: a longer chunk of a picture that is cut off is left out.
const MAX_CUT: u64 = 32 << 20;

/// What is known of a PNG so far.
#[derive(Default)]
struct Png {
    size: Option<(u32, u32)>,
    turn: Option<u8>,
    /// Whether there is a part of the picture.
    is_shown: bool,
}

fn png(input: &mut dyn Input, out: &mut dyn Output) -> Cleaned {
    if take::<8>(input)? != *PNG_MAGIC {
        return Err(CleanError::Malformed);
    }
    out.write_all(PNG_MAGIC)?;
    let mut found = Png::default();
    up_to_damage(png_chunks(input, out, &mut found))?;
    put_png(b"IEND", b"", out)?;
    let size = found.size.filter(|_| found.is_shown);
    let size = size.ok_or(CleanError::Malformed)?;
    Ok(Some(turned(size, found.turn)))
}

/// Copies the chunks up to the end, which is left out.
fn png_chunks(
    input: &mut dyn Input,
    out: &mut dyn Output,
    found: &mut Png,
) -> Result<(), CleanError> {
    let mut left = left(input)?;
    loop {
        let length = u32::from_be_bytes(take(input)?);
        let kind: [u8; 4] = take(input)?;
        if !kind.iter().all(u8::is_ascii_alphabetic) {
            return Err(CleanError::Malformed);
        }
        let whole = u64::from(length) + 4;
        let there = left.saturating_sub(8);
        left = there.saturating_sub(whole);
        match &kind {
            b"IEND" => return Ok(()),
            // Of a picture that is cut off, what has come.
            b"IDAT" if there < whole && (1..MAX_CUT).contains(&there) && found.size.is_some() => {
                let body = take_vec(input, there.min(u64::from(length)) as usize)?;
                found.is_shown = true;
                put_png(&kind, &body, out)?;
                return Err(CleanError::Malformed);
            }
            _ if there < whole => return Err(CleanError::Malformed),
            b"eXIf" if length <= MAX_EXIF => {
                let body = take_vec(input, length as usize)?;
                pass(input, 4)?;
                if let Some(orientation) = orientation(&body).filter(|_| found.turn.is_none()) {
                    found.turn = Some(orientation);
                    put_png(&kind, &tiff_of(orientation), out)?;
                }
            }
            b"IHDR" if length == 13 && found.size.is_none() => {
                let body: [u8; 13] = take(input)?;
                let [a, b, c, d, e, f, g, h, ..] = body;
                let (width, height) = ([a, b, c, d], [e, f, g, h]);
                found.size = Some((u32::from_be_bytes(width), u32::from_be_bytes(height)));
                pass(input, 4)?;
                put_png(&kind, &body, out)?;
            }
            known if PNG_KEPT.contains(&known) && found.size.is_some() => {
                found.is_shown |= kind == *b"IDAT";
                out.write_all(&length.to_be_bytes())?;
                out.write_all(&kind)?;
                copy(input, out, whole)?;
            }
            _ => pass(input, whole)?,
        }
    }
}

fn put_png(kind: &[u8; 4], body: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(kind)?;
    out.write_all(body)?;
    let sum = crc32(crc32(u32::MAX, kind), body);
    out.write_all(&(!sum).to_be_bytes())
}

/// Goes on with the checksum of PNG's chunks (ISO 3309), which are short where it is made anew.
fn crc32(sum: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(sum, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| match sum & 1 {
            0 => sum >> 1,
            _ => sum >> 1 ^ 0xedb8_8320,
        })
    })
}

/// GIF (GIF89a, section 17): comments, and what applications note beside repetition and profile,
/// are left out.
fn gif(input: &mut dyn Input, out: &mut dyn Output) -> Cleaned {
    let head: [u8; 13] = take(input)?;
    out.write_all(&head)?;
    let [.., a, b, c, d, flags, _, _] = head;
    let size = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
    copy(input, out, gif_colours(flags))?;
    let mut is_shown = false;
    let ended = up_to_damage(gif_parts(input, out, &mut is_shown))?;
    out.write_all(&[GIF_END])?;
    match ended.is_some() || is_shown {
        true => Ok(Some((size.0.into(), size.1.into()))),
        false => Err(CleanError::Malformed),
    }
}

const GIF_END: u8 = 0x3b;

/// Copies its pictures and extensions up to the end, which is left out.
fn gif_parts(
    input: &mut dyn Input,
    out: &mut dyn Output,
    is_shown: &mut bool,
) -> Result<(), CleanError> {
    loop {
        match take::<1>(input)? {
            [GIF_END] => return Ok(()),
            [0x2c] => {
                let image: [u8; 9] = take(input)?;
                let colours = take_vec(input, gif_colours(image[8]) as usize)?;
                let code: [u8; 1] = take(input)?;
                out.write_all(&[0x2c])?;
                out.write_all(&image)?;
                out.write_all(&colours)?;
                out.write_all(&code)?;
                *is_shown = true;
                gif_blocks(input, out)?;
            }
            [0x21] => gif_extension(input, out)?,
            _ => return Err(CleanError::Malformed),
        }
    }
}

/// The bytes of a table of colours.
fn gif_colours(flags: u8) -> u64 {
    match flags & 0x80 {
        0 => 0,
        _ => 3 << (u64::from(flags & 7) + 1),
    }
}

fn gif_extension(input: &mut dyn Input, out: &mut dyn Output) -> Result<(), CleanError> {
    let [label] = take(input)?;
    if label != 0xff {
        let is_kept = matches!(label, 0xf9 | 0x01);
        if is_kept {
            out.write_all(&[0x21, label])?;
            return gif_blocks(input, out);
        }
        return gif_blocks(input, &mut io::sink());
    }
    let [length] = take(input)?;
    let name = take_vec(input, length.into())?;
    if matches!(&name[..], b"NETSCAPE2.0" | b"ANIMEXTS1.0" | b"ICCRGBG1012") {
        out.write_all(&[0x21, label, length])?;
        out.write_all(&name)?;
        return gif_blocks(input, out);
    }
    gif_blocks(input, &mut io::sink())
}

/// Copies blocks of up to 255 bytes; those that are cut off end with the last whole one.
fn gif_blocks(input: &mut dyn Input, out: &mut dyn Write) -> Result<(), CleanError> {
    let copied = loop {
        let block = match take::<1>(input) {
            Ok([0]) => break Ok(()),
            Ok([length]) => take_vec(input, length.into()).map(|block| (length, block)),
            Err(error) => Err(error),
        };
        match block {
            Ok((length, block)) => {
                out.write_all(&[length])?;
                out.write_all(&block)?;
            }
            Err(error) => break Err(error.into()),
        }
    };
    out.write_all(&[0])?;
    copied
}

/// What is known of a WebP so far.
#[derive(Default)]
struct Webp {
    size: Option<(u32, u32)>,
    turn: Option<u8>,
    /// What the extended form says that there is.
    flags: Option<u8>,
    /// Whether there is a picture.
    is_shown: bool,
    /// The bytes behind the first eight.
    written: u64,
}

/// WebP (RFC 9649): chunks of RIFF, whose length, and whose flags of what is in it, are put right
/// at the end.
fn webp(input: &mut dyn Input, out: &mut dyn Output) -> Cleaned {
    let head: [u8; 12] = take(input)?;
    let [b'R', b'I', b'F', b'F', a, b, c, d, ..] = head else {
        return Err(CleanError::Malformed);
    };
    let stated = u64::from(u32::from_le_bytes([a, b, c, d]));
    let stated = stated.checked_sub(4).ok_or(CleanError::Malformed)?;
    out.write_all(&head)?;
    let mut found = Webp {
        written: 4,
        ..Webp::default()
    };
    let there = left(input)?.min(stated);
    up_to_damage(webp_chunks(input, out, &mut found, there))?;
    // Only the extended form says that there is anything beside the picture.
    let turn = found.turn.filter(|_| found.flags.is_some());
    if let Some(turn) = turn {
        let tiff = tiff_of(turn);
        out.write_all(b"EXIF")?;
        out.write_all(&u32::try_from(tiff.len()).unwrap_or_default().to_le_bytes())?;
        out.write_all(&tiff)?;
        found.written += 8 + tiff.len() as u64;
    }
    let end = out.stream_position()?;
    out.seek(SeekFrom::Start(4))?;
    let length = u32::try_from(found.written).map_err(|_| CleanError::Malformed)?;
    out.write_all(&length.to_le_bytes())?;
    if let Some(flags) = found.flags {
        out.seek(SeekFrom::Start(20))?;
        let exif = if turn.is_some() { 0x08 } else { 0 };
        out.write_all(&[flags & !0x0c | exif])?;
    }
    out.seek(SeekFrom::Start(end))?;
    let size = found.size.filter(|_| found.is_shown);
    let size = size.ok_or(CleanError::Malformed)?;
    Ok(Some(turned(size, turn)))
}

/// Copies the chunks of so many bytes.
fn webp_chunks(
    input: &mut dyn Input,
    out: &mut dyn Output,
    found: &mut Webp,
    mut left: u64,
) -> Result<(), CleanError> {
    while left > 0 {
        let kind: [u8; 4] = take(input)?;
        let length = u32::from_le_bytes(take(input)?);
        let whole = u64::from(length) + u64::from(length % 2);
        left = left.checked_sub(8).ok_or(CleanError::Malformed)?;
        // Of a picture that is cut off, what has come; programs forget the byte that fills.
        let there = whole.min(left);
        let is_cut = u64::from(length) > left;
        if is_cut && !matches!(&kind, b"VP8 " | b"VP8L") {
            return Err(CleanError::Malformed);
        }
        left -= there;
        match &kind {
            b"EXIF" if length <= MAX_EXIF => {
                let body = take_vec(input, length as usize)?;
                pass(input, there - u64::from(length))?;
                let tiff = body.strip_prefix(b"Exif\0\0").unwrap_or(&body);
                found.turn = orientation(tiff).or(found.turn);
            }
            b"VP8X" | b"VP8 " | b"VP8L" | b"ALPH" | b"ANIM" | b"ANMF" | b"ICCP" => {
                let start = take_vec(input, there.min(10).min(length.into()) as usize)?;
                if found.size.is_none() {
                    found.size = webp_size(&kind, &start);
                }
                if kind == *b"VP8X" {
                    // Its flags are put right where it must stand.
                    if found.written > 4 || length < 10 {
                        return Err(CleanError::Malformed);
                    }
                    found.flags = start.first().copied();
                }
                found.is_shown |= matches!(&kind, b"VP8 " | b"VP8L" | b"ANMF");
                let length = length.min(u32::try_from(there).unwrap_or(u32::MAX));
                out.write_all(&kind)?;
                out.write_all(&length.to_le_bytes())?;
                out.write_all(&start)?;
                copy(input, out, there - start.len() as u64)?;
                let fill = u64::from(length % 2) - (there - u64::from(length));
                io::copy(&mut io::repeat(0).take(fill), out)?;
                found.written += 8 + there + fill;
            }
            _ => pass(input, there)?,
        }
    }
    Ok(())
}

/// Width and height, from the first ten bytes of the first chunk that tells them.
fn webp_size(kind: &[u8; 4], start: &[u8]) -> Option<(u32, u32)> {
    let short = |at: usize| Some(u16::from_le_bytes(start.get(at..at + 2)?.try_into().ok()?));
    let three = |at: usize| {
        let [a, b, c] = start.get(at..at + 3)?.try_into().ok()?;
        Some(u32::from_le_bytes([a, b, c, 0]) + 1)
    };
    match kind {
        b"VP8X" => Some((three(4)?, three(7)?)),
        b"VP8 " => Some((u32::from(short(6)? & 0x3fff), u32::from(short(8)? & 0x3fff))),
        b"VP8L" => {
            let bits = u32::from_le_bytes(start.get(1..5)?.try_into().ok()?);
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
