//! Reading everything in a data file, and saying what is wrong.
//!
//! Three readings: redb's pages with their checksums; every record of every table with its own; and a recount, in which
//! a state is replayed from the whole log and held against each link of the log itself and against what a start of the
//! server would know. In memory stand two such states, and never the log.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable};
use rustc_hash::{FxHashMap, FxHashSet};

use super::rows::{check_changes, check_unused};
use super::{Counts, MaintainError, Partial, Progress, Source, Unit, Watch};
use crate::model::{Act, ConversationId, EntryId, MessageId, Pair, Timestamp, UserId, Username};
use crate::store::disk::error::OpenError;
use crate::store::disk::guard::guarded;
use crate::store::disk::medium::{LockedFile, Medium};
use crate::store::disk::{eras, schema};
use crate::store::error::StoreError;
use crate::store::log::blocks::{self, Log};
use crate::store::log::chain::ReadLog;
use crate::store::log::record::Record;
use crate::store::options::StoreOptions;
use crate::store::people::{invites, users};
use crate::store::sealed::unseal;
use crate::store::state::State;
use crate::store::tables::{
    CLIENT_ID_KEY, CLIENT_IDS, CONVERSATIONS, CREDENTIALS, CURSOR_KEY, ERAS, INVITES, META, SWEPT,
    TOKENS_FROM, USERS,
};
use crate::store::talk::client_ids::{
    CLIENT_ID_LIFETIME_MS, CLIENT_IDS_PER_SENDER, ClientIds, read_block,
};
use crate::store::talk::conversation::{Conversation, Decision, Refusal};
use crate::store::write::load;
use crate::store::write::sweep::row_of;

/// So many findings are told one by one; the rest are counted.
const FINDINGS: usize = 100;
/// What a record is that is not as it was written.
const DAMAGED: &str = "missing, or its checksum is wrong";
/// How many records are read between two looks at how far it is.
const TOLD_EVERY: u64 = 8_192;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// In which table; `file` for what is in none.
    pub table: &'static str,
    /// Of which record; empty where it is of none.
    pub key: String,
    /// What.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "{}: {}", self.table, self.what),
            key => write!(f, "{} {key}: {}", self.table, self.what),
        }
    }
}

/// What a check came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How much there is.
    pub counts: Counts,
    /// What is wrong: the first 100.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub more: u64,
    /// How many of all of them are of what cannot be made anew from the log.
    lost: u64,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether nothing is wrong but what can be made anew from the log: a compaction, a backup or a restore does that.
    pub fn is_derivable(&self) -> bool {
        !self.is_sound() && self.lost == 0
    }

    /// Fails where it is not sound, or where it holds no data; `path` is whose it is.
    pub(super) fn must_be_whole(self, path: &Path) -> Result<Counts, MaintainError> {
        if let Some(first) = self.findings.first() {
            return Err(MaintainError::Damaged {
                path: path.to_owned(),
                findings: self.findings.len() as u64 + self.more,
                first: Box::new(first.clone()),
            });
        }
        if self.counts.is_empty() {
            return Err(MaintainError::Empty(path.to_owned()));
        }
        Ok(self.counts)
    }

    pub(super) fn add(
        &mut self,
        table: &'static str,
        key: impl fmt::Display,
        what: impl Into<String>,
    ) {
        self.lost += u64::from(!schema::is_derived(table));
        self.note(table, key, what);
    }

    /// A record of `meta` that can be made anew with what is derived.
    fn derivable(&mut self, name: &'static str) {
        self.note("meta", name, DAMAGED);
    }

    fn note(&mut self, table: &'static str, key: impl fmt::Display, what: impl Into<String>) {
        if self.findings.len() < FINDINGS {
            self.findings.push(Finding {
                table,
                key: key.to_string(),
                what: what.into(),
            });
        } else {
            self.more += 1;
        }
    }

    /// A record that is not as it was written.
    pub(super) fn damaged(&mut self, table: &'static str, key: impl fmt::Display) {
        self.add(table, key, DAMAGED);
    }

    /// What a reading of a table failed with, where that ends the reading.
    fn failed(&mut self, table: &'static str, error: &StoreError) {
        match error {
            StoreError::Damaged { table, key } => self.damaged(table, key),
            error => self.add(table, "", text(error)),
        }
    }
}

