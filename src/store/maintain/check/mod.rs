//! Reading everything in a data file, and saying what is wrong.
//!
//! Three readings: redb's pages with their checksums; every record of every table with its own; and
//! a recount, in which a state is replayed from the whole log and held against each link of the log
//! itself and against what a start of the server would know. In memory stand two such states, and
//! never the log.

mod client_ids;
mod files;
mod judge;
mod meta;
mod people;
mod reactions;
mod reading;
mod recount;
mod report;
mod rooms;
mod rows;
mod since;
mod states;

pub(crate) use reading::check_medium;
pub use reading::{check, check_partial};
pub use report::{Finding, Report};
pub(super) use rooms::{judge_change, judge_reply, judge_room};
