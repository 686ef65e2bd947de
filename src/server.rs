//! Builds the house bottom-up, serves, and closes it top-down.
//!
//! ```text
//! store -> chat, accounts -> gateway -> hub -> transport -> http -> the listener
//! ```

pub mod clock;
mod connections;
mod control;
mod demo;
mod metrics;
mod places;
mod plain;
mod reload;
mod serving;
mod tls;
mod turns;
mod watch;
mod watchdog;

pub use connections::Connections;
pub use control::{Door, control_socket};
pub use demo::DemoError;
pub use places::ConnectionLimits;
pub use reload::Reload;
pub use tls::{Acme, TlsError, TlsFiles, TlsSource};
pub use watchdog::Watchdog;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::budget::{LEAST_PART, Pool, Portions};
use crate::chat::Chat;
use crate::config::Config;
use crate::gateway::{Attendance, Expiry, Inbound, Outbound};
use crate::http::{self, Http, Site};
use crate::hub::{Io, IoConfig, Namespace};
use crate::limits::Limits;
use crate::model::{FIRST_OWN_ID, Timestamp};
use crate::store::{BATCHES, Done, Location, OpenError, Store, StoreError, StoreOptions};
use crate::transport::{Engine, EngineConfig};
use crate::verbs::Verbs;
use control::Control;
use tls::{AcmeState, Tls};

/// 100 ms: how long a connection that was accepted right before the end of a stop may take for its request to be read.
const LAST_ACCEPTED: Duration = Duration::from_millis(100);
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
    /// The disk did not take in time what was queued.
    #[error(
        "the disk did not take what was still queued within --shutdown-grace; what is confirmed is safe, and the next start checks the file"
    )]
    Unclosed,
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
    // Ids below are those of an app's users, where there are such.
    let are_apps = config.foreign_tokens.has_keys() || config.jwks.is_some();
    let options = StoreOptions {
        commit_interval: config.commit_interval,
        first_user_id: if are_apps { FIRST_OWN_ID } else { 1 },
        ..StoreOptions::within(&config.budget)
    };
    let by_tls = tls.is_some();
    let budget = config.budget.clone();
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
    let limits = Arc::new(Limits::new(&config.rates, config.budget.limit_keys));
    let connections = Connections::new(
        config.connections,
        tls.clone(),
        Arc::clone(&limits),
        &budget,
        config.trusted_proxies.clone(),
    );
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
    if let Some(shortage) = store.shortage() {
        tracing::error!("{shortage}");
    }
    let namespace = Namespace::new("/");
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
    let outboxes = budget.outboxes.clone();
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
    for warning in accounts.warnings() {
        tracing::warn!("{warning}");
    }
    if accounts.awaits_admin_by_command() {
        tracing::info!(
            "there is no account yet: the app's users come by its tokens; make an administrator by `chatd user add NAME --admin`"
        );
    }
    let expiry = Arc::new(Expiry::default());
    let attendance = Attendance::new(chat.clone(), namespace.clone(), budget.subscriptions);
    let attendance = Arc::new(attendance);
    let verbs = Verbs {
        accounts: accounts.clone(),
        chat: chat.clone(),
        limits: Arc::clone(&limits),
        clock: Timestamp::now,
    };
    let inbound = Inbound::new(
        verbs.clone(),
        Arc::clone(&attendance),
        Arc::clone(&expiry),
        outbound,
        config.budget.recovery_places,
    );
    let hub = IoConfig {
        half_received: budget.half_received.clone(),
        ..config.io
    };
    let io = Io::new(hub, vec![(namespace, Arc::new(inbound))]);
    let engine = EngineConfig {
        budget: budget.clone(),
        origins: config.engine.origins.at_home(config.public_url.clone()),
        ..config.engine
    };
    let engine = Engine::new(engine, Arc::new(io.clone()));
    let shown = match config.demo {
        true => demo::prepare(&accounts, &chat, Timestamp::now()).await?,
        false => Vec::new(),
    };
    let site = Site {
        proxies: config.trusted_proxies,
        public: config.public_url,
        answers: Portions::new(budget.answers.clone(), LEAST_PART),
        shown,
    };
    let http = Http::new(verbs, engine.clone(), site);
    let keys = watch_keys(config.jwks, config.reload.clone(), accounts.clone());
    let certificates = keep_certificates(config.tls, certificates, config.reload, tls.clone());
    let metrics = metrics::serve(
        metrics,
        metrics::Sources {
            engine: engine.clone(),
            namespace: chats,
            chat: chat.clone(),
            store: store.clone(),
            connections: connections.clone(),
            budget: budget.clone(),
            data: config.data.clone(),
            is_private: config
                .metrics
                .is_some_and(|address| address.ip().is_loopback()),
            opening,
        },
    );
    let watched = watchdog::run(config.watchdog, store.clone());
    let sweeper = tokio::spawn(async move {
        tokio::join!(
            metrics,
            io.sweep(),
            expiry.run(Timestamp::now),
            attendance.run(Timestamp::now),
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
                connections.speak_apart(stream, answer_operator).await;
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
    chat.close(Timestamp::now());
    // Each wait from here on ends with the grace at the latest.
    let deadline = tokio::time::Instant::now() + config.shutdown_grace;
    connections.receive_no_more();
    let closed = close_store(store.clone());
    let tell_all = async {
        // Queued changes first, so that their answers still find their sockets. A disk that hangs keeps nobody from being
        // told.
        match tokio::time::timeout(config.shutdown_grace / 2, closed.cancelled()).await {
            Ok(()) => {
                if !teller.is_finished() && (&mut teller).await.is_err() {
                    tracing::error!("some answers were not sent");
                }
            }
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
        // A connection that ends without a request in it that was read is one that gets no answer.
        tokio::time::sleep(LAST_ACCEPTED).await;
        connections.stop();
        connections.ended().await;
    };
    if tokio::time::timeout_at(deadline, drain).await.is_err() {
        tracing::warn!("some clients were not told in time");
    }
    connections.cut();
    // What the disk took while the others were told is good.
    match tokio::time::timeout_at(deadline, closed.cancelled()).await {
        Ok(()) => ended,
        Err(_) => ended.and(Err(ServerError::Unclosed)),
    }
}

/// Closes the data on a thread of its own, so that nothing has to wait for a disk that hangs. The token is cancelled when it
/// is closed.
fn close_store(store: Store) -> CancellationToken {
    let closed = CancellationToken::new();
    let done = closed.clone();
    let thread = std::thread::Builder::new().name("chatd-close".into());
    let spawned = thread.spawn(move || {
        store.close();
        done.cancel();
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "the data file cannot be closed");
    }
    closed
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
