//! Queries, beside the writer.

pub(crate) mod missed;
pub(crate) mod snapshot;
