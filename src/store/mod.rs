//! The data file: what is confirmed is in it, and what is in it is checked when it is read.
//!
//! [`Store::submit`] queues a change for the one writer (`writer.rs`) and returns; its answer comes with the batch it
//! was committed in, in commit order, through the channel given to [`Store::open`]. [`Store::read`] runs a query on a
//! snapshot, beside the async threads unless memory has all of it, and never waits for the disk of the writer. Nobody else of the house says redb.
//!
//! The truth is one append-only log (`tables.rs`, `record.rs`); unread counts, recents and read marks are derived from
//! it and live in memory (`state.rs`).

mod accounts;
mod chain;
mod client_ids;
mod conversations;
mod entries;
mod eras;
mod guard;
mod holder;
mod invites;
mod log;
pub mod maintain;
mod medium;
mod missed;
mod names;
mod queue;
mod reader;
mod readset;
mod recency;
mod record;
mod room;
mod schema;
mod staging;
mod state;
mod sweep;
mod tables;
mod tail;
mod users;
mod writer;

#[cfg(test)]
mod costs;
#[cfg(test)]
mod cuts;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use redb::backends::InMemoryBackend;
use redb::{Database, DatabaseError, StorageError};
use tokio::sync::{Semaphore, mpsc};

pub use accounts::{PutBy, PutUser, UserChange};
pub use holder::Holder;
pub use invites::Invite;
pub use missed::{MAX_MISSED, Missed, MissedChange};
pub use reader::{HistoryQuery, HistoryRow, Page, Recent, Snapshot};
pub use room::Shortage;

use crate::budget::{Budget, memory_of_this_process};
use crate::model::{
    ChatRead, ClientId, CursorKeys, MadeBy, Message, MessageId, MessageRead, Pair, Timestamp, User,
    UserId, Username,
};
use guard::guarded;
use medium::{Backend, LockedFile, Medium};
use queue::Queue;
use schema::Loaded;
use state::State;
use tail::Tail;
use writer::{Job, Writer};

/// 3 ms: a crowd's changes share a commit, which writes a fifth to a tenth as much to the device, and nobody notices.
pub const DEFAULT_COMMIT_INTERVAL: Duration = Duration::from_millis(3);
/// 500 ms: soon enough for whoever waits, seldom enough for a file that takes long to open.
pub const DEFAULT_RETRY_AFTER: Duration = Duration::from_millis(500);
/// How often the log says how far a long opening is.
const PROGRESS: Duration = Duration::from_secs(2);
/// How many queries may read at once; more wait. A cold read holds a thread for as long as the disk takes.
const CONCURRENT_READS: usize = 8;
/// How many batches may wait to be told; the writer waits beyond it.
pub const BATCHES: usize = 8;

/// Where the data lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In this file, made if absent.
    File(PathBuf),
    /// In memory, gone with the process.
    Memory,
}

