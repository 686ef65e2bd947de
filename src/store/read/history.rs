//! The messages of two people.

use std::collections::VecDeque;

use super::page::{Filled, MAX_ROOM, Page};
use super::snapshot::{Snapshot, SnapshotLog};
use crate::budget::PAGE_BYTES;
use crate::model::{Message, MessageId, Pair, UserId};
use crate::store::error::{ReadError, StoreError};
use crate::store::log::chain::{ReadLog, newest_older, oldest_newer};
use crate::store::talk::conversation::{Conversation, message_of};

/// A message as its reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// The message.
    pub message: Message,
    /// Whether its receiver has read it.
    pub is_read: bool,
}

/// What of a history is wanted; both bounds are exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Older than this one.
    pub before: Option<MessageId>,
    /// Newer than this one; with it, the page starts at the oldest, without it, it ends at the
    /// newest.
    pub after: Option<MessageId>,
    /// At most so many.
    pub limit: usize,
}

impl Snapshot<'_> {
    /// Returns the messages of two people, ascending by id. Fails with [`StoreError::NoSuchUser`]
    /// where the peer has no account.
    pub fn history(
        &self,
        user: UserId,
        peer: UserId,
        query: HistoryQuery,
    ) -> Result<Page<HistoryRow>, ReadError> {
        if self.state().people.directory.get(peer).is_none() {
            return Err(StoreError::NoSuchUser.into());
        }
        let pair = Pair::new(user, peer);
        let Some(conversation) = pair.and_then(|pair| self.conversation(pair)) else {
            return Ok(Page::empty());
        };
        let log = &self.log();
        let last = conversation.chain.last();
        let end = match query.before {
            None => last,
            Some(before) => {
                newest_older(log, last, |place| place.id < before)?.map(|place| place.id)
            }
        };
        let Some(after) = query.after else {
            let (rows, next) = before_end(log, &conversation, end, query.limit)?;
            return Ok(Page {
                rows,
                has_more: next.is_some(),
            });
        };
        let Some(first) = oldest_newer(log, end, |place| place.id <= after)? else {
            return Ok(Page::empty());
        };
        let wanted = first.number + query.limit as u64 - 1;
        let top = newest_older(log, end, |place| place.number <= wanted)?.map(|place| place.id);
        let (rows, is_cut) = between(log, &conversation, after, top, query.limit)?;
        Ok(Page {
            rows,
            has_more: is_cut || top != end,
        })
    }

    fn conversation(&self, pair: Pair) -> Option<Conversation> {
        let state = self.state();
        state.conversation(state.conversation_id(pair)?).cloned()
    }
}

/// Returns at most `limit` messages that end with `end`, and the message before them.
fn before_end(
    log: &SnapshotLog<'_>,
    conversation: &Conversation,
    end: Option<MessageId>,
    limit: usize,
) -> Result<(Vec<HistoryRow>, Option<MessageId>), ReadError> {
    let mut rows = VecDeque::with_capacity(limit.min(MAX_ROOM));
    let mut filled = Filled::default();
    let mut next = end;
    while let Some(id) = next
        && rows.len() < limit
        && !filled.is_full()
    {
        let (row, previous) = row(log, conversation, id)?;
        filled.add(&row.message);
        rows.push_front(row);
        next = previous;
    }
    Ok((rows.into(), next))
}

/// Returns the messages that are newer than `after`, up to and including `top`, of which there are
/// at most `limit`; and whether the newest of them are left out, since those before them fill a
/// page.
fn between(
    log: &SnapshotLog<'_>,
    conversation: &Conversation,
    after: MessageId,
    top: Option<MessageId>,
    limit: usize,
) -> Result<(Vec<HistoryRow>, bool), ReadError> {
    let mut rows = VecDeque::with_capacity(limit.min(MAX_ROOM));
    let mut filled = Filled::default();
    let mut is_cut = false;
    let mut next = top;
    while let Some(id) = next.filter(|id| *id > after) {
        let (row, previous) = row(log, conversation, id)?;
        filled.add(&row.message);
        rows.push_front(row);
        // Read backwards, a page that begins at its oldest message leaves out its newest.
        while rows.len() > 1
            && let Some(newest) = rows.back()
            && filled.0 - bytes(&newest.message) >= PAGE_BYTES
        {
            filled.0 -= bytes(&newest.message);
            rows.pop_back();
            is_cut = true;
        }
        next = previous;
    }
    Ok((rows.into(), is_cut))
}

/// Returns one row, and the message before it.
fn row(
    log: &SnapshotLog<'_>,
    conversation: &Conversation,
    id: MessageId,
) -> Result<(HistoryRow, Option<MessageId>), ReadError> {
    log.read_message(id, |record| {
        let receiver = &conversation.members[1 - record.author];
        let row = HistoryRow {
            message: message_of(id, conversation.pair, record),
            is_read: receiver.read.contains(record.rank),
        };
        (row, record.links.previous)
    })
}

fn bytes(message: &Message) -> usize {
    message.row_bytes()
}
