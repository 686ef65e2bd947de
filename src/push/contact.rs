//! Whom push services may turn to about this server: the `sub` of RFC 8292.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// A `mailto:` or `https:` URL. Some push services refuse a server that names none, or one of
/// another machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Contact(String);

/// A text that is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give an address such as mailto:admin@example.org, or an https: URL")]
pub struct ContactError;

impl FromStr for Contact {
    type Err = ContactError;

    fn from_str(text: &str) -> Result<Self, ContactError> {
        let url = Url::parse(text.trim()).map_err(|_| ContactError)?;
        let is_good = match url.scheme() {
            "mailto" => is_address(url.path()) && url.query().is_none(),
            "https" => is_host(url.host_str().unwrap_or_default()) && url.password().is_none(),
            _ => false,
        };
        match is_good && url.as_str().len() <= 255 {
            true => Ok(Self(url.into())),
            false => Err(ContactError),
        }
    }
}

/// Returns whether a name can be one of the whole Internet: not this machine's, and no address of a
/// network.
fn is_host(host: &str) -> bool {
    let is_name = host.contains('.') && !host.ends_with('.') && !host.starts_with('.');
    let ends_as_name = host.rsplit('.').next().is_some_and(|end| {
        end.bytes().any(|byte| byte.is_ascii_alphabetic()) && end != "localhost" && end != "local"
    });
    is_name && ends_as_name
}

fn is_address(address: &str) -> bool {
    match address.split_once('@') {
        Some((user, host)) => {
            let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"@,;<>()[]\\\"".contains(&byte);
            !user.is_empty() && user.bytes().all(is_plain) && !host.contains('@') && is_host(host)
        }
        None => false,
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_an_address_or_a_page_that_the_world_can_reach() {
        for (text, contact) in [
            ("mailto:push@example.com", "mailto:push@example.com"),
            (
                " https://chat.example.org/chat ",
                "https://chat.example.org/chat",
            ),
            ("HTTPS://Chat.Example.org", "https://chat.example.org/"),
        ] {
            let parsed: Contact = text.parse().unwrap();
            assert_eq!(parsed.to_string(), contact);
        }
        for text in [
            "",
            "push@example.com",
            "mailto:",
            "mailto:push",
            "mailto:push@localhost",
            "mailto:a@b@example.com",
            "mailto:push@example.com?subject=x",
            "mailto:push@example.com,other@example.com",
            "http://chat.example.org",
            "https://localhost:8080",
            "https://chat.localhost",
            "https://127.0.0.1",
            "https://[::1]/",
            "https://chat",
            "https://u:p@chat.example.org",
            "ftp://example.org",
        ] {
            assert_eq!(text.parse::<Contact>(), Err(ContactError), "{text}");
        }
    }
}