/// Why a data file could not be opened. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the data file is in use by {holder}: stop that one, or give this one another --data")]
    InUse {
        /// That process.
        holder: Holder,
    },
    /// A newer chatd wrote it.
    #[error(
        "the data file has format {found}, this chatd knows formats up to {known}: use a newer chatd"
    )]
    Newer {
        /// The file's format.
        found: u32,
        /// The newest format of this program.
        known: u32,
    },
    /// It is a file of something else.
    #[error("the data file is not one of chatd: give another --data")]
    Foreign,
    /// The path cannot be used.
    #[error("the data file cannot be opened: check the path and its permissions")]
    Io(#[source] std::io::Error),
    /// It is damaged.
    #[error("the data file is damaged: restore a backup")]
    Damaged(#[source] StoreError),
}

/// Why a change or a query failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No account has this id.
    #[error("no such user")]
    NoSuchUser,
    /// No message has this id, or the caller is no part of it.
    #[error("no such message")]
    NoSuchMessage,
    /// Only its receiver may mark a message read.
    #[error("only its receiver may mark a message read")]
    NotReceiver,
    /// A conversation needs two people.
    #[error("a conversation needs two people")]
    SamePerson,
    /// The client id stands for another message.
    #[error("the client id was used for another message")]
    ClientIdReused,
    /// Another account has this name.
    #[error("the username is taken")]
    UsernameTaken,
    /// Somebody must be left who may use the admin routes.
    #[error("the last enabled administrator stays one")]
    LastAdmin,
    /// The account's tokens were revoked after the caller had shown theirs.
    #[error("the account's tokens were revoked meanwhile")]
    Revoked,
    /// No invite has this code, or it has expired or was used up.
    #[error("no such invite, or it is used up or expired")]
    InvalidInvite,
    /// So many invites are kept.
    #[error("there are too many invites")]
    TooManyInvites,
    /// There is an account already, and this one was to be the first.
    #[error("there is an account already")]
    NotFirst,
    /// The queue of the writer is full: try again shortly.
    #[error("too many changes are waiting to be written")]
    Busy,
    /// No more ids below 2^53.
    #[error("the ids are used up")]
    Full,
    /// The disk refused, or the store is closing; whether the change was stored is not known.
    #[error("the store cannot write")]
    Unavailable,
    /// A record that is absent or whose checksum is wrong.
    #[error("record {key} of table {table} is missing or damaged")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The record's key.
        key: u64,
    },
    /// redb failed.
    #[error("the database failed")]
    Database(#[source] Arc<redb::Error>),
}

impl StoreError {
    /// What the operating system refused with, where it was that which refused.
    pub fn refusal(&self) -> Option<std::io::ErrorKind> {
        match self {
            Self::Database(error) => match &**error {
                redb::Error::Io(error) => Some(error.kind()),
                _ => None,
            },
            _ => None,
        }
    }

    /// For tests: what the operating system refused with this.
    #[cfg(test)]
    pub(crate) fn refused(kind: std::io::ErrorKind) -> Self {
        StorageError::Io(kind.into()).into()
    }
}

/// Every error of redb becomes the same variant: nobody acts on the differences.
macro_rules! from_redb {
    ($($error:ty),*) => {
        $(impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Database(Arc::new(error.into()))
            }
        })*
    };
}
from_redb!(
    StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::CursorError,
    DatabaseError
);

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Damaged(error)
    }
}

/// A change to be written.
#[derive(Debug, Clone)]
pub enum Change {
    /// A message. Its content is checked already.
    Send {
        /// Whose it is.
        sender: UserId,
        /// Whom it is for.
        receiver: UserId,
        /// The text.
        content: Arc<str>,
        /// The sender's own name for it.
        client_id: Option<ClientId>,
    },
    /// One message was read.
    MarkRead {
        /// By whom.
        reader: UserId,
        /// Which.
        message: MessageId,
    },
    /// All messages of a peer were read, up to and including `up_to` where given.
    MarkChatRead {
        /// By whom.
        reader: UserId,
        /// Whose messages.
        peer: UserId,
        /// The last one that was read.
        up_to: Option<MessageId>,
    },
    /// A new account.
    CreateUser(NewUser),
    /// An account is to be another.
    ChangeUser {
        /// Whose.
        user: UserId,
        /// In what.
        change: UserChange,
    },
    /// An account with a given id.
    PutUser(PutUser),
    /// A new invite, of a code that no other has.
    CreateInvite(Invite),
    /// The invite of this code is to be no more.
    RevokeInvite(Arc<str>),
    /// An account's last socket closed.
    Seen {
        /// Whose.
        user: UserId,
        /// When.
        at: Timestamp,
    },
}

impl Change {
    /// Whose conversation it is about, where that can be told without reading.
    fn pair(&self) -> Option<Pair> {
        match self {
            Self::Send {
                sender, receiver, ..
            } => Pair::new(*sender, *receiver),
            Self::MarkChatRead { reader, peer, .. } => Pair::new(*reader, *peer),
            _ => None,
        }
    }
}

