//! Flags to [`Config`], and the process around the server. The only folder that knows clap.
//!
//! Without a subcommand the program serves; each subcommand has its file here.

mod backup;
mod bar;
mod check;
mod compact;
mod completions;
mod control;
mod doctor;
mod export;
mod failure;
mod import;
mod log;
mod man;
mod memory;
mod operate;
mod restore;
mod service;
mod stream;
mod systemd_unit;
mod values;
mod variables;

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::accounts::{ClaimRule, ForeignTokens, Passwords, Registration};
use crate::budget::{Budget, Memory, memory_of_this_process};
use crate::chat::Rules;
use crate::config::Config;
use crate::engineio::Heartbeat;
use crate::hub::IoConfig;
use crate::limits::{Rates, Setting};
use crate::server::{self, Acme, ConnectionLimits, Reload, ServerError, TlsFiles, TlsSource};
use crate::store::Location;
use crate::transport::EngineConfig;
use crate::web::{Allowed, Network, Origins, PublicUrl, TrustedProxies};
use failure::{chain, maintain as explain};
use log::{Lines, LogFormat};

/// A real-time chat server in one executable: stock Socket.IO clients, durable messages, one data file.
///
/// Start it, open the page it names, and chat. Every flag can also be given by the environment variable named beside
/// it.
#[derive(Parser)]
#[command(version, max_term_width = 100, after_long_help = EXAMPLES)]
struct Flags {
    #[command(subcommand)]
    command: Option<Command>,
    /// The address to listen on; 0.0.0.0 or :: for all
    #[arg(long, env = "CHATD_HOST", default_value = "127.0.0.1", value_parser = values::host)]
    host: IpAddr,
    /// The port to listen on; 0 picks a free one
    #[arg(long, env = "CHATD_PORT", default_value_t = 8080)]
    port: u16,
    /// The data file; made if absent
    #[arg(
        long,
        global = true,
        env = "CHATD_DATA",
        default_value = "chatd.redb",
        value_name = "FILE"
    )]
    data: PathBuf,
    /// While messages come faster than the disk takes them: from one write to the next. More saves
    /// writes, less saves waiting; 0s for none
    #[arg(long, env = "CHATD_COMMIT_INTERVAL", default_value = "3ms", value_parser = commit_interval, value_name = "TIME")]
    commit_interval: Duration,
    /// Who may make an account; the very first one is made by the set-up link in any case
    #[arg(long, env = "CHATD_REGISTRATION", value_enum, ignore_case = true, default_value_t = Mode::Invite)]
    registration: Mode,
    /// How long a login lasts
    #[arg(long, env = "CHATD_TOKEN_LIFETIME", default_value = "30d", value_parser = duration, value_name = "TIME")]
    token_lifetime: Duration,
    /// A secret by which another system signs tokens that are to be accepted (HS256, HS384, HS512).
    /// Give it by the variable: flags are seen by every program of the machine
    #[arg(
        long,
        env = "CHATD_JWT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    jwt_secret: Option<String>,
    /// A public key in PEM form whose tokens are accepted: RSA (RS256), EC on P-256 (ES256) or
    /// Ed25519 (EdDSA)
    #[arg(long, env = "CHATD_JWT_PUBLIC_KEY", value_name = "FILE")]
    jwt_public_key: Option<PathBuf>,
    /// A JSON Web Key Set whose keys' tokens are accepted, found by their kid; read again when it
    /// changes
    #[arg(long, env = "CHATD_JWT_JWKS", value_name = "FILE")]
    jwt_jwks: Option<PathBuf>,
    /// The issuer (iss) that another system's tokens must name
    #[arg(long, env = "CHATD_JWT_ISSUER", value_parser = values::claim, value_name = "TEXT")]
    jwt_issuer: Option<String>,
    /// The audience (aud) that another system's tokens must name
    #[arg(long, env = "CHATD_JWT_AUDIENCE", value_parser = values::claim, value_name = "TEXT")]
    jwt_audience: Option<String>,
    /// A claim that another system's tokens must have, such as token_use=access, where an issuer makes
    /// tokens for other purposes too; may be given again. In a list the value is to be among it, and
    /// realm_access.roles=chat looks within claims
    #[arg(
        long,
        env = "CHATD_JWT_CLAIM",
        value_delimiter = ',',
        value_name = "NAME=VALUE"
    )]
    jwt_claim: Vec<ClaimRule>,
    /// The claim by which another system's token is an administrator's, such as role=admin; without
    /// it none is
    #[arg(long, env = "CHATD_JWT_ADMIN_CLAIM", value_name = "NAME=VALUE")]
    jwt_admin_claim: Option<ClaimRule>,
    /// Make the account of an unknown subject from the claims of its token
    #[arg(
        long,
        env = "CHATD_PROVISION_USERS",
        value_parser = FalseyValueParser::new()
    )]
    provision_users: bool,
    /// The longest message, in characters
    #[arg(long, env = "CHATD_MAX_MESSAGE_CHARS", default_value_t = 4_000, value_parser = message_chars, value_name = "N")]
    max_message_chars: usize,
    /// The certificate, and those between it and its authority, in PEM form: HTTPS is spoken instead
    /// of HTTP. Read again when it changes, and at SIGHUP
    #[arg(
        long,
        env = "CHATD_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM form
    #[arg(
        long,
        env = "CHATD_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,
    /// A name of this machine, such as chat.example.org: HTTPS is spoken with a certificate that is
    /// asked of an authority, and renewed, by ACME (tls-alpn-01, for which port 443 of that name must
    /// lead here); may be given again. Using it means agreeing to the authority's terms of service
    #[arg(
        long,
        env = "CHATD_ACME_DOMAIN",
        value_delimiter = ',',
        value_parser = values::domain,
        value_name = "NAME",
        conflicts_with_all = ["tls_cert", "tls_key"]
    )]
    acme_domain: Vec<String>,
    /// The authority's ACME directory; Let's Encrypt's, unless given
    #[arg(long, env = "CHATD_ACME_DIRECTORY", value_parser = values::web_address, value_name = "URL")]
    acme_directory: Option<String>,
    /// The certificate, in PEM form, by which the directory's own HTTPS is trusted, where the
    /// authority is a private one
    #[arg(long, env = "CHATD_ACME_ROOT", value_name = "FILE")]
    acme_root: Option<PathBuf>,
    /// Between two pings to a client
    #[arg(long, env = "CHATD_PING_INTERVAL", default_value = "25s", value_parser = duration, value_name = "TIME")]
    ping_interval: Duration,
    /// How long a client may take to answer a ping before it counts as gone
    #[arg(long, env = "CHATD_PING_TIMEOUT", default_value = "20s", value_parser = duration, value_name = "TIME")]
    ping_timeout: Duration,
    /// The most bytes that a client may send at once
    #[arg(long, env = "CHATD_MAX_PAYLOAD", default_value_t = 1_000_000, value_parser = payload_bytes, value_name = "BYTES")]
    max_payload: usize,
    /// The URL by which people come, such as https://chat.example.org, or https://example.org/chat
    /// where a proxy gives it a path: links begin with it, and its page is this server's own. Unless
    /// given, what requests and trusted proxies say
    #[arg(long, env = "CHATD_PUBLIC_URL", value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// The origin of a web page or an app that may use this server, such as https://app.example.org or
    /// capacitor://localhost; may be given again. null stands for files and sandboxed frames, and *
    /// allows every page
    #[arg(
        long,
        env = "CHATD_ALLOW_ORIGIN",
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    allow_origin: Vec<Allowed>,
    /// An address or range (10.0.0.0/8) of reverse proxies that are believed who comes and by what
    /// address (X-Forwarded-For, -Host, -Proto, -Port and -Prefix, or Forwarded); may be given again
    #[arg(
        long,
        env = "CHATD_TRUSTED_PROXY",
        value_delimiter = ',',
        value_name = "CIDR"
    )]
    trusted_proxy: Vec<Network>,
    /// How much one person or address may do at a time and at once, such as messages=20/s:200 or
    /// typing=off; off alone ends all limits; may be given again. Kinds are messages, typing and
    /// requests (a person), passwords (a name from an address), names (a name from unknown addresses),
    /// logins, registrations, connections and handshakes (an address)
    #[arg(
        long,
        env = "CHATD_RATE_LIMIT",
        value_delimiter = ',',
        value_name = "KIND=RATE"
    )]
    rate_limit: Vec<Setting>,
    /// How many clients may be connected; 0 means as many as the limit of open files allows
    #[arg(
        long,
        env = "CHATD_MAX_CONNECTIONS",
        default_value_t = 0,
        value_name = "N"
    )]
    max_connections: usize,
    /// How long a client may be away and still be told what it missed, over restarts too
    #[arg(long, env = "CHATD_RECOVERY_WINDOW", default_value = "24h", value_parser = duration, value_name = "TIME")]
    recovery_window: Duration,
    /// How long a stopping server may take to tell its clients
    #[arg(long, env = "CHATD_SHUTDOWN_GRACE", default_value = "10s", value_parser = duration, value_name = "TIME")]
    shutdown_grace: Duration,
    /// Where Prometheus may ask for metrics (GET /metrics), such as 127.0.0.1:9100: to be kept from strangers, for it asks
    /// for no token
    #[arg(long, env = "CHATD_METRICS_LISTEN", value_parser = values::listener, value_name = "ADDR:PORT")]
    metrics_listen: Option<SocketAddr>,
    /// Show what chatd is: two ready accounts and a conversation to look at, with nothing on disk.
    /// Whoever reaches it is let in, so it listens on this machine only
    #[arg(long, env = "CHATD_DEMO", value_parser = FalseyValueParser::new(), conflicts_with = "data")]
    demo: bool,
    /// How much memory may be used, such as 128MiB or 2GiB: buffers and caches are sized for it. Unless
    /// given, what the control group (a container's limit, systemd's MemoryMax=) or the machine has
    #[arg(long, env = "CHATD_MEMORY", value_parser = memory::size, value_name = "SIZE")]
    memory: Option<u64>,
    /// What to log: error, warn, info, debug, trace, or filters such as info,chatd::store=debug
    #[arg(long, env = "CHATD_LOG", default_value = DEFAULT_LOG, value_parser = log_filter, value_name = "FILTER")]
    log: String,
    /// How log lines are written
    #[arg(long, env = "CHATD_LOG_FORMAT", value_enum, ignore_case = true, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// What follows the flags in the long help.
