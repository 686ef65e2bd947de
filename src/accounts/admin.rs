//! The verbs of administrators: invites, and the accounts of others.

use std::sync::Arc;
use std::time::Duration;

use rand::distr::{Alphanumeric, SampleString};

use super::{
    AccountError, Accounts, Asker, Caller, Login, checked_avatar, checked_name, password,
    tell_of_profile,
};
use crate::model::{MadeBy, Timestamp, User, UserId, Username, Whom};
use crate::store::{
    ApiKeyId, Command, Invite, InviteRefusal, Leaving, Maker, NewUser, PutBy, PutUser, StoreError,
    UserChange,
};

/// Letters and digits of an invite's code: 142 bits.
const CODE_CHARS: usize = 24;
/// A week: an invite is mostly used within the hour, or forgotten.
const DEFAULT_EXPIRES_IN: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Ten years.
const MAX_EXPIRES_IN_SECS: u64 = 10 * 366 * 24 * 60 * 60;
/// More accounts than one link should make.
const MAX_USES: u32 = 100_000;

/// The right to use the verbs of administrators, and as whom.
#[derive(Debug, Clone, Copy)]
pub struct Admin(Maker);

/// The right to use those verbs of administrators that concern people.
#[derive(Debug, Clone, Copy)]
pub struct UsersAdmin {
    /// Administrators can be made and changed, too.
    is_full: bool,
}

impl From<Admin> for UsersAdmin {
    fn from(_: Admin) -> Self {
        Self { is_full: true }
    }
}

impl UsersAdmin {
    /// The right to make and change people who are no administrators.
    pub(super) const fn of_people() -> Self {
        Self { is_full: false }
    }

    /// Refuses what only a full administrator may do.
    fn must_be_full_if(self, is_more: bool) -> Result<(), AccountError> {
        match is_more && !self.is_full {
            true => Err(AccountError::KeyScope),
            false => Ok(()),
        }
    }
}

impl Caller {
    /// The caller's right to administer, if they have it.
    pub fn admin(&self) -> Result<Admin, AccountError> {
        if self.is_admin() {
            let by = self.user.id;
            Ok(Admin(match self.administers_by_token() {
                true => Maker::Token(by),
                false => Maker::Account(by),
            }))
        } else {
            Err(AccountError::Forbidden)
        }
    }
}

impl Admin {
    /// The right of a backend whose key opens all that an administrator may.
    pub(super) const fn of_backend(key: ApiKeyId) -> Self {
        Self(Maker::Backend(key))
    }

    /// The right of the operator, who has the data file and so everything.
    pub fn operator() -> Self {
        Self(Maker::Operator)
    }
}

/// A wish for an invite, not yet checked.
#[derive(Debug, Default)]
pub struct NewInvite {
    /// How many accounts it may make; one, unless said otherwise.
    pub max_uses: Option<u32>,
    /// For how many seconds it is good; a week, unless said otherwise.
    pub expires_in_secs: Option<u64>,
}

/// A wish that was checked, with a code that nobody can guess.
#[derive(Debug)]
pub struct InviteTerms {
    /// The code.
    pub code: Arc<str>,
    /// How many people may use it.
    pub max_uses: u32,
    /// From when on nobody may.
    pub expires_at: Timestamp,
}

impl NewInvite {
    /// Checks the wish, and gives it a code.
    pub fn terms(&self, now: Timestamp) -> Result<InviteTerms, AccountError> {
        let max_uses = self.max_uses.unwrap_or(1);
        if !(1..=MAX_USES).contains(&max_uses) {
            return Err(AccountError::Invite("max_uses must be from 1 to 100000"));
        }
        let expires_in = match self.expires_in_secs {
            None => DEFAULT_EXPIRES_IN,
            Some(secs) if (1..=MAX_EXPIRES_IN_SECS).contains(&secs) => Duration::from_secs(secs),
            Some(_) => {
                return Err(AccountError::Invite(
                    "expires_in must be from 1 second to 10 years",
                ));
            }
        };
        let code = Alphanumeric.sample_string(&mut rand::rng(), CODE_CHARS);
        Ok(InviteTerms {
            code: code.into(),
            max_uses,
            expires_at: now.plus(expires_in),
        })
    }
}

/// A wish for an account that an administrator makes, not yet checked.
pub struct NewAccount {
    /// Its name.
    pub username: String,
    /// The name that is shown; the username, unless given.
    pub name: Option<String>,
    /// Its password.
    pub password: String,
    /// Its picture.
    pub avatar: Option<String>,
    /// Whether it may use these verbs.
    pub is_admin: bool,
}

