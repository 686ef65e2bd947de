//! The verbs of talk: check, store, tell.
//!
//! A verb that changes something is handed a reply, which is called once, after the change is on disk and after
//! [`Listener::happened`] was told of it; both are called by whoever works off the store's batches, one after the other
//! in commit order. Neither may block. Reading verbs are `async` and return pages.
//!
//! No clock and no wire here: `now` is an argument, and JSON is `contract`'s.

mod attendance;
mod error;
mod event;
mod notifier;
mod presence;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use error::ChatError;
pub use event::{Event, Listener};
pub use presence::{Presence, PresenceChange, Seen, Told};

use crate::model::{
    ChatRead, ClientId, Cursor, CursorKeys, DEFAULT_MAX_MESSAGE_CHARS, Message, MessageId,
    MessageRead, Origin, Place, Timestamp, UserId, check_content,
};
use crate::store::{Change, Committed, Store, StoreError};

pub use crate::store::maintain::Backup;
pub use crate::store::{HistoryQuery, HistoryRow, Page, Recent};
pub use crate::store::{Missed, MissedChange};

/// A message to be sent.
#[derive(Debug, Clone)]
pub struct SendMessage {
    /// Whom it is for.
    pub receiver_id: UserId,
    /// The text, not yet checked.
    pub content: Arc<str>,
    /// The sender's own name for it.
    pub client_id: Option<ClientId>,
}

/// The verbs. Cheap to clone.
#[derive(Clone)]
pub struct Chat {
    store: Store,
    listener: Arc<dyn Listener>,
    rules: Rules,
    cursor_keys: CursorKeys,
    presence: Arc<Presence>,
}

/// What an operator decides about talk.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The longest message, in characters.
    pub max_message_chars: usize,
    /// How long what a person missed can be told of.
    pub recovery_window: Duration,
}

/// 24 hours: who was away for longer opens their chats afresh.
pub const DEFAULT_RECOVERY_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Rules {
    fn default() -> Self {
        Self {
            max_message_chars: DEFAULT_MAX_MESSAGE_CHARS,
            recovery_window: DEFAULT_RECOVERY_WINDOW,
        }
    }
}

/// What a person missed.
#[derive(Debug)]
pub struct CatchUp {
    /// The changes, oldest first.
    pub missed: Vec<Missed>,
    /// Whether there are more.
    pub has_more: bool,
    /// The newest change there was, whoever it concerned.
    pub newest: u64,
}

impl Chat {
    /// Talk over this store; what happens is told to `listener`.
    pub fn new(
        store: Store,
        listener: Arc<dyn Listener>,
        rules: Rules,
        cursor_keys: CursorKeys,
    ) -> Self {
        Self {
            store,
            listener,
            rules,
            cursor_keys,
            presence: Arc::default(),
        }
    }

    /// A copy of everything as of now, beside which talk goes on. Fails with [`ChatError::Busy`] while there is another.
    pub async fn backup(&self) -> Result<Backup, ChatError> {
        Ok(self.store.backup().await?)
    }

    /// The longest message, in characters.
    pub fn max_message_chars(&self) -> usize {
        self.rules.max_message_chars
    }

    /// Whether changes can be written at present.
    pub fn is_writable(&self) -> bool {
        self.store.is_writable()
    }

    /// Sends a message. The same client id with the same receiver and content gives the first message again.
    pub fn send(
        &self,
        now: Timestamp,
        sender: UserId,
        request: SendMessage,
        origin: Option<Origin>,
        reply: impl FnOnce(Result<Message, ChatError>) + Send + 'static,
    ) {
        if let Err(error) = check_content(&request.content, self.rules.max_message_chars) {
            return reply(Err(error.into()));
        }
        let SendMessage {
            receiver_id: receiver,
            content,
            client_id,
        } = request;
        let listener = Arc::clone(&self.listener);
        let change = Change::Send {
            sender,
            receiver,
            content,
            client_id,
        };
        let answer = move |result| {
            reply(match result {
                Ok(Committed::Sent { message, fresh }) => {
                    listener.happened(Event::Sent {
                        message: &message,
                        fresh,
                        origin,
                    });
                    Ok(message)
                }
                other => Err(refusal(other)),
            });
        };
        self.store.submit(now, change, Box::new(answer));
    }

    /// Marks one message read, for its receiver. Marking it again changes nothing and succeeds.
    pub fn mark_read(
        &self,
        now: Timestamp,
        reader: UserId,
        message: MessageId,
        origin: Option<Origin>,
        reply: impl FnOnce(Result<MessageRead, ChatError>) + Send + 'static,
    ) {
        let listener = Arc::clone(&self.listener);
        let answer = move |result| {
            reply(match result {
                Ok(Committed::Read(read)) => {
                    if read.entry.is_some() {
                        listener.happened(Event::Read {
                            read: &read,
                            origin,
                        });
                    }
                    Ok(read)
                }
                other => Err(refusal(other)),
            });
        };
        self.store
            .submit(now, Change::MarkRead { reader, message }, Box::new(answer));
    }

