//! One outgoing hook at work: reads the log on, has events told, and notes how far it has come.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::queue::{Chat, Place, Queue};
use super::request::{Posted, post};
use super::supervisor::Shared;
use crate::contract::{hook_event, hook_parts, hook_room};
use crate::model::{Members, Notice, RoomId};
use crate::store::{Command, Hook, HookOut, HookProgress, StoreError};

/// Requests at once, each of another chat.
const AT_ONCE: usize = 16;
/// After so many failures without a success between them the receiver is taken to be down, and is
/// asked one thing at a time. What is new is tried still: it may be one event that the receiver
/// cannot take.
pub(super) const DOWN: u32 = 3;
/// Entries, and bytes of them, that are read at once.
const PAGE: usize = 256;
const PAGE_BYTES: usize = 256 << 10;
/// 1 s: so long after it has come further that is put on disk, at the earliest.
const SAVED_EVERY: Duration = Duration::from_secs(1);
/// 1 s: so long after the store could not be read it is tried again.
pub(super) const UNREAD_PAUSE: Duration = Duration::from_secs(1);

/// A hook that tells.
pub(super) struct Follower {
    pub(super) shared: Arc<Shared>,
    pub(super) hook: Arc<Hook>,
    pub(super) queue: Queue,
    /// Up to which entry the log was read.
    read: u64,
    /// Up to which number what happened to accounts was read.
    account_read: u64,
    /// Failures since the last success.
    pub(super) failures: u32,
    pub(super) progress: HookProgress,
    saved: HookProgress,
    saved_at: Instant,
    /// Until when nothing is read, since that failed.
    pub(super) rests_until: Option<Instant>,
    posts: JoinSet<Posted>,
}

impl Follower {
    /// Begins where the hook stands. `None` for an incoming hook.
    pub(super) fn new(shared: Arc<Shared>, hook: Arc<Hook>) -> Option<Self> {
        let progress = hook.outgoing()?.progress.clone();
        let mut follower = Self {
            shared,
            queue: Queue::default(),
            read: progress.entry,
            account_read: progress.account,
            failures: 0,
            saved: progress.clone(),
            saved_at: Instant::now(),
            rests_until: None,
            posts: JoinSet::new(),
            progress,
            hook,
        };
        follower.begin();
        Some(follower)
    }

    fn out(&self) -> &HookOut {
        self.hook
            .outgoing()
            .expect("only an outgoing hook has a follower")
    }

    /// Begins anew from what is told for sure.
    pub(super) fn begin(&mut self) {
        self.posts.abort_all();
        self.posts = JoinSet::new();
        self.queue = Queue::default();
        (self.read, self.account_read) = (self.progress.entry, self.progress.account);
        let (floor, newest) = (self.shared.store.retained(), self.shared.store.last_entry());
        // What retention took cannot be told any more. A place beyond the newest entry is of
        // another past.
        let place = self.read.max(floor).min(newest);
        if self.progress.gap || place != self.read {
            self.progress.gap = true;
            self.read = place;
            self.progress.entry = place;
            self.queue.push(Chat::Gap, Place::Gap(place));
        }
        self.note(false);
    }

    /// Tells until the hook rests.
    pub(super) async fn run(mut self) {
        let mut newest = self.shared.store.newest_entry();
        loop {
            let known = *newest.borrow_and_update();
            let has_more = self.read_on(known).await;
            self.post_what_is_due();
            if self.save().await && self.progress.paused.is_some() {
                return;
            }
            if has_more {
                // Whatever was answered meanwhile comes first.
                while let Some(posted) = self.posts.try_join_next() {
                    self.take(posted);
                }
                tokio::task::yield_now().await;
                continue;
            }
            let wake = self.wakes_at();
            tokio::select! {
                Some(posted) = self.posts.join_next(), if !self.posts.is_empty() => {
                    self.take(posted);
                }
                changed = newest.changed(), if self.queue.has_room() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                else => tokio::time::sleep(UNREAD_PAUSE).await,
            }
        }
    }

    /// Returns when there is something to do again, if nothing happens before.
    fn wakes_at(&self) -> Option<Instant> {
        let is_busy = self.queue.in_flight() >= self.most_in_flight();
        let is_resting = self.progress.paused.is_some();
        let due = self.queue.next_due().filter(|_| !is_busy && !is_resting);
        let save = (self.position() != self.saved).then(|| self.saved_at + SAVED_EVERY);
        [due, save, self.rests_until].into_iter().flatten().min()
    }

    fn most_in_flight(&self) -> usize {
        match self.failures >= DOWN {
            true => 1,
            false => AT_ONCE,
        }
    }

