//! Where the result of an event goes: the ack where one was asked for, else a `chat_error` where it failed.

use serde::Serialize;
use serde_json::value::RawValue;

use super::payload::payload;
use crate::chat::ChatError;
use crate::contract::{CHAT_ERROR, ChatErrorEvent, ClientEvent, Failed, Refusal, Succeeded};
use crate::hub::{Ack, Socket};
use crate::metrics::METRICS;
use crate::model::ClientId;

/// The way back to the client that sent an event.
pub(super) struct Reply {
    socket: Socket,
    /// `None` for an event that is none of the contract's.
    event: Option<ClientEvent>,
    ack: Option<Ack>,
}

impl Reply {
    pub(super) fn new(socket: &Socket, event: Option<ClientEvent>, ack: Option<Ack>) -> Self {
        Self {
            socket: socket.clone(),
            event,
            ack,
        }
    }

    pub(super) fn succeed<T: Serialize>(self, data: T) {
        if let Some(ack) = self.ack {
            ack.send(&(Succeeded::new(data),));
        }
    }

    pub(super) fn fail(self, refusal: &Refusal, client_id: Option<&ClientId>) {
        METRICS.events.refused(refusal.code.as_str());
        match self.ack {
            Some(ack) => ack.send(&(Failed::new(refusal),)),
            None => {
                let error = ChatErrorEvent {
                    event: self.event.map_or("", ClientEvent::name),
                    refusal,
                    client_id,
                };
                self.socket.emit(CHAT_ERROR.name, &(error,));
            }
        }
    }

    /// Fails an event that has these arguments. Its `client_id` is read where it can be, whatever else is wrong, so that
    /// the sender finds the message that failed. An unknown event that asked for no ack is answered by nothing.
    pub(super) fn fail_event(self, refusal: &Refusal, args: &[&RawValue]) {
        if self.event.is_none() && self.ack.is_none() {
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
