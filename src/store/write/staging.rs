//! What one transaction makes of its changes: each is judged by the state before it and by those staged before it, and
//! either becomes entries and rows, or is refused without a trace.
//!
//! The state before it is what is published, and upon that what is being committed at the time. Where that commit fails,
//! what was staged upon it holds no longer.

use std::cell::{Cell, OnceCell};
use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use redb::{Database, ReadableDatabase};
use smallvec::SmallVec;

use crate::model::{
    ChatRead, ClientId, ConversationId, EntryId, Message, MessageId, MessageRead, Pair, Timestamp,
    UserId,
};
use crate::store::change::{Change, Committed};
use crate::store::error::StoreError;
use crate::store::log::blocks::Log;
use crate::store::log::chain::{Place, ReadLog, find_ordinals, newest_older};
use crate::store::log::entries::Entries;
use crate::store::log::record::{Body, Entry, MessageBody, StoredClientId};
use crate::store::log::tail::Tail;
use crate::store::people::staging::{StagedPeople, StagingPeople};
use crate::store::state::{Ahead, Changed, Changes, State};
use crate::store::tables::CLIENT_IDS;
use crate::store::talk::client_ids::{CLIENT_ID_LIFETIME_MS, ClientIds};
use crate::store::talk::conversation::{Conversation, message_of};

/// The log as a transaction sees it: what it is about to append, what is being committed, the end of the log in memory,
/// and the table, in a read transaction that begins with the first entry which is not in memory.
pub(crate) struct Appended<'a> {
    entries: &'a mut Entries,
    ahead: &'a VecDeque<Ahead>,
    tail: &'a Tail,
    db: &'a Database,
    table: OnceCell<Log>,
    disk: &'a Disk,
}

/// Whether judging may wait for the disk. Beside a commit it may not: whoever publishes, and behind that one all who read,
/// would wait for it too.
#[derive(Debug)]
pub(crate) struct Disk {
    is_allowed: bool,
    is_missed: Cell<bool>,
}

impl Disk {
    /// It may be read, or may not.
    pub(crate) fn allowed(is_allowed: bool) -> Self {
        Self {
            is_allowed,
            is_missed: Cell::new(false),
        }
    }

    /// Whether it was to be read and may not be: what then was judged counts for nothing.
    pub(crate) fn is_missed(&self) -> bool {
        self.is_missed.get()
    }

    /// To be called before it is read. The error goes to nobody.
    fn want(&self) -> Result<(), StoreError> {
        if self.is_allowed {
            return Ok(());
        }
        self.is_missed.set(true);
        Err(StoreError::Unavailable)
    }
}

impl ReadLog for Appended<'_> {
    fn read<R>(&self, id: EntryId, read: impl FnOnce(Entry<'_>) -> R) -> Result<R, StoreError> {
        let ahead = || {
            self.ahead
                .iter()
                .rev()
                .find_map(|ahead| ahead.entries.get(id))
        };
        let in_memory = self.entries.get(id).or_else(ahead);
        if let Some(value) = in_memory.or_else(|| self.tail.get(id)) {
            return Ok(read(Entry::decode(id, value)?));
        }
        let table = match self.table.get() {
            Some(table) => table,
            None => {
                self.disk.want()?;
                let table = Log::open(&self.db.begin_read()?)?;
                self.table.get_or_init(|| table)
            }
        };
        table.read(id, read)
    }
}

/// A transaction in the making: what its changes so far come to.
#[derive(Default)]
pub(crate) struct Staged {
    /// What it appends.
    pub(crate) entries: Entries,
    pub(crate) changes: Changes,
    pub(crate) people: StagedPeople,
    /// [`State::epoch`] when it began.
    epoch: u64,
}

impl Staged {
    /// A transaction upon this state and what is ahead of it, in the room of an earlier one, which is empty.
    pub(crate) fn begin(state: &State, (entries, conversations): (Entries, Changed)) -> Self {
        let (last_entry, last_at) = match state.ahead.back() {
            Some(ahead) => (ahead.changes.last_entry, ahead.changes.last_at),
            None => (state.last_entry, state.last_at),
        };
        Self {
            entries,
            people: StagedPeople::begin(&state.people),
            changes: Changes {
                conversations,
                last_entry,
                last_at,
                ..Changes::default()
            },
            epoch: state.epoch,
        }
    }

