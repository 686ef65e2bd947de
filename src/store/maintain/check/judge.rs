//! One entry, held against what its conversation decides.

use crate::model::{Act, ConversationId, EntryId, MessageId};
use crate::store::error::StoreError;
use crate::store::log::blocks::Log;
use crate::store::log::record::Record;
use crate::store::talk::conversation::{Conversation, Decision, Refusal};

/// Holds an entry against what its conversation decides upon the same act. The inner error says
/// what is wrong.
pub(super) fn judge(
    log: &Log,
    (id, conversation): (ConversationId, &Conversation),
    record: &Record<&str>,
) -> Result<Result<(), String>, StoreError> {
    let author = conversation.pair.members()[record.place()];
    let decided = conversation.decide(log, id, author, record.at, &record.act);
    let wrong = match decided {
        Ok(Decision::Append(right)) => match difference(record, &right) {
            None => return Ok(Ok(())),
            Some(wrong) => wrong,
        },
        Ok(Decision::Nothing(_)) => "marks what was read already".to_owned(),
        Err(Refusal::NoSuchMessage) => {
            "names a message that is none of its conversation".to_owned()
        }
        Err(Refusal::OwnMessage) => "marks a message of its own author".to_owned(),
        Err(Refusal::NotSender) => "changes a message of another author".to_owned(),
        // A link that leads nowhere is found where it stands.
        Err(Refusal::Log(StoreError::Damaged { .. })) => {
            "names messages that are not found".to_owned()
        }
        Err(Refusal::Log(error)) => return Err(error),
    };
    Ok(Err(wrong))
}

/// Returns in what an entry is not what it must be.
fn difference(found: &Record<&str>, right: &Record<&str>) -> Option<String> {
    let entry = |id: Option<EntryId>| id.map_or(0, EntryId::get);
    let message = |id: Option<MessageId>| entry(id.map(EntryId::from));
    let reach = |act: &Act<&str>| match act {
        Act::ReadUpTo { message, marked } => (message.get(), marked.count),
        _ => (0, 0),
    };
    let ((found_reach, found_count), (reach, count)) = (reach(&found.act), reach(&right.act));
    let (found_links, links) = (&found.links, &right.links);
    let numbers = [
        (
            "points back to entry",
            entry(found.previous),
            entry(right.previous),
        ),
        (
            "points back to message",
            message(found_links.previous),
            message(links.previous),
        ),
        (
            "jumps back to message",
            message(found_links.jump),
            message(links.jump),
        ),
        ("is message number", found_links.number, links.number),
        ("is of its sender's message number", found.rank, right.rank),
        ("marks up to message", found_reach, reach),
        ("marks so many messages:", found_count, count),
    ];
    let wrong = numbers.iter().find(|(_, found, right)| found != right);
    let wrong = wrong.map(|(what, found, right)| format!("{what} {found}, it must be {right}"));
    wrong.or_else(|| (found != right).then(|| "names other messages than it marks".to_owned()))
}
