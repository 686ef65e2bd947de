//! The open store: changes in, answers out, queries beside them.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use redb::backends::InMemoryBackend;
use rustc_hash::FxHashSet;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::metrics::StoreMetrics;
use crate::model::{
    CursorKeys, EntryId, FileId, MadeBy, MessageId, Room, RoomId, Timestamp, User, UserId,
    Username, Whom,
};
use crate::store::change::Done;
use crate::store::command::Command;
use crate::store::disk::error::OpenError;
use crate::store::disk::medium::{LockedFile, Medium};
use crate::store::disk::room::{self, Shortage};
use crate::store::disk::schema;
use crate::store::error::{ReadError, StoreError};
use crate::store::files::all::SentFile;
use crate::store::files::gone::GoneFiles;
use crate::store::files::row::StoredFile;
use crate::store::maintain::{
    Backup, Backups, Compacted, MaintainError, Rewrites, clear_leftovers,
};
use crate::store::options::{Location, StoreOptions};
use crate::store::people::api_keys::{ApiKey, ApiKeyId, KeyHash};
use crate::store::people::hooks::hook::{AccountEvent, Hook, HookId};
use crate::store::people::invites::Invite;
use crate::store::people::subscriptions::{Subscription, SubscriptionCount};
use crate::store::read::snapshot::Snapshot;
use crate::store::write::intake::Intake;
use crate::store::write::queue::Job;
use crate::store::write::writer::Writer;

/// How many queries may read at once; more wait. A cold read holds a thread for as long as the disk
/// takes.
pub(crate) const CONCURRENT_READS: usize = 8;
/// The open data file. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(super) intake: Arc<Intake>,
    pub(super) reads: Arc<Semaphore>,
    writer: Arc<Mutex<Option<std::thread::JoinHandle<()>>>>,
    backups: Backups,
    rewrites: Rewrites,
    /// The writer itself, for as long as it runs: what it is to rest for asks it.
    resting: Weak<Writer>,
}

impl Store {
    /// Opens or makes the data and starts the writer. What is committed goes to `done`, a batch a
    /// transaction; that channel should hold `BATCHES`. Blocks: for a moment after a clean stop,
    /// else for as long as it takes to read the whole file, which is then checked page by page; the
    /// log says how far it is.
    pub fn open(
        location: &Location,
        options: StoreOptions,
        done: mpsc::Sender<Vec<Done>>,
    ) -> Result<Self, OpenError> {
        Self::open_counted(location, options, StoreMetrics::default(), done)
    }

