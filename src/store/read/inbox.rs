//! A person's chats of every kind in one list, and how much is unread in all of them.

use std::sync::Arc;

use super::chats::{Order, Pick};
use super::history::{HistoryRow, Messages};
use super::page::{Filled, Page};
use super::present;
use super::rooms::{MyRoom, RoomMessage, RoomMessages, newest_of};
use super::snapshot::{Snapshot, SnapshotLog};
use crate::model::{ChatSettings, EntryId, Room, Timestamp, User, UserId};
use crate::store::error::ReadError;
use crate::store::state::State;
use crate::store::talk::conversation::Conversation;

/// One line of a person's list of all chats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// Where it stands in the list: the newer, the greater.
    pub place: EntryId,
    /// The chat.
    pub chat: InboxChat,
    /// How many of the others' messages are unread.
    pub unread_count: u64,
    /// How many of these mention the person.
    pub mention_count: u64,
    /// How the chat makes itself heard.
    pub settings: ChatSettings,
}

/// A chat, with its newest message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboxChat {
    /// Two people.
    Direct {
        /// The other person.
        peer: Arc<User>,
        /// The newest message.
        last_message: Box<HistoryRow>,
    },
    /// A room.
    Room {
        /// The room.
        room: Arc<Room>,
        /// The newest message that the person may read.
        last_message: Option<Box<RoomMessage>>,
    },
}

/// A chat that may be on the page: in the order of the list, and what is to be read of it.
struct Found {
    place: EntryId,
    unread: u64,
    settings: ChatSettings,
    what: Chat,
}

enum Chat {
    Direct(Arc<User>, Conversation),
    /// With its messages, once it is on the page.
    Room(MyRoom, Option<RoomMessages>),
}

impl Snapshot<'_> {
    /// Returns a person's chats, newest first: those that stand after the place `before`. And how
    /// many messages are unread in all of their chats; of those that are muted at this time, how
    /// many mention them.
    pub fn inbox(
        &self,
        now: Timestamp,
        user: UserId,
        before: Option<EntryId>,
        limit: usize,
    ) -> Result<(Page<InboxRow>, u64), ReadError> {
        let (mut found, of_people) = self.found_of_two(now, user, before, limit)?;
        let of_rooms = self.find_rooms(now, user, before, &mut found)?;
        found.sort_unstable_by_key(|found| std::cmp::Reverse(found.place));
        let mut has_more = found.len() > limit;
        found.truncate(limit);
        for found in &mut found {
            if let Chat::Room(mine, messages) = &mut found.what {
                // Who left the room since then sees none.
                *messages = self.messages(user, mine.room.id).ok();
            }
        }
        let log = self.log();
        let (mut rows, mut filled) = (Vec::with_capacity(found.len()), Filled::default());
        for found in found {
            if filled.is_full() {
                has_more = true;
                break;
            }
            rows.extend(row(&log, found, &mut filled)?);
        }
        Ok((Page { rows, has_more }, of_people + of_rooms))
    }

    /// Finds the chats of two that stand before this place, the newest first. And how many messages
    /// are unread in all of those that are not muted.
    fn found_of_two(
        &self,
        now: Timestamp,
        user: UserId,
        before: Option<EntryId>,
        limit: usize,
    ) -> Result<(Vec<Found>, u64), ReadError> {
        let (mut found, mut total) = (Vec::new(), 0);
        let (mut count, mut lowest) = (0, before);
        let pick = |state: &State, conversation: &Conversation| {
            let Some((place, peer)) = direct(conversation, user) else {
                return Pick::Skip;
            };
            let settings = state.rooms.settings(user, peer);
            let unread = conversation.pair.place(user);
            let unread = unread.map_or(0, |place| conversation.unread(place));
            total += match settings.is_muted(now) {
                true => 0,
                false => unread,
            };
            // One that got a message while others were gone through is on another page by now.
            if count > limit || lowest.is_some_and(|lowest| place >= lowest) {
                return Pick::Skip;
            }
            let Some(peer) = state.people.directory.get(peer) else {
                return Pick::Skip;
            };
            (count, lowest) = (count + 1, Some(place));
            Pick::Take(Found {
                place,
                unread,
                settings,
                what: Chat::Direct(Arc::clone(peer), conversation.clone()),
            })
        };
        self.go_through(user, Order::Messages, pick, |rows| {
            found.extend(rows);
            Ok(())
        })?;
        Ok((found, total))
    }

    /// Finds the rooms that stand before this place. Returns how many messages are unread in all of
    /// those that are not muted; of those that are, how many mention the person.
    fn find_rooms(
        &self,
        now: Timestamp,
        user: UserId,
        before: Option<EntryId>,
        found: &mut Vec<Found>,
    ) -> Result<u64, ReadError> {
        let mut total = 0;
        for mine in self.my_rooms(user, false, 0, usize::MAX - 1)?.rows {
            let settings = ChatSettings {
                notify: Some(mine.notify),
                muted_until: mine.muted_until,
            };
            total += match settings.is_muted(now) {
                true => mine.mention_count,
                false => mine.unread_count,
            };
            // A room without messages stands where its member came in.
            let newest = mine.newest.map(EntryId::from);
            let place = newest.map_or(mine.since, |newest| newest.max(mine.since));
            if before.is_none_or(|before| place < before) {
                found.push(Found {
                    place,
                    unread: mine.unread_count,
                    settings,
                    what: Chat::Room(mine, None),
                });
            }
        }
        Ok(total)
    }
}

/// Returns the line of a chat that is on the page; `None` where it has no message any more.
fn row(
    log: &SnapshotLog<'_>,
    found: Found,
    filled: &mut Filled,
) -> Result<Option<InboxRow>, ReadError> {
    let (chat, mention_count) = match found.what {
        Chat::Direct(peer, conversation) => {
            let Some(last_message) = newest_row(log, &conversation)?.map(Box::new) else {
                return Ok(None);
            };
            filled.add_bytes(last_message.message.row_bytes());
            (InboxChat::Direct { peer, last_message }, 0)
        }
        Chat::Room(mine, messages) => {
            let newest = messages.map(|messages| newest_of(log, &messages));
            let last_message = newest.transpose()?.flatten().map(Box::new);
            filled.add_bytes(last_message.as_ref().map_or(0, |last| last.row_bytes()));
            let room = mine.room;
            (InboxChat::Room { room, last_message }, mine.mention_count)
        }
    };
    Ok(Some(InboxRow {
        place: found.place,
        chat,
        unread_count: found.unread,
        mention_count,
        settings: found.settings,
    }))
}

/// Returns where a chat of two stands in the list, and who the other person is.
fn direct(conversation: &Conversation, user: UserId) -> Option<(EntryId, UserId)> {
    let last = conversation.chain.last()?;
    // Of a chat that was erased whole there is nothing to show.
    let is_there = conversation.newest_through(conversation.chain.length()) > 0;
    let last = Some(last).filter(|_| is_there)?;
    Some((last.into(), conversation.pair.other(user)?))
}

/// Returns the newest message of two people that is not erased.
fn newest_row(
    log: &SnapshotLog<'_>,
    conversation: &Conversation,
) -> Result<Option<HistoryRow>, ReadError> {
    let beyond = conversation.chain.length() + 1;
    let mut next = present::older(log, conversation, beyond, conversation.chain.last())?;
    while let Some(id) = next {
        let (row, previous) = conversation.row(log, id)?;
        if row.is_some() {
            return Ok(row);
        }
        // It was erased since the chat was looked at.
        next = previous;
    }
    Ok(None)
}
