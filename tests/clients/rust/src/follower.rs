//! What an app makes of the events of the stock Rust client, so that it misses none.
//!
//! The client keeps neither `pid` nor offset over a reconnect. It does hand the cursor, a further
//! argument of each durable event, to the listener as one more value, and with the newest one an
//! app asks by REST for what it missed each time that it is connected.

use std::sync::{Arc, Condvar, Mutex};

use rust_socketio::Payload;
use serde_json::Value;

use crate::{DEADLINE, Person};

/// The messages that a person received, in the order in which the app learned of them.
#[derive(Clone)]
pub struct Follower {
    person: Person,
    shared: Arc<(Mutex<State>, Condvar)>,
}

struct State {
    cursor: String,
    ids: Vec<u64>,
    caught_up: usize,
    connections: usize,
}

impl Follower {
    /// Begins with the present cursor.
    pub fn new(person: &Person) -> Self {
        let cursor = cursor_of(&person.get("/api/chats/updates"));
        let state = State {
            cursor,
            ids: Vec::new(),
            caught_up: 0,
            connections: 0,
        };
        Self {
            person: person.clone(),
            shared: Arc::new((Mutex::new(state), Condvar::new())),
        }
    }

    /// The listener of `receive_message`.
    pub fn receive(&self, payload: Payload) {
        let Payload::Text(values) = payload else {
            panic!("not text: {payload:?}")
        };
        let [message, Value::String(cursor)] = &values[..] else {
            panic!("not a message and its cursor: {values:?}")
        };
        let mut state = self.shared.0.lock().expect("no listener failed");
        state.take(message);
        state.cursor.clone_from(cursor);
        self.shared.1.notify_all();
    }

    /// The listener of `connect`: asks for what was missed. A server that fails meanwhile ends this
    /// connection too, and the next one asks again.
    pub fn connected(&self) {
        let mut state = self.shared.0.lock().expect("no listener failed");
        loop {
            let path = format!("/api/chats/updates?since={}", state.cursor);
            let Some(page) = self.person.try_get(&path) else {
                return;
            };
            for update in page["data"].as_array().expect("updates") {
                if update["event"] == "receive_message" {
                    state.caught_up += usize::from(state.take(&update["data"]));
                }
            }
            state.cursor = cursor_of(&page);
            if page["meta"]["has_more"] != true {
                break;
            }
        }
        state.connections += 1;
        self.shared.1.notify_all();
    }

    /// Waits until the app has caught up upon its n-th connection.
    pub fn has_connected(&self, times: usize) {
        self.wait(|state| state.connections >= times, "a connection");
    }

    /// Waits until so many messages have come, and returns their ids, and how many of them were
    /// missed by the socket and found by REST.
    pub fn has_received(&self, count: usize) -> (Vec<u64>, usize) {
        self.wait(|state| state.ids.len() >= count, "messages")
    }

    fn wait(&self, done: impl Fn(&State) -> bool, what: &str) -> (Vec<u64>, usize) {
        let (state, news) = &*self.shared;
        let state = state.lock().expect("no listener failed");
        let (state, waited) = news
            .wait_timeout_while(state, DEADLINE, |state| !done(state))
            .expect("no listener failed");
        assert!(
            !waited.timed_out(),
            "waited in vain for {what}; received {:?}",
            state.ids
        );
        (state.ids.clone(), state.caught_up)
    }
}

impl State {
    /// Takes a message, unless it is known already.
    fn take(&mut self, message: &Value) -> bool {
        let id = message["id"].as_u64().expect("a message with an id");
        let new = !self.ids.contains(&id);
        if new {
            self.ids.push(id);
        }
        new
    }
}

fn cursor_of(page: &Value) -> String {
    let cursor = page["meta"]["cursor"].as_str();
    cursor
        .unwrap_or_else(|| panic!("no cursor in {page}"))
        .to_owned()
}