/// An account as another system has it, not yet checked.
#[derive(Debug)]
pub struct PutAccount {
    /// Its id there.
    pub id: UserId,
    /// Its name there.
    pub username: String,
    /// The name that is shown; absent, an existing account keeps its own.
    pub name: Option<String>,
    /// Its picture there, or none; absent, an existing account keeps its own.
    pub avatar: Option<Option<String>>,
}

/// What an administrator wants changed of an account, not yet checked; what is absent stays.
#[derive(Default)]
pub struct ChangeAccount {
    /// Another name.
    pub username: Option<String>,
    /// Another name to be shown, or none but the username.
    pub name: Option<Option<String>>,
    /// Another picture, or none.
    pub avatar: Option<Option<String>>,
    /// Another password; every token of the account is revoked.
    pub password: Option<String>,
    /// Whether it is shut out.
    pub disabled: Option<bool>,
    /// Whether it may use these verbs.
    pub is_admin: Option<bool>,
}

/// An account that was put.
#[derive(Debug)]
pub struct MadeUser {
    /// The account.
    pub user: Arc<User>,
    /// Whether it was made now.
    pub created: bool,
}

impl Accounts {
    /// Makes an invite. It is good only as long as its maker may still make one.
    pub async fn create_invite(
        &self,
        Admin(by): Admin,
        now: Timestamp,
        wish: NewInvite,
    ) -> Result<Invite, AccountError> {
        let terms = wish.terms(now)?;
        let invite = Invite {
            code: terms.code,
            max_uses: terms.max_uses,
            uses: 0,
            created_at: now,
            expires_at: terms.expires_at,
            room: None,
            registers: true,
            by,
        };
        Ok(self
            .store
            .apply(now, Command::create_invite(invite))
            .await?)
    }

    /// The invites that are kept, used up and expired ones among them, the newest first.
    pub fn invites(&self, _: Admin) -> Vec<Invite> {
        self.store.invites()
    }

    /// Takes an invite away.
    pub async fn revoke_invite(
        &self,
        _: Admin,
        now: Timestamp,
        code: &str,
    ) -> Result<(), AccountError> {
        let revoke = Command::revoke_invite(code.into());
        match self.store.apply(now, revoke).await {
            Err(StoreError::Invite(InviteRefusal::InvalidInvite)) => {
                Err(AccountError::NoSuchInvite)
            }
            result => Ok(result?),
        }
    }

    /// The accounts whose id is greater than this one, ascending by id, and whether there are more.
    pub fn accounts_after(
        &self,
        _: UsersAdmin,
        after: u64,
        limit: usize,
    ) -> (Vec<Arc<User>>, bool) {
        self.store.users_after(after, limit)
    }

    /// The account of this name.
    pub fn account_named(&self, _: UsersAdmin, username: &str) -> Option<Arc<User>> {
        self.store.user_by_name(username)
    }

    /// Makes an account, whatever the mode of registration.
    pub async fn create_account(
        &self,
        admin: impl Into<UsersAdmin>,
        now: Timestamp,
        wish: NewAccount,
    ) -> Result<Arc<User>, AccountError> {
        admin.into().must_be_full_if(wish.is_admin)?;
        let username = Username::registered(&wish.username)?;
        let avatar = checked_avatar(wish.avatar)?;
        password::check(&wish.password, &[&wish.username])?;
        if self.store.user_by_name(username.as_str()).is_some() {
            return Err(AccountError::UsernameTaken);
        }
        let new = NewUser {
            name: checked_name(wish.name)?,
            username,
            avatar,
            password_hash: Some(
                self.passwords
                    .hash(Asker::ADMIN, wish.password)
                    .await?
                    .into(),
            ),
            is_admin: wish.is_admin,
            is_bot: false,
            only_if_first: false,
            invite: None,
        };
        Ok(self.store.apply(now, Command::create_user(new)).await?)
    }

    /// Returns a token of this account, for tests and scripts.
    pub fn token_of(&self, _: Admin, now: Timestamp, id: UserId) -> Result<Login, AccountError> {
        let user = self.store.user(id).filter(|user| !user.deleted);
        let user = user.ok_or(AccountError::NoSuchUser)?;
        if user.disabled {
            return Err(AccountError::AccountDisabled);
        }
        if user.is_bot {
            return Err(AccountError::IsBot);
        }
        self.log_in_alone(now, user)
    }

