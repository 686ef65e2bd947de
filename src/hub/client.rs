//! One session's Socket.IO: which namespaces its client has joined, and what it says to them.

use std::sync::{Arc, Weak};
use std::time::Instant;

use bytes::Bytes;
use hyper::header;
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::ack::AckReply;
use super::incoming::{Assembling, Attached, Incoming, MAX_ATTACHMENT_BYTES, Waiting};
use super::io::Shared;
use super::joining::{Connects, Joined, Stage};
use super::library::Library;
use super::socket::{Ack, Socket, SocketKey};
use super::{DisconnectReason, Event, KeptHandshake, SocketHandler};
use crate::budget::{HALVES_OF_AN_ADDRESS, Portion};
use crate::socketio::{self, Data, Kind, Packet, check_placeholders};
use crate::transport::{CloseReason, Connection, Handshake, Receiver};

/// How many packets may wait for a CONNECT that is being decided. The reference's client sends none
/// before its answer.
const WAITING_PACKETS: usize = 64;
/// 256 KiB: how many bytes they may have, of one session.
const WAITING_BYTES: usize = 256 << 10;
/// The receiver of one session.
pub(super) struct Client {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: Connection,
    /// In a box of its own, since hardly any session has one.
    pub(super) authorization: Option<Box<Authorization>>,
    pub(super) library: Library,
    pub(super) handshake: Option<Arc<KeptHandshake>>,
    pub(super) state: Mutex<State>,
    pub(super) this: Weak<Client>,
}

/// The value of the handshake's `Authorization` header.
pub(super) struct Authorization(pub(super) Box<str>);

/// What a session says is taken one packet at a time, under the lock of this.
#[derive(Default)]
pub(super) struct State {
    pub(super) joined: SmallVec<[Joined; 1]>,
    pub(super) incoming: Incoming,
    /// The session stands in the list of those whose attachments are to come in time.
    pub(super) is_timed: bool,
    pub(super) connects: Connects,
    /// How many CONNECTs were refused one after the other.
    pub(super) refused: u32,
}

impl Client {
    pub(super) fn new(
        shared: Arc<Shared>,
        handshake: &Handshake<'_>,
        connection: Connection,
    ) -> Arc<Self> {
        let authorization = handshake
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let kept = shared.config.keep_handshakes;
        let library = Library::of(handshake);
        if let Some(packets) = library.packets_a_poll() {
            connection.bound_polls(packets);
        }
        Arc::new_cyclic(|this| Self {
            shared,
            connection,
            authorization: authorization.map(|value| Box::new(Authorization(value.into()))),
            library,
            handshake: kept.then(|| {
                Arc::new(KeptHandshake {
                    headers: handshake.headers.clone(),
                    query: handshake.query.to_owned(),
                    peer: handshake.peer,
                })
            }),
            state: Mutex::default(),
            this: this.clone(),
        })
    }

    /// The time to join a namespace is over.
    pub(super) fn connect_timeout(&self) {
        if self.state.lock().joined.is_empty() {
            self.connection.close(CloseReason::ConnectTimeout);
        }
    }

    /// The time for attachments is over, of an event that was announced then or later.
    pub(super) fn assembly_timeout(&self) {
        let mut state = self.state.lock();
        state.is_timed = false;
        let Incoming::Assembling(assembling) = &state.incoming else {
            return;
        };
        if assembling.since.elapsed() < self.shared.config.assembly_timeout {
            self.time(&mut state);
        } else {
            tracing::debug!("a client did not send the attachments that it has announced");
            state.incoming = Incoming::None;
            self.connection.close(CloseReason::TransportError);
        }
    }

    /// Has the session looked at when attachments must be there.
    fn time(&self, state: &mut State) {
        if !std::mem::replace(&mut state.is_timed, true) {
            self.shared.assembling.add(self.this.clone());
        }
    }

    /// Drops the sockets that were put out of their namespaces.
    pub(super) fn prune(&self) {
        self.state.lock().prune();
    }

