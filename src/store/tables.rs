//! Every table of the data file: key, value, order, and who writes it.
//!
//! Numbers in keys are redb's `u64`, so tables are ordered by number. Every value but those of [`META`] is sealed by
//! [`super::record::seal`]: a CRC-32C of key and body stands before the body, checked at every read.

use redb::TableDefinition;

/// `meta`: what the file says about itself.
/// key: a name; value: `format` (u32, little-endian) and `token_secret` (32 random bytes), both written when the file
/// is made.
pub(super) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");

/// `log`: the truth, append-only. Every message, and every change of one (such as a read mark), in commit order.
/// key: entry id, growing; value: a sealed [`super::record::Entry`]; written by every send and every read mark.
pub(super) const LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log");

/// `conversations`: who shares a conversation.
/// key: conversation id, dense from 1; value: sealed, the kind (1: a pair) and two user ids, both little-endian u64;
/// written with the first message of a pair.
pub(super) const CONVERSATIONS: TableDefinition<'static, u64, &[u8]> =
    TableDefinition::new("conversations");

/// `users`: every account, without its password.
/// key: user id; value: sealed JSON of [`super::users::UserRecord`]; written by register and by every change of one.
pub(super) const USERS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("users");

/// `invites`: the codes by which accounts can be made. A file that has never had one lacks the table.
/// key: a number, growing; value: sealed JSON of [`super::invites::InviteRecord`]; written when an invite is made, used
/// or revoked; cleared of what has expired when one is made.
pub(super) const INVITES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("invites");

/// `credentials`: the password of an account that has one.
/// key: user id; value: sealed, an argon2id hash in PHC string form; apart from `users` so that no listing reads it.
pub(super) const CREDENTIALS: TableDefinition<'static, u64, &[u8]> =
    TableDefinition::new("credentials");
