//! Matroska, and WebM, which is a part of it, without what they tell of their maker: elements
//! (EBML, RFC 8794; Matroska, RFC 9559) are kept that are known to belong to picture and sound;
//! every other is overwritten where it lies by one that is void, so that nothing moves: tags,
//! chapters, attached files, titles, the date, and tracks that are neither seen nor heard, with
//! their blocks. The headers of Vorbis and of FLAC stand beside a track, and comments are one of
//! them; beside subtitles stands their script.

use std::io::SeekFrom;
use std::ops::{Deref, DerefMut, Range};

use super::boxes::Medium;
use super::clean::CleanError;
use super::flac::blank_flac;
use super::ogg::blank_comments;
use super::script::blank_script;

/// Elements of a file: a block of each picture of a film of nine hours, and of its sound.
const MAX_ELEMENTS: u32 = 1 << 22;
/// Tracks: more than any film has.
const MAX_TRACKS: usize = 64;
/// 16 MiB: headers of a codec with the largest picture in their comments; longer ones are left out.
const MAX_PRIVATE: u64 = 16 << 20;

const VOID: u32 = 0xec;
const EBML: u32 = 0x1a45_dfa3;
const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1f43_b675;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK: u32 = 0xae;
const INFO: u32 = 0x1549_a966;
const SIMPLE_BLOCK: u32 = 0xa3;
const GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
const NUMBER: u32 = 0xd7;
const KIND: u32 = 0x83;
const WIDTH: u32 = 0xb0;
const HEIGHT: u32 = 0xba;
const VIDEO: u32 = 0xe0;
/// How a track is coded, and what its decoder needs to begin.
const CODEC: u32 = 0x86;
const PRIVATE: u32 = 0x63a2;
/// The names of the programs that made it, which must be there.
const PROGRAMS: [u32; 2] = [0x4d80, 0x5741];

/// What may be in the head: versions, and the type of the document.
const IN_HEAD: [u32; 7] = [0x4286, 0x42f7, 0x42f2, 0x42f3, 0x4282, 0x4287, 0x4285];
/// In the segment: an index of it, of the times, and those above.
const IN_SEGMENT: [u32; 5] = [INFO, TRACKS, CLUSTER, 0x114d_9b74, 0x1c53_bb6b];
/// Of all: how times are counted, how long it is, and which programs made it.
const IN_INFO: [u32; 4] = [0x2a_d7b1, 0x4489, PROGRAMS[0], PROGRAMS[1]];
/// Of a track: its number and kind, how it is coded and shown, whom it is for; no names.
const IN_TRACK: [u32; 29] = [
    NUMBER, 0x73c5, KIND, 0xb9, 0x88, 0x55aa, 0x55ab, 0x55ac, 0x55ad, 0x55ae, 0x55af, 0x9c, 0x6de7,
    0x6df8, 0x23_e383, CODEC, PRIVATE, 0x56aa, 0x56bb, 0x22_b59c, 0x22_b59d, 0x55ee, 0x41e4, VIDEO,
    0xe1, 0xe2, 0x6d80, 0x23_314f, 0x23_4e7a,
];
/// Of a cluster: its time, its blocks, where it is.
const IN_CLUSTER: [u32; 5] = [0xe7, SIMPLE_BLOCK, GROUP, 0xab, 0xa7];
/// Of a group: its block, how long it is, what it needs, what adds to it.
const IN_GROUP: [u32; 7] = [BLOCK, 0x9b, 0xfb, 0x75a2, 0x75a1, 0xfa, 0xa4];
/// Film, sound, and what is written under a film.
const KINDS: [u64; 3] = [1, 2, 0x11];

/// One element: where it is, and where its content begins.
#[derive(Debug, Clone, Copy)]
struct Element {
    id: u32,
    start: u64,
    content: u64,
    end: u64,
    /// It does not say how long it is, and ends with what cannot be in it.
    is_open: bool,
}

/// A film that is gone through.
struct Film<'a> {
    medium: &'a mut dyn Medium,
    /// How many elements it may still have.
    elements: u32,
}

impl<'a> Deref for Film<'a> {
    type Target = dyn Medium + 'a;

