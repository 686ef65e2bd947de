//! `chatd import FILE`

use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Args;

use super::bar::Bar;
use super::{Failed, explain, say, stream};
use crate::store::maintain;

/// Makes a data file of what export wrote. One that has data already is refused.
#[derive(Args)]
pub(super) struct Import {
    /// The lines; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Import {
    pub(super) fn run(&self, data: &Path) -> Result<(), Failed> {
        let mut lines = BufReader::with_capacity(1 << 16, stream::input(&self.file)?);
        let mut bar = Bar::new();
        let counts = maintain::import(data, &mut lines, &mut |progress| bar.show(progress))
            .map_err(|error| match error {
                maintain::MaintainError::Line { .. } => {
                    format!("{}: {}", self.file.display(), explain(data, &error))
                }
                error => explain(data, &error),
            })?;
        drop(bar);
        say(&format!("{}: {counts}", data.display()));
        Ok(())
    }
}
