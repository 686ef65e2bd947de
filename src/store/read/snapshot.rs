//! Reading: history, recents, unread. Short transactions, everything copied out, nothing of redb
//! beyond this folder.
//!
//! What stands in memory is copied first, under a short lock, and the log is read after: an id that
//! memory knows is committed, so the end of the log in memory, or else the later snapshot of its
//! table, always holds it.

use std::cell::{Cell, OnceCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use parking_lot::RwLockReadGuard;
use redb::{Database, ReadableDatabase};
use rustc_hash::FxHashSet;

use crate::budget::PAGE_BYTES;
use crate::model::{ConversationId, EntryId, Message, MessageId, Pair, User, UserId, row_bytes};
use crate::store::data::Data;
use crate::store::error::{ReadError, StoreError};
use crate::store::log::blocks::Log;
use crate::store::log::chain::{ReadLog, newest_older, oldest_newer};
use crate::store::log::record::Record;
use crate::store::log::tail::Tail;
use crate::store::sealed::unseal;
use crate::store::state::State;
use crate::store::tables::CREDENTIALS;
use crate::store::talk::conversation::{Conversation, message_of};
use crate::store::talk::recency::Touch;

/// A message as its reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// The message.
    pub message: Message,
    /// Whether its receiver has read it.
    pub is_read: bool,
}

/// A page, and whether there is more beyond it in the direction of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order that the query names.
    pub rows: Vec<T>,
    /// Whether the next page has rows.
    pub has_more: bool,
}

/// How much of a page is taken by its rows, in bytes of JSON.
#[derive(Debug, Default)]
struct Filled(usize);

impl Filled {
    fn add(&mut self, message: &Message) {
        self.0 += row_bytes(&message.content);
    }

    fn is_full(&self) -> bool {
        self.0 >= PAGE_BYTES
    }
}

/// One line of a person's list of chats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// The other person.
    pub peer: std::sync::Arc<User>,
    /// The newest message of the two.
    pub last_message: Message,
    /// How many of the peer's messages are unread.
    pub unread_count: u64,
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

/// Answers one query. What a query needs of memory is copied first; the read transaction begins
/// after that and lasts as long as the query.
pub struct Snapshot<'a> {
    data: &'a Data,
    /// Where the query may use memory alone: how much of it.
    memory: Option<MemoryOnly>,
}

/// How many entries a query may read on a thread that others wait for: a page of each kind, some 50
/// us.
const INLINE_ENTRIES: u32 = 128;
/// How many touches a person may have whose chats are gone through there.
const INLINE_TOUCHES: usize = 1_024;

/// So many touches are gone through, some 50 us, before others have a turn at the state. As many as
/// may be gone through on a thread that others wait for.
const TOUCHES_A_TURN: usize = INLINE_TOUCHES;

/// For so many rows of a history room is made at once: a page that is not full is soon gone.
const MAX_ROOM: usize = 64;

/// What a query may still do without another thread.
struct MemoryOnly {
    entries: Cell<u32>,
}

/// The log of one query: its end in memory, and the table, in a read transaction that begins with
/// the first entry which is not in memory.
pub(crate) struct SnapshotLog<'a> {
    snapshot: &'a Snapshot<'a>,
    /// The end of the log, held for as long as the query that may use memory alone: that is short,
    /// and never waits. Others look in for a moment each time.
    held: Option<RwLockReadGuard<'a, Tail>>,
    table: OnceCell<Log>,
    /// An entry that was not in memory: no older one is, and none need be looked for there. 0 for
    /// none yet.
    missed: Cell<u64>,
}

