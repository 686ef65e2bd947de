//! The page: the files of `static/` inside the executable, as they stand and as `pack/` made them
//! for browsers.
//!
//! `/` asks for its files below `/v/VERSION/`, where VERSION follows from all of them: there they
//! are joined and stripped, and a browser keeps them for good, so that a page loaded again asks for
//! `/` alone. Under any other version, as a page that was opened before an upgrade asks, the answer
//! is the file as it is now, to be asked for again. Under the bare path, as others read or import a
//! module, it is the source, to be asked for again as well.
//!
//! A debug build reads the files from the source tree at each request. Once one of them was
//! changed, it serves all of them as they stand, `/` too, so that the page can be worked on without
//! building.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};

use super::error::ApiError;
use crate::web::Body;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/static"]
struct Assets;

/// What `pack/` made: `page/PATH` is the page as browsers load it. Of that, and of each file of
/// `static/` as `source/HASH`, the packed forms are below `br/` and `gz/`.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/page"]
struct Packed;

/// The version of the page: 16 hexadecimal digits that follow from all of its files.
pub(super) const VERSION: &str = env!("PAGE_VERSION");
/// The same of the files of `static/` as they were when the page was made of them.
const SOURCES: &str = env!("PAGE_SOURCES");

/// A year, the longest that caches heed.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// A browser asks each time, and mostly hears that it has the file.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// How a file is sent: packed, or as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Brotli,
    Gzip,
    Identity,
}

impl Encoding {
    /// The smallest first.
    const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Identity];

    /// As headers name it (RFC 9110, section 8.4.1).
    const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }

    /// The folder of what `pack/` made, and an ending of tags.
    const fn folder(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gz"),
            Self::Identity => None,
        }
    }
}

/// A file, and where in [`Packed`] its packed forms are, but for their folder.
struct Found {
    file: EmbeddedFile,
    packed: String,
    /// True for what this version of the page has under its path, now and for good.
    lasts: bool,
}

/// Finds a file by its exact path, below a version or not; `/` is `index.html`.
fn find(path: &str) -> Option<Found> {
    let (version, path) = match path.strip_prefix("v/").map(|rest| rest.split_once('/')) {
        // The page itself has one address, from which its others are reckoned.
        Some(None | Some((_, "" | "index.html"))) => return None,
        Some(Some((version, path))) => (Some(version), path),
        None if path.is_empty() => (None, "index.html"),
        None => (None, path),
    };
    let as_packed = is_as_packed();
    if as_packed && (version.is_some() || path == "index.html") {
        let packed = format!("page/{path}");
        if let Some(file) = Packed::get(&packed) {
            let lasts = version == Some(VERSION);
            return Some(Found {
                file,
                packed,
                lasts,
            });
        }
    }
    let file = Assets::get(path)?;
    let packed = format!("source/{}", hash(&file));
    let lasts = as_packed && version == Some(VERSION);
    Some(Found {
        file,
        packed,
        lasts,
    })
}

/// Returns whether the files of `static/` are those of which the page was made, as embedded ones
/// are.
fn is_as_packed() -> bool {
    if !cfg!(debug_assertions) {
        return true;
    }
    let mut paths: Vec<_> = Assets::iter().collect();
    paths.sort();
    let mut all = Sha256::new();
    for path in paths {
        let Some(file) = Assets::get(&path) else {
            return false;
        };
        all.update(path.as_bytes());
        all.update(file.metadata.sha256_hash());
    }
    short(&all.finalize()) == SOURCES
}

/// Answers with a file, packed as its reader likes it best; a document comes with this policy.
pub(super) fn serve(
    request: &Request<Incoming>,
    policy: &HeaderValue,
) -> Result<Response<Body>, ApiError> {
    let path = request.uri().path().trim_start_matches('/');
    let Found {
        file,
        packed,
        lasts,
    } = find(path).ok_or_else(ApiError::not_found)?;
    let kind = HeaderValue::from_str(file.metadata.mimetype());
    let is_document = file.metadata.mimetype() == "text/html";
    let hash = hash(&file);
    let encoding = preferred(request.headers());
    let folder = encoding.folder();
    let (encoding, file) =
        match folder.and_then(|folder| Packed::get(&format!("{folder}/{packed}"))) {
            Some(packed) => (encoding, packed),
            None => (Encoding::Identity, file),
        };
    // Of one file each encoding has its own tag: they are different bytes.
    let etag = match encoding.folder() {
        Some(folder) => format!("\"{hash}-{folder}\""),
        None => format!("\"{hash}\""),
    };
    let mut response = if is_known(request.headers(), &etag) {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(Body::Kept(content(file)))
    };
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        kind.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    );
    if encoding != Encoding::Identity {
        let name = HeaderValue::from_static(encoding.name());
        headers.insert(header::CONTENT_ENCODING, name);
    }
    headers.insert(header::VARY, HeaderValue::from(header::ACCEPT_ENCODING));
    let caching = if lasts { FOR_GOOD } else { ASK_AGAIN };
    headers.insert(header::CACHE_CONTROL, caching);
    // A policy is of a document; with every other file it would only be more to send.
    if is_document {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    }
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    Ok(response)
}

fn content(file: EmbeddedFile) -> Bytes {
    match file.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    }
}

/// 64 bits of the content's hash.
fn hash(file: &EmbeddedFile) -> String {
    short(&file.metadata.sha256_hash())
}

