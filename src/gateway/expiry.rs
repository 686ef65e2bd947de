//! Which socket's token ends next: one list and one timer for all, 24 bytes a socket.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::hub::{Socket, SocketKey};
use crate::model::Timestamp;
use crate::verbs::Clock;

/// 30 s: how late an expiry may be noticed after somebody set the machine's clock forward.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// The sockets by the time their tokens end. A socket that is due is nudged, and judged by its handler.
#[derive(Default)]
pub struct Expiry {
    due: Mutex<BTreeMap<(Timestamp, SocketKey), Socket>>,
    /// Told when one comes that is due before all others.
    earlier: Notify,
}

impl Expiry {
    /// Nudges the socket at that time, unless it is forgotten before.
    pub(super) fn watch(&self, at: Timestamp, socket: &Socket) {
        let mut due = self.due.lock();
        let key = (at, socket.key());
        due.insert(key, socket.clone());
        let first = due
            .first_key_value()
            .is_some_and(|(first, _)| *first == key);
        drop(due);
        if first {
            self.earlier.notify_one();
        }
    }

    /// The socket is gone.
    pub(super) fn forget(&self, at: Timestamp, socket: &Socket) {
        self.due.lock().remove(&(at, socket.key()));
    }

    /// Nudges those that are due at `now`, and says how long nothing else is.
    fn turn(&self, now: Timestamp) -> Duration {
        let mut all = self.due.lock();
        let later = all.split_off(&(now.plus(Duration::from_millis(1)), 0));
        let due = std::mem::replace(&mut *all, later);
        let next = all.first_key_value().map(|((at, _), _)| *at);
        drop(all);
        for socket in due.values() {
            socket.nudge();
        }
        let wait = next.map_or(LONGEST_SLEEP, |at| {
            Duration::from_millis(at.as_ms().saturating_sub(now.as_ms()))
        });
        wait.min(LONGEST_SLEEP)
    }

    /// Nudges whoever is due, when they are. To be run beside the gateway; never ends.
    pub async fn run(&self, clock: Clock) {
        loop {
            let earlier = self.earlier.notified();
            let wait = self.turn(clock());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = earlier => {}
            }
        }
    }
}
