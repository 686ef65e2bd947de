//! Cutting what a picture tells of its maker: where it was taken, when, by which camera, and the
//! smaller picture that still shows what was cut away. Byte surgery on the file's own parts;
//! nothing is decoded, and the picture itself stays bit for bit.
//!
//! Parts are kept that are known to belong to the picture; every other is left out, so that one
//! that comes into use tomorrow tells nothing either. What lies behind the picture's end is cut
//! off.

use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};

use super::exif::{orientation, tiff_of, turned};
use crate::model::FileKind;

/// A file that is not what its first bytes say.
#[derive(Debug)]
pub(super) enum CleanError {
    /// It is cut off or made wrong: it cannot be known what is in it.
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

/// Copies a picture without what it tells of its maker. `None` for a kind of which everything is
/// kept.
pub(super) fn clean(
    kind: FileKind,
    input: &mut (impl BufRead + Seek),
    out: &mut (impl Write + Seek),
) -> Option<Cleaned> {
    Some(match kind {
        FileKind::Jpeg => jpeg(input, out),
        FileKind::Png => png(input, out),
        FileKind::Gif => gif(input, out),
        FileKind::Webp => webp(input, out),
        _ => return None,
    })
}

fn take<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn take_vec(input: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Copies so many bytes.
fn copy(input: &mut impl Read, out: &mut impl Write, length: u64) -> Result<(), CleanError> {
    let copied = io::copy(&mut input.take(length), out)?;
    match copied == length {
        true => Ok(()),
        false => Err(CleanError::Malformed),
    }
}

/// Passes over so many bytes, which must be there.
fn pass(input: &mut impl Read, length: u64) -> Result<(), CleanError> {
    copy(input, &mut io::sink(), length)
}

const MARKER: u8 = 0xff;

/// JPEG (ITU T.81): segments up to the end of the picture. Of its applications' segments JFIF's
/// without its smaller picture, a colour profile and Adobe's note on colours stay.
fn jpeg(input: &mut impl BufRead, out: &mut impl Write) -> Cleaned {
    let mut bytes = input.bytes();
    let mut next = || {
        bytes
            .next()
            .unwrap_or(Err(io::ErrorKind::UnexpectedEof.into()))
    };
    if [next()?, next()?] != [MARKER, 0xd8] {
        return Err(CleanError::Malformed);
    }
    out.write_all(&[MARKER, 0xd8])?;
    let (mut size, mut turn) = (None, None);
    let mut kind = jpeg_marker(&mut next)?;
    loop {
        match kind {
            // The end, behind which cameras put further pictures.
            0xd9 => {
                out.write_all(&[MARKER, kind])?;
                let size = size.ok_or(CleanError::Malformed)?;
                return Ok(Some(turned(size, turn)));
            }
            0x01 | 0xd0..=0xd7 => {
                out.write_all(&[MARKER, kind])?;
                kind = jpeg_marker(&mut next)?;
                continue;
            }
            0xd8 | 0x00 => return Err(CleanError::Malformed),
            _ => {}
        }
        let length = u16::from_be_bytes([next()?, next()?]);
        let length = length.checked_sub(2).ok_or(CleanError::Malformed)?;
        let body = (0..length)
            .map(|_| next())
            .collect::<io::Result<Vec<u8>>>()?;
        match kind {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let [_, height @ .., a, b] = body.get(..5).ok_or(CleanError::Malformed)? else {
                    return Err(CleanError::Malformed);
                };
                let height = height.try_into().map_err(|_| CleanError::Malformed)?;
                let (height, width) = (u16::from_be_bytes(height), u16::from_be_bytes([*a, *b]));
                size = Some((width.into(), height.into()));
            }
            _ => {}
        }
        if let Some(kept) = jpeg_segment(kind, &body, &mut turn) {
            out.write_all(&[MARKER, kind])?;
            let length = u16::try_from(kept.len() + 2).map_err(|_| CleanError::Malformed)?;
            out.write_all(&length.to_be_bytes())?;
            out.write_all(&kept)?;
        }
        kind = match kind {
            0xda => jpeg_scan(&mut next, out)?,
            _ => jpeg_marker(&mut next)?,
        };
    }
}

/// The next marker; bytes that fill may stand before it.
fn jpeg_marker(next: &mut impl FnMut() -> io::Result<u8>) -> Result<u8, CleanError> {
    if next()? != MARKER {
        return Err(CleanError::Malformed);
    }
    loop {
        match next()? {
            MARKER => {}
            kind => return Ok(kind),
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
        // Those of other applications, and comments.
        0xe0..=0xef | 0xfe => None,
        _ => Some(body.to_vec()),
    }
}

/// Copies a scan up to the marker behind it, which it gives.
fn jpeg_scan(
    next: &mut impl FnMut() -> io::Result<u8>,
    out: &mut impl Write,
) -> Result<u8, CleanError> {
    loop {
        let byte = next()?;
        if byte != MARKER {
            out.write_all(&[byte])?;
            continue;
        }
        let mut kind = next()?;
        while kind == MARKER {
            kind = next()?;
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

fn png(input: &mut impl Read, out: &mut impl Write) -> Cleaned {
    if take::<8>(input)? != *PNG_MAGIC {
        return Err(CleanError::Malformed);
    }
    out.write_all(PNG_MAGIC)?;
    let (mut size, mut turn) = (None, None);
    loop {
        let length = u32::from_be_bytes(take(input)?);
        let kind: [u8; 4] = take(input)?;
        let is_head = kind == *b"IHDR";
        if length > i32::MAX as u32 || is_head != size.is_none() || is_head && length != 13 {
            return Err(CleanError::Malformed);
        }
        match &kind {
            b"eXIf" if length <= MAX_EXIF => {
                let body = take_vec(input, length as usize)?;
                pass(input, 4)?;
                if let Some(orientation) = orientation(&body) {
                    turn = Some(orientation);
                    put_png(&kind, &tiff_of(orientation), out)?;
                }
            }
            b"IHDR" => {
                let body: [u8; 13] = take(input)?;
                let [a, b, c, d, e, f, g, h, ..] = body;
                size = Some((
                    u32::from_be_bytes([a, b, c, d]),
                    u32::from_be_bytes([e, f, g, h]),
                ));
                pass(input, 4)?;
                put_png(&kind, &body, out)?;
            }
            known if PNG_KEPT.contains(&known) => {
                out.write_all(&length.to_be_bytes())?;
                out.write_all(&kind)?;
                copy(input, out, u64::from(length) + 4)?;
                if kind == *b"IEND" {
                    return Ok(size.map(|size| turned(size, turn)));
                }
            }
            _ => pass(input, u64::from(length) + 4)?,
        }
    }
}

fn put_png(kind: &[u8; 4], body: &[u8], out: &mut impl Write) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(kind)?;
    out.write_all(body)?;
    out.write_all(&crc32([&kind[..], body].concat().as_slice()).to_be_bytes())
}

/// The checksum of PNG's chunks (ISO 3309), which are short where it is made anew.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| match sum & 1 {
            0 => sum >> 1,
            _ => sum >> 1 ^ 0xedb8_8320,
        })
    })
}

