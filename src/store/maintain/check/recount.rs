//! A recount: a state that is replayed from the whole log, each entry of which is held against it.

use rustc_hash::{FxHashMap, FxHashSet};

use super::client_ids::KnownClientIds;
use super::files::NamedFiles;
use super::judge::judge;
use super::report::Report;
use super::rooms::{judge_change, judge_reply, judge_room};
use super::since::Changed;
use crate::model::{Act, ConversationId, EntryId, MessageId, Stream, Timestamp, UserId};
use crate::store::error::StoreError;
use crate::store::log::blocks::{self, Log};
use crate::store::log::record::Record;
use crate::store::maintain::{Progress, Unit, Watch};
use crate::store::state::State;
use crate::store::talk::client_ids::CLIENT_IDS_PER_SENDER;

/// 8,192 records are read between two looks at how far it is.
const TOLD_EVERY: u64 = 8_192;

/// A walk over the whole log, with a state that follows it.
pub(super) struct Recount<'a> {
    log: &'a Log,
    pub(super) state: State,
    /// Conversations in which something was found: what comes after it would be found wrong as
    /// well.
    pub(super) broken: FxHashSet<ConversationId>,
    /// Other streams, likewise.
    pub(super) broken_streams: FxHashSet<Stream>,
    client_ids: KnownClientIds,
    /// The number of each sender's client ids that must be in blocks.
    expected_client_ids: FxHashMap<UserId, usize>,
    swept: u64,
    /// The times of the log go back somewhere.
    steps_back: bool,
    /// What became of messages that were changed.
    changed: Changed,
    /// The messages of rooms of which is known who reacted to them.
    pub(super) reacted_to: FxHashSet<MessageId>,
    /// Up to this entry no message is to be there.
    pub(super) retained: u64,
    /// The files that messages name.
    pub(super) files: NamedFiles,
    report: &'a mut Report,
}

impl<'a> Recount<'a> {
    /// Begins with a state before any message; up to the entry `swept` the derived rows are to say
    /// everything.
    pub(super) fn begin(
        log: &'a Log,
        state: State,
        client_ids: KnownClientIds,
        swept: u64,
        report: &'a mut Report,
    ) -> Self {
        Self {
            log,
            state,
            broken: FxHashSet::default(),
            broken_streams: FxHashSet::default(),
            client_ids,
            expected_client_ids: FxHashMap::default(),
            swept,
            steps_back: false,
            changed: Changed::default(),
            reacted_to: FxHashSet::default(),
            retained: 0,
            files: NamedFiles::default(),
            report,
        }
    }