const EXAMPLES: &str = "\
Examples:
  chatd                                      for this machine alone, data in ./chatd.redb
  chatd --host 0.0.0.0 --port 443 --acme-domain chat.example.org
                                             for the world, with a certificate of Let's Encrypt
  chatd --trusted-proxy 127.0.0.1            behind a reverse proxy on this machine
  chatd user add ada --admin                 make an administrator
  chatd backup /backups/today.redb           copy everything while the server runs
  chatd doctor https://chat.example.org      look for what is wrong
  chatd systemd-unit                         have systemd run it

Exit codes: 0 done, 1 failed, 2 wrong usage. What went wrong is one line on standard error.";

/// What is logged unless it is said otherwise.
const DEFAULT_LOG: &str = "info";

/// What the program does instead of serving.
#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Operate(Operate),
    #[command(flatten)]
    Maintain(Maintain),
    #[command(flatten)]
    Describe(Describe),
    /// Look for what is wrong with this machine, or with the way to a server, and say how to mend it
    Doctor(doctor::Doctor),
}

/// What the program says of itself.
#[derive(Subcommand)]
enum Describe {
    /// Print a unit by which systemd runs chatd
    SystemdUnit(systemd_unit::SystemdUnit),
    /// Print what a shell needs to complete chatd's commands and flags
    Completions(completions::Completions),
    /// Print the manual page
    Man(man::Man),
}

