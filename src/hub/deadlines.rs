//! Sessions that are to be looked at after a time that is the same for all of them.

use std::collections::VecDeque;
use std::sync::Weak;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::client::Client;

/// With so many, those who are gone are taken out: each holds the memory of its session until then.
const FEW: usize = 1_024;

/// Sessions by when they are due: with one timeout for all, the order in which they came.
pub(super) struct Deadlines {
    timeout: Duration,
    list: Mutex<List>,
    added: Notify,
}

struct List {
    due: VecDeque<(Instant, Weak<Client>)>,
    /// With how many those who are gone are taken out next.
    cleaned_at: usize,
}

impl List {
    fn add(&mut self, due: Instant, client: Weak<Client>) {
        if self.due.len() >= self.cleaned_at {
            self.due.retain(|(_, client)| client.strong_count() > 0);
            // Twice as many as are there, so that each that comes pays for one.
            self.cleaned_at = (2 * self.due.len()).max(FEW);
        }
        self.due.push_back((due, client));
    }

    /// Takes out the first, if it is due: one that was may be gone.
    fn pop_due(&mut self, now: Instant) -> Option<Weak<Client>> {
        let (due, _) = self.due.front()?;
        if *due > now {
            return None;
        }
        self.due.pop_front().map(|(_, client)| client)
    }
}

impl Deadlines {
    /// Returns an empty list of sessions that are due this long after they are added.
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            list: Mutex::new(List {
                due: VecDeque::new(),
                cleaned_at: FEW,
            }),
            added: Notify::new(),
        }
    }

    /// Adds a session.
    pub(super) fn add(&self, client: Weak<Client>) {
        let mut list = self.list.lock();
        let first = list.due.is_empty();
        list.add(Instant::now() + self.timeout, client);
        drop(list);
        if first {
            self.added.notify_one();
        }
    }

    /// Looks at each session when it is due. Never ends.
    pub(super) async fn run(&self, look: impl Fn(&Client)) {
        loop {
            let added = self.added.notified();
            let next = self.list.lock().due.front().map(|(due, _)| *due);
            let Some(due) = next else {
                added.await;
                continue;
            };
            tokio::time::sleep_until(due.into()).await;
            let first = self.list.lock().pop_due(Instant::now());
            if let Some(client) = first.and_then(|client| client.upgrade()) {
                look(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sessions that were opened and closed in turn were kept until they were due.
    #[test]
    fn sessions_that_are_gone_are_not_kept_until_they_are_due() {
        let deadlines = Deadlines::new(Duration::from_secs(45));
        for _ in 0..100_000 {
            deadlines.add(Weak::new());
        }
        assert!(deadlines.list.lock().due.len() <= FEW);
    }
}
