//! Searching what was said: an index of the log beside the data file, and what people find by it.
//!
//! ```text
//! verbs.rs      a search: what the index finds is read and judged before it is given out
//! query.rs      what people type; matching.rs: whether a text has it, and where
//! fold.rs, tokens.rs, terms.rs    text without case and marks; its words; what the index knows
//! index.rs      the parts of the index; recent.rs: the newest, in memory;
//!               sealing.rs, head.rs, segment.rs: the others, in files; catalog.rs: their list
//! plan.rs       what is looked up, allowed.rs: in which chats; postings.rs: who has a term;
//!               reader.rs, chats.rs: what of a file is read, and which messages of it may be
//! follower.rs   what makes the index as the log is, and makes anew what is stale in it; worker.rs:
//!               the threads on which it is made and looked up
//! folder.rs, pages.rs    where the files are, and their checksums
//! ```
//!
//! The index follows the log from outside: no change waits for it, and it is in no backup. It is
//! made anew where it is absent, damaged, of an older form or of another data file. Everything that
//! it says is only a hint where to look: the message is read as it is now, by the same functions as
//! histories are, so that nobody is shown what they may not read or what is gone.

mod allowed;
mod catalog;
mod chats;
mod error;
mod fold;
mod folder;
mod follower;
mod head;
mod index;
mod matching;
mod pages;
mod plan;
mod postings;
mod query;
mod reader;
mod recent;
mod sealing;
mod segment;
mod settings;
mod terms;
mod tokens;
mod verbs;
mod worker;

#[cfg(test)]
mod tests;

pub use error::SearchError;
pub use matching::Span;
pub use query::{MAX_QUERY_CHARS, Query, QueryError};
pub use settings::{DEFAULT_MEMORY, MESSAGES_A_PART, SearchConfig, folder_of};
pub use verbs::{Hit, HitsPage, Search, SearchReadings, Wanted};
