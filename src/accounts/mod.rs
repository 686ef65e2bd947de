//! The verbs of identity: register, log in, change, revoke, and say whose a token is.
//!
//! Passwords are argon2id (`password.rs`), tokens are JWTs (`token.rs`), and may be
//! another system's (`foreign.rs`). Every socket and every request comes through
//! [`Accounts::authenticate`]; whoever stays connected asks [`Accounts::check`] again when the [`Listener`] is told, and
//! when the token's time is over.

mod admin;
mod error;
mod examiners;
mod foreign;
mod hash;
mod password;
mod token;
mod verified;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rand::distr::{Alphanumeric, SampleString};

pub use admin::{Admin, ChangeAccount, MadeUser, NewAccount, NewInvite, PutAccount};
pub use error::AccountError;
pub use foreign::{ForeignTokens, KeyError, Newcomer};
pub use hash::{HashError, check_hash};
pub use password::{Asker, MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, Passwords};
pub use token::Grant;

use crate::model::{Timestamp, User, UserId, Username, check_avatar};
pub use crate::store::Invite;
use crate::store::{Change, Committed, NewUser, PutUser, Store, StoreError, UserChange};

use examiners::Examiners;
use token::Tokens;
use verified::VerifiedTokens;

/// 30 days: long enough that a person on a phone is rarely asked, short enough that a forgotten laptop is let go.
pub const DEFAULT_TOKEN_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Letters and digits of a set-up code: 142 bits.
const SETUP_CODE_CHARS: usize = 24;

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Whoever has an invite.
    Invite,
    /// Anybody.
    Open,
    /// Nobody.
    Closed,
}

impl Registration {
    /// The word on the command line and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// A wish for an account, not yet checked.
pub struct Register {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
    /// The picture's URL.
    pub avatar: Option<String>,
    /// An invite, or the set-up code.
    pub invite: Option<String>,
}

/// A person who proved who they are, and what they prove it with from now on.
pub struct Login {
    /// The token.
    pub token: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The account.
    pub user: Arc<User>,
}

/// Whose a token is.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The account as it is now.
    pub user: Arc<User>,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// By what [`Accounts::check`] judges the token again.
    pub grant: Grant,
}

/// Whom a token names.
#[derive(Debug, Clone)]
pub enum Identity {
    /// Somebody with an account.
    Known(Caller),
    /// Somebody whom [`Accounts::admit`] may make one for.
    New(Newcomer),
}

/// What a person wants changed of their own account, not yet checked; what is absent stays.
#[derive(Default)]
pub struct ChangeOwn {
    /// Another name.
    pub username: Option<String>,
    /// Another picture, or none.
    pub avatar: Option<Option<String>>,
    /// Another password.
    pub password: Option<String>,
    /// The password until now: asked for with another one.
    pub current_password: Option<String>,
}

/// Told of what those who are connected must obey. Called by whoever works off the store's batches; must not block.
pub trait Listener: Send + Sync {
    /// Tokens of this account were revoked, or it was disabled: its sockets are to be checked again.
    fn revoked(&self, user: UserId);
}

/// The verbs. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    store: Store,
    passwords: Passwords,
    tokens: Arc<Tokens>,
    foreign: Arc<RwLock<ForeignTokens>>,
    verified: Arc<VerifiedTokens>,
    examiners: Arc<Examiners>,
    registration: Registration,
    listener: Arc<dyn Listener>,
    /// Makes the first account, whatever the mode. New at every start, and dead once there is an account.
    setup_code: Arc<str>,
}

impl Accounts {
    /// Identity over this store, whose own secret signs the tokens; so many tokens of those that were verified are
    /// remembered.
    pub fn new(
        store: Store,
        passwords: Passwords,
        registration: Registration,
        token_lifetime: Duration,
        foreign: ForeignTokens,
        listener: Arc<dyn Listener>,
        verified_tokens: usize,
    ) -> Result<Self, StoreError> {
        let tokens = Arc::new(Tokens::new(&store.token_secret()?, token_lifetime));
        let setup_code = Alphanumeric
            .sample_string(&mut rand::rng(), SETUP_CODE_CHARS)
            .into();
        Ok(Self {
            store,
            passwords,
            tokens,
            foreign: Arc::new(RwLock::new(foreign)),
            verified: Arc::new(VerifiedTokens::new(verified_tokens)),
            examiners: Arc::new(Examiners::new()),
            registration,
            listener,
            setup_code,
        })
    }

