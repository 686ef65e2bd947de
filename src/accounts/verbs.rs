//! [`Accounts`]: what the verbs of identity share.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rand::distr::{Alphanumeric, SampleString};

use super::examiners::Examiners;
use super::fault::Refusals;
use super::leads::Leads;
use super::renewals::Renewals;
use super::sessions::Uses;
use super::sign_in::SignInLinks;
use super::token::Tokens;
use super::verified::VerifiedTokens;
use super::{AccountError, ForeignTokens, Passwords, Registration};
use crate::model::{FIRST_OWN_ID, Name, SessionId, Timestamp, User, UserId, check_avatar};
use crate::store::{Store, StoreError};

/// Letters and digits of a set-up code: 142 bits.
const SETUP_CODE_CHARS: usize = 24;

/// Hears what sockets must obey. Called by the task that works off the store's batches; must not
/// block.
pub trait Listener: Send + Sync {
    /// Tokens of this account were revoked, or it was disabled: its sockets are to be checked
    /// again.
    fn revoked(&self, user: UserId);

    /// These login sessions of an account have ended, by themselves: what was theirs goes with
    /// them, and the account's sockets are to be checked again.
    fn sessions_ended(&self, user: UserId, ended: &[SessionId]) {
        let _ = ended;
        self.revoked(user);
    }

    /// The account may be shown otherwise: those who share a chat with it are to hear.
    fn profile_changed(&self, user: UserId);

    /// A key by which tokens were accepted was taken away: all sockets are to be checked again.
    fn keys_changed(&self);
}

/// The verbs. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    pub(super) store: Store,
    pub(super) passwords: Passwords,
    pub(super) tokens: Arc<Tokens>,
    pub(super) foreign: Arc<RwLock<ForeignTokens>>,
    pub(super) verified: Arc<VerifiedTokens>,
    pub(super) examiners: Arc<Examiners>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) leads: Arc<Leads>,
    pub(super) renewals: Arc<Renewals>,
    pub(super) sign_in_links: Arc<SignInLinks>,
    pub(super) uses: Arc<Uses>,
    pub(super) registration: Registration,
    pub(super) listener: Arc<dyn Listener>,
    /// Makes the first account, whatever the mode. New at every start, and dead once the server is
    /// set up.
    pub(super) setup_code: Arc<str>,
}

impl Accounts {
    /// Identity over this store, whose own secret signs the tokens; so many tokens of those that
    /// were verified are remembered.
    pub fn new(
        store: Store,
        passwords: Passwords,
        registration: Registration,
        token_lifetime: Duration,
        foreign: ForeignTokens,
        listener: Arc<dyn Listener>,
        verified_tokens: usize,
    ) -> Result<Self, StoreError> {
        let tokens = Arc::new(Tokens::new(&store.token_secret()?, token_lifetime));
        let setup_code = Alphanumeric
            .sample_string(&mut rand::rng(), SETUP_CODE_CHARS)
            .into();
        let renewals = Renewals::new(foreign.awaits_set());
        Ok(Self {
            store,
            passwords,
            tokens,
            foreign: Arc::new(RwLock::new(foreign)),
            verified: Arc::new(VerifiedTokens::new(verified_tokens)),
            examiners: Arc::new(Examiners::new()),
            refusals: Arc::default(),
            leads: Arc::default(),
            renewals: Arc::new(renewals),
            sign_in_links: Arc::default(),
            uses: Arc::default(),
            registration,
            listener,
            setup_code,
        })
    }

    /// What the one who set the server up should know of the keys of other systems.
    pub fn warnings(&self) -> Vec<String> {
        let foreign = self.foreign.read();
        let mut warnings = Vec::new();
        if !foreign.has_keys() {
            return warnings;
        }
        if foreign.is_for_all_audiences() {
            warnings.push(
                "every token that the given keys sign opens the chat, such as one for another service or for resetting a password: give --jwt-audience, or --jwt-claim, to let in those alone that are meant for it"
                    .into(),
            );
        }
        if foreign.mixes_issuers() {
            warnings.push(
                "several issuers and several keys are given, and each key counts for all issuers: a system that signs by one of them can name any person of any issuer"
                    .into(),
            );
        }
        let below = self.store.users_made_here_below(FIRST_OWN_ID);
        if let Some(first) = below.first() {
            warnings.push(format!(
                "{} accounts were made here with ids that may be those of an app's users, account {first} the first: tokens of the app with such a subject are refused",
                below.len()
            ));
        }
        warnings
    }

    /// An account.
    pub fn user(&self, id: UserId) -> Option<Arc<User>> {
        self.store.user(id)
    }

    /// The accounts whose username or name contains this text, `except` left out; and how many
    /// blocks of names were gone through.
    pub fn search(
        &self,
        except: Option<UserId>,
        query: &str,
        limit: usize,
    ) -> (Vec<Arc<User>>, usize) {
        self.store.search_users(query, except, limit)
    }
}

/// Tells a listener of an account that a change submitted at `now` has others see otherwise.
pub(super) fn tell_of_profile(listener: &dyn Listener, now: Timestamp, user: &User) {
    // One that was not shown otherwise then has an earlier time, or none.
    if user.profile_at.is_some_and(|at| at >= now) {
        listener.profile_changed(user.id);
    }
}

/// Checks a picture's URL.
pub(super) fn checked_avatar(avatar: Option<String>) -> Result<Option<Arc<str>>, AccountError> {
    if let Some(avatar) = &avatar {
        check_avatar(avatar)?;
    }
    Ok(avatar.map(Into::into))
}

/// Checks a name that is to be shown.
pub(super) fn checked_name(name: Option<String>) -> Result<Option<Name>, AccountError> {
    Ok(name.as_deref().map(Name::parse).transpose()?)
}
