//! Files whose rows are gone, and whose bytes are to go.

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::model::FileId;

/// The files that nothing names any more, from the commit that took their rows until their bytes
/// are unlinked. What a stop leaves of it, the next start finds in the folder.
#[derive(Debug, Default)]
pub struct GoneFiles {
    list: Mutex<Vec<FileId>>,
    notify: Notify,
}

impl GoneFiles {
    /// Notes that a file's row is gone from the disk.
    pub(crate) fn add(&self, id: FileId) {
        self.list.lock().push(id);
        self.notify.notify_one();
    }

    /// Takes those that were noted since; waits until there is one.
    pub async fn take(&self) -> Vec<FileId> {
        loop {
            let list = std::mem::take(&mut *self.list.lock());
            if !list.is_empty() {
                return list;
            }
            self.notify.notified().await;
        }
    }
}
