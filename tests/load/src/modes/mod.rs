//! What is measured, a file a mode. Each takes a site, runs for a bounded time and gives an
//! outcome.

pub(crate) mod disk;
pub(crate) mod idle;
mod outside;
pub(crate) mod rest;
pub(crate) mod rooms;
pub(crate) mod slow;
pub(crate) mod storm;
pub(crate) mod talking;
