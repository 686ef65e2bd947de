//! What follows from the log, in memory: conversations with their unread counts, each person's
//! chats by recency, and the client ids that may come again.
//!
//! Nothing here is a truth of its own: [`State::apply`] makes it all from the log. Only the writer
//! changes it, after a commit; what it is committing lies beside that, in [`State::ahead`], for
//! itself alone. Readers take a short lock. A conversation costs some 160 bytes, both of its
//! people's lists included.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::model::{ConversationId, EntryId, MessageId, Pair, Role, Stream, Timestamp, UserId};
use crate::store::log::entries::Entries;
use crate::store::log::record::{Author, Record};
use crate::store::people::invites::Invite;
use crate::store::people::rows::Rows;
use crate::store::people::state::People;
use crate::store::talk::conversation::Conversation;
use crate::store::talk::conversations::{Conversations, Pairs};
use crate::store::talk::reactions::ReactionRows;
use crate::store::talk::recency::{Recency, Touch, touches_since};
use crate::store::talk::rooms::{self, RoomChanges, Rooms};

/// The conversations that a transaction changes, in the order in which it first changed them.
#[derive(Default)]
pub(crate) struct Changed {
    list: Vec<(ConversationId, Conversation)>,
    /// Where each stands in the list.
    places: FxHashMap<ConversationId, usize>,
}

impl Changed {
    pub(crate) fn get(&self, id: ConversationId) -> Option<&Conversation> {
        self.places.get(&id).map(|place| &self.list[*place].1)
    }

    /// The conversation as it is to be; `before` gives it as it was.
    pub(crate) fn get_or_insert_with(
        &mut self,
        id: ConversationId,
        before: impl FnOnce() -> Conversation,
    ) -> &mut Conversation {
        let place = *self.places.entry(id).or_insert_with(|| {
            self.list.push((id, before()));
            self.list.len() - 1
        });
        &mut self.list[place].1
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ConversationId> {
        self.list.iter().map(|(id, _)| *id)
    }
}

/// All that is derived, and the accounts.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) people: People,
    pub(crate) rooms: Rooms,
    conversations: Conversations,
    pairs: Pairs,
    /// Each person's conversations.
    recency: Recency,
    /// The newest entry of the log.
    pub(crate) last_entry: u64,
    /// The time of the newest entry.
    pub(crate) last_at: Timestamp,
    /// Up to this entry retention has gone through the log.
    pub(crate) retained: u64,
    /// Nothing is left of what accounts said that left with all of it.
    pub(crate) leavers_erased: bool,
    /// What is on disk and about to be published, and what is being committed upon that. Nobody but
    /// the writer looks at these, to judge what comes after.
    pub(crate) ahead: VecDeque<Ahead>,
    /// Counts how often something was not taken over that was ahead, or was, though nobody expected
    /// it, and how often the database was opened anew: whatever was judged before is to be judged
    /// again.
    pub(crate) epoch: u64,
}

/// A transaction on its way to the disk.
pub(crate) struct Ahead {
    pub(crate) changes: Changes,
    pub(crate) entries: Arc<Entries>,
}

impl Ahead {
    /// Whether it changes what nobody looks for here: accounts and invites.
    pub(crate) fn has_rows(&self) -> bool {
        !self.changes.rows.is_empty()
    }

    /// Whether something is erased by it, which lies in free pages of the file from then on.
    pub(crate) fn erases(&self) -> bool {
        self.changes.rows.erases || !self.entries.rewritten().is_empty()
    }
}

/// What one transaction changes, to be taken over once it is on disk.
#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) conversations: Changed,
    pub(crate) created: FxHashMap<Pair, ConversationId>,
    /// Of each message with a client id its sender, the id's hash, itself and when it was sent.
    pub(crate) client_ids: Vec<(UserId, u64, MessageId, Timestamp)>,
    /// The same messages by their senders and hashes.
    pub(crate) sent_as: FxHashMap<(UserId, u64), MessageId>,
    pub(crate) rows: Rows,
    pub(crate) rooms: RoomChanges,
    /// Who reacted to messages of rooms. Only the disk has the rows.
    pub(crate) reactions: ReactionRows,
    /// How far retention has gone through the log by it.
    pub(crate) retained: Option<u64>,
    /// It is known by it that nothing is left of what accounts said that left with all of it.
    pub(crate) leavers_erased: bool,
    pub(crate) last_entry: u64,
    pub(crate) last_at: Timestamp,
}

