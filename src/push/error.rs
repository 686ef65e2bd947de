//! Why nobody can be pushed to.

use super::encrypt::EncryptError;
use crate::store::StoreError;

/// Why a verb of pushes failed. The text is for the developer of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The id is another than that of the endpoint.
    #[error("the id must be the SHA-256 of the endpoint in base64url, without padding")]
    Id,
    /// The endpoint is none that may be spoken to.
    #[error("endpoint must be an https: URL of at most 2048 bytes, of a public address")]
    Endpoint,
    /// The browser's public key is none.
    #[error("keys.p256dh must be an uncompressed point of P-256, 65 bytes in base64url")]
    Point,
    /// The browser's secret is none.
    #[error("keys.auth must be 16 bytes in base64url")]
    Auth,
    /// The caller has no subscription of this id, or none at all.
    #[error("no such subscription")]
    NoSuchSubscription,
    /// The server has more to write than it can: try again in a second.
    #[error("the server is busy, try again shortly")]
    Busy,
    /// The disk refused, or there is no place for more.
    #[error("the subscription cannot be kept now")]
    Unavailable,
}

impl From<EncryptError> for PushError {
    fn from(_: EncryptError) -> Self {
        Self::Point
    }
}

impl From<StoreError> for PushError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::Busy,
            error @ (StoreError::Damaged { .. } | StoreError::Database(_)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the store failed a request");
                Self::Unavailable
            }
            _ => Self::Unavailable,
        }
    }
}
