//! Where the server is, for those who ask by REST from other threads.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::http::{Answer, Request};

/// For how long one waits who found the server away, or unable.
const AGAIN: Duration = Duration::from_millis(50);
/// So often a request may fail for no reason that is known here.
const TRIES: u64 = 20;

/// How far the run is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Running,
    /// Nothing new is begun.
    Ending,
    Over,
}

/// The server's door, which is shut while it is restarted.
pub(crate) struct Door {
    /// Where it is, in which of its lives.
    place: Mutex<(Option<SocketAddr>, u64)>,
    stage: Mutex<Stage>,
    /// Requests that failed while the server was there.
    pub(crate) failed: AtomicU64,
    /// Answers that said that the server cannot now (503).
    pub(crate) unable: AtomicU64,
}

fn locked<T: Copy>(mutex: &Mutex<T>) -> T {
    *mutex.lock().unwrap_or_else(|error| error.into_inner())
}

fn set<T>(mutex: &Mutex<T>, value: T) {
    *mutex.lock().unwrap_or_else(|error| error.into_inner()) = value;
}

impl Door {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            place: Mutex::new((Some(address), 0)),
            stage: Mutex::new(Stage::Running),
            failed: AtomicU64::new(0),
            unable: AtomicU64::new(0),
        }
    }

    /// Before the server is told to end.
    pub(crate) fn shut(&self) {
        let (_, life) = locked(&self.place);
        set(&self.place, (None, life + 1));
    }

    pub(crate) fn open(&self, address: SocketAddr) {
        let (_, life) = locked(&self.place);
        set(&self.place, (Some(address), life));
    }

    pub(crate) fn stage(&self) -> Stage {
        locked(&self.stage)
    }

    pub(crate) fn set_stage(&self, stage: Stage) {
        set(&self.stage, stage);
    }

    /// Asks until there is an answer by a server that lived all the while. `None` where there is
    /// none, or all is over.
    pub(crate) fn ask(&self, request: &Request<'_>) -> Option<Answer> {
        let mut tries = 0;
        while self.stage() != Stage::Over && tries < TRIES {
            if let (Some(address), life) = locked(&self.place) {
                let answer = request.ask(address);
                let is_same = locked(&self.place).1 == life;
                match answer {
                    Ok(answer) if is_same && answer.status != 503 => return Some(answer),
                    Ok(_) if is_same => {
                        self.unable.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(_) if is_same => {
                        self.failed.fetch_add(1, Ordering::Relaxed);
                        tries += 1;
                    }
                    _ => {}
                }
            }
            std::thread::sleep(AGAIN);
        }
        None
    }

    /// Asks a server that is there, once.
    pub(crate) fn ask_once(&self, request: &Request<'_>) -> Option<Answer> {
        let (address, life) = locked(&self.place);
        let Some(address) = address else {
            std::thread::sleep(AGAIN);
            return None;
        };
        let answer = request.ask(address).ok();
        let is_same = locked(&self.place).1 == life;
        if answer.is_none() && is_same {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        answer.filter(|answer| is_same && answer.status != 503)
    }
}
