//! How hooks are made, changed and taken away, and what of accounts is kept for them.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::all::Hooks;
use super::hook::{AccountEvent, Hook, HookId, HookKind, HookOut, HookPause, HookProgress};
use super::refusal::HookRefusal;
use super::row::HookRow;
use crate::model::{HookEvent, Timestamp, User, UserId};
use crate::store::error::StoreError;
use crate::store::people::refusal::PeopleRefusal;
use crate::store::people::staging::StagingPeople;

/// 100 hooks each way.
const MAX_HOOKS: usize = 100;
/// 10,000 accounts that were made or deleted and are still to be told of. The oldest make room:
/// those hooks that have not told of them tell of a gap instead.
const MAX_ACCOUNT_EVENTS: usize = 10_000;

/// What is to become of a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookChangeTo {
    /// It rests, or goes on; and it counts again, if a restore brought it back.
    Paused(bool),
    /// It tells again what came after this entry of the log.
    ReplayAfter(u64),
}

/// What a transaction makes of the hooks.
#[derive(Default)]
pub(crate) struct StagedHooks {
    by_id: FxHashMap<HookId, Option<Arc<Hook>>>,
    made: u64,
    /// How many events of accounts it adds.
    accounts: usize,
    /// The events of accounts up to this number are gone.
    forgotten: u64,
}

