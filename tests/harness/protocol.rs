//! What the two official protocol suites expect: an echo of raw messages, and two namespaces that
//! echo events.

use std::sync::Arc;
use std::time::Duration;

use chatd::hub::{
    ConnectRequest, Connecting, DisconnectReason, Event, Handler, Io, Namespace, Socket,
    SocketHandler,
};
use chatd::socketio::MAX_ATTACHMENTS;
use chatd::transport::{Acceptor, CloseReason, Connection, Engine, Frame, Handshake, Receiver};
use serde_json::value::RawValue;

use super::fixture::{Fixture, engine_config, hub};

pub(crate) fn fixture() -> Fixture {
    fixture_that_waits(200)
}

/// The same, with another ping timeout in milliseconds. A client that is waited for so long may
/// take as long to join a namespace: the suites' pings alone take 900 ms of the second that they
/// give it.
pub(crate) fn fixture_that_waits(ping_timeout: u64) -> Fixture {
    let config = engine_config(300, ping_timeout);
    let namespaces =
        ["/", "/custom"].map(|name| (Namespace::new(name), Arc::new(Greeter) as Arc<dyn Handler>));
    let connect_timeout = Duration::from_millis(ping_timeout.max(1_000));
    let io = Io::new(hub(connect_timeout), namespaces.into());
    Fixture {
        port: 3000,
        engines: vec![
            ("/engine.io/", Engine::new(config.clone(), Arc::new(Echo))),
            ("/socket.io/", Engine::new(config, Arc::new(io.clone()))),
        ],
        hubs: vec![io],
        handshake_delay: Duration::ZERO,
    }
}

/// Sends every message back.
pub(crate) struct Echo;

impl Acceptor for Echo {
    fn open(&self, _: &Handshake<'_>, connection: Connection) -> Arc<dyn Receiver> {
        Arc::new(EchoOf(connection))
    }
}

struct EchoOf(Connection);

impl Receiver for EchoOf {
    fn message(&self, text: &str) -> Result<(), CloseReason> {
        self.0
            .send(Frame::message(|out| out.extend_from_slice(text.as_bytes())));
        Ok(())
    }

    fn binary(&self, bytes: &[u8]) -> Result<(), CloseReason> {
        self.0.send(Frame::binary(bytes));
        Ok(())
    }

    fn closed(&self, _: CloseReason) {}
}

/// Tells everybody who joins what they joined with, and echoes their events.
struct Greeter;

impl Handler for Greeter {
    fn max_attachments(&self) -> usize {
        MAX_ATTACHMENTS
    }

    fn connect(&self, socket: &Socket, request: ConnectRequest<'_>) -> Connecting {
        let auth = request.auth.map_or_else(
            || RawValue::from_string("{}".into()),
            |auth| Ok(auth.to_owned()),
        );
        let auth = auth.expect("{} is valid JSON");
        // Decided later, as by a server that asks a database: the suites must pass either way.
        let socket = socket.clone();
        Connecting::Later(Box::pin(async move {
            Ok(Box::new(Greeted { socket, auth }) as Box<dyn SocketHandler>)
        }))
    }
}

struct Greeted {
    socket: Socket,
    auth: Box<RawValue>,
}

impl SocketHandler for Greeted {
    fn connected(&mut self) {
        self.socket.emit("auth", &(&*self.auth,));
    }

    fn event(&mut self, event: Event<'_>) {
        match (event.name, event.ack) {
            ("message", _) => {
                self.socket
                    .emit_binary("message-back", event.args, event.attachments)
            }
            ("message-with-ack", Some(ack)) => ack.send_binary(event.args, event.attachments),
            _ => {}
        }
    }

    fn disconnected(&mut self, _: DisconnectReason) {}
}
