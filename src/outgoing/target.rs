//! The URLs that others give to be told at.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

/// The longest, in bytes: push services have some 500.
const MAX_BYTES: usize = 2_048;

/// An `http:` or `https:` URL with a host, and without a login in it. What shows it leaves out its
/// path and query: in those are others' secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Target(Url);

/// A text that is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give an http: or https: URL of at most {MAX_BYTES} bytes without a login in it")]
pub struct TargetError;

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let mut url = Some(text)
            .filter(|text| text.len() <= MAX_BYTES)
            .and_then(|text| Url::parse(text).ok())
            .ok_or(TargetError)?;
        let is_web = matches!(url.scheme(), "http" | "https");
        let has_login = !url.username().is_empty() || url.password().is_some();
        let has_host = url.host_str().is_some_and(|host| !host.is_empty());
        if !is_web || has_login || !has_host || url.port() == Some(0) {
            return Err(TargetError);
        }
        url.set_fragment(None);
        Ok(Self(url))
    }
}

impl Target {
    /// Returns whether it is spoken to by TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The whole URL, with what is secret in it: to be kept, not to be shown.
    pub fn whole(&self) -> &str {
        self.0.as_str()
    }

    /// The scheme, the host and the port.
    pub fn origin(&self) -> &str {
        &self.0[..url::Position::AfterPort]
    }

    /// The address, where the host is one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    /// The host as a certificate names it: without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        let host = self.0.host_str().unwrap_or_default();
        host.trim_matches(['[', ']'])
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// All of it but its query.
    pub(super) fn without_query(&self) -> &str {
        &self.0[..url::Position::AfterPath]
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

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.origin())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_shows_its_origin_alone_and_has_no_login() {
        let target: Target = "https://hooks.example.org/T1/secret?key=1#x"
            .parse()
            .unwrap();
        assert!(target.is_https());
        assert_eq!(target.whole(), "https://hooks.example.org/T1/secret?key=1");
        assert_eq!(target.path_and_query(), "/T1/secret?key=1");
        assert_eq!(target.to_string(), "https://hooks.example.org");
        assert_eq!(format!("{target:?}"), "https://hooks.example.org");
        let long = format!("https://example.org/{}", "a".repeat(MAX_BYTES));
        for text in [
            "",
            "/hooks",
            "example.org",
            "ftp://example.org/",
            "file:///etc/passwd",
            "http://",
            "http://ada:secret@example.org/",
            "http://ada@example.org/",
            "http://example.org:0/",
            &long,
        ] {
            assert!(text.parse::<Target>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn addresses_are_known_in_whatever_way_they_are_written() {
        for text in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://127。0。0。1/",
            "http://①②⑦.⓪.⓪.①/",
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.address(), Some([127, 0, 0, 1].into()), "{text}");
        }
        let target: Target = "http://[::ffff:7f00:1]:8080/".parse().unwrap();
        assert_eq!(target.address(), Some("::ffff:127.0.0.1".parse().unwrap()));
        assert_eq!((target.host(), target.port()), ("::ffff:7f00:1", 8080));
    }
}
