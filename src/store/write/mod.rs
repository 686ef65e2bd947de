//! The one writer: changes become transactions.

mod batch;
mod changing;
mod changing_in_rooms;
pub(crate) mod clock;
mod contact;
mod erased;
mod erasing;
pub(crate) mod intake;
mod leaving;
pub(crate) mod load;
mod mend;
pub(crate) mod queue;
pub(crate) mod rewrite;
pub(crate) mod staging;
pub(crate) mod staging_rooms;
pub(crate) mod sweep;
pub(crate) mod writer;
