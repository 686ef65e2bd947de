//! Searching: what the index finds is read, held against the query and the state, and only then
//! given out.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};

use super::SearchError;
use super::allowed::{Allowed, Readers};
use super::folder::Folder;
use super::index::{Broken, Candidates, Index, Sizes};
use super::matching::{Match, Span, matches};
use super::plan::Plan;
use super::query::Query;
use super::settings::SearchConfig;
use super::worker::Worker;
use crate::chat::{Chat, ChatError};
use crate::metrics::SearchMetrics;
use crate::model::{ChatId, MAX_ID, MessageId, UserId};
use crate::store::{FoundMessage, Look, Looks, Store};

/// 16 searches wait at once, of which one is looked up at a time, and so many of one person, who
/// types on and asks anew before the last answer is there. More are refused.
const MAX_WAITING: usize = 16;
const MAX_WAITING_OF_ONE: usize = 4;
/// So many messages are looked at in the first go, and four times as many in each after it.
const FIRST_LOOKED_AT: usize = 64;
/// 2,048 messages are looked at for one page, some 10 ms; the next page goes on from there.
const MAX_LOOKED_AT: usize = 2_048;
/// What it costs to hold texts against the query for one page, see [`Match::cost`]: some 10 ms. The
/// next page goes on from there.
const MAX_COMPARED: usize = 1 << 20;
/// So much of that is charged like one message that is read: 32 KiB like a hundred.
const COMPARED_A_READ: usize = 328;
/// What a page may cost of the index, in some 2 ns each.
const MAX_WORK: usize = 20_000_000;
/// So much of that is charged like one message that is read.
const WORK_A_READ: usize = 4_096;

/// What is searched for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The words.
    pub query: Query,
    /// Only in this chat.
    pub chat: Option<ChatId>,
    /// Only what this account said.
    pub sender: Option<UserId>,
    /// Only messages with files.
    pub has_file: bool,
    /// Only messages before this one.
    pub before: Option<MessageId>,
    /// At most so many.
    pub limit: usize,
}

/// A message that was found, and where it has what was searched for.
#[derive(Debug)]
pub struct Hit {
    /// The message.
    pub message: FoundMessage,
    /// In UTF-16 units, half open, ascending.
    pub matches: Vec<Span>,
}

/// A page of what was found, the newest first.
#[derive(Debug)]
pub struct HitsPage {
    /// The messages.
    pub rows: Vec<Hit>,
    /// There may be more before this message.
    pub next_before: Option<MessageId>,
    /// The last entry of the log that the index has.
    pub indexed_through: u64,
    /// What it cost, in messages that were read.
    pub read: usize,
}

/// The state of the index, for whoever operates the server.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SearchReadings {
    /// How many entries of the log are not indexed yet.
    pub behind: u64,
    /// Bytes of the index's files.
    pub bytes: u64,
    /// Its files.
    pub parts: usize,
    /// Those that hold something that was edited or erased.
    pub stale_parts: usize,
}

/// The verbs of the search. Cheap to clone.
#[derive(Clone)]
pub struct Search {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) chat: Chat,
    pub(super) folder: Folder,
    pub(super) index: RwLock<Index>,
    /// Held by the one of the two threads that works for the search. Before the index is.
    pub(super) turn: Mutex<()>,
    /// What is to be known without waiting for the index.
    pub(super) status: watch::Sender<Status>,
    pub(super) metrics: SearchMetrics,
    /// Counts what asks for stale parts to be made anew, and wakes who does that.
    pub(super) purge: watch::Sender<u64>,
    /// Up to which of these that was done, and whether the last try failed.
    pub(super) purged: watch::Sender<(u64, bool)>,
    pub(super) woken: Notify,
    /// What makes the index.
    pub(super) worker: Worker,
    /// What looks up in it: it would wait for a part to be written on the other's thread.
    pub(super) lookups: Worker,
    /// What is known of the files for those who searched last.
    pub(super) readers: Readers,
    /// Whose searches wait.
    waiting: Mutex<Vec<UserId>>,
}

/// A search that waits.
struct Waiting<'a> {
    inner: &'a Inner,
    user: UserId,
}

impl Inner {
    /// Takes a place among those who wait; `None` where there is none.
    fn wait(&self, user: UserId) -> Option<Waiting<'_>> {
        let mut waiting = self.waiting.lock();
        let own = waiting.iter().filter(|other| **other == user).count();
        if waiting.len() >= MAX_WAITING || own >= MAX_WAITING_OF_ONE {
            return None;
        }
        waiting.push(user);
        Some(Waiting { inner: self, user })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.inner.waiting.lock();
        if let Some(at) = waiting.iter().position(|user| *user == self.user) {
            waiting.swap_remove(at);
        }
    }
}

/// Returns how many messages are looked at in the next go, after one of `last` and `looked_at` in
/// all.
fn next_go(last: usize, looked_at: usize) -> usize {
    (last * 4).min(MAX_LOOKED_AT.saturating_sub(looked_at))
}

