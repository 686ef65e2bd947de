//! `chatd restore FILE`

use std::path::{Path, PathBuf};

use clap::Args;

use super::bar::Bar;
use super::failure::maintain as explain;
use super::output::{Failed, say};
use super::{files, stream};
use crate::files::FileContent;
use crate::model::{FileId, Timestamp};
use crate::store::maintain;

/// Puts a checked copy of a backup in the place of the data file, with the files in the folder
/// FILE.files, and those that are there already.
#[derive(Args)]
pub(super) struct Restore {
    /// The backup; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Restore {
    pub(super) fn run(&self, data: &Path, folder: &Path) -> Result<(), Failed> {
        let source = stream::input(&self.file)?;
        let mut bar = Bar::new();
        let backup = (&*self.file, &source);
        let restored = maintain::restore_from(backup, data, Timestamp::now(), &mut |progress| {
            bar.show(progress);
        })
        .map_err(|error| explain(data, &error))?;
        let missing = self.restore_files(data, folder, restored.kept.as_deref(), &mut bar)?;
        drop(bar);
        say(&format!("{}: {}", data.display(), restored.counts));
        say("everybody logs in anew: no token from before is good any more");
        if restored.invites > 0 {
            say(&format!(
                "its {} invites have ended: make new ones",
                restored.invites
            ));
        }
        say("passwords, and who is disabled, are as they were in the backup");
        if let Some(kept) = restored.kept {
            say(&format!("what was there before is {}", kept.display()));
        }
        Ok(files::complete(&missing, &files::folder_of(&self.file))?)
    }

    /// Makes the folder of the files that the restored data names: of the backup's, and of those
    /// that were there before, which stay beside the data file that was there before. Returns those
    /// that are in neither.
    fn restore_files(
        &self,
        data: &Path,
        folder: &Path,
        kept: Option<&Path>,
        bar: &mut Bar,
    ) -> Result<Vec<FileId>, String> {
        let named = maintain::files_of(data).map_err(|error| explain(data, &error))?;
        let named = files::whole(&named);
        let failed = |error| format!("the folder {} cannot be changed: {error}", folder.display());
        let mut before = None;
        if folder.is_dir() {
            let place = files::folder_of(kept.unwrap_or(data));
            let place = match place == folder || place.exists() {
                true => files::folder_of(&place),
                false => place,
            };
            std::fs::rename(folder, &place).map_err(failed)?;
            before = Some(place);
        }
        let source = files::folder_of(&self.file);
        let mut missing = files::copy(&source, folder, &named, false, bar)?;
        if let Some(before) = before {
            let left = |(id, _): &&(FileId, FileContent)| missing.contains(id);
            let left: Vec<_> = named.iter().filter(left).copied().collect();
            missing = files::copy(&before, folder, &left, true, bar)?;
        }
        Ok(missing)
    }
}
