//! Hashes of passwords as they are stored: ours, and those that people bring from elsewhere.
//!
//! Ours are argon2id in PHC string form. An import may bring argon2 of other costs, bcrypt, and
//! what Django stores; the first login with such a hash replaces it by one of ours. What could
//! never be verified is refused before it is stored, and so is what would cost too much: a login
//! holds up those behind it.

use std::borrow::Cow;
use std::fmt::Write;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordVerifier, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bcrypt::HashParts;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// 128 MiB, the most that one hash may fill: what argon2-cffi, PHP and Django ask for by default is
/// 64 to 100.
const MAX_ARGON2_KIB: u32 = 128 << 10;
/// 400 MiB, over all passes: ten times what ours takes, a third of a second of one core.
const MAX_ARGON2_KIB_PASSES: u64 = 400 << 10;
/// The most lanes: they are worked off one after the other.
const MAX_ARGON2_LANES: u32 = 16;
/// Half a second of one core; the usual cost is 10 to 12, and each more takes twice as long.
const MAX_BCRYPT_COST: u32 = 13;
/// The least cost that bcrypt knows.
const MIN_BCRYPT_COST: u32 = 4;
/// Half a second of one core; Django 6 asks for 1.2 million.
const MAX_PBKDF2_ITERATIONS: u32 = 2_000_000;

/// Why a hash is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// It is none of a kind that can be verified here.
    #[error(
        "password_hash is none that can be verified: argon2 in PHC form, bcrypt ($2a$, $2b$, $2y$), and Django's \
         pbkdf2_sha256, bcrypt, bcrypt_sha256 and argon2 can; leave it out for an account without a password"
    )]
    Unknown,
    /// Verifying it would take too long, or too much memory.
    #[error(
        "password_hash costs too much to verify: the most is, for argon2, 128 MiB, 400 MiB over all passes and 16 lanes, \
         for bcrypt a cost of 13, for pbkdf2_sha256 2000000 iterations"
    )]
    TooCostly,
}

/// A hash that can be verified.
#[derive(Debug)]
pub(super) enum Stored<'a> {
    Argon2(Box<PasswordHash>),
    /// The hash in its usual form, and whether it is of the password's SHA-256, as Django makes it
    /// of long ones.
    Bcrypt {
        hash: &'a str,
        of_sha256: bool,
    },
    /// Django's `pbkdf2_sha256$ITERATIONS$SALT$HASH`.
    Pbkdf2 {
        iterations: u32,
        salt: &'a str,
        hash: [u8; 32],
    },
}

/// Returns the text under which an imported hash is to be stored.
pub fn check_hash(text: &str) -> Result<Cow<'_, str>, HashError> {
    // Django writes the name of its own class before what others write alike.
    let bare = ["argon2$argon2", "bcrypt$$2"]
        .iter()
        .find(|begin| text.starts_with(**begin))
        .and_then(|_| text.split_once('$'));
    let stored: Cow<'_, str> = match bare {
        Some(("argon2", hash)) => format!("${hash}").into(),
        Some((_, hash)) => hash.into(),
        None => text.into(),
    };
    Stored::parse(&stored)?.check_cost()?;
    Ok(stored)
}

impl<'a> Stored<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, HashError> {
        if text.starts_with("$argon2") {
            return argon2(text);
        }
        if let Some(hash) = text.strip_prefix("bcrypt_sha256$") {
            return bcrypt(hash, true);
        }
        if text.starts_with("$2") {
            return bcrypt(text, false);
        }
        pbkdf2(text).ok_or(HashError::Unknown)
    }

    fn check_cost(&self) -> Result<(), HashError> {
        let is_bearable = match self {
            Self::Argon2(hash) => {
                let params = Params::try_from(&**hash).map_err(|_| HashError::Unknown)?;
                let filled = u64::from(params.m_cost()) * u64::from(params.t_cost());
                params.m_cost() <= MAX_ARGON2_KIB
                    && filled <= MAX_ARGON2_KIB_PASSES
                    && params.p_cost() <= MAX_ARGON2_LANES
            }
            Self::Bcrypt { hash, .. } => {
                let parts: HashParts = hash.parse().map_err(|_| HashError::Unknown)?;
                parts.get_cost() <= MAX_BCRYPT_COST
            }
            Self::Pbkdf2 { iterations, .. } => *iterations <= MAX_PBKDF2_ITERATIONS,
        };
        match is_bearable {
            true => Ok(()),
            false => Err(HashError::TooCostly),
        }
    }

    /// Returns whether a password is the one of this hash.
    pub(super) fn is_of(&self, argon2: &Argon2<'_>, password: &str) -> bool {
        match self {
            Self::Argon2(hash) => argon2.verify_password(password.as_bytes(), &**hash).is_ok(),
            Self::Bcrypt { hash, of_sha256 } => {
                let password: Cow<'_, str> = match of_sha256 {
                    true => hex(&Sha256::digest(password)).into(),
                    false => password.into(),
                };
                bcrypt::verify(password.as_bytes(), hash).unwrap_or(false)
            }
            Self::Pbkdf2 {
                iterations,
                salt,
                hash,
            } => {
                let mut found = [0; 32];
                let (password, salt) = (password.as_bytes(), salt.as_bytes());
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, *iterations, &mut found);
                found.ct_eq(hash).into()
            }
        }
    }

    /// Returns whether it is as those that are made here now.
    pub(super) fn is_ours(&self, params: &Params) -> bool {
        let Self::Argon2(hash) = self else {
            return false;
        };
        let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        hash.algorithm == Algorithm::Argon2id.ident()
            && hash.version == Some(Version::V0x13.into())
            && Params::try_from(&**hash).is_ok_and(|found| cost(&found) == cost(params))
    }
}