impl Search {
    /// Returns the verbs over these chats, with the index that is there; [`Search::run`] makes it
    /// what it is to be.
    pub fn new(store: Store, chat: Chat, config: &SearchConfig, metrics: SearchMetrics) -> Self {
        let folder = match &config.folder {
            Some(folder) => Folder::Disk(folder.clone()),
            None => Folder::Memory(Mutex::default()),
        };
        let sizes = Sizes {
            messages: config.messages,
            bytes: config.memory,
            page: config.page(),
            span: config.span(),
        };
        let stamp = config.stamp(&store);
        let index = Index::open(&folder, stamp, store.last_entry(), sizes);
        let status = Status::of(&index, &folder);
        Self {
            inner: Arc::new(Inner {
                store,
                chat,
                folder,
                index: RwLock::new(index),
                turn: Mutex::default(),
                status: watch::Sender::new(status),
                metrics,
                purge: watch::Sender::new(0),
                purged: watch::Sender::new((0, false)),
                woken: Notify::new(),
                worker: Worker::default(),
                lookups: Worker::default(),
                readers: Readers::default(),
                waiting: Mutex::default(),
            }),
        }
    }

    /// Returns the newest messages that a person may read and that have what is wanted.
    pub async fn search(&self, user: UserId, wanted: Wanted) -> Result<HitsPage, SearchError> {
        let _place = self.inner.wait(user).ok_or(SearchError::Busy)?;
        let began = std::time::Instant::now();
        let page = self.page(user, wanted).await;
        if page.is_ok() {
            self.inner.metrics.searched(began.elapsed());
        }
        page
    }

    async fn page(&self, user: UserId, wanted: Wanted) -> Result<HitsPage, SearchError> {
        let indexed_through = self.position()?;
        let allowed = self.inner.chat.readable(user, wanted.chat).await?;
        let allowed = self.inner.readers.known(Allowed::of(allowed));
        let plan = Plan::of(&wanted.query, wanted.sender, wanted.has_file);
        let plan = Arc::new(plan);
        let mut page = HitsPage {
            rows: Vec::new(),
            next_before: None,
            indexed_through,
            read: allowed.len() / 16,
        };
        if plan.is_void {
            return Ok(page);
        }
        let mut before = wanted.before.map_or(MAX_ID + 1, MessageId::get);
        let (mut looked, mut work, mut most) = (Looked::default(), 0, FIRST_LOOKED_AT);
        let wanted = Arc::new(wanted);
        loop {
            let candidates = self.candidates(&plan, &allowed, before, most);
            let Candidates {
                ids,
                resume,
                work: cost,
            } = candidates.await?;
            work += cost;
            let is_full = self.look_at(user, &wanted, ids, &mut page, &mut looked);
            if is_full.await? {
                break;
            }
            let Some(resume) = resume else {
                break;
            };
            if looked.is_enough() || work >= MAX_WORK {
                page.next_before = MessageId::new(resume).ok();
                break;
            }
            (before, most) = (resume, next_go(most, looked.messages));
        }
        page.read += looked.messages + looked.compared / COMPARED_A_READ + work / WORK_A_READ;
        Ok(page)
    }

    /// Reads messages and adds those that have what is wanted. Returns whether the page is full, or
    /// at its end: then it says where the next one begins.
    async fn look_at(
        &self,
        user: UserId,
        wanted: &Arc<Wanted>,
        ids: Vec<u64>,
        page: &mut HitsPage,
        looked: &mut Looked,
    ) -> Result<bool, ChatError> {
        let ids: Vec<_> = ids.into_iter().flat_map(MessageId::new).collect();
        if ids.is_empty() {
            return Ok(false);
        }
        let (left, count) = (wanted.limit - page.rows.len(), ids.len());
        let (query, asked) = (Arc::clone(wanted), Arc::clone(wanted));
        let looks = Looks {
            text: Box::new(move |text: &str, has_files| query.look(text, has_files)),
            message: Box::new(move |message: &FoundMessage| asked.takes(user, message)),
            // One more, which says that there are more.
            rows: left + 1,
            cost: MAX_COMPARED.saturating_sub(looked.compared),
        };
        let found = self.inner.chat.among(user, ids, looks).await?;
        // Those that are gone were looked for, too.
        looked.messages += match found.cut_at {
            Some(_) => found.looked_at,
            None => count,
        };
        looked.compared += found.cost;
        for (message, matches) in found.rows {
            if page.rows.len() == wanted.limit {
                page.next_before = page.rows.last().map(|hit| hit.message.id());
                return Ok(true);
            }
            page.rows.push(Hit { message, matches });
        }
        page.next_before = found.cut_at;
        Ok(found.cut_at.is_some())
    }