    /// Has the handler of one socket put it out if it may no longer stay.
    pub(super) fn revalidate(&self, key: SocketKey) {
        let mut state = self.state.lock();
        state.prune();
        for joined in &mut state.joined {
            if let (true, Stage::Joined(handler)) = (joined.socket.key() == key, &mut joined.stage)
            {
                handler.revalidate();
            }
        }
    }

    /// Takes the text of a packet.
    fn packet(&self, state: &mut State, text: &str) -> Result<(), CloseReason> {
        let packet = decode(text)?;
        if packet.kind == Kind::Connect {
            return self.connect(state, &packet);
        }
        let joined = state.joined_by(&packet)?;
        if packet.attachments == 0 {
            return self.complete(state, text, packet, Attached::All(Vec::new()));
        }
        let is_wanted = match (packet.kind, packet.ack_id) {
            (Kind::Ack, Some(id)) => joined.socket.awaits(id),
            _ => true,
        };
        if is_wanted && packet.attachments <= joined.max_attachments {
            let share = self.hold(text.len());
            state.incoming = Incoming::Assembling(Box::new(Assembling {
                text: text.to_owned(),
                since: Instant::now(),
                missing: packet.attachments,
                attachments: Vec::new(),
                share: share.ok_or(CloseReason::TransportError)?,
            }));
            self.time(state);
            return Ok(());
        }
        state.incoming = Incoming::Dropping(packet.attachments);
        match packet.kind {
            Kind::Event => self.complete(state, text, packet, Attached::Refused),
            _ => Ok(()),
        }
    }

    /// Takes a packet that is no CONNECT, with all that belongs to it.
    pub(super) fn complete(
        &self,
        state: &mut State,
        text: &str,
        packet: Packet<'_>,
        attached: Attached,
    ) -> Result<(), CloseReason> {
        let joined = state.joined_by(&packet)?;
        let handler = match &mut joined.stage {
            Stage::Deciding(waiting) => return self.wait(waiting, text, attached),
            Stage::Joined(handler) => handler,
        };
        let socket = joined.socket.clone();
        match packet.kind {
            Kind::Disconnect => {
                socket.go();
                handler.disconnected(DisconnectReason::ClientNamespaceDisconnect);
                state
                    .joined
                    .retain(|joined| joined.socket.key() != socket.key());
                Ok(())
            }
            Kind::Event => event(&socket, handler.as_mut(), packet, &attached),
            Kind::Ack => {
                // One that was not asked for costs no more than its packet.
                if let (Some(id), Data::Array(args)) = (packet.ack_id, packet.data)
                    && let Attached::All(attachments) = attached
                    && socket.awaits(id)
                {
                    let args = args.0.into_iter().map(ToOwned::to_owned).collect();
                    socket.answered(id, AckReply { args, attachments });
                }
                Ok(())
            }
            Kind::Connect | Kind::ConnectError => Err(CloseReason::ParseError),
        }
    }

    /// Returns a portion of so many bytes of the memory for what is half received; `None` where
    /// there is no room for them.
    fn hold(&self, bytes: usize) -> Option<Portion> {
        let half_received = &self.shared.config.half_received;
        let address = self.connection.address();
        let mut portion = half_received.portion_at(address, HALVES_OF_AN_ADDRESS);
        portion.grow(bytes).then_some(portion)
    }

    /// Keeps a packet until the CONNECT before it is decided.
    fn wait(
        &self,
        waiting: &mut Vec<Waiting>,
        text: &str,
        attached: Attached,
    ) -> Result<(), CloseReason> {
        let attachments = match &attached {
            Attached::All(attachments) => attachments.iter().map(Bytes::len).sum(),
            Attached::Refused => 0,
        };
        let bytes = text.len() + attachments;
        let before: usize = waiting.iter().map(|waiting| waiting.share.bytes()).sum();
        // Attachments have a bound of their own, and are there already.
        if waiting.len() >= WAITING_PACKETS || before + text.len() > WAITING_BYTES {
            return Err(CloseReason::ParseError);
        }
        let share = self.hold(bytes);
        waiting.push(Waiting {
            text: text.to_owned(),
            attached,
            share: share.ok_or(CloseReason::TransportError)?,
        });
        Ok(())
    }
}

