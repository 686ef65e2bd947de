//! Films and pictures as cameras make them, built here box by box.

use std::io::Cursor;

use super::*;

const SECRETS: [&[u8]; 2] = [b"+52.5200", b"ACME"];
const PIXELS: &[u8] = b"the pixels of it";

fn made(kind: &[u8; 4], content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
    [&length[..], kind, &content].concat()
}

fn numbers(list: &[u32]) -> Vec<u8> {
    list.iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|there| there == part)
}

fn cleaned(file: &[u8], is_picture: bool) -> (Vec<u8>, Result<Option<Sides>, CleanError>) {
    let mut medium = Cursor::new(file.to_vec());
    let size = clean_boxes(&mut medium, file.len() as u64, is_picture);
    let out = medium.into_inner();
    assert_eq!(out.len(), file.len(), "nothing moves");
    (out, size)
}

/// The same of what tells nothing any more, and is cleaned again to what it is.
fn silent(file: &[u8], is_picture: bool) -> (Vec<u8>, Option<Sides>) {
    assert!(SECRETS.iter().any(|secret| has(file, secret)));
    let (out, size) = cleaned(file, is_picture);
    for secret in SECRETS {
        let at = out.windows(secret.len()).position(|there| there == secret);
        assert_eq!(at, None, "{}", String::from_utf8_lossy(secret));
    }
    let (again, _) = cleaned(&out, is_picture);
    assert!(again == out);
    (out, size.unwrap())
}

/// A track of this kind, whose one piece is so many bytes from this byte on.
fn track(kind: &[u8; 4], (from, length): (u32, u32), notes: &[u8]) -> Vec<u8> {
    let mut head = vec![0; 84];
    head[4..12].copy_from_slice(b"ACMEtime");
    // It is turned by a quarter.
    head[44..48].copy_from_slice(&[0, 1, 0, 0]);
    head[76..].copy_from_slice(&[0x05, 0, 0, 0, 0x02, 0xd0, 0, 0]);
    let mut media = vec![0; 24];
    media[4..12].copy_from_slice(b"ACMEtime");
    let mut entry = vec![0; 78];
    entry[42..74].copy_from_slice(b"\x0fACME AVC encoder...............");
    let sample = match kind {
        b"vide" => made(
            b"avc1",
            &[
                &entry,
                &made(b"avcC", &[b"codec"]),
                &made(b"gps0", &[b"+52.5200"]),
            ],
        ),
        b"soun" => made(
            b"mp4a",
            &[
                &[0; 28],
                &made(b"esds", &[b"codec"]),
                &made(b"note", &[b"ACME"]),
            ],
        ),
        _ => made(b"gpmd", &[b"ACME"]),
    };
    let table = made(
        b"stbl",
        &[
            &made(b"stsd", &[&numbers(&[0, 1]), &sample]),
            &made(b"stsz", &[&numbers(&[0, length, 1])]),
            &made(b"stsc", &[&numbers(&[0, 1, 1, 1, 1])]),
            &made(b"stco", &[&numbers(&[0, 1, from])]),
            &made(b"udta", &[b"ACME"]),
        ],
    );
    let reference = made(
        b"dref",
        &[&numbers(&[0, 1]), &made(b"alis", &[&[0; 4], b"ACME disk"])],
    );
    let media = made(
        b"mdia",
        &[
            &made(b"mdhd", &[&media]),
            &made(
                b"hdlr",
                &[&[0; 8], kind, b"ACMEACMEACME", b"ACME handler\0"],
            ),
            &made(
                b"minf",
                &[
                    &made(b"vmhd", &[b"head"]),
                    &made(b"dinf", &[&reference]),
                    &table,
                ],
            ),
            notes,
        ],
    );
    made(
        b"trak",
        &[&made(b"tkhd", &[&head]), notes, &made(b"edts", &[]), &media],
    )
}

