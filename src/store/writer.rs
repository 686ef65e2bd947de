//! The one writer: queued changes become one transaction, one fsync, and only then their answers, in commit order.
//!
//! ```text
//! submit -> queue (bounded) -> [ drain -> stage -> commit + fsync -> publish to memory ] -> batch -> who listens
//! ```
//!
//! The bracket is one thread. A lone change waits for one fsync and for no timer; what arrives during a commit shares
//! the next one. A change that is refused costs its neighbours nothing; a commit that fails answers
//! [`StoreError::Unavailable`] to all of its changes, since whether it reached the disk is then unknown.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use redb::{Database, ReadableTable, Table};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use tokio::sync::mpsc;

use super::chain::{Place, ReadLog, newest_older, oldest_newer};
use super::invites::{self, StagedInvites};
use super::reader::message_of;
use super::record::{Body, Entry, MessageBody, StoredClientId, seal};
use super::schema::encode_pair;
use super::state::{Changes, Conversation, State};
use super::tables::{CONVERSATIONS, CREDENTIALS, INVITES, LOG, USERS};
use super::{Answer, Change, Committed, Done, Inner, NewUser, StoreError, users};
use crate::model::{
    ChatRead, ClientId, ConversationId, EntryId, MAX_ID, Message, MessageId, MessageRead, Pair,
    Timestamp, User, UserId,
};

/// 5,000 changes in one transaction: beyond that a commit gets longer, and not cheaper by the change.
const BATCH: usize = 5_000;

/// How long a client id is remembered.
const CLIENT_ID_LIFETIME_MS: u64 = 24 * 60 * 60 * 1_000;

/// One queued change.
pub(super) struct Job {
    pub(super) now: Timestamp,
    pub(super) change: Change,
    pub(super) answer: Answer,
    pub(super) bytes: usize,
}

/// Runs until every sender of the queue is gone and the last change is answered.
pub(super) fn run(inner: &Inner, mut queue: mpsc::Receiver<Job>, done: &mpsc::Sender<Vec<Done>>) {
    let mut jobs = Vec::new();
    while queue.blocking_recv_many(&mut jobs, BATCH) > 0 {
        inner
            .queued_bytes
            .fetch_sub(jobs.iter().map(|job| job.bytes).sum(), Ordering::Relaxed);
        let results = match commit(inner, &jobs) {
            Ok(results) => results,
            Err(error) => {
                tracing::error!(%error, changes = jobs.len(), "the data file refused a transaction; nothing of it is confirmed");
                jobs.iter().map(|_| Err(StoreError::Unavailable)).collect()
            }
        };
        let batch = jobs
            .drain(..)
            .zip(results)
            .map(|(job, result)| Done {
                result,
                answer: job.answer,
            })
            .collect();
        if done.blocking_send(batch).is_err() {
            // Nobody is left to be told; what is committed is committed.
            return;
        }
    }
}

