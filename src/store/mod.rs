//! The data file: what is confirmed is in it, and what is in it is checked when it is read.
//!
//! [`Store::submit`] queues a change for the one writer (`write/`) and returns; its answer comes
//! with the batch it was committed in, in commit order, through the channel given to
//! [`Store::open`]. [`Store::read`] runs a query on a snapshot, beside the async threads unless
//! memory has all of it, and never waits for the writer's disk. No other module may name redb.
//!
//! The truth is one append-only log (`tables.rs`, `log/`); unread counts, recents and read marks
//! are derived from it and live in memory (`talk/`).
//!
//! Why a change or a query came to nothing is a [`StoreError`]. What is refused is said by the room
//! that decides it, in an enum of its own: in its `refusal.rs`, and for acts in rooms in
//! `room_act.rs`. What failed, the error says itself.
//!
//! # Locks
//!
//! A thread takes a lock only while it holds none that stands below it in this table, and holds
//! none across an await. redb's transaction alone is taken under the committer, too.
//!
//! | lock | guards | held over |
//! | --- | --- | --- |
//! | the data file's own (`flock`) | the file, against other processes | the store's life |
//! | redb's write transaction | the tables | a batch, from when it is begun; see below |
//! | `Writer::committer` | what is committed, and in which order | a commit and its sync; mending |
//! | `Writer::notifier` | what is published and told, likewise | telling a batch, which may wait |
//! | `Data::unsynced` | the name that a power cut may undo | the sync of its folder |
//! | `Data::database` | the database as it was opened last | opening it anew; else a look |
//! | `Data::medium` | what that lies on | a question for its free room |
//! | `Data::state` | all that is derived, and what is ahead | see below |
//! | `Data::tail` | the end of the log | judging; a query that memory answers |
//! | `Writer::client_ids` | which client id stands for what | looking one up, on the disk as well |
//! | `Intake::erased` | since when erased bytes may be there | nothing |
//! | `Writer::spare` | emptied transactions, for their room | nothing |
//! | `GoneFiles::list` | whose bytes are to go | nothing |
//! | `Backups::wanted_at` | when a backup was asked for in vain | nothing |
//! | `Clock::inner` | what time it is, as far as it is known | nothing |
//! | `Queue::waiting` | the changes that wait, and the pace | nothing: answers come after it |
//! | `Opening::held`, then `gathered` | what redb has written | writing to the medium |
//! | `Store::writer`, each `copier` | threads to be waited for | nothing: they are taken out |
//!
//! A transaction is begun by the thread whose turn it is to judge, and that turn ends only under
//! the committer: so the one who has a transaction may wait for the committer, and the one who has
//! the committer waits for nobody else's transaction. It may be one of a database that was replaced
//! meanwhile: the epoch tells, and it is dropped.
//!
//! For writing, the state and the tail are held over memory alone, so that a query that memory
//! answers never waits for the disk. For reading, the thread that commits holds them over what it
//! reads to judge, and the state over what it writes of the rows; nobody else goes to the disk with
//! them, and who has the tail does not ask for the state.
//!
//! An answer is called under the committer and the notifier at most, and there only to refuse: it
//! may ask the store for what memory knows.

mod change;
mod changes;
mod command;
mod contacts;
mod data;
mod disk;
mod error;
mod files;
mod handle;
mod log;
pub mod maintain;
mod options;
mod people;
mod pushed;
mod read;
mod room_act;
mod rooms;
mod sealed;
mod state;
mod tables;
mod talk;
mod write;

#[cfg(test)]
mod tests;

pub use change::{Address, Answer, BATCHES, Change, Committed, Done, EraseMany, Outcome, Talk};
pub use command::Command;
pub use disk::error::OpenError;
pub use disk::holder::Holder;
pub use disk::room::Shortage;
pub use error::{ReadError, StoreError};
pub use files::all::SentFile;
pub use files::gone::GoneFiles;
pub use files::refusal::FileRefusal;
pub use files::row::{FileContent, FileStage, Preview, StoredFile, Upload};
pub use files::staging::{FileAct, FileCommand, NewFile};
pub use handle::Store;
pub use options::{
    DEFAULT_CLOCK_TRIAL, DEFAULT_COMMIT_INTERVAL, DEFAULT_EDIT_WINDOW, DEFAULT_RETRY_AFTER,
    Location, StoreOptions,
};
pub use people::accounts::{NewUser, PutBy, PutUser, UserChange};
pub use people::api_keys::{ApiKey, ApiKeyId, KeyHash, KeyHolder, KeyScope};
pub use people::codes::ResetCode;
pub use people::hooks::hook::{
    AccountEvent, Hook, HookAnswer, HookId, HookIn, HookKind, HookOut, HookPause, HookProgress,
};
pub use people::hooks::refusal::HookRefusal;
pub use people::hooks::staging::HookChangeTo;
pub use people::invites::{Invite, Maker};
pub use people::leaving::Leaving;
pub use people::refusal::{InviteRefusal, KeyRefusal, PeopleRefusal, ReportRefusal};
pub use people::reports::{MAX_REASON_CHARS, NewReport, Report, ReportAct, ReportedMessage};
pub use people::sessions::{Ending, SessionAct};
pub use people::subscriptions::{
    NewSubscription, PushLanguage, PushShow, Subscription, SubscriptionCount, SubscriptionId,
    subscription_id,
};
pub use pushed::SaidInRoom;
pub use read::history::{HistoryPage, HistoryQuery, HistoryRow};
pub use read::inbox::{InboxChat, InboxRow};
pub use read::leavers::{Leavers, LeftBehind};
pub use read::missed::{MAX_MISSED, Missed};
pub use read::page::Page;
pub use read::reactions::ReactorsPage;
pub use read::recents::Recent;
pub use read::rooms::{MemberRow, MyRoom, OpenRooms, RoomMessage};
pub use read::search::{FoundMessage, FoundMessages, Look, Looks, Readable, TextLook};
pub use read::sent::{Erasable, Expired, Older, SentIn, SentText, ToErase};
pub use read::snapshot::Snapshot;
pub use read::trailing::Trail;
pub use room_act::{
    DEFAULT_MAX_ROOM_MEMBERS, MAX_ROOMS, MAX_TOLD_MEMBERS, NewRoom, RoomAct, RoomCommand, RoomDone,
    RoomInvite, RoomRefusal, RoomUpdate,
};
pub use talk::refusal::{ContactRefusal, TalkRefusal};
