//! The terms by which the index knows a text: its words; each Chinese character; and in the other
//! scripts without spaces each two characters that follow one another. The last character of such a
//! run is a term alone, so that each character is the beginning of some term.
//!
//! There are so many Chinese characters that two which stand in one text mostly say what is looked
//! for, and the text has the last word. Terms of two of them would be forty times as many, most of
//! them in one text alone, and take five times the bytes. Kana, Hangul or Thai are too few for
//! that.

use super::fold::{Folded, fold};
use super::tokens::{Token, tokens};

/// 64 bytes: longer words are known by their beginnings, and told apart by the text.
pub(super) const MAX_TERM_BYTES: usize = 64;

/// The term of a message that has files.
pub(super) const WITH_FILE: &[u8] = b"\0f";

/// Returns the term of the messages that an account sent.
pub(super) fn of_sender(sender: u64) -> [u8; 10] {
    let mut term = *b"\0s........";
    term[2..].copy_from_slice(&sender.to_be_bytes());
    term
}

/// Gives `take` each term of a text, some of them more than once.
pub(super) fn each_term(text: &str, mut take: impl FnMut(&[u8])) {
    if text.is_ascii() {
        return each_plain_term(text.as_bytes(), take);
    }
    let folded = fold(text);
    let tokens = tokens(&folded);
    let mut term = Vec::with_capacity(MAX_TERM_BYTES);
    for (place, token) in tokens.iter().enumerate() {
        term.clear();
        put(&mut term, chars(&folded, *token));
        let next = tokens.get(place + 1).filter(|next| next.is_joined);
        if let Some(next) = next
            && is_pair(folded[token.begin].char, folded[next.begin].char)
        {
            put(&mut term, chars(&folded, *next));
        }
        take(&term);
    }
}

/// Returns whether two characters that follow one another in a script without spaces are one term.
pub(super) const fn is_pair(first: char, second: char) -> bool {
    !is_chinese(first) && !is_chinese(second)
}

/// Returns whether a character is a Chinese one, wherever it is used: a term by itself.
pub(super) const fn is_chinese(char: char) -> bool {
    matches!(
        char,
        '\u{3005}'..='\u{3007}'
            | '\u{3021}'..='\u{3029}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

/// What each byte of ASCII is in a term: a letter in lower case, a digit, or 0 between two.
const PLAIN: [u8; 128] = {
    let mut plain = [0; 128];
    let mut byte: u8 = 0;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            plain[byte as usize] = byte.to_ascii_lowercase();
        }
        byte += 1;
    }
    plain
};

/// The same for ASCII, of which most is made: each byte is looked at once.
fn each_plain_term(text: &[u8], mut take: impl FnMut(&[u8])) {
    let mut term = [0; MAX_TERM_BYTES];
    let mut length = 0;
    for byte in text {
        match PLAIN[usize::from(byte & 0x7f)] {
            0 if length > 0 => {
                take(&term[..length]);
                length = 0;
            }
            0 => {}
            plain if length < MAX_TERM_BYTES => {
                term[length] = plain;
                length += 1;
            }
            _ => {}
        }
    }
    if length > 0 {
        take(&term[..length]);
    }
}

/// Returns the characters of a token.
pub(super) fn chars(folded: &[Folded], token: Token) -> impl Iterator<Item = char> {
    folded[token.begin..token.end]
        .iter()
        .map(|folded| folded.char)
}

/// Appends characters to a term as far as it may get.
pub(super) fn put(term: &mut Vec<u8>, chars: impl Iterator<Item = char>) {
    for char in chars {
        if term.len() + char.len_utf8() > MAX_TERM_BYTES {
            return;
        }
        term.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<String> {
        let mut terms = Vec::new();
        each_term(text, |term| {
            terms.push(String::from_utf8(term.to_vec()).unwrap());
        });
        terms
    }

    #[test]
    fn words_are_terms_and_dense_scripts_are_known_by_twos_or_ones() {
        assert_eq!(terms("Halo, dunia!"), ["halo", "dunia"]);
        assert_eq!(terms("Café 東京都 x"), ["cafe", "東", "京", "都", "x"]);
        assert_eq!(
            terms("お茶ください"),
            ["お", "茶", "くだ", "ださ", "さい", "い"]
        );
        assert_eq!(terms("한국어"), ["한국", "국어", "어"]);
        assert_eq!(terms("京"), ["京"]);
        assert!(terms("?!").is_empty());
        let long = "a".repeat(300);
        assert_eq!(terms(&long), [long[..MAX_TERM_BYTES].to_owned()]);
        let long = "é".repeat(300);
        assert_eq!(terms(&(long + "é")), ["e".repeat(MAX_TERM_BYTES)]);
    }

    #[test]
    fn ascii_gives_the_same_terms_by_either_way() {
        let text = "The QUICK brown_fox, 3.14 jumps--over 'it'\t\n x";
        let other: Vec<_> = terms(&format!("{text} é"));
        assert_eq!(terms(text)[..], other[..other.len() - 1]);
    }
}
