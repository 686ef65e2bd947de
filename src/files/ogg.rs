//! Ogg (RFC 3533) without what it tells of its maker: packets of comments are overwritten where
//! they lie, with titles, dates, places and pictures in them, so that no page moves. Streams are
//! kept that are known to be sound or film; every other is left out, and so is what stands between
//! pages.

use std::io::{self, SeekFrom};

use super::clean::{CleanError, Input, Output, go_to, look_through};

/// The head of a page, up to the lengths of its segments.
const HEAD: usize = 27;
/// Streams at once: more than any film has.
const MAX_STREAMS: usize = 16;

/// What a stream is coded by, as its first packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Vorbis,
    Opus,
    Theora,
    Speex,
    /// Its blocks of metadata are a packet each.
    Flac,
}

impl Codec {
    fn of(packet: &[u8]) -> Option<Self> {
        let known: [(&[u8], Self); 5] = [
            (b"\x01vorbis", Self::Vorbis),
            (b"OpusHead", Self::Opus),
            (b"\x80theora", Self::Theora),
            (b"Speex   ", Self::Speex),
            (b"\x7fFLAC", Self::Flac),
        ];
        let found = known.iter().find(|(begin, _)| packet.starts_with(begin));
        found.map(|(_, codec)| *codec)
    }

    /// What stands before the comments, and behind them, in their packet.
    fn around(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Vorbis => (b"\x03vorbis", b"\x01"),
            Self::Opus => (b"OpusTags", b""),
            Self::Theora => (b"\x81theora", b""),
            Self::Speex | Self::Flac => (b"", b""),
        }
    }
}

/// What takes the place of a packet: a beginning, an end, and one byte over and over between them.
struct Blank {
    begin: Vec<u8>,
    fill: u8,
    end: Vec<u8>,
    length: u64,
}

impl Blank {
    /// Comments of this codec in a packet of so many bytes that say nothing: all of it is the name
    /// of the program that made them, in spaces. `None` where there is no room for that.
    fn comments(codec: Codec, before: &[u8], length: u64) -> Option<Self> {
        let (begin, behind) = codec.around();
        let begin = [before, begin].concat();
        // How many comments there are, which is none.
        let end = [&[0; 4], behind].concat();
        let room = length.checked_sub((begin.len() + 4 + end.len()) as u64)?;
        let name = u32::try_from(room).ok()?.to_le_bytes();
        Some(Self {
            begin: [&begin[..], &name].concat(),
            fill: b' ',
            end,
            length,
        })
    }

    /// A packet of FLAC's metadata that says nothing, by its first four bytes; `None` for one that
    /// is kept as it is.
    fn flac(head: [u8; 4], length: u64) -> Option<Option<Self>> {
        const STREAM: u8 = 0;
        const PADDING: u8 = 1;
        const SEEKING: u8 = 3;
        const COMMENTS: u8 = 4;
        let last = head[0] & 0x80;
        match head[0] & 0x7f {
            STREAM | SEEKING => Some(None),
            COMMENTS => Some(Some(Self::comments(Codec::Flac, &head, length)?)),
            _ => Some(Some(Self {
                begin: [&[last | PADDING], &head[1..]].concat(),
                fill: 0,
                end: Vec::new(),
                length,
            })),
        }
    }

    /// Overwrites a part of the packet, which begins at this offset of it.
    fn put(&self, offset: u64, part: &mut [u8]) {
        let end = self.length - self.end.len() as u64;
        for (at, byte) in (offset..).zip(part) {
            let begin = usize::try_from(at).ok().and_then(|at| self.begin.get(at));
            let behind = at.checked_sub(end).and_then(|at| usize::try_from(at).ok());
            let behind = behind.and_then(|at| self.end.get(at));
            *byte = *begin.or(behind).unwrap_or(&self.fill);
        }
    }
}

/// Overwrites comments of Vorbis or Theora, in the packet that they are, by none in as many bytes.
/// Returns whether it is one.
pub(super) fn blank_comments(packet: &mut [u8]) -> bool {
    let mut codecs = [Codec::Vorbis, Codec::Theora].into_iter();
    let codec = codecs.find(|codec| packet.starts_with(codec.around().0));
    let blank = codec.and_then(|codec| Blank::comments(codec, b"", packet.len() as u64));
    if let Some(blank) = &blank {
        blank.put(0, packet);
    }
    blank.is_some()
}

