//! Refusals: an error as clients see it, with its code, its status and its words.
//!
//! The one place where an error of `chat`, `accounts` or `limits` gets its outside form. Its text
//! is written where the error is made and is for the developer of a client; an internal error says
//! nothing more, and the log has the rest.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Code, FieldError};
use crate::accounts::AccountError;
use crate::chat::{ChatError, ContactRefusal, RoomRefusal};
use crate::files::FileError;
use crate::limits::RateLimited;
use crate::model::ContentError;
use crate::push::PushError;
use crate::search::SearchError;

/// 403: the status of a refusal that no other token would change.
const FORBIDDEN: u16 = 403;

/// What an event or a request failed with.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ErrorDetail")]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    /// For the developer of a client.
    pub(crate) message: Cow<'static, str>,
    /// When to try again, where that helps. In REST the same as `Retry-After`, which pages of other
    /// origins may not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_ms: Option<u64>,
    /// How far the search's index is made, from 0 to 1, where that is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) progress: Option<f64>,
    /// REST's status: the code's own, but for a few.
    #[serde(skip)]
    status: u16,
}

/// The answer to an event or a request that failed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Failure")]
pub(crate) struct Failed<'a> {
    #[schemars(extend("const" = false))]
    success: bool,
    error: &'a Refusal,
}

impl<'a> Failed<'a> {
    pub(crate) const fn new(error: &'a Refusal) -> Self {
        Self {
            success: false,
            error,
        }
    }
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after_ms: None,
            progress: None,
            status: code.status(),
        }
    }

    /// Returns the same, with the time after which to try again.
    pub(crate) const fn retry_after(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// Returns the same, with another status in REST.
    pub(crate) const fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Returns the same, with the place that it is about before its words.
    pub(crate) fn at(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message).into();
        self
    }

    /// Returns the refusal of a payload that is not what it should be.
    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidPayload, message)
    }

    /// Returns the refusal of what is too much at present.
    pub(crate) fn later(message: impl Into<Cow<'static, str>>, ms: u64) -> Self {
        Self::new(Code::RateLimited, message).retry_after(ms)
    }

    /// Returns REST's status.
    pub(crate) const fn status(&self) -> u16 {
        self.status
    }
}

impl From<ChatError> for Refusal {
    fn from(error: ChatError) -> Self {
        let code = match &error {
            ChatError::Content(ContentError::Empty) => Code::EmptyMessage,
            ChatError::Content(ContentError::TooLong { .. }) => Code::MessageTooLong,
            ChatError::InvalidReceiver | ChatError::OwnChat => Code::InvalidReceiver,
            ChatError::NoSuchUser | ChatError::NoSuchMessage | ChatError::NoSuchFile => {
                Code::NotFound
            }
            ChatError::Contact(ContactRefusal::NotAccepted) => Code::NotAccepted,
            ChatError::Contact(ContactRefusal::Blocking | ContactRefusal::TooManyBlocks) => {
                Code::Forbidden
            }
            ChatError::TooManyFiles => Code::InvalidPayload,
            ChatError::NotReceiver | ChatError::NotSender => Code::Forbidden,
            ChatError::EditWindowOver => Code::EditWindowOver,
            ChatError::TooManyReactions => Code::TooManyReactions,
            ChatError::RoomField(_) => Code::InvalidPayload,
            ChatError::LargeRoom | ChatError::TooManyInvites => Code::Forbidden,
            ChatError::InvalidInvite => Code::InvalidInvite,
            ChatError::Room(refusal) => match refusal {
                RoomRefusal::NoSuchRoom => Code::NotFound,
                RoomRefusal::NotAdmin
                | RoomRefusal::NotOwner
                | RoomRefusal::LastOwner
                | RoomRefusal::MentionAll
                | RoomRefusal::TooManyRooms
                | RoomRefusal::TooManyByOthers
                | RoomRefusal::TooManyByOne => Code::Forbidden,
                RoomRefusal::PostAdmins | RoomRefusal::Archived => Code::ReadOnly,
                RoomRefusal::Full => Code::RoomFull,
                RoomRefusal::NotMembers => Code::InvalidPayload,
            },
            ChatError::ClientIdReused => Code::ClientIdReused,
            ChatError::CursorExpired => Code::CursorExpired,
            ChatError::Busy => Code::RateLimited,
            ChatError::Unavailable => Code::StorageUnavailable,
            ChatError::Internal => Code::Internal,
        };
        let refusal = Self::new(code, error.to_string());
        match error {
            // A full queue is three transactions; a slow disk writes them within a second.
            ChatError::Busy => refusal.retry_after(1_000),
            _ => refusal,
        }
    }
}

