//! One open session: its course in time, its transport, what leaves for its client, and who hears
//! it.

use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Instant;

use hyper::HeaderMap;
use parking_lot::Mutex;

use super::frame::Frame;
use super::outgoing::Outgoing;
use super::receiver::Receiver;
use super::session_id::SessionId;
use super::shared::Shared;
use crate::budget::{HALVES_OF_AN_ADDRESS, Portion};
use crate::engineio::{CloseReason, Output, Packet, ProbeOutput, Session, Upgrade};

/// One open session.
pub(super) struct Live {
    sid: SessionId,
    /// Under which it is counted, if it is.
    pub(super) address: Option<IpAddr>,
    shared: Weak<Shared>,
    /// All that leaves for its client.
    pub(super) outgoing: Outgoing,
    session: Mutex<Session>,
    /// Taken when the session is over: the two hold each other.
    receiver: Mutex<Option<Arc<dyn Receiver>>>,
    pub(super) requests: Mutex<Requests>,
}

/// The polling requests that are under way: one of each kind at most.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) get: bool,
    pub(super) post: bool,
}

impl Live {
    /// Returns a session that opens now, directly on a WebSocket or to be polled. `address` is
    /// where it is counted.
    pub(super) fn open(
        shared: &Arc<Shared>,
        now: Instant,
        upgrade: Upgrade,
        address: Option<IpAddr>,
    ) -> Self {
        let (config, limits) = (&shared.config, &shared.config.limits);
        let session = Session::open(now, config.heartbeat, limits.packets_a_second);
        let outboxes = &config.budget.outboxes;
        Self {
            sid: SessionId::random(),
            address,
            shared: Arc::downgrade(shared),
            outgoing: Outgoing::new(upgrade, outboxes, limits.outbox_bytes),
            session: Mutex::new(session),
            receiver: Mutex::new(None),
            requests: Mutex::default(),
        }
    }

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

    /// Queues frames that nothing may come between. Returns `false` where the session is closing,
    /// or is closed for want of room.
    pub(super) fn send(&self, frames: impl IntoIterator<Item = Frame>) -> bool {
        self.outgoing.push_all(frames, &|held| {
            if let Some(shared) = self.shared.upgrade() {
                shared
                    .registry
                    .relieve(&shared.config.budget.outboxes, held);
            }
        })
    }

    /// Returns a portion of the memory for what is half received, of no bytes yet; `None` where the
    /// engine is gone.
    pub(super) fn half_received(&self) -> Option<Portion> {
        let half_received = &self.shared.upgrade()?.config.budget.half_received;
        Some(half_received.portion_at(self.address, HALVES_OF_AN_ADDRESS))
    }

    /// Returns whether the session is over.
    pub(super) fn is_over(&self) -> bool {
        self.session.lock().is_over()
    }

    /// Returns when the session is to be moved by time next.
    pub(super) fn deadline(&self) -> Instant {
        self.session.lock().deadline()
    }

    /// See [`Session::next_look`].
    pub(super) fn next_look(&self, now: Instant) -> Instant {
        self.session.lock().next_look(now)
    }

    /// See [`Session::heard_of`].
    pub(super) fn heard_of(&self, now: Instant) {
        self.session.lock().heard_of(now);
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

    /// A WebSocket wants to take over. Returns `false` where one does already, or has, or where the
    /// session is over.
    pub(super) fn begin_upgrade(&self) -> bool {
        let session = self.session.lock();
        !session.is_over() && self.outgoing.begin_upgrade()
    }

    /// Moves the upgrade by a packet on the WebSocket that is being tried.
    pub(super) fn hear_probe(&self, packet: &Packet<'_>) -> ProbeOutput {
        let session = self.session.lock();
        self.outgoing.hear_probe(packet, session.is_over())
    }

    /// Ends the session, if it is not over yet.
    pub(super) fn end(&self, reason: CloseReason) {
        let output = self.session.lock().close(reason);
        if let Output::Closed(reason) = output {
            self.closed(reason);
        }
    }

    /// Tells everyone concerned that it is over.
    fn closed(&self, reason: CloseReason) {
        tracing::debug!(?reason, "session closed");
        if let Some(shared) = self.shared.upgrade() {
            shared.config.metrics.closed(reason.as_str());
            if reason == CloseReason::Flood
                && let Some(count) = shared.floods.now()
            {
                let limits = &shared.config.limits;
                tracing::info!(
                    count,
                    "sessions were closed whose clients sent more than {} packets, or {} WebSocket frames, in a second",
                    limits.packets_a_second,
                    limits.frames_a_second
                );
            }
        }
        self.outgoing.close(reason);
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
