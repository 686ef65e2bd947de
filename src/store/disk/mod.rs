//! The data file as a file: its medium, its lock, its room, its format.

pub(crate) mod eras;
pub(crate) mod error;
pub(crate) mod guard;
pub(crate) mod holder;
pub(crate) mod medium;
pub(crate) mod open;
pub(crate) mod room;
pub(crate) mod schema;
