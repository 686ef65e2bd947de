//! One client in one namespace.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use smallvec::SmallVec;

use super::ack::{AckError, AckReply, Awaited};
use super::client::Client;
use super::encode;
use super::held::Held;
use super::namespace::{Group, Namespace, revalidate};
use super::socket_id::SocketId;
use crate::socketio::{Header, Kind};
use crate::transport::{CloseReason, Connection, Frame};

/// A socket's number in this process: what a change carries as its origin.
pub type SocketKey = u64;

/// Set where a client's listeners are given no argument that they may not know of.
const PLAIN: u8 = 0x80;
/// What a client speaks that says nothing of versions.
const FIRST_VERSION: u8 = 1;

static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

/// One client in one namespace. Cheap to clone; sending to one that is gone does nothing.
#[derive(Clone)]
pub struct Socket {
    inner: Arc<Inner>,
}

struct Inner {
    key: SocketKey,
    id: OnceLock<SocketId>,
    namespace: Namespace,
    connection: Connection,
    client: Weak<Client>,
    groups: Mutex<SmallVec<[Group; 1]>>,
    awaited: Awaited,
    /// Broadcasts that wait until the client was told what it missed, with their sequence numbers.
    held: Mutex<Option<Box<Held>>>,
    /// Of broadcasts up to this sequence number its client was told otherwise.
    told: AtomicU64,
    /// What its client takes: [`PLAIN`], and the version that it speaks.
    takes: AtomicU8,
    /// It left its namespace, or was put out.
    gone: AtomicBool,
    /// Its handler is to be asked whether it may stay, and waits for that already.
    is_due: AtomicBool,
}

