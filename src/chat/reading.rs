//! The verbs that read: pages of chats and messages, and what a person missed.

use std::sync::Arc;
use std::time::Duration;

use super::rooms::say_how_large;
use super::{Chat, ChatError};
use crate::model::{
    ChatId, Cursor, EntryId, Message, MessageId, Notice, RoomId, Timestamp, User, UserId,
};
use crate::store::{
    FoundMessage, FoundMessages, HistoryPage, HistoryQuery, HistoryRow, InboxChat, InboxRow, Looks,
    Missed, Page, Readable, Recent,
};

/// The changes that a person missed.
#[derive(Debug)]
pub struct CatchUp {
    /// The changes, oldest first.
    pub missed: Vec<Notice>,
    /// There are more.
    pub has_more: bool,
    /// The newest change there was, of anyone.
    pub newest: u64,
    /// How many entries were read for it: all that was missed, however few of it are given.
    pub read: usize,
}

impl Chat {
    /// Returns a page of the messages of two people, ascending by id.
    pub async fn history(
        &self,
        user: UserId,
        peer: UserId,
        query: HistoryQuery,
    ) -> Result<HistoryPage, ChatError> {
        if !self.may_see(user, peer) {
            // Nothing was said, whether there is somebody or not.
            return Ok(HistoryPage::empty());
        }
        let read = self
            .store
            .read(move |snapshot| snapshot.history(user, peer, query));
        Ok(self.shown_page(user, peer, read.await?))
    }

    /// Returns a page of the messages of two people around one of theirs, or around the place that
    /// another one has between theirs.
    pub async fn history_around(
        &self,
        user: UserId,
        peer: UserId,
        message: MessageId,
        limit: usize,
    ) -> Result<HistoryPage, ChatError> {
        if !self.may_see(user, peer) {
            return Ok(HistoryPage::empty());
        }
        let read = self
            .store
            .read(move |snapshot| snapshot.history_around(user, peer, message, limit));
        Ok(self.shown_page(user, peer, read.await?))
    }

    /// Returns a page of the messages of two people as one of them sees it.
    fn shown_page(&self, user: UserId, peer: UserId, page: HistoryPage) -> HistoryPage {
        let mut page = self.files.open_page(page);
        if self.store.blocks(peer, user) {
            for row in &mut page.rows {
                self.hide_reading(user, row);
            }
        }
        page
    }

    /// Has a message say no more of its reading than this person sees: of one who has blocked them
    /// it looks as though they had read nothing, as it does in rooms.
    fn hide_reading(&self, user: UserId, row: &mut HistoryRow) {
        let message = &row.message;
        if row.is_read && message.sender_id == user {
            row.is_read = !self.store.blocks(message.receiver_id, user);
        }
    }

    /// Returns one message of a chat of this person's.
    pub async fn message(&self, user: UserId, message: MessageId) -> Result<HistoryRow, ChatError> {
        let read = self
            .store
            .read(move |snapshot| snapshot.message(user, message));
        let mut row = read.await?;
        self.files.open(row.message.extras.as_deref_mut());
        self.hide_reading(user, &mut row);
        Ok(row)
    }

    /// Returns the chats that a person may read, or the one that is named, each with the greatest
    /// message that they may not. One with somebody of whom they may not know is an empty one.
    pub async fn readable(
        &self,
        user: UserId,
        only: Option<ChatId>,
    ) -> Result<Vec<Readable>, ChatError> {
        if let Some(ChatId::Person(peer)) = only
            && !self.may_see(user, peer)
        {
            return Ok(Vec::new());
        }
        let read = self
            .store
            .read(move |snapshot| snapshot.readable(user, only));
        Ok(read.await?)
    }

