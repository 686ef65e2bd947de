//! `chatd compact`

use std::path::Path;

use clap::Args;

use super::bar::Bar;
use super::control;
use super::failure::maintain as explain;
use super::output::say;
use crate::store::OpenError;
use crate::store::maintain::{self, MaintainError};

/// Gives space back that the data file does not need, while a server runs on it or not. No byte of
/// what was erased is in the file then.
#[derive(Args)]
pub(super) struct Compact {}

impl Compact {
    pub(super) fn run(&self, data: &Path) -> Result<(), String> {
        let mut bar = Bar::new();
        let (after, before) = match maintain::compact(data, &mut |progress| bar.show(progress)) {
            Err(MaintainError::Open(OpenError::InUse { .. })) => control::compact(data)?,
            compacted => {
                let compacted = compacted.map_err(|error| explain(data, &error))?;
                (compacted.after, compacted.before)
            }
        };
        drop(bar);
        say(&format!(
            "{}: {after} bytes, before {before}",
            data.display()
        ));
        Ok(())
    }
}