    /// Who may make an account.
    pub fn registration(&self) -> Registration {
        self.registration
    }

    /// The code of the set-up link, while no account exists.
    pub fn setup_code(&self) -> Option<&str> {
        self.store.has_no_users().then_some(&*self.setup_code)
    }

    /// Whether an account may be made with this code, and strangers without one cannot do so too.
    pub fn is_invited(&self, now: Timestamp, code: &str) -> bool {
        let by_invite = || {
            let invite = self.store.invite(code);
            invite.is_some_and(|invite| invite.is_usable(now))
        };
        self.setup_code() == Some(code) || self.registration == Registration::Invite && by_invite()
    }

    /// Makes an account and logs it in.
    pub async fn register(
        &self,
        now: Timestamp,
        from: Asker,
        wish: Register,
    ) -> Result<Login, AccountError> {
        let first = self
            .setup_code()
            .is_some_and(|code| wish.invite.as_deref() == Some(code));
        let invite = match self.registration {
            _ if first => None,
            Registration::Open => None,
            Registration::Invite => {
                // Asked before the costly hash; the writer asks again, and its answer counts.
                let code = wish.invite.as_deref().ok_or(AccountError::InvalidInvite)?;
                let invite = self.store.invite(code);
                let usable = invite.filter(|invite| invite.is_usable(now));
                Some(usable.ok_or(AccountError::InvalidInvite)?.code)
            }
            Registration::Closed => return Err(AccountError::RegistrationClosed),
        };
        let username = Username::registered(&wish.username)?;
        let avatar = checked_avatar(wish.avatar)?;
        password::check(&wish.password)?;
        // As with the invite.
        if self.store.user_by_name(username.as_str()).is_some() {
            return Err(AccountError::UsernameTaken);
        }
        let new = NewUser {
            username,
            avatar,
            password_hash: self.passwords.hash(from, wish.password).await?.into(),
            is_admin: first,
            only_if_first: first,
            invite,
        };
        match self.store.apply(now, Change::CreateUser(new)).await? {
            Committed::User(user) => self.log_in(now, user),
            _ => Err(AccountError::Internal),
        }
    }

    /// Checks a name and a password. A wrong name and a wrong password cost the same time and give the same error.
    pub async fn login(
        &self,
        now: Timestamp,
        from: Asker,
        username: &str,
        password: String,
    ) -> Result<Login, AccountError> {
        // Keyboards of phones put a space behind a word.
        let user = self.store.user_by_name(username.trim());
        let hash = match &user {
            Some(user) => self.password_hash(user.id).await?,
            None => None,
        };
        let verdict = self.passwords.verify(from, password, hash).await?;
        match user.filter(|_| verdict.is_right) {
            None => Err(AccountError::InvalidCredentials),
            Some(user) if user.disabled => Err(AccountError::AccountDisabled),
            Some(user) => {
                if let Some(hash) = verdict.renewed {
                    self.renew_hash(now, &user, hash).await;
                }
                self.log_in(now, user)
            }
        }
    }

    /// Stores our own hash of a password in the place of one that came from elsewhere. Where that fails, the next login
    /// does it; a password that was changed meanwhile, and its tokens with it, stays as it is.
    async fn renew_hash(&self, now: Timestamp, user: &User, hash: String) {
        let change = UserChange {
            password_hash: Some(hash.into()),
            if_token_version: Some(user.token_version),
            ..UserChange::default()
        };
        if let Err(error) = self.change(now, user.id, change).await {
            tracing::debug!(%error, user = %user.id, "a password was not hashed anew");
        }
    }

    fn log_in(&self, now: Timestamp, user: Arc<User>) -> Result<Login, AccountError> {
        let (token, expires_at) = self.tokens.issue(&user, now)?;
        Ok(Login {
            token,
            expires_at,
            user,
        })
    }