/// An account to be made.
#[derive(Clone)]
pub struct NewUser {
    /// Its name, which must be free.
    pub username: Username,
    /// Its picture.
    pub avatar: Option<Arc<str>>,
    /// The password's argon2id hash in PHC string form.
    pub password_hash: Arc<str>,
    /// Whether it may use the admin routes.
    pub is_admin: bool,
    /// Make it only if no account exists.
    pub only_if_first: bool,
    /// Make it only if this invite can be used once more, and use it.
    pub invite: Option<Arc<str>>,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// What a change came to, once it is on disk.
#[derive(Debug, Clone)]
pub enum Committed {
    /// A message is stored; it was already, under the same client id, unless it is `fresh`.
    Sent {
        /// The message.
        message: Message,
        /// Whether this change stored it.
        fresh: bool,
    },
    /// One message is read.
    Read(MessageRead),
    /// A chat is read.
    ChatRead(ChatRead),
    /// An account is as given here.
    User(Arc<User>),
    /// An invite is as given here.
    Invite(Invite),
    /// An invite is no more.
    InviteRevoked,
    /// An account that was put under its id is as given here.
    Put {
        /// The account.
        user: Arc<User>,
        /// Whether it was made now.
        created: bool,
    },
}

/// Called once with what became of a change.
pub type Answer = Box<dyn FnOnce(Result<Committed, StoreError>) + Send>;

/// A change that was decided, with whom to tell.
pub enum Done {
    /// Its answer is to be called with what became of it.
    Answered {
        /// What became of it.
        result: Result<Committed, StoreError>,
        /// Who asked.
        answer: Answer,
    },
    /// It was answered with [`StoreError::Unavailable`], and turned out to be on disk: those concerned are to hear of it.
    Late(Committed),
}

impl Done {
    /// Calls the answer; `late` where there is none any more.
    pub fn tell(self, late: impl FnOnce(Committed)) {
        match self {
            Self::Answered { result, answer } => answer(result),
            Self::Late(committed) => late(committed),
        }
    }
}

/// What an open store is told once.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// Where changes come faster than commits: from the beginning of one to that of the next. Zero for none.
    pub commit_interval: Duration,
    /// How many entries are appended from one sweep of what is derived to the next; a start replays at most twice as
    /// many. The more, the more changes of a row are written at once: 1,048,576 on a machine with 1 GiB of memory. Twice as
    /// many are replayed in some 0.8 s, and only after an unclean stop, when the whole file is checked anyway.
    pub sweep_every: u64,
    /// redb's page cache, in bytes. It is filled by what is read.
    pub page_cache: usize,
    /// The end of the log in memory, in bytes.
    pub newest_messages: usize,
    /// Changes that wait for the writer, in bytes of content.
    pub queued_changes: usize,
    /// Client ids in memory, beside those of entries that no sweep has written yet.
    pub client_ids: usize,
    /// The least id that is given to an account.
    pub first_user_id: u64,
    /// How long after a failure of the disk it is tried again; after each further failure twice as long, up to 30 s.
    pub retry_after: Duration,
}

impl StoreOptions {
    /// Returns the usual ones, within this budget.
    pub fn within(budget: &Budget) -> Self {
        Self {
            commit_interval: DEFAULT_COMMIT_INTERVAL,
            sweep_every: budget.checkpoint_entries,
            first_user_id: 1,
            retry_after: DEFAULT_RETRY_AFTER,
            page_cache: budget.page_cache,
            newest_messages: budget.newest_messages,
            queued_changes: budget.queued_changes,
            client_ids: budget.client_ids,
        }
    }

    /// Returns those of a command that reads a whole file and writes none of what is derived.
    fn of_command() -> Self {
        Self {
            sweep_every: u64::MAX,
            client_ids: usize::MAX,
            ..Self::within(&Budget::for_memory(memory_of_this_process().bytes))
        }
    }
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self::within(&Budget::default())
    }
}