/// An error and its causes in one line.
fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Reads everything in a stopped server's file; changes nothing in it. What is wrong with the data is in the report; an
/// error is that nothing could be read: no such file, a file of something else or of a newer chatd, or in use.
pub fn check(path: &Path, watch: Watch<'_>) -> Result<Report, MaintainError> {
    check_medium(
        std::sync::Arc::new(LockedFile::open_to_read(path)?),
        path,
        watch,
    )
}

/// [`check`] of a file in the making.
pub fn check_partial(partial: &Partial, watch: Watch<'_>) -> Result<Report, MaintainError> {
    check_medium(partial.medium(), partial.target(), watch)
}

pub(crate) fn check_medium(
    medium: std::sync::Arc<dyn Medium>,
    path: &Path,
    watch: Watch<'_>,
) -> Result<Report, MaintainError> {
    match Source::open(medium, true, watch) {
        Ok(Some(source)) => Ok(check_source(&source, watch)),
        Ok(None) => Err(MaintainError::Empty(path.to_owned())),
        Err(OpenError::Damaged(error)) => {
            let mut report = Report::default();
            report.add("file", "", text(&error));
            Ok(report)
        }
        Err(error) => Err(error.into()),
    }
}

/// [`check`] of a file whose pages were read already.
fn check_source(source: &Source, watch: Watch<'_>) -> Report {
    let mut report = Report::default();
    let recounted = guarded(|| recount(source, &mut report, watch));
    if let Err(error) = recounted.unwrap_or_else(Err) {
        report.failed("file", &error);
    }
    // What is derived is wrong where the truth is, so the truth stands first.
    report
        .findings
        .sort_by_key(|finding| matches!(finding.table, "conversation_states" | "client_ids"));
    report
}

fn recount(source: &Source, report: &mut Report, watch: Watch<'_>) -> Result<(), StoreError> {
    let txn = source.db.begin_read()?;
    let swept = check_meta(&txn, report)?;
    check_renewals(&source.db, report);
    let accounts = check_accounts(&txn, report)?;
    check_changes(&txn, report)?;
    check_unused(&txn, report)?;
    let fresh = conversations(&txn, &accounts, report)?;
    let log = Log::open_any(&txn)?;
    let client_ids = check_client_ids(&txn, &log, &fresh, report)?;
    let mut recount = Recount {
        log: &log,
        state: fresh,
        broken: FxHashSet::default(),
        client_ids,
        expected_client_ids: FxHashMap::default(),
        swept,
        steps_back: false,
        report,
    };
    recount.replay(watch)?;
    recount.client_ids_are_there();
    let Recount { state, broken, .. } = recount;
    report.counts = Counts {
        accounts: accounts.len() as u64,
        conversations: state.conversation_count(),
        entries: report.counts.entries,
    };
    // What a start would know must be what the log says.
    match load::load(&source.db, &StoreOptions::of_command()) {
        Ok(loaded) => {
            let last = EntryId::new(loaded.state.last_entry).ok();
            compare(&loaded.state, &state, &broken, last, report);
        }
        Err(error) if report.is_sound() => report.failed("file", &error),
        // It is among the findings already.
        Err(_) => {}
    }
    Ok(())
}

/// The meta table. Gives up to which entry the derived rows are to say everything.
fn check_meta(txn: &ReadTransaction, report: &mut Report) -> Result<u64, StoreError> {
    let meta = txn.open_table(META)?;
    let secret = meta.get("token_secret")?;
    if secret.is_none_or(|secret| secret.value().len() != schema::SECRET_BYTES) {
        report.add("meta", "token_secret", "missing, or of another length");
    }
    if schema::sealed_meta::<16>(&meta, CLIENT_ID_KEY).is_err() {
        report.derivable(CLIENT_ID_KEY);
    }
    if schema::sealed_meta::<16>(&meta, CURSOR_KEY).is_err() {
        report.damaged("meta", CURSOR_KEY);
    }
    for row in txn.open_table(INVITES)?.iter()? {
        let (key, value) = row?;
        if invites::decode(key.value(), value.value()).is_err() {
            report.damaged("invites", key.value());
        }
    }
    let Ok(swept) = schema::sealed_meta(&meta, SWEPT) else {
        report.derivable(SWEPT);
        return Ok(0);
    };
    let swept = u64::from_le_bytes(swept);
    let last = match Log::open_any(txn)?.last() {
        Ok(last) => last,
        // Found where the log is gone through.
        Err(StoreError::Damaged { .. }) => return Ok(swept),
        Err(error) => return Err(error),
    };
    if swept > last {
        report.add(
            "meta",
            SWEPT,
            format!("the derived rows claim entry {swept}, the log ends with {last}"),
        );
    }
    Ok(swept)
}

