//! Tells a service manager that the server works: not that the process is there, but that the
//! runtime runs its tasks and the store's writer takes its turns. A writer that hangs, in the disk
//! or because its answers are not taken, is told of by silence.

use tokio::time::MissedTickBehavior;

use crate::config::Watchdog;
use crate::store::Store;

/// Feeds it for as long as the writer has taken a turn since the time before. Never ends.
pub(super) async fn run(watchdog: Option<Watchdog>, store: Store) {
    let Some(watchdog) = watchdog else { return };
    let mut times = tokio::time::interval(watchdog.interval);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = None;
    loop {
        times.tick().await;
        let turns = store.pulse();
        if before.replace(turns) == Some(turns) {
            tracing::warn!("the writer has not moved; the watchdog is not fed");
        } else {
            (watchdog.feed)();
        }
    }
}