impl StagingPeople<'_> {
    fn hook(&self, id: HookId) -> Option<&Arc<Hook>> {
        match self.staged.hooks.by_id.get(&id) {
            Some(staged) => staged.as_ref(),
            None => self.people.hooks.get(id),
        }
    }

    /// Every hook as it is to be.
    fn all_hooks(&self) -> impl Iterator<Item = &Arc<Hook>> {
        let staged = &self.staged.hooks.by_id;
        let kept = self.people.hooks.iter();
        let kept = kept.filter(move |hook| !staged.contains_key(&hook.id));
        kept.chain(staged.values().flatten())
    }

    fn next_hook_row(&mut self) -> u64 {
        self.staged.hooks.made += 1;
        self.people.hooks.greatest + self.staged.hooks.made
    }

    fn set_hook(&mut self, id: HookId, hook: Option<Arc<Hook>>) {
        self.staged.hooks.by_id.insert(id, hook.clone());
        let row = hook.map(HookRow::Hook);
        self.staged.rows.hooks.push((id.0, row));
    }

    /// Makes a hook. An outgoing one tells of what comes after `newest`, the log's newest entry.
    pub(crate) fn create_hook(
        &mut self,
        now: Timestamp,
        kind: &HookKind,
        newest: u64,
    ) -> Result<Arc<Hook>, StoreError> {
        let is_out = matches!(kind, HookKind::Out(_));
        let same_way = self.all_hooks();
        let same_way = same_way.filter(|hook| hook.outgoing().is_some() == is_out);
        if same_way.count() >= MAX_HOOKS {
            return Err(HookRefusal::TooManyHooks.into());
        }
        if let HookKind::In(hook) = kind
            && !self
                .user(hook.bot)
                .is_some_and(|user| user.is_bot && !user.deleted)
        {
            return Err(PeopleRefusal::NoSuchUser.into());
        }
        let id = HookId(self.next_hook_row());
        let mut kind = kind.clone();
        if let HookKind::Out(out) = &mut kind {
            out.progress.entry = newest;
            out.progress.account = id.0;
        }
        let hook = Arc::new(Hook {
            id,
            created_at: now,
            confirmed_at: now,
            kind,
        });
        self.set_hook(id, Some(Arc::clone(&hook)));
        Ok(hook)
    }

    /// Changes a hook. `known_from` is when a backup was last put to use as this file: one from
    /// before that counts again, and an outgoing one tells of a gap first, since what it told of
    /// may not be so any more.
    pub(crate) fn change_hook(
        &mut self,
        now: Timestamp,
        id: HookId,
        to: HookChangeTo,
        known_from: Option<Timestamp>,
    ) -> Result<Arc<Hook>, HookRefusal> {
        let earlier = self.hook(id).ok_or(HookRefusal::NoSuchHook)?;
        let mut hook = Hook::clone(earlier);
        let was_unconfirmed = hook.is_unconfirmed(known_from);
        if to == HookChangeTo::Paused(false) {
            hook.confirmed_at = hook.confirmed_at.max(now);
        }
        match (&mut hook.kind, to) {
            (HookKind::In(_), HookChangeTo::Paused(false)) => {}
            (HookKind::In(_), _) => return Err(HookRefusal::NoSuchHook),
            (HookKind::Out(out), to) => {
                out.turn += 1;
                let progress = &mut out.progress;
                match to {
                    HookChangeTo::Paused(true) => {
                        progress.paused = Some(HookPause::Administrator);
                    }
                    HookChangeTo::Paused(false) => {
                        (progress.paused, progress.failing_since_ms) = (None, None);
                        progress.gap |= was_unconfirmed;
                    }
                    HookChangeTo::ReplayAfter(entry) => {
                        (progress.entry, progress.gap) = (entry, false);
                        (progress.set_aside, progress.set_aside_from) = (0, None);
                    }
                }
            }
        }
        let hook = Arc::new(hook);
        self.set_hook(id, Some(Arc::clone(&hook)));
        Ok(hook)
    }

    /// Takes a hook away.
    pub(crate) fn delete_hook(&mut self, id: HookId) -> Result<(), HookRefusal> {
        self.hook(id).ok_or(HookRefusal::NoSuchHook)?;
        self.set_hook(id, None);
        self.forget_told_accounts();
        Ok(())
    }

    /// Takes away the incoming hooks that write as this bot.
    pub(crate) fn delete_hooks_of(&mut self, bot: UserId) {
        let of_bot = |hook: &&Arc<Hook>| hook.incoming().is_some_and(|hook| hook.bot == bot);
        let ids: Vec<_> = self
            .all_hooks()
            .filter(of_bot)
            .map(|hook| hook.id)
            .collect();
        for id in ids {
            self.set_hook(id, None);
        }
    }

    /// Notes how far outgoing hooks have come. Those that an administrator has put elsewhere
    /// meanwhile, or taken away, are passed over.
    pub(crate) fn hooks_moved(&mut self, moved: &[(HookId, u64, HookProgress)]) {
        let mut any = false;
        for (id, turn, progress) in moved {
            let Some(earlier) = self.hook(*id) else {
                continue;
            };
            let Some(out) = earlier.outgoing().filter(|out| out.turn == *turn) else {
                continue;
            };
            let mut progress = progress.clone();
            // What was given up meanwhile, before it was told, is a gap.
            if out.progress.account > progress.account {
                progress.account = out.progress.account;
                progress.gap |= out.progress.gap;
            }
            let out = HookOut {
                progress,
                ..out.clone()
            };
            let hook = Hook {
                kind: HookKind::Out(Box::new(out)),
                ..Hook::clone(earlier)
            };
            self.set_hook(*id, Some(Arc::new(hook)));
            any = true;
        }
        if any {
            self.forget_told_accounts();
        }
    }

    /// Takes away what of accounts all hooks have told.
    fn forget_told_accounts(&mut self) {
        if self.people.hooks.accounts.is_empty() {
            return;
        }
        let waiting = self.all_hooks();
        let waiting = waiting.filter_map(|hook| hook.outgoing().filter(|out| out.wants_accounts()));
        let told = waiting.map(|out| out.progress.account).min();
        self.forget_accounts(told.unwrap_or(u64::MAX));
    }

    fn forget_accounts(&mut self, through: u64) {
        let from = self.staged.hooks.forgotten.saturating_add(1);
        if through < from {
            return;
        }
        let rows = self.people.hooks.accounts.range(from..=through);
        let gone = rows.map(|(number, _)| (*number, None));
        self.staged.rows.hooks.extend(gone);
        self.staged.hooks.forgotten = through;
    }

    /// Keeps for the hooks that an account was made or deleted, where one is to tell of that.
    pub(crate) fn note_account(&mut self, before: Option<&User>, after: &User) {
        let (event, at) = match before {
            None => (HookEvent::UserCreated, Some(after.created_at)),
            Some(before) if after.deleted && !before.deleted => {
                (HookEvent::UserDeleted, after.revoked_at)
            }
            Some(_) => return,
        };
        let is_told = |out: &HookOut| out.rooms.is_empty() && out.wants(event);
        let mut hooks = self.all_hooks();
        if !hooks.any(|hook| hook.outgoing().is_some_and(is_told)) {
            return;
        }
        drop(hooks);
        self.make_room_for_account();
        let number = self.next_hook_row();
        self.staged.hooks.accounts += 1;
        let row = HookRow::Account(AccountEvent {
            number,
            event,
            user: after.id,
            at: at.unwrap_or(after.created_at),
        });
        self.staged.rows.hooks.push((number, Some(row)));
    }

    /// Gives up the oldest of what is kept of accounts where there is too much. A hook that has not
    /// told of it stands behind a gap.
    fn make_room_for_account(&mut self) {
        let Hooks { accounts, .. } = &self.people.hooks;
        let from = self.staged.hooks.forgotten.saturating_add(1);
        let kept = accounts.range(from..);
        let count = match self.staged.hooks.forgotten {
            0 => accounts.len(),
            _ => kept.clone().count(),
        };
        if count + self.staged.hooks.accounts < MAX_ACCOUNT_EVENTS {
            return;
        }
        let Some(oldest) = accounts.range(from..).next().map(|(number, _)| *number) else {
            return;
        };
        let behind = self.all_hooks().filter(|hook| {
            let out = hook.outgoing().filter(|out| out.wants_accounts());
            out.is_some_and(|out| out.progress.account < oldest)
        });
        for hook in behind.cloned().collect::<Vec<_>>() {
            let mut hook = Hook::clone(&hook);
            if let HookKind::Out(out) = &mut hook.kind {
                out.progress.gap = true;
                out.progress.account = oldest;
            }
            self.set_hook(hook.id, Some(Arc::new(hook)));
        }
        self.forget_accounts(oldest);
    }
}