/// One opening of the database.
struct Opened {
    db: Arc<Database>,
    backend: Backend,
}

impl Opened {
    /// Whether what it writes is held back in memory.
    fn is_holding(&self) -> bool {
        self.backend.is_holding()
    }

    fn release(&self) -> std::io::Result<()> {
        self.backend.release()
    }
}

impl Opened {
    /// Brings it to this format, and reads what a start must know. Nothing is changed in a file that is not chatd's.
    fn load(
        &self,
        options: &StoreOptions,
        cursor_keys: &CursorKeys,
    ) -> Result<(Loaded, Option<Timestamp>), OpenError> {
        let loading = guarded(|| {
            let found = schema::format(&self.db).inspect_err(|_| self.give_up())?;
            self.release().map_err(OpenError::Io)?;
            schema::prepare(&self.db, found)?;
            schema::migrate_log(&self.db, schema::MIGRATED_BYTES)?;
            put_to_use(&self.db)?;
            cursor_keys.set(eras::read(&self.db)?);
            let tokens_from = schema::tokens_from(&self.db)?;
            Ok((schema::load_or_derive(&self.db, options)?, tokens_from))
        });
        loading.unwrap_or_else(|panic| {
            self.give_up();
            // What it holds is half changed, and closing it might panic again.
            std::mem::forget(Arc::clone(&self.db));
            Err(panic.into())
        })
    }

    /// Closes the database, so that the next start need not check it. What was held back is lost. Returns
    /// `false` where a reader that is at work keeps it open for a moment longer; then it closes by itself.
    fn close(self) -> Result<bool, DatabaseError> {
        if self.is_holding() {
            self.give_up();
            return Ok(true);
        }
        match Arc::into_inner(self.db) {
            Some(db) => db.close().map(|()| true),
            None => Ok(false),
        }
    }

    /// Closes the database without another byte written.
    fn give_up(&self) {
        self.backend.give_up();
    }
}

struct Inner {
    medium: Arc<dyn Medium>,
    /// `None` while it cannot be opened at all.
    database: RwLock<Option<Opened>>,
    state: RwLock<State>,
    tail: RwLock<Tail>,
    cursor_keys: CursorKeys,
    tokens_from: Option<Timestamp>,
    queue: Queue,
    /// Whether the last transaction was taken by the disk.
    writable: AtomicBool,
    /// Whether a reader met an error after which redb refuses everything.
    suspect: AtomicBool,
    /// How many rounds the writer has made.
    turns: AtomicU64,
}

impl Inner {
    fn database(&self) -> Result<Arc<Database>, StoreError> {
        let place = self.database.read();
        let opened = place.as_ref().ok_or(StoreError::Unavailable)?;
        Ok(Arc::clone(&opened.db))
    }

    fn has_room(&self, bytes: u64) -> bool {
        self.medium.free().is_none_or(|free| free >= bytes)
    }

    fn set_writable(&self, writable: bool) {
        self.writable.store(writable, Ordering::Release);
    }

    fn is_suspect(&self) -> bool {
        self.suspect.load(Ordering::Acquire)
    }

    fn clear_suspicion(&self) {
        self.suspect.store(false, Ordering::Release);
    }

    /// A reader met an error of the database: the writer is to open it anew.
    fn suspect(&self) {
        self.suspect.store(true, Ordering::Release);
        self.queue.poke();
    }
}

/// The open data file. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    reads: Arc<Semaphore>,
    writer: Arc<Mutex<Option<std::thread::JoinHandle<()>>>>,
    /// One backup at a time.
    backups: Arc<Semaphore>,
    copier: Arc<Mutex<Option<maintain::Copier>>>,
    /// Beside the data file: what a backup is called for a moment.
    backup_name: Arc<Path>,
}

