//! Texts as JSON strings.

const HEX: [u8; 16] = *b"0123456789abcdef";
/// A one in each byte.
const ONES: u64 = u64::MAX / 255;

/// Appends a text in quotes, and escapes in it what JSON does not let stand: quotes, backslashes
/// and control characters.
pub(super) fn write(out: &mut Vec<u8>, text: &str) {
    write_between(out, b"\"", text, b"\"");
}

/// Appends the name of an object's member: a text in quotes, and a colon. It is a name of this
/// program's, and nothing in it is escaped.
pub(super) fn write_name(out: &mut Vec<u8>, name: &'static str, is_first: bool) {
    debug_assert_eq!(plain_bytes(name.as_bytes()), name.len(), "{name}");
    out.reserve(name.len() + 4);
    if !is_first {
        out.push(b',');
    }
    out.push(b'"');
    write_short(out, name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends some bytes in steps of sizes that the compiler knows: for a few of them a call that
/// copies costs more than what it does.
pub(super) fn write_short(out: &mut Vec<u8>, mut bytes: &[u8]) {
    while let Some((chunk, rest)) = bytes.split_first_chunk::<8>() {
        out.extend_from_slice(chunk);
        bytes = rest;
    }
    if let Some((chunk, rest)) = bytes.split_first_chunk::<4>() {
        out.extend_from_slice(chunk);
        bytes = rest;
    }
    if let Some((chunk, rest)) = bytes.split_first_chunk::<2>() {
        out.extend_from_slice(chunk);
        bytes = rest;
    }
    if let [byte] = bytes {
        out.push(*byte);
    }
}

/// Appends what stands around a text with it, so that the buffer's room is looked at less often.
fn write_between<const B: usize, const A: usize>(
    out: &mut Vec<u8>,
    before: &[u8; B],
    text: &str,
    after: &[u8; A],
) {
    out.reserve(B + text.len() + A);
    out.extend_from_slice(before);
    let mut rest = text.as_bytes();
    loop {
        let (plain, other) = rest.split_at(plain_bytes(rest));
        out.extend_from_slice(plain);
        let Some((byte, beyond)) = other.split_first() else {
            break;
        };
        escape(out, *byte);
        rest = beyond;
    }
    out.extend_from_slice(after);
}

/// Returns how many bytes there are before the first that is escaped.
fn plain_bytes(bytes: &[u8]) -> usize {
    let (wide, _) = bytes.as_chunks::<16>();
    let checked = 16 * wide.iter().take_while(|chunk| are_plain(chunk)).count();
    let (words, tail) = bytes[checked..].as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        if let Some(place) = escaped_in(*word) {
            return checked + 8 * at + place;
        }
    }
    match bytes.last_chunk::<8>() {
        // Those of them that were looked at already are plain.
        Some(last) => escaped_in(*last).map_or(bytes.len(), |place| bytes.len() - 8 + place),
        None => {
            let mut word = [b' '; 8];
            word[..tail.len()].copy_from_slice(tail);
            escaped_in(word).unwrap_or(tail.len())
        }
    }
}

/// Returns whether none is escaped. Without a branch, so that the compiler looks at all in one
/// step.
fn are_plain(bytes: &[u8; 16]) -> bool {
    let escaped = |byte| u8::from(byte < b' ') | u8::from(byte == b'"') | u8::from(byte == b'\\');
    bytes.iter().fold(0, |any, byte| any | escaped(*byte)) == 0
}

/// Returns where the first byte stands that is escaped. All eight are looked at in one step:
/// from a byte below 0x80, taking away `n` sets the highest bit where it is less than `n`.
fn escaped_in(bytes: [u8; 8]) -> Option<usize> {
    let word = u64::from_le_bytes(bytes);
    let control = word.wrapping_sub(ONES * 0x20);
    let quote = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    // A bit may be set wrongly where a lower byte is escaped, which is then the first.
    let found = (control | quote | backslash) & !word & (ONES * 0x80);
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

#[cold]
fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\x08' => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        b'\x0c' => b'f',
        b'\r' => b'r',
        _ => {
            let [high, low] = [byte >> 4, byte & 0xf].map(|digit| HEX[usize::from(digit)]);
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
