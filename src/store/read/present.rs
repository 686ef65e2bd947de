//! Stepping over messages that were erased.

use super::history::Messages;
use crate::model::MessageId;
use crate::store::log::chain::{ReadLog, newest_older};

/// Returns the newest message that is not erased, of those before the one of this number;
/// `previous` is the one before that. What it costs does not grow with how many were erased in a
/// row.
pub(super) fn older<L: ReadLog>(
    log: &L,
    chat: &impl Messages,
    number: u64,
    previous: Option<MessageId>,
) -> Result<Option<MessageId>, L::Error> {
    let before = number.saturating_sub(1);
    match chat.newest_through(before) {
        0 => Ok(None),
        wanted if wanted == before => Ok(previous),
        wanted => {
            let found = newest_older(log, previous, |place| place.number <= wanted)?;
            Ok(found.map(|place| place.id))
        }
    }
}
