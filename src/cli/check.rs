//! `chatd check`

use std::path::Path;

use clap::Args;

use super::bar::Bar;
use super::failure::maintain as explain;
use super::output::say;
use super::{control, files};
use crate::files::FolderLock;
use crate::store::OpenError;
use crate::store::maintain::{self, MaintainError};

/// Reads everything and says what is wrong; changes nothing. Of a running server a fresh backup is
/// checked.
#[derive(Args)]
pub(super) struct Check {}

impl Check {
    pub(super) fn run(&self, data: &Path, folder: &Path) -> Result<(), String> {
        let mut bar = Bar::new();
        let mut show = |progress| bar.show(progress);
        let mut what = data.display().to_string();
        let lock = FolderLock::of(folder);
        let lock = lock.map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
        let (report, kept, is_all) = match maintain::check(data, &mut show) {
            Err(MaintainError::Open(OpenError::InUse { .. })) => {
                what.push_str(" (a backup from its running server)");
                let partial = control::fetch_aside(data, "check", &mut show)?;
                let report = maintain::check_partial(&partial, &mut show);
                (report, maintain::files_of_partial(&partial), false)
            }
            result => (result, maintain::files_of(data), true),
        };
        let report = report.map_err(|error| explain(data, &error))?;
        if report.is_sound() {
            let kept = kept.map_err(|error| explain(data, &error))?;
            let known: Vec<_> = kept.iter().map(|file| file.id).collect();
            let whole = files::whole(&kept);
            let known = is_all.then_some(&known[..]);
            let wrong = files::verify(folder, &whole, known, &mut bar)?;
            drop((bar, lock));
            if wrong > 0 {
                let folder = folder.display();
                return Err(format!(
                    "{what} is sound, and {wrong} of its files in {folder} are not: restore them from a backup's folder"
                ));
            }
            say(&format!("{what} is sound: {}", report.counts));
            return Ok(());
        }
        drop((bar, lock));
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
