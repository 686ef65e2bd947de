//! What follows from the log, in memory: conversations with their unread counts, each person's chats by recency, and
//! the client ids that may come again.
//!
//! Nothing here is a truth of its own: [`State::replay`] makes it all from the log. Only the writer changes it, after a
//! commit; readers take a short lock. A conversation costs some 200 bytes, both of its people's lists included.

use rustc_hash::FxHashMap;

use super::chain::Chain;
use super::invites::{InviteChange, Invites};
use super::readset::ReadSet;
use super::record::{Body, Entry, Rest, put};
use super::users::Directory;
use crate::model::{ConversationId, EntryId, MessageId, Pair, Timestamp, UserId};

/// One conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
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

    /// Appends its form in a row: members, newest entry, chain, and for each side what it sent and what it has read.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for member in self.pair.members() {
            put(out, member.get());
        }
        put(out, self.last_entry.map_or(0, EntryId::get));
        self.chain.encode(out);
        for side in [0, 1] {
            put(out, self.sent[side]);
            self.read[side].encode(out);
        }
    }

    /// Reads it back.
    pub(super) fn decode(rest: &mut Rest<'_>) -> Option<Self> {
        let mut member = || UserId::new(rest.take()?).ok();
        let pair = Pair::new(member()?, member()?)?;
        let last_entry = match rest.take()? {
            0 => None,
            number => Some(EntryId::new(number).ok()?),
        };
        let chain = Chain::decode(rest)?;
        let mut side = || Some((rest.take()?, ReadSet::decode(rest)?));
        let [(sent_0, read_0), (sent_1, read_1)] = [side()?, side()?];
        Some(Self {
            pair,
            chain,
            last_entry,
            sent: [sent_0, sent_1],
            read: [read_0, read_1],
        })
    }

    /// Takes in an entry that the log holds already. One that is not newer than what it knows is in it.
    pub(super) fn replay(&mut self, id: EntryId, entry: &Entry<'_>) {
        if self.last_entry >= Some(id) {
            return;
        }
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

/// One person's conversations, in two orders.
#[derive(Default)]
struct Chats {
    /// The one with the newest message last.
    recent: Vec<ConversationId>,
    /// The one with the newest entry of any kind last.
    touched: Vec<ConversationId>,
}

/// The ids of conversations in their order.
fn ids() -> impl Iterator<Item = ConversationId> {
    (1..).map_while(|number| ConversationId::new(number).ok())
}

/// Fills one list of each person, oldest first. The members go along with what is sorted: looked up one by one in the
/// order of age, they would be somewhere else in memory each time.
fn list(
    chats: &mut FxHashMap<UserId, Chats>,
    conversations: &[Conversation],
    of: impl Fn(&mut Chats) -> &mut Vec<ConversationId>,
    last: impl Fn(&Conversation) -> Option<EntryId>,
) {
    let mut by_age: Vec<_> = ids()
        .zip(conversations)
        .filter_map(|(id, conversation)| {
            Some((last(conversation)?, id, conversation.pair.members()))
        })
        .collect();
    by_age.sort_unstable_by_key(|(last, ..)| *last);
    for (_, id, members) in by_age {
        for member in members {
            of(chats.entry(member).or_default()).push(id);
        }
    }
}

/// Moves a conversation to the end. Searched from there, where the conversations that move are.
fn move_to_end(list: &mut Vec<ConversationId>, id: ConversationId) {
    if list.last() != Some(&id) {
        if let Some(place) = list.iter().rposition(|other| *other == id) {
            list.remove(place);
        }
        list.push(id);
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
    /// Each person's conversations.
    chats: FxHashMap<UserId, Chats>,
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
    /// Of each message with a client id its sender, the id's hash, itself and when it was sent.
    pub(super) client_ids: Vec<(UserId, u64, MessageId, Timestamp)>,
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
        self.newest_first(self.chats.get(&user).map(|chats| &chats.recent))
    }

    /// A person's conversations, the one with the newest entry of any kind first.
    pub(super) fn touched(&self, user: UserId) -> impl Iterator<Item = &Conversation> {
        self.newest_first(self.chats.get(&user).map(|chats| &chats.touched))
    }

    fn newest_first<'a>(
        &'a self,
        ids: Option<&'a Vec<ConversationId>>,
    ) -> impl Iterator<Item = &'a Conversation> {
        let ids = ids.map_or(&[][..], Vec::as_slice);
        ids.iter().rev().filter_map(|id| self.conversation(*id))
    }

    /// Takes in the next conversation, read from the tables at start.
    pub(super) fn put_conversation(&mut self, conversation: Conversation) {
        self.conversations.push(conversation);
    }

    /// Takes in one entry of the log, in order, at start. `None` where it belongs to no known conversation.
    pub(super) fn replay(&mut self, id: EntryId, entry: &Entry<'_>) -> Option<&Conversation> {
        let conversation = self.conversations.get_mut(index(entry.conversation))?;
        conversation.replay(id, entry);
        Some(conversation)
    }

    /// Notes the newest entry of the log.
    pub(super) fn ends_with(&mut self, id: EntryId, at: Timestamp) {
        (self.last_entry, self.last_at) = (id.get(), at);
    }

    /// Makes what follows from the conversations, once they are all there.
    pub(super) fn derive(&mut self) {
        let conversations = &self.conversations;
        let (pairs, chats) = std::thread::scope(|scope| {
            let pairs = scope.spawn(|| {
                let mut pairs = FxHashMap::default();
                pairs.reserve(conversations.len());
                pairs.extend(
                    ids()
                        .zip(conversations.iter().map(|conversation| conversation.pair))
                        .map(|(id, pair)| (pair, id)),
                );
                pairs
            });
            let mut chats: FxHashMap<UserId, Chats> = FxHashMap::default();
            list(
                &mut chats,
                conversations,
                |chats| &mut chats.recent,
                |conversation| conversation.chain.last().map(EntryId::from),
            );
            list(
                &mut chats,
                conversations,
                |chats| &mut chats.touched,
                |conversation| conversation.last_entry,
            );
            (pairs.join(), chats)
        });
        self.pairs = pairs.expect("putting pairs into a map does not panic");
        self.chats = chats;
    }

    /// Takes over what a transaction changed.
    pub(super) fn publish(&mut self, changes: Changes) {
        self.pairs.extend(changes.created);
        let mut conversations: Vec<_> = changes.conversations.into_iter().collect();
        // New ones are appended in the order of their ids, whatever the order of the map.
        conversations.sort_unstable_by_key(|(id, _)| *id);
        let mut touched = Vec::with_capacity(conversations.len());
        let mut recent = Vec::with_capacity(conversations.len());
        for (id, conversation) in conversations {
            let place = self.conversations.get_mut(index(id));
            let before = place.as_ref().and_then(|before| before.chain.last());
            let last = conversation.chain.last();
            touched.push((conversation.last_entry, id));
            if last > before {
                recent.push((last, id));
            }
            match place {
                Some(place) => *place = conversation,
                None => self.conversations.push(conversation),
            }
        }
        touched.sort_unstable();
        recent.sort_unstable();
        self.reorder(touched, |chats| &mut chats.touched);
        self.reorder(recent, |chats| &mut chats.recent);
        self.invites.publish(changes.invites);
        for user in changes.users {
            self.directory.put(user);
        }
        self.last_entry = changes.last_entry;
        self.last_at = changes.last_at;
    }

    /// Moves conversations, oldest first, to the ends of their people's lists.
    fn reorder<T>(
        &mut self,
        moved: Vec<(T, ConversationId)>,
        list: impl Fn(&mut Chats) -> &mut Vec<ConversationId>,
    ) {
        for (_, id) in moved {
            for member in self.conversations[index(id)].pair.members() {
                move_to_end(list(self.chats.entry(member).or_default()), id);
            }
        }
    }
}

/// Where a conversation stands in the list: ids are dense from 1.
fn index(id: ConversationId) -> usize {
    usize::try_from(id.get()).map_or(usize::MAX, |id| id - 1)
}
