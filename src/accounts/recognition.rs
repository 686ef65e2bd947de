//! Whose a token is: judged when it is shown, and again for as long as a connection made with it
//! lasts.

use std::sync::Arc;

use super::fault::TokenFault;
use super::foreign::Newcomer;
use super::token::{self, Grant, Proof, Verified};
use super::verified::TokenHash;
use super::{AccountError, Accounts, ForeignTokens, KeyError, programs};
use crate::model::{MadeBy, SessionId, Timestamp, User, Whom};
use crate::store::{PutBy, PutUser};

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
    /// Returns whether the caller may use the verbs of administrators: by the account, or, with a
    /// token of another system, by that token alone.
    pub fn is_admin(&self) -> bool {
        self.grant.is_admin(&self.user)
    }

    /// Returns the number of the login session of the token, where it has one.
    pub fn session_number(&self) -> Option<u64> {
        match self.grant.proof {
            Proof::Own { session, .. } => session.map(SessionId::get),
            Proof::Key(_) | Proof::Foreign { .. } => None,
        }
    }

    /// Returns when the session ends for which the token stands; `None` where a newer one of its
    /// issuer, or a key, takes its place.
    pub fn session_ends_at(&self) -> Option<Timestamp> {
        matches!(self.grant.proof, Proof::Own { .. }).then_some(self.expires_at)
    }

    /// Returns whether it is a token of another system that makes the caller an administrator.
    pub fn administers_by_token(&self) -> bool {
        matches!(self.grant.proof, Proof::Foreign { is_admin: true, .. })
    }
}

/// Returns the token or the key that an `Authorization` header carries (RFC 6750, section 2.1), by
/// whichever door it comes. The scheme is read without case (RFC 9110, section 11.1).
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| token.trim())
}

/// Whom a token names.
#[derive(Debug, Clone)]
pub enum Identity {
    /// A person with an account.
    Known(Caller),
    /// A person for whom [`Accounts::admit`] may make one.
    New(Newcomer),
}

