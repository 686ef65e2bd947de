//! Pictures as cameras and programs make them, built here part by part.

use std::io::Cursor;

use super::*;

/// What must be gone from every one of them.
const SECRETS: [&str; 4] = [
    "GPS 52.5200N",
    "ACME camera",
    "small picture",
    "behind the end",
];

fn cleaned(kind: FileKind, bytes: &[u8]) -> (Vec<u8>, Dimensions) {
    let mut out = Cursor::new(Vec::new());
    let dimensions = clean(kind, &mut Cursor::new(bytes), &mut out)
        .unwrap()
        .unwrap();
    let out = out.into_inner();
    for secret in SECRETS {
        let is_there = |bytes: &[u8]| {
            bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes())
        };
        assert!(!is_there(&out), "{secret} is still in a {kind:?}");
    }
    // What is clean already stays as it is.
    let mut again = Cursor::new(Vec::new());
    clean(kind, &mut Cursor::new(&out), &mut again)
        .unwrap()
        .unwrap();
    assert!(again.into_inner() == out);
    (out, dimensions)
}

/// Exif with a camera, an orientation and secrets behind it.
fn exif(turn: u8) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x02\0".to_vec();
    tiff.extend_from_slice(&[0x0f, 1, 2, 0, 12, 0, 0, 0, 38, 0, 0, 0]);
    tiff.extend_from_slice(&[0x12, 1, 3, 0, 1, 0, 0, 0, turn, 0, 0, 0, 0, 0, 0, 0]);
    tiff.extend_from_slice(b"ACME camera\0GPS 52.5200N small picture");
    tiff
}

fn segment(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&[0xff, kind], &length[..], body].concat()
}

fn jpeg_of(turn: u8) -> Vec<u8> {
    let scan = b"\x01\x02\xff\x00\x03\xff\xd0\x04";
    [
        &[0xff, 0xd8][..],
        &segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\x01\x01small picture"),
        &segment(0xe1, &[b"Exif\0\0", &exif(turn)[..]].concat()),
        &segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0<x>GPS 52.5200N</x>"),
        &segment(0xe2, b"MPF\0small picture"),
        &segment(0xe2, b"ICC_PROFILE\0\x01\x01colours"),
        &segment(0xed, b"Photoshop 3.0\0ACME camera"),
        &segment(0xfe, b"ACME camera"),
        &segment(0xee, b"Adobe\0\x64\0\0\0\0\x01"),
        &segment(0xc2, &[8, 0, 3, 0, 4, 1, 1, 0x11, 0]),
        &[0xff, 0xff],
        &segment(0xda, &[1, 1, 0, 0, 63, 0])[1..],
        scan,
        &segment(0xc4, &[0; 17]),
        &segment(0xda, &[1, 1, 0, 0, 63, 0]),
        scan,
        &[0xff, 0xd9],
        b"behind the end",
    ]
    .concat()
}

#[test]
fn a_jpeg_keeps_its_picture_its_colours_and_which_side_is_up() {
    for (turn, size) in [(1, (4, 3)), (3, (4, 3)), (6, (3, 4))] {
        let (out, dimensions) = cleaned(FileKind::Jpeg, &jpeg_of(turn));
        assert_eq!(dimensions, Some(size));
        let kept = match turn {
            1 => Vec::new(),
            turn => segment(0xe1, &[b"Exif\0\0", &tiff_of(turn)[..]].concat()),
        };
        let scan = b"\x01\x02\xff\x00\x03\xff\xd0\x04";
        let expected = [
            &[0xff, 0xd8][..],
            &segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
            &kept,
            &segment(0xe2, b"ICC_PROFILE\0\x01\x01colours"),
            &segment(0xee, b"Adobe\0\x64\0\0\0\0\x01"),
            &segment(0xc2, &[8, 0, 3, 0, 4, 1, 1, 0x11, 0]),
            &segment(0xda, &[1, 1, 0, 0, 63, 0]),
            scan,
            &segment(0xc4, &[0; 17]),
            &segment(0xda, &[1, 1, 0, 0, 63, 0]),
            scan,
            &[0xff, 0xd9],
        ]
        .concat();
        assert!(out == expected, "{out:?}");
    }
}

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_png(kind, body, &mut out).unwrap();
    out
}

