//! The messages of two people.

use std::collections::VecDeque;

use super::page::{Filled, MAX_ROOM};
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

/// A page of a history, ascending by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage<T = HistoryRow> {
    /// The messages.
    pub rows: Vec<T>,
    /// Whether there are more in the direction of reading: newer ones after a message, else older
    /// ones.
    pub has_more: bool,
    /// Whether there are newer ones.
    pub has_newer: bool,
}

/// The messages of a chat, as one of its members reads them.
pub(super) trait Messages {
    /// A message as its reader sees it.
    type Row;

    /// The newest one.
    fn last(&self) -> Option<MessageId>;

    /// The reader sees none up to and including this one; `None` where they see all.
    fn floor(&self) -> Option<MessageId>;

    /// Returns one row, and the message before it.
    fn row(
        &self,
        log: &SnapshotLog<'_>,
        id: MessageId,
    ) -> Result<(Self::Row, Option<MessageId>), ReadError>;

    /// Returns about how many bytes a row takes as JSON.
    fn bytes(row: &Self::Row) -> usize;
}

impl Snapshot<'_> {
    /// Returns the messages of two people, ascending by id. Fails with [`StoreError::NoSuchUser`]
    /// where the peer has no account.
    pub fn history(
        &self,
        user: UserId,
        peer: UserId,
        query: HistoryQuery,
    ) -> Result<HistoryPage, ReadError> {
        if self.state().people.directory.get(peer).is_none() {
            return Err(StoreError::NoSuchUser.into());
        }
        let Some(conversation) = self.chat_of(user, peer) else {
            return Ok(HistoryPage::empty());
        };
        let log = &self.log();
        match query.after {
            None => end_of(log, &conversation, query.before, query.limit),
            Some(after) => after_one(log, &conversation, after, query.before, query.limit),
        }
    }

    /// Returns the messages of two people around one of theirs, or around the place that another
    /// one has between theirs. Fails as [`Snapshot::history`] does.
    pub fn history_around(
        &self,
        user: UserId,
        peer: UserId,
        message: MessageId,
        limit: usize,
    ) -> Result<HistoryPage, ReadError> {
        if self.state().people.directory.get(peer).is_none() {
            return Err(StoreError::NoSuchUser.into());
        }
        match self.chat_of(user, peer) {
            Some(conversation) => around(&self.log(), &conversation, message, limit),
            None => Ok(HistoryPage::empty()),
        }
    }

    /// Returns one message of two people, of whom `user` is one. Fails with
    /// [`StoreError::NoSuchMessage`] where there is none of this id that is theirs.
    pub fn message(&self, user: UserId, id: MessageId) -> Result<HistoryRow, ReadError> {
        if id.get() > self.state().last_entry {
            return Err(StoreError::NoSuchMessage.into());
        }
        // Given back before the state is looked at, which comes first in the order of locks.
        let found = self.log().read(id.into(), |record| {
            let pair = record.stream.pair();
            pair.filter(|_| record.is_message())
        })?;
        let conversation = {
            let state = self.state();
            let conversation = found.and_then(|found| state.conversation(found));
            conversation.cloned()
        };
        let theirs = conversation.filter(|conversation| conversation.pair.place(user).is_some());
        let conversation = theirs.ok_or(StoreError::NoSuchMessage)?;
        conversation.row(&self.log(), id).map(|(row, _)| row)
    }

    fn chat_of(&self, user: UserId, peer: UserId) -> Option<Conversation> {
        let pair = Pair::new(user, peer)?;
        let state = self.state();
        state.conversation(state.conversation_id(pair)?).cloned()
    }
}

impl<T> HistoryPage<T> {
    /// Returns a page without messages, around which there are none.
    const fn empty() -> Self {
        Self {
            rows: Vec::new(),
            has_more: false,
            has_newer: false,
        }
    }
}

/// Returns the newest messages that are older than `before`.
pub(super) fn end_of<C: Messages>(
    log: &SnapshotLog<'_>,
    chat: &C,
    before: Option<MessageId>,
    limit: usize,
) -> Result<HistoryPage<C::Row>, ReadError> {
    let last = chat.last();
    let end = newest_before(log, last, before)?;
    let (rows, next) = before_end(log, chat, end, limit, Filled::default())?;
    Ok(HistoryPage {
        rows,
        has_more: next.is_some(),
        has_newer: end != last,
    })
}

/// Returns the oldest messages that are newer than `after` and older than `before`.
pub(super) fn after_one<C: Messages>(
    log: &SnapshotLog<'_>,
    chat: &C,
    after: MessageId,
    before: Option<MessageId>,
    limit: usize,
) -> Result<HistoryPage<C::Row>, ReadError> {
    let last = chat.last();
    let end = newest_before(log, last, before)?;
    let after = chat.floor().map_or(after, |floor| floor.max(after));
    let Some(first) = oldest_newer(log, end, |place| place.id <= after)? else {
        return Ok(HistoryPage {
            has_newer: end != last,
            ..HistoryPage::empty()
        });
    };
    let wanted = first.number + limit as u64 - 1;
    let top = newest_older(log, end, |place| place.number <= wanted)?.map(|place| place.id);
    let (rows, is_cut) = between(log, chat, Some(after), top, limit, Filled::default())?;
    Ok(HistoryPage {
        rows,
        has_more: is_cut || top != end,
        has_newer: is_cut || top != last,
    })
}

