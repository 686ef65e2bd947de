//! Accounts, invites, keys, hooks and files in the making: what one transaction makes of them.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::accounts::NewUser;
use super::api_keys::{ApiKeyId, StagedApiKeys};
use super::codes::StagedCodes;
use super::hooks::staging::StagedHooks;
use super::invites::{Invite, StagedInvites};
use super::refusal::PeopleRefusal;
use super::reports::StagedReports;
use super::rows::Rows;
use super::sessions::StagedSessions;
use super::state::People;
use super::subscriptions::StagedSubscriptions;
use crate::model::{MadeBy, Subject, Timestamp, User, UserId};
use crate::store::error::StoreError;
use crate::store::files::staging::{StagedFiles, StagingFiles};

/// What a transaction's changes so far come to.
#[derive(Default)]
pub(crate) struct StagedPeople {
    /// What is to be written.
    pub(crate) rows: Rows,
    /// By their key: names taken (`Some`) and given free (`None`).
    pub(super) names: HashMap<String, Option<UserId>>,
    pub(super) users: FxHashMap<UserId, Arc<User>>,
    /// Whom an app means by those of its accounts that are made.
    pub(super) subjects: HashMap<Arc<Subject>, UserId>,
    pub(super) greatest_user: u64,
    /// Every id up to this one is an account's.
    used_ids: u64,
    pub(super) invites: StagedInvites,
    pub(super) api_keys: StagedApiKeys,
    pub(super) sessions: StagedSessions,
    pub(super) codes: StagedCodes,
    pub(super) reports: StagedReports,
    pub(super) hooks: StagedHooks,
    pub(super) subscriptions: StagedSubscriptions,
    files: StagedFiles,
}

impl StagedPeople {
    /// Begins a transaction upon these accounts and invites.
    pub(crate) fn begin(people: &People) -> Self {
        Self {
            greatest_user: people.directory.greatest(),
            used_ids: people.directory.used_ids(),
            ..Self::default()
        }
    }

    /// Returns an account as it is to be.
    pub(crate) fn user<'a>(&'a self, people: &'a People, id: UserId) -> Option<&'a Arc<User>> {
        self.users.get(&id).or_else(|| people.directory.get(id))
    }

    /// Returns an invite as it is to be.
    pub(crate) fn invite<'a>(&'a self, people: &'a People, code: &str) -> Option<&'a Invite> {
        let (_, invite) = self.invites.get(&people.invites, code)?;
        Some(invite)
    }

    /// Returns whether there is to be a key of this number.
    pub(crate) fn has_api_key(&self, people: &People, id: ApiKeyId) -> bool {
        self.api_keys.get(&people.api_keys, id).is_some()
    }
}

/// Judges changes of accounts and invites, by what is on disk and what was staged before. A refusal
/// leaves everything as it was.
pub(crate) struct StagingPeople<'a> {
    pub(super) people: &'a People,
    pub(super) staged: &'a mut StagedPeople,
    /// The time of the newest entry of the log.
    last_at: Timestamp,
}

impl<'a> StagingPeople<'a> {
    /// Goes on with a transaction.
    pub(crate) fn new(
        people: &'a People,
        staged: &'a mut StagedPeople,
        last_at: Timestamp,
    ) -> Self {
        Self {
            people,
            staged,
            last_at,
        }
    }

    /// Judges acts on files.
    pub(crate) fn files(&mut self) -> StagingFiles<'_> {
        StagingFiles {
            files: &self.people.files,
            staged: &mut self.staged.files,
            rows: &mut self.staged.rows.files,
        }
    }

    /// Returns when an account that becomes another now was last shown otherwise.
    pub(super) fn profile_at(&self, now: Timestamp, from: &User, to: &User) -> Option<Timestamp> {
        match from.is_shown_as(to) {
            true => from.profile_at,
            false => Some(now.following(self.last_at)).max(from.profile_at),
        }
    }

    /// Returns an account as it is to be.
    pub(super) fn user(&self, id: UserId) -> Option<&Arc<User>> {
        self.staged.user(self.people, id)
    }

    /// Makes an account of this server.
    pub(crate) fn create_user(
        &mut self,
        now: Timestamp,
        new: &NewUser,
    ) -> Result<Arc<User>, StoreError> {
        if new.only_if_first && self.is_set_up() {
            return Err(PeopleRefusal::NotFirst.into());
        }
        if let Some(invite) = &new.invite {
            self.check_invite(now, invite)?;
        }
        let name = new.username.key();
        if self.holder(&name).is_some() {
            return Err(PeopleRefusal::UsernameTaken.into());
        }
        let id = self.free_user_id()?;
        let user = Arc::new(User {
            id,
            username: new.username.clone(),
            name: new.name.clone().and_then(|name| name.beside(&new.username)),
            avatar: new.avatar.clone(),
            is_admin: new.is_admin,
            is_bot: new.is_bot,
            disabled: false,
            deleted: false,
            erasing: false,
            token_version: 0,
            revoked_at: None,
            created_at: now,
            last_seen: None,
            made_by: MadeBy::Here,
            profile_at: None,
            named_at: None,
            subject: None,
        });
        // In the same transaction as the account, so that two who come at once with the last use do
        // not both have it.
        if let Some(invite) = &new.invite {
            self.use_invite(invite);
        }
        self.staged.greatest_user = (self.staged.greatest_user).max(id.get());
        self.staged.names.insert(name, Some(id));
        if let Some(hash) = &new.password_hash {
            self.staged
                .rows
                .credentials
                .push((id, Some(Arc::clone(hash))));
        }
        self.put_user(Arc::clone(&user));
        Ok(user)
    }

    fn is_set_up(&self) -> bool {
        let mut staged = self.staged.users.values();
        self.people.directory.is_set_up() || staged.any(|user| user.sets_up())
    }

    /// The id for an account to which this server gives one: the one after all others, or, where
    /// another system gave the greatest id there is, the least that no account has.
    pub(super) fn free_user_id(&mut self) -> Result<UserId, StoreError> {
        if let Ok(id) = UserId::new(self.staged.greatest_user + 1) {
            return Ok(id);
        }
        loop {
            let id = UserId::new(self.staged.used_ids + 1).map_err(|_| StoreError::Full)?;
            if self.user(id).is_none() {
                return Ok(id);
            }
            self.staged.used_ids = id.get();
        }
    }

    /// Notes when accounts were last connected.
    pub(crate) fn seen(&mut self, visits: &[(UserId, Timestamp)]) {
        for (id, at) in visits {
            // Of a deleted account nobody is to know any more when that was.
            let Some(user) = self.user(*id).filter(|user| !user.deleted) else {
                continue;
            };
            let earlier = user.last_seen;
            let user = User {
                last_seen: Some(earlier.map_or(*at, |earlier| at.following(earlier))),
                ..User::clone(user)
            };
            self.put_user(Arc::new(user));
        }
    }

    /// Has the transaction write an account as it is to be.
    pub(super) fn put_user(&mut self, user: Arc<User>) {
        let before = self.user(user.id).cloned();
        self.note_account(before.as_deref(), &user);
        let avatar = before.as_ref().and_then(|user| user.avatar.as_deref());
        self.files().show(avatar, user.avatar.as_deref());
        self.end_subscriptions(before.as_deref(), &user);
        self.staged.users.insert(user.id, Arc::clone(&user));
        self.staged.rows.users.push(user);
    }
}