fn short(hash: &[u8]) -> String {
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The members of a header that is a list.
fn members(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

/// Returns whether the client has it already (RFC 9110, section 13.1.2).
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    members(headers, header::IF_NONE_MATCH)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

/// The encoding that the client likes best, and of several liked alike the smallest (RFC 9110,
/// section 12.5.3). Where it would have none of them, the file goes out as it is.
fn preferred(headers: &HeaderMap) -> Encoding {
    let named = |name: &str| {
        let mut codings = members(headers, header::ACCEPT_ENCODING).map(coding);
        codings.find_map(|(coding, weight)| coding.eq_ignore_ascii_case(name).then_some(weight))
    };
    let weight = |encoding: Encoding| {
        let weight = named(encoding.name()).or_else(|| named("*"));
        // Unnamed, a file as it is is always welcome, though less than what is named.
        let unnamed = if encoding == Encoding::Identity { 1 } else { 0 };
        weight.unwrap_or(unnamed)
    };
    let welcome = Encoding::ALL.into_iter().filter(|one| weight(*one) > 0);
    // Of equals `max_by_key` takes the last.
    let best = welcome.rev().max_by_key(|one| weight(*one));
    best.unwrap_or(Encoding::Identity)
}

/// A coding and its weight in thousandths: 1000 unless said otherwise, and 0 where it makes no
/// sense.
fn coding(member: &str) -> (&str, u16) {
    let (name, parameters) = member.split_once(';').unwrap_or((member, ""));
    let quality = parameters.trim().strip_prefix(['q', 'Q']);
    let weight = match quality.and_then(|rest| rest.trim_start().strip_prefix('=')) {
        None => 1.0,
        Some(text) => text.trim().parse().unwrap_or(0.0_f32).clamp(0.0, 1.0),
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 1000"
    )]
    let thousandths = (weight * 1000.0) as u16;
    (name.trim(), thousandths)
}

/// The modules of the build script, of which it can run no tests.
#[cfg(test)]
#[path = "pack/join.rs"]
mod join;
#[cfg(test)]
#[path = "pack/module.rs"]
mod module;
#[cfg(test)]
#[path = "pack/strip.rs"]
mod strip;
#[cfg(test)]
#[path = "pack/texts.rs"]
mod texts;
#[cfg(test)]
#[path = "pack/tokens.rs"]
mod tokens;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_the_one_that_is_liked_best() {
        use Encoding::{Brotli, Gzip, Identity};
        for (accepted, encoding) in [
            ("gzip, deflate, br, zstd", Brotli),
            ("gzip, deflate", Gzip),
            ("GZIP", Gzip),
            ("br;q=0.5, gzip;q=1.0", Gzip),
            ("br ; q = 0.9 , gzip;q=0.8", Brotli),
            ("br;q=0, gzip", Gzip),
            ("br;q=0, gzip;q=0", Identity),
            ("br;q=0.000, *;q=0.001", Gzip),
            ("*", Brotli),
            ("*;q=0", Identity),
            ("gzip;q=0, *", Brotli),
            ("identity, br;q=0.5", Identity),
            ("identity;q=0", Identity),
            ("identity;q=0, br;q=0.001", Brotli),
            ("identity;q=0.5, gzip;q=0.5", Gzip),
            ("zstd, deflate", Identity),
            ("br;q=much, gzip", Gzip),
            ("", Identity),
            (",,;q=1,", Identity),
        ] {
            let mut headers = HeaderMap::new();
            assert_eq!(preferred(&headers), Identity);
            headers.insert(header::ACCEPT_ENCODING, accepted.parse().unwrap());
            assert_eq!(preferred(&headers), encoding, "{accepted}");
        }
        // A list may come in several headers.
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT_ENCODING, "gzip".parse().unwrap());
        headers.append(header::ACCEPT_ENCODING, "br".parse().unwrap());
        assert_eq!(preferred(&headers), Brotli);
    }

    #[test]
    fn every_file_is_packed_and_the_page_asks_for_its_files_by_version() {
        assert!(is_as_packed(), "static/ was changed after the build");
        let html = find("").unwrap().file;
        let html = String::from_utf8(html.data.to_vec()).unwrap();
        for bare in ["\"css/", "\"js/"] {
            assert!(!html.contains(bare), "{bare}");
        }
        assert!(html.contains(&format!("src=\"v/{VERSION}/js/main.js\"")));
        let mut packed_files = 0;
        for path in Assets::iter().filter(|path| path != "index.html") {
            for path in [path.to_string(), format!("v/{VERSION}/{path}")] {
                let Found {
                    file,
                    packed,
                    lasts,
                } = find(&path).unwrap();
                assert_eq!(lasts, path.starts_with("v/"), "{path}");
                for folder in ["br", "gz"] {
                    let packed = Packed::get(&format!("{folder}/{packed}")).unwrap();
                    assert!(packed.data.len() < file.data.len(), "{path} {folder}");
                    packed_files += 1;
                }
            }
        }
        assert!(packed_files > 80, "{packed_files}");
    }

    #[test]
    fn a_module_is_joined_under_a_version_and_a_source_without() {
        let joined = find(&format!("v/{VERSION}/js/main.js")).unwrap().file;
        let source = Assets::get("js/main.js").unwrap();
        assert!(joined.data.len() > 2 * source.data.len());
        assert_eq!(find("js/main.js").unwrap().file.data, source.data);
        // As a page asks that was opened before an upgrade.
        let other = find("v/0123456789abcdef/js/main.js").unwrap();
        assert!(other.file.data == joined.data && !other.lasts);
    }
}
