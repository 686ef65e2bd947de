//! `--public-url`: by what address people reach this server.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use hyper::Uri;
use url::Url;

use super::origin::Origin;

/// A scheme, a host, a port, and a path below which the server is reached, if it is not the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(Arc<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    origin: Origin,
    /// `/chat`, or nothing.
    path: String,
}

/// A text that names no place for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "give the URL by which people come, such as https://chat.example.org or https://example.org/chat"
)]
pub struct PublicUrlError;

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let url = Url::parse(text.trim()).map_err(|_| PublicUrlError)?;
        let is_bare = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let host = url.host_str().unwrap_or_default();
        if !is_bare || !matches!(url.scheme(), "http" | "https") || host.contains('*') {
            return Err(PublicUrlError);
        }
        let path = url.path().trim_end_matches('/');
        if path.contains("//") {
            return Err(PublicUrlError);
        }
        let parts = Parts {
            origin: Origin::of(&url).ok_or(PublicUrlError)?,
            path: path.to_owned(),
        };
        Ok(Self(Arc::new(parts)))
    }
}

impl fmt::Display for PublicUrl {
    /// Without a slash at its end, so that a path can follow.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0.origin, self.0.path)
    }
}

/// How the path of a request lies to the one below which the server is reached.
#[derive(Debug, PartialEq, Eq)]
pub enum Below {
    /// It does not lie below it: a proxy took that path away.
    Elsewhere,
    /// It lies below it, and this is the rest.
    Here(Uri),
    /// It is that path itself, without the slash from which the page's own addresses are reckoned;
    /// with it, this is it.
    Bare(String),
}

impl PublicUrl {
    /// The origin of the server's own page.
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// Returns whether a `Host` header names this host, whatever its port.
    pub fn is_host(&self, host: &str) -> bool {
        let bare = |text: &str| Some(Url::parse(text).ok()?.host()?.to_owned());
        let named = Origin::at("http", host).and_then(|named| bare(named.as_str()));
        named.is_some() && named == bare(self.0.origin.as_str())
    }

    /// Returns where a request leads: a proxy may take the path away that the server is reached
    /// below, or leave it.
    pub fn below(&self, uri: &Uri) -> Below {
        let path = self.0.path.as_str();
        let rest = match uri.path().strip_prefix(path) {
            Some(rest) if !path.is_empty() => rest,
            _ => return Below::Elsewhere,
        };
        let query = uri.query().map(|query| format!("?{query}"));
        let query = query.unwrap_or_default();
        match rest {
            "" => Below::Bare(format!("{path}/{query}")),
            _ if rest.starts_with('/') => format!("{rest}{query}")
                .parse()
                .map_or(Below::Elsewhere, Below::Here),
            _ => Below::Elsewhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_has_one_spelling() {
        for (text, url) in [
            ("https://chat.example.org", "https://chat.example.org"),
            ("https://chat.example.org/", "https://chat.example.org"),
            (
                " HTTPS://Chat.Example.org:443/ ",
                "https://chat.example.org",
            ),
            ("http://example.org:80/chat/", "http://example.org/chat"),
            ("https://example.org/a/b//", "https://example.org/a/b"),
            (
                "https://example.org:8443/chat",
                "https://example.org:8443/chat",
            ),
            ("https://münchen.de", "https://xn--mnchen-3ya.de"),
            ("http://[0::1]:81", "http://[::1]:81"),
            ("https://chat.example.org.", "https://chat.example.org"),
            ("https://example.org/a b", "https://example.org/a%20b"),
        ] {
            let public: PublicUrl = text.parse().unwrap();
            assert_eq!(public.to_string(), url, "{text}");
        }
    }

    #[test]
    fn what_names_no_place_for_a_server_is_refused() {
        for text in [
            "",
            "chat.example.org",
            "chat.example.org:443",
            "wss://chat.example.org",
            "https://",
            "https://u:p@chat.example.org",
            "https://chat.example.org/?a=b",
            "https://chat.example.org/#a",
            "https://*.example.org",
            "https://chat.example.org//a",
            "capacitor://localhost",
            "https://chat.example.org:99999",
        ] {
            assert_eq!(text.parse::<PublicUrl>(), Err(PublicUrlError), "{text}");
        }
    }

    #[test]
    fn a_path_is_taken_away_where_a_proxy_left_it() {
        let public: PublicUrl = "https://example.org/chat".parse().unwrap();
        let here = |text: &'static str| Below::Here(Uri::from_static(text));
        for (path, below) in [
            ("/chat/", here("/")),
            ("/chat/api/server?a=b", here("/api/server?a=b")),
            ("/chat/socket.io/?EIO=4", here("/socket.io/?EIO=4")),
            ("/chat", Below::Bare("/chat/".into())),
            ("/chat?setup=x", Below::Bare("/chat/?setup=x".into())),
            ("/chatter", Below::Elsewhere),
            ("/api/server", Below::Elsewhere),
            ("/", Below::Elsewhere),
        ] {
            assert_eq!(public.below(&path.parse().unwrap()), below, "{path}");
        }
        let root: PublicUrl = "https://example.org".parse().unwrap();
        assert_eq!(root.below(&Uri::from_static("/chat")), Below::Elsewhere);
    }

    #[test]
    fn a_host_is_known_whatever_its_port() {
        let public: PublicUrl = "https://example.org/chat".parse().unwrap();
        for (host, is_host) in [
            ("example.org", true),
            ("EXAMPLE.org.:8080", true),
            ("evil.example", false),
            ("example.org.evil.example", false),
            ("", false),
        ] {
            assert_eq!(public.is_host(host), is_host, "{host}");
        }
    }
}
