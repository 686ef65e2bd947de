//! What happened, as broadcasts to the people concerned.
//!
//! Every durable event ends with its cursor as a further argument, a string: a stock client shows
//! the last one that it had when it comes back. Volatile events end with an object, so they never
//! carry one. Sockets whose client takes no further argument are told without.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Profiles;
use super::groups::user_group;
use crate::accounts;
use crate::chat::{Event, Form, Listener, audience, is_heard_by_origin};
use crate::contract::{TYPING, Told, Typing, Update, Version, told_live};
use crate::hub::Namespace;
use crate::metrics::EventMetrics;
use crate::model::{Act, CursorKeys, EntryId, Notice, Origin, UserId};

/// Tells the chat's namespace what happened.
pub struct Outbound {
    namespace: Namespace,
    cursor_keys: CursorKeys,
    metrics: EventMetrics,
    profiles: Arc<Profiles>,
    /// All concerned were told of this entry and of those before it.
    told: AtomicU64,
}

impl Outbound {
    /// Returns one for the namespace in which people chat, which notes in `profiles` who is shown
    /// otherwise. `told` is the newest entry there is:
    /// none up to it is told any more.
    pub fn new(
        namespace: Namespace,
        cursor_keys: CursorKeys,
        metrics: EventMetrics,
        profiles: Arc<Profiles>,
        told: u64,
    ) -> Self {
        Self {
            namespace,
            cursor_keys,
            metrics,
            profiles,
            told: AtomicU64::new(told),
        }
    }

    /// The newest entry of which all concerned were told.
    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    /// Tells all who hear an entry, in each form once.
    fn tell(&self, notice: &Notice, origin: Option<Origin>) {
        let except = origin.filter(|_| !is_heard_by_origin(notice));
        let mut sealed = None;
        for told in told_live(&audience(notice).people, notice) {
            let Told {
                hearers,
                versions,
                cursor,
                update,
            } = told;
            // The forms of a message have one cursor.
            let text = match sealed {
                Some((of, text)) if of == cursor => text,
                _ => cursor.seal(&self.cursor_keys),
            };
            sealed = Some((cursor, text));
            self.namespace
                .to_each(hearers.iter().map(|hearer| user_group(hearer.user)))
                .except(except.map(|origin| origin.0))
                .sequenced(cursor.entry)
                .versions(versions)
                .emit_further(update.name(), &(&update, text), &(&update,));
        }
    }

    /// Notes that all concerned were told of this entry. Entries are told in order; one that is no
    /// greater than the one before is of a disk that lost what it had confirmed, and the log goes
    /// on from there.
    fn has_told(&self, entry: EntryId) {
        self.told.store(entry.get(), Ordering::Release);
    }
}

impl accounts::Listener for Outbound {
    fn revoked(&self, user: UserId) {
        self.namespace.to(user_group(user)).revalidate();
    }

    fn profile_changed(&self, user: UserId) {
        self.profiles.note(user);
    }

    fn keys_changed(&self) {
        self.namespace.revalidate_all();
    }
}

impl Listener for Outbound {
    fn happened(&self, event: Event<'_>) {
        match event {
            Event::Happened { notice, origin } => {
                if let Act::Sent { .. } = notice.entry.act {
                    self.metrics.messages.inc();
                }
                self.tell(notice, origin);
                self.has_told(notice.entry.id);
            }
            Event::Repeated { notice, origin } => {
                // The others heard of it when it was new. Without a cursor: this is not its place.
                if let Some(socket) = origin.and_then(|origin| self.namespace.socket(origin.0)) {
                    let version = Version::at_most(socket.version());
                    for update in Update::of(notice, Form::Sender, version) {
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
