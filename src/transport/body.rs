//! Reading the body of a request, up to a limit.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

/// How much of a body that is too large is read and dropped before the refusal: a client that is still sending when the
/// connection is closed sees a broken connection and no refusal. 8 MiB; larger ones are cut off.
const DRAINED: usize = 8 << 20;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is over the limit.
    #[error("the body is over the limit")]
    TooLarge,
    /// It did not arrive in time, or its connection broke.
    #[error("the body did not arrive")]
    Incomplete,
}

/// The whole body, of at most `limit` bytes, if it arrives within `timeout`.
pub async fn read_body(
    body: Incoming,
    limit: usize,
    timeout: Duration,
) -> Result<Bytes, BodyError> {
    tokio::time::timeout(timeout, read(body, limit))
        .await
        .unwrap_or(Err(BodyError::Incomplete))
}

async fn read(mut body: Incoming, limit: usize) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > (limit + DRAINED) as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut whole = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Incomplete)?.into_data() else {
            continue;
        };
        length += data.len();
        if length <= limit {
            whole.extend_from_slice(&data);
        } else if length <= limit + DRAINED {
            whole = BytesMut::new();
        } else {
            break;
        }
    }
    if length > limit {
        Err(BodyError::TooLarge)
    } else {
        Ok(whole.freeze())
    }
}
