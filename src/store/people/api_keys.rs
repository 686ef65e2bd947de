//! The keys of bots and of backends: how they are written, which there are, and how they are made
//! and taken back.
//!
//! A key's text is shown once, to whoever makes it. Kept is its SHA-256: a text of 190 random bits
//! cannot be found from that, so no slow hash is needed, and a key is found by it at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::accounts::NewUser;
use super::refusal::{KeyRefusal, PeopleRefusal};
use super::staging::StagingPeople;
use crate::model::{Timestamp, User, UserId};
use crate::store::error::StoreError;
use crate::store::sealed::{seal, unseal};

/// 1,000 bots: more than any server has, and a bound for what a backend in a loop can make.
const MAX_BOTS: usize = 1_000;
/// 16 keys of one bot: one for each machine it runs on, and a new one beside each.
const MAX_KEYS_OF_BOT: usize = 16;
/// 100 keys of backends.
const MAX_KEYS_OF_BACKENDS: usize = 100;

/// The number of a key. It grows; that of a key that was taken back may be given again after a
/// restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKeyId(pub u64);

/// The SHA-256 of a key's text.
pub type KeyHash = [u8; 32];

/// A credential of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its number.
    pub id: ApiKeyId,
    /// Who holds it.
    pub holder: KeyHolder,
    /// What is kept of its text.
    pub hash: KeyHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// When an administrator last said that it counts: with its making, or after a restore.
    pub confirmed_at: Timestamp,
}

impl ApiKey {
    /// Returns whether it does not count until an administrator confirms it: a file that went back
    /// to `known_from` may have forgotten that it was taken back.
    pub fn is_paused(&self, known_from: Option<Timestamp>) -> bool {
        known_from.is_some_and(|from| self.confirmed_at < from)
    }
}

/// The program that holds a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyHolder {
    /// A bot: the key is good wherever its account's token would be.
    Bot(UserId),
    /// An app's backend: the key opens administrators' routes, and is no person's.
    Backend {
        /// What administrators call it.
        name: Arc<str>,
        /// Which routes it opens.
        scope: KeyScope,
    },
}

/// The routes of administrators that a backend's key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyScope {
    /// Those that make, change and find people who are no administrators.
    Users,
    /// All of them.
    All,
}

/// A key as it stands in the `keys` table: JSON, so that a later format may add keys.
#[derive(Serialize, Deserialize)]
struct ApiKeyRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bot: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<KeyScope>,
    hash: String,
    created_at_ms: u64,
    confirmed_at_ms: u64,
}

/// The sealed value of a key.
pub(crate) fn encode(key: &ApiKey) -> Vec<u8> {
    let (bot, name, scope) = match &key.holder {
        KeyHolder::Bot(bot) => (Some(bot.get()), None, None),
        KeyHolder::Backend { name, scope } => (None, Some(name.to_string()), Some(*scope)),
    };
    let record = ApiKeyRecord {
        bot,
        name,
        scope,
        hash: BASE64_STANDARD_NO_PAD.encode(key.hash),
        created_at_ms: key.created_at.as_ms(),
        confirmed_at_ms: key.confirmed_at.as_ms(),
    };
    seal(
        key.id.0,
        &serde_json::to_vec(&record).expect("a record of strings and numbers is valid JSON"),
    )
}

/// Reads a key back.
pub(crate) fn decode(number: u64, sealed: &[u8]) -> Result<ApiKey, StoreError> {
    let damaged = || StoreError::Damaged {
        table: "keys",
        key: number,
    };
    let record: ApiKeyRecord =
        serde_json::from_slice(unseal("keys", number, sealed)?).map_err(|_| damaged())?;
    let hash = BASE64_STANDARD_NO_PAD.decode(record.hash).ok();
    Ok(ApiKey {
        id: ApiKeyId(number),
        holder: match (record.bot, record.name, record.scope) {
            (Some(bot), None, None) => KeyHolder::Bot(UserId::new(bot).map_err(|_| damaged())?),
            (None, Some(name), Some(scope)) => KeyHolder::Backend {
                name: name.into(),
                scope,
            },
            _ => return Err(damaged()),
        },
        hash: hash
            .and_then(|hash| hash.try_into().ok())
            .ok_or_else(damaged)?,
        created_at: Timestamp::from_ms(record.created_at_ms),
        confirmed_at: Timestamp::from_ms(record.confirmed_at_ms),
    })
}