impl Accounts {
    /// Returns whose token this is. Checks signature, time, account and the account's token
    /// version; never waits.
    pub fn identify(&self, now: Timestamp, token: Option<&str>) -> Result<Identity, AccountError> {
        let (identity, news) = self.judge(now, token)?;
        if let Some(news) = news {
            // The next token tells it again, should it fail.
            self.submit_put(now, news, drop);
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
        if programs::is_key(token) {
            return Ok((Identity::Known(self.bot_of(now, token)?), None));
        }
        let hash = self.verified.hash(token);
        let known = self.verified.get(hash);
        let known = known.filter(|known| self.store.user(known.grant.user_id).is_some());
        let (verified, news) = match known {
            Some(known) => (known, None),
            None => {
                let refuse = |fault| self.refuse(now, fault);
                match self.verify(now, token, hash).map_err(refuse)? {
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
    fn verify(&self, now: Timestamp, token: &str, hash: TokenHash) -> Result<Judged, TokenFault> {
        // Until the token is remembered its keys count: see `set_keys`.
        let foreign = self.foreign.read();
        let (verified, news) = match self.tokens.verify(token, now) {
            Ok(verified) => (verified, None),
            Err(AccountError::TokenExpired) => return Err(TokenFault::Expired),
            // It may be another system's.
            Err(_) => {
                let newcomer = foreign.verify(token, now)?;
                if let Proof::Foreign {
                    issued_at: Some(at),
                    key,
                    ..
                } = newcomer.proof
                {
                    self.leads.note(key, at, now);
                }
                let found = self.store.user_of(&newcomer.whom);
                let earlier = newcomer.earlier.as_ref();
                let user = match found.or_else(|| self.store.user_of(earlier?)) {
                    None if foreign.provision() => return Ok(Judged::New(newcomer)),
                    None => return Err(TokenFault::NoAccount),
                    Some(user) if user.made_by == MadeBy::Here => {
                        return Err(TokenFault::NotTheApps);
                    }
                    // The app may send them anew; tokens of before are refused.
                    Some(user) if self.is_sent_anew(&foreign, &newcomer, &user) => {
                        return Ok(Judged::New(newcomer));
                    }
                    Some(user) => user,
                };
                let verified = Verified {
                    expires_at: newcomer.expires_at,
                    grant: newcomer.grant(user.id),
                };
                (verified, newcomer.news_of(&user))
            }
        };
        self.verified.put(hash, verified);
        Ok(Judged::Known(verified, news))
    }

    /// Returns whether an app has sent a person again whose account was deleted.
    fn is_sent_anew(&self, foreign: &ForeignTokens, newcomer: &Newcomer, user: &User) -> bool {
        let grant = newcomer.grant(user.id);
        let is_of_before = || grant.is_revoked(user, self.store.tokens_from());
        user.deleted && foreign.provision() && !is_of_before()
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

    /// [`Accounts::identify`], where that costs little. `None` where another system's signature
    /// would have to be checked: then [`Accounts::examine`] says.
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
            && !programs::is_key(token)
            && token.len() <= token::MAX_TOKEN_BYTES
            && self.foreign.read().has_costly_keys()
            && self.verified.get(self.verified.hash(token)).is_none()
            && self.tokens.verify(token, now).err() == Some(AccountError::InvalidToken)
    }

    /// [`Accounts::identify`] on a thread apart from those that serve people. A signature of
    /// another system may cost a hundred times as much as one of ours, and a stranger may send as
    /// many as they like.
    pub async fn examine(&self, now: Timestamp, token: String) -> Result<Identity, AccountError> {
        let identify = move |accounts: &Self, token: &str| accounts.identify(now, Some(token));
        self.examine_by(token, identify).await?
    }

    /// Judges a token on such a thread. One that names a key which no set has waits until the sets
    /// were read anew.
    async fn examine_by<R: Send + 'static>(
        &self,
        token: String,
        judge: impl Fn(&Self, &str) -> R + Clone + Send + 'static,
    ) -> Result<R, AccountError> {
        if self.renewals.is_kept() {
            let (accounts, judge) = (self.clone(), judge.clone());
            let shown = token.clone();
            let judged = self.examiners.work(move || {
                let lacks_key = accounts.foreign.read().lacks_key_of(&shown);
                (!lacks_key).then(|| judge(&accounts, &shown))
            });
            if let Some(judged) = judged.await? {
                return Ok(judged);
            }
            let lacks_key = || self.foreign.read().names_unknown_key(&token);
            self.renewals.wait_while(lacks_key).await;
        }
        let accounts = self.clone();
        self.examiners.work(move || judge(&accounts, &token)).await
    }

    /// Makes the account of a newcomer, unless another task did meanwhile. A name that is taken
    /// gets the id beside it.
    pub async fn admit(&self, now: Timestamp, newcomer: Newcomer) -> Result<Caller, AccountError> {
        let made = self.put(now, newcomer.account()).await?;
        let grant = newcomer.grant(made.user.id);
        Ok(Caller {
            user: self.check(now, &grant)?,
            expires_at: newcomer.expires_at,
            grant,
        })
    }

    /// [`Accounts::recognize`], and [`Accounts::examine`] and [`Accounts::admit`] where that is
    /// needed.
    pub async fn authenticate(
        &self,
        now: Timestamp,
        token: Option<&str>,
    ) -> Result<Caller, AccountError> {
        let judged = match token {
            Some(token) if self.is_costly(now, token) => {
                let judge = move |accounts: &Self, token: &str| accounts.judge(now, Some(token));
                self.examine_by(token.to_owned(), judge).await?
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

    /// Takes the keys of this JSON Web Key Set in place of those that the set of this number had.
    /// Sockets that came by a key that is gone are closed.
    pub fn set_keys(&self, number: usize, json: &str) -> Result<usize, KeyError> {
        let mut foreign = self.foreign.write();
        let earlier = foreign.set_ids();
        let count = foreign.set_keys(number, json)?;
        let is_one_gone = earlier.into_iter().any(|id| !foreign.has_key(id));
        if is_one_gone {
            self.verified.clear();
        }
        drop(foreign);
        if is_one_gone {
            self.listener.keys_changed();
        }
        Ok(count)
    }

    /// Takes the keys of this JSON Web Key Set beside those that the set of this number had. Gives
    /// how many it has, and how many it has no more.
    pub fn merge_keys(&self, number: usize, json: &str) -> Result<(usize, usize), KeyError> {
        self.foreign.write().merge_keys(number, json)
    }

    /// Completes when a token names a key that no set has.
    pub async fn key_is_wished(&self) {
        self.renewals.wished().await;
    }

    /// To be called when all key sets were read, well or not.
    pub fn keys_were_read(&self) {
        self.renewals.were_read();
    }

    /// Returns whether a token or a bot's key that was accepted before still is: its key, its time,
    /// the account, and whether it was revoked.
    pub fn check(&self, now: Timestamp, grant: &Grant) -> Result<Arc<User>, AccountError> {
        if let Proof::Foreign { key, .. } = grant.proof
            && !self.foreign.read().has_key(key)
        {
            return Err(self.refuse(now, TokenFault::KeyGone));
        }
        if let Proof::Key(id) = grant.proof
            && !self.has_key_of(grant.user_id, id)
        {
            return Err(AccountError::InvalidToken);
        }
        self.check_account(now, grant)
    }

    /// [`Accounts::check`] of a token whose key is known to be there: tokens that are remembered
    /// are forgotten with it.
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
        if user.deleted {
            return refuse(TokenFault::NoAccount);
        }
        if user.disabled {
            return Err(AccountError::AccountDisabled);
        }
        if grant.is_revoked(&user, self.store.tokens_from()) {
            return refuse(TokenFault::Revoked);
        }
        if !self.is_in_session(now, user.id, &grant.proof) {
            return refuse(TokenFault::Revoked);
        }
        Ok(user)
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
        let put = PutUser {
            whom: Whom::Id(user.id),
            ..self.account()
        };
        (!put.is_said_of(user, self.issued_at)).then_some(put)
    }

    /// The account that it asks for.
    pub(super) fn account(&self) -> PutUser {
        let avatar = self.avatar.clone();
        PutUser {
            whom: self.whom.clone(),
            is_numbered: true,
            names: self.username.iter().cloned().collect(),
            name: self.name.clone(),
            avatar: avatar.map(|avatar| avatar.map(Into::into)),
            by: PutBy::Token {
                issued_at: self.issued_at,
            },
        }
    }
}
