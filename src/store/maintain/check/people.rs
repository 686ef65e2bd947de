//! Accounts, their passwords and keys, and who shares a conversation.

use std::collections::HashMap;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable};
use rustc_hash::FxHashSet;

use super::report::Report;
use crate::model::{Pair, UserId, Username};
use crate::store::disk::schema;
use crate::store::error::StoreError;
use crate::store::people::api_keys::{self, KeyHolder};
use crate::store::people::hooks::row::{self as hooks, HookRow};
use crate::store::people::{codes, reports, sessions, subscriptions, users};
use crate::store::sealed::{unseal, unseal_under};
use crate::store::state::State;
use crate::store::tables::{
    CODES, CONVERSATIONS, CREDENTIALS, HOOKS, KEYS, PUSH_SUBSCRIPTIONS, REPORTS, SESSIONS, USERS,
};
use crate::store::talk::conversation::Conversation;

/// Checks accounts and their passwords. Returns their ids.
pub(super) fn check_accounts(
    txn: &ReadTransaction,
    report: &mut Report,
) -> Result<FxHashSet<UserId>, StoreError> {
    let mut ids = FxHashSet::default();
    let (mut names, mut subjects) = (HashMap::new(), HashMap::new());
    for row in txn.open_table(USERS)?.iter()? {
        let (key, value) = row?;
        // Its record may be damaged, but it is there.
        ids.extend(UserId::new(key.value()));
        let Ok(user) = users::decode(key.value(), value.value(), |_| Ok(true)) else {
            report.damaged("users", key.value());
            continue;
        };
        if let Some(subject) = &user.subject
            && let Some(other) = subjects.insert(Arc::clone(subject), user.id)
        {
            report.add(
                "users",
                user.id,
                format!("has the same issuer and subject as account {other}"),
            );
        }
        // Earlier versions took names that are the same today: no damage, and usable.
        let letters = Username::letters_of(user.username.as_str());
        if let Some(other) = names.insert(letters, user.id) {
            report.add(
                "users",
                user.id,
                format!("has the same name as account {other}"),
            );
        }
    }
    for row in txn.open_table(CREDENTIALS)?.iter()? {
        let (key, value) = row?;
        let hash = unseal("credentials", key.value(), value.value());
        if !hash.is_ok_and(|hash| std::str::from_utf8(hash).is_ok()) {
            report.damaged("credentials", key.value());
        }
        if !UserId::new(key.value()).is_ok_and(|id| ids.contains(&id)) {
            report.add("credentials", key.value(), "no account has this id");
        }
    }
    Ok(ids)
}

/// Checks the keys of bots and backends.
pub(super) fn check_keys(
    txn: &ReadTransaction,
    accounts: &FxHashSet<UserId>,
    report: &mut Report,
) -> Result<(), StoreError> {
    for row in txn.open_table(KEYS)?.iter()? {
        let (number, value) = row?;
        let number = number.value();
        match api_keys::decode(number, value.value()).map(|key| key.holder) {
            Err(_) => report.damaged("keys", number),
            Ok(KeyHolder::Bot(bot)) if !accounts.contains(&bot) => {
                report.add("keys", number, format!("account {bot} is missing"));
            }
            Ok(KeyHolder::Bot(_) | KeyHolder::Backend { .. }) => {}
        }
    }
    Ok(())
}

