//! What one transaction makes of its changes: each is judged by the state before it and by those
//! staged before it, and either becomes entries and rows, or is refused without a trace.
//!
//! The state before it is what is published, and upon that what is being committed at the time.
//! Where that commit fails, what was staged upon it holds no longer.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redb::{Database, ReadTransaction, ReadableDatabase};

use super::changing::{Changing, Standing, talk_as_known};
use crate::model::{
    Act, Attachment, ClientId, ConversationId, Entry, EntryId, Extras, FirstContact, Members,
    MessageId, Notice, Pair, Role, RoomHistory, Stream, Timestamp, User, UserId, names_of,
};
use crate::store::change::{Address, Change, Committed, Outcome, Talk};
use crate::store::error::{ReadError, StoreError};
use crate::store::files::refusal::FileRefusal;
use crate::store::files::row::StoredFile;
use crate::store::files::staging::{FileAct, FileCommand};
use crate::store::log::blocks::Log;
use crate::store::log::chain::ReadLog;
use crate::store::log::entries::Entries;
use crate::store::log::record::Record;
use crate::store::log::tail::Tail;
use crate::store::people::accounts::{NewUser, UserChange};
use crate::store::people::invites::Invite;
use crate::store::people::refusal::{InviteRefusal, PeopleRefusal};
use crate::store::people::staging::{StagedPeople, StagingPeople};
use crate::store::room_act::RoomDone;
use crate::store::state::{Ahead, Changed, Changes, State};
use crate::store::tables::CLIENT_IDS;
use crate::store::talk::client_ids::{CLIENT_ID_LIFETIME_MS, ClientIds};
use crate::store::talk::conversation::{Conversation, Decision, Refusal, notice_of};
use crate::store::talk::quoting::quote;
use crate::store::talk::refusal::TalkRefusal;
use crate::store::talk::rooms::RoomHead;

/// The log as a transaction sees it: what it is about to append, what is being committed, the end
/// of the log in memory, and the table, in a read transaction that begins with the first entry
/// which is not in memory.
pub(crate) struct Appended<'a> {
    pub(super) entries: &'a mut Entries,
    ahead: &'a VecDeque<Ahead>,
    tail: &'a Tail,
    db: &'a Database,
    table: OnceCell<Log>,
    disk: &'a Disk,
}

/// Whether judging may wait for the disk. Beside a commit it may not: whoever publishes, and behind
/// that one all who read, would wait for it too.
#[derive(Debug)]
pub(crate) struct Disk {
    is_allowed: bool,
}

impl Disk {
    /// It may be read, or may not.
    pub(crate) fn allowed(is_allowed: bool) -> Self {
        Self { is_allowed }
    }

    /// To be called before it is read.
    pub(super) fn want(&self) -> Result<(), ReadError> {
        match self.is_allowed {
            true => Ok(()),
            false => Err(ReadError::NeedsDisk),
        }
    }
}

impl ReadLog for Appended<'_> {
    type Error = ReadError;

    fn read<R>(&self, id: EntryId, read: impl FnOnce(Record<&str>) -> R) -> Result<R, ReadError> {
        match self.in_memory(id) {
            Some(value) => Ok(read(Record::decode(id, value)?)),
            None => Ok(self.table()?.read(id, read)?),
        }
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
    /// A transaction upon this state and what is ahead of it, in the room of an earlier one, which
    /// is empty.
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
        let is_noted = self.changes.retained.is_some() || self.changes.leavers_erased;
        self.entries.len() == 0 && self.people.rows.is_empty() && !is_noted
    }
}

/// The judging of changes, one after the other: the state before them, what is being committed, and
/// what they come to.
pub(crate) struct Staging<'a> {
    pub(super) state: &'a State,
    pub(super) known_client_ids: &'a Mutex<ClientIds>,
    db: &'a Database,
    pub(super) appended: Appended<'a>,
    people: &'a mut StagedPeople,
    pub(super) changes: &'a mut Changes,
    pub(super) edit_window: Option<Duration>,
    pub(super) first_contact: FirstContact,
    /// What ends up to this time is over.
    pub(super) over: Timestamp,
}

