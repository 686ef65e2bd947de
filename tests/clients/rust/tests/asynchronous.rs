//! The stock Rust client, the kind that runs on tokio.

use std::sync::mpsc;

use chatd_rust_client_tests::{
    Client, DEADLINE, Listener, Person, RETRY, hears_every_event, loses_nothing,
};
use futures_util::FutureExt;
use rust_socketio::asynchronous::{self, ClientBuilder};
use rust_socketio::{Event, Payload, TransportType};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;

struct Asynchronous<'a> {
    runtime: &'a Runtime,
    client: asynchronous::Client,
}

impl Client for Asynchronous<'_> {
    fn ask(&self, event: &str, payload: Value) -> Option<Value> {
        let (answer, answers) = mpsc::sync_channel(1);
        let answered = move |payload, _| {
            let _ = answer.try_send(payload);
            async {}.boxed()
        };
        let emitted = self
            .client
            .emit_with_ack(event, payload, DEADLINE, answered);
        self.runtime.block_on(emitted).ok()?;
        // Here an ack's arguments are a list.
        match answers.recv_timeout(RETRY).ok()? {
            Payload::Text(values) => match &values[..] {
                [Value::Array(args)] if args.len() == 1 => Some(args[0].clone()),
                other => panic!("{event} was answered with {other:?}"),
            },
            other => panic!("{event} was answered with {other:?}"),
        }
    }
}

impl Drop for Asynchronous<'_> {
    fn drop(&mut self) {
        let _ = self.runtime.block_on(self.client.disconnect());
    }
}

#[expect(
    clippy::needless_lifetimes,
    reason = "without a name it would be that of what the returned function is given"
)]
fn connect<'a>(
    runtime: &'a Runtime,
    transport: TransportType,
) -> impl Fn(&str, &Person, Vec<(Event, Listener)>) -> Box<dyn Client + 'a> {
    move |url, person, listeners| {
        let mut builder = ClientBuilder::new(url)
            .transport_type(transport.clone())
            .auth(person.auth())
            .reconnect_delay(20, 100);
        for (event, listener) in listeners {
            builder = builder.on(event, move |payload, _| {
                let listener = listener.clone();
                // What the listener asks for by REST would block the runtime.
                async move {
                    spawn_blocking(move || listener(payload))
                        .await
                        .expect("no panic")
                }
                .boxed()
            });
        }
        let client = runtime.block_on(builder.connect()).expect("a connection");
        Box::new(Asynchronous { runtime, client })
    }
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

#[test]
fn hears_every_event_by_polling_and_an_upgrade() {
    hears_every_event(&connect(&runtime(), TransportType::Any));
}

#[test]
fn hears_every_event_by_websocket_alone() {
    hears_every_event(&connect(&runtime(), TransportType::Websocket));
}

#[test]
fn hears_every_event_by_polling_alone() {
    hears_every_event(&connect(&runtime(), TransportType::Polling));
}

#[test]
fn loses_nothing_over_drops_and_kills_by_polling_and_an_upgrade() {
    loses_nothing(&connect(&runtime(), TransportType::Any));
}

#[test]
fn loses_nothing_over_drops_and_kills_by_websocket_alone() {
    loses_nothing(&connect(&runtime(), TransportType::Websocket));
}

#[test]
fn loses_nothing_over_drops_and_kills_by_polling_alone() {
    loses_nothing(&connect(&runtime(), TransportType::Polling));
}
