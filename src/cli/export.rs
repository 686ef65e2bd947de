//! `chatd export [FILE]`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::bar::Bar;
use super::failure::maintain as explain;
use super::output::{Failed, say};
use super::{control, files, stream};
use crate::files::FolderLock;
use crate::store::maintain::{self, Counts, MaintainError, Partial, Progress};
use crate::store::{FileStage, OpenError, StoredFile};

/// Writes accounts, messages and read marks as JSON Lines; /docs/operate has the form. Password
/// hashes are in it. The files that people sent are copied into the folder FILE.files.
#[derive(Args)]
pub(super) struct Export {
    /// Where to; it must not be there yet, unless it is a pipe. Standard output without it, or with
    /// -
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Export {
    pub(super) fn run(&self, data: &Path, folder: &Path) -> Result<(), Failed> {
        let file = self.file.as_deref().unwrap_or(Path::new("-"));
        let mut bar = Bar::new();
        let mut show = |progress| bar.show(progress);
        if let Some(mut out) = stream::output(file)? {
            let (_, kept) = write(data, &mut out, &mut show)?;
            let kept = files::whole(&kept).len();
            if kept > 0 {
                tracing::warn!(
                    files = kept,
                    "the files that people sent are left out: name a file to have them beside it"
                );
            }
            return Ok(());
        }
        let partial = Partial::create_new(file).map_err(|error| explain(data, &error))?;
        let lock = FolderLock::of(folder);
        let lock = lock.map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
        let (counts, kept) = write(data, &mut partial.file(), &mut show)?;
        // Those that nothing names are not in the lines.
        let is_named =
            |file: &&StoredFile| matches!(file.stage, FileStage::Sent(..) | FileStage::Shown(_));
        let kept: Vec<_> = kept.iter().filter(is_named).cloned().collect();
        let (kept, target) = (files::whole(&kept), files::folder_of(file));
        let lacking = files::copy(folder, &target, &kept, files::ALL, &mut bar)?;
        partial.keep().map_err(|error| explain(data, &error))?;
        drop((bar, lock));
        say(&format!("{}: {counts}", file.display()));
        if !kept.is_empty() {
            say(&format!("{}: {} files", target.display(), kept.len()));
        }
        Ok(files::complete(&lacking, folder)?)
    }
}

fn write(
    data: &Path,
    out: &mut dyn Write,
    show: &mut dyn FnMut(Progress),
) -> Result<(Counts, Vec<StoredFile>), String> {
    let (counts, kept) = match maintain::export(data, out, show) {
        Err(MaintainError::Open(OpenError::InUse { .. })) => {
            let partial = control::fetch_aside(data, "export", show)?;
            let counts = maintain::export_partial(&partial, out, show);
            (counts, maintain::files_of_partial(&partial))
        }
        Err(error) => return Err(explain(data, &error)),
        counts => (counts, maintain::files_of(data)),
    };
    let both = counts.and_then(|counts| Ok((counts, kept?)));
    both.map_err(|error| explain(data, &error))
}
