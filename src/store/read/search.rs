//! What a search asks of the store: which chats a person may read, and messages that may have what
//! is searched for.

use super::chats::{Order, Pick};
use super::history::HistoryRow;
use super::rooms::RoomMessage;
use super::snapshot::Snapshot;
use crate::budget::PAGE_BYTES;
use crate::model::{Act, ChatId, MessageId, Pair, Stream, UserId};
use crate::store::error::{ReadError, StoreError};
use crate::store::log::chain::ReadLog;
use crate::store::people::refusal::PeopleRefusal;
use crate::store::room_act::RoomRefusal;
use crate::store::talk::refusal::TalkRefusal;

/// 64 texts are copied at a time: a limit may end the looks after few of them.
const TEXTS_AT_ONCE: usize = 64;

/// A message of either kind of chat, as its reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundMessage {
    /// Of two people.
    Direct(HistoryRow),
    /// Of a room.
    Room(RoomMessage),
}

impl FoundMessage {
    /// Its id.
    pub fn id(&self) -> MessageId {
        match self {
            Self::Direct(row) => row.message.id,
            Self::Room(message) => message.id,
        }
    }

    /// Who wrote it.
    pub fn sender(&self) -> UserId {
        match self {
            Self::Direct(row) => row.message.sender_id,
            Self::Room(message) => message.sender_id,
        }
    }

    /// Returns the chat as its reader names it.
    pub fn chat(&self, reader: UserId) -> ChatId {
        match self {
            Self::Direct(row) if row.message.sender_id == reader => {
                ChatId::Person(row.message.receiver_id)
            }
            Self::Direct(row) => ChatId::Person(row.message.sender_id),
            Self::Room(message) => ChatId::Room(message.room_id),
        }
    }

    fn row_bytes(&self) -> usize {
        match self {
            Self::Direct(row) => row.message.row_bytes(),
            Self::Room(message) => message.row_bytes(),
        }
    }
}

/// What came of a look at a text.
#[derive(Debug)]
pub struct Look<M> {
    /// What was found in it; `None` where it has not what is searched for.
    pub found: Option<M>,
    /// What the look cost, in the unit of [`Looks::cost`].
    pub cost: usize,
}

/// Looks at a text of a message, which has files or has none.
pub type TextLook<M> = Box<dyn Fn(&str, bool) -> Look<M> + Send>;

/// How texts are looked at, and how many at most.
pub struct Looks<M> {
    /// Looks at a text.
    pub text: TextLook<M>,
    /// Says whether a message is wanted whose text is.
    pub message: Box<dyn Fn(&FoundMessage) -> bool + Send>,
    /// So many messages are enough.
    pub rows: usize,
    /// The looks end once they have cost so much, but for the first.
    pub cost: usize,
}

/// Messages that have what is searched for, in the order in which they were asked for.
#[derive(Debug)]
pub struct FoundMessages<M> {
    /// Each with what was found in it.
    pub rows: Vec<(FoundMessage, M)>,
    /// The last message that was looked at, where a limit ended the looks before those that were
    /// asked for after it.
    pub cut_at: Option<MessageId>,
    /// How many were looked at.
    pub looked_at: usize,
    /// What the looks cost.
    pub cost: usize,
}

/// A chat, and the greatest message of it that may not be read.
pub type Readable = (Stream, Option<MessageId>);

