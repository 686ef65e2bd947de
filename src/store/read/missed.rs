//! What a person missed: the entries of their conversations after some place, in order.

use super::chats::{Order, Pick};
use super::page::Page;
use super::snapshot::Snapshot;
use crate::model::{Members, Notice, UserId};
use crate::store::error::ReadError;
use crate::store::log::chain::ReadLog;
use crate::store::state::State;
use crate::store::talk::conversation::{Conversation, entry_of};

/// 10,000 entries: whoever missed more reads their chats afresh, which costs less than being told
/// of each.
pub const MAX_MISSED: usize = 10_000;

/// 4 MiB: what is given of it at once. With the change that goes beyond that, a page ends.
const MAX_MISSED_BYTES: usize = 4 << 20;

impl Snapshot<'_> {
    /// The changes of a person's conversations from the entry `from` on, oldest first, and the
    /// newest entry there was when this was asked. `None` where there are more than [`MAX_MISSED`].
    /// Costs one read a change, two for those given.
    pub fn missed(
        &self,
        user: UserId,
        from: u64,
        limit: usize,
    ) -> Result<(Option<Page<Notice>>, u64), ReadError> {
        let mut chats = Vec::new();
        let mut count = 0;
        let pick = |_: &State, conversation: &Conversation| {
            let last = conversation.last_entry.filter(|last| last.get() >= from);
            let Some(last) = last else {
                return Pick::Enough;
            };
            count += 1;
            // Each has an entry at least.
            match count > MAX_MISSED {
                true => Pick::Last((conversation.pair, last)),
                false => Pick::Take((conversation.pair, last)),
            }
        };
        let newest = self.go_through(user, Order::Entries, pick, |picked| {
            chats.extend(picked);
            Ok(())
        })?;
        let log = self.log();
        let mut found = Vec::new();
        for (pair, last) in chats {
            let mut next = Some(last);
            while let Some(id) = next.filter(|id| id.get() >= from) {
                // What came while others were gone through is told the next time.
                if id.get() <= newest {
                    if found.len() == MAX_MISSED {
                        return Ok((None, newest));
                    }
                    found.push((id, pair));
                }
                next = log.read(id, |record| record.previous)?;
            }
        }
        found.sort_unstable_by_key(|(id, _)| *id);
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for &(id, pair) in found.iter().take(limit) {
            if bytes >= MAX_MISSED_BYTES {
                break;
            }
            let entry = log.read(id, |record| entry_of(id, pair, &record))?;
            // The first may be the one that was told last.
            bytes += if id.get() > from {
                entry.act.bytes()
            } else {
                0
            };
            rows.push(Notice {
                entry,
                members: Members::Pair(pair),
            });
        }
        let has_more = rows.len() < found.len();
        Ok((Some(Page { rows, has_more }), newest))
    }
}
