//! Who reacted to a message of a room, and which of the reactions are the reader's own.

use std::sync::Arc;

use redb::{ReadOnlyTable, ReadableDatabase};

use super::snapshot::{Snapshot, SnapshotLog};
use crate::model::{Emoji, Extras, MessageId, Reactors, UserId};
use crate::store::error::{ReadError, StoreError};
use crate::store::tables::REACTIONS;
use crate::store::talk::reactions::{self, rows_of};

/// 4,096 people are gone through for one page, of whom few may have put the emoji that is asked
/// for.
const PEOPLE_A_PAGE: usize = 4_096;
/// A place in the list is an account, and which of its emoji comes next: at most 10 are one
/// person's.
const EMOJI_A_PERSON: u64 = 16;

/// The table, for as long as a query lasts.
pub(super) type ReactionsRead = ReadOnlyTable<(u64, u64), &'static [u8]>;

/// Who put which emoji on a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactorsPage {
    /// Each emoji of each person, by their accounts.
    pub rows: Vec<(UserId, Arc<str>)>,
    /// Where the list goes on; `None` at its end.
    pub next_after: Option<u64>,
}

impl SnapshotLog<'_> {
    fn reactions(&self) -> Result<&ReactionsRead, ReadError> {
        if let Some(table) = self.reactions.get() {
            return Ok(table);
        }
        let txn = self.snapshot.database()?.begin_read();
        let table = txn.map_err(StoreError::from)?.open_table(REACTIONS);
        let table = table.map_err(StoreError::from)?;
        Ok(self.reactions.get_or_init(|| table))
    }

    /// Notes which reactions to a message of a room are the reader's own. Reads nothing where there
    /// are none.
    pub(super) fn note_own(
        &self,
        message: MessageId,
        reader: UserId,
        extras: Option<&mut Extras>,
    ) -> Result<(), ReadError> {
        let Some(extras) = extras.filter(|extras| !extras.reactions.is_empty()) else {
            return Ok(());
        };
        let own = reactions::get(self.reactions()?, message, reader)?;
        for reaction in &mut extras.reactions {
            if let Reactors::OfRoom { has_reader, .. } = &mut reaction.by {
                *has_reader = own.contains(&reaction.emoji);
            }
        }
        Ok(())
    }
}

impl Snapshot<'_> {
    /// Returns who put which emoji on a message of a room that this person may read; of one emoji
    /// alone, where that is given.
    pub fn reactors_in_room(
        &self,
        user: UserId,
        message: MessageId,
        emoji: Option<&Emoji>,
        after: u64,
        limit: usize,
    ) -> Result<ReactorsPage, ReadError> {
        self.room_message(user, message)?;
        let log = self.log();
        let (first, mut skipped) = (after / EMOJI_A_PERSON, after % EMOJI_A_PERSON);
        let rows = log.reactions()?.range(rows_of(message, first));
        let mut page = ReactorsPage {
            rows: Vec::new(),
            next_after: None,
        };
        for (seen, row) in rows.map_err(StoreError::from)?.enumerate() {
            let (key, sealed) = row.map_err(StoreError::from)?;
            let key = key.value();
            let reactor = UserId::new(key.1).map_err(|_| StoreError::Damaged {
                table: "reactions",
                key: key.0,
            })?;
            let skips = if key.1 == first { skipped } else { 0 };
            skipped = 0;
            let own = reactions::decode(key, sealed.value())?;
            for (number, own) in (0..).zip(own) {
                let is_wanted = emoji.is_none_or(|emoji| Emoji::is_same(emoji.as_str(), &own));
                if number < skips || !is_wanted {
                    continue;
                }
                if page.rows.len() == limit || seen == PEOPLE_A_PAGE {
                    page.next_after = Some(key.1 * EMOJI_A_PERSON + number);
                    return Ok(page);
                }
                page.rows.push((reactor, own));
            }
        }
        Ok(page)
    }
}
