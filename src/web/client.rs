//! What a client says that it is, in short words: "Firefox on Linux".

use hyper::header::{self, HeaderMap};

/// The longest name of a program that is no browser, in characters.
const MAX_PROGRAM_CHARS: usize = 40;

/// Browsers by a word of theirs, in the order in which they are looked for: each says that it is
/// one of those below it too.
const BROWSERS: [(&str, &str); 8] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Systems, likewise.
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

/// Returns what the client of a request says that it is; `None` where it says nothing that can be
/// read.
pub fn client_name(headers: &HeaderMap) -> Option<String> {
    let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
    let of = |known: &[(&str, &'static str)]| {
        let mut known = known.iter();
        known.find_map(|(word, name)| agent.contains(word).then_some(*name))
    };
    match (of(&BROWSERS), of(&SYSTEMS)) {
        (Some(browser), Some(system)) => Some(format!("{browser} on {system}")),
        (Some(browser), None) => Some(browser.to_owned()),
        (None, _) => {
            let word = agent.split([' ', '(']).next()?;
            let name: String = word.chars().take(MAX_PROGRAM_CHARS).collect();
            (!name.is_empty()).then_some(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_by_their_own_word_and_programs_by_their_first() {
        for (agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                Some("Firefox on Linux"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                Some("Safari on iPhone"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
                Some("Edge on Windows"),
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
                Some("Chrome on Android"),
            ),
            ("curl/8.5.0", Some("curl/8.5.0")),
            ("python-requests/2.31 (x)", Some("python-requests/2.31")),
            ("", None),
            (" ", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, agent.parse().unwrap());
            assert_eq!(client_name(&headers).as_deref(), name, "{agent}");
        }
        assert_eq!(client_name(&HeaderMap::new()), None);
        let mut headers = HeaderMap::new();
        let long = "x".repeat(500);
        headers.insert(header::USER_AGENT, long.parse().unwrap());
        assert_eq!(client_name(&headers).map(|name| name.len()), Some(40));
    }
}
