//! `chatd backup FILE`

use std::path::{Path, PathBuf};

use clap::Args;

use super::bar::Bar;
use super::{control, explain, say};
use crate::store::OpenError;
use crate::store::maintain::{self, MaintainError, Partial};

/// Copies the data file, compactly and checked.
#[derive(Args)]
pub(super) struct Backup {
    /// The copy; it must not be there yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Backup {
    pub(super) fn run(&self, data: &Path) -> Result<(), String> {
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
