//! The codes of links that reset a password: how they are written, which there are, and how they
//! are made and used.
//!
//! A code is shown once, in its link. Kept is its SHA-256, as of a key's text. A person has one at
//! most: a new one takes its place.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::api_keys::KeyHash;
use super::refusal::PeopleRefusal;
use super::staging::StagingPeople;
use crate::model::{MadeBy, Timestamp, UserId};
use crate::store::error::StoreError;
use crate::store::sealed::{seal_under, unseal_under};

/// The number of a person's only code.
const NUMBER: u64 = 1;

/// A code that waits to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetCode {
    /// What is kept of its text.
    pub hash: KeyHash,
    /// From when on it is refused.
    pub expires_at: Timestamp,
}

/// The code of a person is so now, or is gone.
pub(crate) type CodeChange = (UserId, Option<ResetCode>);

/// A code as it stands in the `codes` table.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct CodeRecord {
    hash: String,
    expires_at_ms: u64,
}

/// The key of a person's code in its table.
pub(crate) const fn key_of(user: UserId) -> (u64, u64) {
    (user.get(), NUMBER)
}

/// The sealed value of a code.
pub(crate) fn encode(user: UserId, code: &ResetCode) -> Vec<u8> {
    let record = CodeRecord {
        hash: BASE64_STANDARD_NO_PAD.encode(code.hash),
        expires_at_ms: code.expires_at.as_ms(),
    };
    let json = serde_json::to_vec(&record).expect("a record of strings and numbers is valid JSON");
    seal_under(&[user.get(), NUMBER], &json)
}

/// Reads a code back; `None` of a row that holds none.
pub(crate) fn decode(key: (u64, u64), sealed: &[u8]) -> Result<CodeChange, StoreError> {
    let decode = || {
        let body = unseal_under(&[key.0, key.1], sealed)?;
        let record: CodeRecord = serde_json::from_slice(body).ok()?;
        let user = UserId::new(key.0).ok()?;
        if record.hash.is_empty() {
            return Some((user, None));
        }
        let hash = BASE64_STANDARD_NO_PAD.decode(record.hash).ok()?;
        let code = ResetCode {
            hash: hash.try_into().ok()?,
            expires_at: Timestamp::from_ms(record.expires_at_ms),
        };
        Some((user, Some(code)))
    };
    decode().ok_or(StoreError::Damaged {
        table: "codes",
        key: key.0,
    })
}

/// Every code, in memory.
#[derive(Default)]
pub(crate) struct Codes {
    by_user: FxHashMap<UserId, ResetCode>,
    by_hash: FxHashMap<KeyHash, UserId>,
}

impl Codes {
    /// Returns whose code has this hash, if it holds at this time.
    pub(crate) fn holder(&self, now: Timestamp, hash: &KeyHash) -> Option<UserId> {
        let user = *self.by_hash.get(hash)?;
        let code = self.by_user.get(&user)?;
        (now < code.expires_at).then_some(user)
    }

    /// Those that hold no more at this time.
    fn over(&self, now: Timestamp) -> Vec<UserId> {
        let over = self.by_user.iter();
        let over = over.filter(|(_, code)| code.expires_at <= now);
        over.map(|(user, _)| *user).collect()
    }

    /// Takes over a row that was read or written.
    pub(crate) fn take(&mut self, (user, code): CodeChange) {
        let earlier = match code {
            Some(code) => {
                self.by_hash.insert(code.hash, user);
                self.by_user.insert(user, code)
            }
            None => self.by_user.remove(&user),
        };
        if let Some(earlier) = earlier
            && code.is_none_or(|code| code.hash != earlier.hash)
        {
            self.by_hash.remove(&earlier.hash);
        }
    }
}

/// What a transaction makes of the codes.
pub(crate) type StagedCodes = FxHashMap<UserId, Option<ResetCode>>;

impl StagingPeople<'_> {
    fn code_of(&self, user: UserId) -> Option<ResetCode> {
        match self.staged.codes.get(&user) {
            Some(staged) => *staged,
            None => self.people.codes.by_user.get(&user).copied(),
        }
    }

    fn set_code(&mut self, user: UserId, code: Option<ResetCode>) {
        self.staged.codes.insert(user, code);
        self.staged.rows.codes.push((user, code));
    }

    /// Makes a code for a person who has a password, or may have one.
    pub(crate) fn create_code(
        &mut self,
        user: UserId,
        code: ResetCode,
    ) -> Result<(), PeopleRefusal> {
        let account = self.user(user).filter(|account| !account.deleted);
        let account = account.ok_or(PeopleRefusal::NoSuchUser)?;
        if account.is_bot || account.made_by == MadeBy::App {
            return Err(PeopleRefusal::NoPassword);
        }
        self.set_code(user, Some(code));
        Ok(())
    }

    /// Uses up the code of a person, which must be this one.
    pub(super) fn use_code(
        &mut self,
        now: Timestamp,
        user: UserId,
        hash: &KeyHash,
    ) -> Result<(), PeopleRefusal> {
        let code = self.code_of(user);
        let code = code.filter(|code| code.hash == *hash && now < code.expires_at);
        code.ok_or(PeopleRefusal::InvalidCode)?;
        self.end_code(user);
        Ok(())
    }

    /// Takes the code of a person away, if there is one.
    pub(super) fn end_code(&mut self, user: UserId) {
        if self.code_of(user).is_some() {
            self.set_code(user, None);
        }
    }

    /// Takes away the codes that hold no more.
    pub(crate) fn sweep_codes(&mut self, now: Timestamp) {
        for user in self.people.codes.over(now) {
            if self
                .code_of(user)
                .is_some_and(|code| code.expires_at <= now)
            {
                self.set_code(user, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    fn code(byte: u8) -> ResetCode {
        ResetCode {
            hash: [byte; 32],
            expires_at: Timestamp::from_ms(9),
        }
    }

    #[test]
    fn a_code_is_read_back_as_written() {
        let sealed = encode(user(3), &code(7));
        assert_eq!(
            decode((3, NUMBER), &sealed).unwrap(),
            (user(3), Some(code(7)))
        );
        assert!(decode((4, NUMBER), &sealed).is_err());
    }

    #[test]
    fn a_new_code_takes_the_place_of_the_earlier_one() {
        let mut codes = Codes::default();
        let at = Timestamp::from_ms;
        codes.take((user(3), Some(code(7))));
        assert_eq!(codes.holder(at(8), &[7; 32]), Some(user(3)));
        assert_eq!(codes.holder(at(9), &[7; 32]), None);
        codes.take((user(3), Some(code(8))));
        assert_eq!(codes.holder(at(8), &[7; 32]), None);
        assert_eq!(codes.holder(at(8), &[8; 32]), Some(user(3)));
        assert_eq!(codes.over(at(9)), [user(3)]);
        codes.take((user(3), None));
        assert!(codes.by_user.is_empty() && codes.by_hash.is_empty());
    }
}
