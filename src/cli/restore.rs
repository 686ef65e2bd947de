//! `chatd restore FILE`

use std::path::{Path, PathBuf};

use clap::Args;

use super::bar::Bar;
use super::{explain, say};
use crate::model::Timestamp;
use crate::store::maintain;

/// Puts a checked copy of a backup in the place of the data file.
#[derive(Args)]
pub(super) struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Restore {
    pub(super) fn run(&self, data: &Path) -> Result<(), String> {
        let mut bar = Bar::new();
        let restored = maintain::restore(&self.file, data, Timestamp::now(), &mut |progress| {
            bar.show(progress);
        })
        .map_err(|error| explain(data, &error))?;
        drop(bar);
        say(&format!("{}: {}", data.display(), restored.counts));
        if let Some(kept) = restored.kept {
            say(&format!("what was there before is {}", kept.display()));
        }
        Ok(())
    }
}