impl Describe {
    fn run(&self, flags: &Flags) -> Result<(), String> {
        match self {
            Self::SystemdUnit(unit) => unit.run(flags),
            Self::Completions(completions) => completions.run(),
            Self::Man(man) => man.run(),
        }
    }
}

/// What is asked of a running server, or done to the data file of a stopped one.
#[derive(Subcommand)]
enum Operate {
    /// Makes, lists and changes accounts
    #[command(subcommand)]
    User(UserCommand),
    /// Prints a token of somebody's, for tests and scripts
    Token {
        #[command(flatten)]
        whom: Whom,
    },
}

/// The account to which something is done.
#[derive(Args)]
struct Whom {
    /// The account's name, or its id
    user: String,
    /// What USER is, where it is one account's name and another one's id
    #[arg(long, value_enum)]
    by: Option<By>,
}

/// By what an account is found.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// Its name
    Name,
    /// Its id
    Id,
}

/// What is done with accounts.
#[derive(Subcommand)]
enum UserCommand {
    /// Makes an account; asks for its password, or reads it as the first line of standard input
    Add {
        /// Its name
        name: String,
        /// It is to be an administrator
        #[arg(long)]
        admin: bool,
    },
    /// Lists the accounts
    List,
    /// Gives an account another password, and ends its tokens; asks for it, or reads it as the first line of standard
    /// input
    Passwd {
        #[command(flatten)]
        whom: Whom,
    },
    /// Shuts an account out, and disconnects it
    Disable {
        #[command(flatten)]
        whom: Whom,
    },
    /// Lets a disabled account in again
    Enable {
        #[command(flatten)]
        whom: Whom,
    },
    /// Makes an account an administrator
    Promote {
        #[command(flatten)]
        whom: Whom,
    },
}

