//! Where the result of an event goes: the ack where one was asked for, else a `chat_error` where it
//! failed.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::door::Door;
use super::payload::payload;
use crate::chat::ChatError;
use crate::contract::{CHAT_ERROR, ChatErrorEvent, ClientEvent, Failed, Refusal, Succeeded};
use crate::hub::{Ack, Socket};
use crate::model::ClientId;

/// The way back to the client that sent an event.
pub(super) struct Reply {
    door: Arc<Door>,
    /// `None` for an event that is none of the contract's.
    event: Option<ClientEvent>,
    way: Way,
}

enum Way {
    /// An ack was asked for.
    Ack(Ack),
    /// None was: only a failure is told, to this socket.
    Silent(Socket),
}

impl Reply {
    pub(super) fn new(
        door: &Arc<Door>,
        socket: &Socket,
        event: Option<ClientEvent>,
        ack: Option<Ack>,
    ) -> Self {
        Self {
            door: Arc::clone(door),
            event,
            way: ack.map_or_else(|| Way::Silent(socket.clone()), Way::Ack),
        }
    }

    pub(super) fn succeed<T: Serialize>(self, data: T) {
        if let Way::Ack(ack) = self.way {
            ack.send(&(Succeeded::new(data),));
        }
    }

    pub(super) fn fail(self, refusal: &Refusal, client_id: Option<&ClientId>) {
        self.door.count(refusal);
        match self.way {
            Way::Ack(ack) => ack.send(&(Failed::new(refusal),)),
            Way::Silent(socket) => {
                let error = ChatErrorEvent {
                    event: self.event.map_or("", ClientEvent::name),
                    refusal,
                    client_id,
                };
                socket.emit(CHAT_ERROR.name, &(error,));
            }
        }
    }

    /// Fails an event that has these arguments. Its `client_id` is read where it can be, whatever
    /// else is wrong, so that the sender finds the message that failed. An unknown event that asked
    /// for no ack is answered by nothing.
    pub(super) fn fail_event(self, refusal: &Refusal, args: &[&RawValue]) {
        if self.event.is_none() && matches!(self.way, Way::Silent(_)) {
            return;
        }
        let fields = payload(args).ok();
        let client_id = fields.and_then(|fields| fields.optional("client_id").ok().flatten());
        self.fail(refusal, client_id.as_ref());
    }

    /// Answers with the result of a verb.
    pub(super) fn answer<T, D: Serialize>(
        self,
        result: Result<T, ChatError>,
        data: impl FnOnce(&T) -> D,
    ) {
        match result {
            Ok(done) => self.succeed(data(&done)),
            Err(error) => self.fail(&Refusal::from(error), None),
        }
    }
}
