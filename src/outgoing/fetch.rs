//! One GET by TLS: bounded in bytes and in time, and led nowhere else.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::{Request, StatusCode};

use super::connection::Connection;
use super::{HttpsUrl, OutboundError, RootsError, Trust};

/// 10 s: a server that answers later is as good as gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// 1 MiB: key sets of large identity providers have some 10 KiB.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no answer.
    #[error(transparent)]
    Unanswered(#[from] OutboundError),
    /// The answer is another than 200: redirects are not followed.
    #[error("it answers {0}")]
    Status(StatusCode),
    /// The answer is cut off, or too long.
    #[error("the answer is cut off, or longer than {MAX_ANSWER_BYTES} bytes")]
    Body,
    /// Nothing whole came in time.
    #[error("no whole answer within {} s", PATIENCE.as_secs())]
    Slow,
}

impl FetchError {
    /// The error and its cause, for one line of a log.
    pub fn line(&self) -> String {
        match self.source() {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}

/// Asks servers by `https`.
#[derive(Clone)]
pub struct Fetcher(Trust);

impl Fetcher {
    /// Trusts the authorities that browsers trust, and those whose certificates are in this text in
    /// PEM form.
    pub fn trusting(pem: Option<&str>) -> Result<Self, RootsError> {
        Trust::with(pem).map(Self)
    }

    /// Returns what is at a URL.
    pub async fn get(&self, url: &HttpsUrl) -> Result<Bytes, FetchError> {
        let asking = tokio::time::timeout(PATIENCE, self.try_get(url));
        asking.await.unwrap_or(Err(FetchError::Slow))
    }

    async fn try_get(&self, url: &HttpsUrl) -> Result<Bytes, FetchError> {
        let found = tokio::net::lookup_host((url.host(), url.port())).await;
        let found = found.map_err(OutboundError::Unresolved)?;
        let addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
        let mut connection = Connection::open(&self.0, url, &addresses).await?;
        let request = Request::get(url.path_and_query())
            .header(HOST, url.authority())
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("chatd/", env!("CARGO_PKG_VERSION")))
            .body(Full::default())
            .expect("a parsed URL makes a valid request");
        let response = connection.sender.send_request(request).await;
        let response = response.map_err(OutboundError::Http)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
        let body = body.collect().await.map_err(|_| FetchError::Body)?;
        Ok(body.to_bytes())
    }
}
