//! What flags may say: each value is brought into the one form that works, or refused with words.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use super::log;
use crate::model::MAX_ID;
use crate::outgoing::{HttpsUrl, HttpsUrlError};
use crate::web::{Origin, OriginError};

/// The longest name of a machine (RFC 1035, section 2.3.4).
const MAX_NAME_CHARS: usize = 253;

/// The id that a text is: digits alone, and no more of them than an id has.
pub(super) fn id_of(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let id = text.parse().ok().filter(|id| *id <= MAX_ID);
    id.filter(|_| digits)
}

/// The id of a room. Its name may be another room's, too.
pub(super) fn room(text: &str) -> Result<u64, String> {
    id_of(text).ok_or_else(|| "give the room's id, a number: see chatd room list".to_owned())
}

/// The id of a message.
pub(super) fn message(text: &str) -> Result<u64, String> {
    id_of(text).ok_or_else(|| "give the message's id, a number".to_owned())
}

/// The number of a bot's key, which is not the key.
pub(super) fn bot_key(text: &str) -> Result<u64, String> {
    let advice = "give the number of the key: see chatd bot revoke without one";
    id_of(text).ok_or_else(|| advice.to_owned())
}

/// The number of a backend's key, which is neither the key nor its name.
pub(super) fn backend_key(text: &str) -> Result<u64, String> {
    id_of(text).ok_or_else(|| "give the number of the key: see chatd key list".to_owned())
}

/// A port, or 0 for any that is free.
pub(super) fn port(text: &str) -> Result<u16, String> {
    let port = text.parse().ok();
    port.ok_or_else(|| format!("give a number from 0 to {}", u16::MAX))
}

/// A number of connections, or 0.
pub(super) fn connections(text: &str) -> Result<usize, String> {
    let advice = "give a number, or 0 for as many as the limit of open files allows";
    text.parse().map_err(|_| advice.to_owned())
}

/// At least two: of one there is no talk.
pub(super) fn room_members(text: &str) -> Result<u64, String> {
    let members = text.parse::<u64>().ok().filter(|members| *members >= 2);
    members.ok_or_else(|| "give a number from 2 on".to_owned())
}

/// An address of this machine, not a name: which of a name's addresses would it be?
pub(super) fn host(text: &str) -> Result<IpAddr, String> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    bare.unwrap_or(text).parse().map_err(|_| {
        "give an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them".to_owned()
    })
}

/// An address of this machine, with a port.
pub(super) fn listener(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let port = text.rsplit_once(':').and_then(|(name, port)| {
        let is_here = name.eq_ignore_ascii_case("localhost");
        is_here.then(|| port.parse().ok()).flatten()
    });
    let here = port.map(|port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
    here.or_else(|| text.parse().ok()).ok_or_else(|| {
        "give an address of this machine and a port, such as 127.0.0.1:9100".to_owned()
    })
}

/// A name that a certificate can be for: no URL, no pattern, no address.
pub(super) fn domain(text: &str) -> Result<String, String> {
    let text = text.trim();
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    match Host::parse(name) {
        Ok(Host::Domain(name)) if name.len() <= MAX_NAME_CHARS && name.split('.').all(is_label) => {
            Ok(name)
        }
        _ if text.contains('*') => {
            Err("there are no certificates for * by this way: give each name by itself".to_owned())
        }
        _ => Err("give a name such as chat.example.org, without https:// and port".to_owned()),
    }
}

/// An address in the web.
pub(super) fn web_address(text: &str) -> Result<String, String> {
    let text = text.trim();
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            Ok(text.to_owned())
        }
        _ => Err("give a URL that begins with https://".to_owned()),
    }
}

