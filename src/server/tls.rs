//! TLS inside: certificates and their key from files, and what is spoken above it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// How long a client may take to agree on a key.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// HTTP/2 where the client knows it; browsers open a second connection by HTTP/1.1 for a WebSocket.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where the certificates and their key are, in PEM form. They are read again whenever they change.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and its authority.
    pub cert: PathBuf,
    /// The private key of the first.
    pub key: PathBuf,
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// There is no certificate.
    #[error("there is no certificate in PEM form in the file that --tls-cert names")]
    NoCertificate,
    /// There is no key.
    #[error("there is no private key in PEM form in the file that --tls-key names")]
    NoKey,
    /// The two do not go together, or cannot be used.
    #[error("the certificate and the key cannot be used together")]
    Unusable(#[source] rustls::Error),
}

/// What a TLS handshake needs, as it is now.
pub(super) struct Tls {
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    pub(super) fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|error| TlsError::Read {
                path: path.clone(),
                error,
            })
        };
        let config = config(&read(&files.cert)?, &read(&files.key)?)?;
        Ok(Self {
            config: RwLock::new(config),
        })
    }

    /// Takes these in place of the earlier ones, for the connections that come.
    pub(super) fn replace(&self, cert: &str, key: &str) -> Result<(), TlsError> {
        let config = config(cert, key)?;
        *self.config.write() = config;
        Ok(())
    }

    /// Agrees with a client, and says whether on HTTP/2. `None` where that failed, or took too long.
    pub(super) async fn accept(&self, stream: TcpStream) -> Option<(TlsStream<TcpStream>, bool)> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config.read()));
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let http2 = stream.get_ref().1.alpn_protocol() == Some(PROTOCOLS[0]);
                Some((stream, http2))
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!("a TLS handshake took too long");
                None
            }
        }
    }
}

fn config(cert: &str, key: &str) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(cert.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::NoCertificate)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| TlsError::NoKey)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(TlsError::Unusable)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}
