//! `chatd completions SHELL`

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::flags::Flags;
use super::output::say_all;

/// Prints what a shell needs to complete commands and flags.
///
/// For bash: chatd completions bash > ~/.local/share/bash-completion/completions/chatd
#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<(), String> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Flags::command(), "chatd", &mut text);
        say_all(&text)
    }
}
