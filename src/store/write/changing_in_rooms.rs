//! Changes of messages of rooms: by whom is judged by the membership at that place of the log.

use super::changing::{Changing, Standing};
use super::staging::Staging;
use crate::model::{
    Act, Entry, MessageChange, MessageId, MessagePart, Moderator, Reactors, Role, RoomId,
    Timestamp, UserId,
};
use crate::store::change::Outcome;
use crate::store::error::{ReadError, StoreError};
use crate::store::log::record::Author;
use crate::store::room_act::RoomRefusal;
use crate::store::tables::REACTIONS;
use crate::store::talk::message_changes::{Row, as_known, asks_for_own, row_after};
use crate::store::talk::reactions::{self, Own};
use crate::store::talk::refusal::TalkRefusal;
use crate::store::talk::rooms::may_read;

impl Staging<'_> {
    /// Has a person change a message of a room.
    pub(super) fn change_in_room(
        &mut self,
        now: Timestamp,
        author: UserId,
        (room, message): (RoomId, MessageId),
        change: &MessageChange,
    ) -> Result<Outcome, ReadError> {
        let at = now.following(self.changes.last_at);
        let sealed = self.appended.sealed(message.into())?;
        let head = self.rooms().head(room).ok_or(TalkRefusal::NoSuchMessage)?;
        let changing = Changing::of_room(message, (room, head.room.history), sealed)?;
        let standing = self.standing((author, change), room, &changing)?;
        let known = as_known(change, &changing.message, &standing.own);
        let change = known.as_ref().unwrap_or(change);
        if !changing.judge(now, (author, change), &standing, self.edit_window)? {
            return Ok(Outcome::Unchanged(Box::new(changing.message)));
        }
        let number = changing.number;
        let (by, entered) = authored(author, change);
        let act = Act::MessageChanged {
            message,
            change: entered,
        };
        let mut record = head.record(by, at, act);
        if change.part() == MessagePart::Whole {
            record.links.number = number;
        }
        let hash = |text: &str| self.known_client_ids.lock().hash_text(text);
        let changed = changing.changed(at, change, &standing, hash)?;
        let mut notice = self.append_of_room(record)?;
        notice.message = Some(self.rewrite(changed));
        let rows = &mut self.changes.reactions;
        match row_after(change, standing.own) {
            Row::Same => {}
            Row::Own(own) => rows.put(message, author, own),
            Row::Gone => rows.erase(message),
        }
        Ok(Outcome::Entry(notice))
    }

    /// Returns what the author of an act is to a message of a room. What was said in an archived
    /// room can be taken back, and nothing else; one's own also by who has left the room, or came
    /// back to one that hides its past.
    fn standing(
        &self,
        (author, change): (UserId, &MessageChange),
        room: RoomId,
        changing: &Changing,
    ) -> Result<Standing, ReadError> {
        let (message, part) = (changing.message.id, change.part());
        let mut standing = Standing {
            is_reader: true,
            may_erase: true,
            place: None,
            own: Own::new(),
        };
        let is_deletion = part == MessagePart::Whole;
        if change.moderator().is_some() || is_deletion && changing.is_of(author) {
            return Ok(standing);
        }
        let rooms = self.rooms();
        let both = rooms.head(room).zip(rooms.member(room, author));
        let both = both.filter(|(head, member)| may_read(head, member, message));
        let Some((head, member)) = both else {
            standing.is_reader = false;
            return Ok(standing);
        };
        standing.may_erase = changing.is_of(author) || member.role >= Role::Admin;
        if head.room.archived_at.is_some() && !is_deletion {
            return Err(RoomRefusal::Archived.into());
        }
        // Who may write nothing more here does not do so in the place of what they once wrote.
        if part == MessagePart::Text {
            head.check_writes(member)?;
        }
        if asks_for_own(change) {
            let is_bare = changing.message.reactions().is_empty();
            standing.own = self.reactions_of(message, author, is_bare)?;
        }
        Ok(standing)
    }

    /// Returns the emoji that a person has put on a message of a room; on one that is bare nobody
    /// has put any.
    fn reactions_of(
        &self,
        message: MessageId,
        user: UserId,
        is_bare: bool,
    ) -> Result<Own, ReadError> {
        let staged = self.changes.reactions.get(message, user);
        let ahead = || {
            let mut ahead = self.ahead();
            ahead.find_map(|ahead| ahead.reactions.get(message, user))
        };
        if let Some(own) = staged.or_else(ahead) {
            return Ok(own.clone());
        }
        if is_bare {
            return Ok(Own::new());
        }
        let txn = self.disk_transaction()?;
        let table = txn.open_table(REACTIONS).map_err(StoreError::from)?;
        Ok(reactions::get(&table, message, user)?)
    }

    /// Notes which reactions to a message that is given again are its sender's own, as every row of
    /// theirs does. Returns whether they read it still: one who does not sees no reactions.
    pub(super) fn note_own_reactions(
        &self,
        earlier: &mut Entry,
        (room, sender): (RoomId, UserId),
    ) -> Result<bool, ReadError> {
        let (message, rooms) = (MessageId::from(earlier.id), self.rooms());
        let both = rooms.head(room).zip(rooms.member(room, sender));
        let reads = both.is_some_and(|(head, member)| may_read(head, member, message));
        let Act::Sent {
            extras: Some(extras),
            ..
        } = &mut earlier.act
        else {
            return Ok(reads);
        };
        if !reads {
            extras.reactions.clear();
            return Ok(reads);
        }
        let own = self.reactions_of(message, sender, extras.reactions.is_empty())?;
        for reaction in &mut extras.reactions {
            if let Reactors::OfRoom { has_reader, .. } = &mut reaction.by {
                *has_reader = own.contains(&reaction.emoji);
            }
        }
        Ok(reads)
    }
}

/// Returns who does what, as an entry of a room says it.
fn authored(author: UserId, change: &MessageChange) -> (Author, MessageChange) {
    let by = match change.moderator() {
        None => Author::Account(author),
        Some(Moderator::Account(user)) => Author::Account(user),
        Some(Moderator::Server) => Author::Server,
    };
    let change = match change {
        MessageChange::Deleted { .. } => MessageChange::Deleted { by: None },
        change => change.clone(),
    };
    (by, change)
}
