//! Cursors and private ids, read where they are of the log as it is now.

use super::Chat;
use crate::model::{Cursor, CursorKeys, PrivateId, UserId};

impl Chat {
    /// The keys that seal cursors.
    pub fn cursor_keys(&self) -> &CursorKeys {
        &self.cursor_keys
    }

    /// Reads a cursor that this person shows; `None` where its entry is not in the log as it was
    /// when the cursor was given.
    pub fn open_cursor(&self, text: &str, user: UserId) -> Option<Cursor> {
        self.in_log(|keys| Cursor::open(text, keys, user), |cursor| cursor.entry)
    }

    /// Reads a private id of this person, likewise.
    pub fn open_private_id(&self, text: &str, user: UserId) -> Option<PrivateId> {
        self.in_log(|keys| PrivateId::open(text, keys, user), |id| id.entry)
    }

    /// Returns what `open` reads, where the log reaches its entry by now.
    ///
    /// A copy of a running server's file may have lost the end of an era, whose key it keeps. An
    /// entry from there can still be opened until a transaction begins the next era, and would be
    /// taken for another of the same id if that came before the log is read. So the end of the log
    /// is looked up first: the eras of all up to it are known afterwards.
    fn in_log<T>(
        &self,
        open: impl FnOnce(&CursorKeys) -> Option<T>,
        entry: impl FnOnce(&T) -> u64,
    ) -> Option<T> {
        let newest = self.newest();
        open(&self.cursor_keys).filter(|opened| entry(opened) <= newest)
    }

    /// The newest change there is, as a number that grows.
    pub fn newest(&self) -> u64 {
        self.store.last_entry()
    }
}
