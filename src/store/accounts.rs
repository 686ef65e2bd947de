//! Accounts in the making: how changes of them are staged, beside `writer.rs`, which stages what is said.

use std::sync::Arc;

use super::staging::Staging;
use super::{Committed, StoreError};
use crate::model::{Timestamp, User, UserId, Username};

/// What is to change of an account; what is absent stays.
#[derive(Clone, Default)]
pub struct UserChange {
    /// Another name, which must be free.
    pub username: Option<Username>,
    /// Another picture, or none.
    pub avatar: Option<Option<Arc<str>>>,
    /// Another password: its argon2id hash in PHC string form.
    pub password_hash: Option<Arc<str>>,
    /// Whether it may use the admin routes. The last enabled administrator stays one.
    pub is_admin: Option<bool>,
    /// Whether it is shut out. The last enabled administrator is not.
    pub disabled: Option<bool>,
    /// Every token that was issued so far is to be refused.
    pub revoke_tokens: bool,
    /// Only while the account's token version is this one: what the caller proved may be void by now.
    pub if_token_version: Option<u32>,
}

impl std::fmt::Debug for UserChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserChange")
            .field("is_admin", &self.is_admin)
            .field("disabled", &self.disabled)
            .field("revoke_tokens", &self.revoke_tokens)
            .finish_non_exhaustive()
    }
}

/// An account of another system, under the id that it has there. It has no password until it is given one.
#[derive(Debug, Clone)]
pub struct PutUser {
    /// Its id.
    pub id: UserId,
    /// Its name, which must be free or its own.
    pub username: Username,
    /// Its picture, or none; absent, an existing account keeps its own.
    pub avatar: Option<Option<Arc<str>>>,
    /// An account that is there already stays as it is.
    pub only_if_absent: bool,
}

impl Staging<'_> {
    /// Who has a name, given by its key.
    pub(super) fn holder(&self, name: &str) -> Option<UserId> {
        match self.names.get(name) {
            Some(holder) => *holder,
            None => self.state.directory.by_key(name),
        }
    }

    /// Changes one account.
    pub(super) fn change_user(
        &mut self,
        now: Timestamp,
        id: UserId,
        change: &UserChange,
    ) -> Result<Arc<User>, StoreError> {
        let earlier = Arc::clone(self.user(id).ok_or(StoreError::NoSuchUser)?);
        if change
            .if_token_version
            .is_some_and(|version| version != earlier.token_version)
        {
            return Err(StoreError::Revoked);
        }
        let mut user = User::clone(&earlier);
        if let Some(username) = &change.username {
            self.check_free(username, id)?;
            user.username = username.clone();
        }
        if let Some(avatar) = &change.avatar {
            user.avatar.clone_from(avatar);
        }
        user.is_admin = change.is_admin.unwrap_or(user.is_admin);
        user.disabled = change.disabled.unwrap_or(user.disabled);
        let administers = |user: &User| user.is_admin && !user.disabled;
        if administers(&earlier) && !administers(&user) && !self.another_administers(id) {
            return Err(StoreError::LastAdmin);
        }
        if change.revoke_tokens {
            user.token_version = user.token_version.wrapping_add(1);
            let revoked_at = user
                .revoked_at
                .map_or(now, |earlier| now.following(earlier));
            user.revoked_at = Some(revoked_at);
        }
        if let Some(hash) = &change.password_hash {
            self.credentials.push((id, Arc::clone(hash)));
        }
        Ok(self.replace(&earlier, user))
    }

    /// Makes or changes the account of an id.
    pub(super) fn put(&mut self, now: Timestamp, put: &PutUser) -> Result<Committed, StoreError> {
        let earlier = self.user(put.id).cloned();
        if let Some(user) = earlier.as_ref().filter(|_| put.only_if_absent) {
            let user = Arc::clone(user);
            return Ok(Committed::Put {
                user,
                created: false,
            });
        }
        self.check_free(&put.username, put.id)?;
        if let Some(earlier) = earlier {
            let user = User {
                username: put.username.clone(),
                avatar: put.avatar.clone().unwrap_or(earlier.avatar.clone()),
                ..User::clone(&earlier)
            };
            let user = self.replace(&earlier, user);
            return Ok(Committed::Put {
                user,
                created: false,
            });
        }
        let user = Arc::new(User {
            id: put.id,
            username: put.username.clone(),
            avatar: put.avatar.clone().flatten(),
            is_admin: false,
            disabled: false,
            token_version: 0,
            revoked_at: None,
            created_at: now,
            last_seen: None,
        });
        *self.greatest_user = (*self.greatest_user).max(put.id.get());
        self.names.insert(user.username.key(), Some(put.id));
        self.put_user(Arc::clone(&user));
        Ok(Committed::Put {
            user,
            created: true,
        })
    }

    fn replace(&mut self, earlier: &User, user: User) -> Arc<User> {
        let user = Arc::new(user);
        if earlier.username != user.username {
            self.names.insert(earlier.username.key(), None);
        }
        self.names.insert(user.username.key(), Some(user.id));
        self.put_user(Arc::clone(&user));
        user
    }

    fn check_free(&self, username: &Username, id: UserId) -> Result<(), StoreError> {
        match self.holder(&username.key()) {
            Some(holder) if holder != id => Err(StoreError::UsernameTaken),
            _ => Ok(()),
        }
    }

    /// Whether somebody else is an enabled administrator.
    fn another_administers(&self, id: UserId) -> bool {
        let staged = self.users.values();
        let mut staged = staged.filter(|user| user.is_admin && !user.disabled);
        let stored = self.state.directory.admins();
        let mut stored = stored.filter(|stored| !self.users.contains_key(stored));
        staged.any(|user| user.id != id) || stored.any(|stored| stored != id)
    }
}
