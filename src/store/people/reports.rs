//! Reports of people and of messages: how they are written, which are open, and how they are filed
//! and closed.
//!
//! A report of a message has a copy of its text, since that may be deleted by whom it is of. The
//! copy is gone with the report: when an administrator closes it, and after 90 days.
//!
//! Where the list is full, a new report takes the place of the oldest of the person who has most,
//! so that some who report a lot lock nobody else out.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::refusal::ReportRefusal;
use super::staging::StagingPeople;
use crate::model::{MessageId, RoomId, Timestamp, UserId};
use crate::store::error::StoreError;
use crate::store::sealed::{seal, unseal};

/// 1,000 open reports, in some 10 MB: more than anybody reads.
pub(crate) const MAX_OPEN: usize = 1_000;
/// The longest reason of a report, in characters.
pub const MAX_REASON_CHARS: usize = 1_000;
/// 50 open reports of one person: with so many they wait until some are closed.
const MAX_OPEN_OF_PERSON: usize = 50;
/// 90 days: so long a copy is kept that no administrator has looked at.
pub(crate) const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// A report to be filed.
#[derive(Debug, Clone)]
pub struct NewReport {
    /// Who files it.
    pub by: UserId,
    /// Who is reported.
    pub about: UserId,
    /// The message that is, if one is.
    pub message: Option<ReportedMessage>,
    /// Why, in the words of the one who files it.
    pub reason: Arc<str>,
}

/// A message as it was when it was reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedMessage {
    /// Which.
    pub id: MessageId,
    /// The room in which it was said; none of a chat of two.
    pub room: Option<RoomId>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Its text.
    pub content: Arc<str>,
}

/// A report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its number, growing; that of one that is closed may be given again after a restart.
    pub number: u64,
    /// Who filed it.
    pub by: UserId,
    /// Who is reported.
    pub about: UserId,
    /// The message that is, if one is.
    pub message: Option<ReportedMessage>,
    /// Why.
    pub reason: Arc<str>,
    /// When it was filed.
    pub created_at: Timestamp,
    /// When it is gone, unless it is closed before.
    pub expires_at: Timestamp,
}

/// An act on reports.
#[derive(Debug, Clone)]
pub enum ReportAct {
    /// Files one.
    File(Box<NewReport>),
    /// Closes the one of this number.
    Close(u64),
}

/// A report as it stands in the `reports` table: JSON, so that a later version may add keys.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct ReportRecord {
    by: u64,
    about: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageRecord>,
    reason: String,
    created_at_ms: u64,
    expires_at_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct MessageRecord {
    id: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room: Option<RoomId>,
    sent_at_ms: u64,
    content: String,
}

/// The sealed value of a report.
pub(crate) fn encode(report: &Report) -> Vec<u8> {
    let message = report.message.as_ref().map(|message| MessageRecord {
        id: message.id,
        room: message.room,
        sent_at_ms: message.sent_at.as_ms(),
        content: message.content.to_string(),
    });
    let record = ReportRecord {
        by: report.by.get(),
        about: report.about.get(),
        message,
        reason: report.reason.to_string(),
        created_at_ms: report.created_at.as_ms(),
        expires_at_ms: report.expires_at.as_ms(),
    };
    let json = serde_json::to_vec(&record).expect("a record of strings and numbers is valid JSON");
    seal(report.number, &json)
}

/// Reads a report back; `None` of a row that holds none.
pub(crate) fn decode(number: u64, sealed: &[u8]) -> Result<Option<Report>, StoreError> {
    let damaged = || StoreError::Damaged {
        table: "reports",
        key: number,
    };
    let body = unseal("reports", number, sealed)?;
    let record: ReportRecord = serde_json::from_slice(body).map_err(|_| damaged())?;
    if record.by == 0 {
        return Ok(None);
    }
    Ok(Some(Report {
        number,
        by: UserId::new(record.by).map_err(|_| damaged())?,
        about: UserId::new(record.about).map_err(|_| damaged())?,
        message: record.message.map(|message| ReportedMessage {
            id: message.id,
            room: message.room,
            sent_at: Timestamp::from_ms(message.sent_at_ms),
            content: message.content.into(),
        }),
        reason: record.reason.into(),
        created_at: Timestamp::from_ms(record.created_at_ms),
        expires_at: Timestamp::from_ms(record.expires_at_ms),
    }))
}

/// What is known of an open report without its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenReport {
    by: UserId,
    about: UserId,
    message: Option<MessageId>,
    expires_at: Timestamp,
}

impl From<&Report> for OpenReport {
    fn from(report: &Report) -> Self {
        Self {
            by: report.by,
            about: report.about,
            message: report.message.as_ref().map(|message| message.id),
            expires_at: report.expires_at,
        }
    }
}

/// Which reports are open, in memory.
#[derive(Default)]
pub(crate) struct Reports {
    open: BTreeMap<u64, OpenReport>,
    greatest: u64,
}

/// The report of this number is so now, or is gone.
pub(crate) type ReportChange = (u64, Option<Report>);

