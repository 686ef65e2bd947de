//! An open store whose answers are waited for, and the changes and outcomes of the tests.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::model::{
    Act, ClientId, EntryId, Message, MessageChange, MessageId, Notice, RoomHistory, RoomKind,
    RoomPost, Timestamp, UserId, Username,
};
use crate::store::maintain::Judging;
use crate::store::*;

/// A sweep every few entries, so that all of its steps are met.
pub(crate) const OPTIONS: StoreOptions = StoreOptions {
    commit_interval: Duration::ZERO,
    sweep_every: 16,
    retry_after: Duration::ZERO,
    page_cache: 64 << 20,
    newest_messages: 8 << 20,
    queued_changes: 64 << 20,
    client_ids: 1_000_000,
    first_user_id: 1,
    edit_window: Some(DEFAULT_EDIT_WINDOW),
    first_contact: crate::model::FirstContact::Everyone,
    // Tests have times of their own.
    clock_trial: Duration::ZERO,
};

/// An open room that anybody may read and write in.
pub(crate) fn ops() -> NewRoom {
    NewRoom {
        name: "Ops".into(),
        topic: "".into(),
        avatar: None,
        kind: RoomKind::Open,
        history: RoomHistory::All,
        post: RoomPost::All,
    }
}

/// An import takes every hash of a password, and brings no files.
pub(super) fn judging() -> Judging<'static> {
    Judging {
        now: Timestamp::now(),
        password_hash: &|hash| Ok(hash.into()),
        file: &|_| Err("there are no files".into()),
    }
}

/// An open store whose batches are answered by a thread of its own.
pub(crate) struct Open {
    pub(crate) store: Store,
    teller: std::thread::JoinHandle<()>,
}

impl Open {
    pub(crate) fn at(location: &Location) -> Result<Self, OpenError> {
        Self::with(|done| Store::open(location, OPTIONS, done))
    }

    /// One that sweeps only when it is closed, unless so many entries are sent before.
    pub(crate) fn sweeping_every(entries: u64, location: &Location) -> Self {
        let options = StoreOptions {
            sweep_every: entries,
            ..OPTIONS
        };
        Self::with(|done| Store::open(location, options, done)).unwrap()
    }

    pub(super) fn with(
        open: impl FnOnce(mpsc::Sender<Vec<Done>>) -> Result<Store, OpenError>,
    ) -> Result<Self, OpenError> {
        let (done, mut batches) = mpsc::channel::<Vec<Done>>(BATCHES);
        let store = open(done)?;
        let teller = std::thread::spawn(move || {
            while let Some(batch) = batches.blocking_recv() {
                batch.into_iter().for_each(|done| done.tell(drop));
            }
        });
        Ok(Self { store, teller })
    }

    pub(crate) fn memory() -> Self {
        Self::at(&Location::Memory).unwrap()
    }

    pub(crate) fn apply(&self, now: u64, change: Change) -> Result<Committed, StoreError> {
        let (answer, answered) = std::sync::mpsc::channel();
        let answer: Answer = Box::new(move |result| answer.send(result).unwrap());
        self.store.submit(Timestamp::from_ms(now), change, answer);
        answered.recv().unwrap()
    }

    pub(crate) fn with_users(self, count: u64) -> Self {
        for number in 1..=count {
            assert!(matches!(
                self.apply(0, new_user(&format!("user{number}"))),
                Ok(Committed::User(_))
            ));
        }
        self
    }

    /// Hands all of these in before it waits for their answers.
    pub(crate) fn apply_all(
        &self,
        now: u64,
        changes: impl IntoIterator<Item = Change>,
    ) -> Vec<Result<Committed, StoreError>> {
        let mut waiting = std::collections::VecDeque::new();
        let mut answers = Vec::new();
        for change in changes {
            // Fewer than the queue takes.
            if waiting.len() == 1_000 {
                let answered: std::sync::mpsc::Receiver<_> = waiting.pop_front().unwrap();
                answers.push(answered.recv().unwrap());
            }
            let (answer, answered) = std::sync::mpsc::channel();
            let answer: Answer = Box::new(move |result| answer.send(result).unwrap());
            self.store.submit(Timestamp::from_ms(now), change, answer);
            waiting.push_back(answered);
        }
        answers.extend(waiting.into_iter().map(|answered| answered.recv().unwrap()));
        answers
    }

    pub(crate) fn send(&self, from: u64, to: u64, content: &str) -> Message {
        sent(self.apply(0, message(from, to, content, None))).0
    }

