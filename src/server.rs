//! Builds the house bottom-up, serves, and closes it top-down.
//!
//! ```text
//! store -> chat, accounts -> gateway -> hub -> transport -> http -> the listener
//! ```

pub mod clock;
mod control;
mod demo;
mod metrics;
mod reload;
mod tls;
mod watch;
mod watchdog;

pub use control::{Door, control_socket};
pub use demo::DemoError;
pub use reload::Reload;
pub use tls::{Acme, TlsError, TlsFiles, TlsSource};
pub use watchdog::Watchdog;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::Accounts;
use crate::budget::Pool;
use crate::chat::{Chat, Presence};
use crate::config::Config;
use crate::gateway::{self, Expiry, Inbound, Outbound};
use crate::http::{self, Http};
use crate::hub::{Io, Namespace};
use crate::limits::Limits;
use crate::model::Timestamp;
use crate::store::{BATCHES, Done, Location, OpenError, Store, StoreError, StoreOptions};
use crate::transport::{Body, Engine};
use control::Control;
use tls::{AcmeState, Tls};

/// How long a client may take to send a request's headers, and how long a connection may idle between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// 16 KiB of headers: twice what browsers send with every cookie and token they have.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// More headers than any client sends.
const MAX_HEADERS: usize = 64;
/// 100 requests at once by one HTTP/2 connection, as browsers expect.
const MAX_STREAMS: u32 = 100;
/// After a failed accept (no more file descriptors, mostly): long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// An opening of the data file that takes no longer keeps those who come meanwhile waiting; a longer one tells them to try
/// again. So a restart by a service manager that holds the port sends nobody away.
const QUICK_OPENING: Duration = Duration::from_secs(1);
/// After so many answers the teller lets others run.
const ANSWERS_A_TURN: usize = 256;
/// 1 MiB: so does it after so many bytes more wait to be sent, lest a burst fill the outboxes of those who read at full
/// speed before their tasks have run.
const BYTES_A_TURN: usize = 1 << 20;