/// What is done to a data file as a whole: the one that --data names.
#[derive(Subcommand)]
enum Maintain {
    /// Copy the data file, beside a running server or without one
    Backup(backup::Backup),
    /// Put a backup in the place of the data file, which is kept under another name
    Restore(restore::Restore),
    /// Read everything in the data file and say what is wrong
    Check(check::Check),
    /// Give space back that the data file does not need
    Compact(compact::Compact),
    /// Write accounts and messages as JSON Lines
    Export(export::Export),
    /// Make a new data file of what export wrote
    Import(import::Import),
}

impl Maintain {
    fn run(&self, data: &Path) -> Result<(), Failed> {
        match self {
            Self::Backup(backup) => backup.run(data),
            Self::Restore(restore) => restore.run(data),
            Self::Check(check) => Ok(check.run(data)?),
            Self::Compact(compact) => Ok(compact.run(data)?),
            Self::Export(export) => export.run(data),
            Self::Import(import) => import.run(data),
        }
    }
}

/// Why a command was not done, in one line that says what to do.
#[derive(Debug)]
enum Failed {
    /// It was asked for in a way in which it cannot be done: exit code 2.
    Usage(String),
    /// It was tried: exit code 1.
    Work(String),
}

impl From<String> for Failed {
    fn from(text: String) -> Self {
        Self::Work(text)
    }
}

/// Who may make an account.
#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// Whoever has an invite
    Invite,
    /// Anybody
    Open,
    /// Nobody
    Closed,
}

impl From<Mode> for Registration {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Invite => Self::Invite,
            Mode::Open => Self::Open,
            Mode::Closed => Self::Closed,
        }
    }
}

/// 1 s to 10 years, such as `90s`, `24h` or `30d`.
fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|_| "give a time such as 90s, 24h or 30d".to_owned())?;
    let longest = Duration::from_secs(10 * 366 * 24 * 60 * 60);
    if (Duration::from_millis(100)..=longest).contains(&duration) {
        Ok(duration)
    } else {
        Err("give a time from 100ms to 10 years".to_owned())
    }
}