    pub(super) fn read<R>(&self, query: impl FnOnce(&Snapshot<'_>) -> Result<R, ReadError>) -> R {
        query(&Snapshot::new(&self.store.intake.data)).unwrap()
    }

    /// Erases what is older than this, as the server does it.
    pub(super) fn retain(&self, than: u64, now: u64) {
        let [than, at] = [than, now].map(Timestamp::from_ms);
        loop {
            let expired = self.read(|snapshot| snapshot.expired(Older { than, now: at }));
            let (through, is_last) = (expired.through, expired.is_last);
            let many = expired.chats.into_iter().map(|messages| EraseMany {
                messages,
                sender: None,
                all_of: None,
            });
            let many: Vec<_> = many.collect();
            if !many.is_empty() || !is_last {
                self.apply(now, Change::Retain { many, through }).unwrap();
            }
            if is_last {
                return;
            }
        }
    }

    /// Erases the messages of a chat, likewise: those of one sender, or those older than this.
    pub(super) fn erase_in(
        &self,
        chat: Erasable,
        sender: Option<u64>,
        than: Option<u64>,
        now: u64,
    ) {
        let older = than.map(|than| Older {
            than: Timestamp::from_ms(than),
            now: Timestamp::from_ms(now),
        });
        let mut after = 0;
        loop {
            let found =
                self.read(|snapshot| snapshot.to_erase(chat, sender.map(user), older, after));
            let Some(found) = found else { return };
            let is_last = found.is_last;
            after = found.through;
            let many = EraseMany {
                messages: found.messages,
                sender: sender.map(user),
                all_of: Some(after).filter(|_| is_last && than.is_none()),
            };
            self.apply(now, Change::EraseMany(vec![many])).unwrap();
            if is_last {
                return;
            }
        }
    }

    pub(crate) fn history(
        &self,
        user_id: u64,
        peer: u64,
        before: Option<u64>,
        after: Option<u64>,
        limit: usize,
    ) -> (Vec<u64>, bool) {
        let query = HistoryQuery {
            before: before.map(id),
            after: after.map(id),
            limit,
        };
        let page = self.read(|snapshot| snapshot.history(user(user_id), user(peer), query));
        (
            page.rows.iter().map(|row| row.message.id.get()).collect(),
            page.has_more,
        )
    }

    pub(crate) fn close(self) {
        self.store.close();
        self.teller.join().unwrap();
    }
}

pub(crate) fn user(number: u64) -> UserId {
    UserId::new(number).unwrap()
}

pub(crate) fn id(number: u64) -> MessageId {
    MessageId::new(number).unwrap()
}

pub(crate) fn new_user(name: &str) -> Change {
    Change::CreateUser(NewUser {
        username: Username::registered(name).unwrap(),
        name: None,
        avatar: None,
        password_hash: Some("hash".into()),
        is_admin: false,
        is_bot: false,
        only_if_first: false,
        invite: None,
    })
}

pub(crate) fn message(from: u64, to: u64, content: &str, client_id: Option<&str>) -> Change {
    let client_id = client_id.map(|text| ClientId::new(text).unwrap());
    let (from, to) = (user(from), user(to));
    Change::Talk(Talk::send(from, to, content.into(), client_id))
}

pub(crate) fn sent(result: Result<Committed, StoreError>) -> (Message, bool) {
    sent_as(result.unwrap()).unwrap_or_else(|other| panic!("{other:?}"))
}

/// The message of an outcome, and whether it is new.
pub(crate) fn sent_as(committed: Committed) -> Result<(Message, bool), Box<Committed>> {
    match committed {
        Committed::Talk(Outcome::Entry(notice)) if is_message(&notice) => {
            Ok((notice.into_message().unwrap(), true))
        }
        Committed::Talk(Outcome::Repeated(notice)) => Ok((notice.into_message().unwrap(), false)),
        other => Err(Box::new(other)),
    }
}

fn is_message(notice: &Notice) -> bool {
    matches!(notice.entry.act, Act::Sent { .. })
}

impl Talk {
    /// Gives a message of the author's own another text.
    pub(crate) fn edit(author: UserId, message: MessageId, content: Arc<str>) -> Self {
        let content = Some(content);
        Self::change(author, message, MessageChange::Edited { content })
    }

    /// Erases a message of the author's own.
    pub(crate) fn delete(author: UserId, message: MessageId) -> Self {
        Self::change(author, message, MessageChange::Deleted { by: None })
    }

    /// Puts an emoji on a message, or takes it away.
    pub(crate) fn react(author: UserId, message: MessageId, emoji: Arc<str>, on: bool) -> Self {
        Self::change(author, message, MessageChange::Reacted { emoji, on })
    }
}

pub(crate) fn mark(reader: u64, message: MessageId) -> Change {
    Change::Talk(Talk::read(user(reader), message))
}

pub(crate) fn mark_chat(reader: u64, peer: u64, up_to: Option<u64>) -> Change {
    let up_to = up_to.map(id);
    Change::Talk(Talk::read_up_to(user(reader), user(peer), up_to))
}

/// What a mark of a chat came to.
pub(crate) struct ChatRead {
    pub(crate) up_to: MessageId,
    pub(crate) count: u64,
    pub(crate) changed: Vec<MessageId>,
    pub(crate) entry: Option<EntryId>,
}

pub(crate) fn chat_read(result: Result<Committed, StoreError>) -> ChatRead {
    let (entry, act) = match result.unwrap() {
        Committed::Talk(Outcome::Entry(notice)) => (Some(notice.entry.id), notice.entry.act),
        Committed::Talk(Outcome::Nothing(act)) => (None, act),
        other => panic!("{other:?}"),
    };
    match act {
        Act::ReadUpTo { message, marked } => ChatRead {
            up_to: message,
            count: marked.count,
            changed: marked.newest.to_vec(),
            entry,
        },
        other => panic!("{other:?}"),
    }
}