/// GIF (GIF89a, section 17): comments, and what applications note beside repetition and profile,
/// are left out.
fn gif(input: &mut impl Read, out: &mut impl Write) -> Cleaned {
    let head: [u8; 13] = take(input)?;
    out.write_all(&head)?;
    let [.., a, b, c, d, flags, _, _] = head;
    let size = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
    copy(input, out, gif_colours(flags))?;
    loop {
        match take::<1>(input)? {
            [0x3b] => {
                out.write_all(&[0x3b])?;
                return Ok(Some((size.0.into(), size.1.into())));
            }
            [0x2c] => {
                let image: [u8; 9] = take(input)?;
                out.write_all(&[0x2c])?;
                out.write_all(&image)?;
                copy(input, out, gif_colours(image[8]))?;
                copy(input, out, 1)?;
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

fn gif_extension(input: &mut impl Read, out: &mut impl Write) -> Result<(), CleanError> {
    let [label] = take::<1>(input)?;
    if label != 0xff {
        let is_kept = matches!(label, 0xf9 | 0x01);
        if is_kept {
            out.write_all(&[0x21, label])?;
            return gif_blocks(input, out);
        }
        return gif_blocks(input, &mut io::sink());
    }
    let [length] = take::<1>(input)?;
    let name = take_vec(input, length.into())?;
    if matches!(&name[..], b"NETSCAPE2.0" | b"ANIMEXTS1.0" | b"ICCRGBG1012") {
        out.write_all(&[0x21, label, length])?;
        out.write_all(&name)?;
        return gif_blocks(input, out);
    }
    gif_blocks(input, &mut io::sink())
}

fn gif_blocks(input: &mut impl Read, out: &mut impl Write) -> Result<(), CleanError> {
    loop {
        let [length] = take::<1>(input)?;
        out.write_all(&[length])?;
        match length {
            0 => return Ok(()),
            length => copy(input, out, length.into())?,
        }
    }
}

/// WebP (RFC 9649): chunks of RIFF, whose length, and whose flags of what is in it, are put right
/// at the end.
fn webp(input: &mut impl Read, out: &mut (impl Write + Seek)) -> Cleaned {
    let head: [u8; 12] = take(input)?;
    let [b'R', b'I', b'F', b'F', a, b, c, d, ..] = head else {
        return Err(CleanError::Malformed);
    };
    let mut left = u64::from(u32::from_le_bytes([a, b, c, d]));
    left = left.checked_sub(4).ok_or(CleanError::Malformed)?;
    out.write_all(&head)?;
    let (mut written, mut size, mut turn, mut flags) = (4_u64, None, None, None);
    while left > 0 {
        let kind: [u8; 4] = take(input)?;
        let length = u32::from_le_bytes(take(input)?);
        let whole = u64::from(length) + u64::from(length % 2);
        left = left.checked_sub(8 + whole).ok_or(CleanError::Malformed)?;
        match &kind {
            b"EXIF" if length <= MAX_EXIF => {
                let body = take_vec(input, length as usize)?;
                pass(input, whole - u64::from(length))?;
                let tiff = body.strip_prefix(b"Exif\0\0").unwrap_or(&body);
                turn = orientation(tiff).or(turn);
            }
            b"VP8X" | b"VP8 " | b"VP8L" | b"ALPH" | b"ANIM" | b"ANMF" | b"ICCP" => {
                let start = take_vec(input, length.min(10) as usize)?;
                if size.is_none() {
                    size = webp_size(&kind, &start);
                }
                if kind == *b"VP8X" {
                    // Its flags are put right where it must stand.
                    if written > 4 || length < 10 {
                        return Err(CleanError::Malformed);
                    }
                    flags = start.first().copied();
                }
                out.write_all(&kind)?;
                out.write_all(&length.to_le_bytes())?;
                out.write_all(&start)?;
                copy(input, out, whole - start.len() as u64)?;
                written += 8 + whole;
            }
            _ => pass(input, whole)?,
        }
    }
    // Only the extended form says that there is anything beside the picture.
    let turn = turn.filter(|_| flags.is_some());
    if let Some(turn) = turn {
        let tiff = tiff_of(turn);
        out.write_all(b"EXIF")?;
        out.write_all(&u32::try_from(tiff.len()).unwrap_or_default().to_le_bytes())?;
        out.write_all(&tiff)?;
        written += 8 + tiff.len() as u64;
    }
    let end = out.stream_position()?;
    out.seek(SeekFrom::Start(4))?;
    let length = u32::try_from(written).map_err(|_| CleanError::Malformed)?;
    out.write_all(&length.to_le_bytes())?;
    if let Some(flags) = flags {
        out.seek(SeekFrom::Start(20))?;
        let exif = if turn.is_some() { 0x08 } else { 0 };
        out.write_all(&[flags & !0x0c | exif])?;
    }
    out.seek(SeekFrom::Start(end))?;
    let size = size.ok_or(CleanError::Malformed)?;
    Ok(Some(turned(size, turn)))
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
