//! The connections of clients: accepted, counted, given TLS where it is spoken, and served until
//! they end.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::Response;
use hyper::body::Incoming;
use rustix::net::{SendFlags, sockopt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::control::Control;
use super::ending::Ending;
use super::http1::speak_http1;
use super::http2::{Allowance, speak_http2};
use super::places::{NoPlace, Places};
use super::tls::Tls;
use crate::budget::{Budget, LEAST_PART, Portions, SOCKET_BUFFER};
use crate::config::ConnectionLimits;
use crate::limits::{Key, Kind, Limits, Rates};
use crate::metrics::{ConnectionMetrics, Metrics};
use crate::web::{Body, Reception, RequestBody, Seldom, Stream, TrustedProxies, counted};

/// After a failed accept (no more file descriptors, mostly): long enough not to spin, short enough
/// not to be noticed.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The answer to a client for which there is no place, where no TLS is between: stock clients try
/// again.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\
    retry-after: 5\r\nconnection: close\r\n\r\n";

/// The connections that are open; those that became WebSockets are the engine's. Cheap to clone.
#[derive(Clone)]
pub struct Connections {
    /// Spoken on every connection, if there is one.
    tls: Option<Arc<Tls>>,
    limits: Arc<Limits>,
    metrics: ConnectionMetrics,
    reception: Reception,
    streams: Portions,
    proxies: TrustedProxies,
    places: Places,
    tasks: TaskTracker,
    /// Cancelled when bodies that are half received are waited for no longer.
    receiving: CancellationToken,
    ending: Ending,
    refusals: Arc<Seldom>,
    misled: Arc<Seldom>,
    hurried: Arc<Seldom>,
    failures: Arc<Seldom>,
}

impl Default for Connections {
    /// Without TLS and limits of a rate.
    fn default() -> Self {
        let metrics = Metrics::default();
        let limits = Arc::new(Limits::new(&Rates::off(), 0, metrics.limits));
        let (room, proxies) = (ConnectionLimits::default(), TrustedProxies::default());
        let budget = &Budget::default();
        Self::new(room, None, limits, budget, proxies, metrics.connections)
    }
}

impl Connections {
    /// Has room for so many, of which those of `proxies` are not one client's; their handshakes are
    /// limited by `limits`, their bodies and streams by `budget`.
    pub(super) fn new(
        room: ConnectionLimits,
        tls: Option<Arc<Tls>>,
        limits: Arc<Limits>,
        budget: &Budget,
        proxies: TrustedProxies,
        metrics: ConnectionMetrics,
    ) -> Self {
        let reception = Reception::new(budget.half_received.clone());
        let receiving = reception.stopping.clone();
        Self {
            tls,
            limits,
            reception,
            streams: Portions::new(budget.streams.clone(), LEAST_PART),
            proxies,
            places: Places::new(room, metrics.clone()),
            metrics,
            tasks: TaskTracker::new(),
            receiving,
            ending: Ending::default(),
            refusals: Arc::default(),
            misled: Arc::default(),
            hurried: Arc::default(),
            failures: Arc::default(),
        }
    }

    /// Accepts connections and answers their requests, for as long as it is polled.
    pub async fn serve<H, F>(&self, listener: &TcpListener, handle: H)
    where
        H: Fn(Request<RequestBody>, SocketAddr) -> F + Clone + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        if let Err(error) = set_buffers(listener) {
            tracing::debug!(%error, "the buffers of connections have the kernel's sizes");
        }
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.admit(stream, peer, handle.clone()),
                Err(error) => {
                    self.places.shed();
                    if let Some(count) = self.failures.now() {
                        tracing::warn!(%error, count, "connections could not be accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Answers those who come by the control socket, for as long as it is polled.
    pub(super) async fn serve_control<H, F>(&self, control: Option<Control>, handle: H)
    where
        H: Fn(Request<RequestBody>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let Some(control) = control else { return };
        loop {
            match control.accept().await {
                Ok(stream) => {
                    self.tasks.spawn(self.speak_apart(stream, handle.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection of the control socket could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Answers the requests of one connection that takes no place: it is the operator's.
    pub(super) fn speak_apart<I, H, F>(
        &self,
        io: I,
        handle: H,
    ) -> impl Future<Output = ()> + Send + 'static + use<I, H, F>
    where
        I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
        H: Fn(Request<RequestBody>) -> F + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let reception = self.reception.connection(None);
        let handle = move |request| handle(receiving(request, &reception));
        speak_http1(io, handle, self.places.apart(), self.ending.clone())
    }

    fn admit<H, F>(&self, stream: TcpStream, peer: SocketAddr, handle: H)
    where
        H: Fn(Request<RequestBody>, SocketAddr) -> F + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        // What comes through a proxy, or from this machine, is not one client's.
        let limited = counted(peer.ip()).filter(|_| !self.proxies.trusts(peer.ip()));
        let address = limited.unwrap_or(peer.ip().to_canonical());
        let (visit, place) = match self.places.take(address, limited.is_some()) {
            Ok(taken) => taken,
            Err(why) => return self.refuse(&stream, why),
        };
        // Small frames are to leave at once; a failure costs only that.
        let _ = stream.set_nodelay(true);
        let stream = Stream::new(stream, Arc::clone(&visit.traffic), place);
        let reception = self.reception.connection(limited);
        let allowance = Allowance {
            streams: self.streams.clone(),
            address: limited,
            refused: self.metrics.refused_answers.clone(),
        };
        let handle = move |request| handle(receiving(request, &reception), peer);
        let ending = self.ending.clone();
        match self.tls.clone() {
            None => {
                let (traffic, misled) = (Arc::clone(&visit.traffic), Arc::clone(&self.misled));
                self.tasks.spawn(async move {
                    speak_http1(stream, handle, visit, ending).await;
                    if traffic.began_as_tls()
                        && let Some(count) = misled.now()
                    {
                        tracing::info!(
                            count,
                            "TLS was spoken to the port of plain HTTP: begin the address with http://, or give the server \
                             a certificate (--tls-cert, --acme-domain)"
                        );
                    }
                })
            }
            Some(tls) => {
                if limited.is_some_and(|address| self.is_hurried(address)) {
                    return;
                }
                self.tasks.spawn(async move {
                    let accepted = tokio::select! {
                        accepted = tls.accept(stream, address) => accepted,
                        () = visit.makes_way() => None,
                        () = ending.begins(&visit) => None,
                    };
                    match accepted {
                        Some((stream, true)) => {
                            speak_http2(stream, handle, visit, ending, allowance).await
                        }
                        Some((stream, false)) => speak_http1(stream, handle, visit, ending).await,
                        None => {}
                    }
                })
            }
        };
    }

    /// Counts a TLS handshake of this address. Returns whether it begins more than it may.
    fn is_hurried(&self, address: IpAddr) -> bool {
        let checked = self.limits.check(Kind::Handshakes, Key::Address(address));
        if checked.is_ok() {
            return false;
        }
        self.metrics.turned_away("handshakes");
        if let Some(count) = self.hurried.now() {
            tracing::info!(
                count,
                "an address began more TLS handshakes than --rate-limit handshakes lets it; where it is a \
                 proxy's, name it by --trusted-proxy"
            );
        }
        true
    }

    /// Closes a connection for which there is no place.
    fn refuse(&self, stream: &TcpStream, why: NoPlace) {
        self.metrics.turned_away(match why {
            NoPlace::Full => "full",
            NoPlace::Address => "address",
        });
        if let Some(count) = self.refusals.now() {
            tracing::warn!(
                count,
                "connections were refused: {}",
                match why {
                    NoPlace::Full =>
                        "all places are taken, and none is idle (--max-connections, open files)",
                    NoPlace::Address => "one address has as many as it may have",
                }
            );
        }
        if self.tls.is_none() {
            // The buffer of a new connection is empty. Where it is not taken all the same, the
            // close says enough.
            let _ = rustix::net::send(stream, NO_PLACE, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        }
    }

    /// Returns how many connections there are, those of WebSockets included.
    pub(super) fn open(&self) -> usize {
        self.places.len()
    }

    /// Returns how many connections speak HTTP.
    pub(super) fn speaking_http(&self) -> usize {
        self.tasks.len()
    }

    /// Gives up bodies of requests that are not there a second from now.
    pub(super) fn receive_no_more(&self) {
        self.receiving.cancel();
    }

    /// Takes no more requests: idle connections end at once, those that are in the middle of a
    /// request a second later, and the others when they are answered.
    pub(super) fn stop(&self) {
        self.ending.stopping.cancel();
        self.tasks.close();
    }

    /// Waits until all have ended, after [`stop`](Self::stop).
    pub(super) async fn ended(&self) {
        self.tasks.wait().await;
    }

    /// Ends those that are left.
    pub(super) fn cut(&self) {
        self.ending.cut.cancel();
    }
}

/// Bounds what the kernel holds for each connection that is accepted. It would grow to several
/// megabytes.
fn set_buffers(listener: &TcpListener) -> rustix::io::Result<()> {
    sockopt::set_socket_send_buffer_size(listener, SOCKET_BUFFER)?;
    sockopt::set_socket_recv_buffer_size(listener, SOCKET_BUFFER)
}

/// Says by which rules the body of a request is received, if it has one.
fn receiving(request: Request<Incoming>, reception: &Reception) -> Request<RequestBody> {
    use hyper::body::Body as _;
    let mut request = RequestBody::of(request, &reception.stopping);
    if !request.body().is_end_stream() {
        request.extensions_mut().insert(reception.clone());
    }
    request
}
