//! `chatd compact`

use std::path::Path;

use clap::Args;

use super::bar::Bar;
use super::failure::maintain as explain;
use super::output::say;
use crate::store::maintain;

/// Gives space back that the data file does not need. The server must be stopped.
#[derive(Args)]
pub(super) struct Compact {}

impl Compact {
    pub(super) fn run(&self, data: &Path) -> Result<(), String> {
        let mut bar = Bar::new();
        let compacted = maintain::compact(data, &mut |progress| bar.show(progress))
            .map_err(|error| explain(data, &error))?;
        drop(bar);
        say(&format!(
            "{}: {} bytes, before {}",
            data.display(),
            compacted.after,
            compacted.before
        ));
        Ok(())
    }
}
