//! Whose certificates are believed.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// Why a private authority cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The text is no PEM.
    #[error("there is no certificate in PEM form in it")]
    Pem,
    /// A certificate is not one of an authority.
    #[error("a certificate in it cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// The authorities whose certificates are believed.
#[derive(Clone)]
pub struct Trust(pub(super) Arc<ClientConfig>);

impl Trust {
    /// Trusts the authorities that browsers trust, and those whose certificates are in this text in
    /// PEM form.
    pub fn with(pem: Option<&str>) -> Result<Self, RootsError> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        if let Some(pem) = pem {
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|_| RootsError::Pem)?;
                roots.add(certificate).map_err(RootsError::Unusable)?;
            }
            if roots.len() == before {
                return Err(RootsError::Pem);
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(RootsError::Unusable)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}
