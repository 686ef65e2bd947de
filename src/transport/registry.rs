//! The sessions that are open, by id.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hyper::HeaderMap;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::frame::Frame;
use super::outbox::Outbox;
use super::{Receiver, Refusal, Shared};
use crate::budget::{Pool, Share};
use crate::engineio::{CloseReason, Output, Packet, Session, Stage};
use crate::web::counted;

/// Random bytes of a session id: 120 bits, as the reference has.
const RANDOM_BYTES: usize = 15;
const ID_CHARS: usize = 20;

/// The id of a session: whoever knows it can speak as its client, so it is never logged.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; ID_CHARS]);

impl SessionId {
    fn random() -> Self {
        let random: [u8; RANDOM_BYTES] = rand::random();
        let mut text = [0; ID_CHARS];
        BASE64_URL_SAFE_NO_PAD
            .encode_slice(random, &mut text)
            .expect("15 bytes are 20 characters of base64");
        Self(text)
    }

    fn parse(text: &str) -> Option<Self> {
        text.as_bytes().try_into().ok().map(Self)
    }

    /// 20 characters of `A-Z a-z 0-9 - _`.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

/// One open session.
pub(super) struct Live {
    sid: SessionId,
    /// Under which it is counted, if it is.
    address: Option<IpAddr>,
    shared: Weak<Shared>,
    pub(super) outbox: Outbox,
    pub(super) session: Mutex<Session>,
    /// Taken when the session is over: the two hold each other.
    receiver: Mutex<Option<Arc<dyn Receiver>>>,
    pub(super) requests: Mutex<Requests>,
}

/// Which polling requests are under way: one of each kind at most.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) get: bool,
    pub(super) post: bool,
}

impl Live {
    pub(super) fn sid(&self) -> &SessionId {
        &self.sid
    }

    pub(super) fn introduce(&self, receiver: Arc<dyn Receiver>) {
        *self.receiver.lock() = Some(receiver);
    }

    /// A polling request with these headers brings what is heard next.
    pub(super) fn posting(&self, headers: &HeaderMap) {
        let receiver = self.receiver.lock().clone();
        if let Some(receiver) = receiver {
            receiver.posting(headers);
        }
    }

    /// Queues frames that nothing may come between. Returns `false` where the session is closing, or is closed for want
    /// of room.
    pub(super) fn send(&self, frames: impl IntoIterator<Item = Frame>) -> bool {
        self.outbox.push_all(frames, &|held| {
            if let Some(shared) = self.shared.upgrade() {
                shared
                    .registry
                    .relieve(&shared.config.budget.outboxes, held);
            }
        })
    }

    /// Returns a share of the memory for what is half received, of no bytes yet; `None` where the engine is gone.
    pub(super) fn half_received(&self) -> Option<Share> {
        self.shared.upgrade()?.config.budget.half_received.take(0)
    }

    /// Moves the session by time.
    pub(super) fn tick(&self, now: Instant) {
        let output = self.session.lock().handle_timeout(now);
        match output {
            Output::Transmit(packet) => {
                self.send([Frame::packet(&packet)]);
            }
            Output::Closed(reason) => self.closed(reason),
            _ => {}
        }
    }

    /// Moves the session by a packet. An error is why it is over.
    pub(super) fn receive(&self, now: Instant, packet: Packet<'_>) -> Result<(), CloseReason> {
        let output = self.session.lock().handle_packet(now, packet);
        let receiver = self.receiver.lock().clone();
        let heard = match (output, receiver) {
            (Output::Message(text), Some(receiver)) => receiver.message(text),
            (Output::Binary(bytes), Some(receiver)) => receiver.binary(&bytes),
            (Output::Closed(reason), _) => {
                self.closed(reason);
                return Err(reason);
            }
            _ => Ok(()),
        };
        heard.inspect_err(|reason| self.end(*reason))
    }

