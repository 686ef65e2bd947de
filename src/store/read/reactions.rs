//! Who reacted to a message of a room, and which of the reactions are the reader's own.

use std::sync::Arc;

use redb::{ReadOnlyTable, ReadableDatabase};

use super::snapshot::{Snapshot, SnapshotLog};
use crate::model::{Emoji, Extras, MessageId, Reactors, UserId};
use crate::store::error::{ReadError, StoreError};
use crate::store::tables::REACTIONS;
use crate::store::talk::reactions::{self, Own, rows_of};

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
        let rows = log
            .reactions()?
            .range(rows_of(message, after / EMOJI_A_PERSON));
        let rows = rows.map_err(StoreError::from)?.map(|row| {
            let (key, sealed) = row.map_err(StoreError::from)?;
            let key = key.value();
            let reactor = UserId::new(key.1).map_err(|_| StoreError::Damaged {
                table: "reactions",
                key: key.0,
            })?;
            Ok((reactor, reactions::decode(key, sealed.value())?))
        });
        page_of(rows, emoji, after, limit)
    }
}

/// Returns the page of these people's emoji that begins at this place; of one emoji alone, where
/// that is given.
fn page_of(
    rows: impl Iterator<Item = Result<(UserId, Own), ReadError>>,
    emoji: Option<&Emoji>,
    after: u64,
    limit: usize,
) -> Result<ReactorsPage, ReadError> {
    let mut page = ReactorsPage {
        rows: Vec::new(),
        next_after: None,
    };
    for (seen, row) in rows.enumerate() {
        let (reactor, own) = row?;
        for (place, own) in (reactor.get() * EMOJI_A_PERSON..).zip(own) {
            if place < after {
                continue;
            }
            let is_wanted = emoji.is_none_or(|emoji| Emoji::is_same(emoji.as_str(), &own));
            if seen == PEOPLE_A_PAGE || is_wanted && page.rows.len() == limit {
                page.next_after = Some(place);
                return Ok(page);
            }
            if is_wanted {
                page.rows.push((reactor, own));
            }
        }
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYBODY: u64 = 10_000;

    /// Who of a crowd put this emoji on a message, of whom only the last put the second one; and
    /// how many people were gone through for each page.
    fn reactors(emoji: &str) -> (Vec<u64>, Vec<usize>) {
        let emoji = Emoji::new(emoji).unwrap();
        let (mut found, mut gone_through, mut after) = (Vec::new(), Vec::new(), 0);
        loop {
            let mut count = 0;
            let rows = (after / EMOJI_A_PERSON).max(1)..=EVERYBODY;
            let rows = rows.map(|number| {
                count += 1;
                let all = ["\u{1f44d}", "\u{1f389}"];
                let own = &all[..1 + usize::from(number == EVERYBODY)];
                let own = own.iter().map(|own| Arc::from(*own)).collect();
                Ok((UserId::new(number).unwrap(), own))
            });
            let page = page_of(rows, Some(&emoji), after, 5_000).unwrap();
            found.extend(page.rows.iter().map(|(user, _)| user.get()));
            gone_through.push(count);
            match page.next_after {
                Some(next) => after = next,
                None => return (found, gone_through),
            }
        }
    }

    /// For an emoji that few had put all people were gone through for one page.
    #[test]
    fn so_many_people_are_gone_through_for_a_page_whatever_they_put() {
        let everybody: Vec<_> = (1..=EVERYBODY).collect();
        let pages = vec![PEOPLE_A_PAGE + 1, PEOPLE_A_PAGE + 1, 1_808];
        assert_eq!(reactors("\u{1f44d}"), (everybody, pages.clone()));
        assert_eq!(reactors("\u{1f389}"), (vec![EVERYBODY], pages.clone()));
        assert_eq!(reactors("\u{1f44e}"), (vec![], pages));
    }
}
