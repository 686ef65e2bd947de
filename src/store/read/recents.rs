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

/// A chat as it was looked at, before its newest message is read.
struct Looked {
    peer: Arc<User>,
    pair: Pair,
    /// Its newest message, also where that was erased.
    place: MessageId,
    unread_count: u64,
    /// A copy of one whose newest message was erased, to step back over that.
    stepped: Option<Conversation>,
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
            let Some(row) = look(state, conversation, user, lowest) else {
                return Pick::Skip;
            };
            (count, lowest) = (count + 1, Some(row.place));
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
        for looked in found {
            if filled.is_full() {
                is_cut = true;
                break;
            }
            let place = looked.place;
            let newest = match looked.stepped {
                None => Some(place),
                Some(conversation) => {
                    let beyond = conversation.chain.length() + 1;
                    present::older(&log, &conversation, beyond, Some(place))?
                }
            };
            let Some(last_message) = newest_there(&log, looked.pair, newest)? else {
                continue;
            };
            filled.add(&last_message);
            rows.push(Recent {
                peer: looked.peer,
                last_message,
                place,
                unread_count: looked.unread_count,
            });
        }
        Ok(Page {
            rows,
            has_more: has_more || is_cut,
        })
    }
}

/// Looks at a chat of a person; `None` where it is not to be shown, or not below `lowest`.
fn look(
    state: &State,
    conversation: &Conversation,
    user: UserId,
    lowest: Option<MessageId>,
) -> Option<Looked> {
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
    let peer = conversation.pair.members()[1 - place];
    let peer = state.people.directory.get(peer)?;
    let is_last = newest == conversation.chain.length();
    Some(Looked {
        peer: Arc::clone(peer),
        pair: conversation.pair,
        place: last,
        unread_count: conversation.unread(place),
        stepped: (!is_last).then(|| conversation.clone()),
    })
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
