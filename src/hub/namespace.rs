//! One namespace: its sockets, and the rooms they are in.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::encode;
use super::members::Members;
use super::socket::{Socket, SocketKey};
use crate::transport::Frame;

/// A fan-out group of a namespace. It is there while a socket is in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Room {
    /// One of a family: `Numbered("user", 7)`.
    Numbered(&'static str, u64),
    /// Any name.
    Named(Arc<str>),
}

/// A namespace. Cheap to clone.
#[derive(Clone)]
pub struct Namespace {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    sockets: RwLock<FxHashMap<SocketKey, Socket>>,
    /// A keyed hash: a room's name may come from a client.
    rooms: RwLock<HashMap<Room, Members>>,
}

impl Namespace {
    /// An empty namespace; the default one is `/`.
    pub fn new(name: &str) -> Self {
        let inner = Inner {
            name: name.to_owned(),
            sockets: RwLock::default(),
            rooms: RwLock::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Its name, with the slash.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// How many sockets are connected.
    pub fn len(&self) -> usize {
        self.inner.sockets.read().len()
    }

    /// Whether no socket is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A connected socket.
    pub fn socket(&self, key: SocketKey) -> Option<Socket> {
        self.inner.sockets.read().get(&key).cloned()
    }

    /// All sockets of a room.
    pub fn to(&self, room: Room) -> Broadcast<'_> {
        Broadcast {
            namespace: self,
            room,
            except: None,
            sequence: None,
        }
    }

    /// Asks the handler of every socket to look whether it may stay. They hear of it from another task.
    pub fn nudge_all(&self) {
        let sockets: Vec<Socket> = self.inner.sockets.read().values().cloned().collect();
        if !sockets.is_empty() {
            tokio::spawn(async move { sockets.iter().for_each(Socket::nudge_now) });
        }
    }

    pub(super) fn insert(&self, socket: &Socket) {
        self.inner
            .sockets
            .write()
            .insert(socket.key(), socket.clone());
    }

    pub(super) fn remove(&self, key: SocketKey) {
        self.inner.sockets.write().remove(&key);
    }

    pub(super) fn join(&self, socket: &Socket, room: &Room) {
        self.inner
            .rooms
            .write()
            .entry(room.clone())
            .or_default()
            .add(socket);
    }

    pub(super) fn leave<'a>(&self, key: SocketKey, rooms: impl IntoIterator<Item = &'a Room>) {
        let mut members = self.inner.rooms.write();
        for room in rooms {
            if let Some(sockets) = members.get_mut(room) {
                sockets.remove(key);
                if sockets.is_empty() {
                    members.remove(room);
                }
            }
        }
    }
}

/// The sockets of a room, to be told something.
pub struct Broadcast<'a> {
    namespace: &'a Namespace,
    room: Room,
    except: Option<SocketKey>,
    sequence: Option<u64>,
}

impl Broadcast<'_> {
    /// Leaves one socket out.
    pub fn except(mut self, socket: Option<SocketKey>) -> Self {
        self.except = socket;
        self
    }

    /// Says where what is told stands in an order of the application's: a socket that is being continued may have been told
    /// of it already. See [`Socket::release`].
    pub fn sequenced(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }

    /// Asks the handler of each to look whether it may stay. They hear of it from another task.
    pub fn nudge(self) {
        let sockets: Vec<Socket> = {
            let rooms = self.namespace.inner.rooms.read();
            let sockets = rooms.get(&self.room).into_iter().flat_map(Members::iter);
            let others = sockets.filter(|socket| Some(socket.key()) != self.except);
            others.cloned().collect()
        };
        if !sockets.is_empty() {
            tokio::spawn(async move { sockets.iter().for_each(Socket::nudge_now) });
        }
    }

    /// Emits an event to each: encoded once, and not at all where nobody is there. `args` is written as a JSON array,
    /// so a tuple, an array or a slice.
    pub fn emit<A: Serialize + ?Sized>(self, name: &str, args: &A) {
        self.emit_forms(name, args, None::<&A>);
    }

    /// Emits an event to each: with `further` arguments, and with `plain` ones to sockets that take no more. Each form is
    /// encoded at most once.
    pub fn emit_further<F, P>(self, name: &str, further: &F, plain: &P)
    where
        F: Serialize + ?Sized,
        P: Serialize + ?Sized,
    {
        self.emit_forms(name, further, Some(plain));
    }

    fn emit_forms<F, P>(self, name: &str, further: &F, plain: Option<&P>)
    where
        F: Serialize + ?Sized,
        P: Serialize + ?Sized,
    {
        let rooms = self.namespace.inner.rooms.read();
        let Some(sockets) = rooms.get(&self.room) else {
            return;
        };
        let mut sockets = sockets
            .iter()
            .filter(|socket| Some(socket.key()) != self.except)
            .peekable();
        let namespace = self.namespace.name();
        let mut frames: [Option<Frame>; 2] = [None, None];
        while let Some(socket) = sockets.next() {
            let plain = plain.filter(|_| socket.is_plain());
            let encoded = &mut frames[usize::from(plain.is_some())];
            // The last one takes it.
            let frame = match encoded.take() {
                Some(frame) => frame,
                None => {
                    let frame = match plain {
                        Some(plain) => encode::event(namespace, name, plain, None, 0),
                        None => encode::event(namespace, name, further, None, 0),
                    };
                    match frame {
                        Ok(frame) => frame,
                        Err(error) => {
                            return tracing::error!(%error, name, "an event could not be encoded");
                        }
                    }
                }
            };
            if sockets.peek().is_some() {
                *encoded = Some(frame.clone());
            }
            socket.hear(frame, self.sequence);
        }
    }
}
