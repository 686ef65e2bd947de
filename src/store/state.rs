//! What follows from the log, in memory: conversations with their unread counts, each person's chats by recency, and
//! the client ids that may come again.
//!
//! Nothing here is a truth of its own: [`State::replay`] makes it all from the log. Only the writer changes it, after a
//! commit; readers take a short lock. A conversation costs some 200 bytes, both of its people's lists included.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use rustc_hash::FxHashMap;

use super::chain::Chain;
use super::invites::{InviteChange, Invites};
use super::readset::ReadSet;
use super::record::{Body, Entry};
use super::users::Directory;
use crate::model::{ConversationId, EntryId, MessageId, Pair, Timestamp, UserId};

/// How many later messages of a sender make a client id of theirs forgotten. 10,000: hours of the busiest bot, and a
/// bound of about half a megabyte on what one sender can make the server remember.
pub(super) const CLIENT_IDS_PER_SENDER: usize = 10_000;

/// One conversation.
#[derive(Debug, Clone)]
pub(super) struct Conversation {
    pub(super) pair: Pair,
    /// Its messages.
    pub(super) chain: Chain,
    /// Its newest entry of any kind.
    pub(super) last_entry: Option<EntryId>,
    /// How many messages each side has sent.
    pub(super) sent: [u64; 2],
    /// What each side has read of the other's.
    pub(super) read: [ReadSet; 2],
}

impl Conversation {
    pub(super) fn new(pair: Pair) -> Self {
        Self {
            pair,
            chain: Chain::default(),
            last_entry: None,
            sent: [0; 2],
            read: [ReadSet::default(), ReadSet::default()],
        }
    }

    /// How many messages of the other this side has not read.
    pub(super) fn unread(&self, side: usize) -> u64 {
        self.sent[1 - side] - self.read[side].count()
    }

    /// Takes in an entry that the log holds already.
    fn replay(&mut self, id: EntryId, entry: &Entry<'_>) {
        match &entry.body {
            Body::Message(_) => {
                self.chain
                    .push(MessageId::new(id.get()).expect("an entry id is a valid id"));
                self.sent[entry.side] += 1;
            }
            Body::Read { ordinal, .. } => {
                self.read[entry.side].mark(*ordinal);
            }
            Body::ChatRead { through, .. } => {
                self.read[entry.side].mark_through(*through);
            }
        }
        self.last_entry = Some(id);
    }
}

/// The client ids of each sender that are still remembered.
#[derive(Default)]
pub(super) struct ClientIds {
    hasher: RandomState,
    messages: FxHashMap<u64, MessageId>,
    by_sender: FxHashMap<UserId, VecDeque<u64>>,
}

impl ClientIds {
    /// Under which number a sender's client id is kept. A chance collision is found out by reading the message.
    pub(super) fn key(&self, sender: UserId, client_id: &str) -> u64 {
        self.hasher.hash_one((sender, client_id))
    }

    pub(super) fn get(&self, key: u64) -> Option<MessageId> {
        self.messages.get(&key).copied()
    }

    fn put(&mut self, sender: UserId, key: u64, message: MessageId) {
        let keys = self.by_sender.entry(sender).or_default();
        if self.messages.insert(key, message).is_none() {
            keys.push_back(key);
        }
        if keys.len() > CLIENT_IDS_PER_SENDER
            && let Some(oldest) = keys.pop_front()
        {
            self.messages.remove(&oldest);
        }
    }
}

/// All that is derived, and the accounts.
#[derive(Default)]
pub(super) struct State {
    pub(super) directory: Directory,
    pub(super) invites: Invites,
    /// By conversation id, from 1.
    conversations: Vec<Conversation>,
    pairs: FxHashMap<Pair, ConversationId>,
    /// Each person's conversations, the one with the newest message last.
    recency: FxHashMap<UserId, Vec<ConversationId>>,
    pub(super) client_ids: ClientIds,
    /// The newest entry of the log.
    pub(super) last_entry: u64,
    /// The time of the newest entry: none may come that is earlier.
    pub(super) last_at: Timestamp,
}

