//! Accounts, invites, keys, hooks and files in memory.

use super::api_keys::ApiKeys;
use super::hooks::all::Hooks;
use super::invites::Invites;
use super::rows::Rows;
use super::users::Directory;
use crate::store::files::all::Files;

/// Every account, invite, key, hook and file, as they are on disk.
#[derive(Default)]
pub(crate) struct People {
    pub(crate) directory: Directory,
    pub(crate) invites: Invites,
    pub(crate) api_keys: ApiKeys,
    pub(crate) hooks: Hooks,
    pub(crate) files: Files,
}

impl People {
    /// Takes over what a transaction wrote, once it is on disk.
    pub(crate) fn publish(&mut self, rows: Rows) {
        self.invites.publish(rows.invites);
        self.api_keys.publish(rows.api_keys);
        self.hooks.publish(rows.hooks);
        self.files.publish(rows.files);
        for user in rows.users {
            self.directory.put(user);
        }
    }
}
