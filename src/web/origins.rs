//! Which web pages may speak to this server from a browser: its own, and those of a list.
//!
//! For HTTP the browser asks and obeys (CORS); for a WebSocket it does not ask, so the handshake is
//! checked here. Requests without an `Origin` come from no page and are judged by their token
//! alone.

use std::sync::Arc;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::origin::{Allowed, Origin, OriginError, origin_of_page};
use super::public::PublicUrl;
use super::{Seldom, Sender, called};

/// The headers that a preflight allows.
const METHODS: &str = "GET,HEAD,PUT,PATCH,POST,DELETE";
/// What pages may read of an answer beside its body: of itself a browser shows them few headers,
/// and not how long to wait.
const EXPOSED: &str =
    "retry-after,etag,content-range,content-disposition,chatd-files,chatd-files-missing";
/// Ten minutes: the time for which a browser may remember a preflight's answer.
const MAX_AGE: &str = "600";

/// The pages that may use this server.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    any: bool,
    listed: Arc<[Origin]>,
    /// The address of this server's own page, if that is known for sure.
    public: Option<PublicUrl>,
    refusals: Arc<Seldom>,
}

/// The meaning of a request's `Origin` for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// There is none, or it is our own: nothing to say.
    Own,
    /// It is on the list.
    Listed,
    /// Every origin is welcome.
    Any,
    /// It is a stranger's.
    Foreign,
}

impl Verdict {
    /// Returns whether the page that sent the request may open a WebSocket.
    pub fn may_connect(self) -> bool {
        self != Self::Foreign
    }
}

impl Origins {
    /// Of a list of `scheme://host[:port]`; `*` allows every page.
    pub fn new(origins: impl IntoIterator<Item = String>) -> Result<Self, OriginError> {
        let allowed: Result<Vec<_>, _> = origins.into_iter().map(|text| text.parse()).collect();
        Ok(Self::of(allowed?))
    }

    /// Of these.
    pub fn of(allowed: impl IntoIterator<Item = Allowed>) -> Self {
        let mut origins = Self::default();
        let listed = allowed.into_iter().filter_map(|allowed| match allowed {
            Allowed::Any => {
                origins.any = true;
                None
            }
            Allowed::Listed(origin) => Some(origin),
        });
        origins.listed = listed.collect();
        origins
    }

    /// Counts the page below this URL as the server's own.
    pub fn at_home(self, public: Option<PublicUrl>) -> Self {
        Self { public, ..self }
    }

    /// Judges the page that a request comes from, and logs a stranger's once a minute. To be asked
    /// once a request.
    pub fn judge<B>(&self, request: &Request<B>) -> Verdict {
        let sender = request.extensions().get::<Sender>();
        let verdict = self.verdict(request.headers(), sender);
        if verdict == Verdict::Foreign
            && let Some(count) = self.refusals.now()
        {
            log_refusal(request.headers(), count);
        }
        verdict
    }

    /// The same, without a word.
    pub fn verdict(&self, headers: &HeaderMap, sender: Option<&Sender>) -> Verdict {
        let Some(text) = headers.get(header::ORIGIN) else {
            return Verdict::Own;
        };
        let text = text.to_str().unwrap_or_default();
        // As most requests of our own page have it, where nothing need be compared but bytes.
        let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
        let is_plainly_own = match text.split_once("://") {
            Some(("https", own)) => Some(own.as_bytes()) == host,
            Some(("http", own)) => {
                Some(own.as_bytes()) == host && !sender.is_some_and(|sender| sender.tls)
            }
            _ => false,
        };
        if is_plainly_own {
            return Verdict::Own;
        }
        let origin = origin_of_page(text);
        let is_listed = |origin| self.listed.contains(origin);
        match &origin {
            Some(origin) if self.is_own(origin, headers, sender) => Verdict::Own,
            Some(origin) if is_listed(origin) => Verdict::Listed,
            _ if self.any => Verdict::Any,
            _ => Verdict::Foreign,
        }
    }