/// What is renewed where the file goes back in time.
fn check_renewals(db: &Database, report: &mut Report) {
    // Where it is the key before them that is damaged, that is said already.
    let is_damaged = |error| matches!(error, StoreError::Damaged { .. });
    if eras::read(db).is_err_and(is_damaged) && report.is_sound() {
        report.damaged("meta", ERAS);
    }
    if schema::tokens_from(db).is_err_and(is_damaged) {
        report.damaged("meta", TOKENS_FROM);
    }
}

/// Accounts and their passwords. Gives their ids.
fn check_accounts(
    txn: &ReadTransaction,
    report: &mut Report,
) -> Result<FxHashSet<UserId>, StoreError> {
    let mut ids = FxHashSet::default();
    let mut names = HashMap::new();
    for row in txn.open_table(USERS)?.iter()? {
        let (key, value) = row?;
        // Its record may be damaged, but it is there.
        ids.extend(UserId::new(key.value()));
        let Ok(user) = users::decode(key.value(), value.value(), |_| Ok(true)) else {
            report.damaged("users", key.value());
            continue;
        };
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

/// Who shares which conversation. Gives a state in which nobody has written yet.
fn conversations(
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

/// What the blocks of a sender hold.
struct Remembered {
    newest: Option<MessageId>,
    /// How many are not forgotten by their age.
    count: usize,
}

/// The messages of one sender's blocks, as they are read.
struct OfSender {
    sender: UserId,
    newest: Option<MessageId>,
    /// Those that are not forgotten by their age. After a crash in a sweep, or by an earlier version, some are there twice.
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
struct KnownClientIds {
    hasher: Option<ClientIds>,
    forgotten_before: Timestamp,
    senders: FxHashMap<UserId, Remembered>,
}

/// Every block of client ids, and that each hint is of a message that has it.
fn check_client_ids(
    txn: &ReadTransaction,
    log: &Log,
    state: &State,
    report: &mut Report,
) -> Result<KnownClientIds, StoreError> {
    let meta = txn.open_table(META)?;
    let newest = match log.last() {
        Ok(last) => EntryId::new(last).ok(),
        Err(StoreError::Damaged { .. }) => None,
        Err(error) => return Err(error),
    };
    let newest_entry = newest;
    let newest = newest.and_then(|last| log.read(last, |record| record.at).ok());
    let newest = newest.unwrap_or_default();
    let mut known = KnownClientIds {
        hasher: schema::sealed_meta(&meta, CLIENT_ID_KEY)
            .ok()
            .map(|key| ClientIds::new(key, usize::MAX)),
        forgotten_before: Timestamp::from_ms(
            (newest.as_ms() + 1).saturating_sub(CLIENT_ID_LIFETIME_MS),
        ),
        senders: FxHashMap::default(),
    };
    let mut reading: Option<OfSender> = None;
    for row in txn.open_table(CLIENT_IDS)?.iter()? {
        let (key, value) = row?;
        let (sender, first) = key.value();
        let place = format!("({sender}, {first})");
        let block = read_block(first, value.value());
        let (Ok(sender), Ok((_, hints))) = (UserId::new(sender), block) else {
            report.damaged("client_ids", place);
            continue;
        };
        let begins = hints
            .first()
            .is_some_and(|(_, message)| message.get() == first);
        // Earlier versions put a block of as many as are remembered under the first of those that were pending.
        if !begins && hints.len() < CLIENT_IDS_PER_SENDER {
            report.add(
                "client_ids",
                &place,
                "does not begin with its first message",
            );
        }
        if let Some(before) = reading.take_if(|before| before.sender != sender) {
            before.count_into(&mut known.senders);
        }
        let of_sender = reading.get_or_insert_with(|| OfSender::new(sender));
        for (hash, message) in hints {
            if newest_entry.is_some_and(|newest| EntryId::from(message) > newest) {
                // The log ended later once.
                report.damaged("log", message);
                continue;
            }
            let right = log.read_message(message, |record| {
                let members = state
                    .conversation(record.conversation)
                    .map(|conversation| conversation.pair.members());
                if record.at >= known.forgotten_before {
                    of_sender.remembered.push(message);
                }
                let hashed = match &record.act {
                    Act::Sent { client_id, .. } => client_id.as_ref().zip(known.hasher.as_ref()),
                    Act::Read { .. } | Act::ReadUpTo { .. } => None,
                };
                members.is_some_and(|members| members[record.author] == sender)
                    && hashed.is_some_and(|(id, hasher)| hasher.hash(id) == hash)
            });
            match right {
                Ok(true) => {}
                Ok(false) => report.add(
                    "client_ids",
                    &place,
                    format!("message {message} has not the client id that it stands for"),
                ),
                Err(StoreError::Damaged { .. }) => report.add(
                    "client_ids",
                    &place,
                    format!("message {message} is missing or damaged"),
                ),
                Err(error) => return Err(error),
            }
            of_sender.newest = of_sender.newest.max(Some(message));
        }
    }
    if let Some(last) = reading {
        last.count_into(&mut known.senders);
    }
    Ok(known)
}

/// A walk over the whole log, with a state that follows it.
struct Recount<'a> {
    log: &'a Log,
    state: State,
    /// Conversations in which something was found: what comes after in them would be found wrong as well.
    broken: FxHashSet<ConversationId>,
    client_ids: KnownClientIds,
    /// How many of a sender's client ids must be in blocks.
    expected_client_ids: FxHashMap<UserId, usize>,
    swept: u64,
    /// Whether the times of the log go back somewhere.
    steps_back: bool,
    report: &'a mut Report,
}

impl Recount<'_> {
    fn replay(&mut self, watch: Watch<'_>) -> Result<(), StoreError> {
        // Of one that is damaged nobody knows.
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
            match key.saturating_sub(next) {
                0 => {}
                1 => self.report.add("log", next, "missing"),
                _ => self
                    .report
                    .add("log", next, format!("missing, as are all before {key}")),
            }
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
            if !record.at.may_follow(last_at) {
                self.report
                    .add("log", key, "is earlier than the entry before it");
            }
            // What a clock of the future had forgotten is not asked for.
            self.steps_back |= record.at < last_at;
            last_at = record.at;
            let Some(conversation) = self.state.conversation(record.conversation) else {
                self.report.add(
                    "log",
                    key,
                    format!("conversation {} is missing", record.conversation),
                );
                continue;
            };
            if !self.broken.contains(&record.conversation)
                && let Err(wrong) = judge(self.log, conversation, &record)?
            {
                self.report.add("log", key, wrong);
                self.broken.insert(record.conversation);
            }
            self.count_client_id(id, &record);
            self.state.apply(id, &record);
        }
        Ok(())
    }

    /// A message whose client id must be in a block.
    fn count_client_id(&mut self, id: EntryId, record: &Record<&str>) {
        let Act::Sent {
            client_id: Some(_), ..
        } = &record.act
        else {
            return;
        };
        let Some(conversation) = self.state.conversation(record.conversation) else {
            return;
        };
        let sender = conversation.pair.members()[record.author];
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

    /// A sender's newest client ids are in their blocks, as many as are remembered.
    fn client_ids_are_there(&mut self) {
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

/// Holds an entry against what its conversation decides upon the same act. The inner error says what is wrong.
fn judge(
    log: &Log,
    conversation: &Conversation,
    record: &Record<&str>,
) -> Result<Result<(), String>, StoreError> {
    let author = conversation.pair.members()[record.author];
    let decided = conversation.decide(log, record.conversation, author, record.at, &record.act);
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
        Act::Sent { .. } | Act::Read { .. } => (0, 0),
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

/// What a start would know, held against what the log says.
fn compare(
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
        } else if known.members != right.members {
            "what its members sent or read"
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
