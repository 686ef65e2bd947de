//! Accounts in the making: how changes of them are staged, beside `writer.rs`, which stages what is
//! said.

use std::sync::Arc;
use std::time::Duration;

use super::api_keys::KeyHash;
use super::refusal::PeopleRefusal;
use super::sessions::Ending;
use super::staging::StagingPeople;
use crate::model::{MadeBy, Name, Timestamp, User, UserId, Username, Whom};
use crate::store::error::StoreError;

/// An account to be made.
#[derive(Clone)]
pub struct NewUser {
    /// Its name, which must be free.
    pub username: Username,
    /// The name that is shown, if it is another.
    pub name: Option<Name>,
    /// Its picture.
    pub avatar: Option<Arc<str>>,
    /// The password's argon2id hash in PHC string form; a bot has none.
    pub password_hash: Option<Arc<str>>,
    /// Whether it may use the admin routes.
    pub is_admin: bool,
    /// Whether it is a program's.
    pub is_bot: bool,
    /// Make it only if no account was made here and there is no administrator.
    pub only_if_first: bool,
    /// Make it only if this invite can be used once more, and use it.
    pub invite: Option<Arc<str>>,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// What is to change of an account; what is absent stays.
#[derive(Clone, Default)]
pub struct UserChange {
    /// Another name, which must be free.
    pub username: Option<Username>,
    /// Another name to be shown, or the username.
    pub name: Option<Option<Name>>,
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
    /// How far the clocks of apps are ahead, whose tokens open the account: with `revoke_tokens`
    /// those are refused too that are dated so much later.
    pub issuers_ahead: Duration,
    /// Only while the account's token version is this one: what the caller proved may be void by
    /// now.
    pub if_token_version: Option<u32>,
    /// Only by the code of a link, which has this hash and is used up by that.
    pub by_code: Option<KeyHash>,
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

/// An account of another system. It has no password until it is given one.
#[derive(Debug, Clone)]
pub struct PutUser {
    /// Whom it is for.
    pub whom: Whom,
    /// Its names, of which it gets the first that is free or its own.
    pub names: Vec<Username>,
    /// The name that is shown; absent, an existing account keeps its own.
    pub name: Option<Name>,
    /// Where they are all taken, the id is put beside them, and no account is refused for its name.
    pub is_numbered: bool,
    /// Its picture, or none; absent, an existing account keeps its own.
    pub avatar: Option<Option<Arc<str>>>,
    /// Who says so.
    pub by: PutBy,
}

/// Who says how another system's account is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutBy {
    /// An administrator, of any account.
    Administrator,
    /// An app's backend, of an app's account.
    Backend,
    /// A token, of an app's account, unless a later one did.
    Token {
        /// When it was issued.
        issued_at: Option<Timestamp>,
    },
}

impl PutUser {
    /// Returns the names to try for the account of this id, the best first.
    pub fn names_for(&self, id: UserId, is_new: bool) -> Vec<Username> {
        let mut names = self.names.clone();
        if self.is_numbered {
            names.extend(self.names.iter().filter_map(|name| name.numbered(id)));
            names.extend(is_new.then(|| Username::given(id)));
        }
        names
    }

    /// Returns the name that an account of this username is to have beside it.
    pub(super) fn name_beside(&self, username: &Username) -> Option<Name> {
        self.name.clone()?.beside(username)
    }

    /// Returns whether a token of this time brings no news of an account by saying so.
    pub fn is_said_of(&self, user: &User, issued_at: Option<Timestamp>) -> bool {
        user.is_called(
            issued_at,
            &self.names,
            self.name.as_ref(),
            self.avatar.as_ref(),
        )
    }
}

impl StagingPeople<'_> {
    /// Returns who has a name, given by its key.
    pub(crate) fn holder(&self, name: &str) -> Option<UserId> {
        match self.staged.names.get(name) {
            Some(holder) => *holder,
            None => self.people.directory.by_key(name),
        }
    }

