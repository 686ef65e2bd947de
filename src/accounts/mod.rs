//! The verbs of identity: register, log in, and say whose a token is.
//!
//! Passwords are argon2id (`password.rs`), tokens are JWTs (`token.rs`). Every socket and every request comes through
//! [`Accounts::authenticate`].

mod error;
mod password;
mod token;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use rand::distr::{Alphanumeric, SampleString};

pub use error::AccountError;
pub use password::{MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, Passwords};

use crate::model::{Timestamp, User, UserId, Username, check_avatar};
use crate::store::{Change, Committed, NewUser, Store, StoreError};
use token::Tokens;

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
}

/// The verbs. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    store: Store,
    passwords: Passwords,
    tokens: Arc<Tokens>,
    registration: Registration,
    /// Makes the first account, whatever the mode. New at every start, and dead once there is an account.
    setup_code: Arc<str>,
}

impl Accounts {
    /// Identity over this store, whose own secret signs the tokens.
    pub fn new(
        store: Store,
        passwords: Passwords,
        registration: Registration,
        token_lifetime: Duration,
    ) -> Result<Self, StoreError> {
        let tokens = Arc::new(Tokens::new(&store.token_secret()?, token_lifetime));
        let setup_code = Alphanumeric
            .sample_string(&mut rand::rng(), SETUP_CODE_CHARS)
            .into();
        Ok(Self {
            store,
            passwords,
            tokens,
            registration,
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

    /// Makes an account and logs it in.
    pub async fn register(&self, now: Timestamp, wish: Register) -> Result<Login, AccountError> {
        let first = self
            .setup_code()
            .is_some_and(|code| wish.invite.as_deref() == Some(code));
        if !first {
            match self.registration {
                Registration::Open => {}
                Registration::Invite => return Err(AccountError::InvalidInvite),
                Registration::Closed => return Err(AccountError::RegistrationClosed),
            }
        }
        let username = Username::registered(&wish.username)?;
        if let Some(avatar) = &wish.avatar {
            check_avatar(avatar)?;
        }
        password::check(&wish.password)?;
        // Asked before the costly hash; the writer asks again, and its answer counts.
        if self.store.user_by_name(username.as_str()).is_some() {
            return Err(AccountError::UsernameTaken);
        }
        let new = NewUser {
            username,
            avatar: wish.avatar.map(Into::into),
            password_hash: self.passwords.hash(wish.password).await?.into(),
            is_admin: first,
            only_if_first: first,
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
        username: &str,
        password: String,
    ) -> Result<Login, AccountError> {
        let user = self.store.user_by_name(username);
        let hash = match &user {
            Some(user) => {
                let id = user.id;
                self.store
                    .read(move |snapshot| snapshot.password_hash(id))
                    .await?
            }
            None => None,
        };
        let right = self.passwords.verify(password, hash).await?;
        match user.filter(|_| right) {
            None => Err(AccountError::InvalidCredentials),
            Some(user) if user.disabled => Err(AccountError::AccountDisabled),
            Some(user) => self.log_in(now, user),
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
    pub fn authenticate(
        &self,
        now: Timestamp,
        token: Option<&str>,
    ) -> Result<Caller, AccountError> {
        let claims = self.tokens.verify(
            token
                .filter(|token| !token.is_empty())
                .ok_or(AccountError::MissingToken)?,
            now,
        )?;
        let user = self
            .store
            .user(claims.user_id)
            .ok_or(AccountError::InvalidToken)?;
        if user.disabled {
            return Err(AccountError::AccountDisabled);
        }
        if user.token_version != claims.version {
            return Err(AccountError::InvalidToken);
        }
        Ok(Caller {
            user,
            expires_at: claims.expires_at,
        })
    }

    /// An account.
    pub fn user(&self, id: UserId) -> Option<Arc<User>> {
        self.store.user(id)
    }

    /// The accounts whose name contains this text, the caller left out.
    pub fn search(&self, caller: UserId, query: &str, limit: usize) -> Vec<Arc<User>> {
        self.store.search_users(query, caller, limit)
    }
}