    /// Whether what it was judged upon is still so, or on its way to be.
    pub(crate) fn holds(&self, epoch: u64) -> bool {
        self.epoch == epoch
    }

    /// Whether every answer says how things were already.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.len() == 0 && self.people.rows.is_empty()
    }
}

/// The judging of changes, one after the other: the state before them, what is being committed, and what they come to.
pub(crate) struct Staging<'a> {
    state: &'a State,
    known_client_ids: &'a Mutex<ClientIds>,
    db: &'a Database,
    appended: Appended<'a>,
    people: &'a mut StagedPeople,
    changes: &'a mut Changes,
}

impl<'a> Staging<'a> {
    pub(crate) fn new(
        state: &'a State,
        tail: &'a Tail,
        db: &'a Database,
        disk: &'a Disk,
        known_client_ids: &'a Mutex<ClientIds>,
        staged: &'a mut Staged,
    ) -> Self {
        Self {
            state,
            known_client_ids,
            db,
            appended: Appended {
                entries: &mut staged.entries,
                ahead: &state.ahead,
                tail,
                db,
                table: OnceCell::new(),
                disk,
            },
            people: &mut staged.people,
            changes: &mut staged.changes,
        }
    }

    /// Applies one change to what is staged. A refusal leaves everything as it was.
    pub(crate) fn stage(
        &mut self,
        now: Timestamp,
        change: &Change,
    ) -> Result<Committed, StoreError> {
        match change {
            Change::Send {
                sender,
                receiver,
                content,
                client_id,
            } => self.send(now, *sender, *receiver, content, client_id.as_ref()),
            Change::MarkRead { reader, message } => {
                self.mark_read(now, *reader, *message).map(Committed::Read)
            }
            Change::MarkChatRead {
                reader,
                peer,
                up_to,
            } => self
                .mark_chat_read(now, *reader, *peer, *up_to)
                .map(Committed::ChatRead),
            Change::CreateUser(new) => self.people().create_user(now, new).map(Committed::User),
            Change::ChangeUser { user, change } => self
                .people()
                .change_user(now, *user, change)
                .map(Committed::User),
            Change::PutUser(put) => {
                let (user, created) = self.people().put(now, put)?;
                Ok(Committed::Put { user, created })
            }
            Change::CreateInvite(invite) => self
                .people()
                .create_invite(now, invite)
                .map(Committed::Invite),
            Change::RevokeInvite(code) => self
                .people()
                .revoke_invite(code)
                .map(|()| Committed::InviteRevoked),
            Change::Seen { user, at } => self.people().seen(*user, *at).map(Committed::User),
        }
    }

