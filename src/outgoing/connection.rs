//! One connection to a target: to an address that was looked at, and to no other.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::AbortOnDropHandle;

use super::{OutboundError, Target, Trust};

/// 3 s: an address that has not answered by then lets the next one have a try.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;
/// 16 KiB: the head of an answer.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Headers of an answer.
const MAX_HEADERS: usize = 64;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open connection, over which one request goes at a time.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    pub(super) opened_at: Instant,
    /// What reads and writes it; it ends with this.
    _driver: AbortOnDropHandle<hyper::Result<()>>,
}

impl Connection {
    /// Opens one to the first of the addresses that answers.
    pub(super) async fn open(
        trust: &Trust,
        target: &Target,
        addresses: &[IpAddr],
    ) -> Result<Self, OutboundError> {
        let stream = connect(addresses, target.port()).await?;
        let stream: Box<dyn Stream> = if target.is_https() {
            let name =
                ServerName::try_from(target.host().to_owned()).map_err(|_| OutboundError::Name)?;
            let connector = TlsConnector::from(Arc::clone(&trust.0));
            let stream = connector.connect(name, stream).await;
            Box::new(stream.map_err(OutboundError::Tls)?)
        } else {
            Box::new(stream)
        };
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(OutboundError::Http)?;
        Ok(Self {
            sender,
            opened_at: Instant::now(),
            _driver: AbortOnDropHandle::new(tokio::spawn(driver)),
        })
    }
}

async fn connect(addresses: &[IpAddr], port: u16) -> Result<TcpStream, OutboundError> {
    let mut last = std::io::Error::from(std::io::ErrorKind::TimedOut);
    for address in addresses.iter().take(MAX_ADDRESSES) {
        let connecting = TcpStream::connect(SocketAddr::new(*address, port));
        match timeout(CONNECT_PATIENCE, connecting).await {
            Ok(Ok(stream)) => {
                // A request is written whole: nothing is to wait for more of it.
                drop(stream.set_nodelay(true));
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = std::io::ErrorKind::TimedOut.into(),
        }
    }
    Err(OutboundError::Unreachable(last))
}
