//! What happened, as broadcasts to the people concerned.
//!
//! Every durable event ends with its cursor as a further argument, a string: a stock client shows the last one that it had
//! when it comes back. Volatile events end with an object, so they never carry one. Sockets whose client takes no further
//! argument are told without.

use std::sync::atomic::{AtomicU64, Ordering};

use super::groups::user_group;
use crate::accounts;
use crate::chat::{Event, Listener};
use crate::contract::{TYPING, Typing, Update};
use crate::hub::{Namespace, SocketKey};
use crate::metrics::EventMetrics;
use crate::model::{Cursor, CursorKeys, EntryId, SealedCursor, UserId};

/// Tells the chat's namespace what happened.
pub struct Outbound {
    namespace: Namespace,
    cursor_keys: CursorKeys,
    metrics: EventMetrics,
    /// Everybody concerned was told of this entry and of all before it.
    told: AtomicU64,
}

impl Outbound {
    /// For the namespace in which people chat. `told` is the newest entry there is: of those nobody is told any more.
    pub fn new(
        namespace: Namespace,
        cursor_keys: CursorKeys,
        metrics: EventMetrics,
        told: u64,
    ) -> Self {
        Self {
            namespace,
            cursor_keys,
            metrics,
            told: AtomicU64::new(told),
        }
    }

    /// The newest entry of which everybody concerned was told.
    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    /// Tells these people of one event, in the same form.
    fn tell(&self, users: &[UserId], at: &Stamp, update: &Update<'_>, except: Option<SocketKey>) {
        self.namespace
            .to_each(users.iter().copied().map(user_group))
            .except(except)
            .sequenced(at.cursor.entry)
            .emit_further(update.name(), &(update, at.text), &(update,));
    }

    /// Returns the place of an event among those of an entry.
    fn stamp(&self, entry: EntryId, event: u32) -> Stamp {
        let cursor = Cursor {
            entry: entry.get(),
            event,
        };
        Stamp {
            cursor,
            text: cursor.seal(&self.cursor_keys),
        }
    }

    /// Notes that everybody concerned was told of this entry. Entries are told in order; one that is no greater than the one
    /// before is of a disk that lost what it had confirmed, and the log goes on from there.
    fn has_told(&self, entry: EntryId) {
        self.told.store(entry.get(), Ordering::Release);
    }
}

impl accounts::Listener for Outbound {
    fn revoked(&self, user: UserId) {
        self.namespace.to(user_group(user)).revalidate();
    }

    fn keys_changed(&self) {
        self.namespace.revalidate_all();
    }
}

/// The place of an event, sealed once for all who hear of it.
struct Stamp {
    cursor: Cursor,
    text: SealedCursor,
}

impl Listener for Outbound {
    fn happened(&self, event: Event<'_>) {
        match event {
            Event::Sent {
                message,
                fresh: true,
                ..
            } => {
                self.metrics.messages.inc();
                let entry = message.id.into();
                let at = self.stamp(entry, 0);
                let received = Update::received(message);
                self.tell(&[message.receiver_id], &at, &received, None);
                self.tell(&[message.sender_id], &at, &Update::sent(message), None);
                self.has_told(entry);
            }
            Event::Sent {
                message,
                fresh: false,
                origin,
            } => {
                // Everybody else heard of it when it was new. Without a cursor: this is not its place.
                if let Some(socket) = origin.and_then(|origin| self.namespace.socket(origin.0)) {
                    let update = Update::sent(message);
                    socket.emit(update.name(), &(update,));
                }
            }
            Event::Read { read, origin } => {
                if let Some(entry) = read.entry {
                    let update = Update::read(read);
                    let origin = origin.map(|origin| origin.0);
                    let both = [read.sender_id, read.reader_id];
                    self.tell(&both, &self.stamp(entry, 0), &update, origin);
                    self.has_told(entry);
                }
            }
            Event::ChatRead { read, origin } => {
                if let Some(entry) = read.entry {
                    let origin = origin.map(|origin| origin.0);
                    for (event, update) in (0..).zip(Update::chat_read(read)) {
                        let both = [read.reader_id, read.peer_id];
                        self.tell(&both, &self.stamp(entry, event), &update, origin);
                    }
                    self.has_told(entry);
                }
            }
            Event::Typing {
                user_id,
                receiver_id,
                is_typing,
            } => {
                self.namespace
                    .to(user_group(receiver_id))
                    .emit(TYPING.name, &(Typing { user_id, is_typing },));
            }
        }
    }
}
