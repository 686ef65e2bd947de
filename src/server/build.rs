//! The second part: the house is built bottom-up.
//!
//! ```text
//! store -> chat, accounts -> gateway -> hub -> transport -> http -> background tasks
//! ```

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::connections::Connections;
use super::error::ServerError;
use super::open::Opened;
use super::{clock, demo, erasure, renewal, scrapes, sign_ins, watchdog};
use crate::accounts::Accounts;
use crate::budget::{LEAST_PART, Portions};
use crate::chat::{Chat, FileUrls};
use crate::config::Config;
use crate::files::Files;
use crate::gateway::{Attendance, Expiry, Inbound, Outbound, Profiles, pace_marks};
use crate::hooks::{Hooks, HooksConfig};
use crate::http::{Http, Site};
use crate::hub::{Io, IoConfig, Namespace};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::model::{Directory, FileSigner, Timestamp};
use crate::outgoing::{Outbound as Posting, Trust};
use crate::push::{Ears, Listening, Pushes};
use crate::search::Search;
use crate::store::{Done, Location, OpenError, Store};
use crate::transport::{Engine, EngineConfig};
use crate::verbs::Verbs;

/// A server that can answer.
pub(super) struct House {
    pub(super) store: Store,
    pub(super) accounts: Accounts,
    pub(super) chat: Chat,
    pub(super) files: Files,
    pub(super) hooks: Hooks,
    pub(super) pushes: Pushes,
    pub(super) engine: Engine,
    pub(super) http: Http,
    pub(super) connections: Connections,
    /// Announces what the writer has committed; ends once the store is closed.
    pub(super) notifier: JoinHandle<()>,
    /// All that runs beside the doors.
    pub(super) background: JoinHandle<()>,
    pub(super) data: Location,
    pub(super) shutdown_grace: Duration,
}

impl House {
    /// Builds it, and opens its doors.
    pub(super) async fn build(opened: Opened) -> Result<Self, ServerError> {
        warn_of_store(&opened.store);
        let (config, store) = (&opened.config, &opened.store);
        let talk = Talk::build(config, store, opened.batches, &opened.metrics)?;
        // A command takes no files.
        if config.hooks_tell {
            talk.files.warn_of_folder();
        }
        let verbs = Verbs {
            accounts: talk.accounts.clone(),
            chat: talk.chat.clone(),
            limits: Arc::clone(&opened.limits),
            clock: Timestamp::now,
            metrics: opened.metrics.clone(),
        };
        let sockets = Sockets::build(config, &talk, verbs.clone(), &opened.metrics);
        let profiles = Arc::clone(&talk.profiles).run(verbs.clone(), talk.namespace.clone());
        let search = talk.search(config, store, &opened.metrics);
        let site = site(config, &talk, search.clone()).await?;
        let http = Http::new(verbs, sockets.engine.clone(), site);
        let ways = (&opened.metrics, &opened.connections, opened.took);
        let sources = sources(config, store, (&talk, &sockets), search.clone(), ways);
        let scrapes = scrapes::serve(opened.scrapers, sources);
        let (reload, accounts) = (config.reload.clone(), talk.accounts.clone());
        let keys = renewal::watch_keys(config.jwks.clone(), reload.clone(), accounts);
        let certificates =
            renewal::keep_certificates(config.tls.clone(), opened.authority, reload, opened.tls);
        let watchdog = watchdog::run(config.watchdog.clone(), store.clone());
        let sweeps = sockets.sweeps(opened.limits);
        let (hooks, tells) = (talk.hooks.run(), config.hooks_tell);
        let hooks = async move {
            if tells {
                hooks.await;
            }
        };
        let verbs = (talk.accounts.clone(), talk.chat.clone(), talk.files.clone());
        let tending = tend(store.clone(), verbs, config.erase_within);
        let index = search.run(Timestamp::now, config.erase_within);
        let pushes = talk.pushes.clone().run(talk.listening);
        let background = tokio::spawn(async move {
            tokio::join!(
                scrapes,
                keys,
                certificates,
                watchdog,
                sweeps,
                profiles,
                hooks,
                pushes,
                index,
                tending
            );
        });
        let _ = opened.http.set(http.clone());
        Ok(Self {
            store: opened.store,
            accounts: talk.accounts,
            chat: talk.chat,
            files: talk.files,
            hooks: talk.hooks,
            pushes: talk.pushes,
            engine: sockets.engine,
            http,
            connections: opened.connections,
            notifier: talk.notifier,
            background,
            data: opened.config.data,
            shutdown_grace: opened.config.shutdown_grace,
        })
    }
}