/// The origin of a page or a picture in the web, as a policy of the page names it.
pub(super) fn web_origin(text: &str) -> Result<Origin, String> {
    let advice = || "give an origin such as https://app.example.org".to_owned();
    let origin = Origin::parse(text).map_err(|error| match error {
        // There is no word for all of them here.
        OriginError::Malformed => advice(),
        error => error.to_string(),
    })?;
    let spelled = origin.to_string();
    let rest = spelled
        .strip_prefix("https://")
        .or_else(|| spelled.strip_prefix("http://"));
    // A host may have characters that end a part of the policy.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte);
    match rest.is_some_and(|rest| rest.bytes().all(is_plain)) {
        true => Ok(origin),
        false => Err(advice()),
    }
}

/// Returns what a claim of tokens says. No issuer means blanks around it, or nothing.
pub(super) fn claim(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("give the text that the tokens carry, or leave it out".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// 100 ms to 10 years, such as `90s`, `24h` or `30d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|_| "give a time such as 90s, 24h or 30d".to_owned())?;
    let longest = Duration::from_secs(10 * 366 * 24 * 60 * 60);
    if (Duration::from_millis(100)..=longest).contains(&duration) {
        Ok(duration)
    } else {
        Err("give a time from 100ms to 10 years".to_owned())
    }
}

/// How long a message may be edited: a time, `0s` for never, or `off` for always.
#[derive(Debug, Clone, Copy)]
pub(super) struct EditWindow(pub(super) Option<Duration>);

/// A [`duration`], `0s` or `off`.
pub(super) fn edit_window(text: &str) -> Result<EditWindow, String> {
    if text == "off" {
        return Ok(EditWindow(None));
    }
    let is_never = humantime::parse_duration(text).is_ok_and(|time| time.is_zero());
    let window = if is_never {
        Duration::ZERO
    } else {
        duration(text)?
    };
    Ok(EditWindow(Some(window)))
}

/// After how long messages are erased, or `off` for never.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retention(pub(super) Option<Duration>);

/// A [`duration`] of at least an hour, or `off`.
pub(super) fn retention(text: &str) -> Result<Retention, String> {
    if text == "off" {
        return Ok(Retention(None));
    }
    let retention = duration(text)?;
    if retention < Duration::from_secs(60 * 60) {
        return Err("give a time of at least 1h, or off".to_owned());
    }
    Ok(Retention(Some(retention)))
}

/// At least a day: each time costs writing the whole file.
pub(super) fn erase_within(text: &str) -> Result<Duration, String> {
    let within = duration(text)?;
    if within < Duration::from_secs(24 * 60 * 60) {
        return Err("give a time of at least 24h".to_owned());
    }
    Ok(within)
}

/// 0 to 1 s: more would be felt by all.
pub(super) fn commit_interval(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .ok()
        .filter(|interval| *interval <= Duration::from_secs(1))
        .ok_or_else(|| "give a time from 0s to 1s, such as 3ms".to_owned())
}

/// A message must fit into a packet several times over, and into a person's patience.
pub(super) fn message_chars(text: &str) -> Result<usize, String> {
    ranged(text, 1, 100_000)
}

/// Below 1 KiB no token fits; above 64 MiB one client could take a small machine's memory.
pub(super) fn payload_bytes(text: &str) -> Result<usize, String> {
    ranged(text, 1_024, 64 << 20)
}

fn ranged(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("give a number from {least} to {most}"))
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    match log::filter(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(
            "give a level (error, warn, info, debug) or filters such as info,chatd::store=debug"
                .to_owned(),
        ),
    }
}

/// Where a key set is.
#[derive(Clone)]
pub(super) enum KeySetPlace {
    /// In a file.
    File(PathBuf),
    /// At a URL.
    Url(HttpsUrl),
}