impl From<FileError> for Refusal {
    fn from(error: FileError) -> Self {
        let code = match &error {
            FileError::NoSuchUpload | FileError::NoSuchPicture => Code::NotFound,
            FileError::TooLarge { .. } => Code::FileTooLarge,
            FileError::Quota => Code::QuotaExceeded,
            // The client goes on from where the upload is.
            FileError::Conflict { .. } | FileError::WrongStage | FileError::Incomplete => {
                Code::UploadConflict
            }
            FileError::UnsuitablePreview { .. } | FileError::UnsuitablePicture => {
                Code::UnsupportedType
            }
            FileError::UrlExpired => Code::UrlExpired,
            // Not 429, after which stock clients of tus give up.
            FileError::Busy | FileError::Unavailable => Code::StorageUnavailable,
        };
        let refusal = Self::new(code, error.to_string());
        match error {
            FileError::Busy | FileError::Unavailable => refusal.retry_after(1_000),
            _ => refusal,
        }
    }
}

impl From<SearchError> for Refusal {
    fn from(error: SearchError) -> Self {
        let message = error.to_string();
        match error {
            SearchError::Indexing { progress } => Self {
                progress: Some(progress),
                ..Self::new(Code::Indexing, message).retry_after(1_000)
            },
            SearchError::Busy => Self::later(message, 1_000),
            SearchError::Chat(error) => error.into(),
        }
    }
}

impl From<PushError> for Refusal {
    fn from(error: PushError) -> Self {
        let code = match error {
            PushError::Id | PushError::Endpoint | PushError::Point | PushError::Auth => {
                Code::InvalidPayload
            }
            PushError::NoSuchSubscription => Code::NotFound,
            PushError::Busy => Code::RateLimited,
            PushError::Unavailable => Code::StorageUnavailable,
        };
        let refusal = Self::new(code, error.to_string());
        match error {
            PushError::Busy => refusal.retry_after(1_000),
            _ => refusal,
        }
    }
}

impl From<&AccountError> for Refusal {
    fn from(error: &AccountError) -> Self {
        let code = match error {
            AccountError::MissingToken => Code::MissingToken,
            AccountError::InvalidToken | AccountError::UnfitToken(_) | AccountError::BackendKey => {
                Code::InvalidToken
            }
            AccountError::TokenExpired => Code::TokenExpired,
            AccountError::AccountDisabled => Code::AccountDisabled,
            AccountError::InvalidCredentials
            | AccountError::WrongPassword
            | AccountError::StaleToken => Code::InvalidCredentials,
            AccountError::Forbidden
            | AccountError::KeptByApp
            | AccountError::MadeHere
            | AccountError::LastAdmin
            | AccountError::KeyScope
            | AccountError::NotTheAppsToken
            | AccountError::IsBot
            | AccountError::TooManyKeys
            | AccountError::TooManyBots
            | AccountError::NoPassword
            | AccountError::TooManyReports
            | AccountError::TooManyInvites => Code::Forbidden,
            AccountError::NoSuchUser
            | AccountError::NoSuchInvite
            | AccountError::NoSuchKey
            | AccountError::NoSuchSession
            | AccountError::NoSuchReport => Code::NotFound,
            AccountError::User(_)
            | AccountError::Password
            | AccountError::GuessedPassword
            | AccountError::Reason
            | AccountError::Invite(_)
            | AccountError::KeyName
            | AccountError::IdOrSubject
            | AccountError::OwnId
            | AccountError::Subject => Code::InvalidPayload,
            AccountError::RegistrationClosed => Code::RegistrationClosed,
            AccountError::InvalidInvite => Code::InvalidInvite,
            AccountError::InvalidCode => Code::InvalidCode,
            AccountError::UsernameTaken => Code::UsernameTaken,
            AccountError::Busy => Code::RateLimited,
            AccountError::Unavailable => Code::StorageUnavailable,
            AccountError::Internal => Code::Internal,
        };
        let refusal = Self::new(code, error.to_string());
        match error {
            // The caller is known; what is wrong is the proof for this one change.
            AccountError::WrongPassword | AccountError::StaleToken => Self {
                status: FORBIDDEN,
                ..refusal
            },
            // A full queue of password hashes takes about a second of one core.
            AccountError::Busy => refusal.retry_after(2_000),
            _ => refusal,
        }
    }
}