    /// Ends the session, if it is not over yet.
    pub(super) fn end(&self, reason: CloseReason) {
        let output = self.session.lock().close(reason);
        if let Output::Closed(reason) = output {
            self.closed(reason);
        }
    }

    /// Tells everybody that it is over.
    fn closed(&self, reason: CloseReason) {
        tracing::debug!(?reason, "session closed");
        if let Some(shared) = self.shared.upgrade() {
            shared.config.metrics.closed(reason.as_str());
        }
        self.outbox.close(reason);
        let receiver = self.receiver.lock().take();
        if let Some(receiver) = receiver {
            receiver.closed(reason);
        }
    }

    /// Forgets the session's id.
    pub(super) fn forget(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.registry.remove(&self.sid);
        }
    }
}

/// How the application speaks to one session. Cheap to clone.
#[derive(Clone)]
pub struct Connection(Arc<Live>);

impl Connection {
    pub(super) fn new(live: Arc<Live>) -> Self {
        Self(live)
    }

    /// Queues a frame; never waits. `false` where the session is closing, or is closed now because its client does not
    /// read.
    pub fn send(&self, frame: Frame) -> bool {
        self.0.send([frame])
    }

    /// Queues frames that nothing may come between: an event and its attachments.
    pub fn send_all(&self, frames: impl IntoIterator<Item = Frame>) -> bool {
        self.0.send(frames)
    }

    /// Queues a frame only if it can leave at once. `false` where it was dropped.
    pub fn send_volatile(&self, frame: Frame) -> bool {
        self.0.outbox.is_ready() && self.0.send([frame])
    }

    /// How much more may be queued for a client that takes nothing meanwhile, and leave as much to others.
    pub fn room(&self) -> usize {
        self.0.outbox.room()
    }

    /// Returns a share of the memory in which frames wait, of no bytes yet: for those that are queued later.
    pub fn share(&self) -> Share {
        self.0.outbox.share()
    }

    /// Closes the session once what is queued is sent. Its receiver hears of it later, from another task.
    pub fn close(&self, reason: CloseReason) {
        self.0.outbox.close(reason);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection(..)")
    }
}

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
    /// How many sessions each address has, loopback left out.
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
    /// Opens a session. Refuses where as many are open as may be, or the server is stopping.
    pub(super) fn open(
        &self,
        shared: &Arc<Shared>,
        now: Instant,
        stage: Stage,
        address: IpAddr,
    ) -> Result<Arc<Live>, Refusal> {
        let config = &shared.config;
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
        let live = Arc::new(Live {
            sid: SessionId::random(),
            address,
            shared: Arc::downgrade(shared),
            outbox: Outbox::new(&config.budget.outboxes),
            session: Mutex::new(Session::open(now, stage, config.heartbeat)),
            receiver: Mutex::new(None),
            requests: Mutex::default(),
        });
        open.sessions.insert(live.sid, Arc::clone(&live));
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
            match live.session.lock().stage() {
                Stage::WebSocket => census.websocket += 1,
                Stage::Closed => {}
                Stage::Polling | Stage::Probing => census.polling += 1,
            }
            let (frames, bytes) = live.outbox.waiting();
            census.frames += frames;
            census.bytes += bytes;
            census.largest_bytes = census.largest_bytes.max(bytes);
        }
        census
    }

    fn remove(&self, sid: &SessionId) {
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

    /// Makes room in the pool of outboxes for a session that holds so much: those for which more is held are closed as
    /// slow consumers, the largest first, until an eighth of the pool is free.
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
            .filter_map(|live| Some((live.outbox.try_held()?, live)))
            .filter(|(theirs, _)| *theirs > held)
            .collect();
        larger.sort_unstable_by_key(|(theirs, _)| Reverse(*theirs));
        for (_, live) in larger {
            if pool.used() <= enough {
                return;
            }
            live.outbox.try_evict();
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
            live.outbox.stop();
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
                live.outbox.close(reason);
            }
            emptied.await;
        }
    }
}
