//! All that one person said: erased once they are gone, and given to them before.

use tokio::sync::oneshot;

use super::{Chat, ChatError};
use crate::model::{MessageId, RoomId, Timestamp, UserId};
use crate::store::{
    Command, Erasable, EraseMany, Expired, Older, RoomDone, SentIn, SentText, StoreError, Talk,
};

impl Chat {
    /// Those who are gone, and what they said is still to be erased.
    pub fn leavers_to_erase(&self) -> Vec<UserId> {
        self.store.leavers_to_erase()
    }

    /// Erases every message that such a person sent, some hundreds in a commit, and notes when that
    /// is done. What fails may be tried again: what is erased by then is passed over.
    pub async fn erase_sent_by(
        &self,
        user: UserId,
        clock: fn() -> Timestamp,
    ) -> Result<(), ChatError> {
        let chats = self
            .store
            .read(move |snapshot| snapshot.erasable_chats_of(user));
        for chat in chats.await? {
            self.erase_in(chat, Some(user), None, clock).await?;
        }
        let done = Command::sent_is_erased(user);
        self.store.apply(clock(), done).await?;
        Ok(())
    }

    /// The rooms in which nobody is any more, and what was said there is still to be erased.
    pub fn rooms_to_erase(&self) -> Vec<RoomId> {
        self.store.rooms_to_erase()
    }

    /// Erases every message of such a room, likewise.
    pub async fn erase_said_in(
        &self,
        room: RoomId,
        clock: fn() -> Timestamp,
    ) -> Result<(), ChatError> {
        self.erase_in(Erasable::Room(room), None, None, clock).await
    }

    /// Erases the messages of a chat, the oldest first: those of one sender where one is given, and
    /// those that were sent before a time where one is.
    async fn erase_in(
        &self,
        chat: Erasable,
        sender: Option<UserId>,
        sent_before: Option<Older>,
        clock: fn() -> Timestamp,
    ) -> Result<(), ChatError> {
        let mut after = 0;
        loop {
            let found = self
                .store
                .read(move |snapshot| snapshot.to_erase(chat, sender, sent_before, after));
            let Some(found) = found.await? else {
                return Ok(());
            };
            let (is_last, through) = (found.is_last, found.through);
            if !found.messages.is_empty() {
                let many = EraseMany {
                    messages: found.messages,
                    sender,
                    all_of: Some(through).filter(|_| is_last && sent_before.is_none()),
                };
                self.erase_many(clock(), Command::erase_many(vec![many]))
                    .await?;
            }
            if is_last {
                return Ok(());
            }
            after = through;
        }
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

    /// Erases the messages of a room that are older than its retention allows, some hundreds in a
    /// commit.
    pub async fn erase_expired_in(
        &self,
        room: RoomId,
        older: Older,
        clock: fn() -> Timestamp,
    ) -> Result<(), ChatError> {
        let room = Erasable::Room(room);
        self.erase_in(room, None, Some(older), clock).await
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
