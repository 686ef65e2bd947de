//! Whether a text has what is looked for, and where: the last word on each hit. The index only says
//! which texts are to be looked at.

use super::fold::{Folded, fold};
use super::query::{Chunk, Query, begin_of_number};
use super::tokens::{Token, tokens};

/// 100 places of one text are named.
const MAX_MATCHES: usize = 100;

/// A part of a text: from and to, half open, in UTF-16 units.
pub type Span = (u32, u32);

/// What came of holding a text against a query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Match {
    /// Where the text has what is looked for, ascending; `None` where it has not.
    pub(super) spans: Option<Vec<Span>>,
    /// What it cost: one for each byte of the text, and one for each word or character of a word
    /// that was compared.
    pub(super) cost: usize,
}

/// Holds a text against a query.
pub(super) fn matches(query: &Query, text: &str) -> Match {
    let mut cost = text.len();
    let spans = match query.wanted.is_empty() && query.unwanted.is_empty() {
        true => Some(Vec::new()),
        false => spans(query, text, &mut cost),
    };
    Match { spans, cost }
}

fn spans(query: &Query, text: &str, cost: &mut usize) -> Option<Vec<Span>> {
    // Most texts that the index finds for a phrase have its words elsewhere: that is said without
    // folding them.
    if text.is_ascii()
        && !query
            .wanted
            .iter()
            .all(|chunk| is_in_plain(chunk, text, cost))
    {
        return None;
    }
    let folded = fold(text);
    let tokens = tokens(&folded);
    for chunk in &query.unwanted {
        if places(chunk, &folded, &tokens, cost).next().is_some() {
            return None;
        }
    }
    let mut spans = Vec::new();
    for chunk in &query.wanted {
        let before = spans.len();
        spans.extend(places(chunk, &folded, &tokens, cost).take(MAX_MATCHES));
        if spans.len() == before {
            return None;
        }
    }
    Some(merged(spans))
}

/// Returns whether a text of ASCII has a chunk.
fn is_in_plain(chunk: &Chunk, text: &str, cost: &mut usize) -> bool {
    let words = text.as_bytes().split(|byte| !byte.is_ascii_alphanumeric());
    let mut words = words.filter(|word| !word.is_empty());
    loop {
        let mut here = words.clone();
        let mut wanted = chunk.tokens.iter().enumerate();
        let is_here = wanted.all(|(place, token)| {
            let mut word = here.next().unwrap_or_default();
            if let [b'v' | b'V', number @ ..] = word
                && chunk.is_version
                && place == 0
            {
                word = number;
            }
            let is_long_enough = match chunk.is_open_at(place) {
                true => word.len() >= token.chars.len(),
                false => word.len() == token.chars.len(),
            };
            let chars = word.iter().zip(&token.chars);
            let same = chars.take_while(|(has, wanted)| {
                is_long_enough && char::from(has.to_ascii_lowercase()) == **wanted
            });
            let same = same.count();
            *cost += 1 + same;
            is_long_enough && same == token.chars.len()
        });
        if is_here {
            return true;
        }
        if words.next().is_none() {
            return false;
        }
    }
}

/// Returns where a text has a chunk.
fn places(
    chunk: &Chunk,
    folded: &[Folded],
    tokens: &[Token],
    cost: &mut usize,
) -> impl Iterator<Item = Span> {
    let windows = tokens.windows(chunk.tokens.len());
    windows.filter_map(move |window| {
        let mut pairs = window.iter().zip(&chunk.tokens).enumerate();
        let is_here = pairs.all(|(place, (token, wanted))| {
            let begin = match chunk.is_version && place == 0 {
                true => begin_of_number(folded, *token),
                false => token.begin,
            };
            let has = &folded[begin..token.end];
            let is_long_enough = match chunk.is_open_at(place) {
                true => has.len() >= wanted.chars.len(),
                false => has.len() == wanted.chars.len(),
            };
            let chars = has.iter().zip(&wanted.chars);
            let same = chars.take_while(|(has, wanted)| has.char == **wanted);
            let same = same.count();
            *cost += 1 + same;
            token.kind == wanted.kind
                && is_long_enough
                && (token.is_joined || !wanted.is_joined)
                && same == wanted.chars.len()
        });
        let (first, last) = (window.first()?, window.last()?);
        let wanted = chunk.tokens.last()?;
        let end = last.begin + wanted.chars.len();
        is_here.then(|| (folded[first.begin].from, folded[end - 1].to))
    })
}