impl From<AccountError> for Refusal {
    fn from(error: AccountError) -> Self {
        Self::from(&error)
    }
}

impl From<RateLimited> for Refusal {
    fn from(limited: RateLimited) -> Self {
        Self::later("too much at once, try again later", limited.retry_after_ms)
    }
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Self {
        Self::invalid(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UserError;

    #[test]
    fn what_cannot_be_sent_is_refused_with_its_code() {
        let too_long = ContentError::TooLong {
            chars: 11,
            limit: 10,
        };
        for (error, code, status) in [
            (
                ChatError::Content(ContentError::Empty),
                Code::EmptyMessage,
                400,
            ),
            (ChatError::Content(too_long), Code::MessageTooLong, 400),
            (ChatError::InvalidReceiver, Code::InvalidReceiver, 400),
            (ChatError::OwnChat, Code::InvalidReceiver, 400),
            (ChatError::NoSuchUser, Code::NotFound, 404),
            (ChatError::NoSuchMessage, Code::NotFound, 404),
            (ChatError::NotReceiver, Code::Forbidden, 403),
            (ChatError::NotSender, Code::Forbidden, 403),
            (ChatError::EditWindowOver, Code::EditWindowOver, 403),
            (ChatError::TooManyReactions, Code::TooManyReactions, 409),
            (ChatError::ClientIdReused, Code::ClientIdReused, 409),
            (ChatError::CursorExpired, Code::CursorExpired, 410),
            (ChatError::Unavailable, Code::StorageUnavailable, 503),
            (ChatError::Internal, Code::Internal, 500),
        ] {
            let refusal = Refusal::from(error);
            assert_eq!((refusal.code, refusal.status()), (code, status));
            assert_eq!(refusal.retry_after_ms, None);
        }
    }

    #[test]
    fn a_busy_server_says_when_to_come_back() {
        let refusal = Refusal::from(ChatError::Busy);
        assert_eq!(refusal.retry_after_ms, Some(1_000));
        assert_eq!(
            serde_json::to_string(&Failed::new(&refusal)).unwrap(),
            r#"{"success":false,"error":{"code":"rate_limited","message":"the server is busy, try again shortly","retry_after_ms":1000}}"#
        );
    }

    #[test]
    fn what_cannot_be_registered_is_refused_with_its_code() {
        for (error, code, status) in [
            (AccountError::Password, Code::InvalidPayload, 400),
            (
                AccountError::User(UserError::Avatar),
                Code::InvalidPayload,
                400,
            ),
            (AccountError::UsernameTaken, Code::UsernameTaken, 409),
        ] {
            let refusal = Refusal::from(error);
            assert_eq!((refusal.code, refusal.status()), (code, status));
        }
    }

    #[test]
    fn a_wrong_current_password_is_forbidden_and_a_wrong_login_is_not() {
        for (error, status) in [
            (AccountError::InvalidCredentials, 401),
            (AccountError::WrongPassword, 403),
        ] {
            let refusal = Refusal::from(error);
            assert_eq!(refusal.code, Code::InvalidCredentials);
            assert_eq!(refusal.status(), status);
        }
    }
}
