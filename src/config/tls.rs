//! Where certificates come from.

use std::path::PathBuf;

/// Where the certificates and their key are, in PEM form. They are read again whenever they change.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and its authority.
    pub cert: PathBuf,
    /// The private key of the first.
    pub key: PathBuf,
}

/// An authority that gives certificates to whoever it reaches under a name.
#[derive(Debug, Clone)]
pub struct Acme {
    /// The names.
    pub domains: Vec<String>,
    /// The authority's directory; Let's Encrypt's, unless said otherwise.
    pub directory: Option<String>,
    /// By what certificate, in PEM form, the authority's own HTTPS is trusted, where it is a private one.
    pub root: Option<String>,
    /// The folder that keeps the account's key and the certificates; made if absent, for its owner alone.
    pub cache: PathBuf,
}

/// Where certificates come from.
#[derive(Debug, Clone)]
pub enum TlsSource {
    /// From files.
    Files(TlsFiles),
    /// From an authority.
    Acme(Acme),
}
