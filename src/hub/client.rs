//! One session's Socket.IO: which namespaces its client has joined, and what it says to them.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::ack::AckReply;
use super::encode;
use super::library::Library;
use super::namespace::Namespace;
use super::socket::{Ack, Socket, SocketKey};
use super::{
    ConnectRequest, Connecting, Decision, DisconnectReason, Event, KeptHandshake, Refusal, Shared,
    SocketHandler,
};
use crate::budget::Share;
use crate::socketio::{self, Connected, Header, Kind, Packet, check_placeholders};
use crate::transport::{CloseReason, Connection, Handshake, Receiver};

/// How many bytes of attachments an event may bring in all: as much as four of the largest messages of the reference.
const MAX_ATTACHMENT_BYTES: usize = 4_000_000;
/// How many packets may wait for a CONNECT that is being decided. The reference's client sends none before its answer.
const WAITING_PACKETS: usize = 64;
/// 256 KiB: how many bytes they may have, of one session.
const WAITING_BYTES: usize = 256 << 10;
/// How many CONNECTs a session may send at once, one for each namespace that any program has, and one a second after that.
const CONNECTS_AT_ONCE: u32 = 20;
const CONNECT_INTERVAL: Duration = Duration::from_secs(1);
/// How many CONNECTs may be refused one after the other: each may have cost the check of a signature, and a stock client
/// ends its session after one.
const REFUSED_CONNECTS: u32 = 10;

/// The receiver of one session.
pub(super) struct Client {
    shared: Arc<Shared>,
    connection: Connection,
    /// The value of the handshake's `Authorization` header.
    authorization: Option<Box<str>>,
    library: Library,
    handshake: Option<Arc<KeptHandshake>>,
    state: Mutex<State>,
    this: Weak<Client>,
}

#[derive(Default)]
struct State {
    joined: SmallVec<[Joined; 1]>,
    incoming: Incoming,
    /// The session stands in the list of those whose attachments are to come in time.
    is_timed: bool,
    connects: Connects,
}

/// The attachments that are arriving.
#[derive(Default)]
enum Incoming {
    #[default]
    None,
    /// Those of an event that waits for them.
    Assembling(Box<Assembling>),
    /// So many that are of no use.
    Dropping(usize),
}

/// The CONNECTs of a session, counted.
#[derive(Default)]
struct Connects {
    /// When as many as may come at once are free again.
    free_at: Option<Instant>,
    refused: u32,
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
struct Joined {
    socket: Socket,
    max_attachments: usize,
    stage: Stage,
}

enum Stage {
    /// The CONNECT is being decided; what came for it meanwhile.
    Deciding(Vec<Waiting>),
    /// It is heard by this.
    Joined(Box<dyn SocketHandler>),
}

/// What belongs to a packet.
enum Attached {
    All(Vec<Bytes>),
    /// More than are taken.
    Refused,
}

/// A packet that waits.
struct Waiting {
    text: String,
    attached: Attached,
    share: Share,
}

/// An event or ack whose attachments are not all there.
struct Assembling {
    text: String,
    since: Instant,
    missing: usize,
    attachments: Vec<Bytes>,
    /// The bytes of both.
    share: Share,
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
        Arc::new_cyclic(|this| Self {
            shared,
            connection,
            authorization: authorization.map(Into::into),
            library: Library::of(handshake),
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

    /// Takes sockets out that were put out of their namespaces.
    pub(super) fn prune(&self) {
        self.state.lock().prune();
    }

    /// Asks the handler of one socket to look whether it may stay.
    pub(super) fn nudge(&self, key: SocketKey) {
        let mut state = self.state.lock();
        state.prune();
        for joined in &mut state.joined {
            if let (true, Stage::Joined(handler)) = (joined.socket.key() == key, &mut joined.stage)
            {
                handler.nudged();
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
            return self.complete(state, text, &packet, Attached::All(Vec::new()));
        }
        let is_wanted = match (packet.kind, packet.ack_id) {
            (Kind::Ack, Some(id)) => joined.socket.awaits(id),
            _ => true,
        };
        if is_wanted && packet.attachments <= joined.max_attachments {
            let share = self.shared.config.half_received.take(text.len());
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
            Kind::Event => self.complete(state, text, &packet, Attached::Refused),
            _ => Ok(()),
        }
    }

    /// Takes a packet that is no CONNECT, with all that belongs to it.
    fn complete(
        &self,
        state: &mut State,
        text: &str,
        packet: &Packet<'_>,
        attached: Attached,
    ) -> Result<(), CloseReason> {
        let joined = state.joined_by(packet)?;
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
                // One that nobody asked for costs no more than its packet.
                if let (Some(id), Some(data)) = (packet.ack_id, packet.data)
                    && let Attached::All(attachments) = attached
                    && socket.awaits(id)
                {
                    let args = socketio::Ack::parse(data).args;
                    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
                    socket.answered(id, AckReply { args, attachments });
                }
                Ok(())
            }
            Kind::Connect | Kind::ConnectError => Err(CloseReason::ParseError),
        }
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
        let share = self.shared.config.half_received.take(bytes);
        waiting.push(Waiting {
            text: text.to_owned(),
            attached,
            share: share.ok_or(CloseReason::TransportError)?,
        });
        Ok(())
    }

    fn connect(&self, state: &mut State, packet: &Packet<'_>) -> Result<(), CloseReason> {
        if !state.connects.allow(Instant::now()) {
            tracing::debug!("a session sent too many CONNECTs");
            return Err(CloseReason::TransportError);
        }
        state.prune();
        if state.find(packet.namespace).is_some() {
            return Err(CloseReason::ParseError);
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
            auth: packet.data,
            authorization: self.authorization.as_deref(),
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
                state.connects.refused = 0;
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
                state.connects.refused = 0;
                for Waiting { text, attached, .. } in waiting {
                    let heard = decode(&text)
                        .and_then(|packet| self.complete(&mut state, &text, &packet, attached));
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
        state.connects.refused += 1;
        if state.connects.refused >= REFUSED_CONNECTS {
            self.connection.close(CloseReason::TransportError);
        }
    }
}

/// Reads a packet.
fn decode(text: &str) -> Result<Packet<'_>, CloseReason> {
    Packet::decode(text).map_err(|error| {
        tracing::debug!(%error, "a client sent what is no packet");
        CloseReason::ParseError
    })
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

impl State {
    fn find(&mut self, namespace: &str) -> Option<&mut Joined> {
        self.joined
            .iter_mut()
            .find(|joined| joined.socket.namespace().name() == namespace)
    }

    /// Returns where a packet belongs. With one for a namespace that is not joined, the client and this side no longer
    /// agree on what is.
    fn joined_by(&mut self, packet: &Packet<'_>) -> Result<&mut Joined, CloseReason> {
        self.prune();
        self.find(packet.namespace).ok_or(CloseReason::ParseError)
    }

    fn prune(&mut self) {
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
    packet: &Packet<'_>,
    attached: &Attached,
) -> Result<(), CloseReason> {
    let data: &RawValue = packet.data.ok_or(CloseReason::ParseError)?;
    let event = socketio::Event::parse(data).map_err(|error| {
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
                if let Some(data) = packet.data {
                    check_placeholders(data, attachments.len()).map_err(|error| {
                        tracing::debug!(%error, "a client sent what is no packet");
                        CloseReason::ParseError
                    })?;
                }
                self.complete(&mut state, &text, &packet, Attached::All(attachments))
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