/// Checks sessions, the codes of links, and reports.
pub(super) fn check_sign_ins(
    txn: &ReadTransaction,
    accounts: &FxHashSet<UserId>,
    report: &mut Report,
) -> Result<(), StoreError> {
    // One with a wrong checksum is found where all rows of such tables are.
    let is_whole = |key: (u64, u64), value: &[u8]| unseal_under(&[key.0, key.1], value).is_some();
    let place = |key: (u64, u64)| format!("{}, {}", key.0, key.1);
    for row in txn.open_table(SESSIONS)?.iter()? {
        let (key, value) = row?;
        let (key, value) = (key.value(), value.value());
        if is_whole(key, value) && sessions::decode(key, value).is_err() {
            report.damaged("sessions", place(key));
        }
    }
    for row in txn.open_table(CODES)?.iter()? {
        let (key, value) = row?;
        let (key, value) = (key.value(), value.value());
        if is_whole(key, value) && codes::decode(key, value).is_err() {
            report.damaged("codes", place(key));
        }
    }
    for row in txn.open_table(REPORTS)?.iter()? {
        let (number, value) = row?;
        let (number, value) = (number.value(), value.value());
        if unseal("reports", number, value).is_err() {
            continue;
        }
        let Ok(found) = reports::decode(number, value) else {
            report.damaged("reports", number);
            continue;
        };
        let people = found.map(|found| [found.by, found.about]).into_iter();
        let mut missing = people.flatten().filter(|user| !accounts.contains(user));
        if let Some(user) = missing.next() {
            report.add("reports", number, format!("account {user} is missing"));
        }
    }
    Ok(())
}

/// Checks the hooks. An incoming one without its bot is refused to all who write by it, so no hook
/// may outlive its bot.
pub(super) fn check_hooks(
    txn: &ReadTransaction,
    accounts: &FxHashSet<UserId>,
    report: &mut Report,
) -> Result<(), StoreError> {
    for row in txn.open_table(HOOKS)?.iter()? {
        let (number, value) = row?;
        let number = number.value();
        let account = match hooks::decode(number, value.value()) {
            Err(_) => {
                report.damaged("hooks", number);
                continue;
            }
            Ok(HookRow::Hook(hook)) => hook.incoming().map(|hook| hook.bot),
            Ok(HookRow::Account(event)) => Some(event.user),
        };
        if let Some(account) = account.filter(|account| !accounts.contains(account)) {
            report.add("hooks", number, format!("account {account} is missing"));
        }
    }
    Ok(())
}

/// Checks the browsers that are pushed to.
pub(super) fn check_subscriptions(
    txn: &ReadTransaction,
    accounts: &FxHashSet<UserId>,
    report: &mut Report,
) -> Result<(), StoreError> {
    let mut ids = FxHashSet::default();
    for row in txn.open_table(PUSH_SUBSCRIPTIONS)?.iter()? {
        let (key, value) = row?;
        let place = format!("{}, {}", key.value().0, key.value().1);
        let wrong = match subscriptions::decode(key.value(), value.value()) {
            Err(_) => {
                report.damaged("push_subscriptions", place);
                continue;
            }
            Ok(subscription) if !accounts.contains(&subscription.user) => {
                format!("account {} is missing", subscription.user)
            }
            Ok(subscription) if !ids.insert(subscription.id) => {
                "another one has the same endpoint".to_owned()
            }
            Ok(_) => continue,
        };
        report.add("push_subscriptions", place, wrong);
    }
    Ok(())
}

/// Checks who shares which conversation. Returns a state of these before their first message.
pub(super) fn conversations(
    txn: &ReadTransaction,
    accounts: &FxHashSet<UserId>,
    report: &mut Report,
) -> Result<State, StoreError> {
    let mut state = State::default();
    let mut pairs = FxHashSet::<Pair>::default();
    for row in txn.open_table(CONVERSATIONS)?.iter()? {
        let (key, value) = row?;
        let key = key.value();
        let decoded = schema::decode_conversation(key, value.value());
        let Ok(Some((_, pair))) = decoded else {
            report.damaged("conversations", key);
            // Those after it would be counted wrongly.
            break;
        };
        if key != state.conversation_count() + 1 {
            report.add(
                "conversations",
                state.conversation_count() + 1,
                format!("missing: the next one is {key}"),
            );
            break;
        }
        if !pairs.insert(pair) {
            report.add(
                "conversations",
                key,
                "an earlier one is of the same two people",
            );
        }
        for member in pair.members() {
            if !accounts.contains(&member) {
                report.add("conversations", key, format!("account {member} is missing"));
            }
        }
        state.put_conversation(Conversation::new(pair));
    }
    Ok(state)
}