impl State {
    pub(crate) fn conversation_id(&self, pair: Pair) -> Option<ConversationId> {
        self.pairs.get(pair, &self.conversations)
    }

    pub(crate) fn conversation(&self, id: ConversationId) -> Option<&Conversation> {
        self.conversations.get(id)
    }

    /// Returns whether one of two people has blocked the other.
    pub(crate) fn are_apart(&self, pair: Pair) -> bool {
        let [one, other] = pair.members();
        self.rooms.blocks(one, other) || self.rooms.blocks(other, one)
    }

    /// Returns an invite as far as its maker may still give it; `None` where it counts as revoked.
    pub(crate) fn as_it_stands(&self, invite: &Invite) -> Option<Invite> {
        let registers = invite.registers_by_now(
            |user| self.people.directory.get(user),
            |key| self.people.api_keys.get(key).is_some(),
            |room, user| {
                let member = self.rooms.member(room, user);
                member.is_some_and(|member| member.role >= Role::Admin)
            },
        )?;
        Some(Invite {
            registers,
            ..invite.clone()
        })
    }

    /// For the writer: the conversation as it is to be, once what is ahead is on disk.
    pub(crate) fn newest_conversation(&self, id: ConversationId) -> Option<&Conversation> {
        let mut ahead = self.ahead.iter().rev();
        ahead
            .find_map(|ahead| ahead.changes.conversations.get(id))
            .or_else(|| self.conversation(id))
    }

    /// The time of the newest entry, what is ahead included.
    pub(crate) fn newest_at(&self) -> Timestamp {
        let ahead = self.ahead.back();
        ahead.map_or(self.last_at, |ahead| ahead.changes.last_at)
    }

    pub(crate) fn conversation_count(&self) -> u64 {
        self.conversations.len() as u64
    }

    /// How much there is to go through of a person's conversations: at least their number, and at
    /// most some twice that for either order.
    pub(crate) fn touches(&self, user: UserId) -> usize {
        self.recency.len(user)
    }

    /// A person's touches, the newest last: for those who go through them a part at a time.
    pub(crate) fn touch_list(&self, user: UserId) -> &[Touch] {
        self.recency.list(user)
    }

    /// A person's conversations, the one with the newest message first.
    pub(crate) fn recent(&self, user: UserId) -> impl Iterator<Item = &Conversation> {
        let touches = self.recency.touches(user);
        self.newest_first(
            touches.filter(|touch| touch.is_message()),
            Conversation::last_message,
        )
    }

    /// A person's conversations, the one with the newest entry of any kind first.
    pub(crate) fn touched(&self, user: UserId) -> impl Iterator<Item = &Conversation> {
        self.newest_first(self.recency.touches(user), |conversation| {
            conversation.last_entry
        })
    }

    /// Each conversation once. One that was given before has a newer last entry than the one given
    /// last; one whose turn it is has an older one.
    fn newest_first(
        &self,
        touches: impl Iterator<Item = Touch>,
        last: impl Fn(&Conversation) -> Option<EntryId>,
    ) -> impl Iterator<Item = &Conversation> {
        let mut given = None;
        touches.filter_map(move |touch| {
            let conversation = self.conversation(touch.conversation())?;
            let last = last(conversation)?;
            if given.is_some_and(|given| last >= given) {
                return None;
            }
            given = Some(last);
            Some(conversation)
        })
    }

    /// Has the processor fetch what the judging of these changes will look at. Each look-up misses
    /// every cache; one after the other, as the judging needs them, they cost a third of the
    /// writer's time, and side by side far less.
    pub(crate) fn fetch(&self, pairs: impl Iterator<Item = Pair>) {
        let ids: Vec<_> = pairs
            .filter_map(|pair| Some((pair, self.conversation_id(pair)?)))
            .collect();
        self.fetch_conversations(ids.iter().map(|(pair, id)| (*id, *pair)));
    }

    /// Has the processor fetch what the publishing of the first that is ahead will look at: while
    /// that was on its way to the disk, the next changes have taken its place in the caches.
    pub(crate) fn fetch_ahead(&self) {
        let changes = self.ahead.front().map(|ahead| &ahead.changes.conversations);
        let list = changes.into_iter().flat_map(|changed| &changed.list);
        self.fetch_conversations(list.map(|(id, changed)| (*id, changed.pair)));
    }