/// A film with a track of pictures, one of sound and one of places, and notes wherever there may be
/// some.
fn film(kind: &[u8; 4]) -> Vec<u8> {
    let head = made(b"ftyp", &[b"mp42\0\0\0\0"]);
    let data = made(
        b"mdat",
        &[
            b"ACME",
            PIXELS,
            b"+52.5200+013.4050/",
            b"the sound",
            b"ACME",
        ],
    );
    let start = u32::try_from(head.len() + 8).unwrap();
    let place = made(b"\xa9xyz", &[b"+52.5200+013.4050/"]);
    let notes = [
        made(b"udta", &[&place]),
        made(b"meta", &[b"ACME"]),
        made(b"uuid", &[b"ACME"]),
        made(b"free", &[b"+52.5200"]),
    ]
    .concat();
    let pixels = PIXELS.len() as u32;
    let movie = made(
        b"moov",
        &[
            &made(b"mvhd", &[&[0; 4], b"ACMEtime", &[0; 8]]),
            &notes,
            &track(b"vide", (start + 4, pixels), &notes),
            &track(kind, (start + 4 + pixels, 18), &notes),
            &track(b"soun", (start + 22 + pixels, 9), &notes),
        ],
    );
    [head, data, movie, notes].concat()
}

/// Telemetry of action cameras and drones has a track of its own (`gpmd`, `mebx`, text).
#[test]
fn a_film_does_not_say_where_it_was_taken_wherever_that_is_told() {
    for kind in [b"meta", b"text", b"sbtl", b"camm"] {
        let (out, size) = silent(&film(kind), false);
        assert_eq!(size, Some((720, 1_280)), "it stands on its side");
        for kept in [PIXELS, b"the sound", b"avcC", b"esds", b"codec"] {
            assert!(has(&out, kept), "{}", String::from_utf8_lossy(kept));
        }
        let tracks = out.windows(4).filter(|there| there == b"trak").count();
        assert_eq!(tracks, 2);
    }
}

/// FLAC has its metadata where other codecs have what they are decoded by: titles and places too.
#[test]
fn sound_of_flac_in_a_film_tells_nothing_beside_itself() {
    let block = |kind: u8, body: &[u8]| [&[kind, 0, 0, body.len() as u8][..], body].concat();
    let stream = block(0, &[7; 34]);
    let described = |metadata: &[u8]| {
        let metadata = made(b"dfLa", &[&[0; 4], metadata]);
        let entry = made(b"fLaC", &[&[0; 28], &metadata]);
        made(b"stsd", &[&numbers(&[0, 1]), &entry])
    };
    let silenced = |described: &[u8]| {
        let mut file = Cursor::new(described.to_vec());
        let level = places(&mut file, 0, described.len() as u64).unwrap();
        clean_descriptions(&mut file, level[0], true).unwrap();
        file.into_inner()
    };
    let told = [&stream[..], &block(0x84, b"+52.5200")].concat();
    let silent = [&stream[..], &block(0x81, &[0; 8])].concat();
    assert!(silenced(&described(&told)) == described(&silent));
    // What is no metadata of FLAC is not kept for it.
    assert!(!has(&silenced(&described(b"ACME")), b"ACME"));
}

#[test]
fn a_film_that_is_cut_off_or_has_something_behind_it_tells_nothing_either() {
    let mut longer = film(b"meta");
    longer.extend_from_slice(b"\xff\xff\xff\xffACME+52.5200");
    silent(&longer, false);
    // Without the tables it cannot be known what is whose: it is none that is shown.
    let whole = film(b"meta");
    for end in 1..whole.len() {
        let (_, size) = cleaned(&whole[..end], false);
        assert!(!matches!(size, Err(CleanError::Io(_))), "{end}");
    }
    let at = whole.windows(4).position(|there| there == b"moov").unwrap() - 4;
    let (_, size) = cleaned(&whole[..at], false);
    assert!(matches!(size, Err(CleanError::Malformed)));
}

/// One track that was not understood, such as the sound of older cameras, left the place standing
/// that films tell behind their tracks.
#[test]
fn a_film_of_which_a_part_is_not_understood_tells_nothing_behind_it_either() {
    for harmed in [b"stsd", b"stsz", b"stco"] {
        let mut whole = film(b"meta");
        let at = whole.windows(4).position(|there| there == harmed).unwrap();
        // A box that is too short for what it is to have.
        whole[at - 4..at].copy_from_slice(&[0, 0, 0, 9]);
        let (mut out, size) = cleaned(&whole, false);
        assert!(matches!(size, Err(CleanError::Malformed)));
        // What is whose of the bytes themselves cannot be told.
        let movie = out.windows(4).position(|there| there == b"moov").unwrap();
        out.drain(..movie);
        for secret in SECRETS {
            assert!(!has(&out, secret), "{harmed:?} {secret:?}");
        }
        assert!(has(&out, b"esds"), "the other track is kept");
    }
}