    /// Returns what the index finds, one search at a time, on a thread that stands back behind
    /// those who take and tell messages.
    async fn candidates(
        &self,
        plan: &Arc<Plan>,
        allowed: &Arc<Allowed>,
        before: u64,
        most: usize,
    ) -> Result<Candidates, SearchError> {
        let (plan, allowed) = (Arc::clone(plan), Arc::clone(allowed));
        let inner = Arc::clone(&self.inner);
        let looked_up = self.inner.lookups.run(move || {
            let _turn = inner.turn.lock();
            let found = {
                let index = inner.index.read();
                index.find(&inner.folder, &plan, &allowed, before, most, MAX_WORK)
            };
            if let Err(broken) = &found {
                inner.index.write().note_broken(*broken);
                inner.note();
            }
            found
        });
        let found = looked_up.await.ok().flatten();
        let found = found.ok_or(ChatError::Internal)?;
        found.map_err(|Broken(number)| {
            tracing::error!(
                number,
                "a file of the search's index is damaged; it is made anew"
            );
            self.inner.woken.notify_one();
            self.indexing()
        })
    }

    fn indexing(&self) -> SearchError {
        let (newest, made) = (
            self.inner.store.last_entry(),
            self.inner.status.borrow().made,
        );
        SearchError::Indexing {
            progress: (made as f64 / newest.max(1) as f64).clamp(0.0, 1.0),
        }
    }

    /// Returns the last entry that is indexed; an error while not all is that was there at the
    /// start.
    fn position(&self) -> Result<u64, SearchError> {
        let status = *self.inner.status.borrow();
        match status.is_complete {
            true => Ok(status.position),
            false => Err(self.indexing()),
        }
    }

    /// Makes the parts anew that hold something that was edited or erased before. Returns once no
    /// file has anything of it; `false` where that failed.
    pub async fn purge(&self) -> bool {
        let mut purged = self.inner.purged.subscribe();
        let mut wanted = 0;
        self.inner.purge.send_modify(|count| {
            *count += 1;
            wanted = *count;
        });
        self.inner.woken.notify_one();
        let done = purged.wait_for(|(count, has_failed)| *count >= wanted || *has_failed);
        done.await.is_ok_and(|done| done.0 >= wanted)
    }

    /// The state of the index.
    pub fn readings(&self) -> SearchReadings {
        let status = *self.inner.status.borrow();
        let newest = self.inner.store.last_entry();
        SearchReadings {
            behind: newest.saturating_sub(status.position),
            ..status.readings
        }
    }
}

#[cfg(test)]
impl Search {
    /// Returns once everything up to an entry is indexed.
    pub(super) async fn reached(&self, entry: u64) {
        let mut status = self.inner.status.subscribe();
        let reached = |status: &Status| status.is_complete && status.position >= entry;
        assert!(status.wait_for(reached).await.is_ok());
    }
}

/// What is known of the index without waiting for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Status {
    is_complete: bool,
    position: u64,
    /// How many entries are in it.
    made: u64,
    readings: SearchReadings,
}

impl Status {
    fn of(index: &Index, folder: &Folder) -> Self {
        Self::with(index, folder.bytes())
    }

    fn with(index: &Index, bytes: u64) -> Self {
        let stale = index.parts.iter().filter(|part| part.is_stale());
        Self {
            is_complete: index.is_complete,
            position: index.position,
            made: index.made(),
            readings: SearchReadings {
                behind: 0,
                bytes,
                parts: index.parts.len(),
                stale_parts: stale.count(),
            },
        }
    }
}

impl Inner {
    /// Returns whether all that was there at the start is indexed.
    pub(super) fn is_complete(&self) -> bool {
        self.status.borrow().is_complete
    }

    /// Notes how the index is, for those who do not wait for it.
    pub(super) fn note(&self) {
        let bytes = self.status.borrow().readings.bytes;
        let status = Status::with(&self.index.read(), bytes);
        self.status.send_replace(status);
    }

    /// The same, once files were written or removed.
    pub(super) fn note_files(&self) {
        let status = Status::of(&self.index.read(), &self.folder);
        self.status.send_replace(status);
    }
}

impl Wanted {
    /// Holds the text of a message against what is wanted.
    fn look(&self, text: &str, has_files: bool) -> Look<Vec<Span>> {
        let Match { spans, cost } = matches(&self.query, text);
        Look {
            found: spans.filter(|_| has_files || !self.has_file),
            cost,
        }
    }

    /// Returns whether a message is of the chat and the sender that are wanted.
    fn takes(&self, user: UserId, message: &FoundMessage) -> bool {
        let is_of_sender = self.sender.is_none_or(|sender| sender == message.sender());
        is_of_sender && self.chat.is_none_or(|chat| chat == message.chat(user))
    }
}

/// What was looked at for a page.
#[derive(Debug, Clone, Copy, Default)]
struct Looked {
    messages: usize,
    /// What it cost to hold their texts against the query.
    compared: usize,
}

impl Looked {
    /// Returns whether no more is looked at.
    fn is_enough(self) -> bool {
        self.messages >= MAX_LOOKED_AT || self.compared >= MAX_COMPARED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_messages_are_looked_at_for_a_page_than_may_be() {
        let (mut most, mut looked_at) = (FIRST_LOOKED_AT, FIRST_LOOKED_AT);
        while looked_at < MAX_LOOKED_AT {
            most = next_go(most, looked_at);
            looked_at += most;
        }
        assert_eq!(looked_at, MAX_LOOKED_AT);
    }
}
