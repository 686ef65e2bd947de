//! What one transaction makes of its changes: each is judged by the state before it and by those staged before it, and
//! either becomes entries and rows, or is refused without a trace.
//!
//! The state before it is what is published, and upon that what is being committed at the time. Where that commit fails,
//! what was staged upon it holds no longer.

use std::cell::{Cell, OnceCell};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use redb::{Database, ReadableDatabase};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::chain::{Place, ReadLog, find_ordinals, newest_older};
use super::client_ids::{CLIENT_ID_LIFETIME_MS, ClientIds};
use super::entries::Entries;
use super::invites::StagedInvites;
use super::log::Log;
use super::reader::message_of;
use super::record::{Body, Entry, MessageBody, StoredClientId};
use super::state::{Ahead, Changed, Changes, Conversation, State};
use super::tables::CLIENT_IDS;
use super::tail::Tail;
use super::{Change, Committed, NewUser, StoreError};
use crate::model::{
    ChatRead, ClientId, ConversationId, EntryId, MadeBy, Message, MessageId, MessageRead, Pair,
    Timestamp, User, UserId,
};

/// The log as a transaction sees it: what it is about to append, what is being committed, the end of the log in memory,
/// and the table, in a read transaction that begins with the first entry which is not in memory.
pub(super) struct Appended<'a> {
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
pub(super) struct Disk {
    is_allowed: bool,
    is_missed: Cell<bool>,
}

impl Disk {
    /// It may be read, or may not.
    pub(super) fn allowed(is_allowed: bool) -> Self {
        Self {
            is_allowed,
            is_missed: Cell::new(false),
        }
    }

    /// Whether it was to be read and may not be: what then was judged counts for nothing.
    pub(super) fn is_missed(&self) -> bool {
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
pub(super) struct Staged {
    /// What it appends.
    pub(super) entries: Entries,
    pub(super) changes: Changes,
    pub(super) credentials: Vec<(UserId, Arc<str>)>,
    /// By their key: names taken (`Some`) and given free (`None`).
    pub(super) names: HashMap<String, Option<UserId>>,
    pub(super) users: FxHashMap<UserId, Arc<User>>,
    pub(super) greatest_user: u64,
    /// Every id up to this one is an account's.
    used_ids: u64,
    pub(super) invites: StagedInvites,
    /// [`State::epoch`] when it began.
    epoch: u64,
}

impl Staged {
    /// A transaction upon this state and what is ahead of it, in the room of an earlier one, which is empty.
    pub(super) fn begin(state: &State, (entries, conversations): (Entries, Changed)) -> Self {
        let (last_entry, last_at) = match state.ahead.back() {
            Some(ahead) => (ahead.changes.last_entry, ahead.changes.last_at),
            None => (state.last_entry, state.last_at),
        };
        Self {
            entries,
            greatest_user: state.directory.greatest(),
            used_ids: state.directory.used_ids(),
            changes: Changes {
                conversations,
                last_entry,
                last_at,
                ..Changes::default()
            },
            epoch: state.epoch,
            ..Self::default()
        }
    }

    /// Whether what it was judged upon is still so, or on its way to be.
    pub(super) fn holds(&self, epoch: u64) -> bool {
        self.epoch == epoch
    }

    /// Whether every answer says how things were already.
    pub(super) fn is_empty(&self) -> bool {
        let changes = &self.changes;
        self.entries.len() == 0 && changes.users.is_empty() && changes.invites.is_empty()
    }
}

/// The judging of changes, one after the other: the state before them, what is being committed, and what they come to.
pub(super) struct Staging<'a> {
    pub(super) state: &'a State,
    known_client_ids: &'a Mutex<ClientIds>,
    db: &'a Database,
    pub(super) appended: Appended<'a>,
    pub(super) credentials: &'a mut Vec<(UserId, Arc<str>)>,
    pub(super) names: &'a mut HashMap<String, Option<UserId>>,
    pub(super) users: &'a mut FxHashMap<UserId, Arc<User>>,
    pub(super) greatest_user: &'a mut u64,
    used_ids: &'a mut u64,
    pub(super) invites: &'a mut StagedInvites,
    pub(super) changes: &'a mut Changes,
}

impl<'a> Staging<'a> {
    pub(super) fn new(
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
            credentials: &mut staged.credentials,
            names: &mut staged.names,
            users: &mut staged.users,
            greatest_user: &mut staged.greatest_user,
            used_ids: &mut staged.used_ids,
            invites: &mut staged.invites,
            changes: &mut staged.changes,
        }
    }