#[test]
fn a_png_keeps_its_picture_and_which_side_is_up() {
    // The checksum of an empty IEND, as every PNG ends with it.
    assert!(chunk(b"IEND", b"").ends_with(&[0xae, 0x42, 0x60, 0x82]));
    let head = chunk(b"IHDR", &[0, 0, 0, 4, 0, 0, 0, 3, 8, 2, 0, 0, 0]);
    for (turn, size) in [(1, (4, 3)), (8, (3, 4))] {
        let png = [
            &PNG_MAGIC[..],
            &head,
            &chunk(b"gAMA", &[0, 0, 1, 2]),
            &chunk(b"eXIf", &exif(turn)),
            &chunk(b"tEXt", b"Comment\0ACME camera"),
            &chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0GPS 52.5200N"),
            &chunk(b"prVt", b"small picture"),
            &chunk(b"IDAT", b"pixels"),
            &chunk(b"tIME", &[7, 1, 2, 3, 4, 5, 6]),
            &chunk(b"IEND", b""),
            b"behind the end",
        ]
        .concat();
        let kept = match turn {
            1 => Vec::new(),
            turn => chunk(b"eXIf", &tiff_of(turn)),
        };
        let expected = [
            &PNG_MAGIC[..],
            &head,
            &chunk(b"gAMA", &[0, 0, 1, 2]),
            &kept,
            &chunk(b"IDAT", b"pixels"),
            &chunk(b"IEND", b""),
        ]
        .concat();
        let (out, dimensions) = cleaned(FileKind::Png, &png);
        assert!(out == expected);
        assert_eq!(dimensions, Some(size));
    }
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    let length = u32::try_from(body.len() + 4).unwrap().to_le_bytes();
    [b"RIFF", &length[..], b"WEBP", &body].concat()
}

fn part(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    let fill = &[0][..body.len() % 2];
    [&kind[..], &length, body, fill].concat()
}

#[test]
fn a_webp_keeps_its_picture_and_which_side_is_up_and_says_what_is_left_in_it() {
    let vp8x = |flags: u8| part(b"VP8X", &[flags, 0, 0, 0, 3, 0, 0, 2, 0, 0]);
    for (turn, size) in [(1, (4, 3)), (6, (3, 4))] {
        let webp = [
            riff(&[
                vp8x(0x3c),
                part(b"ICCP", b"colours"),
                part(b"ALPH", b"a"),
                part(b"VP8 ", b"0123456789 pixels"),
                part(b"EXIF", &exif(turn)),
                part(b"XMP ", b"GPS 52.5200N"),
                part(b"ABCD", b"small picture"),
            ]),
            b"behind the end".to_vec(),
        ]
        .concat();
        let mut expected = vec![
            vp8x(if turn == 1 { 0x30 } else { 0x38 }),
            part(b"ICCP", b"colours"),
            part(b"ALPH", b"a"),
            part(b"VP8 ", b"0123456789 pixels"),
        ];
        if turn > 1 {
            expected.push(part(b"EXIF", &tiff_of(turn)));
        }
        let (out, dimensions) = cleaned(FileKind::Webp, &webp);
        assert!(out == riff(&expected), "{out:?}");
        assert_eq!(dimensions, Some(size));
    }
    let simple = riff(&[part(b"VP8L", &[0x2f, 3, 0x80, 0, 0, 9])]);
    let (out, dimensions) = cleaned(FileKind::Webp, &simple);
    assert!(out == simple);
    assert_eq!(dimensions, Some((4, 3)));
}

