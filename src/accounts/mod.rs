//! Identity: who registers, logs in, changes an account or is let in by a token.
//!
//! Passwords are argon2id (`password.rs`). Tokens are JWTs: chatd's own (`token.rs`), or those of
//! another system (`foreign.rs`). Programs show keys (`programs.rs`). Every socket and every
//! request comes through [`Accounts::authenticate`]. Each login is a session (`sessions.rs`). A
//! door that keeps a connection asks [`Accounts::check`] again when its [`Listener`] is called and
//! when the token's time is over.

mod admin;
mod app_users;
mod claims;
mod error;
mod examiners;
mod fault;
mod foreign;
mod guessing;
mod hash;
mod keys;
mod leads;
mod login;
mod own;
mod password;
mod programs;
mod purpose;
mod recognition;
mod registration;
mod renewals;
mod reports;
mod reset;
mod sessions;
mod sign_in;
mod token;
mod verbs;
mod verified;

#[cfg(test)]
mod shapes;
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod tests;

pub use admin::{
    Admin, ChangeAccount, InviteTerms, MadeUser, NewAccount, NewInvite, PutAccount, UsersAdmin,
};
pub use app_users::{AppUser, MadeAppUser};
pub use claims::{ClaimRule, ClaimRuleError};
pub use error::AccountError;
pub use fault::TokenFault;
pub use foreign::{ForeignTokens, Newcomer};
pub use hash::{HashError, check_hash};
pub use keys::KeyError;
pub use login::Login;
pub use own::{ChangeOwn, Leave};
pub use password::{Asker, MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS, Passwords};
pub use programs::{Backend, MadeKey, NewBot};
pub use recognition::{Caller, Identity, bearer};
pub use registration::{Register, Registration};
pub use reports::Complaint;
pub use sessions::{ALONE, BY_APP, Device, LoggingIn, SignedIn, WhichSession, WhichSessionError};
pub use token::{DEFAULT_TOKEN_LIFETIME, Grant};
pub use verbs::{Accounts, Listener};

pub use crate::store::{
    ApiKey, ApiKeyId, Invite, KeyHolder, KeyScope, Maker, Report, ReportedMessage,
};

use verbs::{checked_avatar, checked_name, tell_of_profile};
