//! Headers that are lists.

use hyper::header::{AsHeaderName, HeaderMap};

/// The members of a header that is a list, of all lines that it has (RFC 9110, section 5.6.1).
pub fn members(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}
