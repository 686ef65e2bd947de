//! How long a connection of HTTP/1.1 is kept for the next request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};
use tokio::time::Instant;

use super::places::Visit;

/// 30 s for the head of a request, from its first byte to its last; and for the first byte of the
/// first one.
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// 3 min between two requests, as by HTTP/2. Proxies keep a connection for one to two minutes: were
/// it closed here first, what is asked by it in that moment would fail, and a proxy asks for
/// nothing twice that may change something.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(180);

/// The timer of one connection's heads.
pub(super) struct Heads(pub(super) Arc<Visit>);

impl Timer for Heads {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        let visit = Arc::clone(&self.0);
        visit.traffic.listen();
        Box::pin(Awaited {
            visit,
            deadline: deadline.into(),
            look: Box::pin(tokio::time::sleep(HEADER_TIMEOUT)),
        })
    }

    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }
}

/// Completes where the next head took too long, or did not begin.
struct Awaited {
    visit: Arc<Visit>,
    deadline: Instant,
    /// When is looked again.
    look: Pin<Box<tokio::time::Sleep>>,
}

impl Future for Awaited {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let awaited = self.get_mut();
        loop {
            ready!(awaited.look.as_mut().poll(cx));
            let now = Instant::now();
            let most = match awaited.visit.traffic.heard() {
                Some(since) => HEADER_TIMEOUT.saturating_sub(since),
                None if awaited.visit.has_asked() => HEADER_TIMEOUT.min(awaited.deadline - now),
                None => Duration::ZERO,
            };
            if most.is_zero() {
                return Poll::Ready(());
            }
            awaited.look.as_mut().reset(now + most);
        }
    }
}

impl Sleep for Awaited {}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::config::ConnectionLimits;
    use crate::metrics::ConnectionMetrics;
    use crate::server::places::Places;

    /// For how many seconds the next head is awaited whose first byte comes after so many.
    async fn awaited(visit: &Arc<Visit>, first: Option<u64>) -> u64 {
        let began = Instant::now();
        let sends = async {
            if let Some(first) = first {
                sleep(Duration::from_secs(first)).await;
                visit.traffic.hear();
            }
        };
        tokio::join!(Heads(Arc::clone(visit)).sleep(IDLE_TIMEOUT), sends);
        began.elapsed().as_secs()
    }

    /// It was closed after 30 s, and a proxy that asked by it in that moment told its client 502.
    #[tokio::test(start_paused = true)]
    async fn a_connection_is_kept_between_requests_for_longer_than_proxies_keep_it() {
        let places = Places::new(ConnectionLimits::default(), ConnectionMetrics::default());
        let visit = places.apart();
        assert_eq!(awaited(&visit, None).await, 30, "nothing was ever asked");
        assert_eq!(awaited(&visit, Some(20)).await, 50, "half a first head");
        drop(visit.request());
        assert_eq!(awaited(&visit, None).await, 180);
        assert_eq!(awaited(&visit, Some(100)).await, 130, "half a head");
    }
}
