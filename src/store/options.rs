//! What a store is opened with.

use std::path::PathBuf;
use std::time::Duration;

use crate::budget::{Budget, memory_of_this_process};
use crate::model::FirstContact;

/// 3 ms: a crowd's changes share a commit, which writes a fifth to a tenth as much to the device,
/// and nobody notices.
pub const DEFAULT_COMMIT_INTERVAL: Duration = Duration::from_millis(3);
/// 500 ms: soon enough for whoever waits, seldom enough for a file that takes long to open.
pub const DEFAULT_RETRY_AFTER: Duration = Duration::from_millis(500);

/// 24 hours: what was said is settled then.
pub const DEFAULT_EDIT_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// 24 hours: an operator has had time to set a clock right.
pub const DEFAULT_CLOCK_TRIAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the data lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In this file, made if absent.
    File(PathBuf),
    /// In memory, gone with the process.
    Memory,
}

/// What an open store is told once.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// Where changes come faster than commits: from the beginning of one to that of the next. Zero
    /// for none.
    pub commit_interval: Duration,
    /// How many entries are appended from one sweep of what is derived to the next; a start replays
    /// at most twice as many. The more, the more changes of a row are written at once: 1,048,576 on
    /// a machine with 1 GiB of memory. Twice as many are replayed in some 0.8 s, and only after an
    /// unclean stop, when the whole file is checked anyway.
    pub sweep_every: u64,
    /// redb's page cache, in bytes. It is filled by what is read.
    pub page_cache: usize,
    /// The end of the log in memory, in bytes.
    pub newest_messages: usize,
    /// Changes that wait for the writer, in bytes.
    pub queued_changes: usize,
    /// Client ids in memory, beside those of entries that no sweep has written yet.
    pub client_ids: usize,
    /// The least id that is given to an account.
    pub first_user_id: u64,
    /// How long after it was sent a message may get another text; `None` for always.
    pub edit_window: Option<Duration>,
    /// To whom people may begin to write.
    pub first_contact: FirstContact,
    /// For how long a machine's clock that is over a day off must run on evenly before anything is
    /// taken away by it.
    pub clock_trial: Duration,
    /// How long after a failure of the disk it is tried again; after each further failure twice as
    /// long, up to 30 s.
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
            clock_trial: DEFAULT_CLOCK_TRIAL,
            edit_window: Some(DEFAULT_EDIT_WINDOW),
            first_contact: FirstContact::default(),
            page_cache: budget.page_cache,
            newest_messages: budget.newest_messages,
            queued_changes: budget.queued_changes,
            client_ids: budget.client_ids,
        }
    }

    /// Returns those of a command that reads a whole file and writes none of what is derived.
    pub(crate) fn of_command() -> Self {
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

/// How large redb's page cache may get for a command that has this process to itself.
pub(crate) fn page_cache_of_command() -> usize {
    Budget::for_memory(memory_of_this_process().bytes).page_cache
}
