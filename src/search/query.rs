//! What is looked for, as people type it: words, of each the beginning is enough; `"a phrase"` of
//! whole words that follow one another; `-not`. A number with a dot behind it is that of a version,
//! which some write with a `v`.

use std::borrow::Cow;

use super::fold::{Folded, fold};
use super::terms::{self, MAX_TERM_BYTES};
use super::tokens::{Kind, Token, tokens};

/// 256 characters: longer than what anybody looks for, short enough to be compared with many texts.
pub const MAX_QUERY_CHARS: usize = 256;

/// What is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// All of these must be in a text.
    pub(super) wanted: Vec<Chunk>,
    /// None of these may be.
    pub(super) unwanted: Vec<Chunk>,
}

/// A text that is no query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It is too long.
    #[error("has {chars} characters, the limit is {MAX_QUERY_CHARS}")]
    TooLong {
        /// How long it is.
        chars: usize,
    },
    /// It has no word that a text is to have.
    #[error("names no word that is to be found")]
    NoWord,
}

/// Words or characters that must follow one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) tokens: Vec<QueryToken>,
    /// Of the last word the beginning is not enough.
    pub(super) is_whole: bool,
    /// The first is the first number of a version: a `v` before it counts for nothing.
    pub(super) is_version: bool,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueryToken {
    pub(super) kind: Kind,
    pub(super) chars: Box<[char]>,
    /// Nothing may stand between it and the one before.
    pub(super) is_joined: bool,
}

/// What is looked up in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lookup {
    /// This term.
    Exact(Box<[u8]>),
    /// All terms that begin so.
    Beginning(Box<[u8]>),
    /// This number, and the same with a `v` before it.
    Number(Box<[u8]>),
}

impl Lookup {
    /// Returns the term, or the beginning of them.
    pub(super) fn term(&self) -> &[u8] {
        match self {
            Self::Exact(term) | Self::Beginning(term) | Self::Number(term) => term,
        }
    }

    /// Returns the lookups of which it is made: the terms of each stand together in their order.
    pub(super) fn runs(&self) -> impl Iterator<Item = Cow<'_, Self>> {
        let (plain, other) = match self {
            Self::Exact(_) | Self::Beginning(_) => (Cow::Borrowed(self), None),
            Self::Number(number) => {
                let behind = [b"v", &**number].concat();
                let behind = Cow::Owned(Self::Exact(behind.into()));
                (Cow::Owned(Self::Exact(number.clone())), Some(behind))
            }
        };
        std::iter::once(plain).chain(other)
    }

    /// Returns whether a term is looked for.
    pub(super) fn takes(&self, term: &[u8]) -> bool {
        match self {
            Self::Exact(wanted) => term == &**wanted,
            Self::Beginning(begin) => term.starts_with(begin),
            Self::Number(number) => term.strip_prefix(b"v").unwrap_or(term) == &**number,
        }
    }

    /// Returns whether each term that is looked for by this one is so by another.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(term), _) => other.takes(term),
            (Self::Beginning(begin), Self::Beginning(_)) => other.takes(begin),
            (Self::Beginning(_), Self::Exact(_) | Self::Number(_)) => false,
            (Self::Number(_), _) => self.runs().all(|run| run.is_within(other)),
        }
    }
}

impl QueryToken {
    fn is_chinese(&self) -> bool {
        self.chars
            .first()
            .is_some_and(|char| terms::is_chinese(*char))
    }
}

impl Query {
    /// Reads what was typed. What has no letter, digit or emoji is passed over.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let chars = text.chars().count();
        if chars > MAX_QUERY_CHARS {
            return Err(QueryError::TooLong { chars });
        }
        let mut query = Self::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            // Two of them begin an option of a command, and keep nothing out.
            let is_unwanted = rest.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
            let (piece, is_whole, after) = cut(is_unwanted.unwrap_or(rest));
            let chunks = match is_unwanted {
                Some(_) => &mut query.unwanted,
                None => &mut query.wanted,
            };
            chunks.extend(Chunk::of(piece, is_whole));
            rest = after.trim_start();
        }
        Ok(query)
    }

    /// Returns it, where it says what is to be found. `is_narrowed`: something beside it does.
    pub fn checked(self, is_narrowed: bool) -> Result<Self, QueryError> {
        match self.wanted.is_empty() && !is_narrowed {
            true => Err(QueryError::NoWord),
            false => Ok(self),
        }
    }
}