impl Snapshot<'_> {
    /// Returns the chats that a person may read, or the one that is named. Fails as the history of
    /// that one does.
    pub fn readable(&self, user: UserId, only: Option<ChatId>) -> Result<Vec<Readable>, ReadError> {
        match only {
            Some(ChatId::Person(peer)) => {
                let state = self.state();
                if state.people.directory.get(peer).is_none() {
                    return Err(PeopleRefusal::NoSuchUser.into());
                }
                let pair = Pair::new(user, peer);
                let conversation = pair.and_then(|pair| state.conversation_id(pair));
                Ok(conversation
                    .map(|conversation| (Stream::Pair(conversation), None))
                    .into_iter()
                    .collect())
            }
            Some(ChatId::Room(room)) => {
                let floor = self.floor_in(user, room);
                Ok(vec![(
                    Stream::Room(room),
                    floor.ok_or(RoomRefusal::NoSuchRoom)?,
                )])
            }
            None => self.all_readable(user),
        }
    }

    fn all_readable(&self, user: UserId) -> Result<Vec<Readable>, ReadError> {
        let mut chats = Vec::new();
        self.go_through(
            user,
            Order::Messages,
            |state, conversation| match state.conversation_id(conversation.pair) {
                Some(conversation) => Pick::Take((Stream::Pair(conversation), None)),
                None => Pick::Skip,
            },
            |picked| {
                chats.extend(picked);
                Ok(())
            },
        )?;
        let rooms = self.rooms_of(user).into_iter();
        chats.extend(
            rooms.filter_map(|room| Some((Stream::Room(room), self.floor_in(user, room)?))),
        );
        Ok(chats)
    }

    /// Returns those of these messages that a person may read and that the looks find, no more than
    /// fill a page.
    pub fn among<M>(
        &self,
        user: UserId,
        ids: &[MessageId],
        looks: &Looks<M>,
    ) -> Result<FoundMessages<M>, ReadError> {
        // Comparing texts is not for threads that others wait for.
        self.needs_disk()?;
        let mut found = FoundMessages {
            rows: Vec::new(),
            cut_at: None,
            looked_at: 0,
            cost: 0,
        };
        let (mut bytes, mut last) = (0, None);
        for ids in ids.chunks(TEXTS_AT_ONCE) {
            for (id, text, has_files) in self.texts_of(ids)? {
                let is_enough = bytes >= PAGE_BYTES
                    || found.rows.len() == looks.rows
                    || found.cost >= looks.cost;
                if is_enough && last.is_some() {
                    found.cut_at = last;
                    return Ok(found);
                }
                let look = (looks.text)(&text, has_files);
                found.cost += look.cost;
                found.looked_at += 1;
                last = Some(id);
                let Some(matches) = look.found else {
                    continue;
                };
                let message = self.any_message(user, id)?;
                if let Some(message) = message.filter(|message| (looks.message)(message)) {
                    bytes += message.row_bytes();
                    found.rows.push((message, matches));
                }
            }
        }
        Ok(found)
    }

    /// Copies the texts of those messages that are there.
    fn texts_of(&self, ids: &[MessageId]) -> Result<Vec<(MessageId, Box<str>, bool)>, ReadError> {
        let newest = self.state().last_entry;
        let log = self.log();
        let mut texts = Vec::with_capacity(ids.len());
        for id in ids.iter().filter(|id| id.get() <= newest) {
            let text = log.read((*id).into(), |record| match &record.act {
                Act::Sent {
                    content, extras, ..
                } => {
                    let files = extras.as_ref().map(|extras| extras.attachments.len());
                    Some((*id, Box::from(*content), files.unwrap_or(0) > 0))
                }
                _ => None,
            });
            match text {
                Ok(text) => texts.extend(text),
                // One that cannot be read is found by nobody.
                Err(ReadError::Failed(StoreError::Damaged { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(texts)
    }

    /// Returns a message as a person reads it; `None` where it is gone, or not theirs to read.
    fn any_message(&self, user: UserId, id: MessageId) -> Result<Option<FoundMessage>, ReadError> {
        let direct = self.message(user, id).map(FoundMessage::Direct);
        let found = match direct {
            Err(ReadError::Failed(StoreError::Talk(TalkRefusal::NoSuchMessage))) => {
                self.room_message(user, id).map(FoundMessage::Room)
            }
            found => found,
        };
        match found {
            Ok(message) => Ok(Some(message)),
            Err(ReadError::Failed(
                StoreError::Talk(TalkRefusal::NoSuchMessage) | StoreError::Damaged { .. },
            )) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