    /// Applies one change to what is staged. A refusal leaves everything as it was.
    pub(super) fn stage(
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
            Change::CreateUser(new) => self.create_user(now, new).map(Committed::User),
            Change::ChangeUser { user, change } => {
                self.change_user(now, *user, change).map(Committed::User)
            }
            Change::PutUser(put) => self.put(now, put),
            Change::CreateInvite(invite) => self.create_invite(now, invite).map(Committed::Invite),
            Change::RevokeInvite(code) => {
                self.revoke_invite(code).map(|()| Committed::InviteRevoked)
            }
            Change::Seen { user, at } => self.seen(*user, *at).map(Committed::User),
        }
    }

    pub(super) fn user(&self, id: UserId) -> Option<&Arc<User>> {
        self.users.get(&id).or_else(|| self.state.directory.get(id))
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

    pub(super) fn conversation(&self, id: ConversationId) -> Option<&Conversation> {
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
        if self.user(receiver).is_none() {
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
        if self.user(peer).is_none() {
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

    fn create_user(&mut self, now: Timestamp, new: &NewUser) -> Result<Arc<User>, StoreError> {
        if new.only_if_first && !(self.state.directory.is_empty() && self.users.is_empty()) {
            return Err(StoreError::NotFirst);
        }
        if let Some(invite) = &new.invite {
            self.check_invite(now, invite)?;
        }
        let name = new.username.key();
        if self.holder(&name).is_some() {
            return Err(StoreError::UsernameTaken);
        }
        let id = self.free_user_id()?;
        let user = Arc::new(User {
            id,
            username: new.username.clone(),
            avatar: new.avatar.clone(),
            is_admin: new.is_admin,
            disabled: false,
            token_version: 0,
            revoked_at: None,
            created_at: now,
            last_seen: None,
            made_by: MadeBy::Here,
            named_at: None,
        });
        // In the same transaction as the account, so that two who come at once with the last use do not both have it.
        if let Some(invite) = &new.invite {
            self.use_invite(invite);
        }
        *self.greatest_user = (*self.greatest_user).max(id.get());
        self.names.insert(name, Some(id));
        self.credentials.push((id, Arc::clone(&new.password_hash)));
        self.put_user(Arc::clone(&user));
        Ok(user)
    }

    /// The id for an account that is made here: the one after all others, or, where another system gave the greatest
    /// id there is, the least that no account has.
    fn free_user_id(&mut self) -> Result<UserId, StoreError> {
        if let Ok(id) = UserId::new(*self.greatest_user + 1) {
            return Ok(id);
        }
        loop {
            let id = UserId::new(*self.used_ids + 1).map_err(|_| StoreError::Full)?;
            if self.user(id).is_none() {
                return Ok(id);
            }
            *self.used_ids = id.get();
        }
    }

    fn seen(&mut self, id: UserId, at: Timestamp) -> Result<Arc<User>, StoreError> {
        let user = self.user(id).ok_or(StoreError::NoSuchUser)?;
        let user = Arc::new(User {
            last_seen: Some(user.last_seen.map_or(at, |earlier| at.following(earlier))),
            ..User::clone(user)
        });
        self.put_user(Arc::clone(&user));
        Ok(user)
    }

    pub(super) fn put_user(&mut self, user: Arc<User>) {
        self.users.insert(user.id, Arc::clone(&user));
        self.changes.users.push(user);
    }
}
