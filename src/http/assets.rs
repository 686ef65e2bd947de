//! The page: the files of `static/` inside the executable, as they stand and as `pack/` made them
//! for browsers; packed, and unpacked for those who cannot.
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
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::error::ApiError;
use crate::web::{Body, RequestBody, members};

/// What `pack/` made: `gz/page/PATH` and `br/page/PATH` are the page as browsers load it, and
/// `gz/source/PATH` is each file of `static/` as it stands.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/page"]
struct Packed;

/// The source tree, read anew each time.
#[cfg(any(test, debug_assertions))]
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/static"]
struct Sources;

/// The version of the page: 16 hexadecimal digits that follow from all of its files.
pub(super) const VERSION: &str = env!("PAGE_VERSION");

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

    /// What tags end with: of one file each encoding has its own, since they are different bytes.
    const fn ending(self) -> &'static str {
        match self {
            Self::Brotli => "-br",
            Self::Gzip => "-gz",
            Self::Identity => "",
        }
    }
}

/// A file that was asked for.
struct Found {
    content: Content,
    /// True for what this version of the page has under its path, now and for good.
    lasts: bool,
}

enum Content {
    Packed {
        gzip: EmbeddedFile,
        brotli: Option<EmbeddedFile>,
    },
    /// As it lies in the source tree.
    #[cfg(any(test, debug_assertions))]
    Read(EmbeddedFile),
}

impl Content {
    /// Whether there is this encoding of it.
    fn has(&self, encoding: Encoding) -> bool {
        match (self, encoding) {
            (_, Encoding::Identity) => true,
            (Self::Packed { brotli, .. }, Encoding::Brotli) => brotli.is_some(),
            (Self::Packed { .. }, Encoding::Gzip) => true,
            #[cfg(any(test, debug_assertions))]
            (Self::Read(_), _) => false,
        }
    }

    /// What its type and its tag are taken from.
    fn file(&self) -> &EmbeddedFile {
        match self {
            Self::Packed { gzip, .. } => gzip,
            #[cfg(any(test, debug_assertions))]
            Self::Read(file) => file,
        }
    }

    fn encoded(self, encoding: Encoding) -> Bytes {
        match self {
            Self::Packed { gzip, brotli } => match (encoding, brotli) {
                (Encoding::Brotli, Some(brotli)) => bytes_of(brotli),
                (Encoding::Gzip, _) => bytes_of(gzip),
                _ => unpacked(&gzip.data),
            },
            #[cfg(any(test, debug_assertions))]
            Self::Read(file) => bytes_of(file),
        }
    }
}

/// The content of a file that the build script packed by gzip: below its head, which has no name in
/// it, and above its sum (RFC 1952, section 2.3).
fn unpacked(gzip: &[u8]) -> Bytes {
    let body = gzip.get(10..gzip.len().saturating_sub(8));
    let content = miniz_oxide::inflate::decompress_to_vec(body.unwrap_or_default());
    content.expect("the build script packed it").into()
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
    #[cfg(any(test, debug_assertions))]
    if is_changed() {
        let content = Content::Read(Sources::get(path)?);
        return Some(Found {
            content,
            lasts: false,
        });
    }
    let of = |folder: &str| {
        Some(Content::Packed {
            gzip: Packed::get(&format!("gz/{folder}/{path}"))?,
            brotli: Packed::get(&format!("br/{folder}/{path}")),
        })
    };
    let as_packed = version.is_some() || matches!(path, "index.html" | "sw.js");
    let packed = if as_packed { of("page") } else { None };
    Some(Found {
        content: packed.or_else(|| of("source"))?,
        lasts: version == Some(VERSION),
    })
}

/// Returns whether the files of `static/` are others by now than those of which the page was made.
#[cfg(any(test, debug_assertions))]
fn is_changed() -> bool {
    use sha2::{Digest, Sha256};

    let mut paths: Vec<_> = Sources::iter().collect();
    paths.sort();
    let mut all = Sha256::new();
    for path in paths {
        let Some(file) = Sources::get(&path) else {
            return true;
        };
        all.update(path.as_bytes());
        all.update(file.metadata.sha256_hash());
    }
    short(&all.finalize()) != env!("PAGE_SOURCES")
}

