//! Bodies of requests, none of which is left half read.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::EXPECT;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// 8 MiB: so much of a body that nobody wants is read and dropped. A larger one is cut off.
const DRAINED: usize = 8 << 20;
/// 5 s: what is left of it is read for so long,
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);
/// 1 s: and for as long as something of it comes within so much.
const DRAIN_PAUSE: Duration = Duration::from_secs(1);

/// The body of a request.
///
/// What nobody has read of it when it is dropped is read and dropped beside the answer, up to 8 MiB
/// and for 5 s at most. Else the connection of HTTP/1.1 would be closed, or the stream of HTTP/2
/// reset: a client that is still sending may then see that alone and no answer, and one that sends
/// its next request by that connection sees it break.
#[derive(Debug)]
pub struct RequestBody(Option<Unread>);

/// A body of which not all was read.
#[derive(Debug)]
struct Unread {
    incoming: Incoming,
    /// Whether its client sends nothing of it before it is asked to.
    waits: bool,
    /// Cancelled when the server stops: then what is left is not waited for.
    stopping: CancellationToken,
}

impl RequestBody {
    /// Takes the body of a request, if it has one, until `stopping` is cancelled.
    pub fn of(request: Request<Incoming>, stopping: &CancellationToken) -> Request<Self> {
        let waits = request.headers().contains_key(EXPECT);
        request.map(|incoming| {
            let unread = (!incoming.is_end_stream()).then(|| Unread {
                incoming,
                waits,
                stopping: stopping.clone(),
            });
            Self(unread)
        })
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let Some(unread) = &mut this.0 else {
            return Poll::Ready(None);
        };
        unread.waits = false;
        let polled = Pin::new(&mut unread.incoming).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            this.0 = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let unread = self.0.as_ref();
        unread.is_none_or(|unread| unread.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let unread = self.0.as_ref();
        unread.map_or(SizeHint::with_exact(0), |unread| {
            unread.incoming.size_hint()
        })
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(unread) = self.0.take()
            && !unread.waits
            && !unread.incoming.is_end_stream()
            && unread.incoming.size_hint().lower() <= DRAINED as u64
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(drain(unread.incoming, unread.stopping));
        }
    }
}

async fn drain(mut incoming: Incoming, stopping: CancellationToken) {
    let draining = async {
        let mut length = 0;
        while length <= DRAINED
            && let Ok(Some(Ok(frame))) = timeout(DRAIN_PAUSE, incoming.frame()).await
        {
            length += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    tokio::select! {
        () = draining => {}
        () = tokio::time::sleep(DRAIN_PATIENCE) => {}
        () = stopping.cancelled() => {}
    }
}
