//! Accounts and invites in memory.

use super::invites::Invites;
use super::rows::Rows;
use super::users::Directory;

/// Every account and every invite, as they are on disk.
#[derive(Default)]
pub(crate) struct People {
    pub(crate) directory: Directory,
    pub(crate) invites: Invites,
}

impl People {
    /// Takes over what a transaction wrote, once it is on disk.
    pub(crate) fn publish(&mut self, rows: Rows) {
        self.invites.publish(rows.invites);
        for user in rows.users {
            self.directory.put(user);
        }
    }
}
