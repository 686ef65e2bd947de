//! Bodies of responses, whole or streamed.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use crate::budget::Portion;

/// The body of every response: most are there as a whole; a file is streamed.
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// All of it, and accounted for: it is counted until it is written, or in memory anyway.
    Kept(Bytes),
    /// In pieces. In a box, so that the others need not be as large.
    Stream(Pin<Box<dyn hyper::body::Body<Data = Bytes, Error = io::Error> + Send>>),
}

/// A body and its portion of what answers may take.
struct Counted {
    bytes: Bytes,
    _portion: Portion,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Body {
    /// A body that comes in pieces.
    pub fn stream(
        body: impl hyper::body::Body<Data = Bytes, Error = io::Error> + Send + 'static,
    ) -> Self {
        Self::Stream(Box::pin(body))
    }

    /// A body whose portion is given back when the last of it is written or dropped, wherever it
    /// waits until then.
    pub fn counted(bytes: Bytes, portion: Portion) -> Self {
        Self::Kept(Bytes::from_owner(Counted {
            bytes,
            _portion: portion,
        }))
    }
}

impl Default for Body {
    /// No body.
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(body: T) -> Self {
        Self::Whole(body.into())
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
            Self::Whole(body) | Self::Kept(body) if body.is_empty() => Poll::Ready(None),
            Self::Whole(body) | Self::Kept(body) => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(body)))))
            }
            Self::Stream(body) => body.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) | Self::Kept(body) => body.is_empty(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) | Self::Kept(body) => SizeHint::with_exact(body.len() as u64),
            Self::Stream(body) => body.size_hint(),
        }
    }
}
