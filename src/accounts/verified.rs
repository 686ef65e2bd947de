//! Tokens that were verified lately, so that a client that asks again has its token verified once.
//!
//! Kept is what a token grants, under a keyed hash of 128 bits of the whole token: no token is
//! kept, and one that hashes alike cannot be made without the key. What may change since (time, the
//! account, revocation) is not kept and is checked each time.

use std::hash::Hasher;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use siphasher::sip128::{Hasher128, SipHasher24};

use super::token::Verified;

/// A token, by its hash under the key of the table.
#[derive(Clone, Copy)]
pub(super) struct TokenHash(u128);

/// What the tokens of these hashes grant.
pub(super) struct VerifiedTokens {
    key: [u8; 16],
    /// So many are kept, at some 128 bytes each; then it begins anew.
    most: usize,
    verified: Mutex<FxHashMap<u128, Verified>>,
}

impl VerifiedTokens {
    /// None yet, under a new key.
    pub(super) fn new(most: usize) -> Self {
        Self {
            key: rand::random(),
            most,
            verified: Mutex::default(),
        }
    }

    /// Returns the hash of a token, by which it is looked for and remembered.
    pub(super) fn hash(&self, token: &str) -> TokenHash {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(token.as_bytes());
        TokenHash(hasher.finish128().as_u128())
    }

    /// What this token grants, where that is known.
    pub(super) fn get(&self, token: TokenHash) -> Option<Verified> {
        self.verified.lock().get(&token.0).copied()
    }

    /// Remembers a token whose signature holds.
    pub(super) fn put(&self, token: TokenHash, granted: Verified) {
        let mut verified = self.verified.lock();
        if verified.len() >= self.most {
            *verified = FxHashMap::default();
        }
        verified.insert(token.0, granted);
    }

    /// Forgets all: other keys count from now on.
    pub(super) fn clear(&self) {
        *self.verified.lock() = FxHashMap::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::token::{Grant, Proof};
    use crate::model::{Timestamp, UserId};

    const MAX_VERIFIED: usize = 1_000;

    fn granted(user: u64) -> Verified {
        let at = Timestamp::from_ms(1_000);
        Verified {
            expires_at: at,
            grant: Grant {
                user_id: UserId::new(user).unwrap(),
                refused_from: at,
                proof: Proof::Own {
                    version: 0,
                    since_ms: None,
                    session: None,
                    issued_at: at,
                },
            },
        }
    }

    fn user(tokens: &VerifiedTokens, token: &str) -> Option<u64> {
        Some(tokens.get(tokens.hash(token))?.grant.user_id.get())
    }

    #[test]
    fn a_token_is_known_as_a_whole_and_until_it_is_forgotten() {
        let tokens = VerifiedTokens::new(MAX_VERIFIED);
        tokens.put(tokens.hash("header.claims.signature"), granted(3));
        assert_eq!(user(&tokens, "header.claims.signature"), Some(3));
        for other in ["header.claims.signaturE", "header.claims.", ""] {
            assert_eq!(user(&tokens, other), None);
        }
        tokens.clear();
        assert_eq!(user(&tokens, "header.claims.signature"), None);
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let tokens = VerifiedTokens::new(MAX_VERIFIED);
        for number in 1..=3 * MAX_VERIFIED as u64 {
            tokens.put(tokens.hash(&number.to_string()), granted(number));
            assert!(tokens.verified.lock().len() <= MAX_VERIFIED);
            assert_eq!(user(&tokens, &number.to_string()), Some(number));
        }
    }
}