/// A file, or an `https:` URL. What is sent in the clear could be replaced on its way.
pub(super) fn key_set(text: &str) -> Result<KeySetPlace, String> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    match scheme {
        None => Ok(KeySetPlace::File(text.into())),
        Some(_) => text
            .parse()
            .map(KeySetPlace::Url)
            .map_err(|error: HttpsUrlError| format!("{error}, or a file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `chatd room show Ops` said "invalid digit found in string".
    #[test]
    fn a_name_in_the_place_of_a_number_is_told_what_is_expected() {
        type Read = fn(&str) -> Result<u64, String>;
        let all: [(Read, &str); 4] = [
            (room, "chatd room list"),
            (message, "the message's id"),
            (bot_key, "chatd bot revoke"),
            (backend_key, "chatd key list"),
        ];
        for (read, words) in all {
            assert_eq!(read("7"), Ok(7));
            for text in ["Ops", "", "-1", "+7", "7 ", "ck_7", "9007199254740992"] {
                let refused = read(text).unwrap_err();
                assert!(refused.contains(words), "{text}: {refused}");
            }
        }
        assert_eq!((port("8080"), connections("0")), (Ok(8080), Ok(0)));
        assert_eq!(room_members("2"), Ok(2));
        let refused = [
            port("http").unwrap_err(),
            port("65536").unwrap_err(),
            connections("many").unwrap_err(),
            room_members("1").unwrap_err(),
            room_members("all").unwrap_err(),
        ];
        for refused in refused {
            assert!(refused.starts_with("give a number"), "{refused}");
        }
    }

    #[test]
    fn every_name_that_is_taken_can_be_that_of_a_certificate() {
        for (text, name) in [
            ("chat.example.org", "chat.example.org"),
            (" Chat.Example.ORG. ", "chat.example.org"),
            ("münchen.de", "xn--mnchen-3ya.de"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(domain(text).as_deref(), Ok(name), "{text}");
        }
        for text in [
            "",
            ".",
            "https://chat.example.org",
            "chat.example.org:443",
            "chat.example.org/",
            "*.example.org",
            "192.0.2.1",
            "[::1]",
            "a..b",
            "-a.example.org",
            "a_b.example.org",
            "ada@example.org",
            "a b.example.org",
        ] {
            assert!(domain(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_address_that_is_taken_can_be_listened_on() {
        for (text, address) in [
            ("localhost", "127.0.0.1"),
            ("LocalHost", "127.0.0.1"),
            (" 0.0.0.0 ", "0.0.0.0"),
            ("[::1]", "::1"),
            ("::", "::"),
        ] {
            assert_eq!(host(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "*",
            "chat.example.org",
            "127.0.0.1:8080",
            "http://127.0.0.1",
        ] {
            assert!(host(text).is_err(), "{text}");
        }
        for (text, address) in [
            ("localhost:9100", "127.0.0.1:9100"),
            ("[::1]:9100", "[::1]:9100"),
            (" 127.0.0.1:9100", "127.0.0.1:9100"),
        ] {
            assert_eq!(listener(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "9100",
            ":9100",
            "localhost",
            "chat.example.org:9100",
            "localhost:x",
        ] {
            assert!(listener(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_claim_has_no_blanks_around_it_and_is_not_empty() {
        assert_eq!(claim(" https://issuer ").as_deref(), Ok("https://issuer"));
        assert!(claim("").is_err() && claim("  ").is_err());
    }

    #[test]
    fn an_origin_in_a_policy_of_the_page_is_one_of_the_web() {
        for (text, spelled) in [
            ("https://App.example.org/", "https://app.example.org"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:5173", "http://[::1]:5173"),
        ] {
            assert_eq!(web_origin(text).unwrap().to_string(), spelled);
        }
        for text in [
            "",
            "null",
            "*",
            "app.example.org",
            "capacitor://localhost",
            "https://*.example.org",
            "https://a.example/path",
            "https://a;script-src.example",
            "https://a,b.example",
            "https://a'b.example",
        ] {
            let refused = web_origin(text).unwrap_err();
            assert!(!refused.contains("for all"), "{text}: {refused}");
        }
    }

    #[test]
    fn an_authority_is_asked_over_the_web() {
        for text in ["https://localhost:14000/dir", " https://acme.example/dir"] {
            assert_eq!(web_address(text).as_deref(), Ok(text.trim()));
        }
        for text in [
            "",
            "acme.example/dir",
            "ftp://a/dir",
            "https://",
            "file:///dir",
        ] {
            assert!(web_address(text).is_err(), "{text}");
        }
    }
}
