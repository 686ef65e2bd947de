//! One session's Socket.IO: which namespaces its client has joined, and what it says to them.

use std::sync::{Arc, Weak};

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
use crate::socketio::{self, Header, Kind, Packet, check_placeholders};
use crate::transport::{CloseReason, Connection, Handshake, Receiver};

/// How many bytes of attachments an event may bring in all: as much as four of the largest messages of the reference.
const MAX_ATTACHMENT_BYTES: usize = 4_000_000;
/// How many packets may wait for a CONNECT that is being decided. The reference's client sends none before its answer.
const WAITING_PACKETS: usize = 64;
/// 64 KiB: how many bytes these may have.
const WAITING_BYTES: usize = 64 << 10;

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
    /// The event whose attachments are arriving.
    assembling: Option<Box<Assembling>>,
}

/// One namespace that the client has joined, or is about to.
struct Joined {
    socket: Socket,
    stage: Stage,
}

enum Stage {
    /// The CONNECT is being decided; what came for it meanwhile.
    Deciding(Vec<Waiting>),
    /// It is heard by this.
    Connected(Box<dyn SocketHandler>),
}

/// A packet that waits.
struct Waiting {
    text: String,
    attachments: Vec<Bytes>,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.text.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }
}

/// An event or ack whose attachments are not all there.
struct Assembling {
    text: String,
    missing: usize,
    bytes: usize,
    attachments: Vec<Bytes>,
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

    /// Takes sockets out that were put out of their namespaces.
    pub(super) fn prune(&self) {
        self.state.lock().prune();
    }

    /// Asks the handler of one socket to look whether it may stay.
    pub(super) fn nudge(&self, key: SocketKey) {
        let mut state = self.state.lock();
        state.prune();
        for joined in &mut state.joined {
            if let (true, Stage::Connected(handler)) =
                (joined.socket.key() == key, &mut joined.stage)
            {
                handler.nudged();
            }
        }
    }

    fn packet(
        &self,
        state: &mut State,
        text: &str,
        attachments: Vec<Bytes>,
    ) -> Result<(), CloseReason> {
        let packet = Packet::decode(text).map_err(|error| {
            tracing::debug!(%error, "a client sent what is no packet");
            CloseReason::ParseError
        })?;
        if packet.attachments > attachments.len() {
            let missing = packet.attachments - attachments.len();
            state.assembling = Some(Box::new(Assembling {
                text: text.to_owned(),
                missing,
                bytes: 0,
                attachments,
            }));
            return Ok(());
        }
        if let (Some(data), true) = (packet.data, packet.attachments > 0) {
            check_placeholders(data, attachments.len()).map_err(|error| {
                tracing::debug!(%error, "a client sent what is no packet");
                CloseReason::ParseError
            })?;
        }
        if packet.kind == Kind::Connect {
            return self.connect(state, &packet);
        }
        state.prune();
        // A packet for a namespace that is not joined: the client and this side no longer agree on what is.
        let joined = state
            .find(packet.namespace)
            .ok_or(CloseReason::ParseError)?;
        match &mut joined.stage {
            Stage::Deciding(waiting) => {
                let packet = Waiting {
                    text: text.to_owned(),
                    attachments,
                };
                let bytes: usize = waiting.iter().chain([&packet]).map(Waiting::bytes).sum();
                if waiting.len() >= WAITING_PACKETS || bytes > WAITING_BYTES {
                    return Err(CloseReason::ParseError);
                }
                waiting.push(packet);
                Ok(())
            }
            Stage::Connected(handler) => {
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
                    Kind::Event => event(&socket, handler.as_mut(), &packet, &attachments),
                    Kind::Ack => {
                        if let (Some(id), Some(data)) = (packet.ack_id, packet.data) {
                            let args = socketio::Ack::parse(data).args;
                            let args = args.iter().map(|arg| (*arg).to_owned()).collect();
                            socket.answered(id, AckReply { args, attachments });
                        }
                        Ok(())
                    }
                    Kind::Connect | Kind::ConnectError => Err(CloseReason::ParseError),
                }
            }
        }
    }

    fn connect(&self, state: &mut State, packet: &Packet<'_>) -> Result<(), CloseReason> {
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
            self.refuse(
                packet.namespace,
                &Refusal {
                    message: "Invalid namespace".into(),
                    data: None,
                },
            );
            return Ok(());
        };
        let socket = Socket::new(namespace, self.connection.clone(), self.this.clone());
        let request = ConnectRequest {
            auth: packet.data,
            authorization: self.authorization.as_deref(),
            library: self.library,
            handshake: self.handshake.as_ref(),
        };
        match handler.connect(&socket, request) {
            Connecting::Done(Ok(handler)) => {
                let mut joined = Joined {
                    socket,
                    stage: Stage::Deciding(Vec::new()),
                };
                joined.welcome(namespace, handler);
                state.joined.push(joined);
            }
            Connecting::Done(Err(refusal)) => {
                socket.go();
                self.refuse(namespace.name(), &refusal);
            }
            Connecting::Later(decision) => {
                let key = socket.key();
                state.joined.push(Joined {
                    socket,
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
                self.refuse(namespace.name(), &refusal);
            }
            Ok(handler) => {
                for waiting in state.joined[at].welcome(namespace, handler) {
                    if let Err(reason) = self.packet(&mut state, &waiting.text, waiting.attachments)
                    {
                        return self.connection.close(reason);
                    }
                }
            }
        }
    }

    fn refuse(&self, namespace: &str, refusal: &Refusal) {
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
    }
}