impl Store {
    /// Opens or makes the data and starts the writer. What is committed goes to `done`, a batch a transaction; that
    /// channel should hold [`BATCHES`]. Blocks: for a moment after a clean stop, else for as long as it takes to read the
    /// whole file, which is then checked page by page; the log says how far it is.
    pub fn open(
        location: &Location,
        options: StoreOptions,
        done: mpsc::Sender<Vec<Done>>,
    ) -> Result<Self, OpenError> {
        match location {
            Location::File(path) => {
                let mut store = Self::open_on(Arc::new(LockedFile::open(path)?), options, done)?;
                let mut name = path.as_os_str().to_owned();
                name.push(".backup");
                store.backup_name = PathBuf::from(name).into();
                Ok(store)
            }
            Location::Memory => Self::open_on(Arc::new(InMemoryBackend::new()), options, done),
        }
    }

    fn open_on(
        medium: Arc<dyn Medium>,
        options: StoreOptions,
        done: mpsc::Sender<Vec<Done>>,
    ) -> Result<Self, OpenError> {
        let opened = open_database(&medium, options.page_cache)?;
        let cursor_keys = CursorKeys::default();
        let (loaded, tokens_from) = opened.load(&options, &cursor_keys)?;
        let Loaded {
            state,
            sweep,
            client_ids,
        } = loaded;
        let inner = Arc::new(Inner {
            medium,
            database: RwLock::new(Some(opened)),
            state: RwLock::new(state),
            tail: RwLock::new(Tail::new(options.newest_messages)),
            cursor_keys,
            tokens_from,
            queue: Queue::new(options.commit_interval, options.queued_changes),
            writable: AtomicBool::new(true),
            suspect: AtomicBool::new(false),
            turns: AtomicU64::new(0),
        });
        let writer = Writer::new(Arc::clone(&inner), done, options, client_ids, sweep);
        let writer = std::thread::Builder::new()
            .name("chatd-writer".into())
            .spawn(move || writer.run())
            .map_err(OpenError::Io)?;
        Ok(Self {
            inner,
            reads: Arc::new(Semaphore::new(CONCURRENT_READS)),
            writer: Arc::new(Mutex::new(Some(writer))),
            backups: Arc::new(Semaphore::new(1)),
            copier: Arc::default(),
            backup_name: std::env::temp_dir()
                .join(format!("chatd-{}.backup", std::process::id()))
                .into(),
        })
    }

    /// Whether changes can be written: the disk has room and took the last transaction.
    pub fn is_writable(&self) -> bool {
        self.inner.writable.load(Ordering::Acquire)
    }

    /// Too little room on the disk, where there is.
    pub fn shortage(&self) -> Option<Shortage> {
        let free = self.inner.medium.free()?;
        (free < room::RESERVE_BYTES).then_some(Shortage { free })
    }

    /// How many changes wait for the writer, and how many bytes of content.
    pub fn queued(&self) -> (usize, usize) {
        self.inner.queue.waiting()
    }

    /// How many rounds the writer has made, and has it make another. A number that stands still from one call to a later
    /// one shows a writer that hangs: in the disk, or because nobody takes its batches.
    pub fn pulse(&self) -> u64 {
        let turns = self.inner.turns.load(Ordering::Relaxed);
        self.inner.queue.poke();
        turns
    }

    /// The time of the newest entry of the log, before which none is put; 1970 where there is none.
    pub fn last_at(&self) -> Timestamp {
        self.inner.state.read().last_at
    }

    /// Queues a change. Never waits: where the queue is full, or the store is closing, `answer` gets the error at once.
    pub fn submit(&self, now: Timestamp, change: Change, answer: Answer) {
        self.inner.queue.push(Job {
            now,
            change,
            answer,
        });
    }