/// 0 to 1 s: more would be felt by everybody.
fn commit_interval(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .ok()
        .filter(|interval| *interval <= Duration::from_secs(1))
        .ok_or_else(|| "give a time from 0s to 1s, such as 3ms".to_owned())
}

/// A message must fit into a packet several times over, and into a person's patience.
fn message_chars(text: &str) -> Result<usize, String> {
    ranged(text, 1, 100_000)
}

/// Below 1 KiB no token fits; above 64 MiB one client could take a small machine's memory.
fn payload_bytes(text: &str) -> Result<usize, String> {
    ranged(text, 1_024, 64 << 20)
}

fn ranged(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("give a number from {least} to {most}"))
}

fn log_filter(text: &str) -> Result<String, String> {
    match text.parse::<EnvFilter>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("give a level (error, warn, info, debug, trace) or filters such as info,chatd::store=debug".to_owned()),
    }
}

impl Flags {
    fn config(&self, open_files: u64) -> Result<Config, String> {
        Ok(Config {
            data: match self.demo {
                true => Location::Memory,
                false => Location::File(self.data.clone()),
            },
            commit_interval: self.commit_interval,
            registration: self.registration.into(),
            token_lifetime: self.token_lifetime,
            foreign_tokens: self.foreign_tokens()?,
            jwks: self.jwt_jwks.clone(),
            passwords: Passwords::new(),
            connections: self.connections(open_files),
            engine: EngineConfig {
                heartbeat: Heartbeat {
                    interval: self.ping_interval,
                    timeout: self.ping_timeout,
                },
                max_payload: self.max_payload,
                max_sessions: match self.max_connections {
                    0 => sessions_within(open_files),
                    number => number,
                },
                origins: Origins::of(self.allow_origin.iter().cloned()),
                ..EngineConfig::default()
            },
            io: IoConfig::default(),
            rules: Rules {
                max_message_chars: self.max_message_chars,
                recovery_window: self.recovery_window,
            },
            rates: {
                let mut rates = Rates::default();
                for setting in &self.rate_limit {
                    rates.set(*setting);
                }
                rates
            },
            trusted_proxies: TrustedProxies::new(self.trusted_proxy.iter().copied()),
            public_url: self.public_url.clone(),
            tls: self.tls()?,
            metrics: self.metrics_listen,
            reload: Reload::default(),
            watchdog: service::watchdog(),
            demo: self.demo,
            shutdown_grace: self.shutdown_grace,
            budget: Budget::for_memory(self.memory().bytes),
        })
    }

    /// How much memory the server may use.
    fn memory(&self) -> Memory {
        match self.memory {
            Some(bytes) => Memory {
                bytes,
                source: "--memory",
            },
            None => memory_of_this_process(),
        }
    }

    /// How a person reaches the server: by its public URL if it has one.
    fn base_url(&self, local: SocketAddr) -> String {
        let public = self.public_url.as_ref().map(PublicUrl::to_string);
        public.unwrap_or_else(|| self.local_url(local))
    }

    /// How a person reaches the server without a proxy: by its name, or on this machine.
    fn local_url(&self, local: SocketAddr) -> String {
        let port = local.port();
        let scheme = match (&self.tls_cert, self.acme_domain.first()) {
            (_, Some(domain)) if port == 443 => return format!("https://{domain}"),
            (_, Some(domain)) => return format!("https://{domain}:{port}"),
            (Some(_), None) => "https",
            (None, None) => "http",
        };
        if local.ip().is_unspecified() {
            format!("{scheme}://localhost:{port}")
        } else {
            format!("{scheme}://{local}")
        }
    }

    /// How many connections there may be: as many as files may be open, or the sessions that were asked for and a quarter
    /// more, since requests come beside them.
    fn connections(&self, open_files: u64) -> ConnectionLimits {
        let most = connections_within(open_files);
        let total = match self.max_connections {
            0 => most,
            sessions => most.min(sessions.saturating_add(sessions / 4 + FEW_REQUESTS)),
        };
        ConnectionLimits {
            total,
            ..ConnectionLimits::default()
        }
    }

