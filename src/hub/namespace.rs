//! One namespace: its sockets, and the groups they are in.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};
use rustc_hash::FxHashMap;
use serde::Serialize;
use smallvec::smallvec;

use super::broadcast::{Broadcast, Encoded};
use super::members::Members;
use super::socket::{Socket, SocketKey};

/// After 16 handlers that were asked whether their sockets may stay others have a turn.
const REVALIDATED_A_TURN: usize = 16;

/// A fan-out group of a namespace, which Socket.IO calls a room. It exists while a socket is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Group {
    family: u8,
    number: u64,
}

impl Group {
    /// The group of this number in a family, which the application tells from its others by a
    /// number too: every socket keeps its groups.
    pub const fn new(family: u8, number: u64) -> Self {
        Self { family, number }
    }

    /// The family that it is of.
    pub const fn family(&self) -> u8 {
        self.family
    }

    /// Its number in that.
    pub const fn number(&self) -> u64 {
        self.number
    }
}

/// A namespace. Cheap to clone.
#[derive(Clone)]
pub struct Namespace {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    sockets: RwLock<FxHashMap<SocketKey, Socket>>,
    /// A keyed hash: a group's number may be chosen by a client.
    groups: RwLock<HashMap<Group, Members>>,
}

impl Namespace {
    /// An empty namespace; the default one is `/`.
    pub fn new(name: &str) -> Self {
        let inner = Inner {
            name: name.to_owned(),
            sockets: RwLock::default(),
            groups: RwLock::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Its name, with the slash.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Returns how many sockets are connected.
    pub fn len(&self) -> usize {
        self.inner.sockets.read().len()
    }

    /// Returns whether no socket is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A connected socket.
    pub fn socket(&self, key: SocketKey) -> Option<Socket> {
        self.inner.sockets.read().get(&key).cloned()
    }

    /// All sockets of a group.
    pub fn to(&self, group: Group) -> Broadcast<'_> {
        Broadcast::new(self, smallvec![group])
    }

    /// All sockets of several groups, which have none in common.
    pub fn to_each(&self, groups: impl IntoIterator<Item = Group>) -> Broadcast<'_> {
        Broadcast::new(self, groups.into_iter().collect())
    }

    /// Encodes an event once for all who will be told of it, by [`Broadcast::send`]; arguments as
    /// for [`Broadcast::emit_further`].
    pub fn encode<F, P>(&self, name: &str, further: &F, plain: &P) -> Option<Encoded>
    where
        F: Serialize + ?Sized,
        P: Serialize + ?Sized,
    {
        Encoded::new(self.name(), name, further, plain)
            .inspect_err(|error| tracing::error!(%error, name, "an event could not be encoded"))
            .ok()
    }

    /// Has the handler of every socket put it out if it may no longer stay. They are called from
    /// another task.
    pub fn revalidate_all(&self) {
        revalidate(self.inner.sockets.read().values().cloned().collect());
    }

    pub(super) fn groups(&self) -> RwLockReadGuard<'_, HashMap<Group, Members>> {
        self.inner.groups.read()
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

    pub(super) fn join(&self, socket: &Socket, group: Group) {
        self.inner
            .groups
            .write()
            .entry(group)
            .or_default()
            .add(socket);
    }

    pub(super) fn leave<'a>(&self, key: SocketKey, groups: impl IntoIterator<Item = &'a Group>) {
        let mut all = self.inner.groups.write();
        for group in groups {
            if let Some(members) = all.get_mut(group) {
                members.remove(key);
                if members.is_empty() {
                    all.remove(group);
                }
            }
        }
    }
}

/// Has the handlers of these sockets put them out if they may no longer stay, from a task of its
/// own.
pub(super) fn revalidate(mut sockets: Vec<Socket>) {
    // One that waits for its turn already is looked at as all is by then.
    sockets.retain(Socket::is_newly_due);
    if sockets.is_empty() {
        return;
    }
    tokio::spawn(async move {
        for some in sockets.chunks(REVALIDATED_A_TURN) {
            some.iter().for_each(Socket::revalidate_now);
            tokio::task::yield_now().await;
        }
    });
}
