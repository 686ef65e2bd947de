//! MP3 without its tags: frames of sound are kept, and whatever stands before, between and behind
//! them is left out: tags of ID3 (<https://id3.org>), APE and Lyrics3, with titles, dates, places,
//! comments and pictures.

use std::io::{self, Read, SeekFrom};

use super::clean::{CleanError, Input, Output, go_to, look_through};

/// Tags at either end, to which a file that is made wrong leads.
const MAX_TAGS: usize = 16;

/// The head of a frame of MPEG 1, 2 or 2.5, layer III (ISO 11172-3, 2.4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    /// Which version, and how many samples a second: the same in all frames of a file.
    rate: (u8, u32),
    /// The bytes of the frame, its head among them.
    bytes: u64,
}

impl Head {
    /// Reads one; `None` for anything else.
    fn of(bytes: [u8; 4]) -> Option<Self> {
        const RATES_1: [u32; 14] = [
            32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
        ];
        const RATES_2: [u32; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
        const SAMPLES: [u32; 3] = [44_100, 48_000, 32_000];
        let [sync, kind, rates, _] = bytes;
        let version = kind >> 3 & 3;
        if sync != 0xff || kind & 0xe6 != 0xe2 || version == 1 {
            return None;
        }
        let is_first = version == 3;
        let (kbits, samples) = (rates >> 4, rates >> 2 & 3);
        let kbits = usize::from(kbits.checked_sub(1)?);
        let kbits = if is_first { RATES_1 } else { RATES_2 }
            .get(kbits)
            .copied()?;
        let samples = SAMPLES.get(usize::from(samples)).copied()?;
        let samples = match version {
            3 => samples,
            2 => samples / 2,
            _ => samples / 4,
        };
        let per_frame = if is_first { 144_000 } else { 72_000 };
        let padding = u32::from(rates >> 1 & 1);
        Some(Self {
            rate: (version, samples),
            bytes: u64::from(per_frame * kbits / samples + padding),
        })
    }
}

/// Copies the frames of an MP3. One in which there is none, as of another kind of sound behind
/// tags, is copied without the tags at its ends, and is malformed.
pub(super) fn clean_mp3(input: &mut dyn Input, out: &mut dyn Output) -> Result<(), CleanError> {
    let length = input.seek(SeekFrom::End(0))?;
    let start = begin_of(input, length)?;
    let end = end_of(input, start, length)?;
    let Some((mut at, first)) = next_frame(input, start, end, None)? else {
        go_to(input, start)?;
        io::copy(&mut input.take(end - start), out)?;
        return Err(CleanError::Malformed);
    };
    let mut head = Some(first);
    while at < end {
        match head {
            Some(found) => {
                // The last one may be cut off.
                let bytes = found.bytes.min(end - at);
                go_to(input, at)?;
                io::copy(&mut input.take(bytes), out)?;
                at += bytes;
                head = head_at(input, at, end)?.filter(|next| next.rate == first.rate);
            }
            None => match next_frame(input, at, end, Some(first.rate))? {
                Some((next, found)) => (at, head) = (next, Some(found)),
                None => break,
            },
        }
    }
    Ok(())
}

/// Returns the head of the frame that begins here, if one does.
fn head_at(input: &mut dyn Input, at: u64, end: u64) -> io::Result<Option<Head>> {
    if end.saturating_sub(at) < 4 {
        return Ok(None);
    }
    let mut bytes = [0; 4];
    go_to(input, at)?;
    input.read_exact(&mut bytes)?;
    Ok(Head::of(bytes))
}

/// Returns the next place where a frame begins that another one follows, or the end.
fn next_frame(
    input: &mut dyn Input,
    from: u64,
    end: u64,
    rate: Option<(u8, u32)>,
) -> io::Result<Option<(u64, Head)>> {
    // A head may lie across two pieces.
    look_through(input, (from, end), 3, |input, from, bytes| {
        for (place, window) in bytes.windows(4).enumerate() {
            let found = window.first_chunk().and_then(|head| Head::of(*head));
            let found = found.filter(|found| rate.is_none_or(|rate| found.rate == rate));
            let Some(found) = found else { continue };
            let at = from + place as u64;
            let next = at + found.bytes;
            // Most often it is at hand.
            let at_hand = usize::try_from(next - from).ok();
            let at_hand = at_hand.and_then(|place| bytes.get(place..)?.first_chunk());
            let follows = match at_hand {
                Some(head) => Head::of(*head),
                None => head_at(input, next, end)?,
            };
            let is_followed =
                next == end || follows.is_some_and(|follows| follows.rate == found.rate);
            if is_followed {
                return Ok(Some((at, found)));
            }
        }
        Ok(None)
    })
}

/// A number of 28 bits in four bytes, as ID3 writes it.
fn synchsafe(bytes: [u8; 4]) -> u64 {
    bytes
        .iter()
        .fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f))
}

