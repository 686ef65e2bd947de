//! The codes of errors that clients see: the same in an ack, in `chat_error`, in a CONNECT_ERROR
//! and in REST, where each has a status.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// Writes the enum, its names and its statuses from one table.
macro_rules! codes {
    ($(#[doc = $about:literal] $variant:ident = $name:literal, $status:literal;)*) => {
        /// What went wrong, in a word that never changes. The wire contract lists when each is
        /// used.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $about] $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// The status of a response that has it.
            pub const fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)* }
            }

            /// When it is used, in a sentence.
            pub fn about(self) -> &'static str {
                match self { $(Code::$variant => $about.trim_ascii(),)* }
            }
        }
    };
}

codes! {
    /// No token was given.
    MissingToken = "missing_token", 401;
    /// The token is none of ours, damaged or revoked.
    InvalidToken = "invalid_token", 401;
    /// The token's time is over.
    TokenExpired = "token_expired", 401;
    /// The account is disabled.
    AccountDisabled = "account_disabled", 403;
    /// Not the caller's to do.
    Forbidden = "forbidden", 403;
    /// No such user, message or route.
    NotFound = "not_found", 404;
    /// Not an object, or a key is missing or ill-typed; the message names the key.
    InvalidPayload = "invalid_payload", 400;
    /// A message of nothing but white space.
    EmptyMessage = "empty_message", 400;
    /// A message over the limit.
    MessageTooLong = "message_too_long", 400;
    /// A message to oneself.
    InvalidReceiver = "invalid_receiver", 400;
    /// A wrong name or password.
    InvalidCredentials = "invalid_credentials", 401;
    /// No one may register.
    RegistrationClosed = "registration_closed", 403;
    /// No invite, or one that does not hold.
    InvalidInvite = "invalid_invite", 403;
    /// A link's code that is used up, too old or unknown.
    InvalidCode = "invalid_code", 403;
    /// The person takes nothing from the caller: they are strangers, or apart.
    NotAccepted = "not_accepted", 403;
    /// Nothing can be written to the room, or only by its admins.
    ReadOnly = "read_only", 403;
    /// The room has as many members as it may have.
    RoomFull = "room_full", 409;
    /// Another account has the name.
    UsernameTaken = "username_taken", 409;
    /// A client id that stands for another message.
    ClientIdReused = "client_id_reused", 409;
    /// A message that is too old to be edited.
    EditWindowOver = "edit_window_over", 403;
    /// As many kinds of reaction as a message, or one person on it, may have.
    TooManyReactions = "too_many_reactions", 409;
    /// A cursor that is not known any more.
    CursorExpired = "cursor_expired", 410;
    /// A URL of a file whose time is over, or that opens nothing.
    UrlExpired = "url_expired", 403;
    /// An upload that is at another place, or at another stage.
    UploadConflict = "upload_conflict", 409;
    /// A file that has more bytes than one may have.
    FileTooLarge = "file_too_large", 413;
    /// A body of a type that is not taken.
    UnsupportedType = "unsupported_type", 415;
    /// No room for a file: all of them, a person's of a day, or the disk are at their limit.
    QuotaExceeded = "quota_exceeded", 507;
    /// The route knows other methods.
    MethodNotAllowed = "method_not_allowed", 405;
    /// A body over the limit.
    PayloadTooLarge = "payload_too_large", 413;
    /// Too much at once: try again later.
    RateLimited = "rate_limited", 429;
    /// The search's index is being made: try again later.
    Indexing = "indexing", 503;
    /// The disk refused: not confirmed, try again with the same client id.
    StorageUnavailable = "storage_unavailable", 503;
    /// Our mistake; the log has the rest.
    Internal = "internal", 500;
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // A plain list: generators make an enumeration of this, and nothing of constants under
        // `oneOf`.
        let codes = Self::ALL.iter().map(|code| code.as_str());
        json_schema!({
            "type": "string",
            "description": "What went wrong, in a word that never changes.",
            "enum": codes.collect::<Vec<_>>(),
        })
    }
}
