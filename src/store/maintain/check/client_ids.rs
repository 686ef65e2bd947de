//! The blocks of client ids, and that each hint is of a message that has it.

use redb::{ReadTransaction, ReadableTable};
use rustc_hash::FxHashMap;

use super::report::Report;
use crate::model::{Act, EntryId, MessageId, Timestamp, UserId};
use crate::store::disk::schema;
use crate::store::error::StoreError;
use crate::store::log::blocks::Log;
use crate::store::log::chain::ReadLog;
use crate::store::state::State;
use crate::store::tables::{CLIENT_ID_KEY, CLIENT_IDS, META};
use crate::store::talk::client_ids::{
    CLIENT_ID_LIFETIME_MS, CLIENT_IDS_PER_SENDER, ClientIds, Hint, read_block,
};

/// What the blocks of a sender hold.
pub(super) struct Remembered {
    pub(super) newest: Option<MessageId>,
    /// The number of those that are not forgotten by their age.
    pub(super) count: usize,
}

/// The messages of one sender's blocks, as they are read.
struct OfSender {
    sender: UserId,
    newest: Option<MessageId>,
    /// Those that are not forgotten by their age. After a crash in a sweep, or by an earlier
    /// version, some are there twice.
    remembered: Vec<MessageId>,
}

impl OfSender {
    fn new(sender: UserId) -> Self {
        Self {
            sender,
            newest: None,
            remembered: Vec::new(),
        }
    }

    fn count_into(mut self, senders: &mut FxHashMap<UserId, Remembered>) {
        self.remembered.sort_unstable();
        self.remembered.dedup();
        let remembered = Remembered {
            newest: self.newest,
            count: self.remembered.len(),
        };
        senders.insert(self.sender, remembered);
    }
}

/// What is known of client ids: their hash, up to which time they are forgotten, and each sender's.
pub(super) struct KnownClientIds {
    hasher: Option<ClientIds>,
    pub(super) forgotten_before: Timestamp,
    pub(super) senders: FxHashMap<UserId, Remembered>,
}

impl KnownClientIds {
    /// Returns what is known before any block, where the newest entry is of this time.
    fn at(txn: &ReadTransaction, newest: Timestamp) -> Result<Self, StoreError> {
        let meta = txn.open_table(META)?;
        let hasher = schema::sealed_meta(&meta, CLIENT_ID_KEY).ok();
        let forgotten_before = (newest.as_ms() + 1).saturating_sub(CLIENT_ID_LIFETIME_MS);
        Ok(Self {
            hasher: hasher.map(|key| ClientIds::new(key, usize::MAX)),
            forgotten_before: Timestamp::from_ms(forgotten_before),
            senders: FxHashMap::default(),
        })
    }
}

/// Checks every block of client ids, and that each hint is of a message that has it.
pub(super) fn check_client_ids(
    txn: &ReadTransaction,
    log: &Log,
    state: &State,
    report: &mut Report,
) -> Result<KnownClientIds, StoreError> {
    let newest = match log.last() {
        Ok(last) => EntryId::new(last).ok(),
        Err(StoreError::Damaged { .. }) => None,
        Err(error) => return Err(error),
    };
    let newest_at = newest.and_then(|last| log.read(last, |record| record.at).ok());
    let known = KnownClientIds::at(txn, newest_at.unwrap_or_default())?;
    let mut checking = Checking {
        log,
        state,
        newest,
        known,
        report,
    };
    let mut reading: Option<OfSender> = None;
    for row in txn.open_table(CLIENT_IDS)?.iter()? {
        let (key, value) = row?;
        let (sender, first) = key.value();
        let place = format!("({sender}, {first})");
        let block = read_block(first, value.value());
        let (Ok(sender), Ok((_, hints))) = (UserId::new(sender), block) else {
            checking.report.damaged("client_ids", place);
            continue;
        };
        let begins = hints
            .first()
            .is_some_and(|(_, message)| message.get() == first);
        // Earlier versions put a block of as many as are remembered under the first of those that
        // were pending.
        if !begins && hints.len() < CLIENT_IDS_PER_SENDER {
            let wrong = "does not begin with its first message";
            checking.report.add("client_ids", &place, wrong);
        }
        if let Some(before) = reading.take_if(|before| before.sender != sender) {
            before.count_into(&mut checking.known.senders);
        }
        let of_sender = reading.get_or_insert_with(|| OfSender::new(sender));
        for hint in hints {
            checking.check_hint(&place, hint, of_sender)?;
        }
    }
    if let Some(last) = reading {
        last.count_into(&mut checking.known.senders);
    }
    Ok(checking.known)
}

/// The checking of one hint after the other.
struct Checking<'a> {
    log: &'a Log,
    state: &'a State,
    /// The newest entry of the log, where that is known.
    newest: Option<EntryId>,
    known: KnownClientIds,
    report: &'a mut Report,
}

impl Checking<'_> {
    /// Checks a hint of the block at this place, and counts it for its sender.
    fn check_hint(
        &mut self,
        place: &str,
        (hash, message): Hint,
        of_sender: &mut OfSender,
    ) -> Result<(), StoreError> {
        if self
            .newest
            .is_some_and(|newest| EntryId::from(message) > newest)
        {
            // The log ended later once.
            self.report.damaged("log", message);
            return Ok(());
        }
        let (state, known) = (self.state, &self.known);
        let right = self.log.read_message(message, |record| {
            let author = state.author_of(record);
            if record.at >= known.forgotten_before {
                of_sender.remembered.push(message);
            }
            let is_its = match &record.act {
                // It was forgotten before the message was erased.
                Act::Erased {
                    client_id: None, ..
                } => true,
                Act::Sent { client_id, .. } | Act::Erased { client_id, .. } => {
                    let hashed = client_id.as_ref().zip(known.hasher.as_ref());
                    hashed.is_some_and(|(id, hasher)| hasher.hash(id) == hash)
                }
                _ => false,
            };
            author == Some(of_sender.sender) && is_its
        });
        let wrong = match right {
            Ok(true) => None,
            Ok(false) => Some("has not the client id that it stands for"),
            Err(StoreError::Damaged { .. }) => Some("is missing or damaged"),
            Err(error) => return Err(error),
        };
        if let Some(wrong) = wrong {
            let wrong = format!("message {message} {wrong}");
            self.report.add("client_ids", place, wrong);
        }
        of_sender.newest = of_sender.newest.max(Some(message));
        Ok(())
    }
}
