//! Key sets of other systems' tokens at URLs: read at the start, from time to time, and when a
//! token names an unknown key.
//!
//! A reading that fails changes nothing. A key that a set has no more stays good until another
//! reading, a while later, does not have it either: issuers have several servers, which do not all
//! know a new key in the same second, and no socket is to be closed for that.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until};

use crate::accounts::Accounts;
use crate::config::Reload;
use crate::outgoing::{Fetcher, HttpsUrl};

/// 10 s: however many tokens name unknown keys, an issuer is asked no more often.
const LEAST_PAUSE: Duration = Duration::from_secs(10);
/// 10 min: a key that was taken out counts for so long.
const USUAL_PAUSE: Duration = Duration::from_secs(10 * 60);
/// 1 min: as a set is read again that was not read, or that has a key no more.
const SHORT_PAUSE: Duration = Duration::from_secs(60);

/// A key set, and how its last reading went.
pub(super) struct KeySet {
    /// Its place among all that are given.
    pub(super) number: usize,
    pub(super) url: HttpsUrl,
    pub(super) fetcher: Fetcher,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It was not read yet.
    New,
    Good,
    /// Keys are missing since then.
    Missing(Instant),
    Failed,
}

impl KeySet {
    pub(super) fn new(number: usize, url: HttpsUrl, fetcher: Fetcher) -> Self {
        Self {
            number,
            url,
            fetcher,
            state: State::New,
        }
    }

    /// Reads it, and has its keys counted.
    async fn read(&mut self, accounts: &Accounts) {
        let fetched = match self.fetcher.get(&self.url).await {
            Ok(bytes) => bytes,
            Err(error) => return self.failed(&error.line()),
        };
        let json = String::from_utf8_lossy(&fetched);
        let are_gone =
            matches!(self.state, State::Missing(since) if since.elapsed() >= SHORT_PAUSE);
        let taken = match are_gone {
            true => accounts.set_keys(self.number, &json).map(|keys| (keys, 0)),
            false => accounts.merge_keys(self.number, &json),
        };
        let (keys, missing) = match taken {
            Ok(taken) => taken,
            Err(error) => return self.failed(&error.to_string()),
        };
        if self.state != State::Good {
            tracing::info!(keys, missing, "the key set {} was read", self.url);
        }
        self.state = match (missing, self.state) {
            (0, _) => State::Good,
            (_, since @ State::Missing(_)) => since,
            _ => State::Missing(Instant::now()),
        };
    }

    fn failed(&mut self, why: &str) {
        // Once, and not as often as it is tried.
        match self.state {
            State::Failed => tracing::debug!(why, "the key set {} is still not usable", self.url),
            _ => tracing::warn!(
                why,
                "the key set {} is not usable; the keys that it had still count",
                self.url
            ),
        }
        self.state = State::Failed;
    }

    fn pause(&self) -> Duration {
        match self.state {
            State::Good => USUAL_PAUSE,
            State::New | State::Missing(_) | State::Failed => SHORT_PAUSE,
        }
    }
}

/// Keeps these key sets up to date. Never ends where there are any.
pub(super) async fn keep(mut sets: Vec<KeySet>, reload: Reload, accounts: Accounts) {
    if sets.is_empty() {
        return;
    }
    let mut reader = reload.reader();
    let mut reading = None;
    loop {
        let began = Instant::now();
        join_all(sets.iter_mut().map(|set| set.read(&accounts))).await;
        accounts.keys_were_read();
        drop(reading.take());
        let pause = sets.iter().map(KeySet::pause).min().unwrap_or(USUAL_PAUSE);
        let due = async {
            accounts.key_is_wished().await;
            sleep_until(began + LEAST_PAUSE).await;
        };
        tokio::select! {
            () = sleep_until(began + pause) => {}
            () = due => {}
            asked = reader.asked() => reading = asked,
        }
    }
}