    /// Goes through the log.
    pub(super) fn replay(&mut self, watch: Watch<'_>) -> Result<(), StoreError> {
        // Not known of a damaged one.
        let total = self.log.last().unwrap_or(0);
        let mut next = 1;
        let mut last_at = Timestamp::default();
        let mut walk = self.log.walk(next)?;
        while let Some(row) = walk.next() {
            let (key, value) = match row {
                Ok(row) => row,
                Err(StoreError::Damaged { key, .. }) => {
                    self.report.damaged("log", key);
                    next = next.max(key.saturating_add(1));
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.note_missing(next, key);
            next = next.max(key + 1);
            if key % TOLD_EVERY == 0 {
                watch(Progress {
                    what: "recounting messages",
                    done: key,
                    total,
                    unit: Unit::Records,
                });
            }
            let Ok((id, record)) = blocks::decode(key, value) else {
                self.report.damaged("log", key);
                continue;
            };
            self.report.counts.entries += 1;
            self.files.take(id, &record, self.report);
            self.judge_place(key, &record, last_at);
            last_at = record.at;
            let Some(conversation) = record.stream.pair() else {
                self.take_of_room(id, &record)?;
                continue;
            };
            let Some(known) = self.state.conversation(conversation) else {
                let wrong = format!("conversation {conversation} is missing");
                self.report.add("log", key, wrong);
                continue;
            };
            if !self.broken.contains(&conversation)
                && let Err(wrong) = judge(self.log, (conversation, known), &record)?
            {
                self.report.add("log", key, wrong);
                self.broken.insert(conversation);
            }
            self.count_client_id(id, &record);
            self.changed.take(id, &record);
            self.state.apply(id, &record);
        }
        // A change of what is missing is found where that is.
        if self.broken.is_empty() && self.broken_streams.is_empty() && self.report.is_sound() {
            std::mem::take(&mut self.changed).compare(self.report);
        }
        Ok(())
    }

    /// Notes that the entries from `next` up to the one before `key` are not there.
    fn note_missing(&mut self, next: u64, key: u64) {
        match key.saturating_sub(next) {
            0 => {}
            1 => self.report.add("log", next, "missing"),
            _ => self
                .report
                .add("log", next, format!("missing, as are all before {key}")),
        }
    }

    /// Holds an entry against retention, and its time against that of the entry before it.
    fn judge_place(&mut self, key: u64, record: &Record<&str>, last_at: Timestamp) {
        if key <= self.retained && matches!(record.act, Act::Sent { .. }) {
            self.report.add(
                "log",
                key,
                "is there, and retention has erased all up to later ones",
            );
        }
        if !record.at.may_follow(last_at) {
            self.report
                .add("log", key, "is earlier than the entry before it");
        }
        // What a clock of the future had forgotten is not asked for.
        self.steps_back |= record.at < last_at;
    }

    /// Takes in an entry of a room, or of a person's own.
    fn take_of_room(&mut self, id: EntryId, record: &Record<&str>) -> Result<(), StoreError> {
        if !self.broken_streams.contains(&record.stream) {
            let wrong = match judge_room(&self.state.rooms, record) {
                Some(wrong) => Some(wrong),
                None => judge_change(self.log, record)?,
            };
            let wrong = match wrong {
                Some(wrong) => Some(wrong),
                None => judge_reply(&self.state.rooms, self.log, id, record)?,
            };
            if let Some(wrong) = wrong {
                self.report.add("log", id.get(), wrong);
                self.broken_streams.insert(record.stream);
            }
        }
        if let Act::Sent {
            extras: Some(extras),
            ..
        } = &record.act
            && !extras.reactions.is_empty()
            && !self.reacted_to.contains(&id.into())
        {
            self.report.add(
                "reactions",
                id.get(),
                "who reacted to the message is missing",
            );
        }
        self.count_client_id(id, record);
        self.changed.take(id, record);
        if self.state.apply(id, record).is_none() {
            self.broken_streams.insert(record.stream);
        }
        Ok(())
    }

    /// Counts a message whose client id must be in a block.
    fn count_client_id(&mut self, id: EntryId, record: &Record<&str>) {
        let (Act::Sent {
            client_id: Some(_), ..
        }
        | Act::Erased {
            client_id: Some(_), ..
        }) = &record.act
        else {
            return;
        };
        let Some(sender) = self.state.author_of(record) else {
            return;
        };
        let newest = self
            .client_ids
            .senders
            .get(&sender)
            .and_then(|remembered| remembered.newest);
        let written = id.get() <= self.swept || newest.map(EntryId::from) >= Some(id);
        if written && record.at >= self.client_ids.forgotten_before {
            *self.expected_client_ids.entry(sender).or_default() += 1;
        }
    }

    /// Checks that each sender's newest client ids are in their blocks, as many as are remembered.
    pub(super) fn client_ids_are_there(&mut self) {
        if self.steps_back {
            return;
        }
        let mut missing: Vec<_> = self
            .expected_client_ids
            .iter()
            .map(|(sender, expected)| {
                let there = self.client_ids.senders.get(sender);
                let there = there.map_or(0, |remembered| remembered.count);
                (
                    *sender,
                    (*expected).min(CLIENT_IDS_PER_SENDER).saturating_sub(there),
                )
            })
            .filter(|(_, missing)| *missing > 0)
            .collect();
        missing.sort_unstable();
        for (sender, missing) in missing {
            self.report.add(
                "client_ids",
                sender,
                format!("{missing} of this sender's client ids are missing"),
            );
        }
    }
}