/// Reads a packet.
pub(super) fn decode(text: &str) -> Result<Packet<'_>, CloseReason> {
    Packet::decode(text).map_err(|error| {
        tracing::debug!(%error, "a client sent what is no packet");
        CloseReason::ParseError
    })
}

impl State {
    pub(super) fn find(&mut self, namespace: &str) -> Option<&mut Joined> {
        self.joined
            .iter_mut()
            .find(|joined| joined.socket.namespace().name() == namespace)
    }

    /// Returns where a packet belongs. With one for a namespace that is not joined, the client and
    /// this side no longer agree on what is.
    fn joined_by(&mut self, packet: &Packet<'_>) -> Result<&mut Joined, CloseReason> {
        self.prune();
        self.find(packet.namespace).ok_or(CloseReason::ParseError)
    }

    pub(super) fn prune(&mut self) {
        self.joined.retain(|joined| {
            let gone = joined.socket.is_gone();
            if let (true, Stage::Joined(handler)) = (gone, &mut joined.stage) {
                handler.disconnected(DisconnectReason::ServerNamespaceDisconnect);
            }
            !gone
        });
    }
}

/// Hands one event to its handler.
fn event(
    socket: &Socket,
    handler: &mut dyn SocketHandler,
    packet: Packet<'_>,
    attached: &Attached,
) -> Result<(), CloseReason> {
    let Data::Array(elements) = packet.data else {
        return Err(CloseReason::ParseError);
    };
    let event = socketio::Event::parse(elements).map_err(|error| {
        tracing::debug!(%error, "a client sent what is no event");
        CloseReason::ParseError
    })?;
    let ack = packet.ack_id.map(|id| Ack::new(socket.clone(), id));
    let event = |attachments| Event {
        name: &event.name,
        args: &event.args,
        attachments,
        ack,
    };
    match attached {
        Attached::All(attachments) => handler.event(event(attachments)),
        Attached::Refused => handler.refused(event(&[])),
    }
    Ok(())
}

impl Receiver for Client {
    fn message(&self, text: &str) -> Result<(), CloseReason> {
        let mut state = self.state.lock();
        match state.incoming {
            Incoming::None => self.packet(&mut state, text),
            // Text where an attachment is due.
            _ => Err(CloseReason::ParseError),
        }
    }

    fn binary(&self, bytes: &[u8]) -> Result<(), CloseReason> {
        let mut state = self.state.lock();
        match std::mem::take(&mut state.incoming) {
            Incoming::None => Err(CloseReason::ParseError),
            Incoming::Dropping(missing) => {
                if missing > 1 {
                    state.incoming = Incoming::Dropping(missing - 1);
                }
                Ok(())
            }
            Incoming::Assembling(mut assembling) => {
                let most = assembling.text.len() + MAX_ATTACHMENT_BYTES;
                let share = &mut assembling.share;
                if share.bytes() + bytes.len() > most || !share.grow(bytes.len()) {
                    return Err(CloseReason::TransportError);
                }
                assembling.attachments.push(Bytes::copy_from_slice(bytes));
                assembling.missing -= 1;
                if assembling.missing > 0 {
                    state.incoming = Incoming::Assembling(assembling);
                    return Ok(());
                }
                let Assembling {
                    text, attachments, ..
                } = *assembling;
                let packet = decode(&text)?;
                if let Data::Array(elements) = &packet.data {
                    check_placeholders(elements, attachments.len()).map_err(|error| {
                        tracing::debug!(%error, "a client sent what is no packet");
                        CloseReason::ParseError
                    })?;
                }
                self.complete(&mut state, &text, packet, Attached::All(attachments))
            }
        }
    }

    fn closed(&self, reason: CloseReason) {
        let mut state = self.state.lock();
        state.incoming = Incoming::None;
        for mut joined in std::mem::take(&mut state.joined) {
            joined.socket.go();
            if let Stage::Joined(handler) = &mut joined.stage {
                handler.disconnected(DisconnectReason::Closed(reason));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each session has one, with the counts of its `Arc`.
    #[test]
    fn a_session_costs_no_size_of_the_allocator_more() {
        assert!(size_of::<Client>() + 16 <= 160);
    }
}
