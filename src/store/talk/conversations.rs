//! Every conversation in memory, found by its id and by its pair.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::conversation::Conversation;
use crate::model::{ConversationId, Pair};

/// How many conversations lie together: some half a megabyte. One list of all would be copied whole
/// whenever it grows, and two threads could not read it in without that.
pub(crate) const BLOCK: usize = 4_096;

/// By id: ids are dense from 1, and none goes.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    /// All full but the last one.
    blocks: Vec<Vec<Conversation>>,
}

impl Conversations {
    /// Those of these blocks, in the order of their ids: [`BLOCK`] each, and at most so many in the
    /// last one. `None` where a block has another number.
    pub(crate) fn of(blocks: Vec<Vec<Conversation>>) -> Option<Self> {
        let (last, full) = match blocks.split_last() {
            Some((last, full)) => (last.len(), full),
            None => (0, &[][..]),
        };
        let fits = last <= BLOCK && full.iter().all(|block| block.len() == BLOCK);
        fits.then_some(Self { blocks })
    }

    pub(crate) fn len(&self) -> usize {
        let last = self.blocks.last().map_or(0, Vec::len);
        self.blocks.len().saturating_sub(1) * BLOCK + last
    }

    pub(crate) fn get(&self, id: ConversationId) -> Option<&Conversation> {
        let (block, place) = place(id);
        self.blocks.get(block)?.get(place)
    }

    pub(crate) fn get_mut(&mut self, id: ConversationId) -> Option<&mut Conversation> {
        let (block, place) = place(id);
        self.blocks.get_mut(block)?.get_mut(place)
    }

    /// Appends the next one.
    pub(crate) fn push(&mut self, conversation: Conversation) {
        match self.blocks.last_mut() {
            Some(last) if last.len() < BLOCK => last.push(conversation),
            // The first block grows with what is in it: most servers are small.
            None => self.blocks.push(vec![conversation]),
            Some(_) => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(conversation);
                self.blocks.push(block);
            }
        }
    }

    /// All with their ids, in the order of these.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ConversationId, &Conversation)> {
        let ids = (1..).map_while(|number| ConversationId::new(number).ok());
        ids.zip(self.blocks.iter().flatten())
    }
}

/// Where a conversation stands: its block, and its place there.
fn place(id: ConversationId) -> (usize, usize) {
    let index = usize::try_from(id.get() - 1).unwrap_or(usize::MAX);
    (index / BLOCK, index % BLOCK)
}

/// The conversation of each pair. It keeps ids alone, and compares with the pair that the
/// conversation itself has: so it weighs a third of a map of pairs, and whoever looks one up wants
/// the conversation anyway.
#[derive(Debug, Default)]
pub(crate) struct Pairs(HashTable<ConversationId>);

impl Pairs {
    /// Those of all these.
    pub(crate) fn of(conversations: &Conversations) -> Self {
        let mut pairs = Self(HashTable::with_capacity(conversations.len()));
        for (id, conversation) in conversations.iter() {
            pairs.put(id, conversation.pair, conversations);
        }
        pairs
    }

    /// Adds a conversation, whose pair has none yet. `conversations` has it, and all others that
    /// were added.
    pub(crate) fn put(&mut self, id: ConversationId, pair: Pair, conversations: &Conversations) {
        self.0.insert_unique(hash(pair), id, |id| {
            conversations.get(*id).map_or(0, |known| hash(known.pair))
        });
    }

    /// The conversation of this pair.
    pub(crate) fn get(&self, pair: Pair, conversations: &Conversations) -> Option<ConversationId> {
        let is_theirs = |id: &ConversationId| {
            let known = conversations.get(*id);
            known.is_some_and(|known| known.pair == pair)
        };
        self.0.find(hash(pair), is_theirs).copied()
    }
}

fn hash(pair: Pair) -> u64 {
    FxBuildHasher.hash_one(pair)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UserId;

    fn pair(number: u64) -> Pair {
        let user = |number| UserId::new(number).unwrap();
        Pair::new(user(number), user(number * 7 + 1)).unwrap()
    }

    fn id(number: u64) -> ConversationId {
        ConversationId::new(number).unwrap()
    }

    #[test]
    fn each_is_found_by_its_id_and_its_pair_while_they_grow_over_several_blocks() {
        let (mut all, mut pairs) = (Conversations::default(), Pairs::default());
        let count = BLOCK as u64 * 2 + 3;
        for number in 1..=count {
            all.push(Conversation::new(pair(number)));
            pairs.put(id(number), pair(number), &all);
            assert_eq!(all.len() as u64, number);
        }
        let at_once = Pairs::of(&all);
        for number in 1..=count {
            assert_eq!(all.get(id(number)).unwrap().pair, pair(number));
            assert_eq!(pairs.get(pair(number), &all), Some(id(number)));
            assert_eq!(at_once.get(pair(number), &all), Some(id(number)));
        }
        assert!(all.get(id(count + 1)).is_none());
        assert_eq!(pairs.get(pair(count + 1), &all), None);
        assert!(all.iter().map(|(id, _)| id.get()).eq(1..=count));
    }

    #[test]
    fn a_conversation_takes_no_more_than_120_bytes() {
        assert!(size_of::<Conversation>() <= 120, "a large file has many");
    }

    #[test]
    fn blocks_with_a_gap_are_refused() {
        let block = |count: usize| vec![Conversation::new(pair(1)); count];
        assert_eq!(Conversations::of(Vec::new()).unwrap().len(), 0);
        let all = Conversations::of(vec![block(BLOCK), block(5)]).unwrap();
        assert_eq!(all.len(), BLOCK + 5);
        assert!(Conversations::of(vec![block(BLOCK - 1), block(5)]).is_none());
        assert!(Conversations::of(vec![block(BLOCK + 1)]).is_none());
    }
}