/// A stream, as far as it was gone through.
struct Stream {
    serial: [u8; 4],
    /// `None` for one that is left out.
    codec: Option<Codec>,
    /// The number of the packet that begins next, or goes on.
    packet: u64,
    /// How many bytes of that have come.
    offset: u64,
    /// What takes its place.
    blank: Option<Blank>,
    /// Sound or film has begun.
    has_begun: bool,
}

impl Stream {
    /// Returns whether the packet that begins now says something of its maker, or may.
    fn may_tell(&self) -> bool {
        match self.codec {
            Some(Codec::Flac) => self.packet > 0 && !self.has_begun,
            _ => self.packet == 1,
        }
    }
}

/// The streams of a file.
struct Streams {
    all: Vec<Stream>,
    /// How many bytes may still be looked at ahead of their turn: else a file of many packets that
    /// all end at its end would be read once for each.
    looks: u64,
}

/// A page in memory.
struct Page {
    head: [u8; HEAD],
    lengths: Vec<u8>,
    body: Vec<u8>,
}

impl Page {
    /// Reads the page that begins here; `None` where none does, or it is cut off.
    fn take(input: &mut dyn Input, at: u64) -> io::Result<Option<Self>> {
        let mut head = [0; HEAD];
        go_to(input, at)?;
        let mut part = |bytes: &mut [u8]| match input.read_exact(bytes) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        };
        if !part(&mut head)? || !head.starts_with(b"OggS\0") {
            return Ok(None);
        }
        let mut lengths = vec![0; head[26].into()];
        if !part(&mut lengths)? {
            return Ok(None);
        }
        let bytes = lengths.iter().map(|length| usize::from(*length)).sum();
        let mut body = vec![0; bytes];
        Ok(part(&mut body)?.then_some(Self {
            head,
            lengths,
            body,
        }))
    }

    fn bytes(&self) -> u64 {
        (HEAD + self.lengths.len() + self.body.len()) as u64
    }

    fn serial(&self) -> [u8; 4] {
        [self.head[14], self.head[15], self.head[16], self.head[17]]
    }

    fn begins_stream(&self) -> bool {
        self.head[5] & 2 != 0
    }

    /// The parts of packets in it: from where to where, and whether the packet ends there.
    fn parts(&self) -> Vec<(usize, usize, bool)> {
        let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
        for length in &self.lengths {
            at += usize::from(*length);
            if *length < u8::MAX {
                parts.push((from, at, true));
                from = at;
            }
        }
        if self.lengths.last() == Some(&u8::MAX) {
            parts.push((from, at, false));
        }
        parts
    }

    /// Puts its checksum right, and writes it.
    fn put(mut self, out: &mut dyn Output) -> io::Result<()> {
        self.head[22..26].fill(0);
        let sum = checksum(0, &self.head);
        let sum = checksum(checksum(sum, &self.lengths), &self.body);
        self.head[22..26].copy_from_slice(&sum.to_le_bytes());
        out.write_all(&self.head)?;
        out.write_all(&self.lengths)?;
        out.write_all(&self.body)
    }
}

/// Goes on with a page's checksum (RFC 3533, section 6): a CRC of the polynomial 0x04c11db7.
fn checksum(sum: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    bytes.iter().fold(sum, |sum, byte| {
        sum << 8 ^ TABLE[usize::from((sum >> 24) as u8 ^ byte)]
    })
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut place = 0;
    while place < 256 {
        let mut sum = (place as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum >> 31 == 1 {
                sum << 1 ^ 0x04c1_1db7
            } else {
                sum << 1
            };
            bit += 1;
        }
        table[place] = sum;
        place += 1;
    }
    table
}