    /// [`Store::submit`], for those who wait.
    pub async fn apply(&self, now: Timestamp, change: Change) -> Result<Committed, StoreError> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        // A caller that went away is no reason to fail: the change is stored all the same.
        self.submit(
            now,
            change,
            Box::new(move |result| drop(answer.send(result))),
        );
        answered.await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// Runs a query on a snapshot: at once where the end of the log in memory has all that it asks for and that is not
    /// much, else anew on a thread that may block.
    pub async fn read<R: Send + 'static>(
        &self,
        query: impl Fn(&Snapshot<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        {
            let memory = Snapshot::of_memory(&self.inner);
            let answer = query(&memory);
            if !memory.exceeded() {
                return answer;
            }
        }
        let permit = Arc::clone(&self.reads)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Unavailable)?;
        let inner = Arc::clone(&self.inner);
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let result = query(&Snapshot::new(&inner));
            if let Err(StoreError::Database(_)) = &result {
                inner.suspect();
            }
            result
        });
        // redb panics on some damaged pages; whoever asked is told no more than of any other failure.
        reading.await.map_err(|_| StoreError::Unavailable)?
    }

    /// The secret that signs chatd's own tokens, 32 bytes, made with the file, and anew where a backup is put to use.
    pub fn token_secret(&self) -> Result<Vec<u8>, StoreError> {
        schema::token_secret(&*self.inner.database()?)
    }

    /// The keys that seal cursors, as they are from now on.
    pub fn cursor_keys(&self) -> CursorKeys {
        self.inner.cursor_keys.clone()
    }

    /// When a backup was last put to use as this file, if that ever was: of tokens that another system issued before, the
    /// file may not know that they were revoked.
    pub fn tokens_from(&self) -> Option<Timestamp> {
        self.inner.tokens_from
    }

    /// The newest entry of the log; 0 where there is none.
    pub fn last_entry(&self) -> u64 {
        self.inner.state.read().last_entry
    }

    /// An account, from memory.
    pub fn user(&self, id: UserId) -> Option<Arc<User>> {
        self.inner.state.read().directory.get(id).cloned()
    }

    /// The account of this name, compared as names are, from memory.
    pub fn user_by_name(&self, name: &str) -> Option<Arc<User>> {
        let state = self.inner.state.read();
        state
            .directory
            .by_name(name)
            .and_then(|id| state.directory.get(id))
            .cloned()
    }

    /// The accounts whose id is greater than this one, ascending by id, and whether there are more.
    pub fn users_after(&self, after: u64, limit: usize) -> (Vec<Arc<User>>, bool) {
        let mut users: Vec<_> = {
            let state = self.inner.state.read();
            let later = state.directory.after(after).take(limit + 1);
            later.map(Arc::clone).collect()
        };
        let has_more = users.len() > limit;
        users.truncate(limit);
        (users, has_more)
    }

    /// About how many conversations a person has: at least their number, and at most some twice that for either order.
    pub fn chats(&self, user: UserId) -> usize {
        self.inner.state.read().touches(user)
    }

    /// Every invite that is kept, the newest first.
    pub fn invites(&self) -> Vec<Invite> {
        let mut invites: Vec<_> = self.inner.state.read().invites.iter().cloned().collect();
        invites.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
        invites.into_iter().map(|(_, invite)| invite).collect()
    }

    /// The invite of this code.
    pub fn invite(&self, code: &str) -> Option<Invite> {
        self.inner.state.read().invites.get(code).cloned()
    }

    /// The accounts with ids below this one that no app has made, ascending.
    pub fn users_made_here_below(&self, id: u64) -> Vec<UserId> {
        let state = self.inner.state.read();
        let users = state.directory.iter();
        let made_here = users.filter(|user| user.made_by == MadeBy::Here && user.id.get() < id);
        let mut ids: Vec<_> = made_here.map(|user| user.id).collect();
        ids.sort_unstable();
        ids
    }

    /// Whether there is no account yet.
    pub fn has_no_users(&self) -> bool {
        self.inner.state.read().directory.is_empty()
    }

    /// The accounts whose name contains this text, without case, except one: by name, those that start with it first. Costs
    /// a few names looked at, mostly; how many blocks of some hundreds of them is said too.
    pub fn search_users(
        &self,
        text: &str,
        except: UserId,
        limit: usize,
    ) -> (Vec<Arc<User>>, usize) {
        let names = self.inner.state.read().directory.searched();
        // Nobody waits for this.
        let found = names.search(&Username::key_of(text), limit + 1);
        let others = found.ids.into_iter().filter(|id| *id != except);
        let state = self.inner.state.read();
        let users = others.filter_map(|id| state.directory.get(id).cloned());
        (users.take(limit).collect(), found.blocks)
    }

    /// Takes no more changes, writes those that are queued and all that is derived, waits for the writer to end and
    /// closes the file. The batches must still be received meanwhile. Blocks.
    pub fn close(&self) {
        self.inner.queue.close();
        let writer = self.writer.lock().take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("the writer had ended by a panic");
        }
        self.end_copying();
        let opened = self.inner.database.write().take();
        match opened.map(Opened::close) {
            // Whatever still holds the store, such as a task that was told to end and has not yet, the next who
            // opens the file need not wait for it.
            Some(Ok(true)) => self.inner.medium.unlock(),
            Some(Err(error)) => {
                tracing::warn!(%error, "the data file could not be closed; the next start checks it");
            }
            Some(Ok(false)) | None => {}
        }
    }
}