impl ReadLog for SnapshotLog<'_> {
    type Error = ReadError;

    fn read<R>(&self, id: EntryId, read: impl FnOnce(Record<&str>) -> R) -> Result<R, ReadError> {
        if let Some(memory) = &self.snapshot.memory {
            let left = memory.entries.get().checked_sub(1);
            memory.entries.set(left.ok_or(ReadError::NeedsDisk)?);
        }
        if id.get() > self.missed.get() {
            let looked_in;
            let tail = match &self.held {
                Some(held) => held,
                None => {
                    looked_in = self.snapshot.data.tail.read();
                    &looked_in
                }
            };
            if let Some(value) = tail.get(id) {
                return Ok(read(Record::decode(id, value)?));
            }
            self.missed.set(id.get());
        }
        let table = match self.table.get() {
            Some(table) => table,
            None => {
                let db = self.snapshot.database()?;
                let txn = db.begin_read().map_err(StoreError::from)?;
                let table = Log::open(&txn).map_err(StoreError::from)?;
                self.table.get_or_init(|| table)
            }
        };
        Ok(table.read(id, read)?)
    }
}

impl<'a> Snapshot<'a> {
    pub(crate) fn new(data: &'a Data) -> Self {
        Self { data, memory: None }
    }

    /// Returns one that reads nothing but memory, and not much of that: a query that wants more
    /// ends with [`ReadError::NeedsDisk`].
    pub(crate) fn of_memory(data: &'a Data) -> Self {
        Self {
            data,
            memory: Some(MemoryOnly {
                entries: Cell::new(INLINE_ENTRIES),
            }),
        }
    }

    /// Ends a query that may use memory alone.
    fn needs_disk(&self) -> Result<(), ReadError> {
        match &self.memory {
            Some(_) => Err(ReadError::NeedsDisk),
            None => Ok(()),
        }
    }

    /// To be asked before all chats of a person are gone through.
    pub(crate) fn afford_chats(&self, state: &State, user: UserId) -> Result<(), ReadError> {
        if state.touches(user) > INLINE_TOUCHES {
            self.needs_disk()?;
        }
        Ok(())
    }

    fn database(&self) -> Result<Arc<Database>, ReadError> {
        self.needs_disk()?;
        Ok(self.data.database()?)
    }

