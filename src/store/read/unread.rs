//! A person's unread messages of all chats.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::chats::{Order, Pick};
use super::page::{Filled, MAX_ROOM, Page};
use super::snapshot::{Snapshot, SnapshotLog};
use crate::model::{Message, MessageId, UserId};
use crate::store::error::ReadError;
use crate::store::log::chain::{Place, ReadLog, find_ranks, newest_older};
use crate::store::state::State;
use crate::store::talk::conversation::{Conversation, message_of};
use crate::store::talk::quoting::quote;

impl Snapshot<'_> {
    /// A person's unread messages of all chats that are newer than `after`, ascending by id; and
    /// how many are unread in all, older ones included. Of a chat with unread messages it costs
    /// O(log n) reads to find the first; no more than a page's worth of chats is kept.
    pub fn unread(
        &self,
        user: UserId,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<(Page<Message>, u64), ReadError> {
        let mut total = 0;
        // The chats whose first unread messages are the oldest: no other can be on the page, and
        // one more tells whether there is another page.
        let mut oldest = BinaryHeap::new();
        let pick = |_: &State, conversation: &Conversation| {
            let Some(place) = conversation.pair.place(user) else {
                return Pick::Skip;
            };
            match conversation.unread(place) {
                0 => Pick::Skip,
                count => {
                    total += count;
                    Pick::Take((conversation.clone(), place))
                }
            }
        };
        self.go_through(user, Order::Messages, pick, |chats| {
            let log = &self.log();
            for (conversation, place) in chats {
                let unread = UnreadQueue::new(log, conversation, place, after)?;
                let Some(first) = unread.into_head(log)? else {
                    continue;
                };
                oldest.push(first);
                if oldest.len() > limit + 1 {
                    oldest.pop();
                }
            }
            Ok(())
        })?;
        let log = &self.log();
        let mut heads: BinaryHeap<_> = oldest.into_iter().map(Reverse).collect();
        let mut rows = Vec::with_capacity(limit.min(MAX_ROOM));
        let mut filled = Filled::default();
        while rows.len() < limit
            && !filled.is_full()
            && let Some(Reverse(Head { id, queue })) = heads.pop()
        {
            let pair = queue.conversation.pair;
            // One that was erased meanwhile is left out.
            let message = log.read_message(id, |record| message_of(id, pair, record))?;
            if let Some(mut message) = message {
                quote(log, message.extras.as_deref_mut(), Some(pair), |_| true)?;
                filled.add(&message);
                rows.push(message);
            }
            heads.extend(queue.into_head(log)?.map(Reverse));
        }
        Ok((
            Page {
                rows,
                has_more: !heads.is_empty(),
            },
            total,
        ))
    }
}

/// How many unread messages of a chat are looked for at once, once its first is on the page:
/// finding the first costs O(log n) reads, the rest one each.
const UNREAD_STEP: usize = 16;

/// The unread messages of one chat, oldest first.
struct UnreadQueue {
    conversation: Conversation,
    /// The place of the reader among its members.
    reader: usize,
    /// The greatest rank that was found, or that is not wanted.
    done: u64,
    found: VecDeque<MessageId>,
    /// How many are looked for next.
    step: usize,
}

/// The first unread message of a chat, and the rest of them. Compared by that message.
struct Head {
    id: MessageId,
    queue: UnreadQueue,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.id.cmp(&other.id)
    }
}

impl UnreadQueue {
    fn new(
        log: &SnapshotLog<'_>,
        conversation: Conversation,
        reader: usize,
        after: Option<MessageId>,
    ) -> Result<Self, ReadError> {
        let done = match after {
            None => 0,
            Some(after) => newest_older(log, conversation.chain.last(), |place| place.id <= after)?
                .map_or(0, |place| place.sent[1 - reader]),
        };
        Ok(Self {
            conversation,
            reader,
            done,
            found: VecDeque::new(),
            step: 1,
        })
    }

    /// The first of them, if there is one.
    fn into_head(mut self, log: &SnapshotLog<'_>) -> Result<Option<Head>, ReadError> {
        if self.found.is_empty() {
            self.find(log)?;
        }
        let first = self.found.pop_front();
        Ok(first.map(|id| Head { id, queue: self }))
    }

    fn find(&mut self, log: &SnapshotLog<'_>) -> Result<(), ReadError> {
        let author = 1 - self.reader;
        let sent = self.conversation.sent(author);
        let read = &self.conversation.read[self.reader];
        let unread = read.unmarked_after(self.done, sent);
        let ranks: Vec<u64> = unread.take(self.step).collect();
        self.step = UNREAD_STEP;
        let last = self.conversation.chain.last();
        let last = last.map(|id| Place::of(log, id)).transpose()?;
        if let Some(last) = last {
            // Newest first, so that each search starts where the one before it ended.
            let newest_first = ranks.iter().rev().copied();
            self.found = find_ranks(log, last, author, newest_first)?
                .into_iter()
                .rev()
                .collect();
        }
        self.done = ranks.last().copied().unwrap_or(self.done);
        Ok(())
    }
}
