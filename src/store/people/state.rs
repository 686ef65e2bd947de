//! Accounts, invites and keys in memory.

use super::api_keys::ApiKeys;
use super::invites::Invites;
use super::rows::Rows;
use super::users::Directory;

/// Every account, invite and key, as they are on disk.
#[derive(Default)]
pub(crate) struct People {
    pub(crate) directory: Directory,
    pub(crate) invites: Invites,
    pub(crate) api_keys: ApiKeys,
}

impl People {
    /// Takes over what a transaction wrote, once it is on disk.
    pub(crate) fn publish(&mut self, rows: Rows) {
        self.invites.publish(rows.invites);
        self.api_keys.publish(rows.api_keys);
        for user in rows.users {
            self.directory.put(user);
        }
    }
}
