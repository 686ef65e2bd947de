//! All that one person said: erased once they are gone, and given to them before.

use futures_util::future::try_join_all;
use tokio::sync::oneshot;

use super::{Chat, ChatError};
use crate::model::{MessageId, RoomId, Timestamp, UserId};
use crate::store::{Change, SentIn, SentText, Talk};

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
        let chats = self.store.read(move |snapshot| snapshot.chats_of(user));
        for chat in chats.await? {
            let mut next = Some(chat);
            while let Some(chat) = next {
                let sent = self
                    .store
                    .read(move |snapshot| snapshot.sent_by(user, chat));
                let (messages, rest) = sent.await?;
                let erasing = messages.into_iter();
                let erasing = erasing.map(|message| self.erase(clock(), message));
                try_join_all(erasing).await?;
                next = rest;
            }
        }
        let done = Change::SentIsErased(user);
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
        let from = self
            .store
            .read(move |snapshot| snapshot.room_from_its_end(room));
        let mut next = from.await?;
        while let Some(chat) = next {
            let sent = self.store.read(move |snapshot| snapshot.sent_by_all(chat));
            let (messages, rest) = sent.await?;
            let erasing = messages.into_iter();
            try_join_all(erasing.map(|message| self.erase(clock(), message))).await?;
            next = rest;
        }
        Ok(())
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
