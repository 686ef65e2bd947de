//! All that a server is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{ConnectionLimits, Reload, TlsSource, Watchdog};
use crate::accounts::{DEFAULT_TOKEN_LIFETIME, ForeignTokens, Passwords, Registration};
use crate::budget::Budget;
use crate::chat::Rules;
use crate::hub::IoConfig;
use crate::limits::Rates;
use crate::store::{DEFAULT_COMMIT_INTERVAL, Location};
use crate::transport::EngineConfig;
use crate::web::{PublicUrl, TrustedProxies};

/// 10 s: what a person at a terminal waits, and less than any service manager's own limit.
pub const DEFAULT_SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Everything that a server can be told.
#[derive(Clone)]
pub struct Config {
    /// Where the data lives.
    pub data: Location,
    /// While changes come faster than commits, from the beginning of one to that of the next.
    pub commit_interval: Duration,
    /// Who may make an account.
    pub registration: Registration,
    /// How long a token is good.
    pub token_lifetime: Duration,
    /// Which tokens of other systems are accepted.
    pub foreign_tokens: ForeignTokens,
    /// The JSON Web Key Set among their keys: read when the server starts, and again whenever it changes.
    pub jwks: Option<PathBuf>,
    /// How passwords are hashed.
    pub passwords: Passwords,
    /// How many connections there may be.
    pub connections: ConnectionLimits,
    /// Sessions.
    pub engine: EngineConfig,
    /// Namespaces.
    pub io: IoConfig,
    /// What talk is bound by.
    pub rules: Rules,
    /// How much one person or address may do.
    pub rates: Rates,
    /// Whose word is believed on where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// By what address people reach the server, if that is known for sure.
    pub public_url: Option<PublicUrl>,
    /// Where the certificate comes from, where TLS is to be spoken.
    pub tls: Option<TlsSource>,
    /// Where Prometheus may ask for metrics, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// By which files are read again at once.
    pub reload: Reload,
    /// Who is to be told that the server works.
    pub watchdog: Option<Watchdog>,
    /// Whether there are to be people and talk to be looked at, and everybody may be one of two of them. For data in
    /// memory alone.
    pub demo: bool,
    /// How long a stopping server may take to tell its clients.
    pub shutdown_grace: Duration,
    /// What may be kept in memory.
    pub budget: Budget,
}

impl Default for Config {
    /// The flags' defaults, but in memory.
    fn default() -> Self {
        Self {
            data: Location::Memory,
            commit_interval: DEFAULT_COMMIT_INTERVAL,
            registration: Registration::Invite,
            token_lifetime: DEFAULT_TOKEN_LIFETIME,
            foreign_tokens: ForeignTokens::default(),
            jwks: None,
            passwords: Passwords::new(),
            connections: ConnectionLimits::default(),
            engine: EngineConfig::default(),
            io: IoConfig::default(),
            rules: Rules::default(),
            rates: Rates::default(),
            trusted_proxies: TrustedProxies::default(),
            public_url: None,
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
