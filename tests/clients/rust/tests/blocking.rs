//! The stock Rust client, the kind that runs in threads.

use std::sync::mpsc;

use chatd_rust_client_tests::{
    Client, DEADLINE, Listener, Person, RETRY, hears_every_event, loses_nothing,
};
use rust_socketio::{ClientBuilder, Event, Payload, TransportType};
use serde_json::Value;

struct Blocking(rust_socketio::client::Client);

impl Client for Blocking {
    fn ask(&self, event: &str, payload: Value) -> Option<Value> {
        let (answer, answers) = mpsc::channel();
        let answered = move |payload, _| drop(answer.send(payload));
        self.0
            .emit_with_ack(event, payload, DEADLINE, answered)
            .ok()?;
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

impl Drop for Blocking {
    fn drop(&mut self) {
        let _ = self.0.disconnect();
    }
}

fn connect(
    transport: TransportType,
) -> impl Fn(&str, &Person, Vec<(Event, Listener)>) -> Box<dyn Client> {
    move |url, person, listeners| {
        let mut builder = ClientBuilder::new(url)
            .transport_type(transport.clone())
            .auth(person.auth())
            .reconnect_delay(20, 100);
        for (event, listener) in listeners {
            builder = builder.on(event, move |payload, _| listener(payload));
        }
        Box::new(Blocking(builder.connect().expect("a connection")))
    }
}

#[test]
fn hears_every_event_by_polling_and_an_upgrade() {
    hears_every_event(&connect(TransportType::Any));
}

#[test]
fn hears_every_event_by_websocket_alone() {
    hears_every_event(&connect(TransportType::Websocket));
}

#[test]
fn hears_every_event_by_polling_alone() {
    hears_every_event(&connect(TransportType::Polling));
}

#[test]
fn loses_nothing_over_drops_and_kills_by_polling_and_an_upgrade() {
    loses_nothing(&connect(TransportType::Any));
}

#[test]
fn loses_nothing_over_drops_and_kills_by_websocket_alone() {
    loses_nothing(&connect(TransportType::Websocket));
}

#[test]
fn loses_nothing_over_drops_and_kills_by_polling_alone() {
    loses_nothing(&connect(TransportType::Polling));
}