    /// Returns those of these messages that a person may read and that the looks find.
    pub async fn among<M: Send + 'static>(
        &self,
        user: UserId,
        ids: Vec<MessageId>,
        looks: Looks<M>,
    ) -> Result<FoundMessages<M>, ChatError> {
        let read = self
            .store
            .read(move |snapshot| snapshot.among(user, &ids, &looks));
        let mut found = read.await?;
        for (message, _) in &mut found.rows {
            if let FoundMessage::Direct(row) = message {
                self.hide_reading(user, row);
            }
            self.files.open(match message {
                FoundMessage::Direct(row) => row.message.extras.as_deref_mut(),
                FoundMessage::Room(message) => message.extras.as_deref_mut(),
            });
        }
        Ok(found)
    }

    /// Returns a page of a person's chats, newest first, each with its newest message.
    pub async fn recents(
        &self,
        user: UserId,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<Page<Recent>, ChatError> {
        Ok(self
            .store
            .read(move |snapshot| snapshot.recents(user, before, limit))
            .await?)
    }

    /// Returns a page of a person's chats with people and rooms together, newest first; and how
    /// many messages are unread in all of them, of those that are muted how many mention the
    /// person.
    pub async fn inbox(
        &self,
        now: Timestamp,
        user: UserId,
        before: Option<EntryId>,
        limit: usize,
    ) -> Result<(Page<InboxRow>, u64), ChatError> {
        let read = self
            .store
            .read(move |snapshot| snapshot.inbox(now, user, before, limit));
        let (mut page, total) = read.await?;
        for row in &mut page.rows {
            if let InboxChat::Direct { last_message, .. } = &mut row.chat {
                self.hide_reading(user, last_message);
            }
            self.files.open(match &mut row.chat {
                InboxChat::Direct { last_message, .. } => {
                    last_message.message.extras.as_deref_mut()
                }
                InboxChat::Room { last_message, .. } => {
                    let last = last_message.as_mut();
                    last.and_then(|last| last.extras.as_deref_mut())
                }
            });
        }
        Ok((page, total))
    }

    /// Returns about how many chats a person has.
    pub fn chats(&self, user: UserId) -> usize {
        self.store.chats(user)
    }

    /// Returns a page of a person's unread messages, ascending by id, and how many there are in
    /// all.
    pub async fn unread(
        &self,
        user: UserId,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<(Page<Message>, u64), ChatError> {
        let read = self
            .store
            .read(move |snapshot| snapshot.unread(user, after, limit));
        let (mut page, total) = read.await?;
        for message in &mut page.rows {
            self.files.open(message.extras.as_deref_mut());
        }
        Ok((page, total))
    }

    /// Returns what a person missed after this cursor, oldest first, as whole changes: events of
    /// the first that the cursor already stands after are the caller's to leave out. Fails with
    /// [`ChatError::CursorExpired`] where the first of them is older than the recovery window, or
    /// where they are too many.
    pub async fn missed(
        &self,
        now: Timestamp,
        user: UserId,
        since: Cursor,
        limit: usize,
    ) -> Result<CatchUp, ChatError> {
        let missed = self
            .store
            .read(move |snapshot| snapshot.missed(user, since.entry, limit))
            .await?;
        self.caught_up(now, since, missed)
    }

    /// Judges whether what was missed can be told.
    fn caught_up(
        &self,
        now: Timestamp,
        since: Cursor,
        missed: Missed,
    ) -> Result<CatchUp, ChatError> {
        let (newest, read) = (missed.newest, missed.read);
        let mut page = missed.page.ok_or(ChatError::CursorExpired)?;
        for notice in &mut page.rows {
            self.files.open_notice(notice);
        }
        let until = now.as_ms().saturating_sub(
            u64::try_from(self.rules.recovery_window.as_millis()).unwrap_or(u64::MAX),
        );
        let mut missed = page
            .rows
            .iter()
            .filter(|missed| missed.entry.id.get() > since.entry);
        if since.entry > newest
            || missed
                .next()
                .is_some_and(|first| first.entry.at.as_ms() < until)
        {
            return Err(ChatError::CursorExpired);
        }
        Ok(CatchUp {
            missed: page.rows,
            has_more: page.has_more,
            newest,
            read,
        })
    }

    /// Returns what a person missed after this cursor of all that version 2 hears, likewise. Of
    /// rooms at most `most` changes are given beside what else there is; the rooms that bring too
    /// many are named.
    pub async fn missed_of_all(
        &self,
        now: Timestamp,
        user: UserId,
        since: Cursor,
        limit: usize,
        most: usize,
    ) -> Result<(CatchUp, Vec<RoomId>), ChatError> {
        let mut missed = self
            .store
            .read(move |snapshot| snapshot.missed_of_all(user, since.entry, limit, most))
            .await?;
        let skipped = std::mem::take(&mut missed.skipped);
        let mut caught = self.caught_up(now, since, missed)?;
        say_how_large(&mut caught.missed, |room| self.store.room(room));
        Ok((caught, skipped))
    }

    /// Returns the people with whom this person shares a chat; of crowds not all.
    pub async fn peers(&self, user: UserId) -> Result<Vec<UserId>, ChatError> {
        let peers = self.store.read(move |snapshot| snapshot.peers(user));
        Ok(peers.await?.into_iter().collect())
    }

    /// Returns those with whom this person shares a chat, and who may be shown otherwise since this
    /// cursor, as they are shown now. Fails with [`ChatError::CursorExpired`] where so many
    /// accounts are that reading afresh costs less.
    pub async fn profiles_since(
        &self,
        user: UserId,
        since: Cursor,
    ) -> Result<Vec<Arc<User>>, ChatError> {
        let profiles = self
            .store
            .read(move |snapshot| snapshot.profiles_since(user, since.entry));
        profiles.await?.ok_or(ChatError::CursorExpired)
    }

    /// How long what a person missed can be told of.
    pub fn recovery_window(&self) -> Duration {
        self.rules.recovery_window
    }
}
