//! `chatd import FILE`

use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Args;

use super::bar::Bar;
use super::failure::maintain as explain;
use super::output::{Failed, say};
use super::{files, stream};
use crate::accounts::check_hash;
use crate::files::describe_file;
use crate::model::Timestamp;
use crate::store::maintain::{self, Judging};

/// Makes a data file of what export wrote, with the files in the folder FILE.files: those that are
/// not there are left out and named, and the text of their messages stays. One that has data
/// already is refused.
#[derive(Args)]
pub(super) struct Import {
    /// The lines; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Import {
    pub(super) fn run(&self, data: &Path, folder: &Path) -> Result<(), Failed> {
        let mut lines = BufReader::with_capacity(1 << 16, stream::input(&self.file)?);
        let mut bar = Bar::new();
        let source = files::folder_of(&self.file);
        let judging = Judging {
            now: Timestamp::now(),
            password_hash: &|text| check_hash(text).map_err(|error| error.to_string()),
            file: &|id| {
                let found = describe_file(&source, id);
                found.map_err(|error| format!("{}: {error}", source.display()))
            },
        };
        let imported = maintain::import(data, &mut lines, judging, &mut |progress| {
            bar.show(progress)
        })
        .map_err(|error| match error {
            maintain::MaintainError::Line { .. } => {
                format!("{}: {}", self.file.display(), explain(data, &error))
            }
            error => explain(data, &error),
        })?;
        let kept = maintain::files_of(data).map_err(|error| explain(data, &error))?;
        let kept = files::whole(&kept);
        let lacking = files::copy(&source, folder, &kept, files::ALL, &mut bar)?;
        files::complete(&lacking, &source)?;
        drop(bar);
        say(&format!("{}: {}", data.display(), imported.counts));
        if imported.pauses {
            say(files::PAUSED);
        }
        if imported.cut_times > 0 {
            say(&format!(
                "{} times were finer than milliseconds and were cut",
                imported.cut_times
            ));
        }
        if imported.left_out_avatars > 0 {
            say(&format!(
                "{} avatars were paths of a server and were left out",
                imported.left_out_avatars
            ));
        }
        files::left_out(&imported.left_out_files, &source);
        Ok(())
    }
}
