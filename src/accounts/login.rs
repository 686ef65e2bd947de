//! Logging in with a name and a password.

use std::sync::Arc;

use super::{AccountError, Accounts, LoggingIn};
use crate::model::{Timestamp, User, UserId};
use crate::store::UserChange;

/// A person who proved who they are, and what they prove it with from now on.
pub struct Login {
    /// The token.
    pub token: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The account.
    pub user: Arc<User>,
}

impl Accounts {
    /// Checks a name and a password. A wrong name and a wrong password cost the same time and give
    /// the same error.
    pub async fn login(
        &self,
        now: Timestamp,
        from: impl Into<LoggingIn>,
        username: &str,
        password: String,
    ) -> Result<Login, AccountError> {
        let LoggingIn { asker, device } = from.into();
        // Keyboards of phones put a space behind a word.
        let user = self.store.user_by_name(username.trim());
        let hash = match &user {
            Some(user) => self.password_hash(user.id).await?,
            None => None,
        };
        let verdict = self.passwords.verify(asker, password, hash).await?;
        match user.filter(|_| verdict.is_right) {
            None => Err(AccountError::InvalidCredentials),
            Some(user) if user.disabled => Err(AccountError::AccountDisabled),
            Some(user) => {
                if let Some(hash) = verdict.renewed {
                    self.renew_hash(now, &user, hash).await;
                }
                self.log_in(now, user, device).await
            }
        }
    }

    /// Stores our own hash of a password in the place of one that came from elsewhere. Where that
    /// fails, the next login does it; a password that was changed meanwhile, and its tokens with
    /// it, stays as it is.
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

    pub(super) async fn password_hash(&self, user: UserId) -> Result<Option<String>, AccountError> {
        Ok(self
            .store
            .read(move |snapshot| snapshot.password_hash(user))
            .await?)
    }
}
