//! A page's origin (RFC 6454).
//!
//! Origins are compared by scheme, host and port, where the default port may be written or not, the
//! host may be in upper case, in Unicode or end with a dot, and an IPv6 address may be written in
//! several ways.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// The `Origin` of a page that has none: one of a file, or in a frame with a `sandbox`.
const OPAQUE: &str = "null";
/// Longer origins are those of no page.
const MAX_ORIGIN_CHARS: usize = 512;

/// A page's origin in its one spelling, as browsers send it: `https://chat.example.org`, or `null`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(Box<str>);

/// A text that names no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It is something else.
    #[error("give an origin such as https://app.example.org, without a path, or * for all")]
    Malformed,
    /// Browsers send no part of a name.
    #[error("* stands for every page and for no part of a name: give each origin by itself")]
    Wildcard,
    /// Pages of files have no origin of their own.
    #[error(
        "pages of files have the origin null: give null, by which every file and every sandboxed frame is let in"
    )]
    File,
    /// Pages are not loaded by a WebSocket.
    #[error("give the origin of the page, which begins with https:// or http://")]
    WebSocket,
}

impl Origin {
    /// An origin, with a slash at its end or not.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let text = text.trim();
        if text.eq_ignore_ascii_case(OPAQUE) {
            return Ok(Self(OPAQUE.into()));
        }
        let url = Url::parse(text).map_err(|_| OriginError::Malformed)?;
        let is_bare = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        match url.scheme() {
            "ws" | "wss" => Err(OriginError::WebSocket),
            "file" => Err(OriginError::File),
            // Their documents have no origin, or another page's.
            "ftp" | "data" | "blob" | "about" | "javascript" => Err(OriginError::Malformed),
            _ if !is_bare || text.contains('\\') => Err(OriginError::Malformed),
            _ if url.host_str().is_some_and(|host| host.contains('*')) => {
                Err(OriginError::Wildcard)
            }
            _ => Self::of(&url).ok_or(OriginError::Malformed),
        }
    }

    /// The origin of the pages below a URL.
    pub(super) fn of(url: &Url) -> Option<Self> {
        let host = match url.host()? {
            Host::Domain(name) => {
                let name = name
                    .strip_suffix('.')
                    .filter(|rest| !rest.is_empty())
                    .unwrap_or(name);
                let is_web = matches!(url.scheme(), "http" | "https");
                if name.is_empty() || (is_web && name == ".") {
                    return None;
                }
                name.to_ascii_lowercase()
            }
            address => address.to_string(),
        };
        let scheme = url.scheme();
        Some(Self(match url.port() {
            Some(port) => format!("{scheme}://{host}:{port}").into(),
            None => format!("{scheme}://{host}").into(),
        }))
    }

    /// The origin of the pages at what a `Host` header names.
    pub fn at(scheme: &str, authority: &str) -> Option<Self> {
        let is_authority = !authority.contains(['/', '\\', '?', '#', '@', '*', ',', ' ', '\t']);
        if !is_authority || authority.len() > MAX_ORIGIN_CHARS {
            return None;
        }
        Self::of(&Url::parse(&format!("{scheme}://{authority}")).ok()?)
    }

    /// The same with another port, where none was named.
    pub(super) fn with_port(&self, port: u16) -> Option<Self> {
        let mut url = Url::parse(&self.0).ok()?;
        if url.port().is_none() {
            url.set_port(Some(port)).ok()?;
        }
        Self::of(&url)
    }

    /// `https`
    pub(super) fn scheme(&self) -> &str {
        self.0.split_once("://").map_or("", |(scheme, _)| scheme)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A page that may use this server: one of an origin, or every one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// `*`
    Any,
    /// The pages of one origin.
    Listed(Origin),
}

impl FromStr for Allowed {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        match text.trim() {
            "*" => Ok(Self::Any),
            text => Origin::parse(text).map(Self::Listed),
        }
    }
}

/// Returns what an `Origin` header names.
pub(super) fn origin_of_page(text: &str) -> Option<Origin> {
    if text.len() > MAX_ORIGIN_CHARS {
        return None;
    }
    match Origin::parse(text) {
        Ok(origin) => Some(origin),
        // No page has it. Apps outside of browsers write so where they connect to.
        Err(OriginError::WebSocket) => {
            let (_, rest) = text.split_at_checked("ws".len())?;
            Origin::parse(&format!("http{rest}")).ok()
        }
        // Some browsers say so for a WebSocket, and null for all else.
        Err(OriginError::File) => Some(Origin(OPAQUE.into())),
        Err(_) => None,
    }
}