fn argon2(text: &str) -> Result<Stored<'_>, HashError> {
    let hash = PasswordHash::new(text).map_err(|_| HashError::Unknown)?;
    let params = Params::try_from(&hash).map_err(|_| HashError::Unknown)?;
    let version = hash.version.map(Version::try_from);
    let is_known = Algorithm::try_from(hash.algorithm.as_str()).is_ok()
        && version.is_none_or(|version| version.is_ok())
        // Made with a secret that is not known here.
        && params.keyid().is_empty();
    let is_whole = hash.hash.is_some()
        && hash
            .salt
            .as_ref()
            .is_some_and(|salt| salt.len() >= argon2::MIN_SALT_LEN);
    match is_known && is_whole {
        true => Ok(Stored::Argon2(Box::new(hash))),
        false => Err(HashError::Unknown),
    }
}

fn bcrypt(hash: &str, of_sha256: bool) -> Result<Stored<'_>, HashError> {
    // A faulty version of 2011 wrote $2x$; it hashes otherwise.
    let is_known = ["$2a$", "$2b$", "$2y$"]
        .iter()
        .any(|begin| hash.starts_with(begin));
    let parts = hash.parse::<HashParts>().ok().filter(|_| is_known);
    match parts {
        Some(parts) if parts.get_cost() >= MIN_BCRYPT_COST => {
            Ok(Stored::Bcrypt { hash, of_sha256 })
        }
        _ => Err(HashError::Unknown),
    }
}

