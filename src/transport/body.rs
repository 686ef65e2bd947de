//! Bodies: of responses, whole or streamed, and of requests, read up to a limit.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};

use crate::budget::{Pool, Share};

/// The body of every response: most are there as a whole; a file is streamed.
pub enum Body {
    /// All of it.
    Whole(Full<Bytes>),
    /// In pieces. In a box, so that the others need not be as large.
    Stream(Pin<Box<dyn hyper::body::Body<Data = Bytes, Error = io::Error> + Send>>),
}

impl Body {
    /// A body that comes in pieces.
    pub fn stream(
        body: impl hyper::body::Body<Data = Bytes, Error = io::Error> + Send + 'static,
    ) -> Self {
        Self::Stream(Box::pin(body))
    }
}

impl Default for Body {
    /// No body.
    fn default() -> Self {
        Self::Whole(Full::default())
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(body: T) -> Self {
        Self::Whole(Full::new(body.into()))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|never| match never {}),
            Self::Stream(body) => body.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// How much of a body that is too large is read and dropped before the refusal: a client that is still sending when the
/// connection is closed sees a broken connection and no refusal. 8 MiB; larger ones are cut off.
const DRAINED: usize = 8 << 20;

/// 32 KiB of what one connection has half received are not counted: more than a message of the chat has, so that those
/// who fill the pool with larger ones keep nobody from talking.
pub(super) const UNCOUNTED: usize = 32 << 10;

/// Why a body was not read.
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

/// Returns the whole body, of at most `limit` bytes, if it arrives within `timeout`. A large one is counted until then.
pub async fn read_body(
    body: Incoming,
    limit: usize,
    timeout: Duration,
    half_received: Option<&Pool>,
) -> Result<Bytes, BodyError> {
    tokio::time::timeout(timeout, read(body, limit, half_received))
        .await
        .unwrap_or(Err(BodyError::Incomplete))
}

async fn read(
    mut body: Incoming,
    limit: usize,
    half_received: Option<&Pool>,
) -> Result<Bytes, BodyError> {
    let mut share = half_received.and_then(|pool| pool.take(0));
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
            let counted = share.as_ref().map_or(length, Share::bytes);
            let more = length.saturating_sub(counted.max(UNCOUNTED));
            if more > 0
                && let Some(share) = &mut share
                && !share.grow(more.next_multiple_of(UNCOUNTED))
            {
                return Err(BodyError::NoRoom);
            }
            whole.extend_from_slice(&data);
        } else if length <= limit + DRAINED {
            whole = BytesMut::new();
            share = None;
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
