//! Every hook, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::hook::{AccountEvent, Hook, HookId};
use super::row::HookRow;

/// Every hook, and what of accounts is still to be told.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(super) by_id: BTreeMap<HookId, Arc<Hook>>,
    pub(super) accounts: BTreeMap<u64, AccountEvent>,
    /// The greatest number that a row has or had, as far as is known.
    pub(super) greatest: u64,
}

/// A row of this number is so now, or is gone.
pub(crate) type HookChange = (u64, Option<HookRow>);

impl Hooks {
    pub(crate) fn get(&self, id: HookId) -> Option<&Arc<Hook>> {
        self.by_id.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Hook>> {
        self.by_id.values()
    }

    /// What of accounts is to be told behind a row's number, in order.
    pub(crate) fn accounts_after(&self, number: u64) -> impl Iterator<Item = AccountEvent> {
        let later = self.accounts.range(number.saturating_add(1)..);
        later.map(|(_, event)| *event)
    }

    /// Takes over a row.
    pub(crate) fn put(&mut self, number: u64, row: HookRow) {
        self.greatest = self.greatest.max(number);
        match row {
            HookRow::Hook(hook) => {
                // The number of a row that was told of is not given again: a hook that stands
                // behind it would take the new one for told.
                let told = hook.outgoing().map_or(0, |out| out.progress.account);
                self.greatest = self.greatest.max(told);
                self.by_id.insert(hook.id, hook);
            }
            HookRow::Account(event) => drop(self.accounts.insert(number, event)),
        }
    }

    /// Takes over what a transaction changed.
    pub(crate) fn publish(&mut self, changes: Vec<HookChange>) {
        for (number, row) in changes {
            match row {
                Some(row) => self.put(number, row),
                None => {
                    self.by_id.remove(&HookId(number));
                    self.accounts.remove(&number);
                }
            }
        }
    }
}
