//! What happened, as broadcasts to the people concerned.
//!
//! Every durable event ends with its cursor as a further argument, a string: a stock client shows
//! the last one that it had when it comes back. Volatile events end with an object, so they never
//! carry one. Sockets whose client takes no further argument are told without.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::Profiles;
use super::fanout::Fanout;
use super::groups::{hidden_group, presence_group, user_group};
use super::present::Present;
use crate::accounts;
use crate::chat::{
    Audience, Behind, Event, Form, Listener, audience, heard_from, is_heard_by_origin,
};
use crate::contract::{
    ROOM_SEEN, ROOM_TYPING, RoomSeen, RoomTyping, TYPING, Told, Typing, Update, Version, tell_live,
    told_in_room,
};
use crate::hub::{Namespace, Prepared};
use crate::metrics::EventMetrics;
use crate::model::{
    Act, Blocked, ChatId, CursorKeys, EntryId, Members, MembershipChange, MessageId, Notice,
    Origin, RoomId, UserId,
};

/// Tells the chat's namespace what happened.
pub struct Outbound {
    namespace: Namespace,
    cursor_keys: CursorKeys,
    metrics: EventMetrics,
    profiles: Arc<Profiles>,
    /// Who of each room is there.
    pub(super) present: Present,
    fanout: Fanout,
    /// All concerned were told of this entry and of those before it.
    told: AtomicU64,
    /// People see only those with whom they share a chat.
    hides_strangers: bool,
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
        hides_strangers: bool,
    ) -> Self {
        Self {
            fanout: Fanout::new(namespace.clone()),
            present: Present::default(),
            namespace,
            cursor_keys,
            metrics,
            profiles,
            told: AtomicU64::new(told),
            hides_strangers,
        }
    }

    /// The newest entry of which all concerned were told.
    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    /// Tells all who hear an entry, in each form once; `only` one of them, where there is such.
    fn tell(&self, notice: &Notice, origin: Option<Origin>, only: Option<UserId>) {
        let except = origin.filter(|_| !is_heard_by_origin(notice));
        let mut sealed = None;
        let Audience { mut people, room } = audience(notice);
        people.retain(|hearer| only.is_none_or(|only| hearer.user == only));
        self.fanout
            .catch_up(people.iter().map(|hearer| hearer.user));
        tell_live(&people, notice, |told| {
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
                .emit_further(update.name(), &(update, text), &(update,));
        });
        if let Some(room) = room {
            let mut others = self.present.of(room, heard_from(notice));
            others.retain(|user| people.iter().all(|hearer| hearer.user != *user));
            self.tell_room(notice, except, &others);
        }
    }

    /// Notes who is in a room from an entry on, and who no more.
    fn note_membership(&self, notice: &Notice) {
        let Act::MemberChanged(membership) = &notice.entry.act else {
            return;
        };
        let (room, user) = (membership.room, membership.user);
        match membership.change {
            MembershipChange::Joined => {
                self.present.joined(room, user, notice.entry.id);
                if self.hides_strangers {
                    // They and the others have something in common again.
                    let both = [hidden_group(user), user_group(user)];
                    self.namespace.to_each(both).revalidate();
                }
            }
            MembershipChange::Left | MembershipChange::Removed => {
                self.present.left(room, user);
                if self.hides_strangers {
                    // That may have been all that they and the others had in common.
                    let both = [presence_group(user), user_group(user)];
                    self.namespace.to_each(both).revalidate();
                }
            }
            MembershipChange::Role => {}
        }
    }

    /// Has the sockets of one whom this person has blocked, or has no more, look again whom they
    /// see; and those of both tell that they are not typing to each other.
    fn note_block(&self, notice: &Notice) {
        if let (
            Act::Settings {
                chat: ChatId::Person(peer),
                blocks: Some(_),
                ..
            },
            Some(author),
        ) = (&notice.entry.act, notice.entry.author)
        {
            let both = [user_group(author), user_group(*peer)];
            self.namespace.to_each(both).revalidate();
        }
    }

    /// Tells the others of a room what is not stored; `but` is one who does it, and those who are
    /// not to hear of it.
    fn tell_others(
        &self,
        room: RoomId,
        but: (UserId, &Blocked),
        name: &str,
        data: &impl Serialize,
    ) {
        let others = self.present.of(room, MessageId::LAST.into()).into_iter();
        let others = others.filter(|user| *user != but.0 && !but.1.contains(*user));
        let others = others.map(user_group);
        self.namespace
            .to_each(others)
            .versions(Version::Second.number()..=u8::MAX)
            .emit(name, &(data,));
    }

    /// Tells members of a room of an entry, all by one frame.
    fn tell_room(&self, notice: &Notice, except: Option<Origin>, members: &[UserId]) {
        if members.is_empty() {
            return;
        }
        for (cursor, update) in told_in_room(notice) {
            let text = cursor.seal(&self.cursor_keys);
            let (further, plain) = ((&update, text), (&update,));
            if let Some(encoded) = self.namespace.encode(update.name(), &further, &plain) {
                let event = Prepared {
                    encoded,
                    sequence: cursor.entry,
                    except: except.map(|origin| origin.0),
                };
                self.fanout.tell(event, members.to_vec());
            }
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
    fn go_on(&self) -> Behind {
        self.fanout.go_on()
    }

    fn happened(&self, event: Event<'_>) {
        match event {
            Event::Happened {
                notice,
                origin,
                only,
            } => {
                if let Act::Sent { .. } = notice.entry.act {
                    self.metrics.messages.inc();
                    if let Members::Room(_) = notice.members {
                        self.metrics.room_messages.inc();
                    }
                }
                self.note_membership(notice);
                self.tell(notice, origin, only);
                self.note_block(notice);
                self.has_told(notice.entry.id);
            }
            Event::Repeated { notice, origin } => {
                // The others heard of it when it was new. Without a cursor: this is not its place.
                if let Some(socket) = origin.and_then(|origin| self.namespace.socket(origin.0)) {
                    let version = Version::at_most(socket.version());
                    for update in Update::of(notice, Form::Own, version) {
                        socket.emit(update.name(), &(update,));
                    }
                }
            }
            Event::RoomTyping {
                room_id,
                user_id,
                is_typing,
                but,
            } => {
                let typing = RoomTyping {
                    room_id,
                    user_id,
                    is_typing,
                };
                self.tell_others(room_id, (user_id, but), ROOM_TYPING.name, &typing);
            }
            Event::RoomSeen {
                room_id,
                user_id,
                up_to,
                but,
            } => {
                let seen = RoomSeen {
                    room_id,
                    user_id,
                    up_to,
                };
                self.tell_others(room_id, (user_id, but), ROOM_SEEN.name, &seen);
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