    fn deref(&self) -> &Self::Target {
        self.medium
    }
}

impl DerefMut for Film<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.medium
    }
}

/// What is known of the file.
#[derive(Default)]
struct Found {
    size: Option<(u32, u32)>,
    /// The numbers of the tracks that stay.
    tracks: Vec<u64>,
    /// Whether there is a block of these.
    is_shown: bool,
}

/// Overwrites what a film of so many bytes tells of its maker. Returns width and height, where they
/// are told. Where it is damaged, what follows is overwritten.
pub(super) fn clean_matroska(
    file: &mut dyn Medium,
    length: u64,
) -> Result<Option<(u32, u32)>, CleanError> {
    let mut film = Film {
        medium: file,
        elements: MAX_ELEMENTS,
    };
    let file = &mut film;
    let mut found = Found::default();
    let mut at = 0;
    while let Some(element) = element_at(file, at, length)? {
        match element.id {
            EBML => keep_only(file, element, &IN_HEAD)?,
            SEGMENT => segment(file, element, &mut found)?,
            _ => void(file, element.start, element.end)?,
        }
        at = element.end;
    }
    void(file, at, length)?;
    match found.is_shown {
        true => Ok(found.size),
        false => Err(CleanError::Malformed),
    }
}

/// Reads the element that begins here; `None` at the end, and where there is none. One that is cut
/// off ends with what it is in.
fn element_at(file: &mut Film<'_>, at: u64, end: u64) -> Result<Option<Element>, CleanError> {
    file.elements = file.elements.checked_sub(1).ok_or(CleanError::Malformed)?;
    let mut head = [0; 12];
    let there = end.saturating_sub(at).min(12) as usize;
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut head[..there])?;
    let Some((id, id_bytes)) = number(&head[..there.min(4)], false) else {
        return Ok(None);
    };
    let Some((size, size_bytes)) = number(&head[id_bytes..there], true) else {
        return Ok(None);
    };
    let content = at + (id_bytes + size_bytes) as u64;
    let all = u64::MAX >> (64 - 7 * size_bytes);
    Ok(Some(Element {
        id: u32::try_from(id).map_err(|_| CleanError::Malformed)?,
        start: at,
        content,
        end: match size == all {
            true => end,
            false => content.saturating_add(size).min(end),
        },
        is_open: size == all,
    }))
}

/// Reads a number of EBML, whose first byte says how many bytes it has; `None` where it is cut off.
/// Of an id the mark of that stays.
fn number(bytes: &[u8], is_size: bool) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    let bytes = bytes.get(..length).filter(|_| length <= 8)?;
    let value = bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let mark = 1_u64 << (7 * length);
    Some((if is_size { value & !mark } else { value }, length))
}

