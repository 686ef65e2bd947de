//! How what stands in memory gets to its tables, so that a start need not read the log from its
//! beginning.
//!
//! A pass writes every row that has changed since the last one: conversations, 64 a row; rooms,
//! their members and the newest entries of people's own streams, a row each; and the client ids of
//! senders. It begins once a window of entries has been appended since the last one
//! began, and goes along with the transactions of confirmed changes, in steps bounded by
//! [`MAX_STEP`] and paced so that it ends within another window. At its end it notes up to which
//! entry the rows say everything: a start replays only what came after, at most two windows. A row
//! may already say more than that; an entry that a row knows is not applied to it again.

use rustc_hash::FxHashSet;

use redb::WriteTransaction;

use crate::model::{ConversationId, Timestamp, UserId};
use crate::store::error::StoreError;
use crate::store::rooms::RoomView;
use crate::store::sealed::{Rest, put, seal, unseal};
use crate::store::state::State;
use crate::store::tables::{CLIENT_IDS, CONVERSATION_STATES, META, STREAM_STATES, SWEPT};
use crate::store::talk::client_ids::ClientIds;
use crate::store::talk::conversation::Conversation;
use crate::store::talk::numbers::NumberSet;

/// How many rows one transaction writes at most: some 1.5 MB.
const MAX_STEP: usize = 512;
/// How many rows one transaction writes at least, unless fewer are left: neighbours share pages of
/// the tree and the pages above these, so that one transaction of many with all of them writes far
/// less than each of many with its share.
const MIN_STEP: usize = 32;
/// How many conversations share a row: a page of the database holds them.
pub(crate) const ROW_CONVERSATIONS: u64 = 64;

/// What is still to be written, and what was.
pub(crate) struct Sweep {
    /// Rows of conversations that changed and are in no pass.
    dirty: FxHashSet<u64>,
    /// Rows of rooms, members and people, likewise.
    dirty_streams: FxHashSet<(u64, u64)>,
    pass: Option<Pass>,
    /// Everything up to this entry is in the tables.
    swept: u64,
    /// How many entries are appended between the beginnings of two passes.
    window: u64,
    /// Nothing is written for now, since what was written is copied.
    held: bool,
}

struct Pass {
    /// The last entry when it began.
    began: u64,
    rows: Vec<u64>,
    streams: Vec<(u64, u64)>,
    senders: Vec<UserId>,
    /// How many rows there were.
    total: usize,
    /// Entries that were appended and not yet answered by rows.
    credit: u64,
}

impl Pass {
    /// How many rows are left.
    fn left(&self) -> usize {
        self.rows.len() + self.streams.len() + self.senders.len()
    }
}

/// What one transaction writes of a pass, to be taken over once it is on disk.
#[derive(Default)]
pub(crate) struct Step {
    rows: usize,
    streams: usize,
    senders: usize,
    ends: bool,
}

/// The row of a conversation.
pub(crate) fn row_of(id: ConversationId) -> u64 {
    (id.get() - 1) / ROW_CONVERSATIONS
}

impl Sweep {
    pub(crate) fn new(swept: u64, window: u64) -> Self {
        Self {
            dirty: FxHashSet::default(),
            dirty_streams: FxHashSet::default(),
            pass: None,
            swept,
            window: window.max(1),
            held: false,
        }
    }

    /// Has the transactions of confirmed changes write nothing of it for as long as it is held: a
    /// moment of some seconds, after which the pass goes on where it was.
    pub(crate) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// A conversation changed.
    pub(crate) fn mark(&mut self, id: ConversationId) {
        self.dirty.insert(row_of(id));
    }

    /// A room, a member of one, or a person's own stream changed; by the key of its row.
    pub(crate) fn mark_stream(&mut self, key: (u64, u64)) {
        self.dirty_streams.insert(key);
    }

