//! Changes, each tied to what it comes to.

use std::sync::Arc;

use crate::model::{SessionId, Timestamp, User, UserId};
use crate::store::change::{Change, Committed, EraseMany, Outcome, Talk};
use crate::store::error::StoreError;
use crate::store::files::row::StoredFile;
use crate::store::files::staging::FileAct;
use crate::store::people::accounts::{NewUser, PutUser, UserChange};
use crate::store::people::api_keys::{ApiKey, ApiKeyId, KeyHash, KeyHolder};
use crate::store::people::codes::ResetCode;
use crate::store::people::hooks::hook::{Hook, HookId, HookKind, HookProgress};
use crate::store::people::hooks::staging::HookChangeTo;
use crate::store::people::invites::Invite;
use crate::store::people::leaving::Leaving;
use crate::store::people::reports::ReportAct;
use crate::store::people::sessions::SessionAct;
use crate::store::people::subscriptions::{NewSubscription, Subscription, SubscriptionId};
use crate::store::room_act::{RoomAct, RoomDone};

/// A change that comes to a `T` once it is on disk.
///
/// The writer has one queue for changes of every kind, and answers each with a [`Committed`]; which
/// of these is whose is known here alone, so that no caller need tell them apart.
#[derive(Debug, Clone)]
pub struct Command<T> {
    change: Change,
    outcome: fn(Committed) -> Option<T>,
}

/// Makes a command of a change, and of the pattern of what it comes to.
macro_rules! command {
    ($change:expr, $committed:pat => $outcome:expr) => {
        Self {
            change: $change,
            outcome: |committed| match committed {
                $committed => Some($outcome),
                _ => None,
            },
        }
    };
}

impl<T> Command<T> {
    /// Returns the change, and what makes its outcome of the answer of the writer.
    pub(crate) fn into_parts(
        self,
    ) -> (
        Change,
        impl FnOnce(Result<Committed, StoreError>) -> Result<T, StoreError> + Send + 'static + use<T>,
    )
    where
        T: 'static,
    {
        let outcome = self.outcome;
        let result = move |committed: Result<Committed, StoreError>| {
            outcome(committed?).ok_or_else(|| {
                tracing::error!("the writer answered a change with the outcome of another kind");
                StoreError::Unavailable
            })
        };
        (self.change, result)
    }
}

/// A change of any kind, for tests and measurements, which tell the outcomes apart.
impl From<Change> for Command<Committed> {
    fn from(change: Change) -> Self {
        let outcome = Some;
        Self { change, outcome }
    }
}

impl Command<Outcome> {
    /// An act of talk.
    pub fn talk(talk: Talk) -> Self {
        command!(Change::Talk(talk), Committed::Talk(outcome) => outcome)
    }
}

impl Command<RoomDone> {
    /// An act on a room, or on how a chat makes itself heard.
    pub fn room(act: RoomAct) -> Self {
        command!(Change::Room(act), Committed::Room(done) => done)
    }

    /// Erases messages of chats by the server's own hand.
    pub fn erase_many(many: Vec<EraseMany>) -> Self {
        command!(Change::EraseMany(many), Committed::Room(done) => done)
    }

    /// Does the same, by which no message up to the entry `through` is there any more.
    pub fn retain(many: Vec<EraseMany>, through: u64) -> Self {
        command!(Change::Retain { many, through }, Committed::Room(done) => done)
    }
}

impl Command<Arc<User>> {
    /// Makes an account.
    pub fn create_user(new: NewUser) -> Self {
        command!(Change::CreateUser(new), Committed::User(user) => user)
    }

    /// Changes an account.
    pub fn change_user(user: UserId, change: UserChange) -> Self {
        command!(Change::ChangeUser { user, change }, Committed::User(user) => user)
    }

    /// Takes an account away.
    pub fn delete_user(leaving: Leaving) -> Self {
        command!(Change::DeleteUser(leaving), Committed::User(user) => user)
    }

    /// Notes that all is erased that a deleted account said.
    pub fn sent_is_erased(user: UserId) -> Self {
        command!(Change::SentIsErased(user), Committed::User(user) => user)
    }
}

impl Command<(Arc<User>, bool)> {
    /// Makes or changes an account under a given id. Comes to it, and to whether it was made now.
    pub fn put_user(put: PutUser) -> Self {
        command!(Change::PutUser(put), Committed::Put { user, created } => (user, created))
    }
}

