//! What a start would know, held against the recount.

use rustc_hash::FxHashSet;

use super::report::Report;
use crate::model::{ConversationId, EntryId};
use crate::store::state::State;
use crate::store::write::sweep::row_of;

/// Holds what a start would know against what the log says.
pub(super) fn compare(
    known: &State,
    right: &State,
    broken: &FxHashSet<ConversationId>,
    last: Option<EntryId>,
    report: &mut Report,
) {
    if known.conversation_count() != right.conversation_count() {
        report.add(
            "conversation_states",
            "",
            format!(
                "{} conversations are derived, there are {}",
                known.conversation_count(),
                right.conversation_count()
            ),
        );
    }
    for number in 1..=known.conversation_count().min(right.conversation_count()) {
        let Ok(id) = ConversationId::new(number) else {
            break;
        };
        let (Some(known), Some(right)) = (known.conversation(id), right.conversation(id)) else {
            break;
        };
        if broken.contains(&id) {
            continue;
        }
        if known.last_entry > last {
            // The log ended later once.
            let newest = known.last_entry.map_or(0, EntryId::get);
            report.damaged("log", newest);
            continue;
        }
        let what = if known.pair != right.pair {
            "who is in it"
        } else if known.chain != right.chain {
            "its newest message"
        } else if known.last_entry != right.last_entry {
            "its newest entry"
        } else if known.sent_by_first != right.sent_by_first || known.read != right.read {
            "what its members sent or read"
        } else if known.erased != right.erased {
            "which messages were erased"
        } else {
            continue;
        };
        report.add(
            "conversation_states",
            row_of(id),
            format!("conversation {number} is not as the log says: {what}"),
        );
    }
}