    /// Takes a step within a transaction that appends `appended` entries. What is to be written is
    /// the state with what is ahead of it.
    pub(crate) fn step(
        &mut self,
        txn: &WriteTransaction,
        now: Timestamp,
        appended: u64,
        client_ids: &mut ClientIds,
        state: &State,
    ) -> Result<Step, StoreError> {
        let Some(pass) = &mut self.pass else {
            return Ok(Step::default());
        };
        pass.credit += appended;
        if self.held {
            return Ok(Step::default());
        }
        // Rounded down; what is left of a row, and of a step, is due with a later transaction.
        let due = pass.credit as u128 * pass.total as u128 / u128::from(self.window);
        let due = usize::try_from(due).unwrap_or(MAX_STEP).min(MAX_STEP);
        if due < MIN_STEP.min(pass.left()) {
            return Ok(Step::default());
        }
        self.write(txn, now, due, client_ids, state)
    }

    fn write(
        &mut self,
        txn: &WriteTransaction,
        now: Timestamp,
        due: usize,
        client_ids: &mut ClientIds,
        state: &State,
    ) -> Result<Step, StoreError> {
        let Some(pass) = &mut self.pass else {
            return Ok(Step::default());
        };
        let mut step = Step {
            rows: due.min(pass.rows.len()),
            ..Step::default()
        };
        step.streams = (due - step.rows).min(pass.streams.len());
        step.senders = (due - step.rows - step.streams).min(pass.senders.len());
        step.ends = step.rows + step.streams + step.senders == pass.left();
        if step.rows > 0 {
            let mut table = txn.open_table(CONVERSATION_STATES)?;
            for row in pass.rows.iter().rev().take(step.rows) {
                let conversation = |id| state.newest_conversation(id);
                table.insert(*row, &encode_row(*row, conversation)[..])?;
            }
        }
        if step.streams > 0 {
            let mut table = txn.open_table(STREAM_STATES)?;
            for key in pass.streams.iter().rev().take(step.streams) {
                match RoomView::of(state).encode_state(*key) {
                    Some(row) => drop(table.insert(*key, &row[..])?),
                    // Of one who is a member no more.
                    None => drop(table.remove(*key)?),
                }
            }
        }
        if step.senders > 0 || step.ends {
            let mut table = txn.open_table(CLIENT_IDS)?;
            for sender in pass.senders.iter().rev().take(step.senders) {
                client_ids.write(*sender, now, &mut table)?;
            }
            if step.ends {
                client_ids.forget(now, &mut table)?;
            }
        }
        if step.ends {
            let mut meta = txn.open_table(META)?;
            meta.insert(SWEPT, &seal(0, &pass.began.to_le_bytes())[..])?;
        }
        Ok(step)
    }

    /// That transaction is on disk. Called before what it added to `client_ids` is put there: the
    /// step did not write that.
    pub(crate) fn taken(&mut self, step: &Step, client_ids: &mut ClientIds) {
        if let Some(pass) = &mut self.pass {
            pass.rows.truncate(pass.rows.len() - step.rows);
            pass.streams.truncate(pass.streams.len() - step.streams);
            let senders = pass.senders.split_off(pass.senders.len() - step.senders);
            senders
                .into_iter()
                .for_each(|sender| client_ids.written(sender));
            let done = (step.rows + step.streams + step.senders) as u128 * u128::from(self.window);
            let done = done / (pass.total as u128).max(1);
            pass.credit -= u64::try_from(done).unwrap_or(u64::MAX).min(pass.credit);
            if step.ends {
                self.swept = pass.began;
                self.pass = None;
                client_ids.shrink();
            }
        }
    }

    /// Begins a pass where one is due; the log ends with `last_entry`.
    pub(crate) fn begin_if_due(&mut self, last_entry: u64, client_ids: &ClientIds) {
        if self.pass.is_none() && last_entry - self.swept >= self.window {
            self.begin(last_entry, client_ids);
        }
    }

    fn begin(&mut self, last_entry: u64, client_ids: &ClientIds) {
        let mut rows: Vec<u64> = self.dirty.drain().collect();
        let mut streams: Vec<_> = self.dirty_streams.drain().collect();
        let mut senders: Vec<UserId> = client_ids.pending().collect();
        // In the order of their keys, so that neighbours share pages; the last is written first.
        rows.sort_unstable_by(|a, b| b.cmp(a));
        streams.sort_unstable_by(|a, b| b.cmp(a));
        senders.sort_unstable_by(|a, b| b.cmp(a));
        self.pass = Some(Pass {
            began: last_entry,
            total: rows.len() + streams.len() + senders.len(),
            rows,
            streams,
            senders,
            credit: 0,
        });
    }