impl Command<Invite> {
    /// Makes an invite, of a code that no other has.
    pub fn create_invite(invite: Invite) -> Self {
        command!(Change::CreateInvite(invite), Committed::Invite(invite) => invite)
    }
}

impl Command<(Arc<User>, ApiKey)> {
    /// Makes a bot, with its first key: `hash` is what is kept of that one's text.
    pub fn create_bot(new: NewUser, hash: KeyHash) -> Self {
        command!(Change::CreateBot { new, hash }, Committed::Bot { user, key } => (user, key))
    }
}

impl Command<ApiKey> {
    /// Makes a key of a bot that is there, or of a backend.
    pub fn create_key(holder: KeyHolder, hash: KeyHash) -> Self {
        command!(Change::CreateKey { holder, hash }, Committed::Key(key) => key)
    }

    /// Has a key count again that a restore brought back.
    pub fn confirm_key(id: ApiKeyId) -> Self {
        command!(Change::ConfirmKey(id), Committed::Key(key) => key)
    }

    /// Takes a key back. Comes to the key as it was.
    pub fn revoke_key(id: ApiKeyId) -> Self {
        command!(Change::RevokeKey(id), Committed::KeyRevoked(key) => key)
    }
}

impl Command<Vec<SessionId>> {
    /// An act on login sessions. Comes to those that ended by it.
    pub fn session(act: SessionAct) -> Self {
        command!(Change::Session(act), Committed::SessionsEnded(ended) => ended)
    }
}

impl Command<u64> {
    /// An act on reports. Comes to the number of the report.
    pub fn report(act: ReportAct) -> Self {
        command!(Change::Report(act), Committed::Report(number) => number)
    }
}

impl Command<Arc<Hook>> {
    /// Makes a hook. An outgoing one tells of what comes from now on.
    pub fn create_hook(kind: HookKind) -> Self {
        command!(Change::CreateHook(kind), Committed::Hook(hook) => hook)
    }

    /// Changes a hook. `known_from` is when a backup was last put to use as this file.
    pub fn change_hook(id: HookId, to: HookChangeTo, known_from: Option<Timestamp>) -> Self {
        command!(Change::ChangeHook { id, to, known_from }, Committed::Hook(hook) => hook)
    }
}

impl Command<Arc<Subscription>> {
    /// Has a browser pushed to.
    pub fn subscribe(user: UserId, wish: NewSubscription) -> Self {
        command!(Change::Subscribe { user, wish }, Committed::Subscribed(made) => made)
    }
}

impl Command<Arc<StoredFile>> {
    /// An act on a file that no message names yet. Comes to the file, or to what it was.
    pub fn file(act: FileAct) -> Self {
        command!(Change::File(act), Committed::File(file) => file)
    }
}

impl Command<()> {
    /// Notes that nothing is left of what accounts said that left with all of it.
    pub fn leavers_erased() -> Self {
        command!(Change::LeaversErased, Committed::LeaversErased => ())
    }

    /// Takes the invite of this code away.
    pub fn revoke_invite(code: Arc<str>) -> Self {
        command!(Change::RevokeInvite(code), Committed::InviteRevoked => ())
    }

    /// Makes a code by which a person gives their account another password.
    pub fn create_code(user: UserId, code: ResetCode) -> Self {
        command!(Change::CreateCode { user, code }, Committed::CodeMade => ())
    }

    /// Takes a hook away.
    pub fn delete_hook(id: HookId) -> Self {
        command!(Change::DeleteHook(id), Committed::HookDeleted => ())
    }

    /// Notes how far outgoing hooks have come, each since a turn of its position.
    pub fn hooks_moved(moved: Vec<(HookId, u64, HookProgress)>) -> Self {
        command!(Change::HooksMoved(moved), Committed::HooksMoved => ())
    }

    /// Has a browser pushed to no more, whose it must be where `user` says one.
    pub fn unsubscribe(user: Option<UserId>, id: SubscriptionId) -> Self {
        command!(Change::Unsubscribe { user, id }, Committed::Unsubscribed => ())
    }

    /// Notes when accounts were last connected.
    pub fn seen(visits: Box<[(UserId, Timestamp)]>) -> Self {
        command!(Change::Seen(visits), Committed::Seen => ())
    }
}
