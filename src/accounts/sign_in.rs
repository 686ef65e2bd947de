//! Sign-in links: a page of the app opens chatd's own page for somebody who is signed in there.
//!
//! A link's code stands for the app's token, which the page gets for it: so the session has the
//! token's rights, ends with it, and ends when it is revoked or its key is taken away. Codes and
//! tokens are kept in memory alone, for a minute; a restart makes links invalid.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use rand::distr::{Alphanumeric, SampleString};
use sha2::{Digest, Sha256};

use super::token::Proof;
use super::{AccountError, Accounts, Caller};
use crate::model::{Timestamp, UserId};

/// 60 s: a link is opened by the click for which it was made.
const LIFETIME: Duration = Duration::from_secs(60);
/// Letters and digits of a code: 190 bits.
const CODE_CHARS: usize = 32;
/// 8 links of one person that wait to be opened; the oldest gives way.
const MOST_OF_PERSON: usize = 8;
/// 2,048 links of all people: with the longest tokens 16 MiB.
const MOST: usize = 2_048;

/// A link that was not opened yet.
struct Link {
    /// The SHA-256 of its code.
    hash: [u8; 32],
    user: UserId,
    token: Box<str>,
    until: Timestamp,
}

/// The links that wait to be opened, the oldest first.
#[derive(Default)]
pub(super) struct SignInLinks {
    waiting: Mutex<VecDeque<Link>>,
}

fn hash(code: &str) -> [u8; 32] {
    Sha256::digest(code.as_bytes()).into()
}

impl SignInLinks {
    fn make(&self, now: Timestamp, user: UserId, token: &str) -> Result<String, AccountError> {
        let code = Alphanumeric.sample_string(&mut rand::rng(), CODE_CHARS);
        let mut waiting = self.waiting.lock();
        waiting.retain(|link| now < link.until);
        let of_person = waiting.iter().filter(|link| link.user == user).count();
        if of_person >= MOST_OF_PERSON
            && let Some(oldest) = waiting.iter().position(|link| link.user == user)
        {
            waiting.remove(oldest);
        }
        if waiting.len() >= MOST {
            return Err(AccountError::Busy);
        }
        waiting.push_back(Link {
            hash: hash(&code),
            user,
            token: token.into(),
            until: now.plus(LIFETIME),
        });
        Ok(code)
    }

    /// Returns the token of a link, which is used up by that.
    fn open(&self, now: Timestamp, code: &str) -> Option<Box<str>> {
        let hash = hash(code);
        let mut waiting = self.waiting.lock();
        let place = waiting.iter().position(|link| link.hash == hash)?;
        let link = waiting.remove(place)?;
        (now < link.until).then_some(link.token)
    }
}

impl Accounts {
    /// Makes a link's code for the caller, who showed this token of an app.
    pub fn sign_in_code(
        &self,
        now: Timestamp,
        caller: &Caller,
        token: &str,
    ) -> Result<String, AccountError> {
        match caller.grant.proof {
            Proof::Foreign { .. } => self.sign_in_links.make(now, caller.user.id, token),
            Proof::Own { .. } | Proof::Key(_) => Err(AccountError::NotTheAppsToken),
        }
    }

    /// Uses a link's code up. Returns the app's token, and whose it is.
    pub async fn sign_in(
        &self,
        now: Timestamp,
        code: &str,
    ) -> Result<(String, Caller), AccountError> {
        let token = self.sign_in_links.open(now, code);
        let token = token.ok_or(AccountError::InvalidCode)?;
        let caller = self.authenticate(now, Some(&token)).await?;
        Ok((token.into(), caller))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_749_124_800_000);

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn a_link_opens_once_and_within_a_minute() {
        let links = SignInLinks::default();
        let code = links.make(NOW, user(1), "token").unwrap();
        assert_eq!(links.open(NOW, "another"), None);
        assert_eq!(links.open(NOW, &code).as_deref(), Some("token"));
        assert_eq!(links.open(NOW, &code), None);
        let code = links.make(NOW, user(1), "token").unwrap();
        assert_eq!(links.open(NOW.plus(LIFETIME), &code), None);
        let code = links.make(NOW, user(1), "token").unwrap();
        let last = Timestamp::from_ms(NOW.plus(LIFETIME).as_ms() - 1);
        assert_eq!(links.open(last, &code).as_deref(), Some("token"));
    }

    #[test]
    fn one_person_pushes_out_their_own_oldest_and_all_have_a_bound() {
        let links = SignInLinks::default();
        let other = links.make(NOW, user(2), "theirs").unwrap();
        let codes: Vec<_> = (0..=MOST_OF_PERSON)
            .map(|_| links.make(NOW, user(1), "mine").unwrap())
            .collect();
        assert_eq!(links.open(NOW, &codes[0]), None);
        assert!(links.open(NOW, &codes[1]).is_some());
        assert_eq!(links.open(NOW, &other).as_deref(), Some("theirs"));
        let mut people = 3..;
        while links.waiting.lock().len() < MOST {
            links.make(NOW, user(people.next().unwrap()), "x").unwrap();
        }
        let full = links.make(NOW, user(people.next().unwrap()), "x");
        assert_eq!(full.err(), Some(AccountError::Busy));
        let later = NOW.plus(LIFETIME);
        assert!(links.make(later, user(1), "mine").is_ok());
        assert_eq!(links.waiting.lock().len(), 1);
    }
}
