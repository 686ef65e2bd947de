//! An event of a socket, described beside the code that decodes or encodes it.

use schemars::JsonSchema;

use super::schemas::{SchemaOf, schema_of};
use crate::contract::Code;

/// One event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    /// Its name on the wire.
    pub(crate) name: &'static str,
    pub(super) about: &'static str,
    pub(super) payload: SchemaOf,
    pub(super) has_cursor: bool,
    /// The first version of a socket that hears it.
    pub(super) version: u8,
    /// The `data` of an ack of success; only events from clients have one.
    pub(super) ack: Option<SchemaOf>,
    pub(super) codes: &'static [Code],
    /// The payload, and the `data` of the ack, where a room is named in place of a person.
    pub(super) in_room: Option<(SchemaOf, SchemaOf)>,
}

impl Event {
    /// An event that a client sends with this payload: it is acked with this `data`, or refused
    /// with one of these codes, besides those that any event may meet. `about` is a sentence on its
    /// effect.
    pub(crate) const fn from_client<P: JsonSchema, A: JsonSchema>(
        name: &'static str,
        about: &'static str,
        codes: &'static [Code],
    ) -> Self {
        Self {
            name,
            about,
            payload: schema_of::<P>,
            has_cursor: false,
            version: 1,
            ack: Some(schema_of::<A>),
            codes,
            in_room: None,
        }
    }

    /// The same, which a socket of version 2 may also send with this payload, to be acked with this
    /// `data`.
    pub(crate) const fn or_in_room<P: JsonSchema, A: JsonSchema>(mut self) -> Self {
        self.in_room = Some((schema_of::<P>, schema_of::<A>));
        self
    }

    /// An event that the server sends with this payload. `about` says to whom it goes.
    pub(crate) const fn to_client<P: JsonSchema>(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            payload: schema_of::<P>,
            has_cursor: false,
            version: 1,
            ack: None,
            codes: &[],
            in_room: None,
        }
    }

    /// The same, to sockets of version 2 alone.
    pub(crate) const fn of_second(mut self) -> Self {
        self.version = 2;
        self
    }

    /// The same, ended by its cursor as a second argument.
    pub(crate) const fn durable<P: JsonSchema>(name: &'static str, about: &'static str) -> Self {
        let mut event = Self::to_client::<P>(name, about);
        event.has_cursor = true;
        event
    }
}

/// The packets by which a socket connects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connecting {
    pub(super) auth: SchemaOf,
    pub(super) connected: SchemaOf,
    pub(super) refused: SchemaOf,
}

impl Connecting {
    /// Describes the payloads of a CONNECT, of its answer and of a CONNECT_ERROR.
    pub(crate) const fn new<A: JsonSchema, C: JsonSchema, R: JsonSchema>() -> Self {
        Self {
            auth: schema_of::<A>,
            connected: schema_of::<C>,
            refused: schema_of::<R>,
        }
    }
}

/// Every event of a socket.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    /// The packets by which it connects.
    pub(crate) connecting: Connecting,
    /// The events that clients send.
    pub(crate) from_clients: Vec<Event>,
    /// The events that clients hear.
    pub(crate) to_clients: Vec<Event>,
}