    /// For a closing store: writes all that is left, a transaction a call. `None` once nothing is.
    pub(crate) fn finish(
        &mut self,
        txn: &WriteTransaction,
        now: Timestamp,
        state: &State,
        client_ids: &mut ClientIds,
    ) -> Result<Option<Step>, StoreError> {
        if self.pass.is_none() {
            if self.swept == state.last_entry {
                return Ok(None);
            }
            self.begin(state.last_entry, client_ids);
        }
        self.write(txn, now, MAX_STEP * 4, client_ids, state)
            .map(Some)
    }
}

/// The sealed value of a row: how many conversations, then each; then, of each that has any, its
/// place in the row and the messages that were erased.
fn encode_row<'a>(
    row: u64,
    conversation: impl Fn(ConversationId) -> Option<&'a Conversation>,
) -> Vec<u8> {
    let first = row * ROW_CONVERSATIONS + 1;
    let there: Vec<&Conversation> = (first..first + ROW_CONVERSATIONS)
        .map_while(|number| conversation(ConversationId::new(number).ok()?))
        .collect();
    let mut body = Vec::with_capacity(there.len() * 40);
    put(&mut body, there.len() as u64);
    for conversation in &there {
        conversation.encode(&mut body);
    }
    // Of those that have any, the messages that were erased.
    for (place, conversation) in (0..).zip(&there) {
        if let Some(erased) = &conversation.erased {
            put(&mut body, place);
            erased.encode(&mut body);
        }
    }
    seal(row, &body)
}

/// Reads a row back: appends its conversations.
pub(crate) fn decode_row(
    row: u64,
    sealed: &[u8],
    out: &mut Vec<Conversation>,
) -> Result<(), StoreError> {
    let body = unseal("conversation_states", row, sealed)?;
    let mut decode = || {
        let mut rest = Rest(body);
        let first = out.len();
        for _ in 0..rest.take()?.min(ROW_CONVERSATIONS) {
            out.push(Conversation::decode(&mut rest)?);
        }
        while !rest.0.is_empty() {
            let place = usize::try_from(rest.take()?).ok()?;
            let conversation = out.get_mut(first.checked_add(place)?)?;
            conversation.erased = Some(Box::new(NumberSet::decode(&mut rest)?));
        }
        Some(())
    };
    decode().ok_or(StoreError::Damaged {
        table: "conversation_states",
        key: row,
    })
}

#[cfg(test)]
mod tests {
    use redb::Database;
    use redb::backends::InMemoryBackend;

    use super::*;

    #[test]
    fn a_pass_goes_in_steps_of_several_rows_and_ends_within_a_window() {
        let medium = InMemoryBackend::new();
        let db = Database::builder().create_with_backend(medium).unwrap();
        let (state, mut client_ids) = (State::default(), ClientIds::new([0; 16], usize::MAX));
        let mut sweep = Sweep::new(0, 1_000);
        for row in 0..100 {
            sweep.mark(ConversationId::new(row * ROW_CONVERSATIONS + 1).unwrap());
        }
        sweep.begin_if_due(1_000, &client_ids);
        let (mut rows, mut appended) = (Vec::new(), 0);
        while sweep.pass.is_some() {
            let txn = db.begin_write().unwrap();
            let step = sweep.step(&txn, Timestamp::default(), 7, &mut client_ids, &state);
            let step = step.unwrap();
            txn.commit().unwrap();
            sweep.taken(&step, &mut client_ids);
            rows.extend(Some(step.rows).filter(|rows| *rows > 0));
            appended += 7;
        }
        assert_eq!(rows.iter().sum::<usize>(), 100);
        assert!(rows.len() <= 4, "{rows:?}");
        assert!((900..=1_007).contains(&appended), "{appended}");
        assert_eq!(sweep.swept, 1_000);
    }
}
