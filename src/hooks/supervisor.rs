//! One follower of the log for each outgoing hook that is to tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::board::Board;
use super::follower::Follower;
use crate::chat::Chat;
use crate::metrics::HookMetrics;
use crate::model::{CursorKeys, Timestamp};
use crate::outgoing::Outbound;
use crate::store::{HookId, Store};

/// What all hooks share.
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) chat: Chat,
    pub(super) outbound: Outbound,
    pub(super) cursor_keys: CursorKeys,
    /// Messages between two people are told of.
    pub(super) direct: bool,
    pub(super) clock: fn() -> Timestamp,
    /// So long after it failed for the first time an event is tried again.
    pub(super) retry: Duration,
    pub(super) metrics: HookMetrics,
    pub(super) board: Board,
    /// Counts what administrators change.
    pub(super) changed: watch::Sender<u64>,
}

/// Has all outgoing hooks tell. Never ends.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut changed = shared.changed.subscribe();
    // Each with the turn of its position.
    let mut followers: BTreeMap<HookId, (u64, AbortOnDropHandle<()>)> = BTreeMap::new();
    loop {
        changed.borrow_and_update();
        let known_from = shared.store.tokens_from();
        let hooks = shared.store.hooks();
        let telling: BTreeMap<_, _> = hooks
            .iter()
            .filter_map(|hook| Some((hook, hook.outgoing()?)))
            .filter(|(hook, out)| out.progress.paused.is_none() && !hook.is_unconfirmed(known_from))
            .map(|(hook, out)| (hook.id, (out.turn, hook)))
            .collect();
        followers.retain(|id, (turn, _)| telling.get(id).is_some_and(|(now, _)| now == turn));
        shared.board.keep(|id| telling.contains_key(&id));
        for (id, (turn, hook)) in telling {
            if followers.contains_key(&id) {
                continue;
            }
            if let Some(follower) = Follower::new(Arc::clone(&shared), Arc::clone(hook)) {
                let task = AbortOnDropHandle::new(tokio::spawn(follower.run()));
                followers.insert(id, (turn, task));
            }
        }
        if changed.changed().await.is_err() {
            return;
        }
    }
}