    /// Reads on where there is room for more. Returns whether there is still more to be read.
    async fn read_on(&mut self, newest: u64) -> bool {
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        self.rests_until = None;
        if !self.queue.has_room() {
            return false;
        }
        if self.out().wants_accounts() {
            self.step_over_what_was_given_up();
            let events = self
                .shared
                .store
                .account_events_after(self.account_read, PAGE);
            for event in events {
                self.account_read = event.number;
                if self.out().wants(event.event) {
                    self.queue.push(Chat::Accounts, Place::Account(event));
                }
            }
        }
        if self.read >= newest {
            return false;
        }
        let after = self.read;
        let page = self
            .shared
            .store
            .read(move |snapshot| snapshot.entries_after(after, PAGE, PAGE_BYTES));
        match page.await {
            Ok(trail) => {
                for notice in &trail.notices {
                    self.take_in(notice);
                }
                self.read = trail.through;
                if trail.damaged > 0 {
                    tracing::error!(
                        hook = self.hook.id.0,
                        damaged = trail.damaged,
                        "entries of the log are damaged, and no hook tells of them"
                    );
                }
                self.read < newest && self.queue.has_room()
            }
            Err(error) => {
                self.cannot_read(&error);
                false
            }
        }
    }

    /// Looks whether the store has given up events of accounts that this hook has not told.
    fn step_over_what_was_given_up(&mut self) {
        let stored = self.shared.store.hook(self.hook.id);
        let stored = stored.as_deref().and_then(Hook::outgoing);
        if let Some(HookProgress {
            account, gap: true, ..
        }) = stored.map(|out| &out.progress)
            && *account > self.account_read
        {
            self.account_read = *account;
            self.note_gap();
        }
    }

    /// Has the receiver told that something cannot be told any more, once.
    pub(super) fn note_gap(&mut self) {
        if !self.progress.gap {
            self.progress.gap = true;
            self.queue.push(Chat::Gap, Place::Gap(self.read));
        }
    }

    fn cannot_read(&mut self, error: &StoreError) {
        tracing::warn!(%error, hook = self.hook.id.0, "a hook cannot read the log, and tries again");
        self.rests_until = Some(Instant::now() + UNREAD_PAUSE);
    }

    /// Has an entry told, if the hook is to tell of it.
    fn take_in(&mut self, notice: &Notice) {
        let Some(event) = hook_event(notice) else {
            return;
        };
        let room = hook_room(notice);
        let out = self.out();
        let is_of_room = |rooms: &[RoomId]| room.is_some_and(|room| rooms.contains(&room));
        let is_wanted = out.wants(event) && (out.rooms.is_empty() || is_of_room(&out.rooms));
        let is_direct = matches!(notice.members, Members::Pair(_));
        if !is_wanted || is_direct && !self.shared.direct {
            return;
        }
        let place = Place::Entry {
            entry: notice.entry.id.get(),
            parts: u32::try_from(hook_parts(notice)).unwrap_or(u32::MAX),
        };
        let chat = Chat::of(notice.entry.stream, room.map(RoomId::get));
        self.queue.push(chat, place);
    }

    fn post_what_is_due(&mut self) {
        if self.progress.paused.is_some() {
            return;
        }
        while self.queue.in_flight() < self.most_in_flight()
            && let Some(taken) = self.queue.take(Instant::now())
        {
            let (shared, hook) = (Arc::clone(&self.shared), Arc::clone(&self.hook));
            self.posts.spawn(post(shared, hook, taken));
        }
    }

    /// The progress as it is now.
    fn position(&self) -> HookProgress {
        HookProgress {
            entry: self.queue.entry(self.read),
            account: self.queue.account(self.account_read),
            ..self.progress.clone()
        }
    }

    fn note(&mut self, is_saved: bool) {
        let position = self.position();
        self.progress.entry = position.entry;
        self.progress.account = position.account;
        let turn = self.out().turn;
        self.shared
            .board
            .put(self.hook.id, turn, position, is_saved);
    }

    /// Puts on disk how far it has come, where it has and that is time. Returns whether all is on
    /// disk.
    async fn save(&mut self) -> bool {
        let position = self.position();
        if position == self.saved {
            return true;
        }
        self.note(false);
        let is_time = self.saved_at.elapsed() >= SAVED_EVERY || position.paused.is_some();
        if !is_time {
            return false;
        }
        self.saved_at = Instant::now();
        let moved = vec![(self.hook.id, self.out().turn, position.clone())];
        let now = (self.shared.clock)();
        match self
            .shared
            .store
            .apply(now, Command::hooks_moved(moved))
            .await
        {
            Ok(()) => {
                self.saved = position;
                self.note(true);
                true
            }
            Err(error) => {
                tracing::debug!(%error, hook = self.hook.id.0, "how far a hook has come is not on disk");
                false
            }
        }
    }
}
