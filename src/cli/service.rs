//! What systemd, or another service manager of its kind, is told and asked: by the variables
//! `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `LISTEN_FDS`. Without them all of this does nothing.
//! Source: sd_notify(3), sd_listen_fds(3).
//!
//! A manager that reads nothing must not stop the server, so a thread of its own tells it.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::net::TcpListener;

use crate::config::Watchdog;

/// The watchdog is fed so many times in the time that it waits.
const FEEDS: u32 = 3;

/// Messages that may wait for the manager to take one; further ones are dropped.
const WAITING: usize = 8;

type Telling = Box<dyn FnOnce() -> io::Result<()> + Send>;

/// Returns whether a service manager listens.
pub(super) fn is_there() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Has the thread tell the manager something, in the order of the calls. Never waits.
fn tell(telling: impl FnOnce() -> io::Result<()> + Send + 'static) {
    static TELLER: OnceLock<Option<SyncSender<Telling>>> = OnceLock::new();
    if !is_there() {
        return;
    }
    let Some(teller) = TELLER.get_or_init(start_telling) else {
        return;
    };
    if teller.try_send(Box::new(telling)).is_err() {
        tracing::warn!("the service manager was not told: it takes nothing");
    }
}

fn start_telling() -> Option<SyncSender<Telling>> {
    let (teller, tellings) = sync_channel::<Telling>(WAITING);
    let thread = std::thread::Builder::new().name("chatd-notify".into());
    let started = thread.spawn(move || {
        for telling in tellings {
            if let Err(error) = telling() {
                tracing::warn!(%error, "the service manager was not told");
            }
        }
    });
    if let Err(error) = started {
        tracing::warn!(%error, "the service manager is not told: there is no thread for it");
        return None;
    }
    Some(teller)
}

/// Tells the manager that requests are served.
pub(super) fn ready(base: &str) {
    let status = format!("serving {base}");
    tell(move || sd_notify::notify(&[NotifyState::Status(&status), NotifyState::Ready]));
}

/// Tells it that keys and certificates are read again; [`ready`] says when that is done.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(move || sd_notify::notify(&[NotifyState::Reloading, now])),
        Err(error) => tracing::warn!(%error, "the service manager was not told"),
    }
}

/// Tells it that the server stops.
pub(super) fn stopping() {
    tell(|| sd_notify::notify(&[NotifyState::Stopping]));
}

/// Returns the feeding of the service manager's watchdog, if it has one for this process.
pub(super) fn watchdog() -> Option<Watchdog> {
    Some(Watchdog {
        interval: sd_notify::watchdog_enabled()? / FEEDS,
        feed: Arc::new(|| tell(|| sd_notify::notify(&[NotifyState::Watchdog]))),
    })
}

/// The listening socket that the service manager holds for this process, if it does.
pub(super) fn socket() -> Result<Option<TcpListener>, String> {
    let mut sockets = ListenFd::from_env();
    match sockets.len() {
        0 => return Ok(None),
        1 => {}
        number => {
            return Err(format!(
                "{number} sockets were passed: give one ListenStream= in the socket unit"
            ));
        }
    }
    let unusable = |error| {
        format!(
            "the socket that was passed is no listening TCP socket: see ListenStream= ({error})"
        )
    };
    let Some(listener) = sockets.take_tcp_listener(0).map_err(unusable)? else {
        return Ok(None);
    };
    listener.set_nonblocking(true).map_err(unusable)?;
    TcpListener::from_std(listener).map(Some).map_err(unusable)
}
