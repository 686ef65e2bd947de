//! All that one person said: erased once they are gone, and given to them before.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Chat, ChatError};
use crate::model::{MessageId, RoomId, Timestamp, UserId};
use crate::store::{
    Command, Erasable, EraseMany, Expired, Leavers, Older, RoomDone, SentIn, SentText, StoreError,
    Talk,
};

/// Messages of one chat that are erased step by step, the oldest first.
#[derive(Debug)]
pub struct Erasing {
    chat: Erasable,
    /// Whose, where the others stay.
    sender: Option<UserId>,
    /// Those of before a time, where one is given.
    sent_before: Option<Older>,
    /// The number of the last message that was looked at.
    after: u64,
}

impl Erasing {
    fn of(chat: Erasable) -> Self {
        Self {
            chat,
            sender: None,
            sent_before: None,
            after: 0,
        }
    }
}

impl Chat {
    /// Those who are gone, and what they said is still to be erased.
    pub fn leavers_to_erase(&self) -> Vec<UserId> {
        self.store.leavers_to_erase()
    }

    /// Returns what such a person sent, in all chats, to be erased step by step.
    pub async fn sent_by(&self, user: UserId) -> Result<Vec<Erasing>, ChatError> {
        let chats = self
            .store
            .read(move |snapshot| snapshot.erasable_chats_of(user));
        let chats = chats.await?.into_iter();
        Ok(chats
            .map(|chat| Erasing {
                sender: Some(user),
                ..Erasing::of(chat)
            })
            .collect())
    }

    /// Notes that all is erased that such a person sent.
    pub async fn sent_is_erased(&self, now: Timestamp, user: UserId) -> Result<(), ChatError> {
        let done = Command::sent_is_erased(user);
        self.store.apply(now, done).await?;
        Ok(())
    }

    /// Whether something may be left of those who are gone with all that they said: an earlier
    /// chatd did not look for it in all rooms.
    pub fn may_have_left_some(&self) -> bool {
        self.store.may_have_left_some()
    }

    /// Returns some of those who are gone so, as the log tells it after an entry, and after which
    /// one to go on; `None` where the log ends.
    pub async fn leavers(&self, after: u64) -> Result<(Leavers, Option<u64>), ChatError> {
        let leavers = self.store.read(move |snapshot| snapshot.leavers(after));
        Ok(leavers.await?)
    }

    /// Erases some of what they said and is there still after an entry. Returns after which one to
    /// go on; `None` where the log ends.
    pub async fn erase_left_behind(
        &self,
        now: Timestamp,
        leavers: &Arc<Leavers>,
        after: u64,
    ) -> Result<Option<u64>, ChatError> {
        let leavers = Arc::clone(leavers);
        let left = self
            .store
            .read(move |snapshot| snapshot.left_behind(after, &leavers));
        let (left, next) = left.await?;
        let many = left.into_iter().map(|((_, sender), messages)| EraseMany {
            messages,
            sender: Some(sender),
            all_of: None,
        });
        let many: Vec<_> = many.collect();
        if !many.is_empty() {
            self.erase_many(now, Command::erase_many(many)).await?;
        }
        Ok(next)
    }

    /// Notes that nothing is left of them.
    pub async fn nothing_is_left_behind(&self, now: Timestamp) -> Result<(), ChatError> {
        self.store.apply(now, Command::leavers_erased()).await?;
        Ok(())
    }

    /// The rooms of which something is still to be erased: members to be taken out of them by
    /// [`Chat::erase_room`], and what was said there.
    pub fn rooms_to_erase(&self) -> Vec<RoomId> {
        self.store.rooms_to_erase()
    }

    /// Returns what was said in a room, to be erased step by step.
    pub fn said_in(&self, room: RoomId) -> Erasing {
        Erasing::of(Erasable::Room(room))
    }

