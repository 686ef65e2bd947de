//! What messages say: words that a search can look for.

use crate::talk::Random;

use super::ledger::Mark;

/// How many different words there are.
const WORDS: u64 = 4_000;
/// How much text they are taken from.
const TEXT: usize = 256 * 1_024;

pub(crate) struct Words {
    text: Vec<u8>,
}

/// The word of this number: two to four syllables.
pub(crate) fn word(number: u64) -> String {
    let mut random = Random(number);
    let mut word = String::new();
    for _ in 0..2 + random.next() % 3 {
        let picked = random.next();
        word.push(char::from(b"bdfgklmnprstvz"[(picked % 14) as usize]));
        word.push(char::from(b"aeiou"[(picked / 14 % 5) as usize]));
    }
    word
}

/// A word, the first ones far more often.
pub(crate) fn some_word(random: &mut Random) -> String {
    let part = random.unit();
    word((part * part * part * WORDS as f64) as u64)
}

impl Words {
    pub(crate) fn new() -> Self {
        let mut random = Random(11);
        let mut text = Vec::with_capacity(TEXT + 16);
        while text.len() < TEXT {
            text.extend_from_slice(some_word(&mut random).as_bytes());
            text.push(b' ');
        }
        Self { text }
    }

    /// Appends the text of a message, of so many characters: always the same.
    pub(crate) fn write(&self, out: &mut Vec<u8>, mark: Mark, chars: usize) {
        let begin = out.len();
        mark.push(out);
        let left = chars.saturating_sub(out.len() - begin);
        let from = Random(mark.key() + u64::from(mark.edits)).next() as usize;
        let from = from % (self.text.len() - left);
        out.extend_from_slice(&self.text[from..from + left]);
    }
}
