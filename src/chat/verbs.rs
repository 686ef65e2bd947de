//! The verbs that change something, and who hears of it.

use std::sync::Arc;

use super::{Backup, ChatError, Event, Listener, Presence, Rules};
use crate::model::{
    ChatRead, ClientId, CursorKeys, Message, MessageId, MessageRead, Origin, Timestamp, UserId,
    check_content,
};
use crate::store::{Change, Committed, Store, StoreError};

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
    pub(super) store: Store,
    listener: Arc<dyn Listener>,
    pub(super) rules: Rules,
    pub(super) cursor_keys: CursorKeys,
    pub(super) presence: Arc<Presence>,
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
