//! `chatd restore FILE`

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;

use super::bar::Bar;
use super::compact::forget_index;
use super::failure::maintain as explain;
use super::output::{Failed, say};
use super::{files, stream};
use crate::files::{Copying, FileContent, Lacking};
use crate::model::{FileId, Timestamp};
use crate::store::maintain::{self, Undone};

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
        // Of the file that was there before.
        forget_index(data)?;
        let lacking = self.restore_files(data, folder, restored.kept.as_deref(), &mut bar)?;
        drop(bar);
        say(&format!("{}: {}", data.display(), restored.counts));
        say("everybody logs in anew: no token from before is good any more");
        if restored.invites > 0 {
            say(&format!(
                "its {} invites have ended: make new ones",
                restored.invites
            ));
        }
        if restored.pauses {
            say(files::PAUSED);
        }
        say("passwords, and who is disabled, are as they were in the backup");
        for line in restored.undone.iter().flat_map(undone) {
            say(&line);
        }
        if let Some(kept) = restored.kept {
            say(&format!("what was there before is {}", kept.display()));
        }
        Ok(files::complete(&lacking, &files::folder_of(&self.file))?)
    }

    /// Makes the folder of the files that the restored data names: of the backup's, and of those
    /// that were there before, which stay beside the data file that was there before, or where they
    /// are if that is another disk. Returns those that are whole in neither.
    fn restore_files(
        &self,
        data: &Path,
        folder: &Path,
        kept: Option<&Path>,
        bar: &mut Bar,
    ) -> Result<Lacking, String> {
        let named = maintain::files_of(data).map_err(|error| explain(data, &error))?;
        let named = files::whole(&named);
        let failed = |error| {
            let (data, folder) = (data.display(), folder.display());
            format!("{data} is restored, but the folder {folder} cannot be changed: {error}")
        };
        let mut before = None;
        if folder.is_dir() {
            let place = files::folder_of(kept.unwrap_or(data));
            let place = match place == folder || place.exists() {
                true => files::folder_of(&place),
                false => place,
            };
            match std::fs::rename(folder, &place) {
                Ok(()) => before = Some(place),
                // Another disk, or the top of one: what is sound there counts as copied.
                Err(error) if is_elsewhere(error.kind()) => say(&format!(
                    "{} stays where it is: the next start sets aside what nothing names",
                    folder.display()
                )),
                Err(error) => return Err(failed(error)),
            }
        }
        let source = files::folder_of(&self.file);
        // Sound ones first, from either folder; then what is damaged in both.
        let sound = Copying {
            by_links: false,
            with_altered: false,
        };
        let mut lacking = files::copy(&source, folder, &named, sound, bar)?;
        if let Some(before) = before {
            let linked = Copying {
                by_links: true,
                ..sound
            };
            let left = lacks(&named, &lacking);
            let second = files::copy(&before, folder, &left, linked, bar)?;
            let nowhere: HashSet<_> = second.missing.iter().chain(&second.altered).collect();
            let is_nowhere = |id: &FileId| nowhere.contains(id);
            lacking.missing.retain(is_nowhere);
            lacking.altered.retain(is_nowhere);
        }
        let altered: HashSet<_> = lacking.altered.iter().collect();
        let damaged = named.iter().filter(|(id, _)| altered.contains(id));
        let damaged: Vec<_> = damaged.copied().collect();
        files::copy(&source, folder, &damaged, files::ALL, bar)?;
        Ok(lacking)
    }
}

/// Says which deletions the restore undid, and how to do them again.
fn undone(undone: &Undone) -> Vec<String> {
    let Undone { messages, accounts } = undone;
    let mut lines = Vec::new();
    if messages.count > 0 {
        lines.push(format!(
            "{} messages are back that were deleted since the backup ({messages}): chatd erase --message ID deletes one again",
            messages.count
        ));
    }
    if accounts.count > 0 {
        lines.push(format!(
            "{} accounts are back that were deleted since the backup ({accounts}): an administrator deletes them again",
            accounts.count
        ));
    }
    lines
}

/// Whether a folder cannot be moved beside the data file: it lies on another disk.
fn is_elsewhere(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::CrossesDevices | ErrorKind::ResourceBusy)
}

/// The files that a copy lacks.
fn lacks(files: &[(FileId, FileContent)], lacking: &Lacking) -> Vec<(FileId, FileContent)> {
    let ids: HashSet<_> = lacking.missing.iter().chain(&lacking.altered).collect();
    let lacks = files.iter().filter(|(id, _)| ids.contains(id));
    lacks.copied().collect()
}
