//! Bodies of requests, read up to a limit.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Body as _;
use tokio_util::sync::CancellationToken;

use super::request_body::RequestBody;
use crate::budget::{HALVES_OF_AN_ADDRESS, Portion, Portions, UNCOUNTED_HALF};

/// The rules by which the bodies of a connection's requests are received. An extension of each
/// request that has a body.
#[derive(Debug, Clone)]
pub struct Reception {
    half_received: Portions,
    address: Option<IpAddr>,
    /// Set while a body is being received whose first bytes are not counted: one at a time of each
    /// connection.
    is_spared: Arc<AtomicBool>,
    /// Cancelled when the server stops: what is not there a moment later is not waited for.
    pub stopping: CancellationToken,
}

impl Reception {
    /// Takes what bodies need from `half_received`.
    pub fn new(half_received: Portions) -> Self {
        Self {
            half_received,
            address: None,
            is_spared: Arc::default(),
            stopping: CancellationToken::new(),
        }
    }

    /// Returns the same for another connection, of an address if it is one that is counted.
    pub fn connection(&self, address: Option<IpAddr>) -> Self {
        Self {
            address,
            is_spared: Arc::default(),
            ..self.clone()
        }
    }

    /// Counts them for this address from now on: a proxy's word may tell more than the connection.
    pub fn set_address(&mut self, address: Option<IpAddr>) {
        self.address = address;
    }

    fn portion(&self) -> Portion {
        self.half_received
            .portion_at(self.address, HALVES_OF_AN_ADDRESS)
    }

    /// Takes the right to bytes that are not counted, unless another body of the connection has it.
    fn spare(&self) -> Option<Spare> {
        let taken = self.is_spared.swap(true, Ordering::Relaxed);
        (!taken).then(|| Spare(Arc::clone(&self.is_spared)))
    }

    async fn ends(&self) {
        self.stopping.cancelled().await;
        tokio::time::sleep(STOP_GRACE).await;
    }
}

/// The right to [`UNCOUNTED_HALF`] bytes, given back when dropped.
struct Spare(Arc<AtomicBool>);

impl Drop for Spare {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// 1 s: what a stopping server waits for the rest of a body.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// The reason that a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is over the limit.
    #[error("the body is over the limit")]
    TooLarge,
    /// It did not arrive in time, or its connection broke.
    #[error("the body did not arrive")]
    Incomplete,
    /// Too much is half received at the moment.
    #[error("there is no room for the body at the moment")]
    NoRoom,
}

/// Returns the whole body, of at most `limit` bytes, if it arrives within `timeout`, and within a
/// second once the server stops. A large one is counted until then.
pub async fn read_body(
    request: Request<RequestBody>,
    limit: usize,
    timeout: Duration,
) -> Result<Bytes, BodyError> {
    let reception: Option<Reception> = request.extensions().get().cloned();
    let portion = reception.as_ref().map(Reception::portion);
    let spare = reception.as_ref().and_then(Reception::spare);
    let uncounted = if spare.is_some() { UNCOUNTED_HALF } else { 0 };
    let ended = async {
        match &reception {
            Some(reception) => reception.ends().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        read = read(request.into_body(), limit, portion, uncounted) => read,
        () = tokio::time::sleep(timeout) => Err(BodyError::Incomplete),
        () = ended => Err(BodyError::Incomplete),
    }
}

async fn read(
    mut body: RequestBody,
    limit: usize,
    mut portion: Option<Portion>,
    uncounted: usize,
) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Incomplete)?.into_data() else {
            continue;
        };
        let length = whole.len() + data.len();
        if length > limit {
            return Err(BodyError::TooLarge);
        }
        if length > uncounted
            && let Some(portion) = &mut portion
            && !portion.grow(length - uncounted - portion.bytes())
        {
            return Err(BodyError::NoRoom);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}