/// Answers with a file, packed as its reader likes it best; a document comes with this policy.
pub(super) fn serve(
    request: &Request<RequestBody>,
    policy: &HeaderValue,
) -> Result<Response<Body>, ApiError> {
    let path = request.uri().path().trim_start_matches('/');
    let Found { content, lasts } = find(path).ok_or_else(ApiError::not_found)?;
    let metadata = &content.file().metadata;
    let kind = HeaderValue::from_str(metadata.mimetype());
    let is_document = metadata.mimetype() == "text/html";
    let encoding = preferred(request.headers(), |encoding| content.has(encoding));
    let (hash, ending) = (short(&metadata.sha256_hash()), encoding.ending());
    let etag = format!("\"{hash}{ending}\"");
    let mut response = if is_known(request.headers(), &etag) {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(Body::Kept(content.encoded(encoding)))
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

fn bytes_of(file: EmbeddedFile) -> Bytes {
    match file.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    }
}

/// 64 bits of a hash.
fn short(hash: &[u8]) -> String {
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns whether the client has it already (RFC 9110, section 13.1.2).
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    members(headers, header::IF_NONE_MATCH)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

/// The encoding that the client likes best of those that there are, and of several liked alike the
/// smallest (RFC 9110, section 12.5.3). Where it would have none of them, the file goes out as it
/// is.
fn preferred(headers: &HeaderMap, has: impl Fn(Encoding) -> bool) -> Encoding {
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
    let there = Encoding::ALL.into_iter().filter(|one| has(*one));
    let welcome = there.filter(|one| weight(*one) > 0);
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
            assert_eq!(preferred(&headers, |_| true), Identity);
            headers.insert(header::ACCEPT_ENCODING, accepted.parse().unwrap());
            assert_eq!(preferred(&headers, |_| true), encoding, "{accepted}");
        }
        // A list may come in several headers.
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT_ENCODING, "gzip".parse().unwrap());
        headers.append(header::ACCEPT_ENCODING, "br".parse().unwrap());
        assert_eq!(preferred(&headers, |_| true), Brotli);
    }

    #[test]
    fn a_source_is_packed_by_gzip_alone_and_so_it_goes_to_who_would_rather_have_brotli() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, "gzip, br".parse().unwrap());
        let source = find("js/main.js").unwrap().content;
        let liked = |headers: &HeaderMap| preferred(headers, |encoding| source.has(encoding));
        assert_eq!(liked(&headers), Encoding::Gzip);
        headers.insert(header::ACCEPT_ENCODING, "br".parse().unwrap());
        assert_eq!(liked(&headers), Encoding::Identity);
    }

    fn content(path: &str) -> Bytes {
        find(path).unwrap().content.encoded(Encoding::Identity)
    }

    #[test]
    fn every_file_is_packed_and_the_page_asks_for_its_files_by_version() {
        assert!(!is_changed(), "static/ was changed after the build");
        let html = content("");
        let html = std::str::from_utf8(&html).unwrap();
        for bare in ["\"css/", "\"js/"] {
            assert!(!html.contains(bare), "{bare}");
        }
        assert!(html.contains(&format!("src=\"v/{VERSION}/js/main.js\"")));
        let mut packed_files = 0;
        for path in Sources::iter().filter(|path| path != "index.html") {
            for path in [path.to_string(), format!("v/{VERSION}/{path}")] {
                let found = find(&path).unwrap();
                assert_eq!(found.lasts, path.starts_with("v/"), "{path}");
                let Content::Packed { gzip, brotli } = found.content else {
                    panic!("{path} is read from the source tree");
                };
                // A picture is packed already.
                let is_smaller = gzip.data.len() < content(&path).len();
                assert!(is_smaller || path.ends_with(".png"), "{path}");
                if let Some(brotli) = brotli {
                    assert!(brotli.data.len() < gzip.data.len(), "{path}");
                }
                packed_files += 1;
            }
        }
        assert!(packed_files > 80, "{packed_files}");
    }

    #[test]
    fn a_module_is_joined_under_a_version_and_a_source_without() {
        let joined = content(&format!("v/{VERSION}/js/main.js"));
        let source = Sources::get("js/main.js").unwrap();
        assert!(joined.len() > 2 * source.data.len());
        assert_eq!(content("js/main.js"), source.data.as_ref());
        // As a page asks that was opened before an upgrade.
        let other = find("v/0123456789abcdef/js/main.js").unwrap();
        assert!(!other.lasts);
        assert!(other.content.encoded(Encoding::Identity) == joined);
    }
}
