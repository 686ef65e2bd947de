//! The log on standard error.
//!
//! A server never waits for the reader of its log. Its lines are queued, and a thread of their own
//! writes them. While no reader takes them the queue fills, up to a bound in bytes; what comes
//! after that is lost and counted, and the log says how many lines it lost once they are taken
//! again. A command has no queue: it waits for its reader, as programs do.
//!
//! `tracing-appender` was looked at for this. Its queue is bounded in lines, whatever their length,
//! it leaves saying what was lost to its caller, and at the end it prints to standard output where
//! it could not write in time.

mod lines;
mod start;

pub(super) use lines::Lines;
pub(super) use start::{LogFormat, filter, start, start_queued};
