//! The query of a URL.

/// Returns the pairs of a query, decoded.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    form_urlencoded::parse(query.as_bytes())
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
}

/// Returns `false` where a query has no key of this name, for certain and without decoding it.
pub fn may_have(query: &str, key: &str) -> bool {
    query.contains(key) || query.contains('%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_missed_in_no_query_that_has_it() {
        for query in ["sid=1", "EIO=4&sid", "s%69d=1", "a=%20&%73id=2", "sid&sid="] {
            assert!(query_pairs(query).any(|(key, _)| key == "sid"), "{query}");
            assert!(may_have(query, "sid"), "{query}");
        }
        assert!(!may_have("EIO=4&transport=websocket&t=Pq1", "sid"));
        assert!(!may_have("", "sid"));
    }
}