    pub(crate) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.data.state.read()
    }

    /// The log as it is now. To be called after memory was looked at: what memory knows is
    /// committed, and in it. Not while the state is held: one who waits to change that and one who
    /// waits to change the end of the log may be two.
    pub(crate) fn log(&self) -> SnapshotLog<'_> {
        SnapshotLog {
            snapshot: self,
            held: self.memory.is_some().then(|| self.data.tail.read()),
            table: OnceCell::new(),
            missed: Cell::new(0),
        }
    }

    /// The password hash of an account that has one, in PHC string form.
    pub fn password_hash(&self, user: UserId) -> Result<Option<String>, ReadError> {
        let db = self.database()?;
        Ok(password_hash(&db, user)?)
    }

    fn conversation(&self, pair: Pair) -> Option<Conversation> {
        let state = self.data.state.read();
        state.conversation(state.conversation_id(pair)?).cloned()
    }

    /// The messages of two people, ascending by id. Fails with [`StoreError::NoSuchUser`] where the
    /// peer is nobody.
    pub fn history(
        &self,
        user: UserId,
        peer: UserId,
        query: HistoryQuery,
    ) -> Result<Page<HistoryRow>, ReadError> {
        let empty = Page {
            rows: Vec::new(),
            has_more: false,
        };
        if self.data.state.read().people.directory.get(peer).is_none() {
            return Err(StoreError::NoSuchUser.into());
        }
        let Some(pair) = Pair::new(user, peer) else {
            return Ok(empty);
        };
        let Some(conversation) = self.conversation(pair) else {
            return Ok(empty);
        };
        let log = &self.log();
        let last = conversation.chain.last();
        let end = match query.before {
            None => last,
            Some(before) => {
                newest_older(log, last, |place| place.id < before)?.map(|place| place.id)
            }
        };
        let (mut next, has_more) = match query.after {
            None => (end, None),
            Some(after) => {
                let Some(first) = oldest_newer(log, end, |place| place.id <= after)? else {
                    return Ok(empty);
                };
                let wanted = first.number + query.limit as u64 - 1;
                let top =
                    newest_older(log, end, |place| place.number <= wanted)?.map(|place| place.id);
                (top, Some(top != end))
            }
        };
        let mut rows = VecDeque::with_capacity(query.limit.min(MAX_ROOM));
        let mut filled = Filled::default();
        let mut is_cut = false;
        while let Some(id) = next
            && rows.len() < query.limit
            && query.after.is_none_or(|after| id > after)
        {
            if filled.is_full() && query.after.is_none() {
                break;
            }
            let (row, previous) = log.read_message(id, |record| {
                let receiver = &conversation.members[1 - record.author];
                let row = HistoryRow {
                    message: message_of(id, pair, record),
                    is_read: receiver.read.contains(record.rank),
                };
                (row, record.links.previous)
            })?;
            filled.add(&row.message);
            rows.push_front(row);
            // Read backwards, a page that begins at its oldest message leaves out its newest.
            while query.after.is_some()
                && rows.len() > 1
                && let Some(newest) = rows.back()
                && filled.0 - row_bytes(&newest.message.content) >= PAGE_BYTES
            {
                filled.0 -= row_bytes(&newest.message.content);
                rows.pop_back();
                is_cut = true;
            }
            next = previous;
        }
        Ok(Page {
            rows: rows.into(),
            has_more: is_cut || has_more.unwrap_or(next.is_some()),
        })
    }

    /// A person's chats, newest first: those whose newest message is older than `before`.
    pub fn recents(
        &self,
        user: UserId,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<Page<Recent>, ReadError> {
        let (mut found, mut count, mut lowest) = (Vec::new(), 0, before);
        let pick = |state: &State, conversation: &Conversation| {
            let row = || {
                let last = conversation.chain.last()?;
                // One that got a message while others were gone through is on another page by now.
                if lowest.is_some_and(|lowest| last >= lowest) {
                    return None;
                }
                let place = conversation.pair.place(user)?;
                let peer = state
                    .people
                    .directory
                    .get(conversation.pair.members()[1 - place])?;
                let unread_count = conversation.unread(place);
                Some((Arc::clone(peer), conversation.pair, last, unread_count))
            };
            let Some(row) = row() else { return Pick::Skip };
            (count, lowest) = (count + 1, Some(row.2));
            match count > limit {
                true => Pick::Last(row),
                false => Pick::Take(row),
            }
        };
        self.go_through(user, Order::Messages, pick, |rows| {
            found.extend(rows);
            Ok(())
        })?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let log = self.log();
        let mut rows = Vec::with_capacity(found.len());
        let mut filled = Filled::default();
        let mut is_cut = false;
        for (peer, pair, last, unread_count) in found {
            if filled.is_full() {
                is_cut = true;
                break;
            }
            let last_message = log.read_message(last, |record| message_of(last, pair, record))?;
            filled.add(&last_message);
            rows.push(Recent {
                peer,
                last_message,
                unread_count,
            });
        }
        Ok(Page {
            rows,
            has_more: has_more || is_cut,
        })
    }

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
            let message = log.read_message(id, |record| message_of(id, pair, record))?;
            filled.add(&message);
            rows.push(message);
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

    /// Goes through a person's chats, the newest first. `pick` looks at one while the state is
    /// held; `take` gets what was picked, after some hundreds of chats each time, while nothing is
    /// held. Returns the newest entry that there was at the beginning: of what came after that, all
    /// or nothing may be seen.
    pub(crate) fn go_through<T>(
        &self,
        user: UserId,
        order: Order,
        mut pick: impl FnMut(&State, &Conversation) -> Pick<T>,
        mut take: impl FnMut(Vec<T>) -> Result<(), ReadError>,
    ) -> Result<u64, ReadError> {
        let mut turn = Turn {
            order,
            seen: FxHashSet::default(),
            picked: Vec::new(),
            is_over: false,
        };
        let (mut rest, newest) = {
            let state = self.state();
            self.afford_chats(&state, user)?;
            let touches = state.touch_list(user);
            let (older, latest) = touches.split_at(touches.len().saturating_sub(TOUCHES_A_TURN));
            if older.is_empty() {
                turn.all(&state, user, &mut pick);
            } else {
                turn.some(&state, latest, &mut pick);
            }
            let rest = match turn.is_over {
                true => Vec::new(),
                false => older.to_vec(),
            };
            (rest, state.last_entry)
        };
        take(std::mem::take(&mut turn.picked))?;
        while !rest.is_empty() && !turn.is_over {
            let touches = rest.split_off(rest.len().saturating_sub(TOUCHES_A_TURN));
            turn.some(&self.state(), &touches, &mut pick);
            take(std::mem::take(&mut turn.picked))?;
        }
        Ok(newest)
    }
}

