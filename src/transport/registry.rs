//! The sessions that are open, by id.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Instant;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use super::frame::Frame;
use super::outbox::Outbox;
use super::{Receiver, Shared};
use crate::engineio::{CloseReason, Heartbeat, Output, Packet, Session, Stage};

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

    /// Moves the session by time.
    pub(super) fn tick(&self, now: Instant) {
        let output = self.session.lock().handle_timeout(now);
        match output {
            Output::Transmit(packet) => {
                self.outbox.push(Frame::packet(&packet));
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
        self.0.outbox.push(frame)
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
    sessions: RwLock<HashMap<SessionId, Arc<Live>>>,
    /// Told whenever the last session is gone.
    empty: Notify,
}

impl Registry {
    pub(super) fn open(
        &self,
        shared: &Arc<Shared>,
        now: Instant,
        stage: Stage,
        heartbeat: Heartbeat,
    ) -> Arc<Live> {
        let live = Arc::new(Live {
            sid: SessionId::random(),
            shared: Arc::downgrade(shared),
            outbox: Outbox::default(),
            session: Mutex::new(Session::open(now, stage, heartbeat)),
            receiver: Mutex::new(None),
            requests: Mutex::default(),
        });
        self.sessions.write().insert(live.sid, Arc::clone(&live));
        live
    }

    pub(super) fn get(&self, sid: &str) -> Option<Arc<Live>> {
        self.sessions.read().get(&SessionId::parse(sid)?).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.read().len()
    }

    fn remove(&self, sid: &SessionId) {
        let mut sessions = self.sessions.write();
        sessions.remove(sid);
        if sessions.is_empty() {
            drop(sessions);
            self.empty.notify_waiters();
        }
    }

    pub(super) async fn close_all(&self, reason: CloseReason) {
        loop {
            let emptied = self.empty.notified();
            let sessions: Vec<_> = self.sessions.read().values().cloned().collect();
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