    /// Returns what was said in a room and is older than its retention allows, likewise.
    pub fn expired_in(&self, room: RoomId, older: Older) -> Erasing {
        Erasing {
            sent_before: Some(older),
            ..Erasing::of(Erasable::Room(room))
        }
    }

    /// Erases the oldest messages that are left of these, some hundreds in one commit. Returns
    /// whether there may be more. What fails may be tried again: what is erased by then is passed
    /// over.
    pub async fn erase_step(
        &self,
        now: Timestamp,
        erasing: &mut Erasing,
    ) -> Result<bool, ChatError> {
        let Erasing {
            chat,
            sender,
            sent_before,
            after,
        } = *erasing;
        let found = self
            .store
            .read(move |snapshot| snapshot.to_erase(chat, sender, sent_before, after));
        let Some(found) = found.await? else {
            return Ok(false);
        };
        let (is_last, through) = (found.is_last, found.through);
        if !found.messages.is_empty() {
            let many = EraseMany {
                messages: found.messages,
                sender,
                all_of: Some(through).filter(|_| is_last && sent_before.is_none()),
            };
            self.erase_many(now, Command::erase_many(vec![many]))
                .await?;
        }
        erasing.after = through;
        Ok(!is_last)
    }

    /// Erases messages of chats by the server's own hand; those who share these hear of it.
    async fn erase_many(
        &self,
        now: Timestamp,
        erasure: Command<RoomDone>,
    ) -> Result<(), ChatError> {
        let (reply, replied) = oneshot::channel();
        let chat = self.clone();
        let answer = move |done: Result<RoomDone, StoreError>| {
            if let Ok(done) = &done {
                chat.announce_all(done);
            }
            let done = done.map(drop).map_err(ChatError::from);
            // A caller that went away is no reason to fail: what is done is done.
            let _ = reply.send(done);
        };
        self.store.submit(now, erasure, answer);
        replied.await.unwrap_or(Err(ChatError::Unavailable))
    }

    /// Erases the oldest messages of the server that are older than retention allows, some hundreds
    /// in one commit. Returns whether there may be more.
    pub async fn erase_expired(&self, older: Older) -> Result<bool, ChatError> {
        let expired = self.store.read(move |snapshot| snapshot.expired(older));
        let Expired {
            chats,
            through,
            is_last,
        } = expired.await?;
        let many = chats.into_iter().map(|messages| EraseMany {
            messages,
            sender: None,
            all_of: None,
        });
        let many: Vec<_> = many.collect();
        if !many.is_empty() || !is_last {
            let retention = Command::retain(many, through);
            self.erase_many(older.now, retention).await?;
        }
        Ok(!is_last)
    }

    /// The rooms with a retention of their own, and after how many days it takes effect.
    pub fn rooms_to_retain(&self) -> Vec<(RoomId, u32)> {
        self.store.rooms_to_retain()
    }

    /// Returns the chats of a person, each to be gone through from its newest message.
    pub async fn chats_of(&self, user: UserId) -> Result<Vec<SentIn>, ChatError> {
        let chats = self.store.read(move |snapshot| snapshot.chats_of(user));
        Ok(chats.await?)
    }

    /// Returns some messages that a person sent in a chat, newest first, and where to go on.
    pub async fn texts_by(
        &self,
        user: UserId,
        chat: SentIn,
    ) -> Result<(Vec<SentText>, Option<SentIn>), ChatError> {
        let texts = self
            .store
            .read(move |snapshot| snapshot.texts_by(user, chat));
        Ok(texts.await?)
    }

    /// Erases a message by the server's own hand; those who share the chat hear of it.
    pub async fn erase(&self, now: Timestamp, message: MessageId) -> Result<(), ChatError> {
        let (reply, replied) = oneshot::channel();
        let reply = move |result| drop(reply.send(result));
        let talk = Talk::erase(message);
        self.submit(now, talk, None, |outcome| outcome.map(drop), reply);
        replied.await.unwrap_or(Err(ChatError::Unavailable))
    }
}
