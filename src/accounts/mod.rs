//! The verbs of identity: register, log in, change, revoke, and say whose a token is.
//!
//! Passwords are argon2id (`password.rs`), tokens are JWTs (`token.rs`), and may be
//! another system's (`foreign.rs`). Every socket and every request comes through
//! [`Accounts::authenticate`]; whoever stays connected asks [`Accounts::check`] again when the [`Listener`] is told, and
//! when the token's time is over.

mod admin;
mod claims;
mod error;
mod examiners;
mod fault;
mod foreign;
mod hash;
mod password;
mod token;
mod verified;

#[cfg(test)]
mod shapes;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rand::distr::{Alphanumeric, SampleString};

pub use admin::{Admin, ChangeAccount, MadeUser, NewAccount, NewInvite, PutAccount};
pub use claims::{ClaimRule, ClaimRuleError};
pub use error::AccountError;
pub use fault::TokenFault;
pub use foreign::{ForeignTokens, KeyError, Newcomer};
pub use hash::{HashError, check_hash};
pub use password::{Asker, MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, Passwords};
pub use token::Grant;

use crate::model::{FIRST_OWN_ID, MadeBy, Timestamp, User, UserId, Username, check_avatar};
pub use crate::store::Invite;
use crate::store::{Change, Committed, NewUser, PutBy, PutUser, Store, StoreError, UserChange};

use examiners::Examiners;
use fault::Refusals;
use token::{Proof, Tokens, Verified};
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

impl Caller {
    /// Whether the caller may use the verbs of administrators: by the account, or, with a token of another system, by that
    /// token alone.
    pub fn is_admin(&self) -> bool {
        self.grant.is_admin(&self.user)
    }
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

