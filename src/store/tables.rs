//! Every table of the data file: key, value, order, and who writes it.
//!
//! Numbers in keys are redb's `u64`, so tables are ordered by number. Every value but those of [`META`] is sealed by
//! [`super::sealed::seal`]: a CRC-32C of key and body stands before the body, checked at every read.
//!
//! The truth is in the log, the conversations and the accounts. `conversation_states` and `client_ids` follow from the
//! log; they are written by the sweep ([`super::write::sweep`]) so that a start need not read all of it.

use redb::{TableDefinition, TableHandle};

/// `meta`: what the file says about itself.
/// key: a name; value: `format` (u32, little-endian) and `token_secret` (32 random bytes), both written when the file
/// is made; [`SWEPT`],
/// [`CLIENT_ID_KEY`], [`CURSOR_KEY`], [`ERAS`], [`BACKUP`] and [`TOKENS_FROM`].
pub(crate) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");

/// In `meta`: up to which entry the derived tables say everything; sealed under key 0, u64, little-endian; written at the
/// end of every sweep.
pub(crate) const SWEPT: &str = "swept";
/// In `meta`: the key of the hash in `client_ids`; sealed under key 0, 16 random bytes; written once.
pub(crate) const CLIENT_ID_KEY: &str = "client_id_key";

/// In `meta`: the key that seals cursors from before the first of [`ERAS`]; sealed under key 0, 16 random bytes; made
/// with the file, and anew where a backup is put to use, after which no earlier cursor is known.
pub(crate) const CURSOR_KEY: &str = "cursor_key";

/// In `meta`: from which entry on which key seals cursors; sealed under key 0, see [`super::disk::eras`]; written with the first
/// entries of a start and then each hour; absent in a file to which only earlier chatds have written.
pub(crate) const ERAS: &str = "eras";

/// In `meta`: there where the file is a backup that was not put to use yet; sealed under key 0, one byte; written by a
/// backup, and taken away where what must not go back in time is renewed.
pub(crate) const BACKUP: &str = "backup";

/// In `meta`: when a backup was last put to use as this file; sealed under key 0, u64, milliseconds since 1970,
/// little-endian. Tokens of other systems that were issued before it are refused: the file may no longer know that they
/// were revoked.
pub(crate) const TOKENS_FROM: &str = "tokens_from";

/// `log_blocks`: the truth, append-only. Every message, and every change of one (such as a read mark), in commit order.
/// key: the id of the block's last entry, growing, or the greatest number for the block that grows; value: a block of
/// sealed [`super::log::record::Entry`]s, see [`super::log::blocks`]; written by every send and every read mark.
pub(crate) const LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log_blocks");

/// `log`: the same in formats 1 and 2, a row for each entry. Gone once a file is migrated.
/// key: entry id, growing; value: a sealed [`super::log::record::Entry`].
pub(crate) const OLD_LOG: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("log");

/// `conversations`: who shares a conversation.
/// key: conversation id, dense from 1; value: sealed, the kind (1: a pair) and two user ids, both little-endian u64;
/// written with the first message of a pair.
pub(crate) const CONVERSATIONS: TableDefinition<'static, u64, &[u8]> =
    TableDefinition::new("conversations");

/// `users`: every account, without its password.
/// key: user id; value: sealed JSON of [`super::people::users::UserRecord`]; written by register and by every change of one.
pub(crate) const USERS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("users");

/// `invites`: the codes by which accounts can be made.
/// key: a number, growing; value: sealed JSON of [`super::people::invites::InviteRecord`]; written when an invite is made, used
/// or revoked; cleared of what has expired when one is made.
pub(crate) const INVITES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("invites");

/// `credentials`: the password of an account that has one.
/// key: user id; value: sealed, an argon2id hash in PHC string form; apart from `users` so that no listing reads it.
pub(crate) const CREDENTIALS: TableDefinition<'static, u64, &[u8]> =
    TableDefinition::new("credentials");

/// `conversation_states`: what follows from the log for each conversation, 64 a row.
/// key: (conversation id - 1) / 64; value: sealed, see [`super::write::sweep`]; derived.
pub(crate) const CONVERSATION_STATES: TableDefinition<'static, u64, &[u8]> =
    TableDefinition::new("conversation_states");

/// `client_ids`: which of a sender's messages has which client id, for as long as it is remembered.
/// key: sender's user id, and the first message of the block; value: sealed, see [`super::talk::client_ids`]; derived.
pub(crate) const CLIENT_IDS: TableDefinition<'static, (u64, u64), &[u8]> =
    TableDefinition::new("client_ids");

/// Every table by its name. A copy takes along what stands here and refuses a file with any other, so that a table that
/// is added later cannot be forgotten by it.
pub(crate) fn names() -> [&'static str; 9] {
    [
        META.name(),
        LOG.name(),
        OLD_LOG.name(),
        CONVERSATIONS.name(),
        USERS.name(),
        CREDENTIALS.name(),
        INVITES.name(),
        CONVERSATION_STATES.name(),
        CLIENT_IDS.name(),
    ]
}