/// What one transaction changes, to be taken over once it is on disk.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) conversations: FxHashMap<ConversationId, Conversation>,
    pub(super) created: FxHashMap<Pair, ConversationId>,
    /// Messages in commit order: conversation, sender, and the key of their client id.
    pub(super) sent: Vec<(ConversationId, UserId, MessageId, Option<u64>)>,
    pub(super) users: Vec<std::sync::Arc<crate::model::User>>,
    pub(super) invites: Vec<InviteChange>,
    pub(super) last_entry: u64,
    pub(super) last_at: Timestamp,
}

impl State {
    pub(super) fn conversation_id(&self, pair: Pair) -> Option<ConversationId> {
        self.pairs.get(&pair).copied()
    }

    pub(super) fn conversation(&self, id: ConversationId) -> Option<&Conversation> {
        self.conversations.get(index(id))
    }

    pub(super) fn conversation_count(&self) -> u64 {
        self.conversations.len() as u64
    }

    /// A person's conversations, the one with the newest message first.
    pub(super) fn recent(&self, user: UserId) -> impl Iterator<Item = &Conversation> {
        let ids = self.recency.get(&user).map_or(&[][..], Vec::as_slice);
        ids.iter().rev().filter_map(|id| self.conversation(*id))
    }

    /// Takes in a conversation's members, read from their table at start.
    pub(super) fn put_conversation(&mut self, id: ConversationId, pair: Pair) -> bool {
        self.pairs.insert(pair, id);
        self.conversations.push(Conversation::new(pair));
        index(id) + 1 == self.conversations.len()
    }

    /// Takes in one entry of the log, in order, at start. `false` where it belongs to no known conversation.
    pub(super) fn replay(&mut self, id: EntryId, entry: &Entry<'_>) -> bool {
        let Some(conversation) = self.conversations.get_mut(index(entry.conversation)) else {
            return false;
        };
        conversation.replay(id, entry);
        let members = conversation.pair.members();
        if let Body::Message(message) = &entry.body {
            let sender = members[entry.side];
            let key = message
                .client_id
                .map(|client_id| self.client_ids.key(sender, &client_id.text()));
            let message_id = MessageId::new(id.get()).expect("an entry id is a valid id");
            self.sent(entry.conversation, members, sender, message_id, key);
        }
        self.last_entry = id.get();
        self.last_at = entry.at;
        true
    }

    /// Takes over what a transaction changed.
    pub(super) fn publish(&mut self, changes: Changes) {
        self.pairs.extend(changes.created);
        let mut conversations: Vec<_> = changes.conversations.into_iter().collect();
        // New ones are appended in the order of their ids, whatever the order of the map.
        conversations.sort_unstable_by_key(|(id, _)| *id);
        for (id, conversation) in conversations {
            match self.conversations.get_mut(index(id)) {
                Some(place) => *place = conversation,
                None => self.conversations.push(conversation),
            }
        }
        for (id, sender, message, key) in changes.sent {
            if let Some(members) = self
                .conversation(id)
                .map(|conversation| conversation.pair.members())
            {
                self.sent(id, members, sender, message, key);
            }
        }
        self.invites.publish(changes.invites);
        for user in changes.users {
            self.directory.put(user);
        }
        self.last_entry = changes.last_entry;
        self.last_at = changes.last_at;
    }

    fn sent(
        &mut self,
        id: ConversationId,
        members: [UserId; 2],
        sender: UserId,
        message: MessageId,
        key: Option<u64>,
    ) {
        for member in members {
            let recent = self.recency.entry(member).or_default();
            if recent.last() != Some(&id) {
                // Searched from the end, where the conversations that move are.
                if let Some(place) = recent.iter().rposition(|other| *other == id) {
                    recent.remove(place);
                }
                recent.push(id);
            }
        }
        if let Some(key) = key {
            self.client_ids.put(sender, key, message);
        }
    }
}

/// Where a conversation stands in the list: ids are dense from 1.
fn index(id: ConversationId) -> usize {
    usize::try_from(id.get()).map_or(usize::MAX, |id| id - 1)
}