#[test]
fn a_gif_keeps_its_pictures_and_their_repetition() {
    let head = b"GIF89a\x04\0\x03\0\x80\0\0\x01\x02\x03\x04\x05\x06";
    let frame = b"\x21\xf9\x04\0\0\0\0\0\x2c\0\0\0\0\x04\0\x03\0\0\x02\x03abc\0";
    let repeats = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0";
    let gif = [
        &head[..],
        repeats,
        b"\x21\xfe\x0bACME camera\0",
        b"\x21\xff\x0bXMP DataXMP\x0cGPS 52.5200N\0",
        frame,
        frame,
        b"\x3bbehind the end",
    ]
    .concat();
    let (out, dimensions) = cleaned(FileKind::Gif, &gif);
    assert!(out == [&head[..], repeats, frame, frame, b"\x3b"].concat());
    assert_eq!(dimensions, Some((4, 3)));
}

/// Each kind of picture, with all that is to be cut out of it.
fn pictures() -> [(FileKind, Vec<u8>); 4] {
    let png = [
        &PNG_MAGIC[..],
        &chunk(b"IHDR", &[0, 0, 0, 4, 0, 0, 0, 3, 8, 2, 0, 0, 0]),
        &chunk(b"eXIf", &exif(6)),
        &chunk(b"tEXt", b"Comment\0ACME camera"),
        &chunk(b"IDAT", b"pixels"),
        &chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0GPS 52.5200N"),
        &chunk(b"IDAT", b"more pixels"),
        &chunk(b"IEND", b""),
        b"behind the end",
    ]
    .concat();
    let webp = riff(&[
        part(b"VP8X", &[0x0c, 0, 0, 0, 3, 0, 0, 2, 0, 0]),
        part(b"VP8 ", b"0123456789 pixels"),
        part(b"EXIF", &exif(6)),
        part(b"XMP ", b"GPS 52.5200N"),
    ]);
    let gif = [
        &b"GIF89a\x04\0\x03\0\0\0\0\x21\xfe\x0bACME camera\0"[..],
        b"\x2c\0\0\0\0\x04\0\x03\0\0\x02\x03abc\x02de\0\x21\xfe\x0cGPS 52.5200N\0",
        b"\x3bbehind the end",
    ]
    .concat();
    [
        (FileKind::Jpeg, jpeg_of(6)),
        (FileKind::Png, png),
        (FileKind::Gif, gif),
        (FileKind::Webp, webp),
    ]
}

/// A picture that is cut off was kept whole, with all that it tells.
#[test]
fn a_picture_that_is_cut_off_ends_there_and_tells_nothing() {
    for (kind, whole) in pictures() {
        let mut shown = 0;
        for end in 0..=whole.len() {
            let mut out = Cursor::new(Vec::new());
            let found = clean(kind, &mut Cursor::new(&whole[..end]), &mut out).unwrap();
            let out = out.into_inner();
            for secret in SECRETS {
                let mut parts = out.windows(secret.len());
                let is_there = parts.any(|part| part == secret.as_bytes());
                assert!(!is_there, "{secret} in a {kind:?} of {end} bytes");
            }
            match found {
                Err(error) => assert!(matches!(error, CleanError::Malformed), "{error:?}"),
                Ok(size) => {
                    shown += 1;
                    let size = size.unwrap();
                    assert!(size == (3, 4) || size == (4, 3), "{kind:?} {size:?}");
                    let mut again = Cursor::new(Vec::new());
                    let found = clean(kind, &mut Cursor::new(&out), &mut again).unwrap();
                    assert_eq!(found.unwrap(), Some(size), "{kind:?} {end}");
                    assert!(again.into_inner() == out, "{kind:?} {end}");
                }
            }
        }
        assert!((5..whole.len()).contains(&shown), "{kind:?}: {shown}");
    }
}

