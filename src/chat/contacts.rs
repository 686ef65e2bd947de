//! Who sees whom, and blocks.
//!
//! Whom a person sees, the operator says (`--directory`); those with whom they share a chat they
//! always see by id. Who is blocked sees of the blocker neither coming nor going, nor typing, nor
//! reading, and what they send is refused as what a stranger sends who may not write.

use std::sync::Arc;

use super::{Chat, ChatError, Seen};
use crate::model::{Blocked, Directory, Timestamp, User, UserId};
use crate::store::{PeopleRefusal, RoomCommand, StoreError};

impl Chat {
    /// Whom people find.
    pub fn directory(&self) -> Directory {
        self.rules.directory
    }

    /// Returns whether a person may know by its id that there is an account.
    pub fn may_see(&self, viewer: UserId, user: UserId) -> bool {
        self.rules.directory == Directory::Everyone
            || viewer == user
            || self.store.share_chat(viewer, user)
    }

    /// Refuses what names an account of which a person may not know, as if there were none.
    pub fn must_see(&self, viewer: UserId, user: UserId) -> Result<(), ChatError> {
        match self.may_see(viewer, user) && self.store.user(user).is_some() {
            true => Ok(()),
            false => Err(ChatError::NoSuchUser),
        }
    }

    /// Returns whether a person sees when another comes and goes.
    pub fn sees_presence(&self, viewer: UserId, user: UserId) -> bool {
        !self.store.blocks(user, viewer) && self.may_see(viewer, user)
    }

    /// Returns what a person sees of another's coming and going; `None` for nothing.
    pub fn shown(&self, viewer: UserId, user: UserId) -> Option<Seen> {
        let is_seen = self.sees_presence(viewer, user);
        is_seen.then(|| self.presence.seen(user))
    }

    /// Returns the people whom a person finds by this text, and how much was looked at for it.
    pub fn find_people(&self, viewer: UserId, text: &str, limit: usize) -> (Vec<Arc<User>>, usize) {
        match self.rules.directory {
            Directory::Everyone => self.store.search_users(text, Some(viewer), limit),
            Directory::Shared => self.store.search_peers(viewer, text, limit),
            Directory::Exact => self.store.named_exactly(text, Some(viewer), limit),
            Directory::None => (Vec::new(), 0),
        }
    }

    /// Returns whether a person finds another whom they name as a whole.
    pub fn finds_exactly(&self, viewer: UserId, user: UserId) -> bool {
        self.rules.directory == Directory::Exact || self.may_see(viewer, user)
    }

    /// A page of those whom a person has blocked, ascending by id.
    pub fn blocked_by(&self, user: UserId, after: u64, limit: usize) -> (Vec<Arc<User>>, bool) {
        self.store.blocked_by(user, after, limit)
    }

    /// All whom a person has blocked.
    pub fn all_blocked_by(&self, user: UserId) -> Blocked {
        self.store.all_blocked_by(user)
    }

    /// Has a person block another, or do so no more. Doing it again changes nothing.
    pub async fn block(
        &self,
        now: Timestamp,
        by: UserId,
        user: UserId,
        blocked: bool,
    ) -> Result<(), ChatError> {
        if by == user {
            return Err(ChatError::OwnChat);
        }
        if blocked {
            self.must_see(by, user)?;
        }
        let what = RoomCommand::Block { user, blocked };
        self.room_done(now, Some(by), what).await.map(drop)
    }

    /// Refuses what is only for those who may write to a person.
    pub(super) fn may_write(&self, author: UserId, peer: UserId) -> Result<(), ChatError> {
        let refused = self.store.may_write(self.rules.first_contact, author, peer);
        match refused {
            // Of one who may write, but may not know whether there is somebody.
            Err(StoreError::People(PeopleRefusal::NoSuchUser)) if !self.may_see(author, peer) => {
                Ok(())
            }
            refused => Ok(refused?),
        }
    }
}