impl Appended<'_> {
    /// Returns the sealed value of an entry.
    pub(super) fn sealed(&self, id: EntryId) -> Result<Vec<u8>, ReadError> {
        match self.in_memory(id) {
            Some(value) => Ok(value.to_vec()),
            None => Ok(self.table()?.read_sealed(id, <[u8]>::to_vec)?),
        }
    }

    /// Returns the sealed value of an entry that need not be read from the disk.
    fn in_memory(&self, id: EntryId) -> Option<&[u8]> {
        let ahead = || {
            self.ahead
                .iter()
                .rev()
                .find_map(|ahead| ahead.entries.get(id))
        };
        let not_published = self.entries.get(id).or_else(ahead);
        not_published.or_else(|| self.tail.get(id))
    }

    fn table(&self) -> Result<&Log, ReadError> {
        if let Some(table) = self.table.get() {
            return Ok(table);
        }
        self.disk.want()?;
        let txn = self.db.begin_read().map_err(StoreError::from)?;
        let table = Log::open(&txn).map_err(StoreError::from)?;
        Ok(self.table.get_or_init(|| table))
    }
}

/// What the client id of a message stands for.
pub(super) enum Named {
    /// The message that was sent under it before.
    Before(Notice),
    /// Nothing yet; `None` where the message has no client id.
    New(Option<(UserId, u64)>),
}