/// Every key, in memory.
#[derive(Default)]
pub(crate) struct ApiKeys {
    by_id: BTreeMap<ApiKeyId, ApiKey>,
    by_hash: FxHashMap<KeyHash, ApiKeyId>,
    greatest: u64,
}

impl ApiKeys {
    pub(crate) fn get(&self, id: ApiKeyId) -> Option<&ApiKey> {
        self.by_id.get(&id)
    }

    pub(crate) fn by_hash(&self, hash: &KeyHash) -> Option<&ApiKey> {
        self.get(*self.by_hash.get(hash)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ApiKey> {
        self.by_id.values()
    }

    /// Adds a key, or puts its new form in place of the earlier one.
    pub(crate) fn put(&mut self, key: ApiKey) {
        self.greatest = self.greatest.max(key.id.0);
        self.by_hash.insert(key.hash, key.id);
        self.by_id.insert(key.id, key);
    }

    /// Takes over what a transaction changed.
    pub(crate) fn publish(&mut self, changes: Vec<ApiKeyChange>) {
        for (id, key) in changes {
            match key {
                Some(key) => self.put(key),
                None => {
                    if let Some(gone) = self.by_id.remove(&id) {
                        self.by_hash.remove(&gone.hash);
                    }
                }
            }
        }
    }
}

/// A key of this number is so now, or is gone.
pub(crate) type ApiKeyChange = (ApiKeyId, Option<ApiKey>);

/// What a transaction makes of the keys.
#[derive(Default)]
pub(crate) struct StagedApiKeys {
    by_id: FxHashMap<ApiKeyId, Option<ApiKey>>,
    made: u64,
    bots: usize,
}

impl StagedApiKeys {
    /// Returns a key as it is to be.
    pub(super) fn get<'a>(&'a self, stored: &'a ApiKeys, id: ApiKeyId) -> Option<&'a ApiKey> {
        match self.by_id.get(&id) {
            Some(staged) => staged.as_ref(),
            None => stored.get(id),
        }
    }
}

impl StagingPeople<'_> {
    fn api_key(&self, id: ApiKeyId) -> Option<&ApiKey> {
        self.staged.api_keys.get(&self.people.api_keys, id)
    }

    fn set_api_key(&mut self, id: ApiKeyId, key: Option<ApiKey>) {
        self.staged.api_keys.by_id.insert(id, key.clone());
        self.staged.rows.api_keys.push((id, key));
    }

    /// Counts the keys that are as this says, those that a transaction makes among them.
    fn count_api_keys(&self, is_counted: impl Fn(&KeyHolder) -> bool) -> usize {
        let staged = &self.staged.api_keys.by_id;
        let kept = self.people.api_keys.iter();
        let kept = kept.filter(|key| !staged.contains_key(&key.id));
        let all = kept.chain(staged.values().flatten());
        all.filter(|key| is_counted(&key.holder)).count()
    }

    /// Makes a bot, and its first key.
    pub(crate) fn create_bot(
        &mut self,
        now: Timestamp,
        new: &NewUser,
        hash: KeyHash,
    ) -> Result<(Arc<User>, ApiKey), StoreError> {
        if self.people.directory.bots() + self.staged.api_keys.bots >= MAX_BOTS {
            return Err(KeyRefusal::TooManyBots.into());
        }
        let bot = self.create_user(now, new)?;
        self.staged.api_keys.bots += 1;
        let key = self.create_api_key(now, &KeyHolder::Bot(bot.id), hash)?;
        Ok((bot, key))
    }

    /// Makes a key.
    pub(crate) fn create_api_key(
        &mut self,
        now: Timestamp,
        holder: &KeyHolder,
        hash: KeyHash,
    ) -> Result<ApiKey, StoreError> {
        let (count, most) = match holder {
            KeyHolder::Bot(bot) => {
                if !self.user(*bot).is_some_and(|user| user.is_bot) {
                    return Err(PeopleRefusal::NoSuchUser.into());
                }
                (
                    self.count_api_keys(|other| other == holder),
                    MAX_KEYS_OF_BOT,
                )
            }
            KeyHolder::Backend { .. } => {
                let is_backend = |holder: &KeyHolder| matches!(holder, KeyHolder::Backend { .. });
                (self.count_api_keys(is_backend), MAX_KEYS_OF_BACKENDS)
            }
        };
        if count >= most {
            return Err(KeyRefusal::TooManyKeys.into());
        }
        self.staged.api_keys.made += 1;
        let key = ApiKey {
            id: ApiKeyId(self.people.api_keys.greatest + self.staged.api_keys.made),
            holder: holder.clone(),
            hash,
            created_at: now,
            confirmed_at: now,
        };
        self.set_api_key(key.id, Some(key.clone()));
        Ok(key)
    }

    /// Has a key count again that a restore brought back.
    pub(crate) fn confirm_api_key(
        &mut self,
        now: Timestamp,
        id: ApiKeyId,
    ) -> Result<ApiKey, KeyRefusal> {
        let key = self.api_key(id).ok_or(KeyRefusal::NoSuchKey)?;
        let key = ApiKey {
            confirmed_at: key.confirmed_at.max(now),
            ..key.clone()
        };
        self.set_api_key(id, Some(key.clone()));
        Ok(key)
    }

    /// Takes back every key whose holder is as this says.
    pub(super) fn revoke_api_keys(&mut self, is_held: impl Fn(&KeyHolder) -> bool) {
        let kept = self.people.api_keys.iter().map(|key| key.id);
        let made = self.staged.api_keys.by_id.keys().copied();
        let ids: Vec<_> = kept.chain(made).collect();
        for id in ids {
            if self.api_key(id).is_some_and(|key| is_held(&key.holder)) {
                self.set_api_key(id, None);
            }
        }
    }

    /// Takes a key back.
    pub(crate) fn revoke_api_key(&mut self, id: ApiKeyId) -> Result<ApiKey, KeyRefusal> {
        let key = self.api_key(id).ok_or(KeyRefusal::NoSuchKey)?.clone();
        self.set_api_key(id, None);
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u64, holder: KeyHolder) -> ApiKey {
        ApiKey {
            id: ApiKeyId(id),
            holder,
            hash: [u8::try_from(id).unwrap(); 32],
            created_at: Timestamp::from_ms(5),
            confirmed_at: Timestamp::from_ms(6),
        }
    }

    fn backend() -> KeyHolder {
        KeyHolder::Backend {
            name: "shop".into(),
            scope: KeyScope::Users,
        }
    }

    #[test]
    fn a_key_is_read_back_as_written() {
        for holder in [KeyHolder::Bot(UserId::new(7).unwrap()), backend()] {
            let key = key(3, holder);
            let sealed = encode(&key);
            assert_eq!(decode(3, &sealed).unwrap(), key);
            assert!(
                decode(4, &sealed).is_err(),
                "the checksum covers the number"
            );
        }
    }

    #[test]
    fn a_row_that_says_of_no_holder_or_of_two_is_damaged() {
        for json in [
            r#"{"hash":"","created_at_ms":1,"confirmed_at_ms":1}"#,
            r#"{"bot":7,"hash":"AAAA","created_at_ms":1,"confirmed_at_ms":1}"#,
        ] {
            assert!(decode(3, &seal(3, json.as_bytes())).is_err(), "{json}");
        }
    }

    #[test]
    fn a_key_from_before_a_restore_is_paused_until_it_is_confirmed() {
        let key = key(3, backend());
        let at = |ms| Some(Timestamp::from_ms(ms));
        assert!(!key.is_paused(None));
        assert!(!key.is_paused(at(6)));
        assert!(key.is_paused(at(7)));
    }

    #[test]
    fn a_key_that_was_taken_back_is_found_no_more_and_its_number_is_not_given_again() {
        let mut keys = ApiKeys::default();
        keys.publish(vec![(ApiKeyId(3), Some(key(3, backend())))]);
        assert_eq!(keys.by_hash(&[3; 32]).unwrap().id, ApiKeyId(3));
        keys.publish(vec![(ApiKeyId(3), None)]);
        assert_eq!(keys.by_hash(&[3; 32]), None);
        assert_eq!((keys.iter().count(), keys.greatest), (0, 3));
    }
}
