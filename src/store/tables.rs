//! Every table of the data file: key, value, order, and who writes it. `FORMAT.md` draws the values
//! byte by byte.
//!
//! Numbers in keys are redb's `u64`, so tables are ordered by number. Every value but two of
//! [`META`] is sealed: a CRC-32C of key and body stands before the body, checked at every read.
//!
//! The truth is in the log, the conversations, the accounts and what belongs to them.
//! `conversation_states`, `stream_states` and `client_ids` follow from the log; they are written by
//! the checkpoint ([`super::write::sweep`]) so that a start need not read all of it.
//!
//! A table that no part of this program writes yet is made empty all the same, so that one format
//! serves rooms, files, sessions and hooks. A copy takes along what such a table holds, and a check
//! holds its rows to their checksums.

use redb::{TableDefinition, TableHandle};

/// A table whose key is one number.
pub(crate) type ByNumber = TableDefinition<'static, u64, &'static [u8]>;
/// A table whose key is two numbers.
pub(crate) type ByTwo = TableDefinition<'static, (u64, u64), &'static [u8]>;
/// A table whose key is three numbers.
pub(crate) type ByThree = TableDefinition<'static, (u64, u64, u64), &'static [u8]>;
/// A table whose key is a name.
pub(crate) type ByName = TableDefinition<'static, &'static str, &'static [u8]>;

/// `meta`: what the file says about itself.
/// key: a name; value: `format` (u32, little-endian) and `token_secret` (32 random bytes), both
/// written when the file is made; [`SWEPT`], [`CLIENT_ID_KEY`], [`CURSOR_KEY`], [`ERAS`],
/// [`BACKUP`], [`TOKENS_FROM`], [`RECODED`], [`ERASED`], [`RETAINED`], [`CLOCK`] and [`PUSH_KEY`].
pub(crate) const META: ByName = TableDefinition::new("meta");

/// In `meta`: up to which entry the derived tables say everything; sealed under key 0, u64,
/// little-endian; written at the end of every checkpoint.
pub(crate) const SWEPT: &str = "swept";
/// In `meta`: the key of the hash in `client_ids`; sealed under key 0, 16 random bytes; written
/// once.
pub(crate) const CLIENT_ID_KEY: &str = "client_id_key";

/// In `meta`: the key that seals cursors from before the first of [`ERAS`]; sealed under key 0, 16
/// random bytes; made with the file, and anew where a backup is put to use, after which no earlier
/// cursor is known.
pub(crate) const CURSOR_KEY: &str = "cursor_key";

/// In `meta`: from which entry on which key seals cursors; sealed under key 0, see
/// [`super::disk::eras`]; written with the first entries of a start and then each hour; absent in a
/// file to which only earlier chatds have written.
pub(crate) const ERAS: &str = "eras";

/// In `meta`: there where the file is a backup that was not put to use yet; sealed under key 0, one
/// byte; written by a backup, and taken away where what must not go back in time is renewed.
pub(crate) const BACKUP: &str = "backup";

/// In `meta`: when a backup or an export was last put to use as this file; sealed under key 0, u64,
/// milliseconds since 1970, little-endian. Tokens of other systems that were issued before it are
/// refused: the file may no longer know that they were revoked.
pub(crate) const TOKENS_FROM: &str = "tokens_from";

/// In `meta`: up to which entry the log has the form of format 4; sealed under key 0, u64,
/// little-endian; there only while a file of an earlier format is brought to it, and written by
/// each step of that.
pub(crate) const RECODED: &str = "recoded";

/// In `meta`: when the oldest of what was erased and may still lie in free pages of the file was
/// erased; sealed under key 0, u64, milliseconds since 1970, little-endian; written in the
/// transaction that erases it, and absent from a file that was made since.
pub(crate) const ERASED: &str = "erased";

/// In `meta`: up to which entry retention has gone through the log; sealed under key 0, u64,
/// little-endian; written in the transaction that erases what was found until there. No message up
/// to it is there still. Absent where there was no retention yet.
pub(crate) const RETAINED: &str = "retained";

/// In `meta`: there once the log was gone through for what accounts said in rooms that left with
/// all of it, and that an earlier chatd had not erased; sealed under key 0, one byte, 1; written
/// when that is done, absent where nobody may have left any.
pub(crate) const LEAVERS_ERASED: &str = "leavers_erased";

