//! Marks that wait for their time, stored when it has come.

use crate::chat::Chat;
use crate::verbs::Clock;

/// Stores what waits as its time comes. To be run beside the gateway; never ends.
pub async fn pace_marks(chat: Chat, clock: Clock) {
    loop {
        let marked = chat.marked();
        let now = clock();
        match chat.store_marks(now) {
            None => marked.await,
            Some(next) => tokio::time::sleep(now.until(next)).await,
        }
    }
}