/// The data of a CONNECT packet that the server sends.
#[derive(serde::Serialize)]
struct Welcome<'a> {
    sid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<String>,
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
            Some(&Welcome {
                sid: id.as_str(),
                pid: handler.private_id(),
            }),
        ) {
            Ok(frame) => drop(self.socket.connection().send(frame)),
            Err(error) => tracing::error!(%error, "a CONNECT could not be encoded"),
        }
        handler.connected();
        match std::mem::replace(&mut self.stage, Stage::Connected(handler)) {
            Stage::Deciding(waiting) => waiting,
            Stage::Connected(_) => Vec::new(),
        }
    }
}

impl State {
    fn find(&mut self, namespace: &str) -> Option<&mut Joined> {
        self.joined
            .iter_mut()
            .find(|joined| joined.socket.namespace().name() == namespace)
    }

    fn prune(&mut self) {
        self.joined.retain(|joined| {
            let gone = joined.socket.is_gone();
            if let (true, Stage::Connected(handler)) = (gone, &mut joined.stage) {
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
    attachments: &[Bytes],
) -> Result<(), CloseReason> {
    let data: &RawValue = packet.data.ok_or(CloseReason::ParseError)?;
    let event = socketio::Event::parse(data).map_err(|error| {
        tracing::debug!(%error, "a client sent what is no event");
        CloseReason::ParseError
    })?;
    let ack = packet.ack_id.map(|id| Ack::new(socket.clone(), id));
    handler.event(Event {
        name: &event.name,
        args: &event.args,
        attachments,
        ack,
    });
    Ok(())
}

impl Receiver for Client {
    fn message(&self, text: &str) -> Result<(), CloseReason> {
        let mut state = self.state.lock();
        if state.assembling.is_some() {
            // Text where an attachment is due.
            return Err(CloseReason::ParseError);
        }
        self.packet(&mut state, text, Vec::new())
    }

    fn binary(&self, bytes: &[u8]) -> Result<(), CloseReason> {
        let mut state = self.state.lock();
        let assembling = state.assembling.as_mut().ok_or(CloseReason::ParseError)?;
        assembling.bytes += bytes.len();
        if assembling.bytes > MAX_ATTACHMENT_BYTES {
            state.assembling = None;
            return Err(CloseReason::TransportError);
        }
        assembling.attachments.push(Bytes::copy_from_slice(bytes));
        assembling.missing -= 1;
        if assembling.missing == 0
            && let Some(complete) = state.assembling.take()
        {
            return self.packet(&mut state, &complete.text, complete.attachments);
        }
        Ok(())
    }

    fn closed(&self, reason: CloseReason) {
        let mut state = self.state.lock();
        state.assembling = None;
        for mut joined in std::mem::take(&mut state.joined) {
            joined.socket.go();
            if let Stage::Connected(handler) = &mut joined.stage {
                handler.disconnected(DisconnectReason::Closed(reason));
            }
        }
    }
}