    /// A key by which tokens were accepted was taken away: all sockets are to be checked again.
    fn keys_changed(&self);
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
    refusals: Arc<Refusals>,
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
            refusals: Arc::default(),
            registration,
            listener,
            setup_code,
        })
    }

    /// Who may make an account.
    pub fn registration(&self) -> Registration {
        self.registration
    }

    /// The code of the set-up link, while no account exists. There is none where only an app's own users are to come: it
    /// would make whoever finds it in the log an administrator, and `chatd user add` makes one without it.
    pub fn setup_code(&self) -> Option<&str> {
        let is_apps = self.registration == Registration::Closed && self.foreign.read().has_keys();
        (!is_apps && self.store.has_no_users()).then_some(&*self.setup_code)
    }

    /// Whether there is neither an account nor a set-up link: the administrator is to be made by a command.
    pub fn awaits_admin_by_command(&self) -> bool {
        self.store.has_no_users() && self.setup_code().is_none()
    }

    /// What the one who set the server up should know of the keys of other systems.
    pub fn warnings(&self) -> Vec<String> {
        let foreign = self.foreign.read();
        let mut warnings = Vec::new();
        if !foreign.has_keys() {
            return warnings;
        }
        if foreign.is_for_all_audiences() {
            warnings.push(
                "every token that the given keys sign opens the chat, such as one for another service or for resetting a password: give --jwt-audience, or --jwt-claim, to let in those alone that are meant for it"
                    .into(),
            );
        }
        let below = self.store.users_made_here_below(FIRST_OWN_ID);
        if let Some(first) = below.first() {
            warnings.push(format!(
                "{} accounts were made here with ids that may be those of an app's users, account {first} the first: tokens of the app with such a subject are refused",
                below.len()
            ));
        }
        warnings
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
        let (identity, news) = self.judge(now, token)?;
        if let Some(news) = news {
            // The next token tells it again, should it fail.
            self.store
                .submit(now, Change::PutUser(news), Box::new(drop));
        }
        Ok(identity)
    }

    /// [`Accounts::identify`], and what the token newly says of its account.
    fn judge(
        &self,
        now: Timestamp,
        token: Option<&str>,
    ) -> Result<(Identity, Option<PutUser>), AccountError> {
        let token = token
            .filter(|token| !token.is_empty())
            .ok_or(AccountError::MissingToken)?;
        let known = self.verified.get(token);
        let known = known.filter(|known| self.store.user(known.grant.user_id).is_some());
        let (verified, news) = match known {
            Some(known) => (known, None),
            None => {
                let refuse = |fault| self.refuse(now, fault);
                match self.verify(now, token).map_err(refuse)? {
                    Judged::Known(verified, news) => (verified, news),
                    Judged::New(newcomer) => return Ok((Identity::New(newcomer), None)),
                }
            }
        };
        let caller = Caller {
            user: self.check_account(now, &verified.grant)?,
            expires_at: verified.expires_at,
            grant: verified.grant,
        };
        Ok((Identity::Known(caller), news))
    }

    /// Verifies a token, and remembers it.
    fn verify(&self, now: Timestamp, token: &str) -> Result<Judged, TokenFault> {
        // Until the token is remembered its keys count: see `set_keys`.
        let foreign = self.foreign.read();
        let (verified, news) = match self.tokens.verify(token, now) {
            Ok(verified) => (verified, None),
            Err(AccountError::TokenExpired) => return Err(TokenFault::Expired),
            // It may be another system's.
            Err(_) => {
                let (verified, newcomer) = foreign.verify(token, now)?;
                let news = match self.store.user(verified.grant.user_id) {
                    None if foreign.provision() => return Ok(Judged::New(newcomer)),
                    None => return Err(TokenFault::NoAccount),
                    Some(user) if user.made_by == MadeBy::Here => {
                        return Err(TokenFault::NotTheApps);
                    }
                    Some(user) => newcomer.news_of(&user),
                };
                (verified, news)
            }
        };
        self.verified.put(token, verified);
        Ok(Judged::Known(verified, news))
    }

    /// Says in the log why a token is refused, and to the client as much of it as is harmless.
    fn refuse(&self, now: Timestamp, fault: TokenFault) -> AccountError {
        self.refusals.note(now, &fault);
        match fault {
            TokenFault::Expired => AccountError::TokenExpired,
            fault if fault.is_told() => AccountError::UnfitToken(fault),
            _ => AccountError::InvalidToken,
        }
    }

    /// [`Accounts::identify`], where that costs little. `None` where another system's signature would have to be checked:
    /// then [`Accounts::examine`] says.
    pub fn recognize(
        &self,
        now: Timestamp,
        token: Option<&str>,
    ) -> Option<Result<Identity, AccountError>> {
        match token {
            Some(token) if self.is_costly(now, token) => None,
            token => Some(self.identify(now, token)),
        }
    }

    /// Returns whether another system's signature would have to be checked.
    fn is_costly(&self, now: Timestamp, token: &str) -> bool {
        !token.is_empty()
            && token.len() <= token::MAX_TOKEN_BYTES
            && self.foreign.read().has_keys()
            && self.verified.get(token).is_none()
            && self.tokens.verify(token, now).err() == Some(AccountError::InvalidToken)
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
        let (grant, expires_at) = (newcomer.grant, newcomer.expires_at);
        self.put(now, newcomer.account()).await?;
        Ok(Caller {
            user: self.check(now, &grant)?,
            expires_at,
            grant,
        })
    }

    /// [`Accounts::recognize`], and [`Accounts::examine`] and [`Accounts::admit`] where that is needed.
    pub async fn authenticate(
        &self,
        now: Timestamp,
        token: Option<&str>,
    ) -> Result<Caller, AccountError> {
        let judged = match token {
            Some(token) if self.is_costly(now, token) => {
                let (accounts, token) = (self.clone(), token.to_owned());
                self.examiners
                    .work(move || accounts.judge(now, Some(&token)))
                    .await?
            }
            token => self.judge(now, token),
        };
        match judged? {
            (Identity::Known(caller), None) => Ok(caller),
            (Identity::Known(caller), Some(news)) => Ok(Caller {
                // The caller is let in though the name cannot be written.
                user: match self.put(now, news).await {
                    Ok(put) => put.user,
                    Err(_) => caller.user,
                },
                ..caller
            }),
            (Identity::New(newcomer), _) => self.admit(now, newcomer).await,
        }
    }

    /// Takes the keys of this JSON Web Key Set in place of those of the earlier one. Whoever came by a key that is gone is
    /// put out.
    pub fn set_keys(&self, json: &str) -> Result<usize, KeyError> {
        let mut foreign = self.foreign.write();
        let earlier = foreign.set_ids();
        let count = foreign.set_keys(json)?;
        self.verified.clear();
        let is_one_gone = earlier.into_iter().any(|id| !foreign.has_key(id));
        drop(foreign);
        if is_one_gone {
            self.listener.keys_changed();
        }
        Ok(count)
    }

    /// Whether a token that was accepted before still is: its key, its time, the account, and whether it was revoked.
    pub fn check(&self, now: Timestamp, grant: &Grant) -> Result<Arc<User>, AccountError> {
        if let Proof::Foreign { key, .. } = grant.proof
            && !self.foreign.read().has_key(key)
        {
            return Err(self.refuse(now, TokenFault::KeyGone));
        }
        self.check_account(now, grant)
    }

    /// [`Accounts::check`] of a token whose key is known to be there: tokens that are remembered are forgotten with it.
    fn check_account(&self, now: Timestamp, grant: &Grant) -> Result<Arc<User>, AccountError> {
        let refuse = |fault| Err(self.refuse(now, fault));
        if now >= grant.refused_from {
            return refuse(TokenFault::Expired);
        }
        let Some(user) = self.store.user(grant.user_id) else {
            return refuse(TokenFault::NoAccount);
        };
        if matches!(grant.proof, Proof::Foreign { .. }) && user.made_by == MadeBy::Here {
            return refuse(TokenFault::NotTheApps);
        }
        if user.disabled {
            return Err(AccountError::AccountDisabled);
        }
        if grant.is_revoked(&user, self.store.tokens_from()) {
            return refuse(TokenFault::Revoked);
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
        if (wish.username.is_some() || wish.avatar.is_some()) && self.is_kept_by_app(&caller.user) {
            return Err(AccountError::KeptByApp);
        }
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

    /// Whether an app's tokens say how the account is called.
    fn is_kept_by_app(&self, user: &User) -> bool {
        user.made_by == MadeBy::App && self.foreign.read().has_keys()
    }

    /// Changes an account; whoever is connected with it hears of what concerns them before the answer comes.
    ///
    /// The answer to a revocation waits, where tokens of another system open the account, for the end of the second: they
    /// say no more than in which second they were issued. See [`Grant::is_revoked`].
    async fn change(
        &self,
        now: Timestamp,
        user: UserId,
        change: UserChange,
    ) -> Result<Arc<User>, AccountError> {
        let revokes = change.revoke_tokens || change.disabled == Some(true);
        let voids_seconds = change.revoke_tokens;
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
        let user = match answered.await.unwrap_or(Err(StoreError::Unavailable))? {
            Committed::User(user) => user,
            _ => return Err(AccountError::Internal),
        };
        if voids_seconds && self.is_kept_by_app(&user) {
            tokio::time::sleep(Duration::from_millis(1_000 - now.as_ms() % 1_000)).await;
        }
        Ok(user)
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

/// What verifying a token comes to.
enum Judged {
    /// It is good, and may say something new of its account.
    Known(Verified, Option<PutUser>),
    /// It is good, and its account is to be made.
    New(Newcomer),
}

impl Newcomer {
    /// What it newly says of its account.
    fn news_of(&self, user: &User) -> Option<PutUser> {
        let put = self.put(self.names.clone());
        let is_called = user.is_called(self.issued_at, &put.names, put.avatar.as_ref());
        (!is_called).then_some(put)
    }

    /// The account that it asks for, which has some name in any case.
    fn account(self) -> PutUser {
        let mut names = self.names.clone();
        names.push(Username::given(self.grant.user_id));
        self.put(names)
    }

    fn put(&self, names: Vec<Username>) -> PutUser {
        let avatar = self.avatar.clone();
        PutUser {
            id: self.grant.user_id,
            names,
            avatar: avatar.map(|avatar| avatar.map(Into::into)),
            by: PutBy::Token {
                issued_at: self.issued_at,
            },
        }
    }
}

/// Checks a picture's URL.
fn checked_avatar(avatar: Option<String>) -> Result<Option<Arc<str>>, AccountError> {
    if let Some(avatar) = &avatar {
        check_avatar(avatar)?;
    }
    Ok(avatar.map(Into::into))
}