/// Copies the pages of streams that are known. An Ogg without one is copied as it is, and is
/// malformed.
pub(super) fn clean_ogg(input: &mut dyn Input, out: &mut dyn Output) -> Result<(), CleanError> {
    let length = input.seek(SeekFrom::End(0))?;
    let mut at = 0;
    let mut streams = Streams {
        all: Vec::new(),
        // Each byte once: the packets of one stream are looked at one after the other.
        looks: length,
    };
    let mut is_heard = false;
    while at < length {
        let Some(page) = Page::take(input, at)? else {
            match next_page(input, at + 1, length)? {
                Some(next) => at = next,
                None => break,
            }
            continue;
        };
        let bytes = page.bytes();
        if let Some(page) = cleaned(input, (at, length), page, &mut streams)? {
            page.put(out)?;
            is_heard = true;
        }
        at += bytes;
    }
    if is_heard {
        return Ok(());
    }
    go_to(input, 0)?;
    io::copy(input, out)?;
    Err(CleanError::Malformed)
}

/// Returns where the next page begins.
fn next_page(input: &mut dyn Input, from: u64, length: u64) -> io::Result<Option<u64>> {
    const MARK: &[u8] = b"OggS\0";
    let kept = MARK.len() as u64 - 1;
    look_through(input, (from, length), kept, |_, from, bytes| {
        let place = memchr::memmem::find(bytes, MARK);
        Ok(place.map(|place| from + place as u64))
    })
}

/// Returns a page, which stands here, without what it tells; `None` where it is left out.
fn cleaned(
    input: &mut dyn Input,
    (at, length): (u64, u64),
    mut page: Page,
    Streams { all, looks }: &mut Streams,
) -> Result<Option<Page>, CleanError> {
    let serial = page.serial();
    if page.begins_stream() {
        // Another may have had the number before, in a chain.
        all.retain(|stream| stream.serial != serial);
        if all.len() >= MAX_STREAMS {
            all.remove(0);
        }
        all.push(Stream {
            serial,
            codec: Codec::of(&page.body),
            packet: 0,
            offset: 0,
            blank: None,
            has_begun: false,
        });
    }
    let Some(stream) = all.iter_mut().find(|stream| stream.serial == serial) else {
        return Ok(None);
    };
    let Some(codec) = stream.codec else {
        return Ok(None);
    };
    for (from, to, ends) in page.parts() {
        if stream.offset == 0 && stream.may_tell() {
            let whole = match ends {
                true => (to - from) as u64,
                false => {
                    (to - from) as u64
                        + rest_of_packet(input, (at + page.bytes(), length), serial, looks)?
                }
            };
            let head: Option<[u8; 4]> = page.body[from..to].first_chunk().copied();
            stream.blank = match (codec, head) {
                // The first byte of a frame of sound.
                (Codec::Flac, Some([0xff, ..])) => {
                    stream.has_begun = true;
                    None
                }
                (Codec::Flac, Some(head)) => {
                    stream.has_begun = head[0] & 0x80 != 0;
                    Blank::flac(head, whole).ok_or(CleanError::Malformed)?
                }
                (Codec::Flac, None) => return Err(CleanError::Malformed),
                _ => Some(Blank::comments(codec, b"", whole).ok_or(CleanError::Malformed)?),
            };
        }
        if let Some(blank) = &stream.blank {
            blank.put(stream.offset, &mut page.body[from..to]);
        }
        stream.offset += (to - from) as u64;
        if ends {
            (stream.offset, stream.blank) = (0, None);
            stream.packet += 1;
        }
    }
    Ok(Some(page))
}

