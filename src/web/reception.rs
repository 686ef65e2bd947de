//! Bodies of requests, read up to a limit.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::header;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

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

/// The part of a body that is too large that is read and dropped before the refusal: a client that
/// is still sending when the connection is closed sees a broken connection and no refusal. 8 MiB;
/// larger ones are cut off.
const DRAINED: usize = 8 << 20;

/// 5 s: what is left of a body that is not wanted is read for so long,
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);
/// 1 s: and for as long as something of it comes within so much.
const DRAIN_PAUSE: Duration = Duration::from_secs(1);

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
    request: Request<Incoming>,
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
    mut body: Incoming,
    limit: usize,
    mut portion: Option<Portion>,
    uncounted: usize,
) -> Result<Bytes, BodyError> {
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
            if length > uncounted
                && let Some(portion) = &mut portion
                && !portion.grow(length - uncounted - portion.bytes())
            {
                return Err(BodyError::NoRoom);
            }
            whole.extend_from_slice(&data);
        } else if length <= limit + DRAINED {
            whole = BytesMut::new();
            portion = None;
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

/// Reads and drops what is left of a body that is not wanted, before the answer: a client that is
/// still sending when its connection is closed, or its stream of HTTP/2 reset, may see that alone.
/// One that waits to be asked for its body is not asked; more than 8 MiB is cut off.
pub async fn drain(mut request: Request<Incoming>) {
    let body = request.body();
    let is_long = body.size_hint().lower() > DRAINED as u64;
    if body.is_end_stream() || is_long || request.headers().contains_key(header::EXPECT) {
        return;
    }
    let reception: Option<Reception> = request.extensions().get().cloned();
    let ended = async {
        match &reception {
            Some(reception) => reception.stopping.cancelled().await,
            None => std::future::pending().await,
        }
    };
    let draining = async {
        let mut length = 0;
        while length <= DRAINED
            && let Ok(Some(Ok(frame))) = timeout(DRAIN_PAUSE, request.body_mut().frame()).await
        {
            length += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    tokio::select! {
        () = draining => {}
        () = tokio::time::sleep(DRAIN_PATIENCE) => {}
        () = ended => {}
    }
}