    /// Marks all messages of `peer` read, up to and including `up_to` where given.
    pub fn mark_chat_read(
        &self,
        now: Timestamp,
        reader: UserId,
        peer: UserId,
        up_to: Option<MessageId>,
        origin: Option<Origin>,
        reply: impl FnOnce(Result<ChatRead, ChatError>) + Send + 'static,
    ) {
        let listener = Arc::clone(&self.listener);
        let answer = move |result| {
            reply(match result {
                Ok(Committed::ChatRead(read)) => {
                    if read.entry.is_some() {
                        listener.happened(Event::ChatRead {
                            read: &read,
                            origin,
                        });
                    }
                    Ok(read)
                }
                other => Err(refusal(other)),
            });
        };
        self.store.submit(
            now,
            Change::MarkChatRead {
                reader,
                peer,
                up_to,
            },
            Box::new(answer),
        );
    }

    /// Tells of a change that was answered as uncertain and turned out to be on disk.
    pub fn announce(&self, committed: &Committed) {
        let origin = None;
        match committed {
            Committed::Sent {
                message,
                fresh: fresh @ true,
            } => self.listener.happened(Event::Sent {
                message,
                fresh: *fresh,
                origin,
            }),
            Committed::Read(read) if read.entry.is_some() => {
                self.listener.happened(Event::Read { read, origin });
            }
            Committed::ChatRead(read) if read.entry.is_some() => {
                self.listener.happened(Event::ChatRead { read, origin });
            }
            // Nothing that anybody hears of.
            _ => {}
        }
    }

    /// Tells a person that another is typing, or has stopped. Not stored.
    pub fn typing(
        &self,
        user_id: UserId,
        receiver_id: UserId,
        is_typing: bool,
    ) -> Result<(), ChatError> {
        if user_id == receiver_id {
            return Err(ChatError::InvalidReceiver);
        }
        if self.store.user(receiver_id).is_none() {
            return Err(ChatError::NoSuchUser);
        }
        self.listener.happened(Event::Typing {
            user_id,
            receiver_id,
            is_typing,
        });
        Ok(())
    }

    /// What a person missed after this cursor, oldest first, as whole changes: events of the first that the cursor already
    /// stands after are the caller's to leave out. Fails with [`ChatError::CursorExpired`] where the first of them is
    /// older than the recovery window, or where they are too many.
    pub async fn missed(
        &self,
        now: Timestamp,
        user: UserId,
        since: Cursor,
        limit: usize,
    ) -> Result<CatchUp, ChatError> {
        let (page, newest) = self
            .store
            .read(move |snapshot| snapshot.missed(user, since.entry, limit))
            .await?;
        let page = page.ok_or(ChatError::CursorExpired)?;
        let until = now.as_ms().saturating_sub(
            u64::try_from(self.rules.recovery_window.as_millis()).unwrap_or(u64::MAX),
        );
        let mut missed = page
            .rows
            .iter()
            .filter(|missed| missed.entry.get() > since.entry);
        if since.entry > newest || missed.next().is_some_and(|first| first.at.as_ms() < until) {
            return Err(ChatError::CursorExpired);
        }
        Ok(CatchUp {
            missed: page.rows,
            has_more: page.has_more,
            newest,
        })
    }

    /// The keys that seal cursors.
    pub fn cursor_keys(&self) -> &CursorKeys {
        &self.cursor_keys
    }

    /// Reads a cursor of this person; `None` where its entry is not in the log as it was when the cursor was given.
    pub fn open_cursor(&self, text: &str, user: UserId) -> Option<Cursor> {
        self.in_log(|keys| Cursor::open(text, keys, user), |cursor| cursor.entry)
    }

    /// Reads a place of this person, likewise.
    pub fn open_place(&self, text: &str, user: UserId) -> Option<Place> {
        self.in_log(|keys| Place::open(text, keys, user), |place| place.entry)
    }

    /// What `open` reads, where the log reaches its entry by now.
    ///
    /// A copy of a running server's file may have lost the end of an era, whose key it keeps. An entry from there can still
    /// be opened until a transaction begins the next era, and would be taken for another of the same id if that came
    /// before the log is read. So the end of the log is looked up first: the eras of all up to it are known afterwards.
    fn in_log<T>(
        &self,
        open: impl FnOnce(&CursorKeys) -> Option<T>,
        entry: impl FnOnce(&T) -> u64,
    ) -> Option<T> {
        let newest = self.newest();
        open(&self.cursor_keys).filter(|opened| entry(opened) <= newest)
    }

    /// How long what a person missed can be told of.
    pub fn recovery_window(&self) -> Duration {
        self.rules.recovery_window
    }

    /// The newest change there is, as a number that grows.
    pub fn newest(&self) -> u64 {
        self.store.last_entry()
    }

    /// The messages of two people, ascending by id.
    pub async fn history(
        &self,
        user: UserId,
        peer: UserId,
        query: HistoryQuery,
    ) -> Result<Page<HistoryRow>, ChatError> {
        Ok(self
            .store
            .read(move |snapshot| snapshot.history(user, peer, query))
            .await?)
    }

    /// A person's chats, newest first, each with its newest message.
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

    /// About how many chats a person has.
    pub fn chats(&self, user: UserId) -> usize {
        self.store.chats(user)
    }

    /// A person's unread messages, ascending by id, and how many there are in all.
    pub async fn unread(
        &self,
        user: UserId,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<(Page<Message>, u64), ChatError> {
        Ok(self
            .store
            .read(move |snapshot| snapshot.unread(user, after, limit))
            .await?)
    }
}

/// The error of a change that did not come to what it should have.
fn refusal(result: Result<Committed, StoreError>) -> ChatError {
    match result {
        Err(error) => error.into(),
        Ok(other) => {
            tracing::error!(
                ?other,
                "the store answered a change with the outcome of another kind"
            );
            ChatError::Internal
        }
    }
}
