//! A way back in: a link by which a person who forgot their password gives themselves another.
//!
//! An administrator makes it and gives it to the person. It is good once and for a day; of its code
//! only a hash is kept. Bots and the accounts of an app have no password here, and so no link.

use std::time::Duration;

use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};

use super::{AccountError, Accounts, LoggingIn, Login, UsersAdmin, password};
use crate::model::{MadeBy, Timestamp, UserId, Whom};
use crate::store::{Command, KeyHash, ResetCode, UserChange};

/// 24 hours: a link is sent by hand, and opened when the person is back at their device.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Letters and digits of a code: 190 bits.
const CODE_CHARS: usize = 32;

fn hash(code: &str) -> KeyHash {
    Sha256::digest(code.as_bytes()).into()
}

impl Accounts {
    /// Makes the code of a link for a person, in place of an earlier one.
    pub async fn reset_code(
        &self,
        admin: impl Into<UsersAdmin>,
        now: Timestamp,
        user: UserId,
    ) -> Result<String, AccountError> {
        let account = self.store.user(user).filter(|account| !account.deleted);
        let account = account.ok_or(AccountError::NoSuchUser)?;
        self.must_reach(admin.into(), &Whom::Id(user))?;
        if account.is_bot {
            return Err(AccountError::IsBot);
        }
        if account.made_by == MadeBy::App {
            return Err(AccountError::NoPassword);
        }
        let text = Alphanumeric.sample_string(&mut rand::rng(), CODE_CHARS);
        let code = ResetCode {
            hash: hash(&text),
            expires_at: now.plus(LIFETIME),
        };
        let create = Command::create_code(user, code);
        self.store.apply(now, create).await?;
        Ok(text)
    }

    /// Gives an account another password by the code of a link, which is used up, and logs in.
    /// Every earlier token of the account is refused from then on.
    pub async fn reset(
        &self,
        now: Timestamp,
        from: LoggingIn,
        code: &str,
        password: String,
    ) -> Result<Login, AccountError> {
        let hash = hash(code);
        let account = self.store.holder_of_code(now, &hash);
        let account = account.ok_or(AccountError::InvalidCode)?;
        if account.disabled {
            return Err(AccountError::AccountDisabled);
        }
        password::check(&password, &[account.username.as_str()])?;
        let hashed = self.passwords.hash(from.asker, password).await?;
        let change = UserChange {
            password_hash: Some(hashed.into()),
            revoke_tokens: true,
            by_code: Some(hash),
            ..UserChange::default()
        };
        let user = self.change(now, account.id, change).await?;
        self.log_in(now, user, from.device).await
    }
}