/// Returns what the server is called and shows, with the people of a demonstration where it is one.
async fn site(config: &Config, talk: &Talk, search: Search) -> Result<Site, ServerError> {
    Ok(Site {
        proxies: config.trusted_proxies.clone(),
        public: config.public_url.clone(),
        local: config.local_url.clone(),
        page: config.page.clone(),
        files: talk.files.clone(),
        hooks: talk.hooks.clone(),
        search,
        pushes: talk.pushes.clone(),
        answers: Portions::new(config.budget.answers.clone(), LEAST_PART),
        shown: match config.demo {
            true => demo::prepare(&talk.accounts, &talk.chat, Timestamp::now()).await?,
            false => Vec::new(),
        },
    })
}

/// The sources of what metrics tell.
fn sources(
    config: &Config,
    store: &Store,
    (talk, sockets): (&Talk, &Sockets),
    search: Search,
    (metrics, connections, opening): (&Metrics, &Connections, Duration),
) -> scrapes::Sources {
    let address = config.metrics;
    scrapes::Sources {
        metrics: metrics.clone(),
        engine: sockets.engine.clone(),
        namespace: talk.namespace.clone(),
        chat: talk.chat.clone(),
        hooks: talk.hooks.clone(),
        store: store.clone(),
        search,
        pushes: talk.pushes.clone(),
        connections: connections.clone(),
        budget: config.budget.clone(),
        data: config.data.clone(),
        is_private: address.is_some_and(|address| address.ip().is_loopback()),
        opening,
    }
}

/// Tends the data: paces marks, ends what is over, erases what is to go, and has it leave the data
/// file. Never ends.
async fn tend(store: Store, (accounts, chat, files): (Accounts, Chat, Files), within: Duration) {
    let now = Timestamp::now;
    tokio::join!(
        pace_marks(chat.clone(), now),
        sign_ins::run(accounts, now),
        files.run(now, within),
        erasure::run(store.clone(), within, now),
        erasure::retain(store.clone(), chat.clone(), now),
        clock::watch(store, now),
        erasure::erase_leavers(chat, now)
    );
}

/// Logs what is odd about the clock or short on the disk.
fn warn_of_store(store: &Store) {
    if let Some(oddity) = clock::oddity(Timestamp::now(), store.last_at()) {
        tracing::warn!("{oddity}; set the clock, as by `timedatectl set-ntp true`");
    }
    if let Some(shortage) = store.shortage() {
        tracing::error!("{shortage}");
    }
}

/// The verbs, and who hears what comes of them.
struct Talk {
    namespace: Namespace,
    outbound: Arc<Outbound>,
    profiles: Arc<Profiles>,
    chat: Chat,
    accounts: Accounts,
    files: Files,
    hooks: Hooks,
    pushes: Pushes,
    /// What pushes are to hear.
    listening: Listening,
    notifier: JoinHandle<()>,
}