/// Returns where the tags of ID3 end with which it begins.
fn begin_of(input: &mut dyn Input, length: u64) -> io::Result<u64> {
    let mut at = 0;
    for _ in 0..MAX_TAGS {
        let Some([b'I', b'D', b'3', _, _, flags, a, b, c, d]) = bytes_at(input, at, length)? else {
            break;
        };
        // One says that its head stands behind it, too.
        let footer = if flags & 0x10 != 0 { 10 } else { 0 };
        at = (at + 10 + synchsafe([a, b, c, d]) + footer).min(length);
    }
    Ok(at)
}

/// Returns where the tags begin with which it ends.
fn end_of(input: &mut dyn Input, start: u64, length: u64) -> io::Result<u64> {
    let mut end = length;
    for _ in 0..MAX_TAGS {
        match tag_before(input, end)? {
            Some(bytes) => end = end.saturating_sub(bytes).max(start),
            None => break,
        }
    }
    Ok(end)
}

/// Returns how many bytes the tag has that ends here, if one does.
fn tag_before(input: &mut dyn Input, end: u64) -> io::Result<Option<u64>> {
    let mut before = |back: u64| match end.checked_sub(back) {
        Some(at) => bytes_at::<10>(input, at, end),
        None => Ok(None),
    };
    if before(128)?.is_some_and(|tag| tag.starts_with(b"TAG")) {
        return Ok(Some(128));
    }
    if before(227)?.is_some_and(|tag| tag.starts_with(b"TAG+")) {
        return Ok(Some(227));
    }
    if let Some([b'3', b'D', b'I', _, _, _, a, b, c, d]) = before(10)? {
        return Ok(Some(synchsafe([a, b, c, d]) + 20));
    }
    if before(32)?.is_some_and(|tag| tag.starts_with(b"APETAGEX")) {
        let Some(tag) = bytes_at::<32>(input, end - 32, end)? else {
            return Ok(None);
        };
        let number = |at: usize| {
            let bytes = tag[at..].first_chunk().copied().unwrap_or_default();
            u32::from_le_bytes(bytes)
        };
        let header = if number(20) >> 31 == 1 { 32 } else { 0 };
        return Ok(Some(u64::from(number(12)).max(32) + header));
    }
    if let Some(tag) = end.checked_sub(15).map(|at| bytes_at::<15>(input, at, end))
        && let Some(tag) = tag?
        && let Some(digits) = tag.strip_suffix(b"LYRICS200")
    {
        let digits = str::from_utf8(digits)
            .ok()
            .and_then(|text| text.parse::<u64>().ok());
        return Ok(digits.map(|bytes| bytes + 15));
    }
    Ok(None)
}

