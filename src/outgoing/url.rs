//! The URLs that may be asked.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use super::Target;

/// An `https:` [`Target`] that the operator names.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpsUrl(Target);

/// A text that is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give an https: URL without a login in it, such as https://id.example.org/jwks.json")]
pub struct HttpsUrlError;

impl FromStr for HttpsUrl {
    type Err = HttpsUrlError;

    fn from_str(text: &str) -> Result<Self, HttpsUrlError> {
        let target = text.trim().parse().ok().filter(Target::is_https);
        target.map(Self).ok_or(HttpsUrlError)
    }
}

impl Deref for HttpsUrl {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.0
    }
}

impl fmt::Display for HttpsUrl {
    /// Without its query, in which there may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.without_query())
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