#[test]
fn a_picture_with_small_faults_is_still_shown() {
    let (_, jpeg) = &pictures()[0];
    // Bytes between two segments, as some cameras put them; no end.
    let at = jpeg
        .windows(2)
        .position(|pair| pair == [0xff, 0xed])
        .unwrap();
    let odd = [&jpeg[..at], b"\0\0\0", &jpeg[at..jpeg.len() - 16]].concat();
    let (out, size) = cleaned(FileKind::Jpeg, &odd);
    assert_eq!(size, Some((3, 4)));
    let (whole, _) = cleaned(FileKind::Jpeg, jpeg);
    assert!(out == whole);
    // A part of another before the head, and no end.
    let (_, png) = &pictures()[1];
    let odd = [&png[..8], &chunk(b"CgBI", b"abcd"), &png[8..png.len() - 26]].concat();
    let (out, _) = cleaned(FileKind::Png, &odd);
    assert!(out == cleaned(FileKind::Png, png).0);
    // A length that is too great, as of programs that write it last.
    let (_, mut webp) = pictures().into_iter().nth(3).unwrap();
    let right = cleaned(FileKind::Webp, &webp).0;
    webp[4..8].fill(0xff);
    assert!(cleaned(FileKind::Webp, &webp).0 == right);
}

/// Nothing that is changed at random panics, or takes more memory than it has bytes.
#[test]
fn what_is_changed_at_random_does_not_panic() {
    use rand::{RngExt, SeedableRng};
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    for (kind, whole) in pictures() {
        for _ in 0..2_000 {
            let mut harmed = whole.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..harmed.len());
                harmed[at] = random.random();
            }
            let mut out = Cursor::new(Vec::new());
            let _ = clean(kind, &mut Cursor::new(&harmed), &mut out);
        }
    }
}

/// A file that counts how many of its bytes are read, some of them more than once.
struct Counted {
    file: Cursor<Vec<u8>>,
    read: u64,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.read += read as u64;
        Ok(read)
    }
}

impl BufRead for Counted {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.read += bytes as u64;
        self.file.consume(bytes);
    }
}

impl Seek for Counted {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Some files were read anew for each of their pages or frames: minutes for one of 100 MiB.
#[test]
fn sound_that_is_made_to_be_costly_is_read_a_few_times_and_not_for_each_of_its_parts() {
    let page = |serial: u32, flags: u8, body: &[u8]| {
        let mut page = b"OggS\0".to_vec();
        page.push(flags);
        page.extend([0; 8]);
        page.extend(serial.to_le_bytes());
        page.extend([0; 8]);
        page.extend([u8::from(!body.is_empty()); 1]);
        page.extend((!body.is_empty()).then_some(body.len() as u8));
        page.extend(body);
        page
    };
    let begins = |serial| page(serial, 2, b"OpusHead");
    let late = |serial: u32| [begins(serial), page(serial, 0, &[0; 255])].concat();
    let ends = |serial: u32| page(serial, 1, &[0]);
    let streams = (0..500).map(late).chain((0..500).map(ends));
    let scattered = (0..2_000).map(|_| [page(1, 0, b""), b"x".to_vec()].concat());
    let frame = |_| [&[0xff, 0xe3, 0x14, 0xc4][..], &[0; 44]].concat();
    let frames = (0..1_000).map(|_| [frame(1), frame(2), b"x".to_vec()].concat());
    let files = [
        (FileKind::Ogg, streams.collect::<Vec<_>>().concat()),
        (
            FileKind::Ogg,
            [begins(1), scattered.collect::<Vec<_>>().concat()].concat(),
        ),
        (FileKind::Mp3, frames.collect::<Vec<_>>().concat()),
    ];
    for (kind, bytes) in files {
        let length = bytes.len() as u64;
        let mut input = Counted {
            file: Cursor::new(bytes),
            read: 0,
        };
        let mut out = Cursor::new(Vec::new());
        let _ = clean(kind, &mut input, &mut out).unwrap();
        let times = input.read / length;
        assert!(times <= 12, "{kind:?} was read {times} times");
    }
}
