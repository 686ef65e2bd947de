//! Has the store learn which sessions were used, and forget what is over: sessions, links and
//! reports.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::accounts::Accounts;
use crate::model::Timestamp;

/// 1 minute: how late the store learns that a session was used. Those of that time are written
/// together.
const KEPT_EVERY: Duration = Duration::from_secs(60);
/// So many times rarer, once an hour, is looked for what is over.
const SWEPT_AFTER: u32 = 60;

/// Never ends.
pub(super) async fn run(accounts: Accounts, now: fn() -> Timestamp) {
    let mut rounds = interval(KEPT_EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for round in (0..SWEPT_AFTER).cycle() {
        rounds.tick().await;
        accounts.keep_uses(now()).await;
        if round == 0 {
            accounts.sweep(now()).await;
        }
    }
}
