//! Who reacted to messages of rooms, held against how many the messages say it were.

use redb::ReadTransaction;
use rustc_hash::FxHashSet;

use super::report::Report;
use crate::model::{Act, EntryId, MessageId, Reaction, Stream, UserId};
use crate::store::error::StoreError;
use crate::store::log::blocks::Log;
use crate::store::log::chain::ReadLog;
use crate::store::tables::REACTIONS;
use crate::store::talk::reactions::{decode, react, rows_of};

/// Goes through the rows, message by message. Returns which messages have any.
pub(super) fn check_reactions(
    txn: &ReadTransaction,
    log: &Log,
    report: &mut Report,
) -> Result<FxHashSet<MessageId>, StoreError> {
    let table = txn.open_table(REACTIONS)?;
    let (mut next, mut messages) = (0, FxHashSet::default());
    while let Some(row) = table.range((next, 0)..)?.next() {
        let message = row?.0.value().0;
        next = message.saturating_add(1);
        let Ok(id) = MessageId::new(message) else {
            report.damaged("reactions", message);
            continue;
        };
        messages.insert(id);
        let mut found: Vec<Reaction> = Vec::new();
        for row in table.range(rows_of(id, 0))? {
            let (key, value) = row?;
            let key = key.value();
            let Ok(own) = decode(key, value.value()).and_then(|own| {
                UserId::new(key.1).map_err(|_| StoreError::Damaged {
                    table: "reactions",
                    key: key.0,
                })?;
                Ok(own)
            }) else {
                report.damaged("reactions", format!("({}, {})", key.0, key.1));
                continue;
            };
            for emoji in own {
                react(&mut found, None, &emoji, true);
            }
        }
        let says = log.read(EntryId::from(id), |record| {
            match (record.stream, record.act) {
                (Stream::Room(_), Act::Sent { extras, .. }) => {
                    extras.map_or_else(Vec::new, |extras| extras.to_shared().reactions)
                }
                _ => Vec::new(),
            }
        });
        let says = match says {
            Ok(says) => says,
            // Found where it stands.
            Err(StoreError::Damaged { .. }) => continue,
            Err(error) => return Err(error),
        };
        if !is_same(&found, &says) {
            report.add("reactions", message, "are others than the message has");
        }
    }
    Ok(messages)
}

/// Returns whether two lists have the same, in whichever order.
fn is_same(one: &[Reaction], other: &[Reaction]) -> bool {
    one.len() == other.len() && one.iter().all(|reaction| other.contains(reaction))
}
