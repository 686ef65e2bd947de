//! One GET by TLS: bounded in bytes and in time, and led nowhere else.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::AbortOnDropHandle;

use super::{HttpsUrl, RootsError, Trust};

/// 10 s: a server that answers later is as good as gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// 1 MiB: key sets of large identity providers have some 10 KiB.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no connection.
    #[error("it cannot be reached")]
    Unreachable(#[source] std::io::Error),
    /// The certificate is not trusted, or it speaks no TLS.
    #[error("no TLS with it")]
    Tls(#[source] std::io::Error),
    /// Its name can be in no certificate.
    #[error("its name is none that a certificate can have")]
    Name,
    /// It speaks no HTTP.
    #[error("no answer that can be read")]
    Http(#[source] hyper::Error),
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
        let name = ServerName::try_from(url.host().to_owned()).map_err(|_| FetchError::Name)?;
        let stream = TcpStream::connect((url.host(), url.port()))
            .await
            .map_err(FetchError::Unreachable)?;
        let connector = TlsConnector::from(Arc::clone(&self.0.0));
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(FetchError::Tls)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(FetchError::Http)?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = Request::get(url.path_and_query())
            .header(HOST, url.authority())
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("chatd/", env!("CARGO_PKG_VERSION")))
            .body(Empty::<Bytes>::new())
            .expect("a parsed URL makes a valid request");
        let response = sender
            .send_request(request)
            .await
            .map_err(FetchError::Http)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
        let body = body.collect().await.map_err(|_| FetchError::Body)?;
        Ok(body.to_bytes())
    }
}