/// In `meta`: what time it was when something was last written, to the hour; sealed under key 0, 3
/// u64, little-endian, in milliseconds: the time that was believed, the one that a doubted clock
/// showed instead (0 for none), and for how long that had run on evenly.
pub(crate) const CLOCK: &str = "clock";

/// In `meta`: the private key by which push services know this server; sealed under key 0, 32
/// random bytes, a scalar of P-256; made with the file, or when a server first opens one that has
/// none, and the same from then on, also where a backup is put to use: browsers subscribe to it.
pub(crate) const PUSH_KEY: &str = "push_key";

/// `log_blocks`: the truth. Every message, and every change of one (such as a read mark), in commit
/// order. key: the id of the block's last entry, growing, or the greatest number for the block that
/// grows; value: a block of sealed [`super::log::record::Record`]s, see [`super::log::blocks`];
/// written by every send and every read mark.
pub(crate) const LOG: ByNumber = TableDefinition::new("log_blocks");

/// `log`: the same in formats 1 and 2, a row for each entry. Gone once a file is migrated.
/// key: entry id, growing; value: a sealed [`super::log::record::Record`].
pub(crate) const OLD_LOG: ByNumber = TableDefinition::new("log");

/// `conversations`: who shares a conversation.
/// key: conversation id, dense from 1; value: sealed, the kind (1: a pair) and two user ids, both
/// little-endian u64; written with the first message of a pair.
pub(crate) const CONVERSATIONS: ByNumber = TableDefinition::new("conversations");

/// `users`: every account, without its password.
/// key: user id; value: sealed JSON of [`super::people::users::UserRecord`]; written by register
/// and by every change of one.
pub(crate) const USERS: ByNumber = TableDefinition::new("users");

/// `invites`: the codes by which accounts can be made.
/// key: a number, growing; value: sealed JSON of [`super::people::invites::InviteRecord`]; written
/// when an invite is made, used or revoked; cleared of what has expired when one is made.
pub(crate) const INVITES: ByNumber = TableDefinition::new("invites");

/// `credentials`: the password of an account that has one.
/// key: user id; value: sealed, an argon2id hash in PHC string form; apart from `users` so that no
/// listing reads it.
pub(crate) const CREDENTIALS: ByNumber = TableDefinition::new("credentials");

/// `keys`: by what bots and backends are known.
/// key: a number, growing; value: sealed JSON, see [`super::people::api_keys`]; written when a key
/// is made, confirmed or taken back.
pub(crate) const KEYS: ByNumber = TableDefinition::new("keys");

/// `changes`: which rows of these and of other tables beside the log changed, in the order of the
/// commits. key: a number, growing; value: sealed, the newest entry of the log at that time and
/// which row; written with the row; of each row only the newest change is kept. See
/// [`super::changes`].
pub(crate) const CHANGES: ByNumber = TableDefinition::new("changes");

/// `newest_changes`: the newest change of each row that has one.
/// key: table, first and second number of the row's key; value: sealed, the change's number, u64,
/// little-endian; written with each change.
pub(crate) const NEWEST_CHANGES: ByThree = TableDefinition::new("newest_changes");

/// `conversation_states`: what follows from the log for each conversation, 64 a row.
/// key: (conversation id - 1) / 64; value: sealed, see [`super::write::sweep`]; derived.
pub(crate) const CONVERSATION_STATES: ByNumber = TableDefinition::new("conversation_states");

/// `client_ids`: which of a sender's messages has which client id, for as long as it is remembered.
/// key: sender's user id, and the first message of the block; value: sealed, see
/// [`super::talk::client_ids`]; derived.
pub(crate) const CLIENT_IDS: ByTwo = TableDefinition::new("client_ids");

/// `rooms`: how each room is described.
/// key: room id, dense from 1; value: sealed JSON of [`super::talk::rooms::rows::RoomRecord`];
/// written with each entry that changes one.
pub(crate) const ROOMS: ByNumber = TableDefinition::new("rooms");

/// `room_members`: who is in which room as what, and was.
/// key: room id, user id; value: sealed JSON, see [`super::talk::rooms::rows`]; written with each
/// entry that changes one.
pub(crate) const ROOM_MEMBERS: ByTwo = TableDefinition::new("room_members");

/// `relations`: how the chat of two people makes itself heard to the first of them.
/// key: user id, the other's user id; value: sealed JSON, likewise.
pub(crate) const RELATIONS: ByTwo = TableDefinition::new("relations");