/// Returns the messages around the place of one, in two halves: where there are fewer on one side,
/// there are more on the other.
pub(super) fn around<C: Messages>(
    log: &SnapshotLog<'_>,
    chat: &C,
    message: MessageId,
    limit: usize,
) -> Result<HistoryPage<C::Row>, ReadError> {
    let last = chat.last();
    let message = chat.floor().map_or(message, |floor| floor.max(message));
    let below = newest_before(log, last, Some(message))?;
    let first = match below {
        None => 1,
        Some(below) => log.read_message(below, |record| record.links.number)? + 1,
    };
    // At least half of them from the message on, and as many as a page that begins the chat has.
    let wanted = (first + limit.div_ceil(2) as u64 - 1).max(limit as u64);
    let top = newest_older(log, last, |place| place.number <= wanted)?.map(|place| place.id);
    let below = below.filter(|id| Some(*id) > chat.floor());
    let from = below.max(chat.floor());
    let (newer, is_cut) = between(log, chat, from, top, limit, Filled::half())?;
    let left = limit.saturating_sub(newer.len());
    let (mut rows, next) = match left {
        0 => (Vec::new(), below),
        left => before_end(log, chat, below, left, Filled::half())?,
    };
    rows.extend(newer);
    Ok(HistoryPage {
        rows,
        has_more: next.is_some(),
        has_newer: is_cut || top != last,
    })
}

/// Returns the newest message that is older than `before`; the newest of all without that.
fn newest_before(
    log: &SnapshotLog<'_>,
    last: Option<MessageId>,
    before: Option<MessageId>,
) -> Result<Option<MessageId>, ReadError> {
    let Some(before) = before else {
        return Ok(last);
    };
    let place = newest_older(log, last, |place| place.id < before)?;
    Ok(place.map(|place| place.id))
}

/// Returns at most `limit` messages that end with `end`, and the message before them.
fn before_end<C: Messages>(
    log: &SnapshotLog<'_>,
    chat: &C,
    end: Option<MessageId>,
    limit: usize,
    mut filled: Filled,
) -> Result<(Vec<C::Row>, Option<MessageId>), ReadError> {
    let mut rows = VecDeque::with_capacity(limit.min(MAX_ROOM));
    let mut next = end;
    while let Some(id) = next.filter(|id| Some(*id) > chat.floor())
        && rows.len() < limit
        && !filled.is_full()
    {
        let (row, previous) = chat.row(log, id)?;
        filled.add_bytes(C::bytes(&row));
        rows.push_front(row);
        next = previous;
    }
    let next = next.filter(|id| Some(*id) > chat.floor());
    Ok((rows.into(), next))
}

/// Returns the messages that are newer than `after`, up to and including `top`, of which there are
/// at most `limit`; and whether the newest of them are left out, since those before them fill a
/// page.
fn between<C: Messages>(
    log: &SnapshotLog<'_>,
    chat: &C,
    after: Option<MessageId>,
    top: Option<MessageId>,
    limit: usize,
    mut filled: Filled,
) -> Result<(Vec<C::Row>, bool), ReadError> {
    let mut rows = VecDeque::with_capacity(limit.min(MAX_ROOM));
    let mut is_cut = false;
    let mut next = top;
    while let Some(id) = next.filter(|id| Some(*id) > after) {
        let (row, previous) = chat.row(log, id)?;
        filled.add_bytes(C::bytes(&row));
        rows.push_front(row);
        // Read backwards, a page that begins at its oldest message leaves out its newest.
        while rows.len() > 1
            && let Some(newest) = rows.back()
            && filled.0 - C::bytes(newest) >= PAGE_BYTES
        {
            filled.0 -= C::bytes(newest);
            rows.pop_back();
            is_cut = true;
        }
        next = previous;
    }
    Ok((rows.into(), is_cut))
}

impl Messages for Conversation {
    type Row = HistoryRow;

    fn last(&self) -> Option<MessageId> {
        self.chain.last()
    }

    fn floor(&self) -> Option<MessageId> {
        None
    }

    fn row(
        &self,
        log: &SnapshotLog<'_>,
        id: MessageId,
    ) -> Result<(HistoryRow, Option<MessageId>), ReadError> {
        log.read_message(id, |record| {
            let receiver = &self.members[1 - record.place()];
            let row = HistoryRow {
                message: message_of(id, self.pair, record),
                is_read: receiver.read.contains(record.rank),
            };
            (row, record.links.previous)
        })
    }

    fn bytes(row: &HistoryRow) -> usize {
        row.message.row_bytes()
    }
}