    /// Changes one account.
    pub(crate) fn change_user(
        &mut self,
        now: Timestamp,
        id: UserId,
        change: &UserChange,
    ) -> Result<Arc<User>, StoreError> {
        let earlier = self.user(id).filter(|user| !user.deleted);
        let earlier = Arc::clone(earlier.ok_or(PeopleRefusal::NoSuchUser)?);
        if change
            .if_token_version
            .is_some_and(|version| version != earlier.token_version)
        {
            return Err(PeopleRefusal::Revoked.into());
        }
        if let Some(avatar) = &change.avatar {
            self.files().may_show(id, avatar.as_deref())?;
        }
        if change.by_code.is_some() && earlier.disabled {
            return Err(PeopleRefusal::InvalidCode.into());
        }
        let mut user = User::clone(&earlier);
        if let Some(username) = &change.username {
            self.check_free(username, id)?;
            user.username = username.clone();
        }
        if let Some(name) = &change.name {
            user.name.clone_from(name);
        }
        user.name = user.name.and_then(|name| name.beside(&user.username));
        if let Some(avatar) = &change.avatar {
            user.avatar.clone_from(avatar);
        }
        user.is_admin = change.is_admin.unwrap_or(user.is_admin);
        user.disabled = change.disabled.unwrap_or(user.disabled);
        let administers = |user: &User| user.is_admin && !user.disabled;
        if administers(&earlier) && !administers(&user) && !self.another_administers(id) {
            return Err(PeopleRefusal::LastAdmin.into());
        }
        if let Some(hash) = &change.by_code {
            self.use_code(now, id, hash)?;
        }
        if change.revoke_tokens {
            self.revoke_tokens(now, change, &mut user);
        }
        if change.disabled == Some(true) || change.password_hash.is_some() && change.revoke_tokens {
            self.end_code(id);
        }
        if let Some(hash) = &change.password_hash {
            self.staged
                .rows
                .credentials
                .push((id, Some(Arc::clone(hash))));
        }
        Ok(self.replace(now, &earlier, user))
    }

    /// Has every token of an account refused that was issued so far, and ends its sessions.
    fn revoke_tokens(&mut self, now: Timestamp, change: &UserChange, user: &mut User) {
        self.end_sessions(now, user.id, Ending::All);
        user.token_version = user.token_version.wrapping_add(1);
        let until = match user.made_by {
            MadeBy::App => now.plus(change.issuers_ahead),
            MadeBy::Here => now,
        };
        let revoked_at = user.revoked_at;
        user.revoked_at = Some(revoked_at.map_or(until, |earlier| until.following(earlier)));
    }

    /// Returns whose account an app means, if there is one.
    fn account_of(&self, whom: &Whom) -> Option<UserId> {
        match whom {
            Whom::Id(id) => self.user(*id).map(|user| user.id),
            Whom::Subject(subject) => {
                let staged = self.staged.subjects.get(subject).copied();
                staged.or_else(|| self.people.directory.by_subject(subject))
            }
        }
    }

    /// Makes or changes an account that an app has. Returns it, and whether it was made.
    pub(crate) fn put(
        &mut self,
        now: Timestamp,
        put: &PutUser,
    ) -> Result<(Arc<User>, bool), StoreError> {
        let known = self.account_of(&put.whom);
        let id = match (known, &put.whom) {
            (Some(id), _) => id,
            (None, Whom::Id(id)) => *id,
            (None, Whom::Subject(_)) => self.free_user_id()?,
        };
        let is_free = |name: &Username| self.check_free(name, id).is_ok();
        let earlier = self.user(id).cloned();
        let is_new = earlier.as_ref().is_none_or(|earlier| earlier.deleted);
        let free = put.names_for(id, is_new).into_iter().find(is_free);
        match (earlier, put.by) {
            (None, _) => {
                let username = free.ok_or(PeopleRefusal::UsernameTaken)?;
                Ok((self.put_new(now, id, put, username), true))
            }
            (Some(earlier), _) if earlier.deleted => {
                Ok((self.revive(now, &earlier, put, free)?, true))
            }
            (Some(earlier), PutBy::Backend) if earlier.made_by == MadeBy::Here => {
                Err(PeopleRefusal::MadeHere.into())
            }
            (Some(earlier), PutBy::Administrator | PutBy::Backend) => {
                let username = match free {
                    Some(username) => username,
                    None if put.is_numbered => earlier.username.clone(),
                    None => return Err(PeopleRefusal::UsernameTaken.into()),
                };
                // A program of before `name` says by the username how the account is shown.
                let keeps = || username.is_written(&earlier.username);
                let name = match &put.name {
                    Some(_) => put.name_beside(&username),
                    None => earlier.name.clone().filter(|_| keeps()),
                };
                let user = User {
                    name,
                    username,
                    avatar: put.avatar.clone().unwrap_or(earlier.avatar.clone()),
                    named_at: earlier.named_at.max(Some(now)),
                    ..User::clone(&earlier)
                };
                Ok((self.replace(now, &earlier, user), false))
            }
            (Some(earlier), PutBy::Token { issued_at }) => Ok((
                self.put_by_token(now, earlier, put, (free, issued_at)),
                false,
            )),
        }
    }

