//! `chatd export [FILE]`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::bar::Bar;
use super::{control, explain, say};
use crate::store::OpenError;
use crate::store::maintain::{self, Counts, MaintainError, Partial, Progress};

/// Writes accounts, messages and read marks as JSON Lines; the README has the form. Password hashes are in it.
#[derive(Args)]
pub(super) struct Export {
    /// Where to; it must not be there yet. Standard output without it
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Export {
    pub(super) fn run(&self, data: &Path) -> Result<(), String> {
        let mut bar = Bar::new();
        let mut show = |progress| bar.show(progress);
        let Some(file) = &self.file else {
            let mut out = std::io::stdout().lock();
            write(data, &mut out, &mut show)?;
            return out
                .flush()
                .map_err(|error| format!("cannot write: {error}"));
        };
        let partial = Partial::create_new(file).map_err(|error| explain(data, &error))?;
        let counts = write(data, &mut partial.file(), &mut show)?;
        partial.keep().map_err(|error| explain(data, &error))?;
        drop(bar);
        say(&format!("{}: {counts}", file.display()));
        Ok(())
    }
}

fn write(
    data: &Path,
    out: &mut dyn Write,
    show: &mut dyn FnMut(Progress),
) -> Result<Counts, String> {
    match maintain::export(data, out, show) {
        Err(MaintainError::Open(OpenError::InUse { .. })) => {
            let partial = control::fetch_aside(data, "export", show)?;
            maintain::export_partial(&partial, out, show)
        }
        result => result,
    }
    .map_err(|error| explain(data, &error))
}