    fn tls(&self) -> Result<Option<TlsSource>, String> {
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            return Ok(Some(TlsSource::Files(TlsFiles {
                cert: cert.clone(),
                key: key.clone(),
            })));
        }
        if self.acme_domain.is_empty() {
            return Ok(None);
        }
        let read = |path: &PathBuf| {
            let failed = |error| format!("--acme-root {}: {}", path.display(), chain(&error));
            std::fs::read_to_string(path).map_err(failed)
        };
        let mut cache = self.data.as_os_str().to_owned();
        cache.push(".acme");
        Ok(Some(TlsSource::Acme(Acme {
            domains: self.acme_domain.clone(),
            directory: self.acme_directory.clone(),
            root: self.acme_root.as_ref().map(read).transpose()?,
            cache: cache.into(),
        })))
    }

    fn foreign_tokens(&self) -> Result<ForeignTokens, String> {
        let (issuer, audience) = (self.jwt_issuer.clone(), self.jwt_audience.clone());
        let mut tokens = ForeignTokens::new(issuer, audience, self.provision_users);
        for rule in &self.jwt_claim {
            tokens.ask(rule.clone());
        }
        if let Some(rule) = &self.jwt_admin_claim {
            tokens.administer_by(rule.clone());
        }
        if let Some(secret) = self.jwt_secret.as_deref().filter(|text| !text.is_empty()) {
            tokens
                .add_secret(secret.as_bytes())
                .map_err(|error| format!("--jwt-secret: {error}"))?;
        }
        let failed = |flag: &str, path: &Path, error: &dyn Error| {
            format!("{flag} {}: {}", path.display(), chain(error))
        };
        if let Some(path) = &self.jwt_public_key {
            let failed = |error: &dyn Error| failed("--jwt-public-key", path, error);
            let pem = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
            tokens
                .add_public_key(&pem)
                .map_err(|error| failed(&error))?;
        }
        if let Some(path) = &self.jwt_jwks {
            let failed = |error: &dyn Error| failed("--jwt-jwks", path, error);
            let json = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
            tokens.set_keys(&json).map_err(|error| failed(&error))?;
        }
        Ok(tokens)
    }
}

/// File descriptors that are kept for what is no client: the data file, the listener, requests that come and go.
const SPARE_FILES: usize = 256;

/// Connections beside the sessions of a small server: a browser has six.
const FEW_REQUESTS: usize = 64;

/// How many connections find room where so many files may be open.
fn connections_within(open_files: u64) -> usize {
    usize::try_from(open_files)
        .unwrap_or(usize::MAX)
        .saturating_sub(SPARE_FILES)
        .max(1)
}

/// How many sessions find room: an eighth of the connections is left for requests.
fn sessions_within(open_files: u64) -> usize {
    let connections = connections_within(open_files);
    (connections - connections / 8).max(1)
}

/// With room for fewer the log says so: shells start programs with 1,024 files, and mostly let them have more.
const FEW_CLIENTS: usize = 4_000;

/// The whole program: flags, then a subcommand, or log and server. Exit code 0 when it did what it was asked to, 1 when
/// it failed, 2 for wrong flags.
pub fn main() -> ExitCode {
    let parsed = variables::parse(std::env::args_os(), std::env::vars_os());
    let (flags, warnings) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return answer_usage(&error),
    };
    if flags.demo && !flags.host.is_loopback() {
        let advice = "--demo lets everybody in who reaches it: leave --host at 127.0.0.1";
        return answer_usage(&Flags::command().error(ErrorKind::ArgumentConflict, advice));
    }
    // A command answers on standard output; the log is for what goes wrong.
    let log = match flags.command {
        Some(_) if flags.log == DEFAULT_LOG => "warn",
        _ => &flags.log,
    };
    let lines = match flags.command {
        Some(_) => {
            log::start(log, flags.log_format);
            None
        }
        None => log::start_queued(log, flags.log_format),
    };
    match &flags.command {
        Some(Command::Maintain(command)) => return end(command.run(&flags.data)),
        Some(Command::Describe(command)) => return end(command.run(&flags).map_err(Failed::from)),
        Some(Command::Operate(_) | Command::Doctor(_)) | None => {}
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let failed = Err(format!("the machine refuses to start threads: {error}"));
            return end_of_server(failed, lines);
        }
    };
    let done = runtime.block_on(async {
        match &flags.command {
            None => {
                for warning in &warnings {
                    tracing::warn!("{warning}");
                }
                serve(&flags).await
            }
            Some(Command::Operate(command)) => operate::run(command, &flags).await,
            Some(Command::Doctor(doctor)) => doctor.run(&flags.data).await,
            // Done above, without a runtime.
            Some(Command::Maintain(_) | Command::Describe(_)) => Ok(()),
        }
    });
    // What threads of the runtime still do, such as reading from a disk that hangs, is not waited for.
    runtime.shutdown_background();
    end_of_server(done, lines)
}

