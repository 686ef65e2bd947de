//! The URLs that may be asked.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// An `https:` URL with a host, and without a login in it.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpsUrl(Url);

/// A text that is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give an https: URL without a login in it, such as https://id.example.org/jwks.json")]
pub struct HttpsUrlError;

impl FromStr for HttpsUrl {
    type Err = HttpsUrlError;

    fn from_str(text: &str) -> Result<Self, HttpsUrlError> {
        let url = Url::parse(text.trim()).map_err(|_| HttpsUrlError)?;
        let has_login = !url.username().is_empty() || url.password().is_some();
        if url.scheme() != "https" || url.host_str().is_none() || has_login {
            return Err(HttpsUrlError);
        }
        Ok(Self(url))
    }
}

impl HttpsUrl {
    /// The host as a certificate names it: without the brackets of an IPv6 address.
    pub(super) fn host(&self) -> &str {
        let host = self.0.host_str().unwrap_or_default();
        host.trim_matches(['[', ']'])
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// The host and, where it is not the usual one, the port: as a `Host` header has it.
    pub(super) fn authority(&self) -> &str {
        &self.0[url::Position::BeforeHost..url::Position::AfterPort]
    }

    /// What is asked for there.
    pub(super) fn path_and_query(&self) -> &str {
        &self.0[url::Position::BeforePath..url::Position::AfterQuery]
    }
}

impl fmt::Display for HttpsUrl {
    /// Without its query, in which there may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..url::Position::AfterPath])
    }
}

impl fmt::Debug for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_urls_without_logins_may_be_asked() {
        for (text, authority, asked, shown) in [
            (
                " https://id.example.org/jwks.json?key=secret#x ",
                "id.example.org",
                "/jwks.json?key=secret",
                "https://id.example.org/jwks.json",
            ),
            (
                "HTTPS://ID.example.org:443",
                "id.example.org",
                "/",
                "https://id.example.org/",
            ),
            (
                "https://[::1]:8443/a",
                "[::1]:8443",
                "/a",
                "https://[::1]:8443/a",
            ),
        ] {
            let url: HttpsUrl = text.parse().unwrap();
            assert_eq!((url.authority(), url.path_and_query()), (authority, asked));
            assert_eq!(
                (url.to_string(), format!("{url:?}")),
                (shown.into(), shown.into())
            );
        }
        let url: HttpsUrl = "https://[::1]:8443/a".parse().unwrap();
        assert_eq!((url.host(), url.port()), ("::1", 8443));
        for text in [
            "",
            "keys.json",
            "/etc/keys.json",
            "http://id.example.org/jwks.json",
            "https://ada:secret@id.example.org/",
            "https://ada@id.example.org/",
            "https://",
            "file:///etc/passwd",
            "ftp://id.example.org/",
        ] {
            assert!(text.parse::<HttpsUrl>().is_err(), "{text:?}");
        }
    }
}