/// A film in pieces, whose tables are empty.
#[test]
fn a_film_in_pieces_keeps_its_pieces() {
    let whole = film(b"vide");
    let data = made(b"mdat", &[PIXELS]);
    let pieces = [
        made(
            b"moof",
            &[
                &made(b"mfhd", &[b"1"]),
                &made(
                    b"traf",
                    &[&made(b"trun", &[b"run"]), &made(b"udta", &[b"ACME"])],
                ),
            ],
        ),
        data,
        made(b"emsg", &[b"+52.5200"]),
    ]
    .concat();
    let head = &whole[..whole.windows(4).position(|there| there == b"mdat").unwrap() - 4];
    let movie = &whole[whole.windows(4).position(|there| there == b"moov").unwrap() - 4..];
    let (out, size) = silent(&[head, movie, &pieces].concat(), false);
    assert_eq!(size, Some((720, 1_280)));
    assert!(has(&out, PIXELS) && has(&out, b"trun"));
    // With a track of places in it, it is none that is shown.
    let whole = film(b"meta");
    let movie = &whole[whole.windows(4).position(|there| there == b"moov").unwrap() - 4..];
    let (_, size) = cleaned(&[head, movie, &pieces].concat(), false);
    assert!(matches!(size, Err(CleanError::Malformed)));
}

const EXIF: &[u8] = b"\0\0\0\x06Exif\0\0II*\0\x08\0\0\0\x01\0ACME+52.5200";

fn item(id: u8, kind: &[u8; 4], name: &[u8]) -> Vec<u8> {
    made(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0], kind, name, b"\0"])
}

/// A picture whose bytes begin at this one of the file.
fn picture(brand: &[u8; 4], at: usize) -> Vec<u8> {
    let items = made(
        b"iinf",
        &[
            &[0, 0, 0, 0, 0, 4],
            &item(1, b"av01", b"ACME"),
            &item(2, b"Exif", b""),
            &item(3, b"mime", b"\0application/rdf+xml"),
            &item(4, b"grid", b""),
        ],
    );
    let properties = made(
        b"ipco",
        &[
            &made(b"ispe", &[&[0; 4], &numbers(&[4, 3])]),
            &made(b"udes", &[b"\0\0\0\0en\0ACME\0+52.5200\0"]),
            &made(b"irot", &[&[1]]),
        ],
    );
    let entry = |id: u16, method: u16, from: usize, length: usize| {
        let places = numbers(&[u32::try_from(from).unwrap(), u32::try_from(length).unwrap()]);
        let head = [id, method, 0, 1].map(u16::to_be_bytes).concat();
        [head, places].concat()
    };
    let places = made(
        b"iloc",
        &[
            &[1, 0, 0, 0, 0x44, 0, 0, 4],
            &entry(1, 0, at, PIXELS.len()),
            &entry(2, 0, at + PIXELS.len(), EXIF.len()),
            &entry(3, 1, 0, 4),
            &entry(4, 1, 4, 4),
        ],
    );
    let meta = made(
        b"meta",
        &[
            &[0; 4],
            &made(b"hdlr", &[&[0; 8], b"pict", &[0; 12], b"ACME\0"]),
            &items,
            &places,
            &made(b"idat", &[b"ACMEgrid+52.5200"]),
            &made(b"iprp", &[&properties]),
            &made(b"xml ", &[b"ACME"]),
        ],
    );
    let data = made(b"mdat", &[PIXELS, EXIF, b"ACME"]);
    [made(b"ftyp", &[brand]), meta, data].concat()
}

fn whole_picture(brand: &[u8; 4]) -> Vec<u8> {
    let at = picture(brand, 0).len() - PIXELS.len() - EXIF.len() - 4;
    picture(brand, at)
}

/// Where the Exif of an AVIF was nothing but zeroes, libavif refused the picture.
#[test]
fn a_picture_does_not_say_where_it_was_taken_and_its_exif_can_still_be_read() {
    for brand in [b"avif", b"heic"] {
        let (out, size) = silent(&whole_picture(brand), true);
        assert_eq!(size, Some((3, 4)));
        let rest = [&NO_EXIF[..], &vec![0; EXIF.len() - NO_EXIF.len() + 4]].concat();
        assert!(out.ends_with(&[PIXELS, &rest].concat()));
        assert!(has(&out, b"idat\0\0\0\0grid\0\0\0\0\0\0\0\0"));
        assert!(has(&out, b"irot") && !has(&out, b"udes"));
    }
}

