//! `chatd backup FILE`

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::bar::Bar;
use super::failure::{copy as explain_copy, maintain as explain};
use super::output::{Failed, say};
use super::{control, files, stream};
use crate::files::{Copying, FolderLock};
use crate::store::OpenError;
use crate::store::maintain::{self, MaintainError, Partial};

/// Copies the data file, compactly and checked, and the files that people sent: into the folder
/// FILE.files, as far as they are not there yet.
#[derive(Args)]
pub(super) struct Backup {
    /// The copy; it must not be there yet. A pipe is written to, and - is standard output: the copy
    /// is made beside the data file first, and checked
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Make hard links of files in place of copies, where that can be: for copies on the same disk
    #[arg(long)]
    link: bool,
}

impl Backup {
    pub(super) fn run(&self, data: &Path, folder: &Path) -> Result<(), Failed> {
        if let Some(out) = stream::output(&self.file)? {
            stream::no_terminal(&out, "chatd backup")?;
            return Ok(send(data, out)?);
        }
        // Before the copy is begun: what that names is not unlinked until it is copied.
        let lock = FolderLock::of(folder);
        let lock = lock.map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
        let mut bar = Bar::new();
        let counts = match maintain::backup(data, &self.file, &mut |progress| bar.show(progress)) {
            Err(MaintainError::Open(OpenError::InUse { .. })) => {
                let partial =
                    Partial::create_new(&self.file).map_err(|error| explain(data, &error))?;
                let elsewhere = elsewhere(data, &self.file);
                let elsewhere = elsewhere.as_deref();
                let mut watch = |progress| bar.show(progress);
                control::fetch_backup(data, &partial, elsewhere, &mut watch)?;
                partial.keep_whole(data, &mut |progress| bar.show(progress))
            }
            result => result,
        };
        let counts = counts.map_err(|error| explain_copy(data, &self.file, &error))?;
        let kept = maintain::files_of(&self.file).map_err(|error| explain(&self.file, &error))?;
        let (kept, target) = (files::whole(&kept), files::folder_of(&self.file));
        let copying = Copying {
            by_links: self.link,
            ..files::ALL
        };
        let lacking = files::copy(folder, &target, &kept, copying, &mut bar)?;
        drop((bar, lock));
        say(&format!("{}: {counts}", self.file.display()));
        if !kept.is_empty() {
            say(&format!("{}: {} files", target.display(), kept.len()));
        }
        Ok(files::complete(&lacking, folder)?)
    }
}

/// Returns the folder of the copy, where that is on another disk than the data: there the server
/// has room where the data's disk has none.
fn elsewhere(data: &Path, copy: &Path) -> Option<PathBuf> {
    let folder = copy
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
    let device = |path: &Path| std::fs::metadata(path).ok().map(|found| found.dev());
    (device(&folder)? != device(data)?).then_some(folder)
}

/// Makes the copy in a file of its own, since its beginning is written last, and then sends it.
fn send(data: &Path, mut out: File) -> Result<(), String> {
    let mut bar = Bar::new();
    let mut show = |progress| bar.show(progress);
    let partial = match maintain::backup_aside(data, &mut show) {
        Err(MaintainError::Open(OpenError::InUse { .. })) => {
            control::fetch_aside(data, "backup", &mut show)?
        }
        result => result.map_err(|error| explain(data, &error))?,
    };
    let kept = maintain::files_of_partial(&partial).map_err(|error| explain(data, &error))?;
    let kept = files::whole(&kept).len();
    if kept > 0 {
        tracing::warn!(
            files = kept,
            "the files that people sent are not in it: name a file to have them beside it"
        );
    }
    partial
        .send_whole(data, &mut out, &mut show)
        .map_err(|error| explain(data, &error))?;
    Ok(())
}