fn pbkdf2(text: &str) -> Option<Stored<'_>> {
    let mut parts = text.strip_prefix("pbkdf2_sha256$")?.split('$');
    let (iterations, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || salt.is_empty() || iterations.starts_with(['0', '+']) {
        return None;
    }
    Some(Stored::Pbkdf2 {
        iterations: iterations.parse().ok()?,
        salt,
        hash: STANDARD.decode(hash).ok()?.try_into().ok()?,
    })
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `password1`, hashed by bcrypt 5.0, argon2-cffi 25.1 and Django 5.2.
    const BROUGHT: &[&str] = &[
        "pbkdf2_sha256$1000$seasaltseasaltseasaltx$xozCFHg+Lu+my4jLjeMdBaKEb471SeKAM5QNzDKl8Og=",
        "bcrypt$$2b$04$w2cJ1z7rfANjvvxFVhpmmebRrMbdhF1fiN2QHU7OVNqaoCMMWfcBS",
        "bcrypt_sha256$$2b$04$i5VHpJNLS.e5ILVaQuF8mO3zI2Bt3R.97nrNelYnB3WrIcR2fTChK",
        "argon2$argon2id$v=19$m=64,t=1,p=2$c2Vhc2FsdHNlYXNhbHQ$z1Zh7glAEGR27hPdplXgeve+DDVy4BLG1RlkYDpZQzU",
        "$2b$04$yARtGJHClJ4XAL/Mrw8xHOzy702a/4UOYhxpzQL6mRGm/d2Pa0/VC",
        "$2y$04$yARtGJHClJ4XAL/Mrw8xHOzy702a/4UOYhxpzQL6mRGm/d2Pa0/VC",
        "$2a$04$yARtGJHClJ4XAL/Mrw8xHOzy702a/4UOYhxpzQL6mRGm/d2Pa0/VC",
        "$argon2i$v=19$m=64,t=2,p=1$9yabhq4f/vepxIVrHJ3m0w$iOM8SrnLXowG+OBQEQptnpa/qTBPGGziwQJLFYk7PfM",
        "$argon2d$v=19$m=64,t=2,p=1$WHYnRsw/HDaD3gYhUAUzXw$s268qVKsFC0eAWb9kzvME9tyJ8PR2P/qUMVB+S1BLGA",
        "$argon2id$v=19$m=64,t=2,p=1$FOKONNPkia++rqdFae1SEw$I5/6HUBdtvMz6AHscVAD+s61ay2PrYtlTndCVoduY1M",
    ];

    #[test]
    fn what_other_systems_hashed_is_verified() {
        for text in BROUGHT {
            let stored = check_hash(text).unwrap();
            let stored = Stored::parse(&stored).unwrap();
            assert!(stored.is_of(&Argon2::default(), "password1"), "{text}");
            assert!(!stored.is_of(&Argon2::default(), "password2"), "{text}");
            assert!(!stored.is_ours(&Params::default()), "{text}");
        }
    }

    #[test]
    fn what_nobody_could_verify_is_refused_and_so_is_what_costs_too_much() {
        let salt = "c2FsdHNhbHRzYWx0";
        let hash = "MnLmCbGzZa9q0jMeDPnPlZb2yoV3kcpQVAzg2TEfzVE";
        let bcrypt = |version: &str, cost: &str| {
            format!("${version}${cost}$yARtGJHClJ4XAL/Mrw8xHOzy702a/4UOYhxpzQL6mRGm/d2Pa0/VC")
        };
        let argon2 = |head: &str| format!("{head}${salt}${hash}");
        let django = |iterations: &str, rest: &str| format!("pbkdf2_sha256${iterations}${rest}");
        let right = format!("seasalt${hash}=");
        for text in [
            String::new(),
            "hash".into(),
            "!unusable".into(),
            "password1".into(),
            "5f4dcc3b5aa765d61d8327deb882cf99".into(),
            "$1$abcdefgh$irWbblnpmw.5z7wgBnprh0".into(),
            "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/".into(),
            "scrypt:32768:8:1$salt$aabb".into(),
            "$argon2id$".into(),
            argon2("$argon2xx$v=19$m=64,t=1,p=1"),
            argon2("$argon2id$v=18$m=64,t=1,p=1"),
            argon2("$argon2id$v=19$m=64,t=0,p=1"),
            argon2("$argon2id$v=19$m=7,t=1,p=1"),
            argon2("$argon2id$v=19$m=64,t=1,p=1,keyid=AAAA"),
            argon2("$argon2id$v=19$m=99999999999,t=1,p=1"),
            format!("$argon2id$v=19$m=64,t=1,p=1${salt}"),
            format!("$argon2id$v=19$m=64,t=1,p=1$c2FsdA${hash}"),
            "argon2$argon2id$v=19".into(),
            bcrypt("2x", "10"),
            bcrypt("2c", "10"),
            bcrypt("2b", "03"),
            bcrypt("2b", "xx"),
            bcrypt("2b", "10").replace("L/", "é"),
            bcrypt("2b", "10") + "x",
            format!("bcrypt${}", bcrypt("2x", "10")),
            format!("bcrypt_sha256${right}"),
            django("1", ""),
            django("1", "seasalt"),
            django("1", "seasalt$AAAA"),
            django("1", &format!("${hash}=")),
            django("1", &format!("{right}$")),
            django("0", &right),
            django("+1", &right),
            django("-1", &right),
            django("99999999999", &right),
        ] {
            assert_eq!(check_hash(&text), Err(HashError::Unknown), "{text}");
        }
        for (text, is_taken) in [
            (argon2("$argon2id$v=19$m=131072,t=3,p=16"), true),
            (argon2("$argon2id$v=19$m=131073,t=1,p=1"), false),
            (argon2("$argon2id$v=19$m=262144,t=20,p=1"), false),
            (argon2("$argon2id$v=19$m=20480,t=20,p=1"), true),
            (argon2("$argon2id$v=19$m=20480,t=21,p=1"), false),
            (argon2("$argon2id$v=19$m=8,t=4294967295,p=1"), false),
            (argon2("$argon2id$v=19$m=1024,t=1,p=17"), false),
            (bcrypt("2b", "13"), true),
            (bcrypt("2b", "14"), false),
            (bcrypt("2y", "31"), false),
            (django("2000000", &right), true),
            (django("2000001", &right), false),
        ] {
            let refused = check_hash(&text).err();
            let expected = (!is_taken).then_some(HashError::TooCostly);
            assert_eq!(refused, expected, "{text}");
        }
    }
}
