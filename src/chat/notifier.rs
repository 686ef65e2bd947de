//! The way out of the store: each change is announced once it is on disk, in commit order.

use tokio::sync::mpsc;

use super::{Behind, Chat};
use crate::store::Done;

/// After so many answers the notifier lets other tasks run.
const ANSWERS_A_TURN: usize = 256;
/// After so many it tells a part of what is on its way to crowds, and at the end of a batch. A
/// crowd that is to hear several of them hears them together.
const ANSWERS_A_PART: usize = 16;
/// 1 MiB: so it does once so many bytes more wait to be sent, lest a burst fill the outboxes of
/// clients that read at full speed before their tasks have run.
const BYTES_A_TURN: usize = 1 << 20;
/// So many turns of the other tasks are waited for, at most, until a part of a crowd has been told:
/// some of it may not read.
const TURNS_A_PART: usize = 4;

impl Chat {
    /// Announces and answers what the writer commits, until the store is closed. This is the one
    /// place by which changes leave the store. `waiting` returns how many bytes wait to be sent to
    /// clients.
    pub async fn run(
        self,
        mut batches: mpsc::Receiver<Vec<Done>>,
        waiting: impl Fn() -> usize + Send,
    ) {
        let mut before = waiting();
        let mut behind = Behind::No;
        loop {
            let batch = match behind {
                Behind::No => match batches.recv().await {
                    Some(batch) => batch,
                    None => return,
                },
                // Whatever there is, between two parts of what is left.
                Behind::ByOne | Behind::Somewhat => batches.try_recv().unwrap_or_default(),
                Behind::TooFar => Vec::new(),
            };
            for (number, done) in batch.into_iter().enumerate() {
                done.tell(|committed| self.announce(&committed));
                if number % ANSWERS_A_PART == ANSWERS_A_PART - 1 {
                    behind = self.listener.go_on();
                }
                while behind == Behind::TooFar {
                    tokio::task::yield_now().await;
                    behind = self.listener.go_on();
                }
                let is_enough = waiting() > before + BYTES_A_TURN;
                if is_enough || number % ANSWERS_A_TURN == ANSWERS_A_TURN - 1 {
                    tokio::task::yield_now().await;
                    before = waiting();
                }
            }
            let told_from = waiting();
            behind = self.listener.go_on();
            if behind != Behind::No {
                tokio::task::yield_now().await;
                // The next part once this one is written, so that whatever else happens meanwhile
                // waits for a part, and not for a crowd.
                let mut turns = 1;
                while behind == Behind::ByOne && waiting() > told_from && turns < TURNS_A_PART {
                    tokio::task::yield_now().await;
                    turns += 1;
                }
                before = waiting();
            }
        }
    }
}
