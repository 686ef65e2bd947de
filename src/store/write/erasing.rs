//! Many messages of a chat that are erased at once: all of them where they lie, by one entry.

use super::changing::{Changed, Changing};
use super::staging::Staging;
use crate::model::{
    Act, Entry, EntryId, ErasedMessage, Erasure, MAX_ID, Members, MessageId, Notice, Pair, RoomId,
    Stream, Timestamp,
};
use crate::store::change::EraseMany;
use crate::store::error::{ReadError, StoreError};
use crate::store::log::chain::ReadLog;
use crate::store::log::record::{Author, Record};
use crate::store::talk::refusal::TalkRefusal;

/// Messages of one chat, as they are to be.
struct Erasing {
    stream: Stream,
    erasure: Erasure,
    changed: Vec<Changed>,
}

impl Staging<'_> {
    /// Erases messages of chats. Gives an entry for each chat in which there was something left.
    /// `through` says up to which entry retention has gone through the log by it.
    pub(super) fn erase_many(
        &mut self,
        now: Timestamp,
        many: &[EraseMany],
        through: Option<u64>,
    ) -> Result<Vec<Notice>, ReadError> {
        // All that may fail before anything is changed.
        let erasing = many.iter().map(|many| self.erasing(now, many));
        let erasing = erasing.collect::<Result<Vec<_>, _>>()?;
        if self.changes.last_entry + many.len() as u64 > MAX_ID {
            return Err(StoreError::Full.into());
        }
        let erasing = erasing.into_iter().flatten();
        let notices = erasing.map(|erasing| self.erase(now, erasing));
        let notices = notices.collect::<Result<Vec<_>, _>>()?;
        self.changes.retained = through.or(self.changes.retained);
        Ok(notices)
    }

    /// Reads messages of a chat that are to be erased; `None` where none is left of them.
    fn erasing(&self, now: Timestamp, many: &EraseMany) -> Result<Option<Erasing>, ReadError> {
        let Some(first) = many.messages.first() else {
            return Ok(None);
        };
        let stream = self
            .appended
            .read((*first).into(), |record| record.stream)?;
        let (mut messages, mut changed) = (Vec::new(), Vec::new());
        for id in &many.messages {
            let changing = self.changing_in(stream, *id)?;
            let is_theirs = many.sender.is_none_or(|sender| changing.is_of(sender));
            if is_theirs && !changing.is_gone() {
                messages.push(changing.known());
                changed.push(changing.erased(now.min(self.over))?);
            }
        }
        let newest = messages.last().map(|message: &ErasedMessage| message.id);
        // What has come since stays.
        let is_all = many.all_of.is_some() && many.all_of == self.length_of(stream);
        let after = newest.and_then(|newest| MessageId::new(newest.get() + 1).ok());
        Ok(newest.map(|_| Erasing {
            stream,
            erasure: Erasure {
                sender: many.sender,
                before: after.filter(|_| !is_all),
                messages,
            },
            changed,
        }))
    }

    /// Returns how many messages a chat has.
    fn length_of(&self, stream: Stream) -> Option<u64> {
        match stream {
            Stream::Pair(id) => Some(self.conversation(id)?.chain.length()),
            Stream::Room(room) => Some(self.rooms().head(room)?.count()),
            Stream::Own(_) => None,
        }
    }

    /// Reads a message of a chat.
    fn changing_in(&self, stream: Stream, id: MessageId) -> Result<Changing, ReadError> {
        let sealed = self.appended.sealed(id.into())?;
        let is_here = Record::decode(id.into(), &sealed)?.stream == stream;
        let changing = match stream {
            _ if !is_here => Err(TalkRefusal::NoSuchMessage.into()),
            Stream::Pair(conversation) => {
                let known = self.conversation(conversation);
                let known = known.ok_or(TalkRefusal::NoSuchMessage)?;
                Changing::of_pair(id, known.pair, sealed)
            }
            Stream::Room(room) => {
                let head = self.rooms().head(room).ok_or(TalkRefusal::NoSuchMessage)?;
                Changing::of_room(id, (room, head.room.history), sealed)
            }
            Stream::Own(_) => Err(TalkRefusal::NoSuchMessage.into()),
        };
        Ok(changing?)
    }

    fn erase(&mut self, now: Timestamp, erasing: Erasing) -> Result<Notice, ReadError> {
        let Erasing {
            stream,
            erasure,
            changed,
        } = erasing;
        let at = now.following(self.changes.last_at);
        let ids: Vec<_> = erasure.messages.iter().map(|message| message.id).collect();
        let mut notice = match stream {
            Stream::Room(room) => self.append_erasure_of_room(at, room, erasure)?,
            Stream::Pair(_) | Stream::Own(_) => self.append_erasure_of_pair(at, stream, erasure)?,
        };
        let mut newest = None;
        for (id, changed) in ids.into_iter().zip(changed) {
            self.appended.entries.rewrite(id.into(), changed.sealed);
            self.people().files().free(&changed.freed);
            if let Stream::Room(_) = stream {
                self.changes.reactions.erase(id);
            }
            newest = Some(Box::new(changed.message));
        }
        // Who hears of it goes by the newest of them.
        notice.message = newest;
        Ok(notice)
    }

    /// Appends the entry of messages of a room that are erased, or are to be after it.
    pub(super) fn append_erasure_of_room(
        &mut self,
        at: Timestamp,
        room: RoomId,
        erasure: Erasure,
    ) -> Result<Notice, ReadError> {
        let act = Act::ErasedMany(Box::new(erasure));
        let head = self.rooms().head(room).ok_or(TalkRefusal::NoSuchMessage)?;
        let record = head.record(Author::Server, at, act);
        self.append_of_room(record)
    }

    fn append_erasure_of_pair(
        &mut self,
        at: Timestamp,
        stream: Stream,
        erasure: Erasure,
    ) -> Result<Notice, ReadError> {
        let conversation = stream.pair().ok_or(TalkRefusal::NoSuchMessage)?;
        let known = self.conversation(conversation);
        let known = known.ok_or(TalkRefusal::NoSuchMessage)?;
        let pair: Pair = known.pair;
        let record = known.erasure(conversation, at, erasure);
        let id = EntryId::new(self.changes.last_entry + 1).map_err(|_| StoreError::Full)?;
        self.append(id, &record);
        Ok(Notice {
            entry: Entry {
                id,
                stream,
                author: None,
                at,
                act: record.act,
            },
            members: Members::Pair(pair),
            room: None,
            number: 0,
            message: None,
        })
    }
}