/// Says how it ended in the log, whose queue is emptied if somebody takes what is in it.
fn end_of_server(done: Result<(), String>, lines: Option<Lines>) -> ExitCode {
    let Some(lines) = lines else {
        return end(done.map_err(Failed::from));
    };
    if let Err(text) = &done {
        lines.say_last(&format!("chatd: {text}"));
    }
    lines.flush();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn end(done: Result<(), Failed>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Work(text)) => fail(&text),
        Err(Failed::Usage(text)) => {
            fail(&format!("{text}; see chatd --help"));
            ExitCode::from(2)
        }
    }
}

/// Help and version where they were asked for; else what is wrong with the flags.
fn answer_usage(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // A reader that went away, as less does, does not miss the rest.
            if let Err(error) = error.print()
                && error.kind() != std::io::ErrorKind::BrokenPipe
            {
                return fail(&format!("standard output cannot be written: {error}"));
            }
        }
        _ => {
            fail(&failure::usage(error));
        }
    }
    // Clap's codes are small, and ours: 0 for what was asked for, 2 for wrong usage.
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// One line on standard error that says what to do.
fn fail(text: &str) -> ExitCode {
    use std::io::Write;
    // Where nobody reads it any more the exit code still tells, which a panic would change.
    let _ = writeln!(std::io::stderr(), "chatd: {text}");
    ExitCode::FAILURE
}

/// A whole text on standard output.
fn say_all(text: &[u8]) -> Result<(), String> {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text)
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("standard output cannot be written: {error}"))
}

/// What a subcommand did, on standard output.
fn say(text: &str) {
    use std::io::Write;
    // Whoever does not read it any more does not miss it.
    let _ = writeln!(std::io::stdout(), "{text}");
}

