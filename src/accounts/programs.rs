//! Programs: bots, which talk as accounts of their own, and backends, which administer; and the
//! keys by which both are known.

use std::sync::Arc;

use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};

use super::token::{Grant, Proof};
use super::{AccountError, Accounts, Admin, Caller, UsersAdmin, checked_avatar, checked_name};
use crate::model::{Timestamp, User, UserId, Username};
use crate::store::{
    ApiKey, ApiKeyId, Command, KeyHash, KeyHolder, KeyRefusal, KeyScope, NewUser, StoreError,
};

/// How a bot's key begins.
const OF_BOT: &str = "cb_";
/// How a backend's key begins.
const OF_BACKEND: &str = "ck_";
/// Letters and digits of a key after its beginning: 190 bits.
const KEY_CHARS: usize = 32;
/// The longest name of a backend's key, in characters.
const MAX_KEY_NAME_CHARS: usize = 64;
/// The year 9999: keys do not expire.
const NEVER: Timestamp = Timestamp::from_ms(253_402_300_799_000);

/// A wish for a bot, not yet checked.
pub struct NewBot {
    /// Its username.
    pub username: String,
    /// The name that is shown; the username, unless given.
    pub name: Option<String>,
    /// Its picture.
    pub avatar: Option<String>,
}

/// A key that was made, with its text, which is shown this once.
pub struct MadeKey {
    /// The key.
    pub key: ApiKey,
    /// Its text.
    pub text: String,
}

/// A backend that showed its key.
#[derive(Debug, Clone, Copy)]
pub struct Backend {
    /// The number of its key.
    pub id: ApiKeyId,
    scope: KeyScope,
}

impl Backend {
    /// Returns the right to the routes about people.
    pub fn users_admin(self) -> UsersAdmin {
        match self.scope {
            KeyScope::Users => UsersAdmin::of_people(),
            KeyScope::All => Admin::of_backend(self.id).into(),
        }
    }

    /// Returns the right to all routes of administrators, if the key has it.
    pub fn admin(self) -> Result<Admin, AccountError> {
        match self.scope {
            KeyScope::Users => Err(AccountError::KeyScope),
            KeyScope::All => Ok(Admin::of_backend(self.id)),
        }
    }
}

/// Makes the text of a key, and what is kept of it.
fn made(beginning: &str) -> (String, KeyHash) {
    let random = Alphanumeric.sample_string(&mut rand::rng(), KEY_CHARS);
    let text = format!("{beginning}{random}");
    let hash = hash(&text);
    (text, hash)
}

fn hash(text: &str) -> KeyHash {
    Sha256::digest(text.as_bytes()).into()
}

/// Returns whether a credential is a key, and no token.
pub(super) fn is_key(credential: &str) -> bool {
    credential.starts_with(OF_BOT) || credential.starts_with(OF_BACKEND)
}

impl Accounts {
    /// Returns the backend whose key this is; `None` where the credential is no backend's.
    pub fn backend(&self, credential: Option<&str>) -> Option<Result<Backend, AccountError>> {
        let text = credential.filter(|text| text.starts_with(OF_BACKEND))?;
        let key = self.store.api_key_of(&hash(text));
        let key = key.filter(|key| !self.is_paused(key));
        Some(match key.map(|key| (key.id, key.holder)) {
            Some((id, KeyHolder::Backend { scope, .. })) => Ok(Backend { id, scope }),
            _ => Err(AccountError::InvalidToken),
        })
    }

    /// Returns the bot whose key this is.
    pub(super) fn bot_of(&self, now: Timestamp, text: &str) -> Result<Caller, AccountError> {
        if text.starts_with(OF_BACKEND) {
            return Err(AccountError::BackendKey);
        }
        let key = self.store.api_key_of(&hash(text));
        let key = key.ok_or(AccountError::InvalidToken)?;
        let KeyHolder::Bot(user_id) = key.holder else {
            return Err(AccountError::InvalidToken);
        };
        let grant = Grant {
            user_id,
            refused_from: NEVER,
            proof: Proof::Key(key.id),
        };
        Ok(Caller {
            user: self.check(now, &grant)?,
            expires_at: NEVER,
            grant,
        })
    }

    /// Returns whether a bot's key still counts.
    pub(super) fn has_key_of(&self, user: UserId, id: ApiKeyId) -> bool {
        let key = self.store.api_key(id);
        key.is_some_and(|key| key.holder == KeyHolder::Bot(user) && !self.is_paused(&key))
    }

    /// Returns whether a key waits to be confirmed after a restore.
    pub fn is_paused(&self, key: &ApiKey) -> bool {
        key.is_paused(self.store.tokens_from())
    }

