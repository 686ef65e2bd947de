//! TLS inside: certificates and their key from files, or from an authority by ACME (RFC 8555, RFC
//! 8737), and what is spoken above it.

use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use parking_lot::RwLock;
use rustls_acme::caches::DirCache;
use rustls_acme::{AcmeConfig, EventOk, is_tls_alpn_challenge};
use tokio::io::AsyncWriteExt;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::plain;
use super::turns::Turns;
use crate::config::{Acme, TlsFiles};
use crate::web::{Seldom, Stream};

/// The most time for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// HTTP/2 where the client knows it; browsers open a second connection by HTTP/1.1 for a WebSocket.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The reason that TLS cannot be spoken.
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
    /// The folder for the authority's certificates cannot be made.
    #[error("the folder {path} cannot be made")]
    Cache {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// The folder for the authority's certificates, or the link to it, is another user's.
    #[error(
        "the folder {0} is another user's, who would read the certificate's key: remove it, or give another --data"
    )]
    ForeignCache(PathBuf),
    /// The certificate by which the authority is to be trusted is none.
    #[error("there is no certificate in PEM form in the file that --acme-root names")]
    NoRoot,
    /// The two do not go together, or cannot be used.
    #[error("the certificate and the key cannot be used together")]
    Unusable(#[source] rustls::Error),
}

/// The present certificates and keys, for the handshakes that come.
pub(super) struct Tls {
    config: RwLock<Arc<ServerConfig>>,
    /// The answer to the authority's challenge, which proves that this is the host of that name.
    challenge: Option<Arc<ServerConfig>>,
    turns: Turns,
    plain: Seldom,
}

/// Sees to it that no other user can look into a folder for keys, or has put it there.
fn keep_private(folder: &Path) -> Result<(), TlsError> {
    let failed = |error| TlsError::Cache {
        path: folder.to_owned(),
        error,
    };
    let ours = rustix::process::geteuid().as_raw();
    let link = std::fs::symlink_metadata(folder).map_err(failed)?;
    let opened = std::fs::File::open(folder).map_err(failed)?;
    let found = opened.metadata().map_err(failed)?;
    if ![link.uid(), found.uid()]
        .iter()
        .all(|owner| *owner == ours || *owner == 0)
    {
        return Err(TlsError::ForeignCache(folder.to_owned()));
    }
    if found.uid() == ours && found.mode() & 0o077 != 0 {
        let private = std::fs::Permissions::from_mode(0o700);
        opened.set_permissions(private).map_err(failed)?;
    }
    Ok(())
}

/// The conversation with the authority.
pub(super) type AcmeState = rustls_acme::AcmeState<std::io::Error>;

