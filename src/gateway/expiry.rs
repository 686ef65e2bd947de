//! Which socket's token ends next: one list and one timer for all, 24 bytes a socket.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::hub::{Socket, SocketKey};
use crate::model::Timestamp;
use crate::verbs::Clock;

/// 30 s: how late an expiry may be noticed after the machine's clock was set forward.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// The sockets by the time their tokens end. The handler of one that is due checks its token again.
#[derive(Default)]
pub struct Expiry {
    due: Mutex<BTreeMap<(Timestamp, SocketKey), Socket>>,
    /// Told when one comes that is due before all others.
    earlier: Notify,
}

impl Expiry {
    /// Has the token of this socket checked at that time, unless it is forgotten before.
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

    /// Forgets a socket that is gone, or is due at another time.
    pub(super) fn forget(&self, at: Timestamp, socket: &Socket) {
        self.due.lock().remove(&(at, socket.key()));
    }

    /// Has those checked that are due at `now`, and returns how long nothing else is.
    fn run_due(&self, now: Timestamp) -> Duration {
        let mut all = self.due.lock();
        let later = all.split_off(&(now.plus(Duration::from_millis(1)), 0));
        let due = std::mem::replace(&mut *all, later);
        let next = all.first_key_value().map(|((at, _), _)| *at);
        drop(all);
        for socket in due.values() {
            socket.revalidate();
        }
        let wait = next.map_or(LONGEST_SLEEP, |at| {
            Duration::from_millis(at.as_ms().saturating_sub(now.as_ms()))
        });
        wait.min(LONGEST_SLEEP)
    }

    /// Has each checked when it is due. To be run beside the gateway; never ends.
    pub async fn run(&self, clock: Clock) {
        loop {
            let earlier = self.earlier.notified();
            let wait = self.run_due(clock());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = earlier => {}
            }
        }
    }
}