    fn people(&mut self) -> StagingPeople<'_> {
        StagingPeople::new(&self.state.people, self.people)
    }

    /// Whether there is an account with this id.
    fn has_user(&self, id: UserId) -> bool {
        self.people.user(&self.state.people, id).is_some()
    }

    /// What is on its way, the newest first.
    fn ahead(&self) -> impl Iterator<Item = &'a Changes> {
        self.state.ahead.iter().rev().map(|ahead| &ahead.changes)
    }

    fn conversation_id(&self, pair: Pair) -> Option<ConversationId> {
        self.state
            .conversation_id(pair)
            .or_else(|| {
                self.ahead()
                    .find_map(|ahead| ahead.created.get(&pair).copied())
            })
            .or_else(|| self.changes.created.get(&pair).copied())
    }

    pub(crate) fn conversation(&self, id: ConversationId) -> Option<&Conversation> {
        self.changes
            .conversations
            .get(id)
            .or_else(|| self.state.newest_conversation(id))
    }

    /// A conversation to be changed by this transaction.
    fn conversation_mut(&mut self, id: ConversationId) -> &mut Conversation {
        let state = self.state;
        self.changes.conversations.get_or_insert_with(id, || {
            state
                .newest_conversation(id)
                .cloned()
                .expect("an id stands for a conversation of the state or of this transaction")
        })
    }

    /// The next place of the log, and the time of what goes there.
    fn next(&mut self, now: Timestamp) -> Result<(EntryId, Timestamp), StoreError> {
        let id = EntryId::new(self.changes.last_entry + 1).map_err(|_| StoreError::Full)?;
        self.changes.last_entry = id.get();
        self.changes.last_at = now.following(self.changes.last_at);
        Ok((id, self.changes.last_at))
    }

    /// Appends one entry to its conversation and to the log.
    fn append(&mut self, id: EntryId, entry: &Entry<'_>) {
        self.conversation_mut(entry.conversation).last_entry = Some(id);
        self.appended.entries.push(id, entry);
    }

    fn send(
        &mut self,
        now: Timestamp,
        sender: UserId,
        receiver: UserId,
        content: &Arc<str>,
        client_id: Option<&ClientId>,
    ) -> Result<Committed, StoreError> {
        let pair = Pair::new(sender, receiver).ok_or(StoreError::SamePerson)?;
        if !self.has_user(receiver) {
            return Err(StoreError::NoSuchUser);
        }
        let hash = client_id.map(|client_id| self.known_client_ids.lock().hash(client_id.as_str()));
        if let (Some(hash), Some(client_id)) = (hash, client_id)
            && let Some(earlier) = self.sent_before(now, sender, hash, client_id)?
        {
            if earlier.receiver_id != receiver || *earlier.content != **content {
                return Err(StoreError::ClientIdReused);
            }
            return Ok(Committed::Sent {
                message: earlier,
                fresh: false,
            });
        }
        let (id, at) = self.next(now)?;
        let message_id = MessageId::new(id.get()).expect("an entry id is a valid id");
        let conversation = match self.conversation_id(pair) {
            Some(conversation) => conversation,
            None => self.create_conversation(pair)?,
        };
        let side = pair.side(sender).expect("the sender is one of the pair");
        let in_conversation = self.conversation_mut(conversation);
        let previous = in_conversation.last_entry;
        let links = in_conversation.chain.push(message_id);
        in_conversation.sent[side] += 1;
        let body = MessageBody {
            previous: links.previous,
            jump: links.jump,
            number: links.number,
            ordinal: in_conversation.sent[side],
            client_id: client_id.map(|client_id| StoredClientId::new(client_id.as_str())),
            content,
        };
        self.append(
            id,
            &Entry {
                conversation,
                at,
                previous,
                side,
                body: Body::Message(body),
            },
        );
        if let Some(hash) = hash {
            self.changes.sent_as.insert((sender, hash), message_id);
            self.changes.client_ids.push((sender, hash, message_id, at));
        }
        let message = Message {
            id: message_id,
            sender_id: sender,
            receiver_id: receiver,
            content: Arc::clone(content),
            created_at: at,
            client_id: client_id.cloned(),
        };
        Ok(Committed::Sent {
            message,
            fresh: true,
        })
    }

    /// The message that a sender sent under this client id, if it is still remembered.
    fn sent_before(
        &mut self,
        now: Timestamp,
        sender: UserId,
        hash: u64,
        client_id: &ClientId,
    ) -> Result<Option<Message>, StoreError> {
        let name = (sender, hash);
        let staged = self.changes.sent_as.get(&name);
        let id = match staged.or_else(|| self.ahead().find_map(|ahead| ahead.sent_as.get(&name))) {
            Some(id) => Some(*id),
            None => self.known_client_ids.lock().find(sender, hash, || {
                self.appended.disk.want()?;
                Ok(self.db.begin_read()?.open_table(CLIENT_IDS)?)
            })?,
        };
        let Some(id) = id else {
            return Ok(None);
        };
        let message = self.appended.read_message(id, |entry, body| {
            let pair = self.conversation(entry.conversation)?.pair;
            Some(message_of(id, pair, entry, body))
        })?;
        Ok(message.filter(|message| {
            message.sender_id == sender
                && message.client_id.as_ref() == Some(client_id)
                && now.as_ms()
                    < message
                        .created_at
                        .as_ms()
                        .saturating_add(CLIENT_ID_LIFETIME_MS)
        }))
    }

    fn create_conversation(&mut self, pair: Pair) -> Result<ConversationId, StoreError> {
        let ahead = self.ahead().map(|ahead| ahead.created.len());
        let created = self.changes.created.len() + ahead.sum::<usize>();
        let number = self.state.conversation_count() + created as u64 + 1;
        let id = ConversationId::new(number).map_err(|_| StoreError::Full)?;
        self.changes.created.insert(pair, id);
        self.changes
            .conversations
            .get_or_insert_with(id, || Conversation::new(pair));
        Ok(id)
    }

    fn mark_read(
        &mut self,
        now: Timestamp,
        reader: UserId,
        message_id: MessageId,
    ) -> Result<MessageRead, StoreError> {
        if message_id.get() > self.changes.last_entry {
            return Err(StoreError::NoSuchMessage);
        }
        // An id of the log that is no message is as unknown to clients as one beyond its end.
        let (conversation, sender_side, ordinal) = self
            .appended
            .read(message_id.into(), |entry| match &entry.body {
                Body::Message(message) => Some((entry.conversation, entry.side, message.ordinal)),
                _ => None,
            })?
            .ok_or(StoreError::NoSuchMessage)?;
        let known = self
            .conversation(conversation)
            .ok_or(StoreError::NoSuchMessage)?;
        let side = known.pair.side(reader).ok_or(StoreError::NoSuchMessage)?;
        if side == sender_side {
            return Err(StoreError::NotReceiver);
        }
        let sender_id = known.pair.members()[sender_side];
        let previous = known.last_entry;
        let mut read = MessageRead {
            message_id,
            reader_id: reader,
            sender_id,
            entry: None,
        };
        if known.read[side].contains(ordinal) {
            return Ok(read);
        }
        let (id, at) = self.next(now)?;
        self.conversation_mut(conversation).read[side].mark(ordinal);
        self.append(
            id,
            &Entry {
                conversation,
                at,
                previous,
                side,
                body: Body::Read {
                    message: message_id,
                    ordinal,
                },
            },
        );
        read.entry = Some(id);
        Ok(read)
    }

    fn mark_chat_read(
        &mut self,
        now: Timestamp,
        reader: UserId,
        peer: UserId,
        up_to: Option<MessageId>,
    ) -> Result<ChatRead, StoreError> {
        let pair = Pair::new(reader, peer).ok_or(StoreError::SamePerson)?;
        if !self.has_user(peer) {
            return Err(StoreError::NoSuchUser);
        }
        let mut read = ChatRead {
            reader_id: reader,
            peer_id: peer,
            up_to: None,
            count: 0,
            changed: Vec::new(),
            entry: None,
        };
        let Some(conversation) = self.conversation_id(pair) else {
            return Ok(read);
        };
        let Some(known) = self.conversation(conversation) else {
            return Ok(read);
        };
        let side = pair.side(reader).expect("the reader is one of the pair");
        let covers = |place: &Place| up_to.is_none_or(|up_to| place.id <= up_to);
        let Some(last) = newest_older(&self.appended, known.chain.last(), covers)? else {
            return Ok(read);
        };
        read.up_to = Some(last.id);
        let through = last.sent[1 - side];
        let unread = known.read[side]
            .unread_before(through)
            .take(ChatRead::NAMED);
        read.changed = find_ordinals(&self.appended, last.id, 1 - side, unread)?;
        read.changed.reverse();
        let previous = known.last_entry;
        let mut marked = known.read[side].clone();
        read.count = marked.mark_through(through);
        if read.count == 0 {
            return Ok(read);
        }
        let (id, at) = self.next(now)?;
        self.conversation_mut(conversation).read[side] = marked;
        let body = Body::ChatRead {
            up_to: last.id,
            through,
            count: read.count,
            changed: SmallVec::from_slice(&read.changed),
        };
        self.append(
            id,
            &Entry {
                conversation,
                at,
                previous,
                side,
                body,
            },
        );
        read.entry = Some(id);
        Ok(read)
    }
}