impl Tls {
    /// With certificates of an authority. They are asked for, and renewed, for as long as the state
    /// is polled.
    pub(super) fn by_acme(acme: &Acme) -> Result<(Self, AcmeState), TlsError> {
        let mut builder = std::fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(&acme.cache)
            .map_err(|error| TlsError::Cache {
                path: acme.cache.clone(),
                error,
            })?;
        keep_private(&acme.cache)?;
        let provider = Arc::new(default_provider());
        let mut config = AcmeConfig::new_with_provider(&acme.domains, Arc::clone(&provider))
            .cache(DirCache::new(acme.cache.clone()))
            .directory_lets_encrypt(true);
        if let Some(directory) = &acme.directory {
            config = config.directory(directory);
        }
        if let Some(root) = &acme.root {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(root.as_bytes()) {
                let certificate = certificate.map_err(|_| TlsError::NoRoot)?;
                roots.add(certificate).map_err(TlsError::Unusable)?;
            }
            if roots.is_empty() {
                return Err(TlsError::NoRoot);
            }
            let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .map_err(TlsError::Unusable)?;
            let client = client.with_root_certificates(roots).with_no_client_auth();
            config = config.client_tls_config(Arc::new(client));
        }
        let state = config.state();
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?
            .with_no_client_auth()
            .with_cert_resolver(state.resolver());
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        let tls = Self {
            config: RwLock::new(Arc::new(config)),
            challenge: Some(state.challenge_rustls_config_with_provider(provider)),
            turns: Turns::default(),
            plain: Seldom::default(),
        };
        Ok((tls, state))
    }

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
            challenge: None,
            turns: Turns::default(),
            plain: Seldom::default(),
        })
    }

    /// Takes these in place of the earlier ones, for the connections that come.
    pub(super) fn replace(&self, cert: &str, key: &str) -> Result<(), TlsError> {
        let config = config(cert, key)?;
        *self.config.write() = config;
        Ok(())
    }

    /// `None` where it was the authority that came to look, or who does not speak TLS.
    async fn shake_hands(
        &self,
        stream: Stream,
        address: IpAddr,
    ) -> std::io::Result<Option<TlsStream<Stream>>> {
        if plain::is_spoken(&stream).await? {
            if let Some(count) = self.plain.now() {
                tracing::info!(
                    count,
                    "plain HTTP was spoken to the port of HTTPS: begin the address with https://"
                );
            }
            plain::answer(stream).await?;
            return Ok(None);
        }
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        if let Some(challenge) = &self.challenge
            && is_tls_alpn_challenge(&start.client_hello())
        {
            tracing::debug!("the authority looks whether this is the host of a name");
            let shaken = start.into_stream(Arc::clone(challenge));
            let mut stream = self.turns.take(address, shaken).await?;
            stream.shutdown().await?;
            return Ok(None);
        }
        let config = Arc::clone(&self.config.read());
        let accepted = self.turns.take(address, start.into_stream(config)).await;
        accepted.map(Some)
    }

    /// Agrees with a client, and says whether on HTTP/2. `None` where that failed, or took too
    /// long.
    pub(super) async fn accept(
        &self,
        stream: Stream,
        address: IpAddr,
    ) -> Option<(TlsStream<Stream>, bool)> {
        let shaken = self.shake_hands(stream, address);
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, shaken).await {
            Ok(Ok(None)) => None,
            Ok(Ok(Some(stream))) => {
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

/// Keeps the conversation with the authority going; never ends.
pub(super) async fn renew(mut state: AcmeState) {
    while let Some(event) = state.next().await {
        match event {
            Ok(EventOk::DeployedCachedCert | EventOk::DeployedNewCert) => {
                tracing::info!("the authority's certificate is in use");
            }
            Ok(EventOk::CertCacheStore | EventOk::AccountCacheStore) => {}
            Err(error) => {
                tracing::warn!(%error, "the authority gave no certificate; it is asked again");
            }
        }
    }
}

fn config(cert: &str, key: &str) -> Result<Arc<ServerConfig>, TlsError> {
    // Behind a byte order mark, as editors put it first, the first one would be passed over.
    let [cert, key] = [cert, key].map(|pem| pem.trim_start_matches('\u{feff}'));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_for_keys_is_closed_to_others_and_may_not_be_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        std::fs::set_permissions(&keys, PermissionsExt::from_mode(0o755)).unwrap();
        keep_private(&keys).unwrap();
        assert_eq!(keys.metadata().unwrap().mode() & 0o7777, 0o700);
        // Only the superuser can make a folder another's.
        if std::os::unix::fs::chown(&keys, Some(1), None).is_ok() {
            let refused = keep_private(&keys);
            assert!(matches!(refused, Err(TlsError::ForeignCache(_))));
            std::os::unix::fs::chown(&keys, Some(0), None).unwrap();
            let link = folder.path().join("link");
            std::os::unix::fs::symlink(&keys, &link).unwrap();
            keep_private(&link).unwrap();
            std::os::unix::fs::lchown(&link, Some(1), None).unwrap();
            let refused = keep_private(&link);
            assert!(matches!(refused, Err(TlsError::ForeignCache(_))));
        }
    }
}