    fn fetch_conversations(&self, those: impl Iterator<Item = (ConversationId, Pair)> + Clone) {
        let mut seen = 0;
        for (id, _) in those.clone() {
            // Its first line and its last one. Not the islands of what was read: they may be many.
            seen ^= self.conversation(id).map_or(0, |known| {
                let [one, other] = &known.read;
                let read = one.through() ^ other.through();
                known.pair.members()[0].get() ^ known.sent_by_first ^ read
            });
        }
        for (_, pair) in those {
            for member in pair.members() {
                seen ^= u64::from(self.recency.last(member).is_some_and(Touch::is_message));
            }
        }
        std::hint::black_box(seen);
    }

    /// Takes in the first conversations, read from the tables at start.
    pub(crate) fn put_conversations(&mut self, conversations: Conversations) {
        self.conversations = conversations;
    }

    /// Takes in the next conversation, read from the tables at start.
    pub(crate) fn put_conversation(&mut self, conversation: Conversation) {
        self.conversations.push(conversation);
    }

    /// Takes in one entry of the log, in order, at start. `None` where it belongs to no known
    /// conversation or room.
    pub(crate) fn apply<T>(&mut self, id: EntryId, record: &Record<T>) -> Option<()> {
        match record.stream {
            Stream::Pair(conversation) => {
                self.conversations.get_mut(conversation)?.apply(id, record);
                Some(())
            }
            Stream::Room(_) | Stream::Own(_) => rooms::apply(&mut self.rooms, id, record),
        }
    }

    /// Returns who did what an entry says; `None` for the server itself.
    pub(crate) fn author_of<T>(&self, record: &Record<T>) -> Option<UserId> {
        match (record.author, record.stream) {
            (Author::Member(place), Stream::Pair(id)) => {
                Some(self.conversation(id)?.pair.members()[place])
            }
            (Author::Account(user), _) => Some(user),
            (Author::Member(_), _) | (Author::Server, _) => None,
        }
    }

    /// Notes the newest entry of the log.
    pub(crate) fn ends_with(&mut self, id: EntryId, at: Timestamp) {
        (self.last_entry, self.last_at) = (id.get(), at);
    }

    /// Makes what follows from the conversations and rooms, once they are all there.
    pub(crate) fn derive(&mut self) {
        let conversations = &self.conversations;
        let (pairs, recency) = std::thread::scope(|scope| {
            let pairs = scope.spawn(|| Pairs::of(conversations));
            let recency = Recency::of(conversations);
            (pairs.join(), recency)
        });
        self.pairs = pairs.expect("putting pairs into a map does not panic");
        self.recency = recency;
        self.rooms.derive();
    }

    /// Drops the last that is ahead, since its commit failed. Gives what it would have changed.
    pub(crate) fn drop_ahead(&mut self) -> Option<Changes> {
        self.epoch += 1;
        self.ahead.pop_back().map(|ahead| ahead.changes)
    }

    /// Takes over the first that is ahead, since it is on disk. Gives the emptied list back, for a
    /// later one to use its room.
    pub(crate) fn publish(&mut self) -> Changed {
        let Some(Ahead { mut changes, .. }) = self.ahead.pop_front() else {
            return Changed::default();
        };
        let mut touches = Vec::with_capacity(changes.conversations.list.len());
        // New ones stand in the order of their ids, and are appended.
        for (id, conversation) in changes.conversations.list.drain(..) {
            match self.conversations.get_mut(id) {
                Some(place) => {
                    touches.extend(touches_since(id, Some(place), &conversation));
                    *place = conversation;
                }
                None => {
                    touches.extend(touches_since(id, None, &conversation));
                    let pair = conversation.pair;
                    self.conversations.push(conversation);
                    self.pairs.put(id, pair, &self.conversations);
                }
            }
        }
        touches.sort_unstable_by_key(|(at, ..)| *at);
        for (_, touch, members) in touches {
            for member in members {
                self.recency.touch(member, touch);
            }
        }
        self.people.publish(changes.rows);
        self.rooms.publish(changes.rooms);
        self.retained = changes.retained.unwrap_or(self.retained);
        self.leavers_erased |= changes.leavers_erased;
        self.last_entry = changes.last_entry;
        self.last_at = changes.last_at;
        changes.conversations.places.clear();
        changes.conversations
    }
}