    /// Whose token this is. Checks signature, time, account and the account's token version; never waits.
    pub fn identify(&self, now: Timestamp, token: Option<&str>) -> Result<Identity, AccountError> {
        let token = token
            .filter(|token| !token.is_empty())
            .ok_or(AccountError::MissingToken)?;
        // Somebody without an account may be one for whom it is to be made: the token says how.
        let known = self.verified.get(token);
        let known = known.filter(|known| self.store.user(known.grant.user_id).is_some());
        let verified = match known {
            Some(known) => known,
            None => {
                // Until the token is remembered its keys count: see `set_keys`.
                let foreign = self.foreign.read();
                let verified = match self.tokens.verify(token, now) {
                    // It may be another system's.
                    Err(AccountError::InvalidToken) if token.len() <= token::MAX_TOKEN_BYTES => {
                        let (verified, newcomer) = foreign.verify(token, now)?;
                        if foreign.provision() && self.store.user(verified.grant.user_id).is_none()
                        {
                            return Ok(Identity::New(newcomer));
                        }
                        verified
                    }
                    verified => verified?,
                };
                self.verified.put(token, verified);
                verified
            }
        };
        Ok(Identity::Known(Caller {
            user: self.check(now, &verified.grant)?,
            expires_at: verified.expires_at,
            grant: verified.grant,
        }))
    }

    /// [`Accounts::identify`], where that costs little. `None` where another system's signature would have to be checked:
    /// then [`Accounts::examine`] says.
    pub fn recognize(
        &self,
        now: Timestamp,
        token: Option<&str>,
    ) -> Option<Result<Identity, AccountError>> {
        let may_be_foreign = |token: &str| {
            !token.is_empty()
                && token.len() <= token::MAX_TOKEN_BYTES
                && self.foreign.read().has_keys()
                && self.verified.get(token).is_none()
                && self.tokens.verify(token, now).err() == Some(AccountError::InvalidToken)
        };
        match token {
            Some(token) if may_be_foreign(token) => None,
            token => Some(self.identify(now, token)),
        }
    }

    /// [`Accounts::identify`] on a thread apart from those that serve people. A signature of another system may cost a
    /// hundred times as much as one of ours, and a stranger may send as many as they like.
    pub async fn examine(&self, now: Timestamp, token: String) -> Result<Identity, AccountError> {
        let accounts = self.clone();
        self.examiners
            .work(move || accounts.identify(now, Some(&token)))
            .await?
    }

    /// Makes the account of a newcomer, unless somebody did meanwhile. A name that is taken gets the id beside it.
    pub async fn admit(&self, now: Timestamp, newcomer: Newcomer) -> Result<Caller, AccountError> {
        let mut refused = AccountError::UsernameTaken;
        for username in newcomer.names {
            let put = PutUser {
                id: newcomer.grant.user_id,
                username,
                avatar: Some(newcomer.avatar.clone().map(Into::into)),
                only_if_absent: true,
            };
            match self.put(now, put).await {
                Err(AccountError::UsernameTaken) => {}
                Err(error) => {
                    refused = error;
                    break;
                }
                Ok(_) => {
                    return Ok(Caller {
                        user: self.check(now, &newcomer.grant)?,
                        expires_at: newcomer.expires_at,
                        grant: newcomer.grant,
                    });
                }
            }
        }
        Err(refused)
    }

    /// [`Accounts::recognize`], and [`Accounts::examine`] and [`Accounts::admit`] where that is needed.
    pub async fn authenticate(
        &self,
        now: Timestamp,
        token: Option<&str>,
    ) -> Result<Caller, AccountError> {
        let identity = match self.recognize(now, token) {
            Some(identity) => identity?,
            None => {
                self.examine(now, token.unwrap_or_default().to_owned())
                    .await?
            }
        };
        match identity {
            Identity::Known(caller) => Ok(caller),
            Identity::New(newcomer) => self.admit(now, newcomer).await,
        }
    }

    /// Takes the keys of this JSON Web Key Set in place of those of the earlier one. Whoever is connected stays so.
    pub fn set_keys(&self, json: &str) -> Result<usize, KeyError> {
        let mut foreign = self.foreign.write();
        let count = foreign.set_keys(json)?;
        self.verified.clear();
        Ok(count)
    }