    /// Does the same, with commits and syncs counted by `metrics`.
    pub fn open_counted(
        location: &Location,
        options: StoreOptions,
        metrics: StoreMetrics,
        done: mpsc::Sender<Vec<Done>>,
    ) -> Result<Self, OpenError> {
        match location {
            Location::File(path) => {
                let counted = metrics.clone();
                let file = LockedFile::open(path)?.counted(metrics.clone());
                let mut store = Self::start(Arc::new(file), options, metrics, done)?;
                // What a rewrite left that was killed holds what is erased since.
                clear_leftovers(&std::fs::canonicalize(path).map_err(OpenError::Io)?);
                store.rewrites = Rewrites::of(Some(path.clone()), counted);
                let mut name = path.as_os_str().to_owned();
                name.push(".backup");
                store.backups = Backups::named(PathBuf::from(name));
                Ok(store)
            }
            Location::Memory => {
                Self::start(Arc::new(InMemoryBackend::new()), options, metrics, done)
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn open_on(
        medium: Arc<dyn Medium>,
        options: StoreOptions,
        done: mpsc::Sender<Vec<Done>>,
    ) -> Result<Self, OpenError> {
        Self::start(medium, options, StoreMetrics::default(), done)
    }

    fn start(
        medium: Arc<dyn Medium>,
        options: StoreOptions,
        metrics: StoreMetrics,
        done: mpsc::Sender<Vec<Done>>,
    ) -> Result<Self, OpenError> {
        let (intake, writer) = Writer::open(medium, options, done)?;
        let rewrites = Rewrites::of(None, metrics.clone());
        let writer = Arc::new(writer.counted(metrics));
        let resting = Arc::downgrade(&writer);
        let writer = std::thread::Builder::new()
            .name("chatd-writer".into())
            .spawn(move || writer.run())
            .map_err(OpenError::Io)?;
        Ok(Self {
            intake,
            reads: Arc::new(Semaphore::new(CONCURRENT_READS)),
            writer: Arc::new(Mutex::new(Some(writer))),
            rewrites,
            resting,
            backups: Backups::named(
                std::env::temp_dir().join(format!("chatd-{}.backup", std::process::id())),
            ),
        })
    }

    /// Returns whether changes can be written: the disk has room and took the last transaction.
    pub fn is_writable(&self) -> bool {
        self.intake.writable.load(Ordering::Acquire)
    }

    /// Too little room on the disk, where there is.
    pub fn shortage(&self) -> Option<Shortage> {
        let free = self.intake.data.medium().free()?;
        (free < room::RESERVE_BYTES).then_some(Shortage { free })
    }

    /// Returns how many changes wait for the writer, and how many bytes.
    pub fn queued(&self) -> (usize, usize) {
        self.intake.queue.waiting()
    }

    /// Returns how many rounds the writer has made, and has it make another. A number that stands
    /// still from one call to a later one shows a writer that hangs: in the disk, or because nobody
    /// takes its batches.
    pub fn pulse(&self) -> u64 {
        let turns = self.intake.turns.load(Ordering::Relaxed);
        self.intake.queue.poke();
        turns
    }

    /// The time of the newest entry of the log, before which none is put; 1970 where there is none.
    pub fn last_at(&self) -> Timestamp {
        self.intake.data.state.read().last_at
    }

    /// Returns the time by which things may be taken away, while the machine's clock shows this
    /// one: the same, unless that clock is over a day off what the data file knows.
    pub fn ending_time(&self, shown: Timestamp) -> Timestamp {
        self.intake.clock.look(shown)
    }

    /// Returns whether the machine's clock is so far off that nothing is taken away by it.
    pub fn doubts_clock(&self) -> bool {
        self.intake.clock.is_doubted()
    }

    /// Queues a change. Never waits: where the queue is full, or the store is closing, `answer`
    /// gets the error at once.
    pub fn submit<T: 'static>(
        &self,
        now: Timestamp,
        command: impl Into<Command<T>>,
        answer: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        let (change, outcome) = command.into().into_parts();
        self.intake.queue.push(Job {
            now,
            change,
            answer: Box::new(move |result| answer(outcome(result))),
        });
    }

    /// [`Store::submit`], for those who wait.
    pub async fn apply<T: Send + 'static>(
        &self,
        now: Timestamp,
        command: impl Into<Command<T>>,
    ) -> Result<T, StoreError> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        // A caller that went away is no reason to fail: the change is stored all the same.
        self.submit(now, command, move |result| drop(answer.send(result)));
        answered.await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// Runs a query on a snapshot: at once where the end of the log in memory has all that it asks
    /// for and that is not much, else anew on a thread that may block.
    pub async fn read<R: Send + 'static>(
        &self,
        query: impl Fn(&Snapshot<'_>) -> Result<R, ReadError> + Send + 'static,
    ) -> Result<R, StoreError> {
        match query(&Snapshot::of_memory(&self.intake.data)) {
            Err(ReadError::NeedsDisk) => {}
            Err(ReadError::Failed(error)) => return Err(error),
            Ok(answer) => return Ok(answer),
        }
        let permit = Arc::clone(&self.reads)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Unavailable)?;
        let (tell, told) = tokio::sync::oneshot::channel();
        self.read_apart(Box::new(move |intake| {
            let result = query(&Snapshot::new(&intake.data)).map_err(ReadError::with_disk);
            if let Err(StoreError::Database(_)) = &result {
                intake.suspect();
            }
            // Whoever has the answer may close the file. Whoever asked may be gone.
            drop((intake, permit));
            drop(tell.send(result));
        }));
        // redb panics on some damaged pages; whoever asked is told no more than of any other
        // failure.
        told.await.map_err(|_| StoreError::Unavailable)?
    }

