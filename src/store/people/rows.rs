//! What a transaction writes of accounts, sessions, invites, keys, reports, hooks, files and
//! subscriptions: whole rows, beside the log.

use std::sync::Arc;

use redb::{Database, ReadableDatabase, WriteTransaction};

use super::api_keys::ApiKeyChange;
use super::codes::CodeChange;
use super::hooks::all::HookChange;
use super::hooks::row as hooks;
use super::invites::InviteChange;
use super::reports::ReportChange;
use super::sessions::SessionChange;
use super::subscriptions::SubscriptionChange;
use super::{api_keys, codes, invites, reports, sessions, subscriptions, users};
use crate::model::{User, UserId};
use crate::store::changes::{Changing, Followed};
use crate::store::error::StoreError;
use crate::store::files::all::FileChange;
use crate::store::files::row as files;
use crate::store::sealed::seal;
use crate::store::tables::{
    CODES, CREDENTIALS, FILES, HOOKS, INVITES, KEYS, PUSH_SUBSCRIPTIONS, REPORTS, SESSIONS, USERS,
};

/// The accounts, passwords, sessions, invites, keys, reports, hooks, files and subscriptions that a
/// transaction changes, in the order in which it changes them.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) users: Vec<Arc<User>>,
    /// `None` where a password is to be no more.
    pub(crate) credentials: Vec<(UserId, Option<Arc<str>>)>,
    pub(crate) invites: Vec<InviteChange>,
    pub(crate) api_keys: Vec<ApiKeyChange>,
    pub(crate) hooks: Vec<HookChange>,
    pub(crate) files: Vec<FileChange>,
    pub(crate) sessions: Vec<SessionChange>,
    pub(crate) codes: Vec<CodeChange>,
    pub(crate) reports: Vec<ReportChange>,
    pub(crate) subscriptions: Vec<SubscriptionChange>,
    /// An account or a report is erased: its rows of before lie in free pages from then on.
    pub(crate) erases: bool,
}