fn password_hash(db: &Database, user: UserId) -> Result<Option<String>, StoreError> {
    let damaged = StoreError::Damaged {
        table: "credentials",
        key: user.get(),
    };
    let txn = db.begin_read()?;
    let Some(value) = txn.open_table(CREDENTIALS)?.get(user.get())? else {
        return Ok(None);
    };
    let hash = unseal("credentials", user.get(), value.value())?;
    String::from_utf8(hash.to_vec())
        .map(Some)
        .map_err(|_| damaged)
}

/// By what a person's chats are in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Their newest messages; chats without any are left out.
    Messages,
    /// Their newest entries of any kind.
    Entries,
}

/// What becomes of a chat that is gone through.
pub(crate) enum Pick<T> {
    /// Nothing.
    Skip,
    /// It is taken.
    Take(T),
    /// It is taken, and no older one is wanted.
    Last(T),
    /// No older one is wanted, and this one neither.
    Enough,
}

/// A part of a person's chats, and what was seen in earlier parts.
struct Turn<T> {
    order: Order,
    seen: FxHashSet<ConversationId>,
    picked: Vec<T>,
    is_over: bool,
}

impl<T> Turn<T> {
    /// All of them at once, without a note of which were seen.
    fn all(
        &mut self,
        state: &State,
        user: UserId,
        pick: &mut impl FnMut(&State, &Conversation) -> Pick<T>,
    ) {
        match self.order {
            Order::Messages => state
                .recent(user)
                .all(|conversation| self.put(pick(state, conversation))),
            Order::Entries => state
                .touched(user)
                .all(|conversation| self.put(pick(state, conversation))),
        };
    }

    /// Those of these touches that were not seen before.
    fn some(
        &mut self,
        state: &State,
        touches: &[Touch],
        pick: &mut impl FnMut(&State, &Conversation) -> Pick<T>,
    ) {
        for touch in touches.iter().rev() {
            if self.order == Order::Messages && !touch.is_message() {
                continue;
            }
            if let Some(conversation) = state.conversation(touch.conversation())
                && self.seen.insert(touch.conversation())
                && !self.put(pick(state, conversation))
            {
                return;
            }
        }
    }

    /// Whether it goes on.
    fn put(&mut self, pick: Pick<T>) -> bool {
        match pick {
            Pick::Skip => {}
            Pick::Take(value) => self.picked.push(value),
            Pick::Last(value) => {
                self.picked.push(value);
                self.is_over = true;
            }
            Pick::Enough => self.is_over = true,
        }
        !self.is_over
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
        let members = &self.conversation.members;
        let unread = members[self.reader]
            .read
            .unmarked_after(self.done, members[author].sent);
        let ranks: Vec<u64> = unread.take(self.step).collect();
        self.step = UNREAD_STEP;
        let mut from = self.conversation.chain.last();
        // Newest first, so that each search starts where the one before it ended.
        for rank in ranks.iter().rev() {
            let Some(place) = oldest_newer(log, from, |place| place.sent[author] < *rank)? else {
                break;
            };
            from = Some(place.id);
            self.found.push_front(place.id);
        }
        self.done = ranks.last().copied().unwrap_or(self.done);
        Ok(())
    }
}
