//! The type of a file, told from its first bytes and from nothing else: what a client says of it
//! counts for nothing, and what is not known here is never shown in its place.

use crate::model::FileKind;

/// So many bytes are looked at.
pub(super) const HEAD_BYTES: usize = 4 << 10;

/// The brands of films and sound that browsers play (<https://mp4ra.org/registered-types/brands>).
const MP4_BRANDS: [&[u8; 4]; 12] = [
    b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ",
    b"M4A ", b"dash",
];

/// Returns the kind of a file that begins so.
pub(super) fn kind_of(head: &[u8]) -> FileKind {
    match head {
        [0xff, 0xd8, 0xff, ..] => FileKind::Jpeg,
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => FileKind::Png,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => FileKind::Gif,
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => FileKind::Webp,
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => of_brand(head),
        [0x1a, 0x45, 0xdf, 0xa3, rest @ ..] if is_webm(rest) => FileKind::Webm,
        [b'I', b'D', b'3', 2..=4, ..] => FileKind::Mp3,
        // MPEG 1 or 2, layer III, with a bit rate and a sampling rate.
        [0xff, 0xf2 | 0xf3 | 0xfa | 0xfb, rates, ..]
            if (0x10..0xf0).contains(rates) && rates & 0x0c != 0x0c =>
        {
            FileKind::Mp3
        }
        [b'O', b'g', b'g', b'S', 0, ..] => FileKind::Ogg,
        [b'%', b'P', b'D', b'F', b'-', ..] => FileKind::Pdf,
        _ => FileKind::Other,
    }
}

/// The kind of a file in boxes (ISO 14496-12): by its major brand alone, since others may be named
/// by anything. Pictures of HEIC are none that browsers show.
fn of_brand(head: &[u8]) -> FileKind {
    match head.get(8..12) {
        Some(b"avif" | b"avis") => FileKind::Avif,
        Some(brand) if MP4_BRANDS.iter().any(|known| brand == *known) => FileKind::Mp4,
        _ => FileKind::Other,
    }
}

/// Returns whether a file of boxes whose parts are known begins so, and whether it is a picture; a
/// film otherwise. More of them than are shown: pictures of HEIC and films of MOV too, and such as
/// go with one of these by their own word.
pub(super) fn is_picture_in_boxes(head: &[u8]) -> Option<bool> {
    let [a, b, c, d, b'f', b't', b'y', b'p', brands @ ..] = head else {
        return None;
    };
    let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
    let brands = &brands[..length.saturating_sub(8).clamp(4, 256).min(brands.len())];
    let (major, others) = brands.split_first_chunk::<4>()?;
    // What a camera has for its own pictures: a film by its word, and otherwise made.
    if major == b"crx " {
        return None;
    }
    // Behind its version.
    let others = others.get(4..).unwrap_or_default();
    let others = others.as_chunks::<4>().0.iter();
    std::iter::once(major).chain(others).find_map(picture_brand)
}

/// Returns whether files of this brand are pictures; films otherwise.
fn picture_brand(brand: &[u8; 4]) -> Option<bool> {
    match brand {
        b"avif" | b"avis" | b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1"
        | b"msf1" => Some(true),
        b"qt  " | b"MSNV" | b"XAVC" | [b'3', b'g', b'p' | b'2', _] => Some(false),
        known => MP4_BRANDS.contains(&known).then_some(false),
    }
}

/// Returns whether the head of an EBML document names its type `webm`: Matroska is another, which
/// few browsers play.
fn is_webm(rest: &[u8]) -> bool {
    is_of_type(rest, b"\x42\x82\x84webm")
}

/// Returns whether a film of Matroska begins so, or one of WebM, which has fewer parts of the same.
pub(super) fn is_matroska(head: &[u8]) -> bool {
    let rest = head.strip_prefix(b"\x1a\x45\xdf\xa3");
    rest.is_some_and(|rest| is_webm(rest) || is_of_type(rest, b"\x42\x82\x88matroska"))
}

/// Returns whether the head of an EBML document has this element, the one of its type.
fn is_of_type(rest: &[u8], doc_type: &[u8]) -> bool {
    let head = &rest[..rest.len().min(64)];
    head.windows(doc_type.len()).any(|part| part == doc_type)
}

/// Returns whether a picture of TIFF begins so, or a raw one that has its form.
pub(super) fn is_tiff(head: &[u8]) -> bool {
    head.starts_with(b"II*\0") || head.starts_with(b"MM\0*")
}

