//! Text as it is compared: without case, diacritics, and different forms of the same character.
//! Each character keeps its place in the text that was sent, as JavaScript counts.
//!
//! What is done is NFKC ([UAX #15](https://www.unicode.org/reports/tr15/)) of lower case, without
//! the marks that are written over or under letters of alphabets. Marks that are letters of their
//! own stay: vowels of Thai or Hindi, the voiced sounds of kana.

use unicode_normalization::char::{canonical_combining_class, compose, decompose_compatible};

/// A character of a folded text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Folded {
    pub(super) char: char,
    /// Where it begins in the text as sent, in UTF-16 units.
    pub(super) from: u32,
    /// Where it ends there.
    pub(super) to: u32,
}

/// Folds a text.
pub(super) fn fold(text: &str) -> Vec<Folded> {
    let mut folded: Vec<Folded> = Vec::with_capacity(text.len());
    let mut at = 0;
    for char in text.chars() {
        let from = at;
        at += if char.len_utf16() == 1 { 1 } else { 2 };
        if char.is_ascii() {
            let char = char.to_ascii_lowercase();
            folded.push(Folded { char, from, to: at });
        } else if !is_ignored(char) {
            decompose_compatible(char, |part| put(&mut folded, part, from, at));
        }
    }
    folded
}

/// Appends a part of a character that is decomposed: alone, or as a part of the one before it.
fn put(folded: &mut Vec<Folded>, part: char, from: u32, to: u32) {
    if is_diacritic(part) {
        if let Some(last) = folded.last_mut() {
            last.to = to;
        }
        return;
    }
    let joins = canonical_combining_class(part) != 0 || is_vowel_or_end(part);
    if joins
        && let Some(last) = folded.last_mut()
        && let Some(whole) = compose(last.char, part)
    {
        (last.char, last.to) = (whole, to);
        return;
    }
    for char in part.to_lowercase().filter(|char| !is_diacritic(*char)) {
        let (first, second) = plain(char);
        folded.push(Folded {
            char: first,
            from,
            to,
        });
        folded.extend(second.map(|char| Folded { char, from, to }));
    }
}

/// Returns the letters that people type for one that Unicode does not decompose. Of Arabic script
/// each country's keyboards have their own forms of some letters and of all digits.
const fn plain(char: char) -> (char, Option<char>) {
    match char {
        '\u{660}'..='\u{669}' => (digit(char, '\u{660}'), None),
        '\u{6f0}'..='\u{6f9}' => (digit(char, '\u{6f0}'), None),
        // Yeh, kaf and alef.
        '\u{64a}' | '\u{649}' => ('\u{6cc}', None),
        '\u{643}' => ('\u{6a9}', None),
        '\u{671}' => ('\u{627}', None),
        'ß' => ('s', Some('s')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'ø' => ('o', None),
        'ł' => ('l', None),
        'đ' => ('d', None),
        'ı' => ('i', None),
        'ς' => ('σ', None),
        other => (other, None),
    }
}

/// Returns the digit as which a character stands, of a script whose digits begin with this one.
const fn digit(char: char, zero: char) -> char {
    (b'0' + (char as u32 - zero as u32) as u8) as char
}

/// Returns whether a character is a jamo that follows another in a Hangul syllable.
const fn is_vowel_or_end(char: char) -> bool {
    matches!(char, '\u{1161}'..='\u{1175}' | '\u{11a8}'..='\u{11c2}')
}

/// Returns whether a mark is written over or under a letter of an alphabet, and is none itself.
const fn is_diacritic(char: char) -> bool {
    matches!(
        char,
        '\u{300}'..='\u{36f}'
            | '\u{483}'..='\u{487}'
            // Points of Hebrew.
            | '\u{591}'..='\u{5bd}'
            | '\u{5bf}'
            | '\u{5c1}'..='\u{5c2}'
            | '\u{5c4}'..='\u{5c5}'
            | '\u{5c7}'
            // Vowels and other marks of Arabic, and what only makes a word longer.
            | '\u{610}'..='\u{61a}'
            | '\u{640}'
            | '\u{64b}'..='\u{65f}'
            | '\u{670}'
            | '\u{6d6}'..='\u{6dc}'
            | '\u{6df}'..='\u{6e4}'
            | '\u{6e7}'..='\u{6e8}'
            | '\u{6ea}'..='\u{6ed}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe20}'..='\u{fe2f}'
    )
}

/// Returns whether a character cannot be seen and parts nothing: directions, joiners, variants.
const fn is_ignored(char: char) -> bool {
    matches!(
        char,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        fold(text).iter().map(|folded| folded.char).collect()
    }

    #[test]
    fn case_marks_and_forms_make_no_difference() {
        for (text, plain) in [
            ("Halo DUNIA", "halo dunia"),
            ("Ünïcödé Ångström", "unicode angstrom"),
            ("e\u{301}te\u{301}", "ete"),
            ("STRASSE Straße ẞ", "strasse strasse ss"),
            ("İstanbul ISPARTA ısparta", "istanbul isparta isparta"),
            ("ﬁne ｆｕｌｌ ①②", "fine full 12"),
            ("ΣΊΣΥΦΟΣ σίσυφος", "σισυφοσ σισυφοσ"),
            ("Ёлка ёлка", "елка елка"),
            ("شَدَّة أحمد", "شدة احمد"),
            ("שָׁלוֹם", "שלום"),
            ("Łódź Øre", "lodz ore"),
            ("كتابي ٢٠٢٥", "کتابی 2025"),
            ("کتابی ۲۰۲۵", "کتابی 2025"),
            ("co\u{ad}operate\u{200d}", "cooperate"),
        ] {
            assert_eq!(folded(text), plain, "{text}");
        }
    }

    #[test]
    fn marks_that_are_letters_stay_and_are_composed_alike() {
        for (one, other) in [
            ("が", "か\u{3099}"),
            ("ガ", "ｶﾞ"),
            ("한글", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"),
            ("น้ำ", "น้ํา"),
        ] {
            assert_eq!(folded(one), folded(other), "{one}");
        }
        assert_eq!(folded("が한"), "が한");
        assert_ne!(folded("か"), folded("が"));
        assert_eq!(folded("हिन्दी"), "हिन्दी");
    }

    #[test]
    fn places_are_those_of_the_text_as_javascript_counts() {
        let places = |text: &str| {
            let folded = fold(text).into_iter();
            let places = folded.map(|folded| (folded.char, folded.from, folded.to));
            places.collect::<Vec<_>>()
        };
        assert_eq!(places("😀é"), [('😀', 0, 2), ('e', 2, 3)]);
        assert_eq!(places("e\u{301}x"), [('e', 0, 2), ('x', 2, 3)]);
        assert_eq!(places("ßa"), [('s', 0, 1), ('s', 0, 1), ('a', 1, 2)]);
        assert_eq!(places("か\u{3099}"), [('が', 0, 2)]);
    }
}
