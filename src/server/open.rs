//! The first part: TLS, listeners and the data are opened.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::connections::Connections;
use super::control::Door;
use super::error::ServerError;
use super::scrapes;
use super::tls::{AcmeState, Tls};
use crate::config::{Config, TlsSource};
use crate::http::{self, Http};
use crate::limits::Limits;
use crate::metrics::{EventMetrics, Metrics, StoreMetrics};
use crate::model::FIRST_OWN_ID;
use crate::store::{BATCHES, Done, Location, OpenError, Store, StoreOptions};

/// An opening of the data file that takes no longer keeps early clients waiting; a longer one tells
/// them to try again. So a restart under a service manager that holds the port refuses no request.
const QUICK_OPENING: Duration = Duration::from_secs(1);

/// Everything that the house is built on.
pub(super) struct Opened {
    pub(super) config: Config,
    pub(super) tls: Option<Arc<Tls>>,
    /// The conversation with the certificate authority, where there is one.
    pub(super) authority: Option<AcmeState>,
    pub(super) limits: Arc<Limits>,
    pub(super) connections: Connections,
    /// Set once requests can be answered.
    pub(super) http: Arc<OnceLock<Http>>,
    pub(super) metrics: Metrics,
    /// The listener for scrapers of metrics, if there is one.
    pub(super) scrapers: Option<TcpListener>,
    pub(super) store: Store,
    /// The writer's results, in commit order.
    pub(super) batches: mpsc::Receiver<Vec<Done>>,
    /// The time that opening the data took.
    pub(super) took: Duration,
}

/// Accepts connections for as long as it is polled.
pub(super) type Accepting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The way by which requests come in.
pub(super) enum Entrance {
    /// By the network, and by the control socket.
    World(Accepting),
    /// By one stream within this process.
    Operator(Option<DuplexStream>),
}

impl Entrance {
    /// Accepts connections of the network; never completes.
    pub(super) async fn accept(&mut self) {
        match self {
            Self::World(accepting) => accepting.await,
            Self::Operator(_) => std::future::pending().await,
        }
    }
}

/// Opens everything, and answers requests meanwhile. Returns `None` where `shutdown` came first.
pub(super) async fn open(
    config: Config,
    door: Door,
    shutdown: Pin<&mut impl Future<Output = ()>>,
) -> Result<Option<(Opened, Entrance)>, ServerError> {
    let (tls, authority) = open_tls(config.tls.as_ref())?;
    let metrics = Metrics::default();
    let limits = Arc::new(Limits::new(
        &config.rates,
        config.budget.limit_keys,
        metrics.limits.clone(),
    ));
    let connections = Connections::new(
        config.connections,
        tls.clone(),
        Arc::clone(&limits),
        &config.budget,
        config.trusted_proxies.clone(),
        metrics.connections.clone(),
    );
    let http = Arc::default();
    let mut entrance = enter(
        door,
        &connections,
        Arc::clone(&http),
        metrics.events.clone(),
        tls.is_some(),
    );
    let scrapers = match config.metrics {
        None => None,
        Some(address) => {
            let listening = scrapes::listen(address).await;
            Some(listening.map_err(|error| ServerError::Metrics(address, error))?)
        }
    };
    let (done, batches) = mpsc::channel(BATCHES);
    let began = Instant::now();
    let opening = open_store(
        config.data.clone(),
        store_options(&config),
        metrics.store.clone(),
        done,
    )?;
    let store = tokio::select! {
        opened = opening => opened.map_err(|_| ServerError::Broken("opening of the data file"))??,
        () = async {
            tokio::time::sleep(QUICK_OPENING).await;
            entrance.accept().await;
        } => return Ok(None),
        () = shutdown => return Ok(None),
    };
    let opened = Opened {
        config,
        tls,
        authority,
        limits,
        connections,
        http,
        metrics,
        scrapers,
        store,
        batches,
        took: began.elapsed(),
    };
    Ok(Some((opened, entrance)))
}

type OpenTls = (Option<Arc<Tls>>, Option<AcmeState>);

fn open_tls(source: Option<&TlsSource>) -> Result<OpenTls, ServerError> {
    Ok(match source {
        None => (None, None),
        Some(TlsSource::Files(files)) => (Some(Arc::new(Tls::load(files)?)), None),
        Some(TlsSource::Acme(acme)) => {
            let (tls, authority) = Tls::by_acme(acme)?;
            (Some(Arc::new(tls)), Some(authority))
        }
    })
}

/// Answers requests by what `http` holds, and as a starting server until it holds something.
fn enter(
    door: Door,
    connections: &Connections,
    http: Arc<OnceLock<Http>>,
    metrics: EventMetrics,
    by_tls: bool,
) -> Entrance {
    let answer = move |request, peer| {
        let http = http.get().cloned().ok_or_else(|| metrics.clone());
        async move {
            match http {
                Ok(http) => http.serve(request, peer, by_tls).await,
                Err(metrics) => http::starting(request.uri().path(), &metrics),
            }
        }
    };
    match door {
        Door::World(listener) => {
            let connections = connections.clone();
            let accepting = async move { connections.serve(&listener, answer).await };
            Entrance::World(Box::pin(accepting))
        }
        Door::Operator(stream) => Entrance::Operator(Some(stream)),
    }
}

fn store_options(config: &Config) -> StoreOptions {
    // Ids below those given here are those of an app's users, where there are such.
    let has_app = config.foreign_tokens.has_keys() || !config.jwks.is_empty();
    StoreOptions {
        commit_interval: config.commit_interval,
        edit_window: config.rules.edit_window,
        first_contact: config.rules.first_contact,
        first_user_id: if has_app { FIRST_OWN_ID } else { 1 },
        ..StoreOptions::within(&config.budget)
    }
}

/// Opens the data on a thread of its own: it may take long, and a server that is stopped meanwhile
/// does not wait for it.
fn open_store(
    location: Location,
    options: StoreOptions,
    metrics: StoreMetrics,
    done: mpsc::Sender<Vec<Done>>,
) -> Result<oneshot::Receiver<Result<Store, OpenError>>, ServerError> {
    let (opened, opening) = oneshot::channel();
    std::thread::Builder::new()
        .name("chatd-open".into())
        .spawn(move || drop(opened.send(Store::open_counted(&location, options, metrics, done))))
        .map_err(|_| ServerError::Broken("thread that opens the data file"))?;
    Ok(opening)
}