    /// Whether a token that was accepted before still is: its time, the account, and whether it was revoked.
    pub fn check(&self, now: Timestamp, grant: &Grant) -> Result<Arc<User>, AccountError> {
        if now >= grant.refused_from {
            return Err(AccountError::TokenExpired);
        }
        let user = self
            .store
            .user(grant.user_id)
            .ok_or(AccountError::InvalidToken)?;
        if user.disabled {
            return Err(AccountError::AccountDisabled);
        }
        if grant.is_revoked(&user, self.store.tokens_from()) {
            return Err(AccountError::InvalidToken);
        }
        Ok(user)
    }

    /// Revokes every token of the caller. Their sockets hear of it.
    pub async fn logout(&self, now: Timestamp, caller: &Caller) -> Result<(), AccountError> {
        let change = UserChange {
            revoke_tokens: true,
            ..UserChange::default()
        };
        self.change(now, caller.user.id, change).await.map(drop)
    }

    /// Changes the caller's own account. With a new password every earlier token is revoked, and a new one comes back.
    pub async fn change_own(
        &self,
        now: Timestamp,
        from: Asker,
        caller: &Caller,
        wish: ChangeOwn,
    ) -> Result<(Arc<User>, Option<Login>), AccountError> {
        let mut change = UserChange {
            username: wish
                .username
                .map(|username| Username::registered(&username))
                .transpose()?,
            avatar: match wish.avatar {
                Some(avatar) => Some(checked_avatar(avatar)?),
                None => None,
            },
            ..UserChange::default()
        };
        let renewed = wish.password.is_some();
        if let Some(password) = wish.password {
            password::check(&password)?;
            // What is proved now must still hold when the change is written.
            change.if_token_version = Some(caller.user.token_version);
            let current = wish.current_password.ok_or(AccountError::WrongPassword)?;
            let hash = self.password_hash(caller.user.id).await?;
            if !self.passwords.verify(from, current, hash).await?.is_right {
                return Err(AccountError::WrongPassword);
            }
            change.password_hash = Some(self.passwords.hash(from, password).await?.into());
            change.revoke_tokens = true;
        }
        let user = self.change(now, caller.user.id, change).await?;
        let login = match renewed {
            true => Some(self.log_in(now, Arc::clone(&user))?),
            false => None,
        };
        Ok((user, login))
    }

    /// Changes an account; whoever is connected with it hears of what concerns them before the answer comes.
    async fn change(
        &self,
        now: Timestamp,
        user: UserId,
        change: UserChange,
    ) -> Result<Arc<User>, AccountError> {
        let revokes = change.revoke_tokens || change.disabled == Some(true);
        let listener = Arc::clone(&self.listener);
        let (answer, answered) = tokio::sync::oneshot::channel();
        let told = move |result: Result<Committed, StoreError>| {
            if revokes && result.is_ok() {
                listener.revoked(user);
            }
            // A caller that went away is no reason to stop: the change is stored.
            drop(answer.send(result));
        };
        self.store
            .submit(now, Change::ChangeUser { user, change }, Box::new(told));
        match answered.await.unwrap_or(Err(StoreError::Unavailable))? {
            Committed::User(user) => Ok(user),
            _ => Err(AccountError::Internal),
        }
    }

    async fn password_hash(&self, user: UserId) -> Result<Option<String>, AccountError> {
        Ok(self
            .store
            .read(move |snapshot| snapshot.password_hash(user))
            .await?)
    }

    /// An account.
    pub fn user(&self, id: UserId) -> Option<Arc<User>> {
        self.store.user(id)
    }

    /// The accounts whose name contains this text, the caller left out; and how many blocks of names were gone through.
    pub fn search(&self, caller: UserId, query: &str, limit: usize) -> (Vec<Arc<User>>, usize) {
        self.store.search_users(query, caller, limit)
    }
}

/// Checks a picture's URL.
fn checked_avatar(avatar: Option<String>) -> Result<Option<Arc<str>>, AccountError> {
    if let Some(avatar) = &avatar {
        check_avatar(avatar)?;
    }
    Ok(avatar.map(Into::into))
}
