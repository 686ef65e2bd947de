//! `chatd check`

use std::path::Path;

use clap::Args;

use super::bar::Bar;
use super::control;
use super::failure::maintain as explain;
use super::output::say;
use crate::store::OpenError;
use crate::store::maintain::{self, MaintainError};

/// Reads everything and says what is wrong; changes nothing. Of a running server a fresh backup is
/// checked.
#[derive(Args)]
pub(super) struct Check {}

impl Check {
    pub(super) fn run(&self, data: &Path) -> Result<(), String> {
        let mut bar = Bar::new();
        let mut show = |progress| bar.show(progress);
        let mut what = data.display().to_string();
        let report = match maintain::check(data, &mut show) {
            Err(MaintainError::Open(OpenError::InUse { .. })) => {
                what.push_str(" (a backup from its running server)");
                let partial = control::fetch_aside(data, "check", &mut show)?;
                maintain::check_partial(&partial, &mut show)
            }
            result => result,
        };
        let report = report.map_err(|error| explain(data, &error))?;
        drop(bar);
        if report.is_sound() {
            say(&format!("{what} is sound: {}", report.counts));
            return Ok(());
        }
        for finding in &report.findings {
            say(&finding.to_string());
        }
        let findings = report.findings.len() as u64 + report.more;
        if report.is_derivable() {
            return Err(format!(
                "{what} is damaged, {findings} findings, all in what follows from the data: nothing is lost, and chatd compact makes it anew"
            ));
        }
        Err(format!(
            "{what} is damaged, {findings} findings: restore a backup (chatd restore FILE)"
        ))
    }
}