    /// Has an account be shown as a token says, unless a later one has said how.
    fn put_by_token(
        &mut self,
        now: Timestamp,
        earlier: Arc<User>,
        put: &PutUser,
        (free, issued_at): (Option<Username>, Option<Timestamp>),
    ) -> Arc<User> {
        if put.is_said_of(&earlier, issued_at) {
            return earlier;
        }
        let keeps = put.names.iter().any(|name| earlier.has_name(name));
        let username = free.filter(|_| !keeps);
        let username = username.unwrap_or_else(|| earlier.username.clone());
        let user = User {
            name: match &put.name {
                Some(_) => put.name_beside(&username),
                None => earlier.name.clone(),
            },
            username,
            avatar: put.avatar.clone().unwrap_or(earlier.avatar.clone()),
            named_at: earlier.named_at.max(issued_at),
            ..User::clone(&earlier)
        };
        self.replace(now, &earlier, user)
    }

    /// Makes an account that an app has.
    fn put_new(
        &mut self,
        now: Timestamp,
        id: UserId,
        put: &PutUser,
        username: Username,
    ) -> Arc<User> {
        let subject = match &put.whom {
            Whom::Id(_) => None,
            Whom::Subject(subject) => Some(Arc::new(subject.clone())),
        };
        if let Some(subject) = &subject {
            self.staged.subjects.insert(Arc::clone(subject), id);
        }
        let user = Arc::new(User {
            id,
            subject,
            name: put.name_beside(&username),
            username,
            avatar: put.avatar.clone().flatten(),
            is_admin: false,
            is_bot: false,
            disabled: false,
            deleted: false,
            erasing: false,
            token_version: 0,
            revoked_at: None,
            created_at: now,
            last_seen: None,
            made_by: MadeBy::App,
            profile_at: None,
            named_at: match put.by {
                PutBy::Administrator | PutBy::Backend => Some(now),
                PutBy::Token { issued_at } => issued_at,
            },
        });
        self.staged.greatest_user = self.staged.greatest_user.max(id.get());
        self.staged.names.insert(user.username.key(), Some(id));
        self.put_user(Arc::clone(&user));
        user
    }

    pub(super) fn replace(&mut self, now: Timestamp, earlier: &User, user: User) -> Arc<User> {
        let user = Arc::new(User {
            profile_at: self.profile_at(now, earlier, &user),
            ..user
        });
        if earlier.username != user.username {
            self.staged.names.insert(earlier.username.key(), None);
        }
        self.staged.names.insert(user.username.key(), Some(user.id));
        self.put_user(Arc::clone(&user));
        user
    }

    fn check_free(&self, username: &Username, id: UserId) -> Result<(), PeopleRefusal> {
        match self.holder(&username.key()) {
            Some(holder) if holder != id => Err(PeopleRefusal::UsernameTaken),
            _ => Ok(()),
        }
    }

    /// Returns whether somebody else is an enabled administrator.
    pub(super) fn another_administers(&self, id: UserId) -> bool {
        let staged = self.staged.users.values();
        let mut staged = staged.filter(|user| user.is_admin && !user.disabled);
        let stored = self.people.directory.admins();
        let mut stored = stored.filter(|stored| !self.staged.users.contains_key(stored));
        staged.any(|user| user.id != id) || stored.any(|stored| stored != id)
    }
}
