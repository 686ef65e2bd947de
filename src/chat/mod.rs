//! The verbs of talk: check, store, tell.
//!
//! A verb that changes something is handed a reply, which is called once, after the change is on disk and after
//! [`Listener::happened`] was told of it; both are called by whoever works off the store's batches, one after the other
//! in commit order. Neither may block. Reading verbs are `async` and return pages.
//!
//! No clock and no wire here: `now` is an argument, and JSON is the gateway's.

mod error;
mod event;
mod presence;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use error::ChatError;
pub use event::{Event, Listener};
pub use presence::{Presence, PresenceChange, Seen};

use crate::model::{
    ChatRead, ClientId, Message, MessageId, MessageRead, Origin, Timestamp, UserId, check_content,
};
use crate::store::{Change, Committed, Store, StoreError};

pub use crate::store::maintain::Backup;
pub use crate::store::{HistoryQuery, HistoryRow, Page, Recent};

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
    max_message_chars: usize,
}

impl Chat {
    /// Talk over this store; what happens is told to `listener`.
    pub fn new(store: Store, listener: Arc<dyn Listener>, max_message_chars: usize) -> Self {
        Self {
            store,
            listener,
            max_message_chars,
        }
    }

    /// A copy of everything as of now, beside which talk goes on. Fails with [`ChatError::Busy`] while there is another.
    pub async fn backup(&self) -> Result<Backup, ChatError> {
        Ok(self.store.backup().await?)
    }

    /// The longest message, in characters.
    pub fn max_message_chars(&self) -> usize {
        self.max_message_chars
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
        if let Err(error) = check_content(&request.content, self.max_message_chars) {
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

    /// When an account was last connected, as far as the store knows.
    pub fn last_seen(&self, user: UserId) -> Option<Timestamp> {
        self.store.user(user).and_then(|user| user.last_seen)
    }

    /// Keeps when a person's last socket closed. Not awaited: a lost one costs a moment of a "last seen".
    pub fn seen(&self, at: Timestamp, user: UserId) {
        self.store.submit(
            at,
            Change::Seen { user, at },
            Box::new(|result| {
                if let Err(error) = result {
                    tracing::debug!(%error, "a last-seen time was not kept");
                }
            }),
        );
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
