//! Why a server ended otherwise than it was asked to.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::demo::DemoError;
use super::tls::TlsError;
use crate::chat::ChatError;
use crate::store::{OpenError, StoreError};

/// The reason that a server ended otherwise than it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The data could not be read.
    #[error("the data file cannot be read")]
    Store(#[from] StoreError),
    /// The metrics' address cannot be listened on.
    #[error("cannot listen for metrics on {0}, give another --metrics-listen")]
    Metrics(SocketAddr, #[source] std::io::Error),
    /// The folder of files cannot be used: another server does, or it is none.
    #[error("the folder of files {} cannot be used, give another --files", .0.display())]
    Files(PathBuf, #[source] std::io::Error),
    /// TLS cannot be spoken.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is nothing to be looked at.
    #[error("the demonstration cannot be prepared")]
    Demo(#[from] DemoError),
    /// What is older than retention allows is there still, some of it.
    #[error("what is older than --retention allows is not all erased, try again")]
    Retention(#[source] ChatError),
    /// The disk did not take in time what was queued.
    #[error(
        "the disk did not take what was still queued within --shutdown-grace; what is confirmed is safe, and the next start checks the file"
    )]
    Unclosed,
    /// A task that must not end has ended: it panicked, or its thread did. The log has the rest.
    #[error("the server's {0} ended unexpectedly; what is confirmed is safe, start it again")]
    Broken(&'static str),
}