impl<'a> Staging<'a> {
    pub(crate) fn new(
        state: &'a State,
        tail: &'a Tail,
        db: &'a Database,
        disk: &'a Disk,
        known_client_ids: &'a Mutex<ClientIds>,
        staged: &'a mut Staged,
        (edit_window, first_contact, over): (Option<Duration>, FirstContact, Timestamp),
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
            edit_window,
            first_contact,
            over,
        }
    }

    /// Applies one change to what is staged. A refusal leaves everything as it was.
    pub(crate) fn stage(
        &mut self,
        now: Timestamp,
        change: &Change,
    ) -> Result<Committed, ReadError> {
        let over = self.over.min(now);
        Ok(match change {
            Change::Talk(talk) => Committed::Talk(self.talk(now, talk)?),
            Change::Room(act) => Committed::Room(self.room_act(now, act)?),
            Change::EraseMany(many) => Committed::Room(RoomDone {
                room: None,
                notices: self.erase_many(now, many, None)?,
            }),
            Change::Retain { many, through } => Committed::Room(RoomDone {
                room: None,
                notices: self.erase_many(now, many, Some(*through))?,
            }),
            Change::CreateUser(new) => self.create_user(now, new)?,
            Change::ChangeUser { user, change } => {
                Committed::User(self.change_user(now, *user, change)?)
            }
            Change::DeleteUser(leaving) => self.delete_user(now, leaving)?,
            Change::SentIsErased(user) => Committed::User(self.people().sent_is_erased(*user)?),
            Change::LeaversErased => {
                self.changes.leavers_erased = true;
                Committed::LeaversErased
            }
            Change::PutUser(put) => {
                let (user, created) = self.people().put(now, put)?;
                Committed::Put { user, created }
            }
            Change::CreateInvite(invite) => {
                self.revoke_void_invites(|_| true);
                Committed::Invite(self.people().create_invite((now, over), invite)?)
            }
            Change::RevokeInvite(code) => {
                self.people().revoke_invite(code)?;
                Committed::InviteRevoked
            }
            Change::CreateBot { new, hash } => {
                let (user, key) = self.people().create_bot(now, new, *hash)?;
                Committed::Bot { user, key }
            }
            Change::CreateKey { holder, hash } => {
                Committed::Key(self.people().create_api_key(now, holder, *hash)?)
            }
            Change::ConfirmKey(id) => Committed::Key(self.people().confirm_api_key(now, *id)?),
            Change::RevokeKey(id) => {
                let revoked = self.people().revoke_api_key(*id)?;
                // At once: its number may be given again.
                self.revoke_void_invites(|_| true);
                Committed::KeyRevoked(revoked)
            }
            Change::Session(act) => {
                Committed::SessionsEnded(self.people().session_act(now, over, act)?)
            }
            Change::CreateCode { user, code } => {
                self.people().create_code(*user, *code)?;
                Committed::CodeMade
            }
            Change::Report(act) => Committed::Report(self.people().report_act(now, act)?),
            Change::CreateHook(kind) => {
                let newest = self.changes.last_entry;
                Committed::Hook(self.people().create_hook(now, kind, newest)?)
            }
            Change::ChangeHook { id, to, known_from } => {
                Committed::Hook(self.people().change_hook(now, *id, *to, *known_from)?)
            }
            Change::DeleteHook(id) => {
                self.people().delete_hook(*id)?;
                Committed::HookDeleted
            }
            Change::HooksMoved(moved) => {
                self.people().hooks_moved(moved);
                Committed::HooksMoved
            }
            Change::Subscribe { user, wish } => {
                Committed::Subscribed(self.people().subscribe(now, *user, wish)?)
            }
            Change::Unsubscribe { user, id } => {
                self.people().unsubscribe(*user, id);
                Committed::Unsubscribed
            }
            Change::File(act) => Committed::File(self.file_act(now, act)?),
            Change::Seen(visits) => {
                self.people().seen(visits);
                Committed::Seen
            }
        })
    }

    /// Carries out an act on a file that no message names. None is begun for who is gone.
    fn file_act(&mut self, now: Timestamp, act: &FileAct) -> Result<Arc<StoredFile>, ReadError> {
        match &act.what {
            FileCommand::Begin(new) if self.is_gone(new.owner) => {
                Err(FileRefusal::NoSuchFile.into())
            }
            _ => Ok(self.people().files().act(now, act)?),
        }
    }

    /// Makes an account, and has it join the room into which its invite leads.
    fn create_user(&mut self, now: Timestamp, new: &NewUser) -> Result<Committed, ReadError> {
        let room = match new.invite.as_deref() {
            Some(code) if self.registers_by_now(code) != Some(true) => {
                return Err(InviteRefusal::InvalidInvite.into());
            }
            Some(code) => self.people().check_invite(now, code)?,
            None => None,
        };
        let user = self.people().create_user(now, new)?;
        let id = user.id;
        let committed = Committed::User(user);
        let Some(room) = room else {
            return Ok(committed);
        };
        let notices = self.join_as_new(now, id, room)?;
        Ok(Committed::Accompanied {
            committed: Box::new(committed),
            notices,
        })
    }

    /// Changes an account, and takes away the invites that end with a right of it.
    fn change_user(
        &mut self,
        now: Timestamp,
        user: UserId,
        change: &UserChange,
    ) -> Result<Arc<User>, ReadError> {
        let changed = self.people().change_user(now, user, change)?;
        if change.disabled == Some(true) || change.is_admin == Some(false) {
            self.revoke_void_invites(|invite| invite.by.account() == Some(user));
        }
        Ok(changed)
    }

    /// Returns whether accounts can be made by the invite of this code, as far as its maker may
    /// still have some made; `None` where there is none, or it counts as revoked.
    pub(super) fn registers_by_now(&self, code: &str) -> Option<bool> {
        let (people, staged) = (&self.state.people, &*self.people);
        let invite = staged.invite(people, code)?;
        invite.registers_by_now(
            |user| staged.user(people, user),
            |key| staged.has_api_key(people, key),
            |room, user| {
                let member = self.rooms().member(room, user);
                member.is_some_and(|member| member.role >= Role::Admin)
            },
        )
    }

    /// Takes away the invites that count as revoked, of those that are meant, and has those make no
    /// accounts any more that only lead into a room by now: so that they use up no place, and what
    /// their maker has lost does not come back.
    pub(super) fn revoke_void_invites(&mut self, is_meant: impl Fn(&Invite) -> bool) {
        let kept = self.state.people.invites.iter();
        let meant = kept.filter(|(_, invite)| is_meant(invite));
        let codes = meant.map(|(_, invite)| Arc::clone(&invite.code));
        let stands = codes.map(|code| (self.registers_by_now(&code), code));
        for (registers, code) in stands.collect::<Vec<_>>() {
            match registers {
                Some(true) => {}
                Some(false) => self.people().end_registering(&code),
                // Of one that was taken away before nothing is left to do.
                None => {
                    let _ = self.people().revoke_invite(&code);
                }
            }
        }
    }

    pub(super) fn people(&mut self) -> StagingPeople<'_> {
        StagingPeople::new(&self.state.people, self.people, self.changes.last_at)
    }

    /// Whether there is an account with this id.
    pub(super) fn has_user(&self, id: UserId) -> bool {
        let user = self.people.user(&self.state.people, id);
        user.is_some_and(|user| !user.deleted)
    }

    /// Whether this account was deleted.
    fn is_gone(&self, id: UserId) -> bool {
        let user = self.people.user(&self.state.people, id);
        user.is_some_and(|user| user.deleted)
    }

    /// Whether an account is an administrator's, or a bot's, which administrators make.
    pub(super) fn is_of_administrators(&self, id: UserId) -> bool {
        let user = self.people.user(&self.state.people, id);
        user.is_some_and(|user| user.is_admin || user.is_bot)
    }

    /// What is on its way, the newest first.
    pub(super) fn ahead(&self) -> impl Iterator<Item = &'a Changes> {
        self.state.ahead.iter().rev().map(|ahead| &ahead.changes)
    }

    pub(super) fn conversation_id(&self, pair: Pair) -> Option<ConversationId> {
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

    /// Has an act of talk append its entry, in the room or in the conversation of two it is for.
    fn talk(&mut self, now: Timestamp, talk: &Talk) -> Result<Outcome, ReadError> {
        match talk.address {
            Address::Room(room) => return self.talk_in_room(now, talk, room),
            Address::AnyMessage(message) => {
                if let Act::MessageChanged { change, .. } = &talk.act {
                    if let Some(room) = self.room_with(message)? {
                        return self.change_in_room(now, talk.author, (room, message), change);
                    }
                } else if let Some(room) = self.room_of(talk.author, message)? {
                    return Ok(Outcome::InRoom(room));
                }
            }
            Address::Person(_) | Address::Message(_) => {}
        }
        self.talk_of_two(now, talk)
    }

    /// Has an act of talk append its entry in a conversation of two.
    fn talk_of_two(&mut self, now: Timestamp, talk: &Talk) -> Result<Outcome, ReadError> {
        let (known, pair) = self.conversation_of(talk)?;
        let changing = match &talk.act {
            Act::MessageChanged { message, change } => {
                let (changing, standing) = self.changing(talk, pair, *message)?;
                if let Some(talk) = talk_as_known(talk, &changing, &standing) {
                    return self.talk_of_two(now, &talk);
                }
                self.check_talk(talk.author, pair, &talk.act)?;
                if !changing.judge(now, (talk.author, change), &standing, self.edit_window)? {
                    return Ok(Outcome::Unchanged(Box::new(changing.message)));
                }
                Some((changing, standing, change))
            }
            _ => None,
        };
        let name = match self.named(now, talk)? {
            Named::Before(earlier) => {
                return self.repeated(earlier, Members::Pair(pair), &talk.act);
            }
            Named::New(name) => name,
        };
        // One that was sent before is given again, whatever became of the two since.
        self.check_is_there(talk, known)?;
        self.check_talk(talk.author, pair, &talk.act)?;
        self.check_reply(&talk.act)?;
        let id = match known {
            Some(id) => id,
            None => self.next_conversation_id()?,
        };
        let at = now.following(self.changes.last_at);
        let record = match self.decide(talk, (id, pair), at)? {
            Decision::Append(record) => record,
            Decision::Nothing(act) => return Ok(Outcome::Nothing(act)),
        };
        let entry_id = EntryId::new(self.changes.last_entry + 1).map_err(|_| StoreError::Full)?;
        let hash = |text: &str| self.known_client_ids.lock().hash_text(text);
        let changed = changing
            .map(|(changing, standing, change)| changing.changed(at, change, &standing, hash))
            .transpose()?;
        if known.is_none() {
            self.create_conversation(id, pair);
        }
        self.append(entry_id, &record);
        let mut entry = Entry {
            id: entry_id,
            stream: record.stream,
            author: match record.act.moderator() {
                Some(by) => by.account(),
                None => Some(talk.author),
            },
            at,
            act: record.act,
        };
        self.quote(&mut entry.act, Members::Pair(pair))?;
        self.note_name(name, &entry);
        self.give_files(&entry);
        let message = changed.map(|changed| self.rewrite(changed));
        Ok(Outcome::Entry(Notice {
            entry,
            members: Members::Pair(pair),
            room: None,
            number: record.links.number,
            message,
        }))
    }

    /// Decides what an act comes to in a conversation of two, which this would begin where there is
    /// none yet.
    fn decide(
        &mut self,
        talk: &Talk,
        (id, pair): (ConversationId, Pair),
        at: Timestamp,
    ) -> Result<Decision<Arc<str>>, ReadError> {
        let attached = self.attached(talk.author, &talk.act)?;
        let new;
        let conversation = match self.conversation(id) {
            Some(conversation) => conversation,
            None => {
                new = Conversation::new(pair);
                &new
            }
        };
        let act = attached.as_ref().unwrap_or(&talk.act);
        let decided = conversation.decide(&self.appended, id, talk.author, at, act);
        decided.map_err(Refusal::into_error)
    }

    /// Returns a message with the files that it names as they are kept, and with their names for a
    /// text where it has none; `None` where it names none.
    pub(super) fn attached(
        &mut self,
        sender: UserId,
        act: &Act,
    ) -> Result<Option<Act>, FileRefusal> {
        let Act::Sent {
            content,
            client_id,
            extras: Some(extras),
        } = act
        else {
            return Ok(None);
        };
        if extras.attachments.is_empty() {
            return Ok(None);
        }
        let attachments = self.people().files().named(sender, &extras.attachments)?;
        let auto_content = content.is_empty();
        Ok(Some(Act::Sent {
            content: match auto_content {
                true => names_of(&attachments).into(),
                false => Arc::clone(content),
            },
            client_id: client_id.clone(),
            extras: Some(Box::new(Extras {
                attachments,
                auto_content,
                ..Extras::clone(extras)
            })),
        }))
    }

    /// Gives a new message the files that it names.
    pub(super) fn give_files(&mut self, entry: &Entry) {
        if let Act::Sent {
            extras: Some(extras),
            ..
        } = &entry.act
        {
            let message = entry.id.into();
            self.people().files().give(message, &extras.attachments);
        }
    }

    /// Reads a message of these two that an act is to change, and what its author is to it.
    fn changing(
        &self,
        talk: &Talk,
        pair: Pair,
        message: MessageId,
    ) -> Result<(Changing, Standing), ReadError> {
        let sealed = self.appended.sealed(message.into())?;
        let changing = Changing::of_pair(message, pair, sealed)?;
        let moderates = talk.act.moderator().is_some();
        let standing = changing.standing_of_pair(talk.author, moderates);
        Ok((changing, standing))
    }

    /// Checks that what a message answers can be there: a conversation says whether it is its own.
    fn check_reply(&self, act: &Act) -> Result<(), TalkRefusal> {
        let beyond = self.changes.last_entry;
        match act {
            Act::Sent {
                extras: Some(extras),
                ..
            } if extras
                .reply_to
                .as_ref()
                .is_some_and(|reply| reply.to.get() > beyond) =>
            {
                Err(TalkRefusal::NoSuchMessage)
            }
            _ => Ok(()),
        }
    }

    /// Looks up what a message answers, for those who are told of it: in a room whose newcomers
    /// read nothing of the time before them nobody is told, since all are told alike.
    pub(super) fn quote(&self, act: &mut Act, members: Members) -> Result<(), ReadError> {
        let Act::Sent { extras, .. } = act else {
            return Ok(());
        };
        let (pair, shows) = match members {
            Members::Pair(pair) => (Some(pair), true),
            Members::Room(room) => {
                let head = self.rooms().head(room);
                let is_open = head.is_some_and(|head| head.room.history == RoomHistory::All);
                (None, is_open)
            }
            Members::Own(_) => (None, false),
        };
        quote(&self.appended, extras.as_deref_mut(), pair, |_| shows)
    }

    /// Begins to read the disk beside the log.
    pub(super) fn disk_transaction(&self) -> Result<ReadTransaction, ReadError> {
        self.appended.disk.want()?;
        Ok(self.db.begin_read().map_err(StoreError::from)?)
    }

    /// Returns what the client id of a message stands for.
    pub(super) fn named(&mut self, now: Timestamp, talk: &Talk) -> Result<Named, ReadError> {
        let Act::Sent {
            client_id: Some(client_id),
            ..
        } = &talk.act
        else {
            return Ok(Named::New(None));
        };
        let hash = self.known_client_ids.lock().hash(client_id);
        let earlier = self.sent_before(now, talk.author, hash, client_id)?;
        Ok(earlier.map_or(Named::New(Some((talk.author, hash))), Named::Before))
    }

    /// Notes the message that a client id stands for from now on.
    pub(super) fn note_name(&mut self, name: Option<(UserId, u64)>, entry: &Entry) {
        if let Some((sender, hash)) = name {
            let message = entry.id.into();
            self.changes.sent_as.insert((sender, hash), message);
            let named = (sender, hash, message, entry.at);
            self.changes.client_ids.push(named);
        }
    }

    /// Returns the conversation that an act is for, if there is one yet, and who shares it.
    fn conversation_of(&self, talk: &Talk) -> Result<(Option<ConversationId>, Pair), ReadError> {
        match talk.address {
            Address::Person(peer) => {
                let pair = Pair::new(talk.author, peer).ok_or(TalkRefusal::SamePerson)?;
                // The author's sockets may have a moment left after they are gone.
                if self.is_gone(talk.author) {
                    return Err(PeopleRefusal::NoSuchUser.into());
                }
                Ok((self.conversation_id(pair), pair))
            }
            Address::Room(_) => Err(TalkRefusal::NoSuchMessage.into()),
            Address::Message(message) | Address::AnyMessage(message)
                if message.get() > self.changes.last_entry =>
            {
                Err(TalkRefusal::NoSuchMessage.into())
            }
            Address::Message(message) | Address::AnyMessage(message) => {
                let read = |record: Record<&str>| record.stream.pair();
                let id = self.appended.read(message.into(), read)?;
                let id = id.ok_or(TalkRefusal::NoSuchMessage)?;
                let known = self.conversation(id).ok_or(TalkRefusal::NoSuchMessage)?;
                Ok((Some(id), known.pair))
            }
        }
    }

    /// Refuses what is for a person who is not there. What is left of somebody who is gone can be
    /// marked read all the same.
    fn check_is_there(&self, talk: &Talk, known: Option<ConversationId>) -> Result<(), StoreError> {
        let Address::Person(peer) = talk.address else {
            return Ok(());
        };
        match known {
            _ if self.has_user(peer) => Ok(()),
            Some(_) if talk.act.is_mark() => Ok(()),
            Some(_) => Err(PeopleRefusal::NoSuchUser.into()),
            None => Err(self.absent(talk.author, &talk.act)),
        }
    }

    /// Appends one entry to its conversation and to the log.
    pub(super) fn append(&mut self, id: EntryId, record: &Record<Arc<str>>) {
        self.changes.last_entry = id.get();
        self.changes.last_at = record.at;
        match record.stream {
            Stream::Pair(conversation) => self.conversation_mut(conversation).apply(id, record),
            Stream::Room(_) | Stream::Own(_) => {
                self.changes.apply_to_rooms(self.state, id, record);
            }
        }
        self.appended.entries.push(id, record);
    }

    /// Returns the message that a sender sent under this client id, if it is still remembered.
    fn sent_before(
        &mut self,
        now: Timestamp,
        sender: UserId,
        hash: u64,
        client_id: &ClientId,
    ) -> Result<Option<Notice>, ReadError> {
        let name = (sender, hash);
        let staged = self.changes.sent_as.get(&name);
        let id = match staged.or_else(|| self.ahead().find_map(|ahead| ahead.sent_as.get(&name))) {
            Some(id) => Some(*id),
            None => self.known_client_ids.lock().find(sender, hash, || {
                self.appended.disk.want()?;
                let txn = self.db.begin_read().map_err(StoreError::from)?;
                let table = txn.open_table(CLIENT_IDS).map_err(StoreError::from)?;
                Ok::<_, ReadError>(table)
            })?,
        };
        let Some(id) = id else {
            return Ok(None);
        };
        let notice = self.appended.read_message(id, |record| {
            let pair = match record.stream {
                Stream::Pair(id) => Some(self.conversation(id)?.pair),
                Stream::Room(_) | Stream::Own(_) => None,
            };
            Some(notice_of(id.into(), pair, record))
        })?;
        let is_this = |earlier: &Act| match earlier {
            Act::Sent {
                client_id: Some(earlier),
                ..
            }
            | Act::Erased {
                client_id: Some(earlier),
                ..
            } => earlier == client_id,
            _ => false,
        };
        Ok(notice.filter(|Notice { entry, .. }| {
            let forgotten_at = entry.at.as_ms().saturating_add(CLIENT_ID_LIFETIME_MS);
            let is_over = now.min(self.over).as_ms() >= forgotten_at;
            entry.author == Some(sender) && is_this(&entry.act) && !is_over
        }))
    }

    fn next_conversation_id(&self) -> Result<ConversationId, StoreError> {
        let ahead = self.ahead().map(|ahead| ahead.created.len());
        let created = self.changes.created.len() + ahead.sum::<usize>();
        let number = self.state.conversation_count() + created as u64 + 1;
        ConversationId::new(number).map_err(|_| StoreError::Full)
    }

    fn create_conversation(&mut self, id: ConversationId, pair: Pair) {
        self.changes.created.insert(pair, id);
        self.changes
            .conversations
            .get_or_insert_with(id, || Conversation::new(pair));
    }

    /// Answers a message whose client id stands for an earlier one: it must be the same. Of one
    /// that has another text by now the first is compared, as far as it is still known.
    pub(super) fn repeated(
        &self,
        mut earlier: Notice,
        members: Members,
        act: &Act,
    ) -> Result<Outcome, ReadError> {
        if let Act::Erased { .. } = earlier.entry.act {
            return Err(TalkRefusal::NoSuchMessage.into());
        }
        // All of an erased room is gone, whatever of it is still to be erased.
        if let Members::Room(room) = earlier.members
            && self.rooms().head(room).is_none_or(RoomHead::is_gone)
        {
            return Err(TalkRefusal::NoSuchMessage.into());
        }
        let named;
        let is_same = match (&earlier.entry.act, act) {
            (
                Act::Sent {
                    content: first,
                    extras: first_extras,
                    ..
                },
                Act::Sent {
                    content, extras, ..
                },
            ) => {
                let since = first_extras.as_deref();
                let files = since.map_or(&[][..], |since| &since.attachments);
                // Sent without a text, it has the names of its files.
                let content = match content.is_empty() && !files.is_empty() {
                    true => {
                        named = names_of(files).into();
                        &named
                    }
                    false => content,
                };
                let hash = since.and_then(|since| since.first_content);
                let is_edited = since.is_some_and(|since| since.edited_at.is_some());
                let is_same_text = match hash {
                    Some(hash) => hash == self.known_client_ids.lock().hash_text(content),
                    None => is_edited || first == content,
                };
                is_same_text && sent_alike(since, extras.as_deref())
            }
            _ => false,
        };
        if earlier.members != members || !is_same {
            return Err(TalkRefusal::ClientIdReused.into());
        }
        // Who left a room since sees nothing of it as it is by now.
        let reads = match (members, earlier.entry.author) {
            (Members::Room(room), Some(sender)) => {
                self.note_own_reactions(&mut earlier.entry, (room, sender))?
            }
            _ => true,
        };
        if reads {
            self.quote(&mut earlier.entry.act, members)?;
        }
        Ok(Outcome::Repeated(earlier))
    }
}

/// Returns whether two messages were sent with the same besides their texts.
fn sent_alike(one: Option<&Extras>, other: Option<&Extras>) -> bool {
    let sent = |extras: &Extras| {
        let files = extras.attachments.iter();
        Extras {
            attachments: files
                .map(|file| Attachment::named(file.id, file.alt.clone()))
                .collect(),
            auto_content: false,
            edited_at: None,
            first_content: None,
            reactions: Vec::new(),
            ..extras.clone()
        }
        .boxed()
    };
    one.and_then(sent) == other.and_then(sent)
}
