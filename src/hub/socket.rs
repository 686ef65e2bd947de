//! One client in one namespace.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde::Serialize;
use smallvec::SmallVec;

use super::client::Client;
use super::encode;
use super::namespace::{Namespace, Room};
use crate::socketio::{Header, Kind};
use crate::transport::{CloseReason, Connection, Frame};

/// A socket's number in this process: what a change carries as its origin.
pub type SocketKey = u64;

static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

/// The public id of a socket, 20 characters; says nothing of its session's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SocketId([u8; 20]);

impl SocketId {
    fn random() -> Self {
        let random: [u8; 15] = rand::random();
        let mut text = [0; 20];
        BASE64_URL_SAFE_NO_PAD
            .encode_slice(random, &mut text)
            .expect("15 bytes are 20 characters of base64");
        Self(text)
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// One client in one namespace. Cheap to clone; sending to one that is gone does nothing.
#[derive(Clone)]
pub struct Socket {
    inner: Arc<Inner>,
}

struct Inner {
    key: SocketKey,
    id: SocketId,
    namespace: Namespace,
    connection: Connection,
    client: Weak<Client>,
    rooms: Mutex<SmallVec<[Room; 1]>>,
    /// It left its namespace, or was put out.
    gone: AtomicBool,
}

impl Socket {
    pub(super) fn new(namespace: &Namespace, connection: Connection, client: Weak<Client>) -> Self {
        let inner = Inner {
            key: NEXT_KEY.fetch_add(1, Ordering::Relaxed),
            id: SocketId::random(),
            namespace: namespace.clone(),
            connection,
            client,
            rooms: Mutex::default(),
            gone: AtomicBool::new(false),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Its number in this process.
    pub fn key(&self) -> SocketKey {
        self.inner.key
    }

    /// Its public id.
    pub fn id(&self) -> SocketId {
        self.inner.id
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.inner.namespace
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    /// Joins a room. A socket that is gone joins none.
    pub fn join(&self, room: Room) {
        let mut rooms = self.inner.rooms.lock();
        if !self.is_gone() && !rooms.contains(&room) {
            self.inner.namespace.join(self, &room);
            rooms.push(room);
        }
    }

    /// Leaves every room that `which` names, in one step.
    pub fn leave(&self, which: impl Fn(&Room) -> bool) {
        let mut rooms = self.inner.rooms.lock();
        self.inner
            .namespace
            .leave(self.key(), rooms.iter().filter(|room| which(room)));
        rooms.retain(|room| !which(room));
        rooms.shrink_to_fit();
    }

    /// Emits an event. `args` is written as a JSON array, so a tuple, an array or a slice.
    pub fn emit<A: Serialize + ?Sized>(&self, name: &str, args: &A) {
        match encode::event(self.inner.namespace.name(), name, args) {
            Ok(frame) => self.send(frame),
            Err(error) => tracing::error!(%error, name, "an event could not be encoded"),
        }
    }

    fn send(&self, frame: Frame) {
        if !self.is_gone() {
            self.inner.connection.send(frame);
        }
    }

    /// Puts it out of its namespace: a stock client does not come back by itself. Its handler hears of it from another
    /// task.
    pub fn disconnect(&self) {
        if !self.is_gone() {
            let header = Header {
                kind: Kind::Disconnect,
                namespace: self.namespace().name(),
                ack_id: None,
                attachments: 0,
            };
            if let Ok(frame) = encode::packet::<()>(header, None) {
                self.inner.connection.send(frame);
            }
            self.go();
            if let Some(client) = self.inner.client.upgrade() {
                tokio::spawn(async move { client.prune() });
            }
        }
    }

    /// Closes its whole session: a stock client comes back by itself.
    pub fn close(&self, reason: CloseReason) {
        self.inner.connection.close(reason);
    }

    pub(super) fn is_gone(&self) -> bool {
        self.inner.gone.load(Ordering::Acquire)
    }

    /// Takes it out of its namespace and rooms.
    pub(super) fn go(&self) {
        // Under the lock of its rooms, so that none is joined after they are left.
        let mut rooms = self.inner.rooms.lock();
        self.inner.gone.store(true, Ordering::Release);
        self.inner.namespace.leave(self.key(), rooms.iter());
        *rooms = SmallVec::new();
        self.inner.namespace.remove(self.key());
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.key())
    }
}

/// Where the ack of one event goes.
#[derive(Debug)]
pub struct Ack {
    socket: Socket,
    id: u64,
}

impl Ack {
    pub(super) fn new(socket: Socket, id: u64) -> Self {
        Self { socket, id }
    }

    /// Answers. `args` is written as a JSON array, so a tuple, an array or a slice.
    pub fn send<A: Serialize + ?Sized>(self, args: &A) {
        match encode::ack(self.socket.namespace().name(), self.id, args) {
            Ok(frame) => self.socket.send(frame),
            Err(error) => tracing::error!(%error, "an ack could not be encoded"),
        }
    }
}
