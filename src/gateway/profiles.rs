//! News of how people are shown: `user_changed`, to those who share a chat with them.
//!
//! The account's row is what lasts, and says when it last changed. Live, a person who changed is
//! noted here and told of by a task beside the notifier, as they are by then: however often they
//! change, and however many chats they have, nothing else waits for it. A socket that is resumed is
//! told of all who changed since its last event.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use tokio::sync::Notify;

use super::groups::user_group;
use crate::contract::{USER_CHANGED, UserChanged, Version};
use crate::hub::Namespace;
use crate::model::UserId;
use crate::verbs::Verbs;

/// After so many groups of sockets that were told others have a turn.
const GROUPS_A_TURN: usize = 256;

/// The people who are to be told of.
#[derive(Default)]
pub struct Profiles {
    changed: Mutex<FxHashSet<UserId>>,
    noted: Notify,
}

impl Profiles {
    /// Notes that a person may be shown otherwise.
    pub(super) fn note(&self, user: UserId) {
        self.changed.lock().insert(user);
        self.noted.notify_one();
    }

    /// Tells of those who are noted. To be run beside the gateway; never ends.
    pub async fn run(self: Arc<Self>, verbs: Verbs, namespace: Namespace) {
        loop {
            self.noted.notified().await;
            let changed = std::mem::take(&mut *self.changed.lock());
            for user in changed {
                if let Err(error) = tell(&verbs, &namespace, user).await {
                    tracing::debug!(%error, %user, "those who share a chat were not told");
                }
            }
        }
    }
}

/// Tells a person's own sockets and those of all with whom they share a chat.
async fn tell(
    verbs: &Verbs,
    namespace: &Namespace,
    user: UserId,
) -> Result<(), crate::chat::ChatError> {
    let mut hearers = verbs.chat.peers(user).await?;
    hearers.push(user);
    for some in hearers.chunks(GROUPS_A_TURN) {
        // As the account is now, whatever it was when it was noted.
        let Some(account) = verbs.accounts.user(user) else {
            return Ok(());
        };
        namespace
            .to_each(some.iter().map(|hearer| user_group(*hearer)))
            .versions(Version::Second.number()..=u8::MAX)
            .emit(USER_CHANGED.name, &(UserChanged::of(&account),));
        tokio::task::yield_now().await;
    }
    Ok(())
}
