//! A CONNECT: from the packet to the socket, at once or once it is decided.

use std::time::{Duration, Instant};

use super::client::{Client, State, decode};
use super::encode;
use super::incoming::Waiting;
use super::namespace::Namespace;
use super::socket::Socket;
use super::{ConnectRequest, Connecting, Decision, DisconnectReason, Refusal, SocketHandler};
use crate::socketio::{Connected, Data, Header, Kind, Packet};
use crate::transport::CloseReason;

/// How many CONNECTs a session may send at once, one for each namespace that any program has, and
/// one a second after that.
const CONNECTS_AT_ONCE: u32 = 20;
const CONNECT_INTERVAL: Duration = Duration::from_secs(1);
/// How many CONNECTs may be refused one after the other: each may have cost the check of a
/// signature, and a stock client ends its session after one.
const REFUSED_CONNECTS: u32 = 10;

/// The CONNECTs of a session, counted.
#[derive(Default)]
pub(super) struct Connects {
    /// When as many as may come at once are free again.
    free_at: Option<Instant>,
}

impl Connects {
    /// Counts one; returns whether it is not too many.
    fn allow(&mut self, now: Instant) -> bool {
        let free_at = self.free_at.map_or(now, |at| at.max(now)) + CONNECT_INTERVAL;
        let is_allowed = free_at <= now + CONNECT_INTERVAL * CONNECTS_AT_ONCE;
        if is_allowed {
            self.free_at = Some(free_at);
        }
        is_allowed
    }
}

/// One namespace that the client has joined, or is about to.
pub(super) struct Joined {
    pub(super) socket: Socket,
    pub(super) max_attachments: usize,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    /// The CONNECT is being decided; what came for it meanwhile.
    Deciding(Vec<Waiting>),
    /// It is heard by this.
    Joined(Box<dyn SocketHandler>),
}

impl Client {
    /// Takes a CONNECT. One for a namespace that is joined, or about to be, is not answered again:
    /// a stock client that is told to connect while it does sends two.
    pub(super) fn connect(
        &self,
        state: &mut State,
        packet: &Packet<'_>,
    ) -> Result<(), CloseReason> {
        if !state.connects.allow(Instant::now()) {
            tracing::debug!("a session sent too many CONNECTs");
            return Err(CloseReason::TransportError);
        }
        state.prune();
        if state.find(packet.namespace).is_some() {
            return Ok(());
        }
        let found = self
            .shared
            .namespaces
            .iter()
            .find(|(namespace, _)| namespace.name() == packet.namespace);
        let Some((namespace, handler)) = found else {
            let refusal = Refusal {
                message: "Invalid namespace".into(),
                data: None,
            };
            self.refuse(state, packet.namespace, &refusal);
            return Ok(());
        };
        let socket = Socket::new(namespace, self.connection.clone(), self.this.clone());
        let request = ConnectRequest {
            auth: match packet.data {
                Data::Object(auth) => Some(auth),
                Data::Nothing | Data::Array(_) => None,
            },
            authorization: self.authorization.as_ref().map(|value| &*value.0),
            library: self.library,
            handshake: self.handshake.as_ref(),
        };
        let max_attachments = handler.max_attachments();
        match handler.connect(&socket, request) {
            Connecting::Done(Ok(handler)) => {
                let mut joined = Joined {
                    socket,
                    max_attachments,
                    stage: Stage::Deciding(Vec::new()),
                };
                joined.welcome(namespace, handler);
                state.joined.push(joined);
                state.refused = 0;
            }
            Connecting::Done(Err(refusal)) => {
                socket.go();
                self.refuse(state, namespace.name(), &refusal);
            }
            Connecting::Later(decision) => {
                let key = socket.key();
                state.joined.push(Joined {
                    socket,
                    max_attachments,
                    stage: Stage::Deciding(Vec::new()),
                });
                let (this, namespace) = (self.this.clone(), namespace.clone());
                tokio::spawn(async move {
                    let decision = decision.await;
                    if let Some(client) = this.upgrade() {
                        client.decided(&namespace, key, decision);
                    }
                });
            }
        }
        Ok(())
    }

    /// A CONNECT that took its time is decided.
    fn decided(&self, namespace: &Namespace, key: u64, decision: Decision) {
        let mut state = self.state.lock();
        let Some(at) = state
            .joined
            .iter()
            .position(|joined| joined.socket.key() == key)
        else {
            // The session ended meanwhile. A handler that was made is told so.
            if let Ok(mut handler) = decision {
                handler.disconnected(DisconnectReason::Closed(CloseReason::TransportClose));
            }
            return;
        };
        match decision {
            Err(refusal) => {
                let joined = state.joined.remove(at);
                joined.socket.go();
                self.refuse(&mut state, namespace.name(), &refusal);
            }
            Ok(handler) => {
                let waiting = state.joined[at].welcome(namespace, handler);
                state.refused = 0;
                for Waiting { text, attached, .. } in waiting {
                    let heard = decode(&text)
                        .and_then(|packet| self.complete(&mut state, &text, packet, attached));
                    if let Err(reason) = heard {
                        return self.connection.close(reason);
                    }
                }
            }
        }
    }

    /// Refuses a CONNECT. A client that goes on regardless loses its session.
    fn refuse(&self, state: &mut State, namespace: &str, refusal: &Refusal) {
        let header = Header {
            kind: Kind::ConnectError,
            namespace,
            ack_id: None,
            attachments: 0,
        };
        match encode::packet(header, Some(refusal)) {
            Ok(frame) => drop(self.connection.send(frame)),
            Err(error) => tracing::error!(%error, "a refusal could not be encoded"),
        }
        state.refused += 1;
        if state.refused >= REFUSED_CONNECTS {
            self.connection.close(CloseReason::TransportError);
        }
    }
}

impl Joined {
    /// Tells the client that it is connected, and the handler. Gives back what waited for that.
    fn welcome(
        &mut self,
        namespace: &Namespace,
        mut handler: Box<dyn SocketHandler>,
    ) -> Vec<Waiting> {
        namespace.insert(&self.socket);
        let header = Header {
            kind: Kind::Connect,
            namespace: namespace.name(),
            ack_id: None,
            attachments: 0,
        };
        let id = self.socket.id();
        match encode::packet(
            header,
            Some(&Connected {
                sid: id.as_str(),
                pid: handler.private_id(),
            }),
        ) {
            Ok(frame) => drop(self.socket.connection().send(frame)),
            Err(error) => tracing::error!(%error, "a CONNECT could not be encoded"),
        }
        handler.connected();
        match std::mem::replace(&mut self.stage, Stage::Joined(handler)) {
            Stage::Deciding(waiting) => waiting,
            Stage::Joined(_) => Vec::new(),
        }
    }
}
