//! The configuration of a server.

use std::net::SocketAddr;
use std::time::Duration;

use super::{ConnectionLimits, KeySource, Reload, TlsSource, Watchdog};
use crate::accounts::{DEFAULT_TOKEN_LIFETIME, ForeignTokens, Passwords, Registration};
use crate::budget::Budget;
use crate::chat::Rules;
use crate::files::FilesConfig;
use crate::hooks::DEFAULT_RETRY;
use crate::hub::IoConfig;
use crate::limits::Rates;
use crate::outgoing::Reach;
use crate::push::PushConfig;
use crate::search::SearchConfig;
use crate::store::{DEFAULT_COMMIT_INTERVAL, Location};
use crate::transport::EngineConfig;
use crate::web::{PagePolicy, PublicUrl, TrustedProxies};

/// 10 s: what a person at a terminal waits, and less than any service manager's own limit.
pub const DEFAULT_SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// 7 days: the file is rewritten every few days at most, and what was erased is gone within a week.
pub const DEFAULT_ERASE_WITHIN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The configuration of a server.
#[derive(Clone)]
pub struct Config {
    /// The place of the data.
    pub data: Location,
    /// How files are kept.
    pub files: FilesConfig,
    /// How the search's index is kept.
    pub search: SearchConfig,
    /// The shortest time between the beginnings of two commits under load.
    pub commit_interval: Duration,
    /// The rule of who may register.
    pub registration: Registration,
    /// The lifetime of a token.
    pub token_lifetime: Duration,
    /// The tokens of other systems that are accepted.
    pub foreign_tokens: ForeignTokens,
    /// The JSON Web Key Sets among their keys: read when the server starts, and again whenever they
    /// change.
    pub jwks: Vec<KeySource>,
    /// The hashing of passwords.
    pub passwords: Passwords,
    /// How long what was erased may still lie in free pages of the data file.
    pub erase_within: Duration,
    /// The bounds on connections.
    pub connections: ConnectionLimits,
    /// Sessions of Engine.IO.
    pub engine: EngineConfig,
    /// Namespaces of Socket.IO.
    pub io: IoConfig,
    /// The rules of talk.
    pub rules: Rules,
    /// The rate limits of one person or address.
    pub rates: Rates,
    /// The proxies whose word is believed on where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// The address at which people reach the server, if that is known for sure.
    pub public_url: Option<PublicUrl>,
    /// The address at which it is reached without a proxy: links that its operator makes begin with
    /// it, where there is no public URL.
    pub local_url: Option<String>,
    /// Outgoing hooks tell: they do while a server serves, and not beside a command.
    pub hooks_tell: bool,
    /// Outgoing hooks tell of messages between two people.
    pub hook_direct: bool,
    /// So long after it failed for the first time an event of an outgoing hook is tried again.
    pub hook_retry: Duration,
    /// How far the requests of outgoing hooks reach.
    pub hook_reach: Reach,
    /// What browsers may do with the page.
    pub page: PagePolicy,
    /// The way to push services, and whom they may turn to.
    pub push: PushConfig,
    /// The source of the certificate, where TLS is spoken.
    pub tls: Option<TlsSource>,
    /// The address at which Prometheus may scrape metrics, if any.
    pub metrics: Option<SocketAddr>,
    /// The request to read keys and certificates again at once.
    pub reload: Reload,
    /// The watchdog that is fed while the server works.
    pub watchdog: Option<Watchdog>,
    /// Makes people and talk to look at, and signs every visitor in as one of two of them. For data
    /// in memory alone.
    pub demo: bool,
    /// The most time for a stopping server to tell its clients.
    pub shutdown_grace: Duration,
    /// The memory that may be used, thing by thing.
    pub budget: Budget,
}

impl Default for Config {
    /// The flags' defaults, but in memory.
    fn default() -> Self {
        Self {
            data: Location::Memory,
            files: FilesConfig::default(),
            search: SearchConfig::default(),
            commit_interval: DEFAULT_COMMIT_INTERVAL,
            registration: Registration::Invite,
            token_lifetime: DEFAULT_TOKEN_LIFETIME,
            foreign_tokens: ForeignTokens::default(),
            jwks: Vec::new(),
            passwords: Passwords::new(),
            erase_within: DEFAULT_ERASE_WITHIN,
            connections: ConnectionLimits::default(),
            engine: EngineConfig::default(),
            io: IoConfig::default(),
            rules: Rules::default(),
            rates: Rates::default(),
            trusted_proxies: TrustedProxies::default(),
            public_url: None,
            local_url: None,
            hooks_tell: true,
            hook_direct: false,
            hook_retry: DEFAULT_RETRY,
            hook_reach: Reach::Public,
            page: PagePolicy::default(),
            push: PushConfig::default(),
            tls: None,
            metrics: None,
            reload: Reload::default(),
            watchdog: None,
            demo: false,
            shutdown_grace: DEFAULT_SHUTDOWN_GRACE,
            budget: Budget::default(),
        }
    }
}
