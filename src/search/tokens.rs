//! What a folded text is made of: words, and the characters of scripts that put none between them.
//!
//! A word is a run of letters, digits and marks. What stands between two is no part of either, be
//! it a space, a dot or a line below: `redb` is found in `chatd.redb` and in `data_redb`, which the
//! words of UAX #29 hold together. In Chinese, Japanese, Korean, Thai, Lao, Khmer, Myanmar and
//! Tibetan each character is a token, and so is an emoji: what is looked for there may begin
//! anywhere.

use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::fold::Folded;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word of a script that parts words.
    Word,
    /// One character of a script that does not.
    Dense,
}

/// A part of a folded text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Its first character.
    pub(super) begin: usize,
    /// The character after its last one.
    pub(super) end: usize,
    /// It follows another character of such a script, with nothing between them.
    pub(super) is_joined: bool,
}

/// What a character is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Dense,
    Alone,
    Nothing,
}

/// Returns the tokens of a folded text, in order.
pub(super) fn tokens(folded: &[Folded]) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::with_capacity(folded.len() / 4);
    let mut before = Class::Nothing;
    for (begin, folded) in folded.iter().enumerate() {
        let class = class(folded.char);
        let end = begin + 1;
        let token = |kind, is_joined| Token {
            kind,
            begin,
            end,
            is_joined,
        };
        match class {
            Class::Word if before == Class::Word => {
                if let Some(last) = tokens.last_mut() {
                    last.end = end;
                }
            }
            Class::Word => tokens.push(token(Kind::Word, false)),
            Class::Dense => tokens.push(token(Kind::Dense, before == Class::Dense)),
            Class::Alone => tokens.push(token(Kind::Dense, false)),
            Class::Nothing => {}
        }
        before = class;
    }
    tokens
}

fn class(char: char) -> Class {
    if char.is_ascii() {
        return match char.is_ascii_alphanumeric() {
            true => Class::Word,
            false => Class::Nothing,
        };
    }
    // An apostrophe to Unicode is a letter here, and to people the same as any other.
    if matches!(char, '\u{2b9}'..='\u{2bd}') {
        return Class::Nothing;
    }
    if char.is_alphanumeric() || is_combining_mark(char) {
        return match is_dense(char) {
            true => Class::Dense,
            false => Class::Word,
        };
    }
    match char.general_category() {
        GeneralCategory::OtherSymbol => Class::Alone,
        _ => Class::Nothing,
    }
}

/// Returns whether a letter is of a script that puts nothing between words, or not between all
/// parts of them.
const fn is_dense(char: char) -> bool {
    matches!(
        char,
        // Thai, Lao, Tibetan, Myanmar, Hangul's parts, Khmer.
        '\u{e00}'..='\u{109f}'
            | '\u{1100}'..='\u{11ff}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{19e0}'..='\u{19ff}'
            // Kana, Bopomofo, Hangul's parts, Chinese characters, Yi.
            | '\u{2e80}'..='\u{2fdf}'
            | '\u{3005}'..='\u{3007}'
            | '\u{3021}'..='\u{a4cf}'
            | '\u{a960}'..='\u{a97f}'
            | '\u{a9e0}'..='\u{a9ff}'
            | '\u{aa60}'..='\u{aa7f}'
            | '\u{ac00}'..='\u{d7ff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{ff66}'..='\u{ffdc}'
            | '\u{1b000}'..='\u{1b16f}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::fold::fold;

    /// The tokens as text, joined ones with a hyphen before them.
    fn parts(text: &str) -> Vec<String> {
        let folded = fold(text);
        let tokens = tokens(&folded).into_iter();
        let part = |token: Token| {
            let chars = folded[token.begin..token.end].iter();
            let hyphen = if token.is_joined { "-" } else { "" };
            hyphen.to_owned() + &chars.map(|folded| folded.char).collect::<String>()
        };
        tokens.map(part).collect()
    }

    #[test]
    fn words_are_parted_by_what_is_no_letter_and_dense_scripts_by_nothing() {
        for (text, wanted) in [
            ("Halo, apa kabar?", vec!["halo", "apa", "kabar"]),
            (
                "chatd.redb data_redb 3.14",
                vec!["chatd", "redb", "data", "redb", "3", "14"],
            ),
            ("", vec![]),
            ("... -- !", vec![]),
            ("iPhone手机 ok", vec!["iphone", "手", "-机", "ok"]),
            ("東京 都", vec!["東", "-京", "都"]),
            ("ไทย", vec!["ไ", "-ท", "-ย"]),
            ("한국어", vec!["한", "-국", "-어"]),
            ("हिन्दी भाषा", vec!["हिन्दी", "भाषा"]),
            ("ok👍👍🏽", vec!["ok", "👍", "👍"]),
            (
                "п'ять п’ять пʼять",
                vec!["п", "ять", "п", "ять", "п", "ять"],
            ),
        ] {
            assert_eq!(parts(text), wanted, "{text}");
        }
    }
}