impl Rows {
    /// Returns whether nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty()
            && self.invites.is_empty()
            && self.api_keys.is_empty()
            && self.hooks.is_empty()
            && self.files.is_empty()
            && self.sessions.is_empty()
            && self.codes.is_empty()
            && self.reports.is_empty()
            && self.subscriptions.is_empty()
    }

    /// Puts them into their tables, and notes that they changed, after which the log ends with the
    /// entry `after`.
    pub(crate) fn write(&self, txn: &WriteTransaction, after: u64) -> Result<(), StoreError> {
        if self.is_empty() {
            return Ok(());
        }
        let mut changing = Changing::begin(txn, after)?;
        if !self.users.is_empty() {
            let mut table = txn.open_table(USERS)?;
            for user in &self.users {
                table.insert(user.id.get(), &users::encode(user)[..])?;
                changing.note(Followed::Users, user.id.get())?;
            }
            let mut table = txn.open_table(CREDENTIALS)?;
            for (user, hash) in &self.credentials {
                match hash {
                    Some(hash) => {
                        table.insert(user.get(), &seal(user.get(), hash.as_bytes())[..])?
                    }
                    None => table.remove(user.get())?,
                };
                changing.note(Followed::Credentials, user.get())?;
            }
        }
        if !self.invites.is_empty() {
            let mut table = txn.open_table(INVITES)?;
            for (number, invite) in &self.invites {
                match invite {
                    Some(invite) => table.insert(number, &invites::encode(*number, invite)[..])?,
                    None => table.remove(number)?,
                };
                changing.note(Followed::Invites, *number)?;
            }
        }
        if !self.api_keys.is_empty() {
            let mut table = txn.open_table(KEYS)?;
            for (id, key) in &self.api_keys {
                match key {
                    Some(key) => table.insert(id.0, &api_keys::encode(key)[..])?,
                    None => table.remove(id.0)?,
                };
                changing.note(Followed::Keys, id.0)?;
            }
        }
        if !self.hooks.is_empty() {
            let mut table = txn.open_table(HOOKS)?;
            for (number, row) in &self.hooks {
                match row {
                    Some(row) => table.insert(number, &hooks::encode(*number, row)[..])?,
                    None => table.remove(number)?,
                };
                changing.note(Followed::Hooks, *number)?;
            }
        }
        if !self.files.is_empty() {
            let mut table = txn.open_table(FILES)?;
            for (_, number, file) in &self.files {
                match file {
                    Some(file) => table.insert(number, &files::encode(file)[..])?,
                    None => table.remove(number)?,
                };
                changing.note(Followed::Files, *number)?;
            }
        }
        self.write_sign_ins(txn, &mut changing)?;
        self.write_reports(txn, &mut changing)?;
        self.write_subscriptions(txn, &mut changing)
    }

    /// Puts the sessions and the codes of links into their tables.
    fn write_sign_ins(
        &self,
        txn: &WriteTransaction,
        changing: &mut Changing<'_>,
    ) -> Result<(), StoreError> {
        if !self.sessions.is_empty() {
            let mut table = txn.open_table(SESSIONS)?;
            for ((user, number), row) in &self.sessions {
                let key = (user.get(), *number);
                match row {
                    Some(row) => table.insert(key, &sessions::encode((*user, *number), row)[..])?,
                    None => table.remove(key)?,
                };
                changing.note_of_two(Followed::Sessions, key)?;
            }
        }
        if !self.codes.is_empty() {
            let mut table = txn.open_table(CODES)?;
            for (user, code) in &self.codes {
                let key = codes::key_of(*user);
                match code {
                    Some(code) => table.insert(key, &codes::encode(*user, code)[..])?,
                    None => table.remove(key)?,
                };
                changing.note_of_two(Followed::Codes, key)?;
            }
        }
        Ok(())
    }

    /// Puts the reports into their table.
    fn write_reports(
        &self,
        txn: &WriteTransaction,
        changing: &mut Changing<'_>,
    ) -> Result<(), StoreError> {
        if self.reports.is_empty() {
            return Ok(());
        }
        let mut table = txn.open_table(REPORTS)?;
        for (number, report) in &self.reports {
            match report {
                Some(report) => table.insert(number, &reports::encode(report)[..])?,
                None => table.remove(number)?,
            };
            changing.note(Followed::Reports, *number)?;
        }
        Ok(())
    }

    /// Puts the subscriptions of browsers into their table.
    fn write_subscriptions(
        &self,
        txn: &WriteTransaction,
        changing: &mut Changing<'_>,
    ) -> Result<(), StoreError> {
        if self.subscriptions.is_empty() {
            return Ok(());
        }
        let mut table = txn.open_table(PUSH_SUBSCRIPTIONS)?;
        for ((user, number), subscription) in &self.subscriptions {
            let key = (user.get(), *number);
            match subscription {
                Some(subscription) => {
                    table.insert(key, &subscriptions::encode(subscription)[..])?
                }
                None => table.remove(key)?,
            };
            changing.note_of_two(Followed::PushSubscriptions, key)?;
        }
        Ok(())
    }

    /// Returns whether they stand in the file as a transaction would have left them; `false` where
    /// there are none.
    pub(crate) fn are_in(&self, db: &Database) -> Result<bool, StoreError> {
        let txn = db.begin_read()?;
        if let Some(user) = self.users.last() {
            let stored = txn.open_table(USERS)?.get(user.id.get())?;
            return Ok(stored.is_some_and(|value| value.value() == users::encode(user)));
        }
        if let Some((id, key)) = self.api_keys.last() {
            let stored = txn.open_table(KEYS)?.get(id.0)?;
            let wanted = key.as_ref().map(api_keys::encode);
            return Ok(stored.as_ref().map(|value| value.value()) == wanted.as_deref());
        }
        if let Some((number, row)) = self.hooks.last() {
            let stored = txn.open_table(HOOKS)?.get(number)?;
            let wanted = row.as_ref().map(|row| hooks::encode(*number, row));
            return Ok(stored.as_ref().map(|value| value.value()) == wanted.as_deref());
        }
        if let Some((_, number, file)) = self.files.last() {
            let stored = txn.open_table(FILES)?.get(number)?;
            let wanted = file.as_ref().map(|file| files::encode(file));
            return Ok(stored.as_ref().map(|value| value.value()) == wanted.as_deref());
        }
        if let Some(((user, number), row)) = self.sessions.last() {
            let stored = txn.open_table(SESSIONS)?.get((user.get(), *number))?;
            let wanted = row.as_ref();
            let wanted = wanted.map(|row| sessions::encode((*user, *number), row));
            return Ok(stored.as_ref().map(|value| value.value()) == wanted.as_deref());
        }
        if let Some((user, code)) = self.codes.last() {
            let stored = txn.open_table(CODES)?.get(codes::key_of(*user))?;
            let wanted = code.as_ref().map(|code| codes::encode(*user, code));
            return Ok(stored.as_ref().map(|value| value.value()) == wanted.as_deref());
        }
        if let Some((number, report)) = self.reports.last() {
            let stored = txn.open_table(REPORTS)?.get(number)?;
            let wanted = report.as_ref().map(reports::encode);
            return Ok(stored.as_ref().map(|value| value.value()) == wanted.as_deref());
        }
        if let Some(((user, number), subscription)) = self.subscriptions.last() {
            let stored = txn.open_table(PUSH_SUBSCRIPTIONS)?;
            let stored = stored.get((user.get(), *number))?;
            let wanted = subscription.as_deref().map(subscriptions::encode);
            return Ok(stored.as_ref().map(|value| value.value()) == wanted.as_deref());
        }
        let Some((number, invite)) = self.invites.last() else {
            return Ok(false);
        };
        let stored = txn.open_table(INVITES)?.get(number)?;
        let stored = stored.as_ref().map(|value| value.value());
        let wanted = invite
            .as_ref()
            .map(|invite| invites::encode(*number, invite));
        Ok(stored == wanted.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::model::Timestamp;
    use crate::store::Invite;
    use crate::store::disk::schema;

    /// An invite that was revoked on disk, though its commit seemed to fail, could still be used.
    #[test]
    fn an_invite_that_is_to_go_is_there_as_wanted_once_it_is_gone() {
        let db = Database::builder()
            .create_with_backend(InMemoryBackend::new())
            .unwrap();
        schema::prepare(&db, None).unwrap();
        let of = |invite| Rows {
            invites: vec![(1, invite)],
            ..Rows::default()
        };
        let invite = Invite {
            code: "code".into(),
            max_uses: 1,
            uses: 0,
            created_at: Timestamp::from_ms(0),
            expires_at: Timestamp::from_ms(1),
            room: None,
            registers: true,
            by: crate::store::Maker::Operator,
        };
        let (made, revoked) = (of(Some(invite)), of(None));
        let commit = |rows: &Rows| {
            let txn = db.begin_write().unwrap();
            rows.write(&txn, 0).unwrap();
            txn.commit().unwrap();
        };
        assert!(!made.are_in(&db).unwrap());
        commit(&made);
        assert!(made.are_in(&db).unwrap() && !revoked.are_in(&db).unwrap());
        commit(&revoked);
        assert!(!made.are_in(&db).unwrap() && revoked.are_in(&db).unwrap());
    }
}
