//! What accounts said that left with all of it, and that is there still: an earlier chatd erased it
//! only in the last 64 of the rooms in which they ever were.

use std::collections::BTreeMap;

use redb::ReadableDatabase;

use super::snapshot::Snapshot;
use crate::model::{Act, EntryId, MadeBy, MessageId, RoomId, Stream, UserId};
use crate::store::error::{ReadError, StoreError};
use crate::store::log::blocks::{Log, decode};
use crate::store::log::record::{Author, Record};
use crate::store::state::State;

/// 16,384 entries of the log are gone through at once: some ten milliseconds.
const LOOKED_THROUGH: u64 = 1 << 14;
/// And so many messages are found at once, and erased in one go.
const FOUND_AT_ONCE: usize = 128;

/// Those of whom nothing may be left that they said before an entry.
pub type Leavers = BTreeMap<UserId, EntryId>;

/// Messages that they left in rooms: of each room and sender together, ascending.
pub type LeftBehind = BTreeMap<(RoomId, UserId), Vec<MessageId>>;

impl Snapshot<'_> {
    /// Returns whether something may be left of accounts that left with all that they said.
    pub fn may_have_left_some(&self) -> bool {
        let state = self.state();
        let mut people = state.rooms.people();
        !state.leavers_erased && people.any(|(user, _)| may_have_left(&state, user))
    }

    /// Returns some of those who left with all that they said, as the log tells it after an entry,
    /// and after which entry to go on; `None` where the log ends.
    pub fn leavers(&self, after: u64) -> Result<(Leavers, Option<u64>), ReadError> {
        let mut leavers = Leavers::new();
        let next = self.look_through(after, |id, record| {
            if let Act::ErasedMany(erasure) = &record.act
                && let Some(sender) = erasure.sender
                && may_have_left(&self.state(), sender)
            {
                leavers.insert(sender, id);
            }
            true
        })?;
        Ok((leavers, next))
    }

    /// Returns some of what they said in rooms and is there still after an entry, and after which
    /// one to go on; `None` where the log ends.
    pub fn left_behind(
        &self,
        after: u64,
        leavers: &Leavers,
    ) -> Result<(LeftBehind, Option<u64>), ReadError> {
        let (mut left, mut found) = (LeftBehind::new(), 0);
        let next = self.look_through(after, |id, record| {
            if let (Stream::Room(room), Author::Account(sender)) = (record.stream, record.author)
                && let Act::Sent { .. } = record.act
                && leavers.get(&sender).is_some_and(|before| id < *before)
            {
                left.entry((room, sender)).or_default().push(id.into());
                found += 1;
            }
            found < FOUND_AT_ONCE
        })?;
        Ok((left, next))
    }

    /// Goes through some entries after one, for as long as `look` wants more. Returns after which
    /// to go on; `None` where the log ends.
    fn look_through(
        &self,
        after: u64,
        mut look: impl FnMut(EntryId, &Record<&str>) -> bool,
    ) -> Result<Option<u64>, ReadError> {
        let txn = self.database()?.begin_read().map_err(StoreError::from)?;
        let log = Log::open(&txn).map_err(StoreError::from)?;
        let mut walk = log.walk(after + 1).map_err(StoreError::from)?;
        while let Some(row) = walk.next() {
            let (id, record) = match row.and_then(|(id, sealed)| decode(id, sealed)) {
                Ok(read) => read,
                // It cannot be erased, and is no reason to keep the others.
                Err(StoreError::Damaged { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let through = id.get();
            if !look(id, &record) || through - after >= LOOKED_THROUGH {
                return Ok(Some(through));
            }
        }
        Ok(None)
    }
}

/// Returns whether this is an account that was deleted once, and was in more rooms than are known.
fn may_have_left(state: &State, user: UserId) -> bool {
    let person = state.rooms.person(user);
    let account = state.people.directory.get(user);
    // An app may have sent somebody anew whom it had deleted.
    account.is_some_and(|user| user.deleted || user.made_by == MadeBy::App)
        && person.is_some_and(|person| !person.knows_all_stays())
}