    /// Makes a bot, and its first key.
    pub async fn create_bot(
        &self,
        _: Admin,
        now: Timestamp,
        wish: NewBot,
    ) -> Result<(Arc<User>, MadeKey), AccountError> {
        let new = NewUser {
            username: Username::registered(&wish.username)?,
            name: checked_name(wish.name)?,
            avatar: checked_avatar(wish.avatar)?,
            // A bot has no password.
            password_hash: None,
            is_admin: false,
            is_bot: true,
            only_if_first: false,
            invite: None,
        };
        let (text, hash) = made(OF_BOT);
        let create = Command::create_bot(new, hash);
        let (user, key) = self.store.apply(now, create).await?;
        Ok((user, MadeKey { key, text }))
    }

    /// The bots, ascending by id, each with its keys.
    pub fn bots(&self, _: Admin) -> Vec<(Arc<User>, Vec<ApiKey>)> {
        let keys = self.store.api_keys();
        let of = |bot: UserId| {
            let its = keys.iter().filter(|key| key.holder == KeyHolder::Bot(bot));
            its.cloned().collect()
        };
        let bots = self.store.bots().into_iter();
        bots.map(|bot| (Arc::clone(&bot), of(bot.id))).collect()
    }

    /// Makes a further key of a bot.
    pub async fn create_bot_key(
        &self,
        _: Admin,
        now: Timestamp,
        bot: UserId,
    ) -> Result<MadeKey, AccountError> {
        self.create_key(now, OF_BOT, KeyHolder::Bot(bot)).await
    }

    /// Makes a backend's key.
    pub async fn create_backend_key(
        &self,
        _: Admin,
        now: Timestamp,
        name: &str,
        scope: KeyScope,
    ) -> Result<MadeKey, AccountError> {
        let name = name.trim();
        let fits = (1..=MAX_KEY_NAME_CHARS).contains(&name.chars().count());
        if !fits || name.chars().any(char::is_control) {
            return Err(AccountError::KeyName);
        }
        let name = name.into();
        self.create_key(now, OF_BACKEND, KeyHolder::Backend { name, scope })
            .await
    }

    async fn create_key(
        &self,
        now: Timestamp,
        beginning: &str,
        holder: KeyHolder,
    ) -> Result<MadeKey, AccountError> {
        let (text, hash) = made(beginning);
        let create = Command::create_key(holder, hash);
        let key = self.store.apply(now, create).await?;
        Ok(MadeKey { key, text })
    }

    /// The backends' keys, ascending by number.
    pub fn backend_keys(&self, _: Admin) -> Vec<ApiKey> {
        let keys = self.store.api_keys().into_iter();
        keys.filter(|key| matches!(key.holder, KeyHolder::Backend { .. }))
            .collect()
    }

    /// Has a key count again that a restore brought back.
    pub async fn confirm_key(
        &self,
        _: Admin,
        now: Timestamp,
        id: ApiKeyId,
    ) -> Result<ApiKey, AccountError> {
        Ok(self.store.apply(now, Command::confirm_key(id)).await?)
    }

    /// Takes a key back. The sockets that came by it are closed before the answer comes.
    pub async fn revoke_key(
        &self,
        _: Admin,
        now: Timestamp,
        id: ApiKeyId,
    ) -> Result<(), AccountError> {
        let listener = Arc::clone(&self.listener);
        let (answer, answered) = tokio::sync::oneshot::channel();
        let told = move |result: Result<ApiKey, StoreError>| {
            if let Ok(key) = &result
                && let KeyHolder::Bot(bot) = key.holder
            {
                listener.revoked(bot);
            }
            // A caller that went away is no reason to stop: the change is stored.
            drop(answer.send(result));
        };
        self.store.submit(now, Command::revoke_key(id), told);
        let revoked = answered.await.unwrap_or(Err(StoreError::Unavailable));
        if let Err(StoreError::Key(KeyRefusal::NoSuchKey)) = revoked {
            // Taking it back may have failed by its answer alone, with sockets left that came by
            // it.
            self.listener.keys_changed();
        }
        Ok(revoked.map(drop)?)
    }

    /// Takes a key of this bot back, and no other's.
    pub async fn revoke_bot_key(
        &self,
        admin: Admin,
        now: Timestamp,
        bot: UserId,
        id: ApiKeyId,
    ) -> Result<(), AccountError> {
        let key = self.store.api_key(id);
        match key.map(|key| key.holder == KeyHolder::Bot(bot)) {
            Some(false) => Err(AccountError::NoSuchKey),
            Some(true) | None => self.revoke_key(admin, now, id).await,
        }
    }
}
