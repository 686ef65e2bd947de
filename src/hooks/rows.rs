//! An outgoing hook, as administrators see it.

use super::{HookStatus, Hooks};
use crate::contract::rows::{Faring, HookOutRow};
use crate::model::{Cursor, SealedCursor};
use crate::outgoing::Target;
use crate::store::Hook;

impl Hooks {
    /// Returns how an outgoing hook is shown; `None` for an incoming one.
    pub(crate) fn row(&self, hook: &Hook) -> Option<HookOutRow> {
        let out = hook.outgoing()?;
        let HookStatus {
            state,
            progress,
            is_unconfirmed,
        } = self.status(hook)?;
        let cursor =
            |entry: u64| -> SealedCursor { Cursor::through(entry).seal(&self.shared.cursor_keys) };
        let target: Option<Target> = out.url.0.parse().ok();
        let origin = target.map(|target| target.to_string());
        let newest = self.shared.store.last_entry();
        let faring = Faring {
            state,
            progress: &progress,
            is_unconfirmed,
            cursor: cursor(progress.entry),
            set_aside_from: progress.set_aside_from.map(cursor),
            behind: newest.saturating_sub(progress.entry),
        };
        Some(HookOutRow::new(
            hook,
            out,
            origin.unwrap_or_default(),
            &faring,
        ))
    }
}
