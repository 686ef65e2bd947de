//! `chatd man [FOLDER]`

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_mangen::Man as Page;

use super::failure::chain;
use super::flags::Flags;
use super::output::say_all;

/// Prints the manual page, or writes those of all commands into a folder.
///
/// To read it: chatd man | man -l -
#[derive(Args)]
pub(super) struct Man {
    /// Where chatd.1, chatd-user.1 and the others are to be written
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self) -> Result<(), String> {
        let Some(folder) = &self.folder else {
            let mut text = Vec::new();
            Page::new(Flags::command())
                .render(&mut text)
                .map_err(|error| chain(&error))?;
            return say_all(&text);
        };
        clap_mangen::generate_to(Flags::command(), folder)
            .map_err(|error| format!("{}: {}", folder.display(), chain(&error)))
    }
}