/// Returns how many bytes of a packet are on the pages from here on. Takes what it looks at from
/// `looks`.
fn rest_of_packet(
    input: &mut dyn Input,
    (from, length): (u64, u64),
    serial: [u8; 4],
    looks: &mut u64,
) -> Result<u64, CleanError> {
    let (mut at, mut bytes) = (from, 0);
    while at < length {
        let Some(page) = Page::take(input, at)? else {
            break;
        };
        at += page.bytes();
        *looks = looks
            .checked_sub(page.bytes())
            .ok_or(CleanError::Malformed)?;
        if page.serial() != serial {
            continue;
        }
        if let Some((from, to, ends)) = page.parts().first() {
            bytes += (to - from) as u64;
            if *ends {
                return Ok(bytes);
            }
        }
    }
    Err(CleanError::Malformed)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const SECRET: &[u8] = b"LOCATION=52.52 N 13.40 E, garden of Ada";

    fn contains(bytes: &[u8], part: &[u8]) -> bool {
        memchr::memmem::find(bytes, part).is_some()
    }

    fn cleaned_ogg(bytes: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        let mut out = Cursor::new(Vec::new());
        let done = clean_ogg(&mut Cursor::new(bytes), &mut out);
        let out = out.into_inner();
        let mut again = Cursor::new(Vec::new());
        let _ = clean_ogg(&mut Cursor::new(&out), &mut again);
        assert!(again.into_inner() == out, "what is clean stays as it is");
        match done {
            Ok(()) => {
                assert!(!contains(&out, b"garden of Ada"));
                Ok(out)
            }
            Err(_) => Err(out),
        }
    }

    /// The pages of a stream whose packets are these, with so many segments a page.
    fn pages(serial: u8, packets: &[Vec<u8>], segments: usize) -> Vec<Vec<u8>> {
        let mut all: Vec<(Vec<u8>, bool)> = Vec::new();
        for packet in packets {
            for (place, part) in packet.chunks(255).enumerate() {
                all.push((part.to_vec(), place > 0));
            }
            if packet.len() % 255 == 0 {
                all.push((Vec::new(), true));
            }
        }
        // The first packet has a page of its own.
        let (first, others) = all.split_at(1);
        let runs = std::iter::once(first).chain(others.chunks(segments));
        let page = |(number, run): (usize, &[(Vec<u8>, bool)])| {
            let mut head = [0; HEAD];
            head[..4].copy_from_slice(b"OggS");
            head[5] = u8::from(run[0].1) | if number == 0 { 2 } else { 0 };
            head[14] = serial;
            head[18] = u8::try_from(number).unwrap();
            head[26] = u8::try_from(run.len()).unwrap();
            let lengths = run
                .iter()
                .map(|(part, _)| u8::try_from(part.len()).unwrap());
            let page = Page {
                head,
                lengths: lengths.collect(),
                body: run.iter().flat_map(|(part, _)| part.clone()).collect(),
            };
            let mut out = Cursor::new(Vec::new());
            page.put(&mut out).unwrap();
            out.into_inner()
        };
        runs.enumerate().map(page).collect()
    }

    fn comments(before: &[u8], behind: &[u8], picture: usize) -> Vec<u8> {
        let mut out = before.to_vec();
        let picture = [b"METADATA_BLOCK_PICTURE=", &vec![b'p'; picture][..]].concat();
        out.extend(7_u32.to_le_bytes());
        out.extend(b"Lavf 60");
        out.extend(2_u32.to_le_bytes());
        for comment in [SECRET, &picture] {
            out.extend(u32::try_from(comment.len()).unwrap().to_le_bytes());
            out.extend(comment);
        }
        out.extend(behind);
        out
    }

    /// The comments of a packet as its codec reads them: the program, and how many there are.
    fn read_back(packet: &[u8], before: &[u8], behind: &[u8]) -> (String, u32) {
        let rest = packet.strip_prefix(before).unwrap();
        let (length, rest) = rest.split_first_chunk::<4>().unwrap();
        let (program, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        let (count, rest) = rest.split_first_chunk::<4>().unwrap();
        assert_eq!(rest, behind);
        (
            String::from_utf8(program.to_vec()).unwrap(),
            u32::from_le_bytes(*count),
        )
    }

    /// The packets of a stream.
    fn packets(bytes: &[u8], serial: u8) -> Vec<Vec<u8>> {
        let (mut at, mut found, mut open) = (0, Vec::new(), Vec::new());
        while at < bytes.len() as u64 {
            let page = Page::take(&mut Cursor::new(bytes), at).unwrap().unwrap();
            at += page.bytes();
            let mut whole = Cursor::new(Vec::new());
            let taken = bytes[(at - page.bytes()) as usize..at as usize].to_vec();
            let (parts, body, is_its) = (page.parts(), page.body.clone(), page.head[14] == serial);
            page.put(&mut whole).unwrap();
            assert!(whole.into_inner() == taken, "its checksum is right");
            for (from, to, ends) in parts.into_iter().filter(|_| is_its) {
                open.extend_from_slice(&body[from..to]);
                if ends {
                    found.push(std::mem::take(&mut open));
                }
            }
        }
        found
    }

    #[test]
    fn sound_and_film_keep_every_page_and_say_nothing_of_their_maker() {
        // A page as Xiph's programs write it has this checksum.
        assert_eq!(checksum(0, b"123456789"), 0x89a1_897f);
        let cases: [(&[u8], &[u8], &[u8]); 4] = [
            (b"\x01vorbis\0\0\0\0\x02", b"\x03vorbis", b"\x01"),
            (b"OpusHead\x01\x02", b"OpusTags", b""),
            (b"\x80theora\x03\x02\x01", b"\x81theora", b""),
            (b"Speex   1.2", b"", b""),
        ];
        for (first, before, behind) in cases {
            for (picture, segments) in [(0, 200), (300, 1), (200_000, 255), (510, 3)] {
                let sound: Vec<_> = (0..40).map(|byte| vec![byte; 300]).collect();
                let comments = comments(before, behind, picture);
                let all = [&[first.to_vec(), comments.clone()][..], &sound].concat();
                let bytes = pages(7, &all, segments).concat();
                let out = cleaned_ogg(&bytes).unwrap();
                assert_eq!(out.len(), bytes.len());
                let found = packets(&out, 7);
                assert_eq!(found.len(), all.len());
                assert!(found[0] == first && found[2..] == sound[..]);
                let (program, count) = read_back(&found[1], before, behind);
                assert!(program.bytes().all(|byte| byte == b' ') && count == 0);
            }
        }
    }

    #[test]
    fn flac_in_ogg_keeps_its_sound_and_where_it_is_and_no_comments_and_pictures() {
        let block = |kind: u8, body: &[u8]| {
            let length = u32::try_from(body.len()).unwrap().to_be_bytes();
            [&[kind], &length[1..], body].concat()
        };
        let comments = comments(b"", b"", 50);
        let mut all = vec![
            b"\x7fFLAC\x01\0\0\x03fLaC\0\0\0\x22 stream information".to_vec(),
            block(4, &comments),
            block(3, b"points to seek"),
            block(6, &[SECRET, &vec![b'p'; 70_000]].concat()),
            block(0x80 | 2, SECRET),
        ];
        all.extend((0..9).map(|byte| [&[0xff, 0xf8, byte][..], SECRET.split_at(9).0].concat()));
        let bytes = pages(9, &all, 100).concat();
        let out = cleaned_ogg(&bytes).unwrap();
        let found = packets(&out, 9);
        assert_eq!(found.len(), all.len());
        assert!(found[0] == all[0] && found[2] == all[2] && found[5..] == all[5..]);
        assert_eq!(read_back(&found[1][4..], b"", b"").1, 0);
        assert_eq!((found[3][0], found[4][0]), (1, 0x81));
        for padding in &found[3..5] {
            assert!(padding[4..].iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn streams_that_are_not_known_and_what_stands_between_pages_are_left_out() {
        let opus = [
            b"OpusHead\x01\x02".to_vec(),
            comments(b"OpusTags", b"", 9),
            vec![5; 600],
        ];
        let skeleton = [b"fishead\0\x03\0".to_vec(), SECRET.to_vec()];
        let (known, other) = (pages(1, &opus, 2), pages(2, &skeleton, 2));
        let bytes = [
            &known[0][..],
            &other[0],
            SECRET,
            &known[1],
            &other[1],
            &known[2],
            SECRET,
        ];
        let bytes = bytes.concat();
        let known = known.concat();
        let out = cleaned_ogg(&bytes).unwrap();
        assert!(out == cleaned_ogg(&known).unwrap());
        // Cut off in its last page, and one stream behind another.
        let out = cleaned_ogg(&known[..known.len() - 1]).unwrap();
        assert_eq!(packets(&out, 1).len(), 2);
        let chain = [&known[..], &known].concat();
        assert_eq!(cleaned_ogg(&chain).unwrap().len(), chain.len());
    }

    #[test]
    fn an_ogg_of_something_else_is_kept_as_it_is_and_not_shown() {
        let other = pages(2, &[b"fishead\0\x03\0".to_vec(), vec![3; 700]], 9).concat();
        assert_eq!(cleaned_ogg(&other), Err(other.clone()));
        assert_eq!(cleaned_ogg(b"OggS\0"), Err(b"OggS\0".to_vec()));
    }
}
