//! The log: its entries as they are written, and the blocks that hold them.

pub(crate) mod blocks;
pub(crate) mod chain;
pub(crate) mod changed;
pub(crate) mod described;
pub(crate) mod entries;
mod extras;
pub(crate) mod further;
mod head;
mod others;
pub(crate) mod record;
pub(crate) mod room_record;
pub(crate) mod tail;

pub(crate) use extras::{put_emoji, take_emoji};
