//! Other people, as anyone with an account sees them.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::chat::Seen;
use crate::model::{Timestamp, User, UserId};

/// Another person: `{"id","username","name","avatar","online","last_seen"}`; `last_seen` is null
/// while online.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Person {
    id: UserId,
    username: String,
    /// The name to be shown, which others may have too.
    name: String,
    /// A picture's URL.
    avatar: Option<Arc<str>>,
    online: bool,
    /// When their last socket closed; null while online, and where it is not known.
    last_seen: Option<Timestamp>,
    /// Whether it is a program; absent for people.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    is_bot: bool,
    /// Whether the account is gone; absent for others. Its username is `deleted-` and its id then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(with = "Option<bool>")]
    deleted: bool,
    /// What an app calls them, where that is no id: to administrators, and to those who asked by
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Arc<str>>,
}

impl Person {
    /// Returns a person as another one sees them; without `seen` neither whether they are there nor
    /// when they last were.
    pub(crate) fn new(user: &User, seen: Option<Seen>, shows_subject: bool) -> Self {
        let subject = user.subject.as_ref().filter(|_| shows_subject);
        Self {
            subject: subject.map(|whom| Arc::clone(&whom.subject)),
            id: user.id,
            username: user.username.as_str().to_owned(),
            name: user.shown_name().to_owned(),
            avatar: user.avatar.clone(),
            online: seen.is_some_and(|seen| seen.online),
            last_seen: seen.and_then(|seen| last_seen(user, seen)),
            is_bot: user.is_bot,
            deleted: user.deleted,
        }
    }
}

/// Returns when a person's last socket closed: as this process knows, else as the store does.
pub(super) fn last_seen(user: &User, seen: Seen) -> Option<Timestamp> {
    seen.last_seen.or(user.last_seen).filter(|_| !seen.online)
}
