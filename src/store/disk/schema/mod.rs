//! The format of the data file: made once, checked at every start, and brought to the newest one
//! step by step. `FORMAT.md` draws it byte by byte.

mod format;
mod log_steps;
mod meta;
mod pair;
mod steps;

#[cfg(test)]
pub(crate) use format::FORMAT;
pub(crate) use format::format;
#[cfg(test)]
pub(crate) use log_steps::migrate_step;
pub(crate) use log_steps::{MIGRATED_BYTES, migrate_log};
pub(crate) use meta::{
    KEY_BYTES, Renewed, SECRET_BYTES, clock, erased, forget_derived, has_keys, is_backup,
    is_derived, leavers_erased, mark_backup, note_clock, note_erased, note_leavers_erased,
    note_retained, push_key, renew, renew_from, retained, sealed_meta, token_secret, tokens_from,
};
pub(crate) use pair::{decode_conversation, encode_pair};
pub(crate) use steps::prepare;
#[cfg(test)]
pub(crate) use steps::tamper_format;