    /// Returns whether a page of this origin came from this very server, as far as its public URL,
    /// the `Host` header and the proxies show that are believed.
    fn is_own(&self, origin: &Origin, headers: &HeaderMap, sender: Option<&Sender>) -> bool {
        let is_public = |public: &PublicUrl| public.origin() == origin;
        if self.public.as_ref().is_some_and(is_public) {
            return true;
        }
        // That TLS is not spoken is only known of this last part of the way.
        let scheme = match (origin.scheme(), sender.is_some_and(|sender| sender.tls)) {
            ("https", _) => "https",
            ("http", false) => "http",
            _ => return false,
        };
        called::origins(scheme, headers, sender).any(|own| own == *origin)
    }

    /// The answer to a preflight; `None` where the request is none, or is a stranger's.
    pub fn preflight<B: Default>(
        &self,
        verdict: Verdict,
        method: &Method,
        request: &HeaderMap,
    ) -> Option<Response<B>> {
        let asks = *method == Method::OPTIONS
            && request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !asks || !matches!(verdict, Verdict::Listed | Verdict::Any) {
            return None;
        }
        let mut response = Response::new(B::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static(METHODS),
        );
        headers.insert(
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from_static(MAX_AGE),
        );
        if let Some(wanted) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
            headers.append(
                header::VARY,
                HeaderValue::from(header::ACCESS_CONTROL_REQUEST_HEADERS),
            );
        }
        Some(response)
    }

    /// Returns what an answer to a request with these headers must say, whatever the answer is.
    pub fn headers(&self, verdict: Verdict, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let mut say = Vec::new();
        match (verdict, request.get(header::ORIGIN)) {
            (Verdict::Listed, Some(origin)) => {
                say.push((header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
                say.push((
                    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                    HeaderValue::from_static("true"),
                ));
            }
            (Verdict::Any, _) => say.push((
                header::ACCESS_CONTROL_ALLOW_ORIGIN,
                HeaderValue::from_static("*"),
            )),
            _ => {}
        }
        if !say.is_empty() {
            let exposed = HeaderValue::from_static(EXPOSED);
            say.push((header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed));
        }
        if !self.listed.is_empty() {
            say.push((header::VARY, HeaderValue::from(header::ORIGIN)));
        }
        say
    }
}

fn log_refusal(headers: &HeaderMap, count: u64) {
    let text = headers
        .get(header::ORIGIN)
        .and_then(|text| text.to_str().ok());
    let Some(origin) = text.and_then(origin_of_page) else {
        return tracing::warn!(count, "a page was refused whose Origin is none");
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .and_then(|host| Origin::at("http", host));
    let host = host
        .as_ref()
        .and_then(|host| host.as_str().split_once("://"))
        .map_or("nothing", |(_, host)| host);
    if matches!(origin.scheme(), "http" | "https") {
        tracing::warn!(
            count,
            "a page of {origin} was refused: --allow-origin {origin} lets it in; if it is this server's own page, a proxy \
             changes the Host header (it arrived as {host}): have it pass the header on, or give --public-url {origin}"
        );
    } else {
        tracing::warn!(
            count,
            "a page of {origin} was refused: --allow-origin {origin} lets it in"
        );
    }
}

/// Says it.
pub fn say<B>(response: &mut Response<B>, headers: Vec<(HeaderName, HeaderValue)>) {
    for (name, value) in headers {
        response.headers_mut().append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::TrustedProxies;

    fn request(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    fn listing(origins: &[&str]) -> Origins {
        Origins::new(origins.iter().map(|text| (*text).to_owned())).unwrap()
    }

    #[test]
    fn our_own_page_and_listed_ones_may_connect_and_strangers_may_not() {
        let origins = listing(&["https://app.example.org"]);
        for (origin, verdict) in [
            (None, Verdict::Own),
            (Some("https://chat.example.org"), Verdict::Own),
            (Some("https://app.example.org"), Verdict::Listed),
            (Some("https://APP.example.org"), Verdict::Listed),
            (Some("http://app.example.org"), Verdict::Foreign),
            (Some("https://app.example.org.evil.net"), Verdict::Foreign),
            (Some("https://chat.example.org:8443"), Verdict::Foreign),
            (Some("null"), Verdict::Foreign),
            (Some("capacitor://chat.example.org"), Verdict::Foreign),
            (Some("https://chat.example.org/"), Verdict::Own),
            (Some("https://chat.example.org/x"), Verdict::Foreign),
            (Some("https://u@chat.example.org"), Verdict::Foreign),
            (Some(""), Verdict::Foreign),
        ] {
            let headers = request("chat.example.org", origin);
            assert_eq!(origins.verdict(&headers, None), verdict, "{origin:?}");
        }
        let headers = request("chat.example.org", Some("null"));
        assert_eq!(listing(&["*"]).verdict(&headers, None), Verdict::Any);
    }

    #[test]
    fn a_page_is_our_own_however_its_host_is_written() {
        for (host, origin, own) in [
            ("chat.example.org:443", "https://chat.example.org", true),
            ("chat.example.org", "https://chat.example.org:443", true),
            ("chat.example.org:80", "http://chat.example.org", true),
            ("chat.example.org:80", "https://chat.example.org", false),
            ("chat.example.org:443", "http://chat.example.org", false),
            ("chat.example.org:8443", "https://chat.example.org", false),
            ("CHAT.Example.org", "https://chat.example.org", true),
            ("chat.example.org.", "https://chat.example.org", true),
            ("chat.example.org", "https://chat.example.org.", true),
            ("chat.example.org.:443", "https://chat.example.org", true),
            ("xn--mnchen-3ya.de", "https://xn--mnchen-3ya.de", true),
            ("[::1]:8080", "http://[::1]:8080", true),
            ("[0:0:0:0:0:0:0:1]:8080", "http://[::1]:8080", true),
            ("[2001:DB8::1]:443", "https://[2001:db8::1]", true),
            ("[::1]:8081", "http://[::1]:8080", false),
            ("evil.example", "https://chat.example.org", false),
            (
                "chat.example.org@evil.example",
                "https://evil.example",
                false,
            ),
            (
                "evil.example/chat.example.org",
                "https://evil.example",
                false,
            ),
            ("", "https://chat.example.org", false),
        ] {
            let verdict = Origins::default().verdict(&request(host, Some(origin)), None);
            assert_eq!(verdict == Verdict::Own, own, "{host} {origin}");
        }
    }

    #[test]
    fn a_page_that_came_without_tls_is_not_the_page_of_a_server_that_speaks_it() {
        let peer = "9.9.9.9:1".parse().unwrap();
        for (tls, origin, own) in [
            (true, "http://chat.example.org", false),
            (true, "https://chat.example.org", true),
            (false, "http://chat.example.org", true),
            // A proxy may speak it that is not believed.
            (false, "https://chat.example.org", true),
        ] {
            let headers = request("chat.example.org", Some(origin));
            let sender = TrustedProxies::default().sender(peer, tls, &headers);
            let verdict = Origins::default().verdict(&headers, Some(&sender));
            assert_eq!(verdict == Verdict::Own, own, "{tls} {origin}");
        }
    }

    #[test]
    fn a_believed_proxy_says_how_the_page_was_called_and_a_stranger_does_not() {
        let proxies = TrustedProxies::new(["127.0.0.1".parse().unwrap()]);
        let origin = "https://chat.example.org";
        for (peer, name, value, own) in [
            ("127.0.0.1:1", "x-forwarded-host", "chat.example.org", true),
            (
                "127.0.0.1:1",
                "x-forwarded-host",
                "chat.example.org:443",
                true,
            ),
            ("127.0.0.1:1", "x-forwarded-host", "evil.example", false),
            (
                "127.0.0.1:1",
                "forwarded",
                "host=\"chat.example.org\"",
                true,
            ),
            ("9.9.9.9:1", "x-forwarded-host", "chat.example.org", false),
            ("9.9.9.9:1", "forwarded", "host=chat.example.org", false),
        ] {
            let mut headers = request("127.0.0.1:8080", Some(origin));
            headers.insert(name, value.parse().unwrap());
            let sender = proxies.sender(peer.parse().unwrap(), false, &headers);
            let verdict = Origins::default().verdict(&headers, Some(&sender));
            assert_eq!(verdict == Verdict::Own, own, "{peer} {name}: {value}");
        }
        // nginx's $host leaves the port out, and another header may name it.
        let mut headers = request("chat.example.org", Some("https://chat.example.org:8443"));
        headers.insert("x-forwarded-port", "8443".parse().unwrap());
        let sender = proxies.sender("127.0.0.1:1".parse().unwrap(), false, &headers);
        let verdict = Origins::default().verdict(&headers, Some(&sender));
        assert_eq!(verdict, Verdict::Own);
    }

    #[test]
    fn the_public_url_names_our_own_page_whatever_arrives_as_host() {
        let public: PublicUrl = "https://chat.example.org/talk".parse().unwrap();
        let origins = Origins::default().at_home(Some(public));
        for (origin, verdict) in [
            ("https://chat.example.org", Verdict::Own),
            ("https://CHAT.example.org:443", Verdict::Own),
            ("http://chat.example.org", Verdict::Foreign),
            ("http://127.0.0.1:8080", Verdict::Own),
        ] {
            let headers = request("127.0.0.1:8080", Some(origin));
            assert_eq!(origins.verdict(&headers, None), verdict, "{origin}");
        }
    }

    #[test]
    fn every_origin_that_is_taken_lets_the_page_in_that_it_names() {
        for (given, sent) in [
            ("https://app.example.org", "https://app.example.org"),
            ("https://app.example.org/", "https://app.example.org"),
            (" https://app.example.org ", "https://app.example.org"),
            ("HTTPS://App.Example.ORG", "https://app.example.org"),
            ("https://app.example.org:443", "https://app.example.org"),
            ("http://app.example.org:80/", "http://app.example.org"),
            ("https://app.example.org.", "https://app.example.org"),
            ("https://münchen.de", "https://xn--mnchen-3ya.de"),
            ("http://[0:0::1]:3000", "http://[::1]:3000"),
            ("http://127.1:3000", "http://127.0.0.1:3000"),
            ("http://my_app.example.org", "http://my_app.example.org"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("ionic://localhost", "ionic://localhost"),
            ("tauri://localhost", "tauri://localhost"),
            ("http://tauri.localhost", "http://tauri.localhost"),
            ("Tauri://LOCALHOST/", "tauri://localhost"),
            ("app://obsidian.md", "app://obsidian.md"),
            ("app://-", "app://-"),
            ("app://.", "app://."),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            ("moz-extension://1b-2c", "moz-extension://1b-2c"),
            (
                "safari-web-extension://1B-2C",
                "safari-web-extension://1B-2C",
            ),
            ("vscode-webview://1b2c", "vscode-webview://1b2c"),
            ("null", "null"),
            ("null", "file://"),
        ] {
            let headers = request("chat.example.org", Some(sent));
            let verdict = listing(&[given]).verdict(&headers, None);
            assert_eq!(verdict, Verdict::Listed, "{given} {sent}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for (text, error) in [
            ("", OriginError::Malformed),
            ("app.example.org", OriginError::Malformed),
            ("app.example.org:8080", OriginError::Malformed),
            ("localhost:3000", OriginError::Malformed),
            ("https://", OriginError::Malformed),
            ("https://.", OriginError::Malformed),
            ("https://a/b", OriginError::Malformed),
            ("https://a?b", OriginError::Malformed),
            ("https://a#b", OriginError::Malformed),
            ("https:\\\\a", OriginError::Malformed),
            ("ftp://a", OriginError::Malformed),
            ("https://a b", OriginError::Malformed),
            ("https://u@a", OriginError::Malformed),
            ("https://a:99999", OriginError::Malformed),
            ("capacitor://", OriginError::Malformed),
            ("capacitor://localhost/x", OriginError::Malformed),
            ("mailto:ada@example.org", OriginError::Malformed),
            ("https://*.example.org", OriginError::Wildcard),
            ("https://*", OriginError::Wildcard),
            ("file://", OriginError::File),
            ("wss://app.example.org", OriginError::WebSocket),
        ] {
            assert_eq!(Origins::new([text.to_owned()]).err(), Some(error), "{text}");
        }
    }
}