impl Talk {
    fn build(
        config: &Config,
        store: &Store,
        batches: mpsc::Receiver<Vec<Done>>,
        metrics: &Metrics,
    ) -> Result<Self, ServerError> {
        let namespace = Namespace::new("/");
        let keys = store.cursor_keys();
        let profiles = Arc::new(Profiles::default());
        let outbound = Outbound::new(
            namespace.clone(),
            keys.clone(),
            metrics.events.clone(),
            Arc::clone(&profiles),
            store.last_entry(),
            config.rules.directory != Directory::Everyone,
        );
        let outbound = Arc::new(outbound);
        let (ears, listening) = Ears::beside(
            Arc::clone(&outbound) as _,
            store.clone(),
            metrics.pushes.clone(),
        );
        let chat = Chat::new(store.clone(), ears, config.rules, keys);
        let secret = store.token_secret().map_err(OpenError::from)?;
        let urls = FileUrls::new(FileSigner::derived(&secret), Timestamp::now);
        let chat = chat.with_file_urls(urls);
        let files = Files::new(store.clone(), &config.files, urls).map_err(|error| {
            let folder = config.files.folder.clone().unwrap_or_default();
            ServerError::Files(folder, error)
        })?;
        let hooks = hooks(config, store, &chat, metrics)?;
        let public = config.public_url.as_ref().map(ToString::to_string);
        let pushes = Pushes::new(
            store.clone(),
            chat.clone(),
            config.push.clone(),
            public.as_deref(),
            Timestamp::now,
            metrics.pushes.clone(),
        );
        let pushes = pushes.map_err(OpenError::from)?;
        let outboxes = config.budget.outboxes.clone();
        let notifier = tokio::spawn(chat.clone().run(batches, move || outboxes.used()));
        let accounts = Accounts::new(
            store.clone(),
            config.passwords.clone(),
            config.registration,
            config.token_lifetime,
            config.foreign_tokens.clone(),
            Arc::clone(&outbound) as _,
            config.budget.verified_tokens,
        )?;
        Ok(Self {
            namespace,
            outbound,
            profiles,
            chat,
            accounts,
            files,
            hooks,
            listening,
            pushes,
            notifier,
        })
    }
}

/// 256 requests of hooks in flight, of all hooks together.
const HOOK_REQUESTS: usize = 256;

/// The verbs of hooks.
fn hooks(
    config: &Config,
    store: &Store,
    chat: &Chat,
    metrics: &Metrics,
) -> Result<Hooks, ServerError> {
    let trust = Trust::with(None).map_err(|_| ServerError::Broken("roots of certificates"))?;
    let hooks = HooksConfig {
        direct: config.hook_direct,
        outbound: Posting::new(trust, config.hook_reach, HOOK_REQUESTS),
        clock: Timestamp::now,
        retry: config.hook_retry,
        metrics: metrics.hooks.clone(),
    };
    Ok(Hooks::new(store.clone(), chat.clone(), hooks))
}

impl Talk {
    /// Returns the verbs of the search.
    fn search(&self, config: &Config, store: &Store, metrics: &Metrics) -> Search {
        let search = config.search.clone().within(&config.budget);
        let chat = self.chat.clone();
        Search::new(store.clone(), chat, &search, metrics.search.clone())
    }
}

/// The door of Socket.IO.
struct Sockets {
    engine: Engine,
    io: Io,
    expiry: Arc<Expiry>,
    attendance: Arc<Attendance>,
}

impl Sockets {
    fn build(config: &Config, talk: &Talk, verbs: Verbs, metrics: &Metrics) -> Self {
        let budget = &config.budget;
        let expiry = Arc::new(Expiry::default());
        let attendance = Arc::new(Attendance::new(
            talk.chat.clone(),
            talk.namespace.clone(),
            budget.subscriptions,
        ));
        let inbound = Inbound::new(
            verbs,
            Arc::clone(&attendance),
            Arc::clone(&expiry),
            Arc::clone(&talk.outbound),
            budget.recovery_places,
        );
        let hub = IoConfig {
            half_received: budget.half_received.clone(),
            ..config.io.clone()
        };
        let io = Io::new(hub, vec![(talk.namespace.clone(), Arc::new(inbound))]);
        let origins = config.engine.origins.clone();
        let engine = EngineConfig {
            budget: budget.clone(),
            metrics: metrics.sessions.clone(),
            origins: origins.at_home(config.public_url.clone()),
            ..config.engine.clone()
        };
        let engine = Engine::new(engine, Arc::new(io.clone()));
        Self {
            engine,
            io,
            expiry,
            attendance,
        }
    }

    /// Forgets what is over, from time to time; never completes.
    fn sweeps(&self, limits: Arc<Limits>) -> impl Future<Output = ()> + Send + 'static + use<> {
        let (io, expiry) = (self.io.clone(), Arc::clone(&self.expiry));
        let attendance = Arc::clone(&self.attendance);
        async move {
            tokio::join!(
                io.sweep(),
                expiry.run(Timestamp::now),
                attendance.run(Timestamp::now),
                limits.sweep(),
            );
        }
    }
}
