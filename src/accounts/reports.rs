//! Reports: people say what is wrong, and administrators look at it.
//!
//! A report brings the one message that it is of, as its reporter could read it, and nothing else:
//! administrators read nobody's chats.

use std::sync::Arc;

use super::{AccountError, Accounts, Admin};
use crate::model::{Timestamp, UserId};
use crate::store::{Command, MAX_REASON_CHARS, NewReport, Report, ReportAct, ReportedMessage};

/// What a person reports, not yet checked.
#[derive(Debug)]
pub struct Complaint {
    /// Who is reported.
    pub about: UserId,
    /// The message that is, if one is.
    pub message: Option<ReportedMessage>,
    /// Why.
    pub reason: String,
}

impl Accounts {
    /// Files a report. The same once more, while it is open, changes nothing. Returns its number.
    pub async fn report(
        &self,
        now: Timestamp,
        by: UserId,
        complaint: Complaint,
    ) -> Result<u64, AccountError> {
        let reason = complaint.reason.trim();
        if !(1..=MAX_REASON_CHARS).contains(&reason.chars().count()) {
            return Err(AccountError::Reason);
        }
        let new = NewReport {
            by,
            about: complaint.about,
            message: complaint.message,
            reason: Arc::from(reason),
        };
        self.report_act(now, ReportAct::File(Box::new(new))).await
    }

    /// Returns a page of the open reports, ascending by number, and whether there are more.
    pub async fn reports(
        &self,
        _: Admin,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<Report>, bool), AccountError> {
        Ok(self.store.reports_after(after, limit).await?)
    }

    /// How many reports are open.
    pub fn open_reports(&self) -> usize {
        self.store.reports()
    }

    /// Closes a report: it is gone, and the copy of the message with it.
    pub async fn close_report(
        &self,
        _: Admin,
        now: Timestamp,
        number: u64,
    ) -> Result<(), AccountError> {
        self.report_act(now, ReportAct::Close(number))
            .await
            .map(drop)
    }

    async fn report_act(&self, now: Timestamp, act: ReportAct) -> Result<u64, AccountError> {
        Ok(self.store.apply(now, Command::report(act)).await?)
    }
}
