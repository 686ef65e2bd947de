//! Builds the house bottom-up, serves, and closes it top-down.
//!
//! ```text
//! store -> chat, accounts -> gateway -> hub -> transport -> http -> the listener
//! ```

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::Accounts;
use crate::chat::{Chat, Presence};
use crate::config::Config;
use crate::gateway::{Inbound, Outbound};
use crate::http::{self, Http};
use crate::hub::{Io, Namespace};
use crate::model::Timestamp;
use crate::store::{BATCHES, Done, Location, OpenError, Store, StoreError, StoreOptions};
use crate::transport::{Body, Engine};

/// How long a client may take to send a request's headers, and how long a connection may idle between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// 16 KiB of headers: twice what browsers send with every cookie and token they have.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// More headers than any client sends.
const MAX_HEADERS: usize = 64;
/// After a failed accept (no more file descriptors, mostly): long enough not to spin, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// After so many answers the teller lets others run.
const ANSWERS_A_TURN: usize = 256;

/// Why a server ended otherwise than it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The data could not be read.
    #[error("the data file cannot be read")]
    Store(#[from] StoreError),
    /// A task that must not end has ended: it panicked, or its thread did. The log has the rest.
    #[error("the server's {0} ended unexpectedly; what is confirmed is safe, start it again")]
    Broken(&'static str),
}

/// Serves until `shutdown` completes, then drains. `ready` is called once the data is open, with the set-up code if there
/// is no account yet; until then every request but `/healthz` is answered with 503.
pub async fn run(
    config: Config,
    listener: TcpListener,
    ready: impl FnOnce(Option<&str>),
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServerError> {
    let (done, batches) = mpsc::channel(BATCHES);
    let location = config.data.clone();
    let options = StoreOptions {
        commit_interval: config.commit_interval,
        ..StoreOptions::default()
    };
    let house: Arc<OnceLock<Http>> = Arc::default();
    let open_house = Arc::clone(&house);
    let answer = move |request, peer| {
        let house = open_house.get().cloned();
        async move {
            match house {
                Some(house) => house.serve(request, peer).await,
                None => http::starting(request.uri().path()),
            }
        }
    };
    let connections = Connections::default();
    let accepted = connections.clone();
    let mut accepting = Box::pin(async move { accepted.serve(&listener, answer).await });
    let mut shutdown = pin!(shutdown);
    let opening = open_store(location, options, done)?;
    let store = tokio::select! {
        opened = opening => opened.map_err(|_| ServerError::Broken("opening of the data file"))??,
        () = &mut accepting => return Ok(()),
        // Nothing was changed yet, and nobody was served.
        () = &mut shutdown => return Ok(()),
    };

    let namespace = Namespace::new("/");
    let presence = Arc::new(Presence::default());
    let outbound = Arc::new(Outbound::new(namespace.clone()));
    let chat = Chat::new(store.clone(), outbound, config.max_message_chars);
    let mut teller = tokio::spawn(tell(batches, chat.clone()));
    let accounts = Accounts::new(
        store.clone(),
        config.passwords,
        config.registration,
        config.token_lifetime,
    )?;
    let inbound = Inbound::new(
        accounts.clone(),
        chat.clone(),
        Arc::clone(&presence),
        Timestamp::now,
    );
    let io = Io::new(config.io, vec![(namespace, Arc::new(inbound))]);
    let origins = config.engine.origins.clone();
    let engine = Engine::new(config.engine, Arc::new(io.clone()));
    let http = Http::new(
        engine.clone(),
        origins,
        accounts.clone(),
        chat.clone(),
        Arc::clone(&presence),
        Timestamp::now,
    );
    let sweeper = tokio::spawn(async move { io.sweep().await });

    let _ = house.set(http);
    ready(accounts.setup_code());
    let ended = tokio::select! {
        () = &mut accepting => Ok(()),
        () = &mut shutdown => Ok(()),
        _ = &mut teller => Err(ServerError::Broken("writer")),
    };

    // With it the listener.
    drop(accepting);
    sweeper.abort();
    tracing::info!(sessions = engine.sessions(), "stopping");
    for user in presence.online() {
        chat.seen(Timestamp::now(), user);
    }
    let drain = async {
        // Queued changes first, so that their answers still find their sockets.
        let closing = store.clone();
        if tokio::task::spawn_blocking(move || closing.close())
            .await
            .is_err()
        {
            tracing::error!("closing the data file failed");
        }
        if !teller.is_finished() && teller.await.is_err() {
            tracing::error!("some answers were not sent");
        }
        engine.shutdown().await;
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

/// Answers what the writer has committed, in commit order: the one place by which changes leave the store.
async fn tell(mut batches: mpsc::Receiver<Vec<Done>>, chat: Chat) {
    while let Some(batch) = batches.recv().await {
        for (number, done) in batch.into_iter().enumerate() {
            done.tell(|committed| chat.announce(&committed));
            if number % ANSWERS_A_TURN == ANSWERS_A_TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// The HTTP connections that are open; those that became WebSockets are the engine's. Cheap to clone.
#[derive(Clone, Default)]
pub struct Connections {
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

    fn answer<H, F>(&self, stream: TcpStream, peer: SocketAddr, handle: H)
    where
        H: Fn(Request<Incoming>, SocketAddr) -> F + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        // Small frames are to leave at once; a failure costs only that.
        let _ = stream.set_nodelay(true);
        let service = service_fn(move |request| {
            let response = handle(request, peer);
            async move { Ok::<_, std::convert::Infallible>(response.await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(MAX_HEADER_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move {
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
        });
    }

    /// Lets every connection end after the request that it is at, and waits for that.
    pub async fn shutdown(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