/// Cuts the first piece off: what stands in quotes, or reaches to the next space.
fn cut(rest: &str) -> (&str, bool, &str) {
    // Phones put those of their language in the place of the plain one.
    let is_quote = |char| matches!(char, '"' | '“' | '”' | '„' | '«' | '»' | '＂');
    if let Some(inside) = rest.strip_prefix(is_quote) {
        // One that is not closed is still being typed: of its last word the beginning is enough.
        return match inside.split_once(is_quote) {
            Some((piece, after)) => (piece, true, after),
            None => (inside, false, ""),
        };
    }
    match rest.split_once(char::is_whitespace) {
        Some((piece, after)) => (piece, false, after),
        None => (rest, false, ""),
    }
}

impl Chunk {
    fn of(piece: &str, is_whole: bool) -> Option<Self> {
        let folded = fold(piece);
        let mut all = tokens(&folded);
        let is_version = !is_whole && is_version(&folded, &all);
        if let Some(first) = all.first_mut().filter(|_| is_version) {
            first.begin = begin_of_number(&folded, *first);
        }
        let tokens = all.into_iter().map(|token| QueryToken {
            kind: token.kind,
            chars: terms::chars(&folded, token).collect(),
            is_joined: token.is_joined,
        });
        let tokens: Vec<_> = tokens.collect();
        (!tokens.is_empty()).then_some(Self {
            tokens,
            is_whole,
            is_version,
        })
    }

    /// Returns whether the beginning of the token at this place is enough.
    pub(super) fn is_open_at(&self, place: usize) -> bool {
        let is_last = place + 1 == self.tokens.len();
        is_last && !self.is_whole && self.tokens[place].kind == Kind::Word
    }

    /// Returns whether the tokens at this place and after it are one term.
    fn is_pair_at(&self, place: usize) -> bool {
        let (first, second) = (&self.tokens[place], self.tokens.get(place + 1));
        second.is_some_and(|second| {
            let chars = (first.chars.first(), second.chars.first());
            let is_one = |(first, second): (&char, &char)| terms::is_pair(*first, *second);
            second.is_joined && chars.0.zip(chars.1).is_some_and(is_one)
        })
    }

    /// Returns what each text that has it is found by.
    pub(super) fn lookups(&self) -> Vec<Lookup> {
        let mut lookups = Vec::with_capacity(self.tokens.len());
        for (place, token) in self.tokens.iter().enumerate() {
            let mut term = Vec::new();
            terms::put(&mut term, token.chars.iter().copied());
            let is_second = place > 0 && self.is_pair_at(place - 1);
            let is_open = match token.kind {
                Kind::Word => self.is_open_at(place) && term.len() < MAX_TERM_BYTES,
                Kind::Dense if self.is_pair_at(place) => {
                    let next = &self.tokens[place + 1];
                    terms::put(&mut term, next.chars.iter().copied());
                    false
                }
                // Of a term that is looked for already.
                Kind::Dense if is_second => continue,
                Kind::Dense => !token.is_chinese(),
            };
            lookups.push(match is_open {
                true => Lookup::Beginning(term.into()),
                false if self.is_version && place == 0 => Lookup::Number(term.into()),
                false => Lookup::Exact(term.into()),
            });
        }
        lookups
    }

    /// Returns whether every text that is found by the lookups has it.
    pub(super) fn is_exact(&self) -> bool {
        match &self.tokens[..] {
            [token] => {
                let bytes: usize = token.chars.iter().map(|char| char.len_utf8()).sum();
                // A longer word is another term: one more character would be in it.
                bytes + char::MAX_LEN_UTF8 <= MAX_TERM_BYTES
            }
            // One term has both.
            [_, _] => self.is_pair_at(0),
            _ => false,
        }
    }
}

/// Returns where a number begins that may have a `v` before it.
pub(super) fn begin_of_number(folded: &[Folded], token: Token) -> usize {
    let first = &folded[token.begin];
    let is_alone = token.begin + 1 == token.end;
    token.begin + usize::from(first.char == 'v' && !is_alone)
}

