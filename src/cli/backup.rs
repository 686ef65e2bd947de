//! `chatd backup FILE`

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;

use super::bar::Bar;
use super::failure::maintain as explain;
use super::output::{Failed, say};
use super::{control, stream};
use crate::store::OpenError;
use crate::store::maintain::{self, MaintainError, Partial};

/// Copies the data file, compactly and checked.
#[derive(Args)]
pub(super) struct Backup {
    /// The copy; it must not be there yet. A pipe is written to, and - is standard output: the copy
    /// is made beside the data file first, and checked
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Backup {
    pub(super) fn run(&self, data: &Path) -> Result<(), Failed> {
        if let Some(out) = stream::output(&self.file)? {
            stream::no_terminal(&out, "chatd backup")?;
            return Ok(send(data, out)?);
        }
        let mut bar = Bar::new();
        let counts = match maintain::backup(data, &self.file, &mut |progress| bar.show(progress)) {
            Err(MaintainError::Open(OpenError::InUse { .. })) => {
                let partial =
                    Partial::create_new(&self.file).map_err(|error| explain(data, &error))?;
                control::fetch_backup(data, &partial, &mut |progress| bar.show(progress))?;
                partial.keep_whole(data, &mut |progress| bar.show(progress))
            }
            result => result,
        };
        let counts = counts.map_err(|error| explain(data, &error))?;
        drop(bar);
        say(&format!("{}: {counts}", self.file.display()));
        Ok(())
    }
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
    partial
        .send_whole(data, &mut out, &mut show)
        .map_err(|error| explain(data, &error))?;
    Ok(())
}