async fn serve(flags: &Flags) -> Result<(), String> {
    let listener = match service::socket()? {
        Some(listener) => listener,
        None => {
            let address = SocketAddr::new(flags.host, flags.port);
            let bound = TcpListener::bind(address).await;
            bound.map_err(|error| failure::bind(address, &error))?
        }
    };
    let local = listener
        .local_addr()
        .map_err(|error| format!("the listening socket has no address: {error}"))?;
    if flags.demo && !local.ip().is_loopback() {
        return Err(
            "--demo lets everybody in who reaches it: pass it a socket on 127.0.0.1".into(),
        );
    }
    let base = flags.base_url(local);
    let stop = stop_signal().map_err(|error| format!("signals cannot be received: {error}"))?;
    let data = match flags.demo {
        true => "the demonstration".to_owned(),
        false => flags.data.display().to_string(),
    };
    // As many as the machine lets us have; where it lets us have no more, what there is must do.
    let open_files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1_024);
    let config = flags.config(open_files)?;
    let connections = config.engine.max_sessions;
    let memory = flags.memory();
    tracing::debug!(open_files, connections, "limits");
    tracing::debug!(mib = memory.bytes >> 20, from = memory.source, "memory");
    if let Some(shortage) = shortage_of_files(open_files, flags.max_connections) {
        tracing::warn!("{shortage}");
    }
    // Without a file to read again a hangup ends the program, as it does when a terminal is closed; a service manager
    // means no more by it than to read what there is.
    let hangups = if config.tls.is_some() || config.jwks.is_some() || service::is_there() {
        let hangups = signal(SignalKind::hangup());
        Some(hangups.map_err(|error| format!("signals cannot be received: {error}"))?)
    } else {
        None
    };
    let (reload, draining) = (config.reload.clone(), CancellationToken::new());
    let ready = |setup_code: Option<&str>| {
        match flags.demo {
            true => tracing::info!("nothing is kept: all that is written is gone when this ends"),
            false => tracing::info!("data in {data}"),
        }
        if flags.public_url.is_some() {
            tracing::info!("listening at {}/", flags.local_url(local));
        }
        match setup_code {
            Some(code) => tracing::info!("make the first account at {base}/?setup={code}"),
            None => tracing::info!("open {base}/"),
        }
        service::ready(&base);
        // Not before: it says that the server is ready once it has read. One that came meanwhile is kept.
        if let Some(hangups) = hangups {
            let reading = reload_at_hangup(hangups, reload, base.clone());
            tokio::spawn(draining.clone().run_until_cancelled_owned(reading));
        }
    };
    let stopping = async {
        stop.await;
        draining.cancel();
        service::stopping();
    };
    server::run(config, listener, ready, stopping)
        .await
        .map_err(|error| match error {
            ServerError::Tls(error) => chain(&error),
            error @ ServerError::Metrics(..) => chain(&error),
            ServerError::Open(error) => failure::open(&flags.data, &error),
            error => format!("{data}: {}", chain(&error)),
        })
}

/// What is to be said where the machine lets us open no more files than for a few clients, or than were asked for.
fn shortage_of_files(open_files: u64, wanted: usize) -> Option<String> {
    let most = sessions_within(open_files);
    let mend = "raise the hard limit (LimitNOFILE= in a unit of systemd, `ulimit -Hn` in a shell)";
    if wanted > most {
        return Some(format!(
            "only {open_files} files may be open, so that fewer clients than the --max-connections {wanted} find room: {mend}"
        ));
    }
    (wanted == 0 && most < FEW_CLIENTS).then(|| {
        format!(
            "only {open_files} files may be open, so that at most {} clients find room: {mend}",
            most.max(1)
        )
    })
}

/// Has keys and certificates read again at each SIGHUP.
async fn reload_at_hangup(mut hangups: Signal, reload: Reload, base: String) {
    while hangups.recv().await.is_some() {
        service::reloading();
        reload.again().await;
        service::ready(&base);
    }
}

/// Completes at the first SIGTERM or Ctrl-C. A second one kills, as without a handler.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(1);
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_well_formed_and_each_has_its_variable() {
        let command = Flags::command();
        command.clone().debug_assert();
        for flag in command
            .get_arguments()
            .filter(|flag| !matches!(flag.get_id().as_str(), "help" | "version"))
        {
            let variable = flag
                .get_env()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            assert_eq!(
                variable,
                format!("CHATD_{}", flag.get_id().as_str().to_uppercase())
            );
        }
    }

    #[test]
    fn the_flags_defaults_are_the_librarys() {
        let flags = Flags::parse_from(["chatd"]).config(1_024).unwrap();
        let library = Config::default();
        assert_eq!(flags.token_lifetime, library.token_lifetime);
        assert_eq!(
            flags.rules.max_message_chars,
            library.rules.max_message_chars
        );
        assert_eq!(flags.rules.recovery_window, library.rules.recovery_window);
        assert_eq!(flags.commit_interval, library.commit_interval);
        assert_eq!(flags.shutdown_grace, library.shutdown_grace);
        assert_eq!(flags.rates, library.rates);
        assert_eq!(flags.engine.heartbeat, library.engine.heartbeat);
        assert_eq!(flags.engine.max_payload, library.engine.max_payload);
    }
}