    /// Runs a query on a thread that may block. Once for all queries: of what is generic here there
    /// would be a copy for each of them.
    fn read_apart(&self, query: Box<dyn FnOnce(Arc<Intake>) + Send>) {
        let intake = Arc::clone(&self.intake);
        drop(tokio::task::spawn_blocking(move || query(intake)));
    }

    /// Runs a query on what is in memory; `None` where that has not all that it asks for, and where
    /// it is refused.
    pub fn glance<R>(
        &self,
        query: impl FnOnce(&Snapshot<'_>) -> Result<R, ReadError>,
    ) -> Option<R> {
        query(&Snapshot::of_memory(&self.intake.data)).ok()
    }

    /// Copies everything, as of a moment before this completes, beside the data file: room for it
    /// must be there. The writer is not made to wait, and the data file hardly grows by it. Fails
    /// with [`StoreError::Busy`] while another one is made or read, and ends early where its caller
    /// goes away.
    pub async fn backup(&self) -> Result<Backup, StoreError> {
        self.backup_or_in(None).await
    }

    /// Does the same; where the data's disk has no room for it, in the folder `elsewhere`, on
    /// another disk.
    pub async fn backup_or_in(&self, elsewhere: Option<PathBuf>) -> Result<Backup, StoreError> {
        self.backups.make(&self.intake, elsewhere).await
    }

    /// Returns since when something that was erased may still lie in free pages of the data file;
    /// `None` where nothing does.
    pub fn erased_since(&self) -> Option<Timestamp> {
        self.intake.erased.lock().oldest()
    }

    /// Copies everything into a new file, which takes the place of the data file: what was erased
    /// before is in no byte of it. Beside the writer, who rests for some milliseconds at the end.
    /// Fails with [`MaintainError::NoRoom`] where the disk has no room for the file once more, and
    /// leaves everything as it was wherever it fails. Returns once the old file is gone.
    pub async fn rewrite(&self) -> Result<Compacted, MaintainError> {
        let writer = self.resting.upgrade().ok_or(StoreError::Unavailable)?;
        self.rewrites.make(&writer).await
    }

    /// Returns its writer, for as long as that runs.
    #[cfg(test)]
    pub(crate) fn writer(&self) -> Option<Arc<Writer>> {
        self.resting.upgrade()
    }

    /// Returns whether the last rewrite had no room on the disk.
    pub fn lacks_room_to_rewrite(&self) -> bool {
        self.rewrites.lack_room()
    }

    /// The secret that signs chatd's own tokens, 32 bytes, made with the file, and anew where a
    /// backup is put to use.
    pub fn token_secret(&self) -> Result<Vec<u8>, StoreError> {
        schema::token_secret(&*self.intake.data.database()?)
    }

    /// The private key by which push services know this server, 32 bytes, a scalar of P-256.
    pub fn push_key(&self) -> Result<[u8; 32], StoreError> {
        schema::push_key(&*self.intake.data.database()?)
    }

    /// How many browsers are pushed to, as it is from now on.
    pub fn subscription_count(&self) -> SubscriptionCount {
        self.intake.data.state.read().people.subscriptions.count()
    }

    /// The browsers of a person that are pushed to, the oldest first.
    pub fn subscriptions(&self, user: UserId) -> Vec<Arc<Subscription>> {
        let state = self.intake.data.state.read();
        state.people.subscriptions.of(user).to_vec()
    }

    /// The keys that seal cursors, as they are from now on.
    pub fn cursor_keys(&self) -> CursorKeys {
        self.intake.data.cursor_keys.clone()
    }

    /// Returns when a backup was last put to use as this file, if that ever was: of tokens that
    /// another system issued before, the file may not know that they were revoked.
    pub fn tokens_from(&self) -> Option<Timestamp> {
        self.intake.data.tokens_from
    }

    /// The newest entry of the log; 0 where there is none.
    pub fn last_entry(&self) -> u64 {
        self.intake.data.state.read().last_entry
    }

    /// Watches the newest entry of the log, for those who follow it: it changes with each
    /// transaction, and what [`Snapshot::entries_after`] gives from then on has the entries up to
    /// there. To be had before the first page is read.
    pub fn newest_entry(&self) -> watch::Receiver<u64> {
        self.intake.newest.subscribe()
    }

    /// An account, from memory.
    pub fn user(&self, id: UserId) -> Option<Arc<User>> {
        self.intake
            .data
            .state
            .read()
            .people
            .directory
            .get(id)
            .cloned()
    }

    /// Returns the account that an app means, from memory.
    pub fn user_of(&self, whom: &Whom) -> Option<Arc<User>> {
        let state = self.intake.data.state.read();
        let directory = &state.people.directory;
        let id = match whom {
            Whom::Id(id) => Some(*id),
            Whom::Subject(subject) => directory.by_subject(subject),
        };
        id.and_then(|id| directory.get(id)).cloned()
    }

    /// The account of this name, compared as names are, from memory.
    pub fn user_by_name(&self, name: &str) -> Option<Arc<User>> {
        let state = self.intake.data.state.read();
        state
            .people
            .directory
            .by_name(name)
            .and_then(|id| state.people.directory.get(id))
            .cloned()
    }

    /// The accounts whose id is greater than this one, ascending by id, and whether there are more.
    pub fn users_after(&self, after: u64, limit: usize) -> (Vec<Arc<User>>, bool) {
        let mut users: Vec<_> = {
            let state = self.intake.data.state.read();
            let later = state.people.directory.after(after).take(limit + 1);
            later.map(Arc::clone).collect()
        };
        let has_more = users.len() > limit;
        users.truncate(limit);
        (users, has_more)
    }

    /// About how many conversations a person has: at least their number, and at most some twice
    /// that for either order.
    pub fn chats(&self, user: UserId) -> usize {
        self.intake.data.state.read().touches(user)
    }

    /// The rooms that a person is in, ascending, each with the entry by which they joined.
    pub fn rooms_of(&self, user: UserId) -> Vec<(RoomId, EntryId)> {
        let state = self.intake.data.state.read();
        let rooms = state.rooms.person(user).into_iter();
        let rooms = rooms.flat_map(|person| &person.rooms);
        let since = |room: &RoomId| Some((*room, state.rooms.member(*room, user)?.since));
        rooms.filter_map(since).collect()
    }

    /// A room as it is now; `None` for one that was erased, too.
    pub fn room(&self, room: RoomId) -> Option<Arc<Room>> {
        let state = self.intake.data.state.read();
        let head = state.rooms.head(room).filter(|head| !head.is_gone());
        Some(head?.described())
    }

    /// How many rooms there are, archived ones among them, and none that was erased.
    pub fn rooms(&self) -> usize {
        self.intake.data.state.read().rooms.count()
    }

    /// How many members a room has that a person is in; `None` where they are not.
    pub fn members_beside(&self, user: UserId, room: RoomId) -> Option<u64> {
        let state = self.intake.data.state.read();
        state.rooms.member(room, user)?;
        Some(state.rooms.head(room)?.members)
    }

    /// Returns whether a person is in a room and may write there at present.
    pub fn writes_in(&self, user: UserId, room: RoomId) -> bool {
        let state = self.intake.data.state.read();
        let both = state.rooms.head(room).zip(state.rooms.member(room, user));
        both.is_some_and(|(head, member)| head.check_writes(member).is_ok())
    }

    /// The newest message of a room that a person is in, if it has one; `None` where they are not
    /// in it.
    pub fn newest_beside(&self, user: UserId, room: RoomId) -> Option<Option<MessageId>> {
        let state = self.intake.data.state.read();
        state.rooms.member(room, user)?;
        Some(state.rooms.head(room)?.newest())
    }

    /// Every invite that is kept, the newest first.
    pub fn invites(&self) -> Vec<Invite> {
        self.invites_where(&|_| true)
    }

    /// Those into a room.
    pub fn invites_into(&self, room: RoomId) -> Vec<Invite> {
        self.invites_where(&|invite| invite.room.is_some_and(|(into, _)| into == room))
    }

    fn invites_where(&self, is_wanted: &dyn Fn(&Invite) -> bool) -> Vec<Invite> {
        let state = self.intake.data.state.read();
        let kept = state.people.invites.iter();
        let wanted = kept.filter(|(_, invite)| is_wanted(invite));
        let mut invites: Vec<_> = wanted
            .filter_map(|(number, invite)| Some((*number, state.as_it_stands(invite)?)))
            .collect();
        drop(state);
        invites.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
        invites.into_iter().map(|(_, invite)| invite).collect()
    }

    /// The invite of this code, as far as its maker may still give it.
    pub fn invite(&self, code: &str) -> Option<Invite> {
        let state = self.intake.data.state.read();
        state.as_it_stands(state.people.invites.get(code)?)
    }

    /// The key of this number.
    pub fn api_key(&self, id: ApiKeyId) -> Option<ApiKey> {
        let state = self.intake.data.state.read();
        state.people.api_keys.get(id).cloned()
    }

    /// The key whose text has this SHA-256.
    pub fn api_key_of(&self, hash: &KeyHash) -> Option<ApiKey> {
        let state = self.intake.data.state.read();
        state.people.api_keys.by_hash(hash).cloned()
    }

    /// The file of this id that no message names yet, from memory.
    pub fn pending_file(&self, id: FileId) -> Option<Arc<StoredFile>> {
        let state = self.intake.data.state.read();
        state.people.files.pending(id).cloned()
    }

    /// The file of this id that a message names, from memory.
    pub fn sent_file(&self, id: FileId) -> Option<SentFile> {
        let state = self.intake.data.state.read();
        state.people.files.sent(id).copied()
    }

    /// Every file that no message names yet.
    pub fn pending_files(&self) -> Vec<Arc<StoredFile>> {
        let state = self.intake.data.state.read();
        state.people.files.all_pending().cloned().collect()
    }

    /// How many files there are, and how many bytes of them are on the disk.
    pub fn files(&self) -> (u64, u64) {
        let state = self.intake.data.state.read();
        (state.people.files.count(), state.people.files.bytes())
    }

    /// How many bytes a person's files had at the start that began on the day of this time, each
    /// with `each` more.
    pub fn files_of_day(&self, owner: UserId, now: Timestamp, each: u64) -> u64 {
        let state = self.intake.data.state.read();
        state.people.files.of_day(owner, now, each)
    }

    /// The files whose rows are gone, and whose bytes are to go.
    pub fn gone_files(&self) -> Arc<GoneFiles> {
        Arc::clone(self.intake.data.state.read().people.files.gone())
    }

    /// Every key, ascending by number.
    pub fn api_keys(&self) -> Vec<ApiKey> {
        let state = self.intake.data.state.read();
        state.people.api_keys.iter().cloned().collect()
    }

    /// A hook, from memory.
    pub fn hook(&self, id: HookId) -> Option<Arc<Hook>> {
        let state = self.intake.data.state.read();
        state.people.hooks.get(id).cloned()
    }

    /// Every hook, ascending by number, from memory.
    pub fn hooks(&self) -> Vec<Arc<Hook>> {
        let state = self.intake.data.state.read();
        state.people.hooks.iter().cloned().collect()
    }

    /// What hooks are to tell of accounts behind a number, in order, from memory.
    pub fn account_events_after(&self, number: u64, most: usize) -> Vec<AccountEvent> {
        let state = self.intake.data.state.read();
        state
            .people
            .hooks
            .accounts_after(number)
            .take(most)
            .collect()
    }

    /// The entry up to which retention has gone through the log: no message up to it is there.
    pub fn retained(&self) -> u64 {
        self.intake.data.state.read().retained
    }

    /// The bots, ascending by id.
    pub fn bots(&self) -> Vec<Arc<User>> {
        let state = self.intake.data.state.read();
        state.people.directory.each_bot().cloned().collect()
    }

    /// Those who are gone, and what they said is still to be erased, ascending.
    pub fn leavers_to_erase(&self) -> Vec<UserId> {
        let state = self.intake.data.state.read();
        state.people.directory.erasing().collect()
    }

    /// Whether something may be left of those who are gone with all that they said.
    pub fn may_have_left_some(&self) -> bool {
        Snapshot::new(&self.intake.data).may_have_left_some()
    }

    /// The rooms of which something is still to be erased.
    pub fn rooms_to_erase(&self) -> Vec<RoomId> {
        let state = self.intake.data.state.read();
        state.rooms.abandoned().collect()
    }

    /// The rooms with a retention of their own, and after how many days it takes effect.
    pub fn rooms_to_retain(&self) -> Vec<(RoomId, u32)> {
        let state = self.intake.data.state.read();
        let heads = state.rooms.heads_after(0);
        let set = heads.filter_map(|head| Some((head.id(), head.room.retention_days?)));
        set.collect()
    }

    /// The accounts with ids below this one that no app has made, ascending.
    pub fn users_made_here_below(&self, id: u64) -> Vec<UserId> {
        let state = self.intake.data.state.read();
        let users = state.people.directory.iter();
        let made_here = users.filter(|user| user.made_by == MadeBy::Here && user.id.get() < id);
        let mut ids: Vec<_> = made_here.map(|user| user.id).collect();
        ids.sort_unstable();
        ids
    }

    /// Returns whether an account was made here, or there is an enabled administrator.
    pub fn is_set_up(&self) -> bool {
        self.intake.data.state.read().people.directory.is_set_up()
    }

    /// The accounts whose username or name contains this text, without case, except one: those with
    /// a name that starts with it first. Costs a few names looked at, mostly; how many blocks of
    /// some hundreds of them is said too.
    pub fn search_users(
        &self,
        text: &str,
        except: Option<UserId>,
        limit: usize,
    ) -> (Vec<Arc<User>>, usize) {
        let names = self.intake.data.state.read().people.directory.searched();
        // Nobody waits for this. An account may be found twice, by its username and by its name.
        let found = names.search(&Username::key_of(text), 2 * (limit + 1));
        let mut seen = FxHashSet::default();
        let others = found.ids.into_iter();
        let others = others.filter(|id| Some(*id) != except && seen.insert(*id));
        let state = self.intake.data.state.read();
        let users = others.filter_map(|id| state.people.directory.get(id).cloned());
        (users.take(limit).collect(), found.blocks)
    }

    /// Takes no more changes, writes those that are queued and all that is derived, waits for the
    /// writer to end and closes the file. The batches must still be received meanwhile. Blocks.
    pub fn close(&self) {
        self.intake.queue.close();
        let writer = self.writer.lock().take();
        if let Some(writer) = writer
            && writer.join().is_err()
        {
            tracing::error!("the writer had ended by a panic");
        }
        self.backups.end();
        self.rewrites.end();
        self.intake.data.close();
    }
}
