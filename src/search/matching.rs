//! Whether a text has what is looked for, and where: the last word on each hit. The index only says
//! which texts are to be looked at.

use super::fold::{Folded, fold};
use super::query::{Chunk, Query};
use super::tokens::{Token, tokens};

/// 100 places of one text are named.
const MAX_MATCHES: usize = 100;

/// A part of a text: from and to, half open, in UTF-16 units.
pub type Span = (u32, u32);

/// Returns where a text has what is looked for, ascending; `None` where it has not.
pub(super) fn matches(query: &Query, text: &str) -> Option<Vec<Span>> {
    if query.wanted.is_empty() && query.unwanted.is_empty() {
        return Some(Vec::new());
    }
    let folded = fold(text);
    let tokens = tokens(&folded);
    let has = |chunk: &Chunk| places(chunk, &folded, &tokens).next().is_some();
    if query.unwanted.iter().any(has) {
        return None;
    }
    let mut spans = Vec::new();
    for chunk in &query.wanted {
        let before = spans.len();
        spans.extend(places(chunk, &folded, &tokens).take(MAX_MATCHES));
        if spans.len() == before {
            return None;
        }
    }
    Some(merged(spans))
}

/// Returns where a text has a chunk.
fn places(chunk: &Chunk, folded: &[Folded], tokens: &[Token]) -> impl Iterator<Item = Span> {
    let windows = tokens.windows(chunk.tokens.len());
    windows.filter_map(|window| {
        let mut pairs = window.iter().zip(&chunk.tokens).enumerate();
        let is_here = pairs.all(|(place, (token, wanted))| {
            let has = &folded[token.begin..token.end];
            let is_long_enough = match chunk.is_open_at(place) {
                true => has.len() >= wanted.chars.len(),
                false => has.len() == wanted.chars.len(),
            };
            let chars = has.iter().zip(&wanted.chars);
            token.kind == wanted.kind
                && is_long_enough
                && (token.is_joined || !wanted.is_joined)
                && chars.into_iter().all(|(has, wanted)| has.char == *wanted)
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

    use super::*;
    use crate::search::terms::each_term;

    fn found(query: &str, text: &str) -> Option<Vec<Span>> {
        matches(&Query::parse(query).unwrap(), text)
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
        ] {
            assert_eq!(found(query, text), None, "{query} in {text}");
        }
        assert_eq!(found("-teh", "kopi"), Some(vec![]));
        assert_eq!(found("", "kopi"), Some(vec![]));
    }

    #[test]
    fn a_text_that_has_it_has_a_term_of_each_lookup() {
        let texts = [
            "Halo dunia",
            "東京都へ行く iPhone手机",
            "a-b_c 3.14",
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
                if matches(&query, text).is_some() {
                    let mut lookups = query.wanted.iter().flat_map(Chunk::lookups);
                    assert!(lookups.all(|lookup| terms.iter().any(|term| lookup.takes(term))));
                    count += 1;
                }
            }
        }
        assert!(count >= 11, "{count}");
    }
}
