//! `chatd restore FILE`

use std::path::{Path, PathBuf};

use clap::Args;

use super::bar::Bar;
use super::failure::maintain as explain;
use super::output::{Failed, say};
use super::stream;
use crate::model::Timestamp;
use crate::store::maintain;

/// Puts a checked copy of a backup in the place of the data file.
#[derive(Args)]
pub(super) struct Restore {
    /// The backup; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Restore {
    pub(super) fn run(&self, data: &Path) -> Result<(), Failed> {
        let source = stream::input(&self.file)?;
        let mut bar = Bar::new();
        let backup = (&*self.file, &source);
        let restored = maintain::restore_from(backup, data, Timestamp::now(), &mut |progress| {
            bar.show(progress);
        })
        .map_err(|error| explain(data, &error))?;
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
        Ok(())
    }
}
