//! What people do with their own account: log out, and change it.

use std::sync::Arc;
use std::time::Duration;

use super::token::Proof;
use super::{
    AccountError, Accounts, Asker, Caller, LoggingIn, Login, checked_avatar, checked_name,
    password, tell_of_profile,
};
use crate::model::{FileId, MadeBy, Timestamp, User, UserId, Username, picture_url};
use crate::store::{Command, Leaving, StoreError, UserChange};

/// What a person wants changed of their own account, not yet checked; what is absent stays.
#[derive(Default)]
pub struct ChangeOwn {
    /// Another name.
    pub username: Option<String>,
    /// Another name to be shown, or none but the username.
    pub name: Option<Option<String>>,
    /// Another picture, or none.
    pub avatar: Option<Option<String>>,
    /// Another password.
    pub password: Option<String>,
    /// The password until now: asked for with another one.
    pub current_password: Option<String>,
}

/// 5 minutes: so young is a token of an app by which a person shows that it is they who delete
/// their account, and no page that they left open.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// A person's wish to have their account deleted.
pub struct Leave {
    /// The password; a person of an app shows a young token in its place.
    pub current_password: Option<String>,
    /// All that they said is to be erased too.
    pub erases: bool,
}

impl Accounts {
    /// Deletes the caller's own account.
    pub async fn leave(
        &self,
        now: Timestamp,
        from: Asker,
        caller: &Caller,
        wish: Leave,
    ) -> Result<(), AccountError> {
        match caller.grant.proof {
            Proof::Key(_) => return Err(AccountError::IsBot),
            Proof::Foreign { issued_at, .. } => {
                let is_fresh = issued_at.is_some_and(|at| now <= at.plus(FRESH));
                if !is_fresh {
                    return Err(AccountError::StaleToken);
                }
            }
            Proof::Own { .. } => {
                let current = wish.current_password.ok_or(AccountError::WrongPassword)?;
                let hash = self.password_hash(caller.user.id).await?;
                if !self.passwords.verify(from, current, hash).await?.is_right {
                    return Err(AccountError::WrongPassword);
                }
            }
        }
        let leaving = Leaving {
            user: caller.user.id,
            erases: wish.erases,
            issuers_ahead: self.leads.ahead(),
            if_token_version: Some(caller.user.token_version),
        };
        self.delete(now, leaving).await
    }

    /// Deletes an account; its sockets are closed, and others see it otherwise, before the answer
    /// comes.
    pub(super) async fn delete(
        &self,
        now: Timestamp,
        leaving: Leaving,
    ) -> Result<(), AccountError> {
        let listener = Arc::clone(&self.listener);
        let (answer, answered) = tokio::sync::oneshot::channel();
        let told = move |result: Result<Arc<User>, StoreError>| {
            if let Ok(account) = &result {
                listener.revoked(account.id);
                tell_of_profile(&*listener, now, account);
            }
            drop(answer.send(result));
        };
        let delete = Command::delete_user(leaving);
        self.store.submit(now, delete, told);
        answered.await.unwrap_or(Err(StoreError::Unavailable))?;
        Ok(())
    }

    /// Revokes every token of the caller. Their sockets hear of it.
    pub async fn logout(&self, now: Timestamp, caller: &Caller) -> Result<(), AccountError> {
        let change = UserChange {
            revoke_tokens: true,
            ..UserChange::default()
        };
        self.change(now, caller.user.id, change).await.map(drop)
    }

    /// Changes the caller's own account. With a new password every earlier token is revoked, and a
    /// new one comes back.
    pub async fn change_own(
        &self,
        now: Timestamp,
        from: impl Into<LoggingIn>,
        caller: &Caller,
        wish: ChangeOwn,
    ) -> Result<(Arc<User>, Option<Login>), AccountError> {
        let LoggingIn { asker, device } = from.into();
        let is_of_profile = wish.username.is_some() || wish.name.is_some() || wish.avatar.is_some();
        if is_of_profile && self.is_kept_by_app(&caller.user) {
            return Err(AccountError::KeptByApp);
        }
        let mut change = UserChange {
            username: wish
                .username
                .map(|username| Username::registered(&username))
                .transpose()?,
            name: wish.name.map(checked_name).transpose()?,
            avatar: match wish.avatar {
                Some(avatar) => Some(checked_avatar(avatar)?),
                None => None,
            },
            ..UserChange::default()
        };
        let renewed = wish.password.is_some();
        if let Some(password) = wish.password {
            if caller.user.is_bot {
                return Err(AccountError::IsBot);
            }
            password::check(&password, &[caller.user.username.as_str()])?;
            // What is proved now must still hold when the change is written.
            change.if_token_version = Some(caller.user.token_version);
            let current = wish.current_password.ok_or(AccountError::WrongPassword)?;
            let hash = self.password_hash(caller.user.id).await?;
            if !self.passwords.verify(asker, current, hash).await?.is_right {
                return Err(AccountError::WrongPassword);
            }
            change.password_hash = Some(self.passwords.hash(asker, password).await?.into());
            change.revoke_tokens = true;
        }
        let user = self.change(now, caller.user.id, change).await?;
        let login = match renewed {
            true => Some(self.log_in(now, Arc::clone(&user), device).await?),
            false => None,
        };
        Ok((user, login))
    }

    /// Checks that the caller may have another picture.
    pub fn may_have_picture(&self, caller: &Caller) -> Result<(), AccountError> {
        match self.is_kept_by_app(&caller.user) {
            true => Err(AccountError::KeptByApp),
            false => Ok(()),
        }
    }

    /// Gives the caller a picture that they sent.
    pub async fn set_picture(
        &self,
        now: Timestamp,
        caller: &Caller,
        picture: FileId,
    ) -> Result<Arc<User>, AccountError> {
        self.may_have_picture(caller)?;
        let change = UserChange {
            avatar: Some(Some(picture_url(picture).into())),
            ..UserChange::default()
        };
        self.change(now, caller.user.id, change).await
    }

    /// Returns whether an app's tokens say how the account is called.
    fn is_kept_by_app(&self, user: &User) -> bool {
        user.made_by == MadeBy::App && self.foreign.read().has_keys()
    }

    /// Changes an account; its sockets hear of what concerns them before the answer comes.
    ///
    /// Where tokens of another system open the account, a revocation reaches as far as their
    /// issuers' clocks are ahead, and its answer waits until all that they issue is dated later:
    /// see [`Leads`](super::leads::Leads).
    pub(super) async fn change(
        &self,
        now: Timestamp,
        user: UserId,
        mut change: UserChange,
    ) -> Result<Arc<User>, AccountError> {
        let revokes = change.revoke_tokens || change.disabled == Some(true);
        let voids_dates = change.revoke_tokens;
        if voids_dates {
            change.issuers_ahead = self.leads.ahead();
        }
        let listener = Arc::clone(&self.listener);
        let (answer, answered) = tokio::sync::oneshot::channel();
        let told = move |result: Result<Arc<User>, StoreError>| {
            if let Ok(account) = &result {
                if revokes {
                    listener.revoked(user);
                }
                tell_of_profile(&*listener, now, account);
            }
            // A caller that went away is no reason to stop: the change is stored.
            drop(answer.send(result));
        };
        let change = Command::change_user(user, change);
        self.store.submit(now, change, told);
        let user = answered.await.unwrap_or(Err(StoreError::Unavailable))?;
        if let Some(revoked) = user.revoked_at.filter(|_| voids_dates)
            && self.is_kept_by_app(&user)
        {
            tokio::time::sleep(self.leads.until_dated_after(revoked, now)).await;
        }
        Ok(user)
    }
}
