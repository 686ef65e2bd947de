//! Passwords: argon2id beside the async threads, few at a time.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tokio::sync::Semaphore;

use super::AccountError;
use crate::model::nfc;

/// The shortest password, in characters.
pub const MIN_PASSWORD_CHARS: usize = 8;
/// The longest password, in characters: hashing longer ones helps nobody but an attacker.
pub const MAX_PASSWORD_CHARS: usize = 128;

/// How many passwords may wait to be hashed; more are refused as busy. 32 take about a second of one core.
const WAITING: usize = 32;

/// What a hash costs: OWASP's first choice for argon2id is 19 MiB and 2 passes, some 27 ms of one core.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// Hashes and checks passwords, one at a time: a flood of logins costs one core and 19 MiB, and no more.
#[derive(Clone)]
pub struct Passwords {
    argon2: Argon2<'static>,
    working: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// The hash of a password that nobody has, so that an unknown name takes as long as a wrong password.
    nobody: Arc<str>,
}

/// Checks the length of a new password.
pub(super) fn check(password: &str) -> Result<(), AccountError> {
    let chars = password.chars().take(MAX_PASSWORD_CHARS + 1).count();
    if (MIN_PASSWORD_CHARS..=MAX_PASSWORD_CHARS).contains(&chars) {
        Ok(())
    } else {
        Err(AccountError::Password)
    }
}

impl Passwords {
    /// With the usual cost.
    pub fn new() -> Self {
        let (memory_kib, passes, lanes) = COST;
        Self::with_cost(
            Params::new(memory_kib, passes, lanes, None)
                .expect("the cost is within argon2's limits"),
        )
    }

    /// As cheap as argon2 can be: for tests, which log in often.
    pub fn cheap() -> Self {
        Self::with_cost(
            Params::new(Params::MIN_M_COST, 1, 1, None)
                .expect("the least cost is within argon2's limits"),
        )
    }

    fn with_cost(params: Params) -> Self {
        let nobody = hash_of_nobody(&params).into();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let (working, places) = (Semaphore::new(1), Semaphore::new(1 + WAITING));
        Self {
            argon2,
            working: working.into(),
            places: places.into(),
            nobody,
        }
    }

    /// The argon2id hash of a password, in PHC string form.
    pub async fn hash(&self, password: String) -> Result<String, AccountError> {
        // Another keyboard may write the same letters otherwise.
        let password = nfc(&password);
        self.work(
            move |argon2| match argon2.hash_password(password.as_bytes()) {
                Ok(hash) => Ok(hash.to_string()),
                Err(error) => {
                    tracing::error!(%error, "a password could not be hashed");
                    Err(AccountError::Internal)
                }
            },
        )
        .await?
    }

    /// Whether a password is the one of this hash. Without a hash the work is done all the same, and the answer is no.
    pub async fn verify(
        &self,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, AccountError> {
        if password.len() > 4 * MAX_PASSWORD_CHARS {
            // No account has such a password, so that its length tells nothing about any.
            return Ok(false);
        }
        // Earlier versions hashed what was typed as it came.
        let mut forms = vec![nfc(&password)];
        if forms[0] != password {
            forms.push(password);
        }
        let nobody = Arc::clone(&self.nobody);
        self.work(move |argon2| {
            let known = hash.is_some();
            let hash = hash.as_deref().unwrap_or(&nobody);
            let right = match PasswordHash::new(hash) {
                Ok(hash) => forms
                    .iter()
                    .any(|form| argon2.verify_password(form.as_bytes(), &hash).is_ok()),
                Err(error) => {
                    tracing::error!(%error, "a stored password hash cannot be read");
                    false
                }
            };
            right && known
        })
        .await
    }

    async fn work<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> R + Send + 'static,
    ) -> Result<R, AccountError> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| AccountError::Busy)?;
        let turn = Arc::clone(&self.working)
            .acquire_owned()
            .await
            .map_err(|_| AccountError::Internal)?;
        let argon2 = self.argon2.clone();
        let working = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work(&argon2)
        });
        working.await.map_err(|_| AccountError::Internal)
    }
}

/// What looks like the hash of some password and is drawn by chance: to make a real one would take a starting server as
/// long as all else that it does.
fn hash_of_nobody(params: &Params) -> String {
    let (salt, hash): ([u8; 16], [u8; 32]) = (rand::random(), rand::random());
    format!(
        "$argon2id$v={}$m={},t={},p={}${}${}",
        u32::from(Version::V0x13),
        params.m_cost(),
        params.t_cost(),
        params.p_cost(),
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(hash)
    )
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_the_same_however_its_letters_are_composed() {
        let passwords = Passwords::cheap();
        let (composed, apart) = ("pässword1", "pa\u{308}ssword1");
        let hash = passwords.hash(apart.into()).await.unwrap();
        // One of an earlier version, of what was typed.
        let raw = passwords.argon2.hash_password(apart.as_bytes()).unwrap();
        let is_right = async |password: &str, hash: &str| {
            let verified = passwords.verify(password.into(), Some(hash.into()));
            verified.await.unwrap()
        };
        assert!(is_right(composed, &hash).await && is_right(apart, &hash).await);
        assert!(is_right(apart, &raw.to_string()).await, "locked out");
        assert!(!is_right("password1", &hash).await);
    }

    #[test]
    fn the_hash_of_nobody_takes_as_much_work_as_a_real_one() {
        let passwords = Passwords::cheap();
        let real = passwords.argon2.hash_password(b"password1").unwrap();
        let real = real.to_string();
        let shape = |hash: &str| -> Vec<String> {
            assert!(PasswordHash::new(hash).is_ok(), "{hash}");
            let parts: Vec<&str> = hash.split('$').collect();
            let (head, secret) = parts.split_at(4);
            let lengths = secret.iter().map(|part| part.len().to_string());
            head.iter()
                .map(|part| (*part).to_owned())
                .chain(lengths)
                .collect()
        };
        assert_eq!(shape(&passwords.nobody), shape(&real));
        let nobody = PasswordHash::new(&passwords.nobody).unwrap();
        let verified = passwords.argon2.verify_password(b"password1", &nobody);
        assert_eq!(
            verified,
            Err(argon2::password_hash::Error::PasswordInvalid),
            "it was not checked at all"
        );
    }
}
