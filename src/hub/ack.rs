//! Acks that the server has asked a client for.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

/// How many acks one socket may owe: a client that answers none must not fill the memory.
const MAX_AWAITED: usize = 1_024;

/// The content of a client's ack.
#[derive(Debug)]
pub struct AckReply {
    /// Its arguments, raw.
    pub args: Vec<Box<RawValue>>,
    /// The attachments that its placeholders stand for.
    pub attachments: Vec<Bytes>,
}

/// Why no ack came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// The time given for it is over.
    #[error("the client did not answer in time")]
    Timeout,
    /// The socket is gone.
    #[error("the socket is gone")]
    Disconnected,
    /// The client owes too many already.
    #[error("the client owes {MAX_AWAITED} acks already")]
    TooMany,
    /// The arguments could not be encoded.
    #[error("the event could not be encoded")]
    Encode,
}

type Waiting = FxHashMap<u64, oneshot::Sender<AckReply>>;

/// The acks that one socket owes. Ids begin at 0 and grow.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    next: AtomicU64,
    /// Made with the first ack that is asked for: most sockets owe none, ever.
    waiting: Mutex<Option<Box<Waiting>>>,
}

impl Awaited {
    /// Returns a new ack id, and where its answer comes.
    pub(super) fn ask(&self) -> Result<(u64, oneshot::Receiver<AckReply>), AckError> {
        let mut waiting = self.waiting.lock();
        let waiting = waiting.get_or_insert_default();
        if waiting.len() >= MAX_AWAITED {
            return Err(AckError::TooMany);
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        waiting.insert(id, answer);
        Ok((id, answered))
    }

    /// Returns whether the client owes this one.
    pub(super) fn awaits(&self, id: u64) -> bool {
        let waiting = self.waiting.lock();
        waiting
            .as_ref()
            .is_some_and(|waiting| waiting.contains_key(&id))
    }

    /// Stops waiting for this one.
    pub(super) fn forget(&self, id: u64) {
        if let Some(waiting) = self.waiting.lock().as_mut() {
            waiting.remove(&id);
        }
    }

    /// Takes the client's answer. One that is not waited for is late, or made up, and ignored.
    pub(super) fn answer(&self, id: u64, reply: AckReply) {
        let waiting = self
            .waiting
            .lock()
            .as_mut()
            .and_then(|waiting| waiting.remove(&id));
        if let Some(waiting) = waiting {
            drop(waiting.send(reply));
        }
    }

    /// Tells all who wait that the socket is gone.
    pub(super) fn clear(&self) {
        *self.waiting.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> AckReply {
        AckReply {
            args: Vec::new(),
            attachments: Vec::new(),
        }
    }

    #[test]
    fn an_answer_reaches_its_asker_and_no_other() {
        let awaited = Awaited::default();
        let (first, mut to_first) = awaited.ask().unwrap();
        let (second, mut to_second) = awaited.ask().unwrap();
        assert_eq!((first, second), (0, 1));
        awaited.answer(second, reply());
        awaited.answer(second, reply());
        awaited.answer(99, reply());
        assert!(to_second.try_recv().is_ok());
        assert_eq!(
            to_first.try_recv().err(),
            Some(oneshot::error::TryRecvError::Empty)
        );
        awaited.clear();
        assert_eq!(
            to_first.try_recv().err(),
            Some(oneshot::error::TryRecvError::Closed)
        );
    }

    #[test]
    fn a_client_that_answers_nothing_is_asked_no_more() {
        let awaited = Awaited::default();
        let asked: Vec<_> = (0..MAX_AWAITED).map(|_| awaited.ask().unwrap()).collect();
        assert_eq!(awaited.ask().err(), Some(AckError::TooMany));
        awaited.forget(asked[0].0);
        assert!(awaited.ask().is_ok());
    }
}
