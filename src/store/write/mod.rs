//! The one writer: changes become transactions.

pub(crate) mod intake;
pub(crate) mod load;
pub(crate) mod queue;
pub(crate) mod staging;
pub(crate) mod sweep;
pub(crate) mod writer;
