//! The messages of two people.

use std::collections::VecDeque;

use super::page::{Filled, MAX_ROOM};
use super::present;
use super::snapshot::{Snapshot, SnapshotLog};
use crate::budget::PAGE_BYTES;
use crate::model::{Message, MessageId, Pair, UserId};
use crate::store::error::ReadError;
use crate::store::log::chain::{Place, ReadLog, newest_older, oldest_newer};
use crate::store::people::refusal::PeopleRefusal;
use crate::store::talk::conversation::{Conversation, message_of};
use crate::store::talk::quoting::quote;
use crate::store::talk::refusal::TalkRefusal;

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

/// A row, and the message before it.
pub(super) type RowBefore<T> = (Option<T>, Option<MessageId>);

/// The messages of a chat, as one of its members reads them.
pub(super) trait Messages {
    /// A message as its reader sees it.
    type Row;

    /// The newest one, erased or not.
    fn last(&self) -> Option<MessageId>;

    /// The number of that; 0 where there is none.
    fn length(&self) -> u64;

    /// The number of the newest that was not erased, of those up to this number; 0 for none.
    fn newest_through(&self, number: u64) -> u64 {
        number
    }

    /// The number of the `count`th that was not erased after the one of this number; that of the
    /// last one where there are not so many.
    fn number_after(&self, number: u64, count: u64) -> u64 {
        self.length().min(number.saturating_add(count))
    }

    /// The reader sees none up to and including this one; `None` where they see all.
    fn floor(&self) -> Option<MessageId>;

    /// Returns one row, unless it was erased meanwhile, and the message before it that was not.
    fn row(&self, log: &SnapshotLog<'_>, id: MessageId) -> Result<RowBefore<Self::Row>, ReadError>;

    /// Returns about how many bytes a row takes as JSON.
    fn bytes(row: &Self::Row) -> usize;
}

impl Snapshot<'_> {
    /// Returns the messages of two people, ascending by id. Fails with
    /// [`PeopleRefusal::NoSuchUser`] where the peer has no account.
    pub fn history(
        &self,
        user: UserId,
        peer: UserId,
        query: HistoryQuery,
    ) -> Result<HistoryPage, ReadError> {
        if self.state().people.directory.get(peer).is_none() {
            return Err(PeopleRefusal::NoSuchUser.into());
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
            return Err(PeopleRefusal::NoSuchUser.into());
        }
        match self.chat_of(user, peer) {
            Some(conversation) => around(&self.log(), &conversation, message, limit),
            None => Ok(HistoryPage::empty()),
        }
    }

    /// Returns one message of two people, of whom `user` is one. Fails with
    /// [`TalkRefusal::NoSuchMessage`] where there is none of this id that is theirs.
    pub fn message(&self, user: UserId, id: MessageId) -> Result<HistoryRow, ReadError> {
        if id.get() > self.state().last_entry {
            return Err(TalkRefusal::NoSuchMessage.into());
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
        let conversation = theirs.ok_or(TalkRefusal::NoSuchMessage)?;
        let (row, _) = conversation.row(&self.log(), id)?;
        Ok(row.ok_or(TalkRefusal::NoSuchMessage)?)
    }

    fn chat_of(&self, user: UserId, peer: UserId) -> Option<Conversation> {
        let pair = Pair::new(user, peer)?;
        let state = self.state();
        state.conversation(state.conversation_id(pair)?).cloned()
    }
}

impl<T> HistoryPage<T> {
    /// Returns a page without messages, around which there are none.
    pub(crate) const fn empty() -> Self {
        Self {
            rows: Vec::new(),
            has_more: false,
            has_newer: false,
        }
    }
}

/// The newest of the messages that are looked at, erased or not, and its number.
#[derive(Debug, Clone, Copy)]
struct Top {
    id: MessageId,
    number: u64,
}

impl Top {
    /// Returns the newest message that is older than `before`; the newest of all without that.
    fn before<C: Messages>(
        log: &SnapshotLog<'_>,
        chat: &C,
        before: Option<MessageId>,
    ) -> Result<Option<Self>, ReadError> {
        let last = chat.last();
        let Some(before) = before else {
            let number = chat.length();
            return Ok(last.map(|id| Self { id, number }));
        };
        let place = newest_older(log, last, |place| place.id < before)?;
        Ok(place.map(|Place { id, number, .. }| Self { id, number }))
    }

    /// Returns the newest message up to the one of this number, of those up to this one.
    fn through(self, log: &SnapshotLog<'_>, number: u64) -> Result<Self, ReadError> {
        if number >= self.number {
            return Ok(self);
        }
        let place = newest_older(log, Some(self.id), |place| place.number <= number)?;
        Ok(place.map_or(self, |Place { id, number, .. }| Self { id, number }))
    }

    /// Returns it, or the newest before it that is not erased.
    fn there<C: Messages>(
        self,
        log: &SnapshotLog<'_>,
        chat: &C,
    ) -> Result<Option<MessageId>, ReadError> {
        present::older(log, chat, self.number + 1, Some(self.id))
    }

