//! How the outgoing hooks fare at the moment: further on than what is on disk, by a second at most.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::model::{HookState, Timestamp};
use crate::store::{Hook, HookId, HookOut, HookProgress};

/// How an outgoing hook fares.
#[derive(Debug, Clone)]
pub struct HookStatus {
    /// Whether it tells.
    pub state: HookState,
    /// How far it has come, and how that went.
    pub progress: HookProgress,
    /// A restore brought it back, and it rests until it is confirmed.
    pub is_unconfirmed: bool,
}

impl HookStatus {
    /// Returns how a hook fares that has come so far.
    pub(super) fn new(hook: &Hook, progress: HookProgress, known_from: Option<Timestamp>) -> Self {
        let is_unconfirmed = hook.is_unconfirmed(known_from);
        let rests = is_unconfirmed || progress.paused.is_some();
        let state = match (rests, progress.failing_since_ms) {
            (true, _) => HookState::Paused,
            (false, Some(_)) => HookState::Failing,
            (false, None) => HookState::Active,
        };
        Self {
            state,
            progress,
            is_unconfirmed,
        }
    }
}

struct Note {
    turn: u64,
    progress: HookProgress,
    is_saved: bool,
}

/// The progress of each hook that is told by.
#[derive(Default)]
pub(super) struct Board(Mutex<BTreeMap<HookId, Note>>);

impl Board {
    /// Notes how far a hook has come in this turn of its position.
    pub(super) fn put(&self, id: HookId, turn: u64, progress: HookProgress, is_saved: bool) {
        let note = Note {
            turn,
            progress,
            is_saved,
        };
        self.0.lock().insert(id, note);
    }

    /// Returns how far a hook has come: as noted in this turn, else as the store has it.
    pub(super) fn progress(&self, id: HookId, out: &HookOut) -> HookProgress {
        let notes = self.0.lock();
        let noted = notes.get(&id).filter(|note| note.turn == out.turn);
        noted.map_or_else(|| out.progress.clone(), |note| note.progress.clone())
    }

    /// Takes what is not on disk yet, of one hook or of all.
    pub(super) fn take_unsaved(&self, of: Option<HookId>) -> Vec<(HookId, u64, HookProgress)> {
        let mut notes = self.0.lock();
        let wanted = notes
            .iter_mut()
            .filter(|(id, note)| !note.is_saved && of.is_none_or(|of| of == **id));
        wanted
            .map(|(id, note)| {
                note.is_saved = true;
                (*id, note.turn, note.progress.clone())
            })
            .collect()
    }

    /// Forgets the hooks that are no more.
    pub(super) fn keep(&self, is_there: impl Fn(HookId) -> bool) {
        self.0.lock().retain(|id, _| is_there(*id));
    }
}
