//! What happened, as broadcasts to the people concerned.

use super::user_room;
use super::wire::{ChatRead, MessageSent, MessegeRead, ReceiveMessage, Typing};
use crate::accounts;
use crate::chat::{Event, Listener};
use crate::hub::Namespace;
use crate::model::{Origin, UserId};

/// Tells the chat's namespace what happened.
pub struct Outbound {
    namespace: Namespace,
}

impl Outbound {
    /// For the namespace in which people chat.
    pub fn new(namespace: Namespace) -> Self {
        Self { namespace }
    }
}

impl accounts::Listener for Outbound {
    fn revoked(&self, user: UserId) {
        self.namespace.to(user_room(user)).nudge();
    }
}

impl Listener for Outbound {
    fn happened(&self, event: Event<'_>) {
        let except = |origin: Option<Origin>| origin.map(|origin| origin.0);
        match event {
            Event::Sent {
                message,
                fresh: true,
                ..
            } => {
                self.namespace
                    .to(user_room(message.receiver_id))
                    .emit("receive_message", &(ReceiveMessage::from(message),));
                self.namespace
                    .to(user_room(message.sender_id))
                    .emit("message_sent", &(MessageSent::from(message),));
            }
            Event::Sent {
                message,
                fresh: false,
                origin,
            } => {
                // Everybody else heard of it when it was new.
                if let Some(socket) = except(origin).and_then(|key| self.namespace.socket(key)) {
                    socket.emit("message_sent", &(MessageSent::from(message),));
                }
            }
            Event::Read { read, origin } => {
                let payload = (MessegeRead {
                    message_id: read.message_id,
                    user_id: read.reader_id,
                },);
                self.namespace
                    .to(user_room(read.sender_id))
                    .emit("messege_read", &payload);
                self.namespace
                    .to(user_room(read.reader_id))
                    .except(except(origin))
                    .emit("messege_read", &payload);
            }
            Event::ChatRead { read, origin } => {
                let both = [read.reader_id, read.peer_id];
                let payload = (ChatRead {
                    reader_id: read.reader_id,
                    peer_id: read.peer_id,
                    up_to: read.up_to,
                },);
                for user in both {
                    self.namespace
                        .to(user_room(user))
                        .except(except(origin))
                        .emit("chat_read", &payload);
                }
                for message_id in &read.changed {
                    let payload = (MessegeRead {
                        message_id: *message_id,
                        user_id: read.reader_id,
                    },);
                    for user in both {
                        self.namespace
                            .to(user_room(user))
                            .except(except(origin))
                            .emit("messege_read", &payload);
                    }
                }
            }
            Event::Typing {
                user_id,
                receiver_id,
                is_typing,
            } => {
                self.namespace
                    .to(user_room(receiver_id))
                    .emit("typing", &(Typing { user_id, is_typing },));
            }
        }
    }
}
