//! The sources of certificates.

use std::path::PathBuf;

/// The files of a certificate and its key, in PEM form. They are read again whenever they change.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and its authority.
    pub cert: PathBuf,
    /// The private key of the first.
    pub key: PathBuf,
}

/// An authority that gives a certificate to the host that it reaches under a name.
#[derive(Debug, Clone)]
pub struct Acme {
    /// The names.
    pub domains: Vec<String>,
    /// The authority's directory; Let's Encrypt's, unless said otherwise.
    pub directory: Option<String>,
    /// The certificate, in PEM form, by which the authority's own HTTPS is trusted, where it is a
    /// private one.
    pub root: Option<String>,
    /// The folder that keeps the account's key and the certificates; made if absent, for its owner
    /// alone.
    pub cache: PathBuf,
}

/// The source of certificates.
#[derive(Debug, Clone)]
pub enum TlsSource {
    /// From files.
    Files(TlsFiles),
    /// From an authority.
    Acme(Acme),
}
