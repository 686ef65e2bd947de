//! Accounts, sessions, invites, keys, reports, hooks, files and subscriptions in memory.

use super::api_keys::ApiKeys;
use super::codes::Codes;
use super::hooks::all::Hooks;
use super::invites::Invites;
use super::reports::Reports;
use super::rows::Rows;
use super::sessions::Sessions;
use super::subscriptions::Subscriptions;
use super::users::Directory;
use crate::store::files::all::Files;

/// Every account, session, invite, key, report, hook, file and subscription, as they are on disk.
#[derive(Default)]
pub(crate) struct People {
    pub(crate) directory: Directory,
    pub(crate) invites: Invites,
    pub(crate) api_keys: ApiKeys,
    pub(crate) sessions: Sessions,
    pub(crate) codes: Codes,
    pub(crate) reports: Reports,
    pub(crate) hooks: Hooks,
    pub(crate) files: Files,
    pub(crate) subscriptions: Subscriptions,
}

impl People {
    /// Takes over what a transaction wrote, once it is on disk.
    pub(crate) fn publish(&mut self, rows: Rows) {
        self.invites.publish(rows.invites);
        self.api_keys.publish(rows.api_keys);
        self.hooks.publish(rows.hooks);
        self.files.publish(rows.files);
        for change in rows.sessions {
            self.sessions.take(change);
        }
        for change in rows.codes {
            self.codes.take(change);
        }
        for (number, report) in rows.reports {
            self.reports.take(number, report.as_ref());
        }
        self.subscriptions.publish(rows.subscriptions);
        for user in rows.users {
            self.directory.put(user);
        }
    }
}
