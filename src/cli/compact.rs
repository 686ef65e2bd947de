//! `chatd compact`

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::bar::Bar;
use super::control;
use super::failure::{chain, maintain as explain, open};
use super::output::{note, say};
use crate::search;
use crate::server::{self, ServerError};
use crate::store::OpenError;
use crate::store::maintain::{self, MaintainError};

/// Gives space back that the data file does not need, while a server runs on it or not, and erases
/// what is older than --retention allows, where that is given. No byte of what was erased is in the
/// file then.
#[derive(Args)]
pub(super) struct Compact {}

impl Compact {
    pub(super) fn run(&self, data: &Path, retention: Option<Duration>) -> Result<(), String> {
        if let Some(retention) = retention
            && data.exists()
        {
            match server::retain_in(data, retention) {
                Ok(true) => {}
                Ok(false) => note(
                    "the machine's clock is over a day off the times in the data file: what is older than --retention allows \
                     by it, and not by these, was kept",
                ),
                // The server that runs on it does that itself.
                Err(ServerError::Open(OpenError::InUse { .. })) => {}
                Err(ServerError::Open(error)) => return Err(open(data, &error)),
                Err(error) => return Err(format!("{}: {}", data.display(), chain(&error))),
            }
        }
        let mut bar = Bar::new();
        let (after, before) = match maintain::compact(data, &mut |progress| bar.show(progress)) {
            Err(MaintainError::Open(OpenError::InUse { .. })) => control::compact(data)?,
            compacted => {
                let compacted = compacted.map_err(|error| explain(data, &error))?;
                forget_index(data)?;
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

/// Removes the search's index of a data file that no server runs on: the next one makes it anew.
pub(super) fn forget_index(data: &Path) -> Result<(), String> {
    let folder = search::folder_of(data);
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{} cannot be removed: {error}", folder.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