/// Hands on each element that is in another. What is none is overwritten, up to the end.
fn each(
    file: &mut Film<'_>,
    (from, end): (u64, u64),
    mut work: impl FnMut(&mut Film<'_>, Element) -> Result<u64, CleanError>,
) -> Result<(), CleanError> {
    let mut at = from;
    while let Some(element) = element_at(file, at, end)? {
        at = work(file, element)?;
    }
    void(file, at, end)
}

/// Overwrites what is in an element but for these.
fn keep_only(file: &mut Film<'_>, whole: Element, kept: &[u32]) -> Result<(), CleanError> {
    each(file, (whole.content, whole.end), |file, element| {
        if !kept.contains(&element.id) {
            void(file, element.start, element.end)?;
        }
        Ok(element.end)
    })
}

fn segment(file: &mut Film<'_>, whole: Element, found: &mut Found) -> Result<(), CleanError> {
    let first = first_tracks(file, whole)?;
    if let Some(first) = first {
        tracks(file, first, found)?;
    }
    each(file, (whole.content, whole.end), |file, element| {
        match element.id {
            INFO => info(file, element)?,
            TRACKS if first.is_some_and(|first| first.start == element.start) => {}
            TRACKS => tracks(file, element, found)?,
            CLUSTER => return cluster(file, element, found),
            id if IN_SEGMENT.contains(&id) && !element.is_open => {}
            _ => void(file, element.start, element.end)?,
        }
        Ok(element.end)
    })
}

/// Returns where the tracks are described, which may be behind the blocks that are theirs: a
/// program that gives one a longer name moves them to the end.
fn first_tracks(file: &mut Film<'_>, whole: Element) -> Result<Option<Element>, CleanError> {
    let mut at = whole.content;
    while let Some(element) = element_at(file, at, whole.end)? {
        match element.id {
            TRACKS => return Ok(Some(element)),
            // Where it ends is not known yet.
            _ if element.is_open => break,
            _ => at = element.end,
        }
    }
    Ok(None)
}

fn tracks(file: &mut Film<'_>, whole: Element, found: &mut Found) -> Result<(), CleanError> {
    each(file, (whole.content, whole.end), |file, track| {
        match track.id {
            TRACK => clean_track(file, track, found)?,
            _ => void(file, track.start, track.end)?,
        }
        Ok(track.end)
    })
}

fn info(file: &mut Film<'_>, whole: Element) -> Result<(), CleanError> {
    each(file, (whole.content, whole.end), |file, element| {
        match element.id {
            id if PROGRAMS.contains(&id) => fill(file, element.content, element.end)?,
            id if IN_INFO.contains(&id) => {}
            _ => void(file, element.start, element.end)?,
        }
        Ok(element.end)
    })
}

/// Cleans the description of a track, or overwrites it.
fn clean_track(file: &mut Film<'_>, whole: Element, found: &mut Found) -> Result<(), CleanError> {
    let (mut number, mut kind, mut size) = (None, None, None);
    let (mut codec, mut private) = (None, None);
    each(file, (whole.content, whole.end), |file, element| {
        match element.id {
            CODEC if codec.is_none() => codec = Some(element),
            PRIVATE if private.is_none() => private = Some(element),
            // Of several it is not known which one counts.
            CODEC | PRIVATE => void(file, element.start, element.end)?,
            NUMBER => number = Some(unsigned(file, element)?),
            KIND => kind = Some(unsigned(file, element)?),
            VIDEO => {
                let (mut width, mut height) = (None, None);
                each(file, (element.content, element.end), |file, side| {
                    match side.id {
                        WIDTH => width = Some(unsigned(file, side)?),
                        HEIGHT => height = Some(unsigned(file, side)?),
                        _ => {}
                    }
                    Ok(side.end)
                })?;
                size = width.zip(height);
            }
            id if IN_TRACK.contains(&id) => {}
            _ => void(file, element.start, element.end)?,
        }
        Ok(element.end)
    })?;
    let is_kept = kind.is_some_and(|kind| KINDS.contains(&kind));
    let Some(number) = number.filter(|_| is_kept && found.tracks.len() < MAX_TRACKS) else {
        return void(file, whole.start, whole.end);
    };
    if let Some(private) = private {
        clean_private(file, codec, private)?;
    }
    found.tracks.push(number);
    let size = size.and_then(|(width, height)| {
        let [width, height] = [width, height].map(|side| u32::try_from(side).ok());
        width.zip(height)
    });
    found.size = found.size.or(size);
    Ok(())
}

/// Overwrites the comments among the headers that a track has beside it; all of them where the
/// comments are not where they should be.
fn clean_private(
    file: &mut Film<'_>,
    codec: Option<Element>,
    private: Element,
) -> Result<(), CleanError> {
    let Some(codec) = codec else {
        return void(file, private.start, private.end);
    };
    let name = bytes_of(file, codec, 16)?;
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let blank_told: fn(&mut [u8]) -> bool = match name {
        b"A_VORBIS" | b"V_THEORA" => blank_second_of_three,
        b"A_FLAC" => blank_marked_flac,
        b"S_TEXT/ASS" | b"S_TEXT/SSA" | b"S_ASS" | b"S_SSA" => blank_script,
        _ => return Ok(()),
    };
    if private.end - private.content > MAX_PRIVATE {
        return void(file, private.start, private.end);
    }
    let mut headers = bytes_of(file, private, MAX_PRIVATE)?;
    if !blank_told(&mut headers) {
        return void(file, private.start, private.end);
    }
    file.seek(SeekFrom::Start(private.content))?;
    file.write_all(&headers)?;
    Ok(())
}

/// Returns what is in an element, at most so many bytes of it.
fn bytes_of(file: &mut Film<'_>, element: Element, most: u64) -> Result<Vec<u8>, CleanError> {
    let mut bytes = vec![0; (element.end - element.content).min(most) as usize];
    file.seek(SeekFrom::Start(element.content))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Overwrites the comments of Vorbis or Theora. Returns whether they are where they should be.
fn blank_second_of_three(headers: &mut [u8]) -> bool {
    let comments = second_of_three(headers).and_then(|place| headers.get_mut(place));
    comments.is_some_and(blank_comments)
}

/// Overwrites what the metadata of FLAC tells, behind its mark. Returns whether it is such.
fn blank_marked_flac(headers: &mut [u8]) -> bool {
    headers.starts_with(b"fLaC") && headers.get_mut(4..).is_some_and(blank_flac)
}

/// Returns where the second of three packets is. Before them stand how many follow the first, and
/// how long the first two are, in bytes of which each but 255 is the last.
/// <https://www.matroska.org/technical/codec_specs.html>
fn second_of_three(bytes: &[u8]) -> Option<Range<usize>> {
    let (2, mut rest) = bytes.split_first()? else {
        return None;
    };
    let mut lengths = [0; 2];
    for length in &mut lengths {
        let mut byte = &u8::MAX;
        while *byte == u8::MAX {
            (byte, rest) = rest.split_first()?;
            *length += usize::from(*byte);
        }
    }
    let [first, second] = lengths;
    let from = bytes.len() - rest.len() + first;
    (first + second <= rest.len()).then_some(from..from + second)
}

/// Cleans a cluster. Returns where it ends: one that is open ends with the next of its level.
fn cluster(file: &mut Film<'_>, whole: Element, found: &mut Found) -> Result<u64, CleanError> {
    let mut at = whole.content;
    while let Some(element) = element_at(file, at, whole.end)? {
        let is_next = whole.is_open && element.id > 0xff_ffff;
        if is_next {
            return Ok(element.start);
        }
        let is_kept = match element.id {
            SIMPLE_BLOCK => is_of_track(file, element, found)?,
            GROUP => group(file, element, found)?,
            id => IN_CLUSTER.contains(&id),
        };
        if !is_kept {
            void(file, element.start, element.end)?;
        }
        at = element.end;
    }
    void(file, at, whole.end)?;
    Ok(whole.end)
}

/// Cleans a group. Returns whether its block is of a track that stays.
fn group(file: &mut Film<'_>, whole: Element, found: &mut Found) -> Result<bool, CleanError> {
    let mut is_kept = false;
    each(file, (whole.content, whole.end), |file, element| {
        if element.id == BLOCK {
            is_kept = is_of_track(file, element, found)?;
        } else if !IN_GROUP.contains(&element.id) {
            void(file, element.start, element.end)?;
        }
        Ok(element.end)
    })?;
    Ok(is_kept)
}

/// Returns whether a block is of a track that stays.
fn is_of_track(file: &mut Film<'_>, block: Element, found: &mut Found) -> Result<bool, CleanError> {
    let mut head = [0; 8];
    let there = (block.end - block.content).min(8) as usize;
    file.seek(SeekFrom::Start(block.content))?;
    file.read_exact(&mut head[..there])?;
    let track = number(&head[..there], true);
    let is_kept = track.is_some_and(|(track, _)| found.tracks.contains(&track));
    found.is_shown |= is_kept;
    Ok(is_kept)
}

/// Returns the number that an element has.
fn unsigned(file: &mut Film<'_>, element: Element) -> Result<u64, CleanError> {
    let mut bytes = [0; 8];
    let length = element.end - element.content;
    let from = 8_u64.checked_sub(length).ok_or(CleanError::Malformed)? as usize;
    file.seek(SeekFrom::Start(element.content))?;
    file.read_exact(&mut bytes[from..])?;
    Ok(u64::from_be_bytes(bytes))
}

/// Overwrites all that lies there by one element that is void. Of a single byte none can be made.
fn void(file: &mut Film<'_>, from: u64, end: u64) -> Result<(), CleanError> {
    let length = end.saturating_sub(from);
    if length < 2 {
        return fill(file, from, end);
    }
    let id = u8::try_from(VOID).unwrap_or_default();
    let mut head = vec![id];
    match length - 2 {
        // A number of one byte, but for the one that says nothing.
        short @ 0..0x7f => head.push(0x80 | short as u8),
        _ => head.extend((1 << 56 | (length - 9)).to_be_bytes()),
    }
    fill(file, from + head.len() as u64, end)?;
    file.seek(SeekFrom::Start(from))?;
    file.write_all(&head)?;
    Ok(())
}

/// Overwrites all that lies there by nothing.
fn fill(file: &mut Film<'_>, from: u64, end: u64) -> Result<(), CleanError> {
    const ZEROS: [u8; 4 << 10] = [0; 4 << 10];
    file.seek(SeekFrom::Start(from))?;
    let mut left = end.saturating_sub(from);
    while left > 0 {
        let part = left.min(ZEROS.len() as u64);
        file.write_all(&ZEROS[..part as usize])?;
        left -= part;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const SECRET: &[u8] = b"52.52 N 13.40 E, garden of Ada";

    fn size(length: usize) -> Vec<u8> {
        match length {
            0..0x7f => vec![0x80 | length as u8],
            _ => (1 << 56 | length as u64).to_be_bytes().to_vec(),
        }
    }

    fn id(id: u32) -> Vec<u8> {
        let bytes = id.to_be_bytes();
        let from = bytes.iter().position(|byte| *byte != 0).unwrap();
        bytes[from..].to_vec()
    }

    fn element(of: u32, body: &[u8]) -> Vec<u8> {
        [id(of), size(body.len()), body.to_vec()].concat()
    }

    /// One that does not say how long it is.
    fn open(of: u32, body: &[u8]) -> Vec<u8> {
        [
            id(of),
            vec![0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            body.to_vec(),
        ]
        .concat()
    }

    /// One that is void, and as long as this.
    fn void_like(other: &[u8]) -> Vec<u8> {
        let mut file = Cursor::new(vec![1; other.len()]);
        let mut film = Film {
            medium: &mut file,
            elements: 0,
        };
        void(&mut film, 0, other.len() as u64).unwrap();
        file.into_inner()
    }

    fn head() -> Vec<u8> {
        let body = [element(0x4286, &[1]), element(0x4282, b"webm")].concat();
        element(EBML, &body)
    }

    fn info_of(names: bool) -> Vec<u8> {
        let hide = |element: Vec<u8>| match names {
            true => element,
            false => void_like(&element),
        };
        let program = |name: &[u8]| match names {
            true => name.to_vec(),
            false => vec![0; name.len()],
        };
        let body = [
            element(0x2a_d7b1, &[0x0f, 0x42, 0x40]),
            element(0x4d80, &program(b"ACME camera")),
            element(0x5741, &program(b"ACME telephone")),
            element(0x4489, &[0x44, 0x7a, 0, 0]),
            hide(element(0x4461, &[1, 2, 3, 4, 5, 6, 7, 8])),
            hide(element(0x7ba9, SECRET)),
            hide(element(0xbf, &[1, 2, 3, 4])),
        ];
        element(INFO, &body.concat())
    }

    fn track(number: u8, kind: u8, name: &[u8]) -> Vec<u8> {
        let video = [
            element(WIDTH, &[0x02, 0x80]),
            element(HEIGHT, &[0x01, 0xe0]),
        ]
        .concat();
        let name = element(0x536e, name);
        let body = [
            element(NUMBER, &[number]),
            element(0x73c5, &[9]),
            element(KIND, &[kind]),
            element(0x86, b"V_VP8"),
            if name.ends_with(b"!") {
                void_like(&name)
            } else {
                name
            },
            element(VIDEO, &video),
        ];
        element(TRACK, &body.concat())
    }

    fn block(track: u8, bytes: &[u8]) -> Vec<u8> {
        [&[0x80 | track, 0, 0, 0x80][..], bytes].concat()
    }

    /// A film without what it tells, and how large it is shown; what is left of another file.
    type Cleaned = Result<(Vec<u8>, Option<(u32, u32)>), Vec<u8>>;

    fn cleaned_film(bytes: &[u8]) -> Cleaned {
        let mut file = Cursor::new(bytes.to_vec());
        let done = clean_matroska(&mut file, bytes.len() as u64);
        let out = file.into_inner();
        assert_eq!(out.len(), bytes.len());
        let mut again = Cursor::new(out.clone());
        let _ = clean_matroska(&mut again, out.len() as u64);
        assert!(again.into_inner() == out, "what is clean stays as it is");
        for secret in [SECRET, b"ACME"] {
            assert!(memchr::memmem::find(&out, secret).is_none());
        }
        match done {
            Ok(size) => Ok((out, size)),
            Err(_) => Err(out),
        }
    }

    /// A film, and what is to become of it.
    fn film(make: fn(u32, &[u8]) -> Vec<u8>) -> [Vec<u8>; 2] {
        let whole = |is_clean: bool| {
            let hide = |element: Vec<u8>| match is_clean {
                true => void_like(&element),
                false => element,
            };
            let name: &[u8] = if is_clean {
                b"...............................!"
            } else {
                SECRET
            };
            let name = &[name, b"!!"].concat()[..SECRET.len()];
            let name = if is_clean {
                [&name[..name.len() - 1], b"!"].concat()
            } else {
                name.to_vec()
            };
            let seek = element(0x114d_9b74, &element(0x4dbb, b"where what is"));
            let tracks = [
                track(1, 1, &name),
                hide(track(2, 0x21, SECRET)),
                track(3, 2, &name),
            ];
            let cluster = |time: u8| {
                let group = [element(BLOCK, &block(1, b"picture")), element(0x9b, &[9])];
                let other = element(BLOCK, &block(2, SECRET));
                let body = [
                    element(0xe7, &[time]),
                    element(SIMPLE_BLOCK, &block(1, &[7; 900])),
                    hide(element(SIMPLE_BLOCK, &block(2, SECRET))),
                    element(SIMPLE_BLOCK, &block(3, b"sound")),
                    element(GROUP, &group.concat()),
                    hide(element(GROUP, &other)),
                    hide(element(0x5854, SECRET)),
                ];
                make(CLUSTER, &body.concat())
            };
            let tags = element(0x1254_c367, &element(0x7373, SECRET));
            let attached = element(0x1941_a469, &[SECRET, &[3; 70_000]].concat());
            let body = [
                seek,
                info_of(!is_clean),
                element(TRACKS, &tracks.concat()),
                hide(tags.clone()),
                cluster(0),
                cluster(9),
                element(0x1c53_bb6b, b"where which time is"),
                hide(attached),
                hide(tags),
            ];
            [head(), make(SEGMENT, &body.concat())].concat()
        };
        [whole(false), whole(true)]
    }

    #[test]
    fn a_film_keeps_its_pictures_and_sound_where_they_are_and_nothing_else() {
        for make in [element as fn(u32, &[u8]) -> Vec<u8>, open] {
            let [bytes, clean] = film(make);
            let (out, size) = cleaned_film(&bytes).unwrap();
            assert_eq!(size, Some((640, 480)));
            let differs = out.iter().zip(&clean).position(|(one, other)| one != other);
            assert_eq!(differs, None);
        }
    }

    #[test]
    fn a_film_that_is_cut_off_is_kept_up_to_there_and_what_is_none_is_not_shown() {
        let [bytes, _] = film(open);
        let end = bytes
            .windows(7)
            .position(|part| part == b"picture")
            .unwrap();
        let (out, size) = cleaned_film(&bytes[..end]).unwrap();
        assert_eq!((out.len(), size), (end, Some((640, 480))));
        // Nothing but its head, and something else behind it.
        assert!(cleaned_film(&head()).is_err());
        assert!(cleaned_film(&[&head()[..], b"\0\0\0", SECRET].concat()).is_err());
        assert!(cleaned_film(&[&head()[..], &element(0xae, SECRET)].concat()).is_err());
    }

    /// The headers of Vorbis, with what its comments are.
    fn headers(comments: &[u8]) -> Vec<u8> {
        let first = [&b"\x01vorbis"[..], &[1; 23]].concat();
        let lengths = [first.len(), comments.len()].map(|length| {
            let mut lacing = vec![u8::MAX; length / 255];
            lacing.push((length % 255) as u8);
            lacing
        });
        let setup = b"\x05vorbis: the books";
        [&[2][..], &lengths.concat()[..], &first[..], comments, setup].concat()
    }

    /// A film whose only track is sound, coded so, with this beside it.
    fn sound(codec: &[u8], private: &[u8]) -> Vec<u8> {
        let body = [
            element(NUMBER, &[1]),
            // Before what says how it is to be read.
            private.to_vec(),
            element(KIND, &[2]),
            element(CODEC, codec),
        ];
        let tracks = element(TRACKS, &element(TRACK, &body.concat()));
        let cluster = element(CLUSTER, &element(SIMPLE_BLOCK, &block(1, b"sound")));
        [head(), element(SEGMENT, &[tracks, cluster].concat())].concat()
    }

    /// What a recorder of Ogg wrote into the comments went along into a WebM, beside the track.
    #[test]
    fn sound_of_vorbis_keeps_its_headers_and_says_nothing_in_its_comments() {
        let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
        for filler in [0, 300, 70_000] {
            let place = [&b"LOCATION="[..], SECRET, &vec![b'x'; filler][..]].concat();
            let told = [
                &b"\x03vorbis"[..],
                &number(4)[..],
                b"ACME",
                &number(1)[..],
                &number(place.len())[..],
                &place[..],
                b"\x01",
            ]
            .concat();
            let blank = vec![b' '; told.len() - 16];
            let silent = [
                &b"\x03vorbis"[..],
                &number(blank.len())[..],
                &blank[..],
                &number(0)[..],
                b"\x01",
            ]
            .concat();
            for codec in [&b"A_VORBIS"[..], b"A_VORBIS\0\0"] {
                let film = |comments: &[u8]| sound(codec, &element(PRIVATE, &headers(comments)));
                let (out, _) = cleaned_film(&film(&told)).unwrap();
                assert!(out == film(&silent), "{filler}");
            }
        }
    }

    #[test]
    fn headers_of_vorbis_that_are_none_are_left_out() {
        let comments = [&b"\x03vorbis"[..], SECRET].concat();
        let whole = headers(&comments);
        for private in [
            element(PRIVATE, SECRET),
            element(PRIVATE, b""),
            element(PRIVATE, &[1]),
            element(PRIVATE, &[2, 255, 255]),
            element(PRIVATE, &[&[3][..], &whole[1..]].concat()),
            element(PRIVATE, &whole[..whole.len() - 30]),
            element(PRIVATE, &headers(SECRET)),
            // Too short for what is always there.
            element(PRIVATE, &headers(b"\x03vorbis")),
        ] {
            let (out, _) = cleaned_film(&sound(b"A_VORBIS", &private)).unwrap();
            assert!(
                out == sound(b"A_VORBIS", &void_like(&private)),
                "{private:?}"
            );
        }
        // Of two the second is.
        let silent = element(PRIVATE, &headers(b"\x03vorbis\0\0\0\0\0\0\0\0\x01"));
        let other = element(PRIVATE, &whole);
        let (out, _) = cleaned_film(&sound(b"A_VORBIS", &[&silent[..], &other].concat())).unwrap();
        let left = [&silent[..], &void_like(&other)].concat();
        assert!(out == sound(b"A_VORBIS", &left));
        // What another codec has there is its own.
        let private = element(PRIVATE, b"OpusHead, and what follows");
        let film = sound(b"A_OPUS", &private);
        assert!(cleaned_film(&film).unwrap().0 == film);
    }

    /// A recording said in its tags who had made it, and the picture beside it where.
    #[test]
    fn sound_of_flac_keeps_what_it_is_decoded_by_and_says_nothing() {
        let block = |kind: u8, body: &[u8]| [&[kind, 0, 0, body.len() as u8][..], body].concat();
        let stream = [b"fLaC", &block(0, &[7; 34])[..]].concat();
        let headers =
            |told: &[u8], kind: u8| [&stream[..], told, &block(0x80 | kind, told)].concat();
        let film = |private: &[u8]| sound(b"A_FLAC", &element(PRIVATE, private));
        let told = film(&headers(&block(4, SECRET), 6));
        let silent = film(
            &[
                &stream[..],
                &block(1, &[0; SECRET.len()]),
                &block(0x81, &[0; SECRET.len() + 4]),
            ]
            .concat(),
        );
        assert!(cleaned_film(&told).unwrap().0 == silent);
        // Not marked as such, it is not known.
        let private = element(PRIVATE, &block(4, SECRET));
        let (out, _) = cleaned_film(&sound(b"A_FLAC", &private)).unwrap();
        assert!(out == sound(b"A_FLAC", &void_like(&private)));
    }

    /// A script of subtitles named its writer, and where the film lay on their disk.
    #[test]
    fn subtitles_keep_their_looks_and_say_nothing_of_their_writer() {
        let film = |script: &[u8]| {
            let body = [
                element(NUMBER, &[1]),
                element(KIND, &[0x11]),
                element(CODEC, b"S_TEXT/ASS"),
                element(PRIVATE, script),
            ];
            let tracks = element(TRACKS, &element(TRACK, &body.concat()));
            let cluster = element(CLUSTER, &element(SIMPLE_BLOCK, &block(1, b"0,0,,hi")));
            [head(), element(SEGMENT, &[tracks, cluster].concat())].concat()
        };
        let told = film(b"[Script Info]\nTitle: garden of Ada\nPlayResX: 640\n");
        let silent = film(b"[Script Info]\n                    \nPlayResX: 640\n");
        assert!(cleaned_film(&told).unwrap().0 == silent);
    }

    /// A program that gives a track a longer name moves the tracks to the end: all blocks before
    /// them were overwritten as nobody's.
    #[test]
    fn a_film_whose_tracks_are_behind_its_blocks_keeps_these() {
        let tracks = element(TRACKS, &track(1, 1, SECRET));
        let named = element(0x536e, SECRET);
        let clean_tracks = {
            let at = tracks.windows(named.len()).position(|part| part == named);
            let at = at.unwrap();
            let void = void_like(&named);
            [&tracks[..at], &void, &tracks[at + named.len()..]].concat()
        };
        let blocks = element(SIMPLE_BLOCK, &block(1, b"picture"));
        let other = element(SIMPLE_BLOCK, &block(2, SECRET));
        let film = |other: &[u8], tracks: &[u8]| {
            let cluster = element(CLUSTER, &[&blocks[..], other].concat());
            let body = [&cluster[..], tracks, &cluster].concat();
            [head(), element(SEGMENT, &body)].concat()
        };
        let (out, size) = cleaned_film(&film(&other, &tracks)).unwrap();
        assert_eq!(size, Some((640, 480)));
        assert!(out == film(&void_like(&other), &clean_tracks));
    }

    /// Each level had a bound of its own, so that a film of two bytes an element had none.
    #[test]
    fn a_film_of_more_elements_than_any_has_is_none() {
        let cluster = element(CLUSTER, &[0xe7, 0x80].repeat(1 << 18));
        let clusters = cluster.repeat(17);
        let [bytes, _] = film(element);
        let few = [&bytes[..], &element(SEGMENT, &cluster)].concat();
        assert!(cleaned_film(&few).is_ok());
        let many = [&bytes[..], &element(SEGMENT, &clusters)].concat();
        assert!(cleaned_film(&many).is_err());
    }

    #[test]
    fn whatever_its_bytes_are_it_comes_to_an_end() {
        use rand::{RngExt, SeedableRng};
        let mut random = rand::rngs::StdRng::seed_from_u64(7);
        let [bytes, _] = film(element);
        for _ in 0..300 {
            let mut broken = bytes.clone();
            for _ in 0..random.random_range(1..20) {
                let at = random.random_range(0..broken.len());
                broken[at] = random.random();
            }
            let mut file = Cursor::new(broken);
            let length = file.get_ref().len() as u64;
            let _ = clean_matroska(&mut file, length);
            assert_eq!(file.get_ref().len() as u64, length);
        }
    }
}