impl Socket {
    pub(super) fn new(namespace: &Namespace, connection: Connection, client: Weak<Client>) -> Self {
        let inner = Inner {
            key: NEXT_KEY.fetch_add(1, Ordering::Relaxed),
            id: OnceLock::new(),
            namespace: namespace.clone(),
            connection,
            client,
            groups: Mutex::default(),
            awaited: Awaited::default(),
            held: Mutex::default(),
            told: AtomicU64::new(0),
            takes: AtomicU8::new(FIRST_VERSION),
            gone: AtomicBool::new(false),
            is_due: AtomicBool::new(false),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Its number in this process.
    pub fn key(&self) -> SocketKey {
        self.inner.key
    }

    /// Its public id; random, unless it was given an earlier one.
    pub fn id(&self) -> SocketId {
        *self.inner.id.get_or_init(SocketId::random)
    }

    /// Gives it the id of an earlier socket, which it continues. `false` where it has one already.
    pub fn continue_as(&self, id: SocketId) -> bool {
        self.inner.id.set(id).is_ok()
    }

    /// Leaves the further arguments of [`Broadcast::emit_further`] out for this socket.
    ///
    /// [`Broadcast::emit_further`]: super::Broadcast::emit_further
    pub fn make_plain(&self) {
        self.inner.takes.fetch_or(PLAIN, Ordering::Relaxed);
    }

    /// Notes which version of the application's protocol its client speaks, below 128; the first
    /// until then.
    pub fn speak(&self, version: u8) {
        let plain = self.inner.takes.load(Ordering::Relaxed) & PLAIN;
        let takes = plain | (version & !PLAIN);
        self.inner.takes.store(takes, Ordering::Relaxed);
    }

    /// Returns the version that its client speaks.
    pub fn version(&self) -> u8 {
        self.inner.takes.load(Ordering::Relaxed) & !PLAIN
    }

    /// Returns whether it was made so.
    pub fn is_plain(&self) -> bool {
        self.inner.takes.load(Ordering::Relaxed) & PLAIN != 0
    }

    /// Holds back what is broadcast to it from now on, until [`Socket::release`]. So that it can
    /// join its groups first, be told by [`Socket::emit`] what its client missed, and then hear the
    /// rest, in order and once.
    pub fn hold(&self) {
        let mut held = self.inner.held.lock();
        held.get_or_insert_with(|| {
            Box::new(Held {
                frames: Vec::new(),
                share: self.inner.connection.share(),
            })
        });
    }

    /// Sends what was held back, but for what is not newer than this sequence number. Nor is such a
    /// broadcast heard when it comes later.
    pub fn release(&self, told: u64) {
        let mut held = self.inner.held.lock();
        self.inner.told.store(told, Ordering::Release);
        let frames = held.take().map(|held| held.frames);
        for (sequence, frame) in frames.into_iter().flatten() {
            if sequence.is_none_or(|sequence| sequence > told) {
                // Under the lock, so that no later broadcast overtakes it.
                self.send(frame);
            }
        }
    }

    /// Takes a broadcast.
    pub(super) fn hear(&self, frame: Frame, sequence: Option<u64>) {
        let mut held = self.inner.held.lock();
        if sequence.is_some_and(|sequence| sequence <= self.inner.told.load(Ordering::Acquire)) {
            return;
        }
        match &mut *held {
            Some(held) => {
                if !held.push(sequence, frame) {
                    self.close(CloseReason::SlowConsumer);
                }
            }
            None => {
                drop(held);
                self.inner.connection.send(frame);
            }
        }
    }

    /// Takes broadcasts, which are sent together.
    pub(super) fn hear_all(&self, broadcasts: impl Iterator<Item = (u64, Frame)>) {
        let mut held = self.inner.held.lock();
        let told = self.inner.told.load(Ordering::Acquire);
        let mut new = broadcasts.filter(|(sequence, _)| *sequence > told);
        match &mut *held {
            Some(held) => {
                if !new.all(|(sequence, frame)| held.push(Some(sequence), frame)) {
                    self.close(CloseReason::SlowConsumer);
                }
            }
            None => {
                drop(held);
                let mut new = new.map(|(_, frame)| frame).peekable();
                if new.peek().is_some() {
                    self.inner.connection.send_all(new);
                }
            }
        }
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.inner.namespace
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    /// Joins a group. A socket that is gone joins none.
    pub fn join(&self, group: Group) {
        let mut groups = self.inner.groups.lock();
        if !self.is_gone() && !groups.contains(&group) {
            self.inner.namespace.join(self, group);
            groups.push(group);
        }
    }

    /// Leaves every group that `which` names, in one step.
    pub fn leave(&self, which: impl Fn(&Group) -> bool) {
        let mut groups = self.inner.groups.lock();
        self.inner
            .namespace
            .leave(self.key(), groups.iter().filter(|group| which(group)));
        groups.retain(|group| !which(group));
        groups.shrink_to_fit();
    }

    /// Returns those of its groups that are such.
    pub fn groups_where(&self, which: impl Fn(&Group) -> bool) -> Vec<Group> {
        let groups = self.inner.groups.lock();
        groups
            .iter()
            .filter(|group| which(group))
            .copied()
            .collect()
    }

    /// Emits an event. `args` is written as a JSON array, so a tuple, an array or a slice.
    pub fn emit<A: Serialize + ?Sized>(&self, name: &str, args: &A) {
        self.emit_binary(name, args, &[]);
    }

    /// Encodes an event to be sent later, by [`Socket::send_encoded`]; `args` as for
    /// [`Socket::emit`].
    pub fn encode<A: Serialize + ?Sized>(&self, name: &str, args: &A) -> Option<Frame> {
        encode::event(self.namespace().name(), name, args, None, 0)
            .inspect_err(|error| tracing::error!(%error, name, "an event could not be encoded"))
            .ok()
    }

    /// Sends events that were encoded before.
    pub fn send_encoded(&self, events: Vec<Frame>) {
        if !self.is_gone() {
            self.inner.connection.send_all(events);
        }
    }

    /// How many bytes of events may be sent at once, and leave as much room to others.
    pub fn room(&self) -> usize {
        self.inner.connection.room()
    }

    /// Emits an event with attachments, which [`crate::socketio::Placeholder`]s in `args` stand
    /// for.
    pub fn emit_binary<A: Serialize + ?Sized>(&self, name: &str, args: &A, attachments: &[Bytes]) {
        match encode::event(self.namespace().name(), name, args, None, attachments.len()) {
            Ok(frame) => self.send_all(frame, attachments),
            Err(error) => tracing::error!(%error, name, "an event could not be encoded"),
        }
    }

    /// Emits an event and waits for the client's ack.
    pub async fn emit_with_ack<A: Serialize + ?Sized>(
        &self,
        name: &str,
        args: &A,
        timeout: Duration,
    ) -> Result<AckReply, AckError> {
        if self.is_gone() {
            return Err(AckError::Disconnected);
        }
        let (id, answered) = self.inner.awaited.ask()?;
        match encode::event(self.namespace().name(), name, args, Some(id), 0) {
            Ok(frame) => self.send(frame),
            Err(error) => {
                tracing::error!(%error, name, "an event could not be encoded");
                self.inner.awaited.forget(id);
                return Err(AckError::Encode);
            }
        }
        match tokio::time::timeout(timeout, answered).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(_)) => Err(AckError::Disconnected),
            Err(_) => {
                self.inner.awaited.forget(id);
                Err(AckError::Timeout)
            }
        }
    }

    pub(super) fn awaits(&self, id: u64) -> bool {
        self.inner.awaited.awaits(id)
    }

    pub(super) fn answered(&self, id: u64, reply: AckReply) {
        self.inner.awaited.answer(id, reply);
    }

    fn send_all(&self, frame: Frame, attachments: &[Bytes]) {
        if !self.is_gone() {
            self.inner
                .connection
                .send_all(encode::frames(frame, attachments));
        }
    }

    fn send(&self, frame: Frame) {
        if !self.is_gone() {
            self.inner.connection.send(frame);
        }
    }

    /// Puts it out of its namespace: a stock client does not come back by itself. Its handler hears
    /// of it from another task.
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

    /// Has its handler put it out if it may no longer stay. The handler is called from another
    /// task.
    pub fn revalidate(&self) {
        revalidate(vec![self.clone()]);
    }

    /// Notes that its handler is to be asked whether it may stay; returns whether it was not to be
    /// before.
    pub(super) fn is_newly_due(&self) -> bool {
        !self.inner.is_due.swap(true, Ordering::AcqRel)
    }

    pub(super) fn revalidate_now(&self) {
        // What happens from here on has it asked once more.
        self.inner.is_due.swap(false, Ordering::AcqRel);
        if let Some(client) = self.inner.client.upgrade() {
            client.revalidate(self.key());
        }
    }

    /// Closes its whole session: a stock client comes back by itself.
    pub fn close(&self, reason: CloseReason) {
        self.inner.connection.close(reason);
    }

    pub(super) fn is_gone(&self) -> bool {
        self.inner.gone.load(Ordering::Acquire)
    }

    /// Takes it out of its namespace and groups.
    pub(super) fn go(&self) {
        // Under the lock of its groups, so that none is joined after they are left.
        let mut groups = self.inner.groups.lock();
        self.inner.gone.store(true, Ordering::Release);
        self.inner.namespace.leave(self.key(), groups.iter());
        *groups = SmallVec::new();
        self.inner.namespace.remove(self.key());
        self.inner.awaited.clear();
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
        self.send_binary(args, &[]);
    }

    /// Answers with attachments, which [`crate::socketio::Placeholder`]s in `args` stand for.
    pub fn send_binary<A: Serialize + ?Sized>(self, args: &A, attachments: &[Bytes]) {
        match encode::ack(
            self.socket.namespace().name(),
            self.id,
            args,
            attachments.len(),
        ) {
            Ok(frame) => self.socket.send_all(frame, attachments),
            Err(error) => tracing::error!(%error, "an ack could not be encoded"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each socket has one, with the counts of its `Arc`.
    #[test]
    fn a_socket_costs_no_size_of_the_allocator_more() {
        assert!(size_of::<Inner>() + 16 <= 160);
    }
}