impl Reports {
    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    /// Takes over a row that was read or written.
    pub(crate) fn take(&mut self, number: u64, report: Option<&Report>) {
        self.greatest = self.greatest.max(number);
        match report {
            Some(report) => self.open.insert(number, report.into()),
            None => self.open.remove(&number),
        };
    }
}

/// The open reports of one person.
#[derive(Default)]
struct Share {
    count: usize,
    oldest: u64,
}

impl Share {
    fn add(&mut self, number: u64) {
        self.oldest = match self.count {
            0 => number,
            _ => self.oldest.min(number),
        };
        self.count += 1;
    }
}

/// What a transaction makes of the reports.
#[derive(Default)]
pub(crate) struct StagedReports {
    by_number: BTreeMap<u64, Option<OpenReport>>,
}

impl StagingPeople<'_> {
    /// The reports that are to be open.
    fn open_reports(&self) -> impl Iterator<Item = (u64, &OpenReport)> {
        let staged = &self.staged.reports.by_number;
        let kept = self.people.reports.open.iter();
        let kept = kept.filter(|(number, _)| !staged.contains_key(number));
        let made = staged
            .iter()
            .filter_map(|(number, open)| Some((number, open.as_ref()?)));
        kept.chain(made).map(|(number, open)| (*number, open))
    }

    fn set_report(&mut self, number: u64, report: Option<Report>) {
        let open = report.as_ref().map(OpenReport::from);
        self.staged.reports.by_number.insert(number, open);
        // What one held that goes lies in free pages from then on.
        self.staged.rows.erases |= report.is_none();
        self.staged.rows.reports.push((number, report));
    }

    /// Carries out an act on reports. Returns the number of the one that it is about.
    pub(crate) fn report_act(
        &mut self,
        now: Timestamp,
        act: &ReportAct,
    ) -> Result<u64, ReportRefusal> {
        match act {
            ReportAct::File(new) => self.file_report(now, new),
            ReportAct::Close(number) => {
                let is_open = self.open_reports().any(|(open, _)| open == *number);
                if !is_open {
                    return Err(ReportRefusal::NoSuchReport);
                }
                self.set_report(*number, None);
                Ok(*number)
            }
        }
    }

    /// Files a report. One of the same person about the same, which is open, is filed once.
    fn file_report(&mut self, now: Timestamp, new: &NewReport) -> Result<u64, ReportRefusal> {
        let message = new.message.as_ref().map(|message| message.id);
        let mut shares: FxHashMap<UserId, Share> = FxHashMap::default();
        let mut all = 0;
        for (number, open) in self.open_reports() {
            if (open.by, open.about, open.message) == (new.by, new.about, message) {
                return Ok(number);
            }
            all += 1;
            shares.entry(open.by).or_default().add(number);
        }
        let own = shares.get(&new.by).map_or(0, |share| share.count);
        if own >= MAX_OPEN_OF_PERSON {
            return Err(ReportRefusal::TooManyReports);
        }
        if all >= MAX_OPEN {
            let most = shares.values();
            let most = most.max_by_key(|share| (share.count, Reverse(share.oldest)));
            let most = most.filter(|share| share.count > own);
            let oldest = most.ok_or(ReportRefusal::TooManyReports)?.oldest;
            self.set_report(oldest, None);
        }
        let made = self.staged.reports.by_number.last_key_value();
        let made = made.map_or(0, |(number, _)| *number);
        let number = self.people.reports.greatest.max(made) + 1;
        let report = Report {
            number,
            by: new.by,
            about: new.about,
            message: new.message.clone(),
            reason: Arc::clone(&new.reason),
            created_at: now,
            expires_at: now.plus(KEPT),
        };
        self.set_report(number, Some(report));
        Ok(number)
    }

    /// Takes away the reports whose time is over.
    pub(crate) fn sweep_reports(&mut self, now: Timestamp) {
        let over = self.open_reports();
        let over = over.filter(|(_, open)| open.expires_at <= now);
        for number in over.map(|(number, _)| number).collect::<Vec<_>>() {
            self.set_report(number, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_back_as_written() {
        let report = Report {
            number: 3,
            by: UserId::new(1).unwrap(),
            about: UserId::new(2).unwrap(),
            message: Some(ReportedMessage {
                id: MessageId::new(10).unwrap(),
                room: RoomId::new(7).ok(),
                sent_at: Timestamp::from_ms(5),
                content: "rude".into(),
            }),
            reason: "it is rude".into(),
            created_at: Timestamp::from_ms(6),
            expires_at: Timestamp::from_ms(7),
        };
        let sealed = encode(&report);
        assert_eq!(decode(3, &sealed).unwrap(), Some(report.clone()));
        assert!(decode(4, &sealed).is_err());
        let mut reports = Reports::default();
        reports.take(3, Some(&report));
        assert_eq!(reports.count(), 1);
        reports.take(3, None);
        assert_eq!((reports.count(), reports.greatest), (0, 3));
    }
}