/// Renews what must not go back in time, where this is a backup that is now opened to be written.
fn put_to_use(db: &Database) -> Result<(), StoreError> {
    if schema::is_backup(db)? {
        let invites = schema::renew(db, Timestamp::now())?;
        tracing::warn!(
            invites,
            "the data file is a backup that is put to use: everybody logs in anew, and its invites have ended"
        );
    }
    Ok(())
}

/// Opens the database that lies on a medium, or makes one, with its writes held back. After an unclean stop this reads
/// the whole file and verifies every page.
fn open_database(medium: &Arc<dyn Medium>, page_cache: usize) -> Result<Opened, OpenError> {
    let backend = Backend::holding(Arc::clone(medium)).map_err(OpenError::Io)?;
    let db = with_progress(&backend, || open_on_backend(&backend, false, page_cache))?;
    Ok(Opened {
        db: Arc::new(db),
        backend,
    })
}

/// How large redb's page cache may get for a command that has this process to itself.
fn page_cache_of_command() -> usize {
    Budget::for_memory(memory_of_this_process().bytes).page_cache
}

/// One opening; where it is to `verify`, every page is read and its checksum compared, however the file was left.
fn open_on_backend(
    backend: &Backend,
    verify: bool,
    page_cache: usize,
) -> Result<Database, OpenError> {
    let mut builder = Database::builder();
    builder.set_cache_size(page_cache);
    builder.set_check_integrity_on_open(verify);
    guarded(|| builder.create_with_backend(backend.clone()))?.map_err(|error| match error {
        // redb says so of a file that does not begin as its own files do.
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() == std::io::ErrorKind::InvalidData =>
        {
            OpenError::Foreign
        }
        // The file ends before what it says it has.
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() == std::io::ErrorKind::UnexpectedEof =>
        {
            OpenError::Damaged(StorageError::Io(error).into())
        }
        DatabaseError::Storage(StorageError::Io(error)) => OpenError::Io(error),
        error => OpenError::Damaged(error.into()),
    })
}

/// Runs an opening; where it takes long, the log says how far it is.
fn with_progress<R>(backend: &Backend, open: impl FnOnce() -> R) -> R {
    let (ended, end) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = end.recv_timeout(PROGRESS) {
                tracing::info!(
                    read_mb = backend.bytes_read() >> 20,
                    file_mb = backend.len_in_bytes() >> 20,
                    "the data file was not closed; it is read whole, about twice, and checked"
                );
            }
        });
        let result = open();
        drop(ended);
        result
    })
}
