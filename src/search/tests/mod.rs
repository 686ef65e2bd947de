//! The search over a store in a file: what is found, held against a plain scan; who may read what;
//! damaged and foreign files; and what is gone.

mod crashes;
mod erasure;
mod files;
pub(super) mod house;
mod readers;
mod recall;
