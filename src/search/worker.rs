//! The threads of the search: one makes the index, another looks up in it.

use std::io;
use std::sync::mpsc;
use std::thread;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// What is to be done on the thread.
type Work = Box<dyn FnOnce() + Send>;

/// How far it stands back behind the threads that take and tell messages, where the processors have
/// more to do than they can: about a tenth of what it would get else.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// A thread of its own, since its priority cannot be given back. Begun when first needed, ends with
/// this; a panic ends it too, and the next work begins another.
#[derive(Default)]
pub(super) struct Worker {
    queue: Mutex<Option<mpsc::Sender<Work>>>,
}

impl Worker {
    /// Does something on the thread, after what was handed in before; `None` where that panics.
    ///
    /// Fails where the system gives no thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        what: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let (done, waiting) = oneshot::channel();
        self.hand_in(Box::new(move || drop(done.send(what()))))?;
        Ok(waiting.await.ok())
    }

    fn hand_in(&self, work: Work) -> io::Result<()> {
        let mut queue = self.queue.lock();
        let work = match &*queue {
            Some(sender) => match sender.send(work) {
                Ok(()) => return Ok(()),
                Err(mpsc::SendError(work)) => work,
            },
            None => work,
        };
        let (sender, works) = mpsc::channel();
        let thread = thread::Builder::new().name("chatd-search".into());
        thread.spawn(move || work_off(&works))?;
        // Its other end is held by the thread.
        let _ = sender.send(work);
        *queue = Some(sender);
        Ok(())
    }
}

#[cfg(test)]
impl Worker {
    /// Returns whether anything was ever done on the thread.
    pub(super) fn has_begun(&self) -> bool {
        self.queue.lock().is_some()
    }
}

fn work_off(works: &mpsc::Receiver<Work>) {
    // Of this thread alone, on Linux. Where it may not, it goes on as it is.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICENESS);
    while let Ok(work) = works.recv() {
        work();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_panics_is_known_and_the_next_work_is_done() {
        let worker = Worker::default();
        assert_eq!(worker.run(|| 1).await.unwrap(), Some(1));
        assert_eq!(
            worker.run(|| -> u8 { panic!("as meant") }).await.unwrap(),
            None
        );
        // The thread may be about to end: what is handed in then is not done, and that is known.
        while worker.run(|| 2).await.unwrap().is_none() {}
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn it_stands_back_behind_the_others() {
        let own = || rustix::process::getpriority_process(None).unwrap();
        let before = own();
        let worker = Worker::default();
        let of_worker = worker.run(own).await.unwrap().unwrap();
        assert_eq!(of_worker, (before + NICENESS).min(19));
        assert_eq!(own(), before);
    }
}
