//! How an account is written, and who is who in memory.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::record::{seal, unseal};
use crate::model::{Timestamp, User, UserId, Username};

/// An account as it stands in the `users` table: JSON, so that a later format may add keys.
#[derive(Serialize, Deserialize)]
pub(super) struct UserRecord {
    username: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    avatar: Option<String>,
    #[serde(default)]
    is_admin: bool,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    token_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at_ms: Option<u64>,
    created_at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_seen_ms: Option<u64>,
}

/// The sealed value of an account.
pub(super) fn encode(user: &User) -> Vec<u8> {
    let record = UserRecord {
        username: user.username.as_str().to_owned(),
        avatar: user.avatar.as_deref().map(str::to_owned),
        is_admin: user.is_admin,
        disabled: user.disabled,
        token_version: user.token_version,
        revoked_at_ms: user.revoked_at.map(Timestamp::as_ms),
        created_at_ms: user.created_at.as_ms(),
        last_seen_ms: user.last_seen.map(Timestamp::as_ms),
    };
    seal(
        user.id.get(),
        &serde_json::to_vec(&record).expect("a record of strings and numbers is valid JSON"),
    )
}

/// Reads an account back.
pub(super) fn decode(key: u64, sealed: &[u8]) -> Result<User, StoreError> {
    let damaged = || StoreError::Damaged {
        table: "users",
        key,
    };
    let record: UserRecord =
        serde_json::from_slice(unseal("users", key, sealed)?).map_err(|_| damaged())?;
    Ok(User {
        id: UserId::new(key).map_err(|_| damaged())?,
        username: Username::stored(&record.username),
        avatar: record.avatar.map(Into::into),
        is_admin: record.is_admin,
        disabled: record.disabled,
        token_version: record.token_version,
        revoked_at: record.revoked_at_ms.map(Timestamp::from_ms),
        created_at: Timestamp::from_ms(record.created_at_ms),
        last_seen: record.last_seen_ms.map(Timestamp::from_ms),
    })
}

/// Every account, in memory: some 300 bytes each with its name and both maps.
#[derive(Default)]
pub(super) struct Directory {
    users: FxHashMap<UserId, Arc<User>>,
    /// By [`Username::key`]. A keyed hash, since strangers choose names.
    names: HashMap<String, UserId>,
    greatest: u64,
    used_ids: u64,
}

impl Directory {
    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub(super) fn get(&self, id: UserId) -> Option<&Arc<User>> {
        self.users.get(&id)
    }

    pub(super) fn by_name(&self, key: &str) -> Option<UserId> {
        self.names.get(key).copied()
    }

    /// The greatest id in use; 0 where there is none.
    pub(super) fn greatest(&self) -> u64 {
        self.greatest
    }

    /// The number up to which every id is an account's: the search for the least free one begins after it.
    pub(super) fn used_ids(&self) -> u64 {
        self.used_ids
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// Adds an account, or puts its new form in place of the earlier one.
    pub(super) fn put(&mut self, user: Arc<User>) {
        let key = user.username.key();
        if let Some(earlier) = self.users.get(&user.id)
            && earlier.username != user.username
        {
            self.names.remove(&earlier.username.key());
        }
        self.names.insert(key, user.id);
        self.greatest = self.greatest.max(user.id.get());
        self.users.insert(user.id, user);
        while UserId::new(self.used_ids + 1).is_ok_and(|next| self.users.contains_key(&next)) {
            self.used_ids += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u64, name: &str) -> User {
        User {
            id: UserId::new(id).unwrap(),
            username: Username::registered(name).unwrap(),
            avatar: Some("/a.png".into()),
            is_admin: true,
            disabled: false,
            token_version: 3,
            revoked_at: Some(Timestamp::from_ms(4)),
            created_at: Timestamp::from_ms(5),
            last_seen: None,
        }
    }

    #[test]
    fn an_account_is_read_back_as_written() {
        let ada = user(7, "Ada");
        assert_eq!(decode(7, &encode(&ada)).unwrap(), ada);
        assert!(
            decode(8, &encode(&ada)).is_err(),
            "the checksum covers the key"
        );
    }

    #[test]
    fn a_renamed_account_gives_its_old_name_free() {
        let mut directory = Directory::default();
        directory.put(Arc::new(user(1, "Ada")));
        directory.put(Arc::new(user(1, "lovelace")));
        assert_eq!(directory.by_name("ada"), None);
        assert_eq!(directory.by_name("lovelace"), UserId::new(1).ok());
        directory.put(Arc::new(user(1, "Lovelace")));
        assert_eq!(directory.by_name("lovelace"), UserId::new(1).ok());
    }
}