/// Returns whether a picture of JPEG XL in boxes begins so (ISO 18181-2). One that has none is
/// nothing but the picture.
pub(super) fn is_jxl(head: &[u8]) -> bool {
    head.starts_with(b"\0\0\0\x0cJXL \r\n\x87\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A film of a brand that came up later kept its place, though it named one that is known.
    #[test]
    fn a_file_in_boxes_is_known_by_the_brands_with_which_it_goes() {
        let cases: [(&[u8], Option<bool>); 9] = [
            (b"\0\0\0\x18ftypisom\0\0\x02\0isommp41", Some(false)),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", Some(false)),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Some(true)),
            (b"\0\0\0\x18ftypiso9\0\0\0\0iso9isom", Some(false)),
            (b"\0\0\0\x18ftypmif2\0\0\0\0mif2mif1", Some(true)),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", None),
            // Its version is no brand, and what stands behind it is none of it.
            (b"\0\0\0\x14ftypjxl isomjxl isom", None),
            (b"\0\0\0\x10ftypisom", Some(false)),
            (b"\0\0\0\x18ftyp", None),
        ];
        for (head, is_picture) in cases {
            assert_eq!(is_picture_in_boxes(head), is_picture, "{head:?}");
        }
    }

    #[test]
    fn matroska_is_known_by_the_type_in_its_head() {
        let cases: [(&[u8], bool); 5] = [
            (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webmB", true),
            (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", true),
            (
                b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x88something",
                false,
            ),
            (b"RIFF\x9fB\x82\x88matroska", false),
            (b"\x1a\x45\xdf", false),
        ];
        for (head, is_one) in cases {
            assert_eq!(is_matroska(head), is_one, "{head:?}");
        }
    }

    #[test]
    fn pictures_that_are_cleaned_and_not_shown_are_known_too() {
        for (head, of_tiff, of_jxl) in [
            (&b"II*\0\x08\0\0\0"[..], true, false),
            (b"MM\0*\0\0\0\x08", true, false),
            (b"II+\0\x08\0\0\0", false, false),
            (b"\0\0\0\x0cJXL \r\n\x87\n", false, true),
            (b"\xff\x0a", false, false),
        ] {
            assert_eq!((is_tiff(head), is_jxl(head)), (of_tiff, of_jxl), "{head:?}");
            assert_eq!(kind_of(head), FileKind::Other);
        }
    }

    #[test]
    fn the_first_bytes_tell_the_type_and_what_is_a_page_is_none_that_is_shown() {
        let cases: [(&[u8], FileKind); 21] = [
            (b"\xff\xd8\xff\xe0", FileKind::Jpeg),
            (b"\x89PNG\r\n\x1a\n....", FileKind::Png),
            (b"GIF89a<script>", FileKind::Gif),
            (b"RIFF\x01\0\0\0WEBPVP8 ", FileKind::Webp),
            (b"RIFF\x01\0\0\0WAVEfmt ", FileKind::Other),
            (b"\0\0\0\x1cftypavif\0\0\0\0", FileKind::Avif),
            (b"\0\0\0\x1cftypheic\0\0\0\0mif1avif", FileKind::Other),
            (b"\0\0\0\x18ftypmp42\0\0\0\0", FileKind::Mp4),
            (b"\0\0\0\x18ftypqt  \0\0\0\0", FileKind::Other),
            (
                b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webmB",
                FileKind::Webm,
            ),
            (
                b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska",
                FileKind::Other,
            ),
            (b"ID3\x03\0", FileKind::Mp3),
            (b"\xff\xfb\x90\x64", FileKind::Mp3),
            (b"\xff\xfb\xff\xff", FileKind::Other),
            (b"OggS\0\x02", FileKind::Ogg),
            (b"%PDF-1.7", FileKind::Pdf),
            (
                b"<svg xmlns=\"http://www.w3.org/2000/svg\">",
                FileKind::Other,
            ),
            (b"<!doctype html><script>", FileKind::Other),
            (b"<?xml version=\"1.0\"?>", FileKind::Other),
            (b"\xef\xbb\xbf<html>", FileKind::Other),
            (b"", FileKind::Other),
        ];
        for (head, kind) in cases {
            assert_eq!(kind_of(head), kind, "{head:?}");
        }
    }
}
