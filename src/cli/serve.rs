//! The process around the server: its socket, its signals, and what it says of itself.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::failure::chain;
use super::flags::Flags;
use super::open_files::shortage_of_files;
use super::{failure, service};
use crate::config::{Config, Reload};
use crate::server::{self, ServerError};

/// Serves until a signal says to stop.
pub(super) async fn serve(flags: &Flags) -> Result<(), String> {
    let listener = listen(flags).await?;
    let local = listener
        .local_addr()
        .map_err(|error| format!("the listening socket has no address: {error}"))?;
    if flags.demo && !local.ip().is_loopback() {
        return Err(
            "--demo signs in anyone who can reach it: pass it a socket on 127.0.0.1".into(),
        );
    }
    let stop = stop_signal().map_err(no_signals)?;
    let config = configure(flags, local)?;
    let hangups = match is_reloadable(&config) {
        true => Some(signal(SignalKind::hangup()).map_err(no_signals)?),
        false => None,
    };
    let (reload, draining) = (config.reload.clone(), CancellationToken::new());
    let ready = |setup_code: Option<&str>| {
        let base = flags.base_url(local);
        greet(flags, local, &base, setup_code);
        service::ready(&base);
        // Not before: it says that the server is ready once it has read. One that came meanwhile is
        // kept.
        if let Some(hangups) = hangups {
            let reading = reload_at_hangup(hangups, reload, base);
            tokio::spawn(draining.clone().run_until_cancelled_owned(reading));
        }
    };
    let stopping = async {
        stop.await;
        draining.cancel();
        service::stopping();
    };
    let served = server::run(config, listener, ready, stopping).await;
    served.map_err(|error| match error {
        ServerError::Tls(error) => chain(&error),
        error @ (ServerError::Metrics(..) | ServerError::Files(..)) => chain(&error),
        ServerError::Open(error) => failure::open(&flags.data, &error),
        error => format!("{}: {}", name_of_data(flags), chain(&error)),
    })
}

/// Returns the socket that the service manager holds, or one of our own.
async fn listen(flags: &Flags) -> Result<TcpListener, String> {
    if let Some(listener) = service::socket()? {
        return Ok(listener);
    }
    let address = SocketAddr::new(flags.host, flags.port);
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| failure::bind(address, &error))
}

/// Returns the server's configuration, with as many open files as the machine allows, and logs the
/// limits.
fn configure(flags: &Flags, local: SocketAddr) -> Result<Config, String> {
    // Where the machine allows no more, what there is must do.
    let open_files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1_024);
    let config = Config {
        local_url: Some(flags.local_url(local)),
        ..flags.config(open_files)?
    };
    let connections = config.engine.max_sessions;
    let memory = flags.memory();
    tracing::debug!(open_files, connections, "limits");
    tracing::debug!(mib = memory.bytes >> 20, from = memory.source, "memory");
    if let Some(shortage) = shortage_of_files(open_files, flags.max_connections) {
        tracing::warn!("{shortage}");
    }
    Ok(config)
}

/// Returns whether a hangup has files read again. Without one to read it ends the program, as it
/// does when a terminal is closed; a service manager means no more by it than to read what there
/// is.
fn is_reloadable(config: &Config) -> bool {
    config.tls.is_some() || !config.jwks.is_empty() || service::is_there()
}

/// Says in the log where the data is, and how to come in.
fn greet(flags: &Flags, local: SocketAddr, base: &str, setup_code: Option<&str>) {
    match flags.demo {
        true => tracing::info!("demo mode: nothing is saved"),
        false => tracing::info!("data in {}", flags.data.display()),
    }
    if flags.public_url.is_some() {
        tracing::info!("listening at {}/", flags.local_url(local));
    }
    match setup_code {
        Some(code) => tracing::info!("make the first account at {base}/?setup={code}"),
        None => tracing::info!("open {base}/"),
    }
}

fn name_of_data(flags: &Flags) -> String {
    match flags.demo {
        true => "the demonstration".to_owned(),
        false => flags.data.display().to_string(),
    }
}

fn no_signals(error: std::io::Error) -> String {
    format!("signals cannot be received: {error}")
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