#[test]
fn boxes_that_lie_are_malformed_and_nothing_panics() {
    use rand::{RngExt, SeedableRng};
    // Items that lie outside of the file, as where it is cut off.
    let (out, size) = cleaned(&picture(b"avif", 5_000), true);
    assert!(matches!(size, Err(CleanError::Malformed)));
    assert!(SECRETS.iter().all(|secret| !has(&out, secret)));
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    for (whole, is_picture) in [(film(b"meta"), false), (whole_picture(b"avif"), true)] {
        for _ in 0..3_000 {
            let mut harmed = whole.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..harmed.len());
                harmed[at] = random.random();
            }
            let _ = cleaned(&harmed, is_picture);
        }
    }
}

/// An item of 65,535 pieces, none of which takes a byte to tell. Of some kilobytes that took
/// gigabytes, and hours.
#[test]
fn a_picture_of_more_pieces_than_any_has_is_malformed() {
    let items = made(b"iinf", &[&[0, 0, 0, 0, 0, 1], &item(2, b"av01", b"")]);
    let mut list = vec![1, 0, 0, 0, 0, 0];
    list.extend(6_000_u16.to_be_bytes());
    list.extend([0, 2, 0, 0, 0, 0, 0xff, 0xff].repeat(6_000));
    let meta = made(b"meta", &[&[0; 4], &items, &made(b"iloc", &[&list])]);
    let file = [made(b"ftyp", &[b"avif"]), meta, made(b"mdat", &[&[1; 64]])].concat();
    let (_, size) = cleaned(&file, true);
    assert!(matches!(size, Err(CleanError::Malformed)));
}

/// A medium that counts how often it is asked.
struct Asked(Cursor<Vec<u8>>, usize);

impl Read for Asked {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.1 += 1;
        self.0.read(bytes)
    }
}

impl Write for Asked {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.1 += 1;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Seek for Asked {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.1 += 1;
        self.0.seek(to)
    }
}

/// A film of 2 MB with a thousand boxes for pieces and a hundred thousand pieces kept a thread busy
/// for minutes, and one of 20 MB for days: each box had every piece looked at, wherever that lay.
#[test]
fn of_many_pieces_those_are_looked_at_that_lie_in_a_box() {
    let pieces = (0..10_000).map(|piece| (1_000 + piece * 8, 1_004 + piece * 8));
    let kept = merged(pieces.collect());
    let mut medium = Asked(Cursor::new(vec![1; 100_000]), 0);
    for from in 0..900 {
        wipe_others(&mut medium, from, from, &kept).unwrap();
        wipe_others(&mut medium, 1_000 + from * 8, 1_004 + from * 8, &kept).unwrap();
    }
    assert_eq!(medium.1, 0, "nothing is there to be overwritten");
    wipe_others(&mut medium, 990, 1_030, &kept).unwrap();
    assert_eq!(medium.1, 5 * 2, "before the first, and behind each");
    let bytes = &medium.0.get_ref()[988..1_032];
    let is_kept = |at: &usize| *at < 990 || *at >= 1_030 || *at >= 1_000 && at % 8 < 4;
    let expected: Vec<u8> = (988..1_032).map(|at| u8::from(is_kept(&at))).collect();
    assert_eq!(bytes, expected);
}

#[test]
fn pieces_that_overlap_or_reach_over_the_ends_of_a_box_are_kept() {
    for (pieces, expected) in [
        (&[][..], "....xxxxxxxx"),
        (&[(0, 20)], "............"),
        (&[(4, 6), (5, 7)], ".......xxxxx"),
        (&[(0, 5), (11, 90)], ".....xxxxxx."),
        (&[(6, 6), (8, 9)], "....xxxx.xxx"),
        (&[(90, 99), (2, 3)], "....xxxxxxxx"),
    ] {
        let kept = merged(pieces.to_vec());
        let mut medium = Cursor::new(b"............".to_vec());
        wipe_others(&mut medium, 4, 12, &kept).unwrap();
        let shown: String = medium
            .get_ref()
            .iter()
            .map(|byte| if *byte == 0 { 'x' } else { '.' })
            .collect();
        assert_eq!(shown, expected, "{pieces:?}");
    }
}
