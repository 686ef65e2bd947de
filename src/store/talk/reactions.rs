//! The reactions to messages: on the message which emoji and how many of each; of a message between
//! two people also who, and of a room's in rows of their own, one for each person, so that nothing
//! grows with the crowd that reacts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use redb::{ReadableTable, WriteTransaction};

use crate::model::{MessageId, Reaction, Reactors, UserId};
use crate::store::error::StoreError;
use crate::store::log::{put_emoji, take_emoji};
use crate::store::sealed::{Rest, seal_under, unseal_under};
use crate::store::tables::REACTIONS;

/// Puts an emoji among the reactions, or takes it away: that of the member at this place of a pair,
/// or that of a member of a room, who had not done so.
pub(crate) fn react(reactions: &mut Vec<Reaction>, place: Option<usize>, emoji: &str, on: bool) {
    let known = reactions
        .iter_mut()
        .find(|reaction| &*reaction.emoji == emoji);
    let before = known.as_ref().map(|known| known.by);
    let by = changed(before, place, on);
    match known {
        Some(known) => known.by = by,
        None if on => reactions.push(Reaction {
            emoji: Arc::from(emoji),
            by,
        }),
        None => {}
    }
    reactions.retain(|reaction| !reaction.by.is_nobody());
}

fn changed(before: Option<Reactors>, place: Option<usize>, on: bool) -> Reactors {
    match (place, before) {
        (Some(place), before) => {
            let members = match before {
                Some(Reactors::OfPair(members)) => members,
                Some(Reactors::OfRoom { .. }) | None => 0,
            };
            let bit = 1 << place;
            Reactors::OfPair(if on { members | bit } else { members & !bit })
        }
        (None, before) => {
            let count = before.map_or(0, Reactors::count);
            Reactors::of_room(if on {
                count + 1
            } else {
                count.saturating_sub(1)
            })
        }
    }
}

/// The emoji that one person has put on a message of a room, in the order in which they did.
pub(crate) type Own = Vec<Arc<str>>;

/// What a transaction changes of the rows.
#[derive(Debug, Default)]
pub(crate) struct ReactionRows {
    /// Rows as they are to be; an empty one is removed.
    rows: BTreeMap<(MessageId, UserId), Own>,
    /// Messages none of which is left.
    erased: BTreeSet<MessageId>,
}

impl ReactionRows {
    /// The row of a person, where it is changed.
    pub(crate) fn get(&self, message: MessageId, user: UserId) -> Option<&Own> {
        self.rows.get(&(message, user))
    }

    /// Changes a row.
    pub(crate) fn put(&mut self, message: MessageId, user: UserId, own: Own) {
        self.rows.insert((message, user), own);
    }

    /// Removes all rows of a message, which nobody can react to any more.
    pub(crate) fn erase(&mut self, message: MessageId) {
        self.erased.insert(message);
    }

    /// Writes what is changed.
    pub(crate) fn write(&self, txn: &WriteTransaction) -> Result<(), StoreError> {
        if self.rows.is_empty() && self.erased.is_empty() {
            return Ok(());
        }
        let mut table = txn.open_table(REACTIONS)?;
        for ((message, user), own) in &self.rows {
            put(&mut table, *message, *user, own)?;
        }
        for message in &self.erased {
            erase(&mut table, *message)?;
        }
        Ok(())
    }
}

/// The table, to be written.
pub(crate) type ReactionTable<'txn> = redb::Table<'txn, (u64, u64), &'static [u8]>;

/// Writes a row, or removes it.
pub(crate) fn put(
    table: &mut ReactionTable<'_>,
    message: MessageId,
    user: UserId,
    own: &Own,
) -> Result<(), StoreError> {
    let key = (message.get(), user.get());
    if own.is_empty() {
        table.remove(key)?;
        return Ok(());
    }
    let mut body = Vec::new();
    own.iter().for_each(|emoji| put_emoji(emoji, &mut body));
    table.insert(key, &seal_under(&[key.0, key.1], &body)[..])?;
    Ok(())
}

/// Removes all rows of a message.
pub(crate) fn erase(table: &mut ReactionTable<'_>, message: MessageId) -> Result<(), StoreError> {
    table.retain_in(rows_of(message, 0), |_, _| false)?;
    Ok(())
}

/// The keys of the rows of a message, from this account on.
pub(crate) fn rows_of(message: MessageId, first: u64) -> std::ops::RangeInclusive<(u64, u64)> {
    (message.get(), first)..=(message.get(), u64::MAX)
}

/// Reads the row of a person; nothing, where there is none.
pub(crate) fn get(
    table: &impl ReadableTable<(u64, u64), &'static [u8]>,
    message: MessageId,
    user: UserId,
) -> Result<Own, StoreError> {
    let key = (message.get(), user.get());
    match table.get(key)? {
        Some(sealed) => decode(key, sealed.value()),
        None => Ok(Own::new()),
    }
}

/// Reads a row back.
pub(crate) fn decode(key: (u64, u64), sealed: &[u8]) -> Result<Own, StoreError> {
    let decode = || {
        let mut rest = Rest(unseal_under(&[key.0, key.1], sealed)?);
        let mut own = Own::new();
        while !rest.0.is_empty() {
            own.push(take_emoji(&mut rest)?.into());
        }
        (!own.is_empty()).then_some(own)
    };
    decode().ok_or(StoreError::Damaged {
        table: "reactions",
        key: key.0,
    })
}
