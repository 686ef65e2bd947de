//! What is done to a data file as a whole: checked, copied, compacted, restored, exported,
//! imported.
//!
//! All but [`Store::backup`](super::Store::backup) work on a file that no server has open, and lock
//! it meanwhile. A file that is only looked at is not changed by a byte: what redb would repair in
//! it is repaired in memory (`medium.rs`). A file that is made has a temporary name beside its own
//! ([`Partial`]) until it is whole and on disk.

pub(super) mod check;
pub(super) mod copy;
mod counts;
pub(super) mod derive;
mod error;
mod export;
mod export_people;
mod export_rooms;
mod file;
mod files;
mod follow;
pub(super) mod import;
mod import_rooms;
mod lines;
mod live;
mod progress;
mod replace;
pub(super) mod rewrite;
pub(super) mod rewrites;
mod source;
mod undone;

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod room_damage;
#[cfg(test)]
mod tests;

pub use check::{Finding, Report, check, check_partial};
use copy::{Copying, STEP_BYTES};
pub use counts::Counts;
pub use error::MaintainError;
pub use export::{export, export_partial};
pub use file::Partial;
pub(super) use file::clear_leftovers;
pub use files::{files_of, files_of_partial};
pub use import::{Imported, Judging, import};
pub(super) use live::Backups;
pub use live::{Backup, NICE};
pub use progress::{Progress, Unit, Watch};
pub use replace::{Compacted, Restored, backup, backup_aside, compact, restore, restore_from};
pub(super) use rewrites::Rewrites;
use source::{Source, guard};
pub use undone::{Ids, Undone};
