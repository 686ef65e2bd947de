//! Has what was erased leave the data file in time: the file is rewritten once the oldest of it is
//! half as old as it may get. So a rewrite that fails, or that waits for room on the disk, has as
//! long again to be tried, and no two come closer to each other than that half.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::chat::Chat;
use crate::model::Timestamp;
use crate::store::Store;
use crate::store::maintain::MaintainError;

/// 10 minutes: how often is looked whether it is time, where there is long enough for it.
const LOOKED_EVERY: Duration = Duration::from_secs(10 * 60);
/// 1 hour: how long after one that failed it is tried again, likewise.
const TRIED_EVERY: Duration = Duration::from_secs(60 * 60);

/// Rewrites the file of this store whenever that is due. Never ends.
pub(super) async fn run(store: Store, within: Duration, now: fn() -> Timestamp) {
    let half = within / 2;
    let mut looks = interval(LOOKED_EVERY.min(half / 4));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<Instant> = None;
    loop {
        looks.tick().await;
        let oldest = store.erased_since();
        // A clock that was far ahead when something was erased is followed back.
        let age = oldest.map(|at| at.as_ms().abs_diff(now().as_ms()));
        let is_old = age.is_some_and(|age| u128::from(age) >= half.as_millis());
        if !is_old || last.is_some_and(|last| last.elapsed() < half) {
            continue;
        }
        if is_rewritten(&store).await {
            last = Some(Instant::now());
        } else {
            sleep(TRIED_EVERY.min(half / 4)).await;
        }
    }
}

/// 1 s: how often is looked whether somebody has left whose messages are to go too.
const LEAVERS_LOOKED_EVERY: Duration = Duration::from_secs(1);

/// Erases what people said who left with all of it, and what was said in rooms that all left, at
/// once and again after a restart. Never ends.
pub(super) async fn erase_leavers(chat: Chat, now: fn() -> Timestamp) {
    let mut looks = interval(LEAVERS_LOOKED_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        for user in chat.leavers_to_erase() {
            if let Err(error) = chat.erase_sent_by(user, now).await {
                tracing::warn!(%error, %user, "what a deleted account said is not all erased yet");
                sleep(LEAVERS_LOOKED_EVERY * 10).await;
            }
        }
        for room in chat.rooms_to_erase() {
            if let Err(error) = chat.erase_said_in(room, now).await {
                tracing::warn!(%error, %room, "what was said in an erased room is not all gone yet");
                sleep(LEAVERS_LOOKED_EVERY * 10).await;
            }
        }
    }
}

/// Rewrites the file, and says how that went.
async fn is_rewritten(store: &Store) -> bool {
    match store.rewrite().await {
        Ok(compacted) => {
            tracing::info!(
                before_mb = compacted.before >> 20,
                after_mb = compacted.after >> 20,
                "the data file was rewritten: what was erased is gone from it"
            );
            true
        }
        Err(error @ MaintainError::NoRoom) => {
            tracing::warn!(
                "{error}: what was erased stays in free pages of the data file until the disk has room for the file once more"
            );
            false
        }
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the data file could not be rewritten; what was erased stays in free pages of it"
            );
            false
        }
    }
}
