//! Flags to [`Config`], and the process around the server. The only folder that knows clap.
//!
//! Without a subcommand the program serves; each subcommand has its file here.

mod backup;
mod bar;
mod check;
mod compact;
mod control;
mod export;
mod import;
mod restore;

use std::error::Error;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::accounts::{Passwords, Registration};
use crate::config::Config;
use crate::engineio::Heartbeat;
use crate::hub::IoConfig;
use crate::server;
use crate::store::{Location, maintain};
use crate::transport::{EngineConfig, Origins};

/// A real-time chat server in one executable: stock Socket.IO clients, durable messages, one data file.
///
/// Start it, open the page it names, and chat. Every flag can also be given by the environment variable named beside
/// it.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Flags {
    /// The address to listen on; 0.0.0.0 or :: for all
    #[arg(long, env = "CHATD_HOST", default_value = "127.0.0.1")]
    host: IpAddr,
    /// The port to listen on; 0 picks a free one
    #[arg(long, env = "CHATD_PORT", default_value_t = 8080)]
    port: u16,
    /// The data file; made if absent
    #[arg(
        long,
        env = "CHATD_DATA",
        default_value = "chatd.redb",
        value_name = "FILE",
        global = true
    )]
    data: PathBuf,
    /// While messages come faster than the disk takes them: from one write to the next. More saves
    /// writes, less saves waiting; 0s for none
    #[arg(long, env = "CHATD_COMMIT_INTERVAL", default_value = "3ms", value_parser = commit_interval, value_name = "TIME")]
    commit_interval: Duration,
    /// Who may make an account; the very first one is made by the set-up link in any case
    #[arg(long, env = "CHATD_REGISTRATION", value_enum, default_value_t = Mode::Invite)]
    registration: Mode,
    /// How long a login lasts
    #[arg(long, env = "CHATD_TOKEN_LIFETIME", default_value = "30d", value_parser = duration, value_name = "TIME")]
    token_lifetime: Duration,
    /// The longest message, in characters
    #[arg(long, env = "CHATD_MAX_MESSAGE_CHARS", default_value_t = 4_000, value_parser = message_chars, value_name = "N")]
    max_message_chars: usize,
    /// Between two pings to a client
    #[arg(long, env = "CHATD_PING_INTERVAL", default_value = "25s", value_parser = duration, value_name = "TIME")]
    ping_interval: Duration,
    /// How long a client may take to answer a ping before it counts as gone
    #[arg(long, env = "CHATD_PING_TIMEOUT", default_value = "20s", value_parser = duration, value_name = "TIME")]
    ping_timeout: Duration,
    /// The most bytes that a client may send at once
    #[arg(long, env = "CHATD_MAX_PAYLOAD", default_value_t = 1_000_000, value_parser = payload_bytes, value_name = "BYTES")]
    max_payload: usize,
    /// A web page's origin that may use this server, such as https://app.example.org; may be given
    /// again, and * allows every page
    #[arg(long, env = "CHATD_ALLOW_ORIGIN", value_delimiter = ',', value_parser = origin, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// How many clients may be connected; 0 means as many as the limit of open files allows
    #[arg(
        long,
        env = "CHATD_MAX_CONNECTIONS",
        default_value_t = 0,
        value_name = "N"
    )]
    max_connections: usize,
    /// How long a stopping server may take to tell its clients
    #[arg(long, env = "CHATD_SHUTDOWN_GRACE", default_value = "10s", value_parser = duration, value_name = "TIME")]
    shutdown_grace: Duration,
    /// What to log: error, warn, info, debug, trace, or filters such as info,chatd::store=debug
    #[arg(long, env = "CHATD_LOG", default_value = "info", value_parser = log_filter, value_name = "FILTER")]
    log: String,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What is done instead of serving. Each works on the file that --data names.