/// One transaction for all jobs. The results are the jobs', in order; an error is the whole transaction's.
fn commit(inner: &Inner, jobs: &[Job]) -> Result<Vec<Result<Committed, StoreError>>, StoreError> {
    let db: &Database = &inner.db;
    let txn = db.begin_write()?;
    let (results, changes) = {
        let mut log = txn.open_table(LOG)?;
        let state = inner.state.read();
        let mut staging = Staging::new(&state, &log);
        let mut results = Vec::with_capacity(jobs.len());
        for job in jobs {
            match staging.stage(job.now, &job.change) {
                // A damaged record or a failing disk: this change cannot be judged, and the others can.
                Err(error @ StoreError::Damaged { .. }) => {
                    tracing::error!(%error, "a change met a damaged record");
                    results.push(Err(StoreError::Unavailable));
                }
                Err(error @ StoreError::Database(_)) => return Err(error),
                result => results.push(result),
            }
        }
        let (entries, credentials, changes) = (
            staging.appended.entries,
            staging.credentials,
            staging.changes,
        );
        drop(state);
        if entries.is_empty() && changes.users.is_empty() && changes.invites.is_empty() {
            // Every answer says how things were already; they are on disk.
            return Ok(results);
        }
        // Appending at the end, by a cursor, fills the pages of the tree; single inserts leave them half empty.
        let mut end = log.upper_bound_mut(std::ops::Bound::<u64>::Unbounded)?;
        for (id, value) in entries {
            end.insert_before(id, &value[..])?;
        }
        end.close()?;
        let mut conversations = txn.open_table(CONVERSATIONS)?;
        for (pair, id) in &changes.created {
            conversations.insert(id.get(), &seal(id.get(), &encode_pair(*pair))[..])?;
        }
        if !changes.users.is_empty() {
            let mut table = txn.open_table(USERS)?;
            for user in &changes.users {
                table.insert(user.id.get(), &users::encode(user)[..])?;
            }
            let mut table = txn.open_table(CREDENTIALS)?;
            for (user, hash) in credentials {
                table.insert(user.get(), &seal(user.get(), hash.as_bytes())[..])?;
            }
        }
        if !changes.invites.is_empty() {
            let mut table = txn.open_table(INVITES)?;
            for (number, invite) in &changes.invites {
                match invite {
                    Some(invite) => table.insert(number, &invites::encode(*number, invite)[..])?,
                    None => table.remove(number)?,
                };
            }
        }
        (results, changes)
    };
    txn.commit()?;
    inner.state.write().publish(changes);
    Ok(results)
}

/// The log as this transaction sees it: the table, and what is about to be appended.
struct Appended<'a> {
    table: &'a Table<'a, u64, &'static [u8]>,
    /// Ids follow one another, so an entry is found by its distance from the first.
    entries: Vec<(u64, Vec<u8>)>,
}

impl ReadLog for Appended<'_> {
    fn read<R>(&self, id: EntryId, read: impl FnOnce(Entry<'_>) -> R) -> Result<R, StoreError> {
        let staged = self
            .entries
            .first()
            .and_then(|(first, _)| id.get().checked_sub(*first));
        if let Some((_, value)) =
            staged.and_then(|distance| self.entries.get(usize::try_from(distance).ok()?))
        {
            return Ok(read(Entry::decode(id, value)?));
        }
        let value = self.table.get(id.get())?.ok_or(StoreError::Damaged {
            table: "log",
            key: id.get(),
        })?;
        Ok(read(Entry::decode(id, value.value())?))
    }
}

/// A transaction in the making: the state before it, and what the changes so far make of it.
pub(super) struct Staging<'a> {
    pub(super) state: &'a State,
    appended: Appended<'a>,
    pub(super) credentials: Vec<(UserId, Arc<str>)>,
    /// By their key: names taken (`Some`) and given free (`None`) in this transaction.
    pub(super) names: HashMap<String, Option<UserId>>,
    pub(super) users: FxHashMap<UserId, Arc<User>>,
    client_ids: FxHashMap<u64, MessageId>,
    pub(super) greatest_user: u64,
    pub(super) invites: StagedInvites,
    pub(super) changes: Changes,
}

impl<'a> Staging<'a> {
    fn new(state: &'a State, log: &'a Table<'a, u64, &'static [u8]>) -> Self {
        Self {
            state,
            appended: Appended {
                table: log,
                entries: Vec::new(),
            },
            credentials: Vec::new(),
            names: HashMap::new(),
            users: FxHashMap::default(),
            client_ids: FxHashMap::default(),
            greatest_user: state.directory.greatest(),
            invites: StagedInvites::default(),
            changes: Changes {
                last_entry: state.last_entry,
                last_at: state.last_at,
                ..Changes::default()
            },
        }
    }

