//! The sessions that are open, by id.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::config::EngineConfig;
use super::live::Live;
use super::refusal::Refusal;
use super::session_id::SessionId;
use crate::budget::Pool;
use crate::engineio::{CloseReason, Upgrade};
use crate::web::counted;

/// All open sessions.
#[derive(Default)]
pub(super) struct Registry {
    open: RwLock<Open>,
    /// Told whenever the last session is gone.
    empty: Notify,
    /// Held by the thread that makes room.
    relieving: Mutex<()>,
}

#[derive(Default)]
struct Open {
    /// The server is stopping: no session opens any more.
    stopping: bool,
    sessions: HashMap<SessionId, Arc<Live>>,
    /// The number of sessions of each address, loopback left out.
    addresses: HashMap<IpAddr, usize>,
}

/// The open sessions at a moment, and what waits for their clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Sessions that speak by HTTP requests.
    pub polling: usize,
    /// Sessions on a WebSocket.
    pub websocket: usize,
    /// Frames that wait, of all sessions.
    pub frames: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Bytes of the session that has most.
    pub largest_bytes: usize,
}

impl Registry {
    /// Adds the session that `make` opens for the address under which it is counted. Refuses where
    /// as many are open as may be, or the server is stopping.
    pub(super) fn open(
        &self,
        config: &EngineConfig,
        address: IpAddr,
        make: impl FnOnce(Option<IpAddr>) -> Live,
    ) -> Result<Arc<Live>, Refusal> {
        let mut open = self.open.write();
        if open.stopping {
            return Err(Refusal::Stopping);
        }
        let address = counted(address);
        let from_there = address
            .and_then(|address| open.addresses.get(&address))
            .copied()
            .unwrap_or(0);
        if open.sessions.len() >= config.max_sessions
            || from_there >= config.max_sessions_per_address
        {
            tracing::debug!(
                sessions = open.sessions.len(),
                from_there,
                "a session was refused: too many"
            );
            return Err(Refusal::Full);
        }
        let live = Arc::new(make(address));
        open.sessions.insert(*live.sid(), Arc::clone(&live));
        if let Some(address) = address {
            *open.addresses.entry(address).or_default() += 1;
        }
        Ok(live)
    }

    pub(super) fn get(&self, sid: &str) -> Option<Arc<Live>> {
        self.open
            .read()
            .sessions
            .get(&SessionId::parse(sid)?)
            .cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.open.read().sessions.len()
    }

    /// Looks at every session, one after the other; they go on meanwhile.
    pub(super) fn census(&self) -> Census {
        let sessions: Vec<_> = self.open.read().sessions.values().cloned().collect();
        let mut census = Census::default();
        for live in sessions {
            match live.outgoing.upgrade() {
                _ if live.is_over() => {}
                Upgrade::WebSocket => census.websocket += 1,
                Upgrade::Polling | Upgrade::Probing { .. } => census.polling += 1,
            }
            let (frames, bytes) = live.outgoing.waiting();
            census.frames += frames;
            census.bytes += bytes;
            census.largest_bytes = census.largest_bytes.max(bytes);
        }
        census
    }

    pub(super) fn remove(&self, sid: &SessionId) {
        let mut open = self.open.write();
        let Some(live) = open.sessions.remove(sid) else {
            return;
        };
        if let Some(address) = live.address
            && let Some(count) = open.addresses.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                open.addresses.remove(&address);
            }
        }
        let emptied = open.sessions.is_empty();
        drop(open);
        if emptied {
            self.empty.notify_waiters();
        }
    }

    /// Makes room in the pool of outboxes for a session that holds so much: those for which more is
    /// held are closed as slow consumers, the largest first, until an eighth of the pool is free.
    pub(super) fn relieve(&self, pool: &Pool, held: usize) {
        let _alone = self.relieving.lock();
        let enough = pool.limit() - pool.limit() / 8;
        if pool.used() <= enough {
            // Another thread has just done so.
            return;
        }
        let sessions: Vec<_> = self.open.read().sessions.values().cloned().collect();
        // The one that asks is locked, and so may others be, whose threads wait for this one.
        let mut larger: Vec<_> = sessions
            .iter()
            .filter_map(|live| Some((live.outgoing.try_held()?, live)))
            .filter(|(theirs, _)| *theirs > held)
            .collect();
        larger.sort_unstable_by_key(|(theirs, _)| Reverse(*theirs));
        for (_, live) in larger {
            if pool.used() <= enough {
                return;
            }
            live.outgoing.try_evict();
        }
    }

    /// Opens no session any more, and has those that are open hear no more from their clients.
    pub(super) fn pause(&self) {
        let sessions: Vec<_> = {
            let mut open = self.open.write();
            open.stopping = true;
            open.sessions.values().cloned().collect()
        };
        for live in sessions {
            live.outgoing.stop();
        }
    }

    pub(super) async fn close_all(&self, reason: CloseReason) {
        loop {
            let emptied = self.empty.notified();
            let sessions: Vec<_> = self.open.read().sessions.values().cloned().collect();
            if sessions.is_empty() {
                return;
            }
            for live in sessions {
                live.outgoing.close(reason);
            }
            emptied.await;
        }
    }
}
