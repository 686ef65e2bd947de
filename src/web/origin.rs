//! Which web pages may speak to this server from a browser: its own, and those of a list.
//!
//! For HTTP the browser asks and obeys (CORS); for a WebSocket nobody asks, so the handshake is checked here. Requests
//! without an `Origin` come from no page and are judged by their token alone.

use std::sync::Arc;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};

/// What a preflight allows.
const METHODS: &str = "GET,HEAD,PUT,PATCH,POST,DELETE";
/// How long a browser may remember a preflight's answer: ten minutes.
const MAX_AGE: &str = "600";

/// The origins besides our own.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    any: bool,
    listed: Arc<[String]>,
}

/// An origin that is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give an origin such as https://app.example.org, without a path, or * for all")]
pub struct OriginError;

/// What a request's `Origin` means for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// There is none, or it is our own: nothing to say.
    Own,
    /// It is on the list.
    Listed,
    /// Every origin is welcome.
    Any,
    /// It is a stranger's.
    Foreign,
}

impl Origins {
    /// Of a list of `scheme://host[:port]`; `*` allows every page.
    pub fn new(origins: impl IntoIterator<Item = String>) -> Result<Self, OriginError> {
        let mut any = false;
        let mut listed = Vec::new();
        for origin in origins {
            let host = origin
                .split_once("://")
                .filter(|(scheme, _)| ["http", "https"].contains(scheme));
            match host {
                _ if origin == "*" => any = true,
                Some((_, host))
                    if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) =>
                {
                    listed.push(origin.to_ascii_lowercase());
                }
                _ => return Err(OriginError),
            }
        }
        Ok(Self {
            any,
            listed: listed.into(),
        })
    }

    fn judge(&self, headers: &HeaderMap) -> Verdict {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Verdict::Own;
        };
        let origin = origin.to_str().unwrap_or_default();
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        // A page that came from this very host; whether by TLS is not known behind a proxy.
        if origin
            .split_once("://")
            .is_some_and(|(_, own)| Some(own) == host)
        {
            return Verdict::Own;
        }
        match (
            self.any,
            self.listed
                .iter()
                .any(|listed| listed.eq_ignore_ascii_case(origin)),
        ) {
            (_, true) => Verdict::Listed,
            (true, _) => Verdict::Any,
            _ => Verdict::Foreign,
        }
    }

    /// Whether the page that sends this request may open a WebSocket.
    pub fn may_connect(&self, headers: &HeaderMap) -> bool {
        self.judge(headers) != Verdict::Foreign
    }

    /// The answer to a preflight; `None` where the request is none, or is a stranger's.
    pub fn preflight<B: Default>(
        &self,
        method: &Method,
        request: &HeaderMap,
    ) -> Option<Response<B>> {
        let asks = *method == Method::OPTIONS
            && request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !asks || !matches!(self.judge(request), Verdict::Listed | Verdict::Any) {
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

    /// What an answer to a request with these headers must say, whatever the answer is.
    pub fn headers(&self, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let mut say = Vec::new();
        match (self.judge(request), request.get(header::ORIGIN)) {
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
        if !self.listed.is_empty() {
            say.push((header::VARY, HeaderValue::from(header::ORIGIN)));
        }
        say
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

    fn request(origin: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("chat.example.org"));
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        headers
    }

    #[test]
    fn our_own_page_and_listed_ones_may_connect_and_strangers_may_not() {
        let origins = Origins::new(["https://app.example.org".to_owned()]).unwrap();
        for (origin, verdict) in [
            (None, Verdict::Own),
            (Some("https://chat.example.org"), Verdict::Own),
            (Some("https://app.example.org"), Verdict::Listed),
            (Some("https://APP.example.org"), Verdict::Listed),
            (Some("http://app.example.org"), Verdict::Foreign),
            (Some("https://app.example.org.evil.net"), Verdict::Foreign),
            (Some("https://chat.example.org:8443"), Verdict::Foreign),
            (Some("null"), Verdict::Foreign),
        ] {
            assert_eq!(origins.judge(&request(origin)), verdict, "{origin:?}");
        }
        let all = Origins::new(["*".to_owned()]).unwrap();
        assert_eq!(all.judge(&request(Some("null"))), Verdict::Any);
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "app.example.org",
            "https://",
            "https://a/b",
            "ftp://a",
            "https://a b",
            "https://u@a",
        ] {
            assert_eq!(
                Origins::new([text.to_owned()]).err(),
                Some(OriginError),
                "{text}"
            );
        }
    }
}
