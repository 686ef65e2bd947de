//! `chatd export [FILE]`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::bar::Bar;
use super::failure::maintain as explain;
use super::output::{Failed, say};
use super::{control, stream};
use crate::store::OpenError;
use crate::store::maintain::{self, Counts, MaintainError, Partial, Progress};

/// Writes accounts, messages and read marks as JSON Lines; the README has the form. Password hashes
/// are in it.
#[derive(Args)]
pub(super) struct Export {
    /// Where to; it must not be there yet, unless it is a pipe. Standard output without it, or with
    /// -
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Export {
    pub(super) fn run(&self, data: &Path) -> Result<(), Failed> {
        let file = self.file.as_deref().unwrap_or(Path::new("-"));
        let mut bar = Bar::new();
        let mut show = |progress| bar.show(progress);
        if let Some(mut out) = stream::output(file)? {
            write(data, &mut out, &mut show)?;
            return Ok(());
        }
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
