//! What a check finds.

use std::fmt;
use std::path::Path;

use crate::store::disk::schema;
use crate::store::error::StoreError;
use crate::store::maintain::{Counts, MaintainError};

/// 100 findings are told one by one; the rest are counted.
const FINDINGS: usize = 100;
/// Says of a record that it is not as it was written.
const DAMAGED: &str = "missing, or its checksum is wrong";

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The table; `file` for what is in none.
    pub table: &'static str,
    /// The record's key; empty where the finding is of none.
    pub key: String,
    /// What is wrong with it.
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

/// The outcome of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What there is.
    pub counts: Counts,
    /// What is wrong: the first 100.
    pub findings: Vec<Finding>,
    /// The number of further findings.
    pub more: u64,
    /// The number of all those that are of what cannot be made anew from the log.
    lost: u64,
}

impl Report {
    /// Returns whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// Returns whether nothing is wrong but what can be made anew from the log: a compaction, a
    /// backup or a restore does that.
    pub fn is_derivable(&self) -> bool {
        !self.is_sound() && self.lost == 0
    }

    /// Fails where something is wrong, or where there is no data in the file of this `path`.
    pub(crate) fn must_be_whole(self, path: &Path) -> Result<Counts, MaintainError> {
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

    /// Returns what is wrong first with an entry of the log, or with what came of one, and which it
    /// is.
    pub(crate) fn first_of_entries(&self) -> Option<(u64, String)> {
        self.findings.iter().find_map(|finding| {
            let what = match finding.table {
                "log" => finding.what.clone(),
                "reactions" => format!("{}: {}", finding.table, finding.what),
                _ => return None,
            };
            Some((finding.key.parse().ok()?, what))
        })
    }

    /// Notes what is wrong with a record.
    pub(super) fn add(
        &mut self,
        table: &'static str,
        key: impl fmt::Display,
        what: impl Into<String>,
    ) {
        self.lost += u64::from(!schema::is_derived(table));
        self.note(table, key, what);
    }

    /// Notes a damaged record of `meta` that can be made anew with what is derived.
    pub(super) fn derivable(&mut self, name: &'static str) {
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

    /// Notes a record that is not as it was written.
    pub(super) fn damaged(&mut self, table: &'static str, key: impl fmt::Display) {
        self.add(table, key, DAMAGED);
    }

    /// Notes what ended the reading of a table.
    pub(super) fn failed(&mut self, table: &'static str, error: &StoreError) {
        match error {
            StoreError::Damaged { table, key } => self.damaged(table, key),
            error => self.add(table, "", text(error)),
        }
    }
}

/// Returns an error and its causes as one line.
pub(super) fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
