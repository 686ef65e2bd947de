//! Why a change of accounts, or of what belongs to them, is refused.

/// Why a change of an account, of its sessions or of its password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeopleRefusal {
    /// No account has this id.
    #[error("no such user")]
    NoSuchUser,
    /// Another account has this name.
    #[error("the username is taken")]
    UsernameTaken,
    /// Somebody must be left who may use the admin routes.
    #[error("the last enabled administrator stays one")]
    LastAdmin,
    /// An app's backend means an account that was registered here.
    #[error("the account was registered here")]
    MadeHere,
    /// The account's tokens were revoked after the caller had shown theirs.
    #[error("the account's tokens were revoked meanwhile")]
    Revoked,
    /// The server is set up already, and this account was to do that.
    #[error("there is an account already")]
    NotFirst,
    /// The account has no password, and is not to have one.
    #[error("the account has no password")]
    NoPassword,
    /// No link has this code, or it is over or was used.
    #[error("no such code, or it is used up or too old")]
    InvalidCode,
}

/// Why a change of bots and of the keys of programs is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// No key has this number.
    #[error("no such key")]
    NoSuchKey,
    /// So many keys are kept.
    #[error("there are too many keys")]
    TooManyKeys,
    /// So many bots are kept.
    #[error("there are too many bots")]
    TooManyBots,
}

/// Why an invite is not made, or not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InviteRefusal {
    /// No invite has this code, or it has expired or was used up.
    #[error("no such invite, or it is used up or expired")]
    InvalidInvite,
    /// So many invites are kept.
    #[error("there are too many invites")]
    TooManyInvites,
}

/// Why a report is not filed, or not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReportRefusal {
    /// No open report has this number.
    #[error("no such report")]
    NoSuchReport,
    /// So many reports are open.
    #[error("there are too many open reports")]
    TooManyReports,
}
