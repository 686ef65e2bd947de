//! Where changes come in: what the handles of a store share with its writer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::clock::Clock;
use super::erased::Erased;
use super::queue::Queue;
use crate::store::data::Data;

/// The queue of changes, and the data that they change.
pub(crate) struct Intake {
    pub(crate) data: Data,
    pub(crate) queue: Queue,
    /// The disk took the last transaction, and has room.
    pub(crate) writable: AtomicBool,
    /// How many rounds the writer has made.
    pub(crate) turns: AtomicU64,
    /// What was erased and may still lie in the file.
    pub(crate) erased: Mutex<Erased>,
    /// What time it is, as far as that can be believed.
    pub(crate) clock: Clock,
    /// The newest entry of the log, as of the last transaction: those who follow the log wait for
    /// another. It costs a transaction some 50 ns, and a send nothing.
    pub(crate) newest: watch::Sender<u64>,
}

impl Intake {
    /// Notes whether the disk takes transactions.
    pub(crate) fn set_writable(&self, writable: bool) {
        self.writable.store(writable, Ordering::Release);
    }

    /// Has the writer open the database anew, since a reader met an error of it.
    pub(crate) fn suspect(&self) {
        self.data.suspect.store(true, Ordering::Release);
        self.queue.poke();
    }
}