    /// Returns whether there are newer ones in the chat that its reader sees.
    fn has_newer<C: Messages>(self, log: &SnapshotLog<'_>, chat: &C) -> Result<bool, ReadError> {
        let is_seen = Some(self.id) >= chat.floor();
        match chat.newest_through(chat.length()) > self.number {
            true if !is_seen => sees_any(log, chat),
            has_newer => Ok(has_newer),
        }
    }
}

/// Returns whether the reader of a chat sees any message of it.
fn sees_any<C: Messages>(log: &SnapshotLog<'_>, chat: &C) -> Result<bool, ReadError> {
    let newest = present::older(log, chat, chat.length() + 1, chat.last())?;
    Ok(newest.is_some_and(|newest| Some(newest) > chat.floor()))
}

/// Returns the newest messages that are older than `before`.
pub(super) fn end_of<C: Messages>(
    log: &SnapshotLog<'_>,
    chat: &C,
    before: Option<MessageId>,
    limit: usize,
) -> Result<HistoryPage<C::Row>, ReadError> {
    let Some(end) = Top::before(log, chat, before)? else {
        return Ok(HistoryPage {
            has_newer: sees_any(log, chat)?,
            ..HistoryPage::empty()
        });
    };
    let there = end.there(log, chat)?;
    let (rows, next) = before_end(log, chat, there, limit, Filled::default())?;
    Ok(HistoryPage {
        rows,
        has_more: next.is_some(),
        has_newer: end.has_newer(log, chat)?,
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
    let Some(end) = Top::before(log, chat, before)? else {
        return end_of(log, chat, before, limit);
    };
    let after = chat.floor().map_or(after, |floor| floor.max(after));
    let Some(first) = oldest_newer(log, Some(end.id), |place| place.id <= after)? else {
        return Ok(HistoryPage {
            has_newer: end.has_newer(log, chat)?,
            ..HistoryPage::empty()
        });
    };
    let wanted = chat.number_after(first.number - 1, limit as u64);
    let top = end.through(log, wanted)?;
    let (rows, is_cut) = between(log, chat, Some(after), top, limit, Filled::default())?;
    Ok(HistoryPage {
        rows,
        has_more: is_cut || chat.newest_through(end.number) > top.number,
        has_newer: is_cut || top.has_newer(log, chat)?,
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
    let Some(last) = Top::before(log, chat, None)? else {
        return Ok(HistoryPage::empty());
    };
    let message = chat.floor().map_or(message, |floor| floor.max(message));
    let below = Top::before(log, chat, Some(message))?;
    let before = below.map_or(0, |below| below.number);
    // At least half of them from the message on, and as many as a page has that begins what the
    // reader sees of the chat.
    let half = chat.number_after(before, limit.div_ceil(2) as u64);
    let hidden = match chat.floor() {
        None => None,
        floor => newest_older(log, Some(last.id), |place| Some(place.id) <= floor)?,
    };
    let hidden = hidden.map_or(0, |hidden| hidden.number);
    let wanted = half.max(chat.number_after(hidden, limit as u64));
    let top = last.through(log, wanted)?;
    let below = below.filter(|below| Some(below.id) > chat.floor());
    let from = below.map(|below| below.id).max(chat.floor());
    let (newer, is_cut) = between(log, chat, from, top, limit, Filled::half())?;
    let there = match below {
        Some(below) => below.there(log, chat)?,
        None => None,
    };
    let there = there.filter(|id| Some(*id) > chat.floor());
    let (mut rows, next) = match limit.saturating_sub(newer.len()) {
        0 => (Vec::new(), there),
        left => before_end(log, chat, there, left, Filled::half())?,
    };
    rows.extend(newer);
    Ok(HistoryPage {
        rows,
        has_more: next.is_some(),
        has_newer: is_cut || top.has_newer(log, chat)?,
    })
}

/// Returns at most `limit` messages that end with `end`, which is not erased, and the one before
/// them.
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
        if let Some(row) = row {
            filled.add_bytes(C::bytes(&row));
            rows.push_front(row);
        }
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
    top: Top,
    limit: usize,
    mut filled: Filled,
) -> Result<(Vec<C::Row>, bool), ReadError> {
    let mut rows = VecDeque::with_capacity(limit.min(MAX_ROOM));
    let mut is_cut = false;
    let mut next = top.there(log, chat)?;
    while let Some(id) = next.filter(|id| Some(*id) > after) {
        let (row, previous) = chat.row(log, id)?;
        next = previous;
        let Some(row) = row else { continue };
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
    }
    Ok((rows.into(), is_cut))
}

impl Messages for Conversation {
    type Row = HistoryRow;

    fn last(&self) -> Option<MessageId> {
        self.chain.last()
    }

    fn length(&self) -> u64 {
        self.chain.length()
    }

    fn newest_through(&self, number: u64) -> u64 {
        Self::newest_through(self, number)
    }

    fn number_after(&self, number: u64, count: u64) -> u64 {
        Self::number_after(self, number, count)
    }

    fn floor(&self) -> Option<MessageId> {
        None
    }

    fn row(
        &self,
        log: &SnapshotLog<'_>,
        id: MessageId,
    ) -> Result<RowBefore<HistoryRow>, ReadError> {
        let (mut row, number, previous) = log.read_message(id, |record| {
            let read = &self.read[1 - record.place()];
            let message = message_of(id, self.pair, record);
            let row = message.map(|message| HistoryRow {
                message,
                is_read: read.contains(record.rank),
            });
            (row, record.links.number, record.links.previous)
        })?;
        if let Some(row) = &mut row {
            let extras = row.message.extras.as_deref_mut();
            quote(log, extras, Some(self.pair), |_| true)?;
        }
        let previous = present::older(log, self, number, previous)?;
        Ok((row, previous))
    }

    fn bytes(row: &HistoryRow) -> usize {
        row.message.row_bytes()
    }
}
