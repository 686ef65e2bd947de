//! Why identity is refused.

use super::fault::TokenFault;
use super::password::{MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS};
use crate::model::UserError;
use crate::store::{InviteRefusal, KeyRefusal, PeopleRefusal, ReportRefusal, StoreError};

/// Why a verb of identity failed. No text here ever holds a name, a password or a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// No token was given.
    #[error("missing token")]
    MissingToken,
    /// The token is none of ours, damaged or revoked.
    #[error("invalid token")]
    InvalidToken,
    /// The token is rightly signed, but not one for this chat.
    #[error("invalid token: {0}")]
    UnfitToken(TokenFault),
    /// The token's time is over.
    #[error("token expired")]
    TokenExpired,
    /// The account is disabled.
    #[error("the account is disabled")]
    AccountDisabled,
    /// A wrong name or a wrong password; which one is not said.
    #[error("wrong username or password")]
    InvalidCredentials,
    /// The password given beside a new one is not the account's.
    #[error("current_password is wrong")]
    WrongPassword,
    /// The token is too old to delete the account by it.
    #[error("a person of an app deletes their account by a token that is younger than 5 minutes")]
    StaleToken,
    /// Not the caller's to do.
    #[error("only administrators may do that")]
    Forbidden,
    /// How the account is called and shown is for the app to say.
    #[error("the app that this account belongs to says how it is called and shown")]
    KeptByApp,
    /// The account is none of the app's: tokens of the app do not open it.
    #[error("the account with that id was registered here and is none of the app's users")]
    MadeHere,
    /// A sign-in link is asked for with another credential.
    #[error("a sign-in link is made with a token of the app")]
    NotTheAppsToken,
    /// A sign-in link was used, is too old, or never was.
    #[error("the code is used up, too old or unknown: ask for a new link")]
    InvalidCode,
    /// A backend's key is shown where a person is asked for.
    #[error("this is a backend's key: it opens the routes of administrators alone")]
    BackendKey,
    /// A backend's key does not reach so far.
    #[error("the key's scope is users: it does not reach administrators or other routes of theirs")]
    KeyScope,
    /// A bot has no password, and is no administrator.
    #[error("a bot has keys in place of a password, and is no administrator")]
    IsBot,
    /// The name of a backend's key does not fit.
    #[error("name must be 1 to 64 characters without control characters")]
    KeyName,
    /// No key has this number.
    #[error("no such key")]
    NoSuchKey,
    /// The caller has no such session, or it has ended.
    #[error("no such session, or it has ended")]
    NoSuchSession,
    /// An app says who its people are: their accounts have no password here.
    #[error("an account of an app has no password here")]
    NoPassword,
    /// What is reported is too long, or says nothing.
    #[error("reason must have 1 to 1000 characters")]
    Reason,
    /// No open report has this number.
    #[error("no such report, or it is closed")]
    NoSuchReport,
    /// As many reports are open as may be.
    #[error("there are too many open reports: wait until administrators have closed some")]
    TooManyReports,
    /// So many keys are kept.
    #[error("there are too many keys: take some back")]
    TooManyKeys,
    /// So many bots are kept.
    #[error("there are too many bots")]
    TooManyBots,
    /// No administrator would be left.
    #[error("the last enabled administrator can be neither disabled, demoted nor deleted")]
    LastAdmin,
    /// A user of an app is named by neither, or by both.
    #[error("give either id or subject")]
    IdOrSubject,
    /// A new account is named by an id that is this server's to give.
    #[error("ids from 2^52 on are given by this server: name a new user by subject")]
    OwnId,
    /// What an app calls its user is no subject.
    #[error("subject must be a text of 1 to 255 bytes")]
    Subject,
    /// No account has this id.
    #[error("no such user")]
    NoSuchUser,
    /// The name or the avatar does not fit.
    #[error(transparent)]
    User(#[from] UserError),
    /// The password does not fit.
    #[error("password must be {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters")]
    Password,
    /// The password is one of the first that are tried.
    #[error(
        "password is too easy to guess: it repeats or counts, or is little more than the username"
    )]
    GuessedPassword,
    /// Registration is closed.
    #[error("registration is closed")]
    RegistrationClosed,
    /// No invite, or one that does not hold.
    #[error("a valid invite is needed to register")]
    InvalidInvite,
    /// So many invites are kept.
    #[error("there are too many invites: revoke some")]
    TooManyInvites,
    /// The invite is to be made with a number that does not fit.
    #[error("{0}")]
    Invite(&'static str),
    /// No invite has this code.
    #[error("no such invite")]
    NoSuchInvite,
    /// Another account has the name.
    #[error("the username is taken")]
    UsernameTaken,
    /// Too many passwords are being checked: try again in some seconds.
    #[error("too many logins at once, try again shortly")]
    Busy,
    /// The disk refused.
    #[error("the account store cannot write now, try again")]
    Unavailable,
    /// Our mistake.
    #[error("internal error")]
    Internal,
}

impl From<PeopleRefusal> for AccountError {
    fn from(refusal: PeopleRefusal) -> Self {
        match refusal {
            PeopleRefusal::NoSuchUser => Self::NoSuchUser,
            PeopleRefusal::UsernameTaken => Self::UsernameTaken,
            PeopleRefusal::LastAdmin => Self::LastAdmin,
            PeopleRefusal::MadeHere => Self::MadeHere,
            PeopleRefusal::Revoked => Self::InvalidToken,
            // The second person with the set-up code holds a code that is dead now.
            PeopleRefusal::NotFirst => Self::InvalidInvite,
            PeopleRefusal::NoPassword => Self::NoPassword,
            PeopleRefusal::InvalidCode => Self::InvalidCode,
        }
    }
}

impl From<StoreError> for AccountError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::People(refusal) => refusal.into(),
            StoreError::Key(KeyRefusal::NoSuchKey) => Self::NoSuchKey,
            StoreError::Key(KeyRefusal::TooManyKeys) => Self::TooManyKeys,
            StoreError::Key(KeyRefusal::TooManyBots) => Self::TooManyBots,
            StoreError::Invite(InviteRefusal::InvalidInvite) => Self::InvalidInvite,
            StoreError::Invite(InviteRefusal::TooManyInvites) => Self::TooManyInvites,
            StoreError::Report(ReportRefusal::NoSuchReport) => Self::NoSuchReport,
            StoreError::Report(ReportRefusal::TooManyReports) => Self::TooManyReports,
            StoreError::Busy => Self::Busy,
            StoreError::Unavailable | StoreError::Full => Self::Unavailable,
            // Nothing of talk, rooms and hooks is asked for here, and a picture was just taken in.
            error @ (StoreError::Talk(_)
            | StoreError::Contact(_)
            | StoreError::Room(_)
            | StoreError::Hook(_)
            | StoreError::File(_)
            | StoreError::Damaged { .. }
            | StoreError::Database(_)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the store failed a request of accounts"
                );
                Self::Unavailable
            }
        }
    }
}
