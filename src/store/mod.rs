//! The data file: what is confirmed is in it, and what is in it is checked when it is read.
//!
//! [`Store::submit`] queues a change for the one writer (`write/`) and returns; its answer comes
//! with the batch it was committed in, in commit order, through the channel given to
//! [`Store::open`]. [`Store::read`] runs a query on a snapshot, beside the async threads unless
//! memory has all of it, and never waits for the writer's disk. No other module may name redb.
//!
//! The truth is one append-only log (`tables.rs`, `log/`); unread counts, recents and read marks
//! are derived from it and live in memory (`talk/`).

mod change;
mod changes;
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
pub use disk::error::OpenError;
pub use disk::holder::Holder;
pub use disk::room::Shortage;
pub use error::{ReadError, StoreError};
pub use files::all::SentFile;
pub use files::gone::GoneFiles;
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
pub use people::hooks::staging::HookChangeTo;
pub use people::invites::{Invite, Maker};
pub use people::leaving::Leaving;
pub use people::reports::{NewReport, Report, ReportAct, ReportedMessage};
pub use people::sessions::{Ending, SessionAct};
pub use people::subscriptions::{
    NewSubscription, PushLanguage, PushShow, Subscription, SubscriptionCount, SubscriptionId,
    subscription_id,
};
pub use pushed::SaidInRoom;
pub use read::history::{HistoryPage, HistoryQuery, HistoryRow};
pub use read::inbox::{InboxChat, InboxRow};
pub use read::missed::{MAX_MISSED, Missed};
pub use read::page::Page;
pub use read::reactions::ReactorsPage;
pub use read::recents::Recent;
pub use read::rooms::{MemberRow, MyRoom, OpenRooms, RoomMessage};
pub use read::search::{FoundMessage, FoundMessages, Readable};
pub use read::sent::{Erasable, Expired, Older, SentIn, SentText, ToErase};
pub use read::snapshot::Snapshot;
pub use read::trailing::Trail;
pub use room_act::{
    DEFAULT_MAX_ROOM_MEMBERS, MAX_ROOMS, MAX_TOLD_MEMBERS, NewRoom, RoomAct, RoomCommand, RoomDone,
    RoomInvite, RoomRefusal, RoomUpdate,
};
