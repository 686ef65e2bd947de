//! The log: its entries as they are written, and the blocks that hold them.

pub(crate) mod blocks;
pub(crate) mod chain;
pub(crate) mod entries;
mod extras;
mod head;
pub(crate) mod record;
pub(crate) mod tail;
