//! What proxies write of the request that they got: `X-Forwarded-For`, `-Host`, `-Proto`, `-Port`
//! and `-Prefix`, and the one header that was to replace them, `Forwarded` (RFC 7239).
//!
//! Each of them is a list to which every proxy may add, in one header or in several. `Forwarded`
//! counts only where none of the others is there: most proxies know the others alone, and pass a
//! `Forwarded` on that a client made up.

use std::borrow::Cow;

use hyper::HeaderMap;

use super::lists::members;

/// The headers without a standard.
const OLDER: [&str; 5] = [
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-prefix",
];

/// The proxies' word on a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    For,
    Host,
    Proto,
    Port,
    Prefix,
}

impl Field {
    const fn older(self) -> &'static str {
        OLDER[self as usize]
    }

    /// Its name in `Forwarded`, which has none for the last two.
    const fn standard(self) -> Option<&'static str> {
        match self {
            Self::For => Some("for"),
            Self::Host => Some("host"),
            Self::Proto => Some("proto"),
            Self::Port | Self::Prefix => None,
        }
    }
}

/// All that is written, in the order of the proxies; the nearest is the last.
pub(super) fn all(headers: &HeaderMap, field: Field) -> Vec<Cow<'_, str>> {
    if OLDER.iter().any(|name| headers.contains_key(*name)) {
        return members(headers, field.older()).map(Cow::from).collect();
    }
    let Some(name) = field.standard() else {
        return Vec::new();
    };
    let lines = headers.get_all("forwarded").into_iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    let elements = texts.flat_map(|text| split(text, ','));
    let values = elements.map(|element| {
        let pairs = split(element, ';').into_iter();
        let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        found.map_or(Cow::from(""), |(_, value)| unquoted(value.trim()))
    });
    values.collect()
}

/// Returns what the outermost of so many proxies wrote, or else the next one that wrote something.
pub(super) fn outermost(headers: &HeaderMap, field: Field, hops: usize) -> Option<Cow<'_, str>> {
    let mut all = all(headers, field);
    let known = all.split_off(all.len().saturating_sub(hops));
    known.into_iter().find(|value| !value.is_empty())
}

/// The parts between separators that are in no quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = text.split(move |character: char| {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_quoted,
            '"' => is_quoted = !is_quoted,
            _ => return character == separator && !is_quoted,
        }
        false
    });
    parts.collect()
}

/// A token or a quoted string (RFC 9110, section 5.6.4).
fn unquoted(text: &str) -> Cow<'_, str> {
    let inside = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let Some(inside) = inside else {
        return text.into();
    };
    if !inside.contains('\\') {
        return inside.into();
    }
    let mut plain = String::with_capacity(inside.len());
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            _ => plain.push(character),
        }
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn lists_may_be_in_one_header_or_in_several() {
        for pairs in [
            &[("x-forwarded-for", "a, b ,c")][..],
            &[("x-forwarded-for", "a"), ("x-forwarded-for", "b,c")],
            &[("forwarded", "for=a, For=b;host=x;proto=https , by=y;FOR=c")],
            &[
                ("forwarded", "for=a"),
                ("forwarded", "for=\"b\",for=\"\\c\""),
            ],
        ] {
            assert_eq!(
                all(&headers(pairs), Field::For),
                ["a", "b", "c"],
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn quotes_hide_what_separates() {
        let headers = headers(&[(
            "forwarded",
            "for=\"a,b;c\";host=\"x\\\",y\";proto=http, host=z",
        )]);
        assert_eq!(all(&headers, Field::For), ["a,b;c", ""]);
        assert_eq!(all(&headers, Field::Host), ["x\",y", "z"]);
        assert_eq!(all(&headers, Field::Proto), ["http", ""]);
        for odd in ["\"", "for", "for=\"", "=;=,", "for=\"\\", ";,;", ""] {
            let mut headers = HeaderMap::new();
            headers.insert("forwarded", odd.parse().unwrap());
            let _ = all(&headers, Field::For);
        }
    }

    #[test]
    fn forwarded_counts_only_beside_no_other() {
        let both = headers(&[("forwarded", "for=f;host=h"), ("x-forwarded-for", "x")]);
        assert_eq!(all(&both, Field::For), ["x"]);
        assert!(all(&both, Field::Host).is_empty());
    }

    #[test]
    fn the_outermost_of_the_proxies_that_are_believed_is_asked() {
        let list = headers(&[("x-forwarded-host", "forged, outer, inner")]);
        for (hops, host) in [(1, "inner"), (2, "outer"), (3, "forged"), (9, "forged")] {
            assert_eq!(outermost(&list, Field::Host, hops).as_deref(), Some(host));
        }
        let partly = headers(&[("forwarded", "for=a, for=b;host=inner")]);
        assert_eq!(outermost(&partly, Field::Host, 2).as_deref(), Some("inner"));
        assert_eq!(outermost(&partly, Field::Proto, 2), None);
    }
}
