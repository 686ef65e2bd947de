//! A person's chats, each with its newest message.

use std::sync::Arc;

use super::chats::{Order, Pick};
use super::page::{Filled, Page};
use super::present;
use super::snapshot::{Snapshot, SnapshotLog};
use crate::model::{Message, MessageId, Pair, User, UserId};
use crate::store::error::ReadError;
use crate::store::log::chain::ReadLog;
use crate::store::state::State;
use crate::store::talk::conversation::{Conversation, message_of};

/// One line of a person's list of chats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// The other person.
    pub peer: Arc<User>,
    /// The newest message of the two.
    pub last_message: Message,
    /// Its place in the list: the newest message of the two, also where that was erased.
    pub place: MessageId,
    /// How many of the peer's messages are unread.
    pub unread_count: u64,
}

impl Snapshot<'_> {
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
                // Of a chat that was erased whole there is nothing to show.
                let newest = conversation.newest_through(conversation.chain.length());
                if newest == 0 {
                    return None;
                }
                let peer = state
                    .people
                    .directory
                    .get(conversation.pair.members()[1 - place])?;
                let unread_count = conversation.unread(place);
                let is_last = newest == conversation.chain.length();
                // One whose newest message was erased is copied, to step back over that.
                let stepped = (!is_last).then(|| conversation.clone());
                let pair = conversation.pair;
                Some((Arc::clone(peer), pair, last, unread_count, stepped))
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
        for (peer, pair, place, unread_count, stepped) in found {
            if filled.is_full() {
                is_cut = true;
                break;
            }
            let newest = match stepped {
                None => Some(place),
                Some(conversation) => {
                    let beyond = conversation.chain.length() + 1;
                    present::older(&log, &conversation, beyond, Some(place))?
                }
            };
            let Some(last_message) = newest_there(&log, pair, newest)? else {
                continue;
            };
            filled.add(&last_message);
            rows.push(Recent {
                peer,
                last_message,
                place,
                unread_count,
            });
        }
        Ok(Page {
            rows,
            has_more: has_more || is_cut,
        })
    }
}

/// Returns this message, or the newest before it where it was erased since the chat was looked at.
fn newest_there(
    log: &SnapshotLog<'_>,
    pair: Pair,
    mut newest: Option<MessageId>,
) -> Result<Option<Message>, ReadError> {
    while let Some(id) = newest {
        let (message, previous) = log.read_message(id, |record| {
            (message_of(id, pair, record), record.links.previous)
        })?;
        if message.is_some() {
            return Ok(message);
        }
        newest = previous;
    }
    Ok(None)
}