/// `stream_states`: what follows from the log of a room (user 0), of a member in a room, and of a
/// person's own stream (room 0).
/// key: room id, user id; value: sealed, see [`super::talk::rooms`]; derived.
pub(crate) const STREAM_STATES: ByTwo = TableDefinition::new("stream_states");

/// `reactions`: which emoji one person has put on one message of a room.
/// key: message, user id; value: sealed, see [`super::talk::reactions`]; written with each entry of
/// a reaction, and removed with the one that erases the message.
pub(crate) const REACTIONS: ByTwo = TableDefinition::new("reactions");

/// `files`: which file is whose, how much of it is there, and which message it hangs on.
/// key: a number, growing; value: sealed JSON, see [`super::files::row`]; written when an upload
/// begins, goes on or is whole, when a message names the file, and taken away when that is erased.
pub(crate) const FILES: ByNumber = TableDefinition::new("files");

/// `sessions`: the login sessions of each person.
/// key: user id, the session's number, or 0; value: sealed JSON, see [`super::people::sessions`];
/// written when one begins or ends, and at most once an hour when its token is shown.
pub(crate) const SESSIONS: ByTwo = TableDefinition::new("sessions");

/// `codes`: the codes of links that reset a password.
/// key: user id, 1; value: sealed JSON, see [`super::people::codes`]; written when one is made, and
/// taken away when it is used or over.
pub(crate) const CODES: ByTwo = TableDefinition::new("codes");

/// `reports`: what people have reported, until it is closed.
/// key: a number, growing; value: sealed JSON, see [`super::people::reports`]; written when one is
/// filed, and taken away when it is closed or over.
pub(crate) const REPORTS: ByNumber = TableDefinition::new("reports");

/// `hooks`: hooks in and out, with how far the latter have come; and what of accounts is still to
/// be told by them. key: a number, growing; value: sealed JSON, see [`super::people::hooks`];
/// written when a hook is made, changed or taken away, while an outgoing one has something to tell
/// at most once a second, and with an account where one is to tell of that.
pub(crate) const HOOKS: ByNumber = TableDefinition::new("hooks");

/// `push_subscriptions`: the browsers that are pushed to.
/// key: user id, a number, growing; value: sealed JSON, see [`super::people::subscriptions`];
/// written when a browser subscribes, and taken away with the session by which it did.
pub(crate) const PUSH_SUBSCRIPTIONS: ByTwo = TableDefinition::new("push_subscriptions");

/// Those with one number that are made with the file and copied whole: what each has, and which of
/// them are written, is in `FORMAT.md`.
pub(crate) static UNUSED_BY_NUMBER: [ByNumber; 3] = [
    TableDefinition::new("extras"),
    TableDefinition::new("reports"),
    TableDefinition::new("erasures"),
];

/// Those with two numbers, likewise.
pub(crate) static UNUSED_BY_TWO: [ByTwo; 3] = [
    TableDefinition::new("sessions"),
    TableDefinition::new("codes"),
    TableDefinition::new("avatars"),
];

/// Those with a name, likewise.
pub(crate) static UNUSED_BY_NAME: [ByName; 1] = [TableDefinition::new("followers")];

/// Returns the name of every table. A copy takes along what stands here and refuses a file with any
/// other, so that a table that is added later cannot be forgotten by it.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let used = [
        META.name(),
        LOG.name(),
        OLD_LOG.name(),
        CONVERSATIONS.name(),
        USERS.name(),
        CREDENTIALS.name(),
        INVITES.name(),
        KEYS.name(),
        HOOKS.name(),
        FILES.name(),
        CHANGES.name(),
        NEWEST_CHANGES.name(),
        ROOMS.name(),
        ROOM_MEMBERS.name(),
        RELATIONS.name(),
        REACTIONS.name(),
        PUSH_SUBSCRIPTIONS.name(),
        CONVERSATION_STATES.name(),
        STREAM_STATES.name(),
        CLIENT_IDS.name(),
    ];
    let unused = UNUSED_BY_NUMBER.iter().map(TableHandle::name);
    let unused = unused.chain(UNUSED_BY_TWO.iter().map(TableHandle::name));
    let unused = unused.chain(UNUSED_BY_NAME.iter().map(TableHandle::name));
    used.into_iter().chain(unused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_drawn_in_the_document_of_the_format() {
        let document = include_str!("FORMAT.md");
        for name in names() {
            assert!(document.contains(&format!("`{name}`")), "{name}");
        }
        assert!(names().count() > 20);
    }
}
