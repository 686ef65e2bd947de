//! Accounts, invites, keys, files and subscriptions in memory.

use super::api_keys::ApiKeys;
use super::invites::Invites;
use super::rows::Rows;
use super::subscriptions::Subscriptions;
use super::users::Directory;
use crate::store::files::all::Files;

/// Every account, invite, key, file and subscription, as they are on disk.
#[derive(Default)]
pub(crate) struct People {
    pub(crate) directory: Directory,
    pub(crate) invites: Invites,
    pub(crate) api_keys: ApiKeys,
    pub(crate) files: Files,
    pub(crate) subscriptions: Subscriptions,
}

impl People {
    /// Takes over what a transaction wrote, once it is on disk.
    pub(crate) fn publish(&mut self, rows: Rows) {
        self.invites.publish(rows.invites);
        self.api_keys.publish(rows.api_keys);
        self.files.publish(rows.files);
        self.subscriptions.publish(rows.subscriptions);
        for user in rows.users {
            self.directory.put(user);
        }
    }
}
