//! What happened, as broadcasts to the people concerned.
//!
//! Every durable event ends with its cursor as a further argument, a string: a stock client shows the last one that it had
//! when it comes back. Volatile events end with an object, so they never carry one. Sockets whose client takes no further
//! argument are told without.

use std::sync::atomic::{AtomicU64, Ordering};

use super::groups::user_group;
use crate::accounts;
use crate::chat::{Event, Listener};
use crate::contract::{TYPING, Typing, Update, updates_of};
use crate::hub::{Namespace, SocketKey};
use crate::metrics::EventMetrics;
use crate::model::{Act, Cursor, CursorKeys, EntryId, Notice, SealedCursor, UserId};

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

    /// Tells the members of a conversation of an entry; of a mark, all but the socket that asked.
    fn tell_members(&self, notice: &Notice, origin: Option<SocketKey>) {
        let (author, other) = (notice.entry.author, notice.other());
        match &notice.entry.act {
            Act::Sent { .. } => {
                self.metrics.messages.inc();
                let first = Cursor {
                    entry: notice.entry.id.get(),
                    event: 0,
                };
                let at = self.stamp(first);
                for user in [other, author] {
                    for (_, update) in updates_of(notice, user) {
                        self.tell(&[user], &at, &update, None);
                    }
                }
            }
            Act::Read { .. } | Act::ReadUpTo { .. } => {
                for (cursor, update) in updates_of(notice, author) {
                    self.tell(&[author, other], &self.stamp(cursor), &update, origin);
                }
            }
        }
    }

    /// Seals the place of an event.
    fn stamp(&self, cursor: Cursor) -> Stamp {
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
            Event::Happened { notice, origin } => {
                self.tell_members(notice, origin.map(|origin| origin.0));
                self.has_told(notice.entry.id);
            }
            Event::Repeated { notice, origin } => {
                // Everybody else heard of it when it was new. Without a cursor: this is not its place.
                if let Some(socket) = origin.and_then(|origin| self.namespace.socket(origin.0)) {
                    for (_, update) in updates_of(notice, notice.entry.author) {
                        socket.emit(update.name(), &(update,));
                    }
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