/// Returns spans in order, those that meet as one.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for (from, to) in spans {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged.truncate(MAX_MATCHES);
    merged
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::rngs::StdRng;
    use rand::seq::IndexedRandom;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::search::query::Lookup;
    use crate::search::terms::each_term;

    fn found(query: &str, text: &str) -> Option<Vec<Span>> {
        matches(&Query::parse(query).unwrap(), text).spans
    }

    /// What of a text is marked.
    fn marked(query: &str, text: &str) -> Vec<String> {
        let units: Vec<u16> = text.encode_utf16().collect();
        let spans = found(query, text).unwrap_or_default().into_iter();
        let part = |(from, to): Span| String::from_utf16(&units[from as usize..to as usize]);
        spans.map(|span| part(span).unwrap()).collect()
    }

    #[test]
    fn words_and_their_beginnings_are_marked_where_they_stand() {
        for (query, text, wanted) in [
            ("hal", "Halo, halo dunia", vec!["Hal", "hal"]),
            ("dunia halo", "Halo dunia", vec!["Halo", "dunia"]),
            ("cafe", "un Café CAFE\u{301}", vec!["Café", "CAFE\u{301}"]),
            ("京都", "東京都へ", vec!["京都"]),
            ("京", "東京都", vec!["京"]),
            ("strasse", "Hauptstraße Straße", vec!["Straße"]),
            ("redb", "chatd.redb", vec!["redb"]),
            (
                "1.22",
                "v1.22.3, V1.22, 1.22é",
                vec!["v1.22", "V1.22", "1.22"],
            ),
            ("v1.22", "from 1.22.3 to v1.220", vec!["1.22", "v1.22"]),
            ("10.0.0", "10.0.0.7", vec!["10.0.0"]),
            (
                r#""big bang""#,
                "a Big, bang! big banger",
                vec!["Big, bang"],
            ),
            ("fi", "ﬁne", vec!["ﬁ"]),
            ("😀", "ha 😀😀", vec!["😀😀"]),
            ("ไทย", "ภาษาไทย", vec!["ไทย"]),
        ] {
            assert_eq!(marked(query, text), wanted, "{query} in {text}");
        }
    }

    #[test]
    fn what_a_text_has_not_is_not_found() {
        for (query, text) in [
            ("alo", "halo"),
            ("halo dunia", "halo"),
            (r#""hal""#, "halo"),
            (r#""big bang""#, "bang big"),
            ("halo -dunia", "halo dunia"),
            ("東京", "東 京"),
            ("halo-du", "dunia halo"),
            ("1.22", "v11.22 x1.22 vv1.22 1.12.2"),
            ("1.22", "v11.22 é"),
            (r#""1.22""#, "v1.22"),
        ] {
            assert_eq!(found(query, text), None, "{query} in {text}");
        }
        assert_eq!(found("-teh", "kopi"), Some(vec![]));
        assert_eq!(found("", "kopi"), Some(vec![]));
    }

    #[test]
    fn a_text_of_ascii_has_the_same_as_one_with_another_letter_at_its_end() {
        let pieces = [
            "a", "B", "ab", "3", "v", "V3.3", "kopi", "Kop", " ", " ", "-", ".", "_", "\"", "\n",
        ];
        let mut random = StdRng::seed_from_u64(11);
        let mut said = |most| {
            let count = random.random_range(1..=most);
            let pieces = (0..count).map(|_| *pieces.choose(&mut random).unwrap());
            pieces.collect::<String>()
        };
        let mut found = [0, 0];
        for _ in 0..20_000 {
            let (text, asked) = (said(12), said(6));
            let Ok(query) = Query::parse(&asked) else {
                continue;
            };
            let plain = matches(&query, &text).spans;
            // The letter is a word for itself that nobody asks for.
            let other = matches(&query, &format!("{text} é")).spans;
            assert_eq!(plain, other, "{asked:?} in {text:?}");
            found[usize::from(plain.is_some())] += 1;
        }
        assert!(found[0] > 1_000 && found[1] > 1_000, "{found:?}");
    }

    #[test]
    fn a_text_that_has_it_has_a_term_of_each_lookup() {
        let texts = [
            "Halo dunia",
            "東京都へ行く iPhone手机",
            "a-b_c 3.14",
            "v3.14",
            "ภาษาไทย",
            "ok 👍 é",
        ];
        let queries = [
            "ha",
            "東",
            "京都",
            "行く iph",
            "手机",
            "a-b",
            "b 3",
            "14",
            "3.1",
            "v3.1",
            "ไท",
            "👍",
            "e",
        ];
        let mut count = 0;
        for text in texts {
            let mut terms = BTreeSet::new();
            each_term(text, |term| {
                terms.insert(term.to_vec());
            });
            for query in queries {
                let query = Query::parse(query).unwrap();
                if matches(&query, text).spans.is_some() {
                    let mut lookups = query.wanted.iter().flat_map(Chunk::lookups);
                    assert!(lookups.all(|lookup| terms.iter().any(|term| lookup.takes(term))));
                    count += 1;
                }
            }
        }
        assert!(count >= 15, "{count}");
    }

    /// A whole word of 63 bytes was taken for all longer ones: they were kept back by a minus.
    #[test]
    fn the_index_and_the_text_agree_whatever_is_said_and_asked() {
        let long = [
            "क".repeat(21),
            "я".repeat(32),
            "x".repeat(64),
            "ก".repeat(30),
        ];
        let short = "a|b|AB|é|e\u{301}|\u{301}|ß|İ|ı|ﬁ|ｶﾞ|が|か|\u{3099}|한|\u{1112}|\u{1161}|\u{11ab}|ไ|ท|น้ำ|\
            👍|🏽|हि|न्|\u{93f}|ﷺ|①|v|3.3|\0|\u{200d}|\u{202e}|\u{e0100}|東|京|3|_|.|-|\"|“| | | ";
        let long = long.iter().map(String::as_str);
        let pieces: Vec<&str> = short.split('|').chain(long).collect();
        let mut random = StdRng::seed_from_u64(5);
        let (mut hits, mut exact) = (0, 0);
        for _ in 0..8_000 {
            let count = random.random_range(1..=9);
            let said: Vec<&str> = (0..count)
                .map(|_| *pieces.choose(&mut random).unwrap())
                .collect();
            let from = random.random_range(0..count);
            let to = count.min(from + 3);
            let asked = match random.random_bool(0.6) {
                true => said[from..to].concat(),
                false => (*pieces.choose(&mut random).unwrap()).to_owned(),
            };
            let text = said.concat();
            let asked = [
                asked.clone(),
                format!("\"{asked}\""),
                format!("-\"{asked}\""),
            ];
            for query in asked.iter().flat_map(|asked| Query::parse(asked)) {
                let mut terms = BTreeSet::new();
                each_term(&text, |term| {
                    terms.insert(term.to_vec());
                });
                for chunk in query.wanted.into_iter().chain(query.unwanted) {
                    let has_term = |lookup: &Lookup| terms.iter().any(|term| lookup.takes(term));
                    let is_found = chunk.lookups().iter().all(has_term);
                    let is_exact = chunk.is_exact();
                    let query = Query {
                        wanted: vec![chunk],
                        unwanted: Vec::new(),
                    };
                    let spans = matches(&query, &text).spans;
                    assert!(is_found || spans.is_none(), "{query:?} in {text:?}");
                    assert!(
                        !is_exact || is_found == spans.is_some(),
                        "{query:?} in {text:?}"
                    );
                    let units = text.encode_utf16().count() as u32;
                    let spans = spans.unwrap_or_default();
                    assert!(spans.iter().all(|(from, to)| from < to && *to <= units));
                    hits += usize::from(!spans.is_empty());
                    exact += usize::from(is_exact && is_found);
                }
            }
        }
        assert!(hits > 3_000 && exact > 3_000, "{hits}, {exact}");
    }
}