    /// Makes or changes the account of an id: for systems that keep accounts of their own. It has
    /// no password until it is given one.
    pub async fn put_account(
        &self,
        admin: impl Into<UsersAdmin>,
        now: Timestamp,
        put: PutAccount,
    ) -> Result<MadeUser, AccountError> {
        let admin = admin.into();
        self.must_reach(admin, &Whom::Id(put.id))?;
        let put = PutUser {
            whom: Whom::Id(put.id),
            is_numbered: false,
            names: vec![Username::foreign_of(&put.username, put.id)?],
            name: checked_name(put.name)?,
            avatar: match put.avatar {
                Some(avatar) => Some(checked_avatar(avatar)?),
                None => None,
            },
            // Without an app's key no account is an app's alone.
            by: match admin.is_full && !self.foreign.read().has_keys() {
                true => PutBy::Administrator,
                false => PutBy::Backend,
            },
        };
        self.put(now, put).await
    }

    /// Refuses to change by an app's key what it does not reach: administrators, and accounts that
    /// no app made, those of bots among them. Those are people's own.
    pub(super) fn must_reach(&self, admin: UsersAdmin, whom: &Whom) -> Result<(), AccountError> {
        let Some(account) = self.store.user_of(whom) else {
            return Ok(());
        };
        admin.must_be_full_if(account.is_admin)?;
        match !admin.is_full && account.made_by == MadeBy::Here {
            true => Err(AccountError::MadeHere),
            false => Ok(()),
        }
    }

    pub(super) async fn put(&self, now: Timestamp, put: PutUser) -> Result<MadeUser, AccountError> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.submit_put(now, put, move |result| drop(answer.send(result)));
        let (user, created) = answered.await.unwrap_or(Err(StoreError::Unavailable))?;
        Ok(MadeUser { user, created })
    }

    /// Has an account put; those who see it otherwise by that hear of it before `answer` is called.
    pub(super) fn submit_put(
        &self,
        now: Timestamp,
        put: PutUser,
        answer: impl FnOnce(Result<(Arc<User>, bool), StoreError>) + Send + 'static,
    ) {
        let listener = Arc::clone(&self.listener);
        let told = move |result: Result<(Arc<User>, bool), StoreError>| {
            if let Ok((user, _)) = &result {
                tell_of_profile(&*listener, now, user);
            }
            answer(result);
        };
        self.store.submit(now, Command::put_user(put), told);
    }

    /// Deletes an account; with `erases` all that it said, too. To delete it again changes nothing.
    pub async fn delete_account(
        &self,
        admin: impl Into<UsersAdmin>,
        now: Timestamp,
        user: UserId,
        erases: bool,
    ) -> Result<(), AccountError> {
        self.must_reach(admin.into(), &Whom::Id(user))?;
        let leaving = Leaving {
            user,
            erases,
            issuers_ahead: self.leads.ahead(),
            if_token_version: None,
        };
        self.delete(now, leaving).await
    }

    /// Changes an account. One that is disabled, or gets another password, loses its sockets.
    pub async fn change_account(
        &self,
        admin: impl Into<UsersAdmin>,
        now: Timestamp,
        user: UserId,
        wish: ChangeAccount,
    ) -> Result<Arc<User>, AccountError> {
        let account = self.store.user(user).filter(|account| !account.deleted);
        let account = account.ok_or(AccountError::NoSuchUser)?;
        let admin = admin.into();
        self.must_reach(admin, &Whom::Id(user))?;
        admin.must_be_full_if(wish.is_admin.is_some())?;
        if account.is_bot && (wish.password.is_some() || wish.is_admin == Some(true)) {
            return Err(AccountError::IsBot);
        }
        let mut change = UserChange {
            username: match wish.username {
                Some(username) => Some(Username::foreign_of(&username, user)?),
                None => None,
            },
            name: wish.name.map(checked_name).transpose()?,
            avatar: match wish.avatar {
                Some(avatar) => Some(checked_avatar(avatar)?),
                None => None,
            },
            is_admin: wish.is_admin,
            disabled: wish.disabled,
            ..UserChange::default()
        };
        if let Some(password) = wish.password {
            password::check(&password, &[account.username.as_str()])?;
            change.password_hash = Some(self.passwords.hash(Asker::ADMIN, password).await?.into());
            change.revoke_tokens = true;
        }
        self.change(now, user, change).await
    }
}