    /// Applies one change to what is staged. A refusal leaves everything as it was.
    fn stage(&mut self, now: Timestamp, change: &Change) -> Result<Committed, StoreError> {
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

    fn conversation_id(&self, pair: Pair) -> Option<ConversationId> {
        self.state
            .conversation_id(pair)
            .or_else(|| self.changes.created.get(&pair).copied())
    }

    fn conversation(&self, id: ConversationId) -> Option<&Conversation> {
        self.changes
            .conversations
            .get(&id)
            .or_else(|| self.state.conversation(id))
    }

    /// A conversation to be changed by this transaction.
    fn conversation_mut(&mut self, id: ConversationId) -> &mut Conversation {
        let state = self.state;
        self.changes.conversations.entry(id).or_insert_with(|| {
            state
                .conversation(id)
                .cloned()
                .expect("an id stands for a conversation of the state or of this transaction")
        })
    }

    /// The next place of the log, and the time of what goes there: a clock that went back does not take order with it.
    fn next(&mut self, now: Timestamp) -> Result<(EntryId, Timestamp), StoreError> {
        let id = EntryId::new(self.changes.last_entry + 1).map_err(|_| StoreError::Full)?;
        self.changes.last_entry = id.get();
        self.changes.last_at = self.changes.last_at.max(now);
        Ok((id, self.changes.last_at))
    }

    /// Appends one entry to its conversation and to the log.
    fn append(&mut self, id: EntryId, entry: &Entry<'_>) {
        self.conversation_mut(entry.conversation).last_entry = Some(id);
        self.appended.entries.push((id.get(), entry.encode(id)));
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
        let key = client_id.map(|client_id| self.state.client_ids.key(sender, client_id.as_str()));
        if let (Some(key), Some(client_id)) = (key, client_id)
            && let Some(earlier) = self.sent_before(now, sender, key, client_id)?
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
        self.changes
            .sent
            .push((conversation, sender, message_id, key));
        if let Some(key) = key {
            self.client_ids.insert(key, message_id);
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
        &self,
        now: Timestamp,
        sender: UserId,
        key: u64,
        client_id: &ClientId,
    ) -> Result<Option<Message>, StoreError> {
        let Some(id) = self
            .client_ids
            .get(&key)
            .copied()
            .or_else(|| self.state.client_ids.get(key))
        else {
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
        let number = self.state.conversation_count() + self.changes.created.len() as u64 + 1;
        let id = ConversationId::new(number).map_err(|_| StoreError::Full)?;
        self.changes.created.insert(pair, id);
        self.changes
            .conversations
            .insert(id, Conversation::new(pair));
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
        let mut from = Some(last.id);
        for ordinal in known.read[side]
            .unread_before(through)
            .take(ChatRead::NAMED)
        {
            // The oldest message by which the peer had sent so many is the peer's own.
            let message =
                oldest_newer(&self.appended, from, |place| place.sent[1 - side] < ordinal)?;
            from = message.map(|place| place.id);
            read.changed.extend(from);
        }
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
        if new.only_if_first && self.greatest_user > 0 {
            return Err(StoreError::NotFirst);
        }
        if let Some(invite) = &new.invite {
            self.check_invite(now, invite)?;
        }
        let name = new.username.key();
        if self.holder(&name).is_some() {
            return Err(StoreError::UsernameTaken);
        }
        let number = self.greatest_user + 1;
        let id = UserId::new(number).map_err(|_| StoreError::Full)?;
        debug_assert!(number <= MAX_ID, "an id is checked where it is made");
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
        });
        // In the same transaction as the account, so that two who come at once with the last use do not both have it.
        if let Some(invite) = &new.invite {
            self.use_invite(invite);
        }
        self.greatest_user = number;
        self.names.insert(name, Some(id));
        self.credentials.push((id, Arc::clone(&new.password_hash)));
        self.put_user(Arc::clone(&user));
        Ok(user)
    }

    fn seen(&mut self, id: UserId, at: Timestamp) -> Result<Arc<User>, StoreError> {
        let user = self.user(id).ok_or(StoreError::NoSuchUser)?;
        let user = Arc::new(User {
            last_seen: user.last_seen.max(Some(at)),
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
