//! The nouns of chatd: ids, times, users, messages, and their limits.
//!
//! Pure values: nothing here reads a clock, touches a disk or knows a wire format beyond how a noun
//! is written in JSON. Everything else of the house may import this module; it imports nothing of
//! ours.

mod blocked;
mod changed_message;
mod contact;
mod conversation;
mod cursor;
mod emoji;
mod entry;
mod erasure;
mod extras;
mod file;
mod hook;
mod id;
mod login_session;
mod message;
mod message_change;
mod private_id;
mod reaction;
mod reply_to;
mod room;
mod time;
mod user;
mod username;

pub use blocked::Blocked;
pub use changed_message::ChangedMessage;
pub use contact::{Directory, FirstContact};
pub use conversation::Pair;
pub use cursor::{Cursor, CursorKey, CursorKeys, Era, SealedCursor};
pub use emoji::{Emoji, EmojiError};
pub use entry::{Act, Entry, Marked, Members, Notice, Stream};
pub use erasure::{ErasedMessage, Erasure};
pub use extras::{Extras, MAX_META_BYTES, Meta, MetaError};
pub use file::{
    Attachment, FileId, FileIdError, FileKey, FileKind, FileSigner, MAX_ALT_CHARS, MAX_ATTACHMENTS,
    MAX_FILE_NAME_BYTES, PathSegment, day_of, file_name, is_alt, names_of, picture_of, picture_url,
};
pub use hook::{
    HookEvent, HookEventError, HookSecret, HookState, HookUrl, MAX_HOOK_NAME_CHARS, MAX_HOOK_ROOMS,
    MAX_SPEAKER_CHARS, Speaker,
};
pub use id::{
    ConversationId, EntryId, FIRST_OWN_ID, IdError, MAX_ID, MessageId, Origin, RoomId, UserId,
};
pub use login_session::{LoginSession, SessionId, SessionIdError};
pub use message::{
    ClientId, ContentError, DEFAULT_MAX_MESSAGE_CHARS, Message, check_content, row_bytes,
};
pub use message_change::{MessageChange, MessagePart, Moderator};
pub use private_id::PrivateId;
pub use reaction::{Reaction, Reactors};
pub use reply_to::{ReplyTo, Said};
pub use room::{
    ChatId, ChatSettings, MAX_RETENTION_DAYS, MAX_ROOM_NAME_CHARS, MAX_TOPIC_CHARS, Membership,
    MembershipChange, Notify, Role, Room, RoomChange, RoomHistory, RoomKind, RoomPost, RoomRead,
};
pub use time::{Timestamp, TimestampError};
pub use user::{MAX_SUBJECT_BYTES, MadeBy, Subject, User, UserError, Whom, check_avatar};
pub use username::{Name, Username, is_one_line, nfc, visible_name};