#[derive(Subcommand)]
enum Command {
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

impl Command {
    fn run(&self, data: &Path) -> Result<(), String> {
        match self {
            Self::Backup(backup) => backup.run(data),
            Self::Restore(restore) => restore.run(data),
            Self::Check(check) => check.run(data),
            Self::Compact(compact) => compact.run(data),
            Self::Export(export) => export.run(data),
            Self::Import(import) => import.run(data),
        }
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

fn origin(text: &str) -> Result<String, String> {
    Origins::new([text.to_owned()])
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

fn log_filter(text: &str) -> Result<String, String> {
    match text.parse::<EnvFilter>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("give a level (error, warn, info, debug, trace) or filters such as info,chatd::store=debug".to_owned()),
    }
}

impl Flags {
    fn config(&self, open_files: u64) -> Config {
        Config {
            data: Location::File(self.data.clone()),
            commit_interval: self.commit_interval,
            registration: self.registration.into(),
            token_lifetime: self.token_lifetime,
            passwords: Passwords::new(),
            engine: EngineConfig {
                heartbeat: Heartbeat {
                    interval: self.ping_interval,
                    timeout: self.ping_timeout,
                },
                max_payload: self.max_payload,
                max_sessions: match self.max_connections {
                    0 => usize::try_from(open_files)
                        .unwrap_or(usize::MAX)
                        .saturating_sub(SPARE_FILES)
                        .max(1),
                    number => number,
                },
                // Each was read by the same rule when the flags were.
                origins: Origins::new(self.allow_origin.iter().cloned()).unwrap_or_default(),
                ..EngineConfig::default()
            },
            io: IoConfig::default(),
            max_message_chars: self.max_message_chars,
            shutdown_grace: self.shutdown_grace,
        }
    }
}

/// File descriptors that are kept for what is no client: the data file, the listener, requests that come and go.
const SPARE_FILES: usize = 256;

/// The whole program: flags, then a subcommand, or log and server. Exit code 0 when it did what it was asked to, 1 when
/// it failed, 2 for wrong flags.
pub fn main() -> ExitCode {
    let flags = Flags::parse();
    if let Some(command) = &flags.command {
        return match command.run(&flags.data) {
            Ok(()) => ExitCode::SUCCESS,
            Err(text) => fail(&text),
        };
    }
    start_log(&flags.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the machine refuses to start threads: {error}")),
    };
    match runtime.block_on(serve(&flags)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => fail(&text),
    }
}

/// One line on standard error that says what to do.
#[expect(
    clippy::print_stderr,
    reason = "the last words of the program are for the person who started it"
)]
fn fail(text: &str) -> ExitCode {
    eprintln!("chatd: {text}");
    ExitCode::FAILURE
}

/// What a subcommand did, on standard output.
fn say(text: &str) {
    use std::io::Write;
    // Whoever does not read it any more does not miss it.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// What stopped the work on a data file, in one line.
fn explain(data: &Path, error: &maintain::MaintainError) -> String {
    use maintain::MaintainError as Error;
    match error {
        Error::Open(_) | Error::Store(_) | Error::Incomplete | Error::UnknownTable(_) => {
            format!("{}: {}", data.display(), chain(error))
        }
        _ => chain(error),
    }
}

fn start_log(filter: &str) {
    use std::io::IsTerminal;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    builder.with_target(false).init();
}

async fn serve(flags: &Flags) -> Result<(), String> {
    let address = SocketAddr::new(flags.host, flags.port);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| bind_failure(address, &error))?;
    let port = listener
        .local_addr()
        .map_or(flags.port, |local| local.port());
    let base = base_url(flags.host, port);
    let stop = stop_signal().map_err(|error| format!("signals cannot be received: {error}"))?;
    let data = flags.data.display();
    let ready = |setup_code: Option<&str>| {
        tracing::info!("data in {data}");
        match setup_code {
            Some(code) => tracing::info!("make the first account at {base}/?setup={code}"),
            None => tracing::info!("open {base}/"),
        }
    };
    // As many as the machine lets us have; where it lets us have no more, what there is must do.
    let open_files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1_024);
    let config = flags.config(open_files);
    tracing::debug!(
        open_files,
        connections = config.engine.max_sessions,
        "limits"
    );
    server::run(config, listener, ready, stop)
        .await
        .map_err(|error| format!("{data}: {}", chain(&error)))
}

/// How a person on this machine reaches the server.
fn base_url(host: IpAddr, port: u16) -> String {
    if host.is_unspecified() {
        format!("http://localhost:{port}")
    } else {
        format!("http://{}", SocketAddr::new(host, port))
    }
}

fn bind_failure(address: SocketAddr, error: &std::io::Error) -> String {
    let advice = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "the port is in use: stop the other program, or give another --port"
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a permission: give a --port from 1024 on"
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address: give another --host"
        }
        _ => return format!("cannot listen on {address}: {error}"),
    };
    format!("cannot listen on {address}: {advice}")
}

/// An error and its causes, once each.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
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
    use clap::CommandFactory;

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
        let flags = Flags::parse_from(["chatd"]).config(1_024);
        let library = Config::default();
        assert_eq!(flags.token_lifetime, library.token_lifetime);
        assert_eq!(flags.max_message_chars, library.max_message_chars);
        assert_eq!(flags.shutdown_grace, library.shutdown_grace);
        assert_eq!(flags.engine.heartbeat, library.engine.heartbeat);
        assert_eq!(flags.engine.max_payload, library.engine.max_payload);
    }
}
