//! Registering: by the set-up link, by an invite, or freely, as the mode says.

use super::{
    AccountError, Accounts, Invite, LoggingIn, Login, checked_avatar, checked_name, password,
};
use crate::model::{Timestamp, Username};
use crate::store::{Command, NewUser};

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// People with an invite.
    Invite,
    /// Anyone.
    Open,
    /// No one.
    Closed,
}

impl Registration {
    /// The word on the command line and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// A wish for an account, not yet checked.
pub struct Register {
    /// The name.
    pub username: String,
    /// The name that is shown; the username, unless given.
    pub name: Option<String>,
    /// The password.
    pub password: String,
    /// The picture's URL.
    pub avatar: Option<String>,
    /// An invite, or the set-up code.
    pub invite: Option<String>,
}

impl Accounts {
    /// Returns who may make an account.
    pub fn registration(&self) -> Registration {
        self.registration
    }

    /// The code of the set-up link, until an account was made here or there is an administrator.
    /// Accounts that an app made do not count: its customers are not the ones who set the server
    /// up.
    pub fn setup_code(&self) -> Option<&str> {
        (!self.store.is_set_up()).then_some(&*self.setup_code)
    }

    /// Returns whether an account may be made with this code, and strangers without one cannot do
    /// so too.
    pub fn is_invited(&self, now: Timestamp, code: &str) -> bool {
        self.setup_code() == Some(code)
            || self.registration == Registration::Invite && self.registering(now, code).is_some()
    }

    /// Returns the invite of this code, where one more account can be made by it.
    fn registering(&self, now: Timestamp, code: &str) -> Option<Invite> {
        let invite = self.store.invite(code)?;
        (invite.is_usable(now) && invite.registers).then_some(invite)
    }

    /// Makes an account and logs it in.
    pub async fn register(
        &self,
        now: Timestamp,
        from: impl Into<LoggingIn>,
        wish: Register,
    ) -> Result<Login, AccountError> {
        let LoggingIn { asker, device } = from.into();
        let first = self
            .setup_code()
            .is_some_and(|code| wish.invite.as_deref() == Some(code));
        let invite = match self.registration {
            _ if first => None,
            // Nobody needs one here: it only leads into its room, where it has one.
            Registration::Open => {
                let code = wish.invite.as_deref();
                let invite = code.and_then(|code| self.registering(now, code));
                let into_room = invite.filter(|invite| invite.room.is_some());
                into_room.map(|invite| invite.code)
            }
            Registration::Invite => {
                // Asked before the costly hash; the writer asks again, and its answer counts.
                let code = wish.invite.as_deref().ok_or(AccountError::InvalidInvite)?;
                let invite = self.registering(now, code);
                Some(invite.ok_or(AccountError::InvalidInvite)?.code)
            }
            Registration::Closed => return Err(AccountError::RegistrationClosed),
        };
        let username = Username::registered(&wish.username)?;
        let avatar = checked_avatar(wish.avatar)?;
        password::check(&wish.password, &[&wish.username])?;
        // As with the invite.
        if self.store.user_by_name(username.as_str()).is_some() {
            return Err(AccountError::UsernameTaken);
        }
        let new = NewUser {
            name: checked_name(wish.name)?,
            username,
            avatar,
            password_hash: Some(self.passwords.hash(asker, wish.password).await?.into()),
            is_admin: first,
            is_bot: false,
            only_if_first: first,
            invite,
        };
        let user = self.store.apply(now, Command::create_user(new)).await?;
        self.log_in(now, user, device).await
    }
}
