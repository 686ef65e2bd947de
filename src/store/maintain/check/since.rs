//! What messages became since they were sent, as they say it themselves, and as the entries say
//! that changed them.

use rustc_hash::FxHashMap;

use super::report::Report;
use crate::model::{Act, EntryId, MessageId, Stream};
use crate::store::log::record::Record;
use crate::store::talk::message_changes::Since;

/// Of each message that was changed what it says, and what it is to say.
#[derive(Debug, Default)]
pub(super) struct Changed(FxHashMap<MessageId, (Since, Since)>);

impl Changed {
    /// Takes in an entry, in the order of the log.
    pub(super) fn take(&mut self, id: EntryId, record: &Record<&str>) {
        match &record.act {
            Act::Sent {
                extras: Some(extras),
                ..
            } if extras.edited_at.is_some() || !extras.reactions.is_empty() => {
                let shared = extras.to_shared();
                self.of(id.into()).0 = Since {
                    edited_at: shared.edited_at,
                    reactions: shared.reactions,
                    is_erased: false,
                };
            }
            Act::Erased { .. } => self.of(id.into()).0.is_erased = true,
            Act::MessageChanged { message, change } => {
                let place = match record.stream {
                    Stream::Pair(_) => Some(record.place()),
                    Stream::Room(_) | Stream::Own(_) => None,
                };
                self.of(*message).1.take(change, place, record.at);
            }
            Act::ErasedMany(erasure) => {
                for message in &erasure.messages {
                    self.of(message.id).1 = Since::erased();
                }
            }
            _ => {}
        }
    }

    fn of(&mut self, message: MessageId) -> &mut (Since, Since) {
        self.0.entry(message).or_default()
    }

    /// Reports each message that is not what the entries made it.
    pub(super) fn compare(self, report: &mut Report) {
        let mut wrong: Vec<_> = self.0.into_iter().collect();
        wrong.retain(|(_, (found, right))| found != right);
        wrong.sort_unstable_by_key(|(message, _)| *message);
        for (message, (found, right)) in wrong {
            let what = if found.is_erased != right.is_erased {
                "is erased and no entry did it, or the other way round"
            } else if found.edited_at != right.edited_at {
                "was not edited last when it says so"
            } else {
                "has not the reactions that were put on it"
            };
            report.add("log", message, what);
        }
    }
}