/// Why a server ended otherwise than it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The data could not be read.
    #[error("the data file cannot be read")]
    Store(#[from] StoreError),
    /// Nobody can ask for metrics there.
    #[error("cannot listen for metrics on {0}, give another --metrics-listen")]
    Metrics(SocketAddr, #[source] std::io::Error),
    /// TLS cannot be spoken.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is nothing to be looked at.
    #[error("the demonstration cannot be prepared")]
    Demo(#[from] DemoError),
    /// A task that must not end has ended: it panicked, or its thread did. The log has the rest.
    #[error("the server's {0} ended unexpectedly; what is confirmed is safe, start it again")]
    Broken(&'static str),
}

/// Serves those who come by `door` until `shutdown` completes, then drains. `ready` is called once the data is open, with
/// the set-up code if there is no account yet; until then requests wait,
/// and after a second every one but `/healthz` is answered with 503.
pub async fn run(
    config: Config,
    door: impl Into<Door>,
    ready: impl FnOnce(Option<&str>),
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    let (tls, certificates) = match &config.tls {
        None => (None, None),
        Some(TlsSource::Files(files)) => (Some(Tls::load(files)?), None),
        Some(TlsSource::Acme(acme)) => {
            let (tls, state) = Tls::by_acme(acme)?;
            (Some(tls), Some(state))
        }
    };
    let tls = tls.map(Arc::new);
    let (done, batches) = mpsc::channel(BATCHES);
    let location = config.data.clone();
    let options = StoreOptions {
        commit_interval: config.commit_interval,
        ..StoreOptions::within(&config.budget)
    };
    let by_tls = tls.is_some();
    let house: Arc<OnceLock<Http>> = Arc::default();
    let open_house = Arc::clone(&house);
    let answer = move |request, peer| {
        let house = open_house.get().cloned();
        async move {
            match house {
                Some(house) => house.serve(request, peer, by_tls).await,
                None => http::starting(request.uri().path()),
            }
        }
    };
    let connections = Connections {
        tls: tls.clone(),
        ..Connections::default()
    };
    let accepted = connections.clone();
    let (mut accepting, operator): (Pin<Box<dyn Future<Output = ()> + Send>>, _) = match door.into()
    {
        Door::World(listener) => (
            Box::pin(async move { accepted.serve(&listener, answer).await }),
            None,
        ),
        Door::Operator(stream) => (Box::pin(std::future::pending()), Some(stream)),
    };
    let mut shutdown = pin!(shutdown);
    let metrics = match config.metrics {
        None => None,
        Some(address) => {
            let listening = metrics::listen(address).await;
            Some(listening.map_err(|error| ServerError::Metrics(address, error))?)
        }
    };
    let began = Instant::now();
    let opening = open_store(location, options, done)?;
    let store = tokio::select! {
        opened = opening => opened.map_err(|_| ServerError::Broken("opening of the data file"))??,
        () = async {
            tokio::time::sleep(QUICK_OPENING).await;
            (&mut accepting).await;
        } => return Ok(()),
        // Nothing was changed yet, and nobody was served.
        () = &mut shutdown => return Ok(()),
    };
    let opening = began.elapsed();

    if let Some(oddity) = clock::oddity(Timestamp::now(), store.last_at()) {
        tracing::warn!("{oddity}; set the clock, as by `timedatectl set-ntp true`");
    }
    let namespace = Namespace::new("/");
    let presence = Arc::new(Presence::default());
    let cursor_keys = store.cursor_keys();
    let chats = namespace.clone();
    let outbound = Outbound::new(namespace.clone(), cursor_keys.clone(), store.last_entry());
    let outbound = Arc::new(outbound);
    let chat = Chat::new(
        store.clone(),
        Arc::clone(&outbound) as _,
        config.rules,
        cursor_keys,
    );
    let outboxes = config.engine.budget.outboxes.clone();
    let mut teller = tokio::spawn(tell(batches, chat.clone(), outboxes));
    let accounts = Accounts::new(
        store.clone(),
        config.passwords,
        config.registration,
        config.token_lifetime,
        config.foreign_tokens,
        Arc::clone(&outbound) as _,
        config.budget.verified_tokens,
    )?;
    let expiry = Arc::new(Expiry::default());
    let limits = Arc::new(Limits::new(&config.rates, config.budget.limit_keys));
    let inbound = Inbound::new(
        accounts.clone(),
        chat.clone(),
        Arc::clone(&presence),
        Arc::clone(&expiry),
        Arc::clone(&limits),
        outbound,
        config.budget.recovery_places,
        Timestamp::now,
    );
    let io = Io::new(config.io, vec![(namespace, Arc::new(inbound))]);
    let engine = Engine::new(config.engine, Arc::new(io.clone()));
    let http = Http::new(
        engine.clone(),
        accounts.clone(),
        chat.clone(),
        Arc::clone(&presence),
        Arc::clone(&limits),
        config.trusted_proxies,
        Timestamp::now,
        gateway::events,
    );
    let http = match config.demo {
        true => http.showing(demo::prepare(&accounts, &chat, Timestamp::now()).await?),
        false => http,
    };
    let keys = watch_keys(config.jwks, config.reload.clone(), accounts.clone());
    let certificates = keep_certificates(config.tls, certificates, config.reload, tls.clone());
    let metrics = metrics::serve(
        metrics,
        metrics::Sources {
            engine: engine.clone(),
            namespace: chats,
            presence: Arc::clone(&presence),
            chat: chat.clone(),
            store: store.clone(),
            connections: connections.clone(),
            data: config.data.clone(),
            opening,
        },
    );
    let watched = watchdog::run(config.watchdog, store.clone());
    let sweeper = tokio::spawn(async move {
        tokio::join!(
            metrics,
            io.sweep(),
            expiry.run(Timestamp::now),
            limits.sweep(),
            keys,
            certificates,
            watched
        );
    });

    let _ = house.set(http.clone());
    let answer_operator = move |request| {
        let http = http.clone();
        async move { http.serve_operator(request).await }
    };
    let serving = async {
        match operator {
            Some(stream) => {
                ready(accounts.setup_code());
                speak_http1(stream, answer_operator, connections.stopping.clone()).await;
            }
            None => {
                let control = control(&config.data);
                ready(accounts.setup_code());
                tokio::join!(
                    &mut accepting,
                    connections.serve_control(control, answer_operator)
                );
            }
        }
    };
    let ended = tokio::select! {
        () = serving => Ok(()),
        () = &mut shutdown => Ok(()),
        _ = &mut teller => Err(ServerError::Broken("writer")),
    };

    tracing::info!(sessions = engine.sessions(), "stopping");
    // Before all else: what is not heard any more is not stored, and needs no answer.
    engine.pause();
    sweeper.abort();
    for user in presence.online() {
        chat.seen(Timestamp::now(), user);
    }
    let tell_all = async {
        // Queued changes first, so that their answers still find their sockets. A disk that hangs keeps nobody from being
        // told.
        let closing = store.clone();
        let closing = tokio::task::spawn_blocking(move || closing.close());
        match tokio::time::timeout(config.shutdown_grace / 2, closing).await {
            Ok(Ok(())) => {
                if !teller.is_finished() && teller.await.is_err() {
                    tracing::error!("some answers were not sent");
                }
            }
            Ok(Err(_)) => tracing::error!("closing the data file failed"),
            Err(_) => {
                tracing::error!("the disk does not answer; what waits for it is not confirmed")
            }
        }
        engine.shutdown().await;
    };
    let drain = async {
        // A polling client hears by its next request that the server stops, so connections are accepted until all know.
        // They open no session any more.
        tokio::select! {
            () = tell_all => {}
            () = &mut accepting => {}
        }
        drop(accepting);
        connections.shutdown().await;
    };
    if tokio::time::timeout(config.shutdown_grace, drain)
        .await
        .is_err()
    {
        tracing::warn!("some clients were not told in time");
    }
    ended
}

/// Opens the data on a thread of its own: it may take long, and a server that is stopped meanwhile does not wait for it.
fn open_store(
    location: Location,
    options: StoreOptions,
    done: mpsc::Sender<Vec<Done>>,
) -> Result<oneshot::Receiver<Result<Store, OpenError>>, ServerError> {
    let (opened, opening) = oneshot::channel();
    std::thread::Builder::new()
        .name("chatd-open".into())
        .spawn(move || drop(opened.send(Store::open(&location, options, done))))
        .map_err(|_| ServerError::Broken("thread that opens the data file"))?;
    Ok(opening)
}

/// The control socket beside the data file, if there can be one.
fn control(data: &Location) -> Option<Control> {
    let Location::File(path) = data else {
        return None;
    };
    let made = Control::bind(path);
    made.inspect_err(|error| {
        let path = control_socket(path);
        tracing::warn!(%error, "there is no control socket {}: `chatd user` works only while the server is stopped", path.display());
    })
    .ok()
}

/// Takes over the key set of other systems' tokens whenever its file changes.
async fn watch_keys(path: Option<PathBuf>, reload: Reload, accounts: Accounts) {
    let Some(path) = path else { return };
    let files = [path.clone()];
    let path = path.display();
    watch::changes(&files, &reload, |texts| {
        match accounts.set_keys(&texts[0]) {
            Ok(keys) => tracing::info!(keys, "the key set {path} was read"),
            Err(error) => {
                tracing::warn!(%error, "the key set {path} is not usable; the earlier one stays")
            }
        }
    })
    .await;
}

/// Renews the authority's certificate, or takes over the certificate and its key whenever their files change. Those who
/// are connected stay so.
async fn keep_certificates(
    source: Option<TlsSource>,
    authority: Option<AcmeState>,
    reload: Reload,
    tls: Option<Arc<Tls>>,
) {
    if let Some(authority) = authority {
        return tls::renew(authority).await;
    }
    let (Some(TlsSource::Files(files)), Some(tls)) = (source, tls) else {
        return;
    };
    watch::changes(&[files.cert, files.key], &reload, |texts| {
        match tls.replace(&texts[0], &texts[1]) {
            Ok(()) => tracing::info!("the certificate was read"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "the new certificate is not usable; the earlier one stays"
                );
            }
        }
    })
    .await;
}

/// Answers what the writer has committed, in commit order: the one place by which changes leave the store.
async fn tell(mut batches: mpsc::Receiver<Vec<Done>>, chat: Chat, outboxes: Pool) {
    let mut waiting = outboxes.used();
    while let Some(batch) = batches.recv().await {
        for (number, done) in batch.into_iter().enumerate() {
            done.tell(|committed| chat.announce(&committed));
            let is_enough = outboxes.used() > waiting + BYTES_A_TURN;
            if is_enough || number % ANSWERS_A_TURN == ANSWERS_A_TURN - 1 {
                tokio::task::yield_now().await;
                waiting = outboxes.used();
            }
        }
    }
}

/// The HTTP connections that are open; those that became WebSockets are the engine's. Cheap to clone.
#[derive(Clone, Default)]
pub struct Connections {
    /// Spoken on every connection, if there is one.
    tls: Option<Arc<Tls>>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Connections {
    /// Accepts connections and answers their requests, for as long as it is polled.
    pub async fn serve<H, F>(&self, listener: &TcpListener, handle: H)
    where
        H: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.answer(stream, peer, handle.clone()),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Answers those who come by the control socket, for as long as it is polled.
    async fn serve_control<H, F>(&self, control: Option<Control>, handle: H)
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let Some(control) = control else { return };
        loop {
            match control.accept().await {
                Ok(stream) => {
                    let stopping = self.stopping.clone();
                    self.tasks
                        .spawn(speak_http1(stream, handle.clone(), stopping));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection of the control socket could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn answer<H, F>(&self, stream: TcpStream, peer: SocketAddr, handle: H)
    where
        H: Fn(Request<Incoming>, SocketAddr) -> F + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        // Small frames are to leave at once; a failure costs only that.
        let _ = stream.set_nodelay(true);
        let handle = move |request| handle(request, peer);
        let stopping = self.stopping.clone();
        match self.tls.clone() {
            None => self.tasks.spawn(speak_http1(stream, handle, stopping)),
            Some(tls) => self.tasks.spawn(async move {
                let accepted = tokio::select! {
                    accepted = tls.accept(stream) => accepted,
                    () = stopping.cancelled() => None,
                };
                match accepted {
                    Some((stream, true)) => speak_http2(stream, handle, stopping).await,
                    Some((stream, false)) => speak_http1(stream, handle, stopping).await,
                    None => {}
                }
            }),
        };
    }

    /// Lets every connection end after the request that it is at, and waits for that.
    pub async fn shutdown(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Answers the requests of one connection by HTTP/1.1, until it ends or becomes a WebSocket.
async fn speak_http1<I, H, F>(io: I, handle: H, stopping: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let response = handle(request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Answers the requests of one connection by HTTP/2, until it ends.
async fn speak_http2<I, H, F>(io: I, handle: H, stopping: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        // HTTP/2 names the host beside the path; whoever asks whose page this is looks for the header.
        let authority = request.uri().authority();
        let host = authority.and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        if let (Some(host), false) = (host, request.headers().contains_key(HOST)) {
            request.headers_mut().insert(HOST, host);
        }
        let response = handle(request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(HEADER_TIMEOUT)
        .max_header_list_size(u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(MAX_STREAMS)
        .serve_connection(TokioIo::new(io), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}
