//! What a client heard, and waiting for it.

use std::sync::{Arc, Condvar, Mutex};

use rust_socketio::Payload;
use serde_json::Value;

use crate::DEADLINE;

type Heard = Vec<(String, Vec<Value>)>;

/// The events that a client's listeners were called with.
#[derive(Clone, Default)]
pub struct Inbox {
    shared: Arc<(Mutex<Heard>, Condvar)>,
}

impl Inbox {
    /// Takes what a listener was given.
    pub fn hear(&self, event: &str, payload: Payload) {
        let values = match payload {
            Payload::Text(values) => values,
            other => panic!("{event} came with {other:?}"),
        };
        let (heard, news) = &*self.shared;
        heard
            .lock()
            .expect("no listener failed")
            .push((event.to_owned(), values));
        news.notify_all();
    }

    /// Waits for the next event of this name, and takes it out.
    pub fn next(&self, event: &str) -> Vec<Value> {
        let (heard, news) = &*self.shared;
        let heard = heard.lock().expect("no listener failed");
        let absent = |heard: &mut Heard| !heard.iter().any(|(name, _)| name == event);
        let (mut heard, waited) = news
            .wait_timeout_while(heard, DEADLINE, absent)
            .expect("no listener failed");
        assert!(
            !waited.timed_out(),
            "waited in vain for {event}; heard {heard:?}"
        );
        let at = heard
            .iter()
            .position(|(name, _)| name == event)
            .expect("it was waited for");
        heard.remove(at).1
    }
}