/// Returns the bytes that stand here; `None` where there are fewer.
fn bytes_at<const N: usize>(
    input: &mut dyn Input,
    at: u64,
    length: u64,
) -> io::Result<Option<[u8; N]>> {
    if length.saturating_sub(at) < N as u64 {
        return Ok(None);
    }
    let mut bytes = [0; N];
    go_to(input, at)?;
    input.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const SECRETS: &str = "Garden of Ada, 52.52 N, 2026-11-30";

    fn cleaned(bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Cursor::new(Vec::new());
        let done = clean_mp3(&mut Cursor::new(bytes), &mut out);
        let out = out.into_inner();
        let is_there = out
            .windows(12)
            .any(|part| SECRETS.as_bytes().starts_with(part));
        assert!(!is_there, "it still says where it was made");
        let mut again = Cursor::new(Vec::new());
        let _ = clean_mp3(&mut Cursor::new(&out), &mut again);
        assert!(again.into_inner() == out, "what is clean stays as it is");
        (out, done.is_ok())
    }

    /// A frame with this head, and these bytes of sound.
    fn frame(head: [u8; 4], sound: u8) -> Vec<u8> {
        let bytes = Head::of(head).unwrap().bytes;
        let mut frame = head.to_vec();
        frame.resize(usize::try_from(bytes).unwrap(), sound);
        frame
    }

    fn id3v2(version: u8, bytes: usize) -> Vec<u8> {
        let mut body = [b"TIT2", SECRETS.as_bytes(), b"APIC\xff\xfb\x90\x64"].concat();
        body.resize(bytes, 0);
        let length = [21, 14, 7, 0].map(|shift| (bytes >> shift & 0x7f) as u8);
        [&b"ID3"[..], &[version, 0, 0], &length, &body].concat()
    }

    fn ape(with_head: bool) -> Vec<u8> {
        let item = [
            &[34, 0, 0, 0, 0, 0, 0, 0][..],
            b"Title\0",
            SECRETS.as_bytes(),
        ]
        .concat();
        let size = u32::try_from(item.len() + 32).unwrap();
        let part = |flags: u32| {
            [
                &b"APETAGEX"[..],
                &2000_u32.to_le_bytes(),
                &size.to_le_bytes(),
                &1_u32.to_le_bytes(),
                &flags.to_le_bytes(),
                &[0; 8],
            ]
            .concat()
        };
        match with_head {
            true => [part(0xa000_0000), item, part(0x8000_0000)].concat(),
            false => [item, part(0)].concat(),
        }
    }

    fn id3v1() -> Vec<u8> {
        let mut tag = [b"TAG", SECRETS.as_bytes()].concat();
        tag.resize(128, 0);
        tag
    }

    fn lyrics() -> Vec<u8> {
        let body = ["LYRICSBEGIN", "IND00002", "10", SECRETS].concat();
        format!("{body}{:06}LYRICS200", body.len()).into_bytes()
    }

    #[test]
    fn the_length_of_a_frame_is_as_its_head_says() {
        for (head, bytes) in [
            ([0xff, 0xfb, 0x90, 0x64], Some(417)),
            ([0xff, 0xfb, 0x92, 0x64], Some(418)),
            ([0xff, 0xfb, 0xe4, 0x00], Some(960)),
            ([0xff, 0xf3, 0x40, 0xc4], Some(104)),
            ([0xff, 0xe3, 0x18, 0xc4], Some(72)),
            // No bit rate, a wrong one, no sampling rate, another layer, no version.
            ([0xff, 0xfb, 0x00, 0x00], None),
            ([0xff, 0xfb, 0xf0, 0x00], None),
            ([0xff, 0xfb, 0x9c, 0x00], None),
            ([0xff, 0xfd, 0x90, 0x00], None),
            ([0xff, 0xeb, 0x90, 0x00], None),
            ([0xfe, 0xfb, 0x90, 0x00], None),
        ] {
            assert_eq!(Head::of(head).map(|head| head.bytes), bytes, "{head:x?}");
        }
    }

    /// What stands one after the other.
    type Tags<'a> = &'a [Vec<u8>];

    #[test]
    fn an_mp3_keeps_its_sound_and_none_of_its_tags_wherever_they_are() {
        for head in [[0xff, 0xfb, 0x90, 0x64], [0xff, 0xf3, 0x40, 0xc4]] {
            let sound: Vec<_> = (1..40).map(|sound| frame(head, sound)).collect();
            let sound = sound.concat();
            let tags: [(Tags<'_>, Tags<'_>); 7] = [
                (&[], &[]),
                (&[id3v2(3, 5_000)], &[id3v1()]),
                (&[id3v2(4, 200_000), vec![0; 700]], &[ape(true), id3v1()]),
                (&[id3v2(2, 90), id3v2(4, 90)], &[ape(false)]),
                (&[], &[lyrics(), id3v1()]),
                (
                    &[],
                    &[[b"TAG+", SECRETS.as_bytes(), &[0; 189]].concat(), id3v1()],
                ),
                (
                    &[SECRETS.as_bytes().to_vec()],
                    &[SECRETS.as_bytes().to_vec()],
                ),
            ];
            for (before, behind) in tags {
                let bytes = [before.concat(), sound.clone(), behind.concat()].concat();
                let (out, is_sound) = cleaned(&bytes);
                assert!(is_sound && out == sound, "{} {}", out.len(), sound.len());
            }
            // In its midst, and cut off.
            let cut = [&sound[..], &id3v2(3, 900), &sound[..sound.len() - 50]].concat();
            let (out, is_sound) = cleaned(&cut);
            assert!(is_sound && out == [&sound[..], &sound[..sound.len() - 50]].concat());
        }
    }

    #[test]
    fn what_is_no_mp3_behind_its_tag_is_kept_without_it_and_not_shown() {
        let other = b"\xff\xf1\x50\x80 sound of AAC".repeat(30);
        let (out, is_sound) = cleaned(&[&id3v2(4, 100), &other[..], &id3v1()].concat());
        assert!(!is_sound && out == other);
        assert_eq!(cleaned(b"").0, b"");
    }
}