/// Returns whether a text begins with a number and, behind a dot, another digit.
fn is_version(folded: &[Folded], tokens: &[Token]) -> bool {
    let [first, second, ..] = tokens else {
        return false;
    };
    let mut digits = folded[begin_of_number(folded, *first)..first.end].iter();
    let fits = first.end - first.begin < MAX_TERM_BYTES;
    fits && digits.all(|folded| folded.char.is_ascii_digit())
        && folded[first.end].char == '.'
        && second.begin == first.end + 1
        && folded[second.begin].char.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query as text: of each chunk its words, with `*` where the beginning is enough.
    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let query = Query::parse(text).unwrap();
        let words = |chunks: &[Chunk]| {
            let chunks = chunks.iter();
            let text = chunks.map(|chunk| {
                let tokens = chunk.tokens.iter();
                let words: Vec<String> = tokens.map(|token| token.chars.iter().collect()).collect();
                let star = chunk.is_open_at(chunk.tokens.len() - 1);
                words.join(" ") + if star { "*" } else { "" }
            });
            text.collect::<Vec<_>>()
        };
        (words(&query.wanted), words(&query.unwanted))
    }

    #[test]
    fn words_phrases_and_what_is_not_wanted_are_told_apart() {
        for (text, wanted, unwanted) in [
            ("Halo Dunia", vec!["halo*", "dunia*"], vec![]),
            (
                r#""Selamat pagi" kawan"#,
                vec!["selamat pagi", "kawan*"],
                vec![],
            ),
            (r#"“selamat pagi”"#, vec!["selamat pagi"], vec![]),
            (
                "« grand jour » -»so was«",
                vec!["grand jour"],
                vec!["so was"],
            ),
            (r#""not closed"#, vec!["not closed*"], vec![]),
            ("kopi -teh", vec!["kopi*"], vec!["teh*"]),
            (r#"kopi -"teh manis""#, vec!["kopi*"], vec!["teh manis"]),
            ("a-b", vec!["a b*"], vec![]),
            ("git push --force", vec!["git*", "push*", "force*"], vec![]),
            ("--no-ff -v", vec!["no ff*"], vec!["v*"]),
            ("a -- b", vec!["a*", "b*"], vec![]),
            ("  - ! \"\" ", vec![], vec![]),
            ("東京", vec!["東 京"], vec![]),
            ("it's", vec!["it s*"], vec![]),
        ] {
            let wanted = wanted.into_iter().map(str::to_owned).collect();
            let unwanted = unwanted.into_iter().map(str::to_owned).collect();
            assert_eq!(read(text), (wanted, unwanted), "{text}");
        }
    }

    #[test]
    fn what_is_too_long_or_wants_nothing_is_refused() {
        let long = "a".repeat(MAX_QUERY_CHARS + 1);
        let chars = MAX_QUERY_CHARS + 1;
        assert_eq!(Query::parse(&long), Err(QueryError::TooLong { chars }));
        assert!(Query::parse(&long[1..]).is_ok());
        for text in ["", "-teh", "?"] {
            let query = Query::parse(text).unwrap();
            assert_eq!(
                query.clone().checked(false),
                Err(QueryError::NoWord),
                "{text}"
            );
            assert!(query.checked(true).is_ok());
        }
    }

    #[test]
    fn each_chunk_is_looked_up_by_terms_that_its_texts_have() {
        let lookups = |text: &str| Query::parse(text).unwrap().wanted[0].lookups();
        let exact = |term: &str| Lookup::Exact(term.as_bytes().into());
        let beginning = |term: &str| Lookup::Beginning(term.as_bytes().into());
        assert_eq!(lookups("hal"), [beginning("hal")]);
        assert_eq!(lookups(r#""hal""#), [exact("hal")]);
        assert_eq!(lookups("foo-bar"), [exact("foo"), beginning("bar")]);
        let number = |term: &str| Lookup::Number(term.as_bytes().into());
        for version in ["1.22", "v1.22", "V1.22"] {
            assert_eq!(lookups(version), [number("1"), beginning("22")]);
        }
        for (other, first) in [("1-22", "1"), ("1.x", "1"), ("v.2", "v"), ("\"1.2\"", "1")] {
            assert_eq!(lookups(other)[0], exact(first), "{other}");
        }
        assert_eq!(lookups("東"), [exact("東")]);
        assert_eq!(lookups("東京都"), [exact("東"), exact("京"), exact("都")]);
        assert_eq!(
            lookups("iphone手机"),
            [exact("iphone"), exact("手"), exact("机")]
        );
        assert_eq!(lookups("か"), [beginning("か")]);
        assert_eq!(lookups("かなが"), [exact("かな"), exact("なが")]);
        assert_eq!(
            lookups("お茶と"),
            [beginning("お"), exact("茶"), beginning("と")]
        );
        assert_eq!(lookups("국어"), [exact("국어")]);
        let long = "a".repeat(100);
        assert_eq!(lookups(&long), [exact(&long[..MAX_TERM_BYTES])]);
        // One more letter of Hindi would not be in the term.
        for (letters, is_exact) in [(20, true), (21, false)] {
            let query = Query::parse(&format!("\"{}\"", "क".repeat(letters))).unwrap();
            assert_eq!(query.wanted[0].is_exact(), is_exact, "{letters}");
        }
    }
}
