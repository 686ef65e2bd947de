//! One writer of an upload at a time. Who comes later is who is right: a client that lost its
//! connection comes back by another, while the server may still wait for the first.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, watch};

use crate::model::FileId;

/// The uploads that somebody is busy with.
#[derive(Default)]
pub(super) struct Sessions {
    by_id: Mutex<HashMap<FileId, Weak<Session>>>,
}

struct Session {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Counts those who came.
    came: watch::Sender<u64>,
}

/// The right to an upload, until somebody else comes.
pub(super) struct Turn {
    session: Arc<Session>,
    number: u64,
    _guard: OwnedMutexGuard<()>,
}

impl Sessions {
    /// Returns the right to an upload, once whoever has it has let go of it.
    pub(super) async fn turn(&self, id: FileId) -> Turn {
        let session = {
            let mut by_id = self.by_id.lock();
            by_id.retain(|_, session| session.strong_count() > 0);
            let known = by_id.get(&id).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let session = Arc::new(Session {
                    turn: Arc::default(),
                    came: watch::Sender::new(0),
                });
                by_id.insert(id, Arc::downgrade(&session));
                session
            })
        };
        let mut number = 0;
        session.came.send_modify(|came| {
            *came += 1;
            number = *came;
        });
        let guard = Arc::clone(&session.turn).lock_owned().await;
        Turn {
            session,
            number,
            _guard: guard,
        }
    }
}

impl Turn {
    /// Completes once somebody else wants the upload.
    pub(super) async fn is_wanted(&self) {
        let mut came = self.session.came.subscribe();
        // The sender is here, so this ends by a number alone.
        let _ = came.wait_for(|came| *came > self.number).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_comes_later_gets_the_upload_once_the_first_lets_go() {
        let sessions = Arc::new(Sessions::default());
        let id = FileId::new(7);
        let first = sessions.turn(id).await;
        let other = sessions.turn(FileId::new(8)).await;
        let later = tokio::spawn({
            let sessions = Arc::clone(&sessions);
            async move { drop(sessions.turn(id).await) }
        });
        first.is_wanted().await;
        assert!(!later.is_finished());
        drop(first);
        later.await.unwrap();
        drop(other);
        drop(sessions.turn(id).await);
        assert_eq!(sessions.by_id.lock().len(), 1, "what is over is forgotten");
    }
}
