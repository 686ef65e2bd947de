//! What a command says, and how the program ends.

use std::borrow::Cow;
use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::failure;
use super::log::{Lines, LogFormat};
use crate::model::is_one_line;

/// The reason that a command was not done, in one line that says what to do.
#[derive(Debug)]
pub(super) enum Failed {
    /// It was asked for in a way in which it cannot be done: exit code 2.
    Usage(String),
    /// It was tried: exit code 1.
    Work(String),
}

impl From<String> for Failed {
    fn from(text: String) -> Self {
        Self::Work(text)
    }
}

/// Logs how it ended, and empties the log's queue if its reader takes what is in it.
pub(super) fn end_of_server(
    done: Result<(), String>,
    lines: Option<Lines>,
    format: LogFormat,
) -> ExitCode {
    let Some(lines) = lines else {
        return end(done.map_err(Failed::from));
    };
    if let Err(text) = &done {
        lines.say_last(&format.last_words(text));
    }
    lines.flush();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

pub(super) fn end(done: Result<(), Failed>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Work(text)) => fail(&text),
        Err(Failed::Usage(text)) => {
            fail(&format!("{text}; see chatd --help"));
            ExitCode::from(2)
        }
    }
}

/// Help and version where they were asked for; else what is wrong with the flags.
pub(super) fn answer_usage(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // A reader that went away, as less does, does not miss the rest.
            if let Err(error) = error.print()
                && error.kind() != std::io::ErrorKind::BrokenPipe
            {
                return fail(&unwritable(&error));
            }
        }
        _ => {
            fail(&failure::usage(error));
        }
    }
    // Clap's codes are small, and ours: 0 for what was asked for, 2 for wrong usage.
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Returns a text as a terminal may be given it: what people wrote must not move the cursor there,
/// nor turn what stands beside it. Such characters are shown as Rust writes them: `\u{1b}`.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    let is_plain = |one: char| {
        let turns = matches!(one, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        is_one_line(one.encode_utf8(&mut [0; 4])) && !turns
    };
    if text.chars().all(is_plain) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for one in text.chars() {
        match is_plain(one) {
            true => out.push(one),
            false => out.extend(one.escape_default()),
        }
    }
    out.into()
}

/// One line on standard error that says what to do.
pub(super) fn fail(text: &str) -> ExitCode {
    // The exit code still tells a caller that reads nothing; a panic would change it.
    let _ = writeln!(std::io::stderr(), "chatd: {}", shown(text));
    ExitCode::FAILURE
}

/// One line on standard error that says what was done otherwise.
pub(super) fn note(text: &str) {
    // A reader that is gone does not miss it.
    let _ = writeln!(std::io::stderr(), "chatd: {}", shown(text));
}

/// A whole text on standard output, as far as its reader wants it: `head` goes away before the end.
pub(super) fn say_all(text: &[u8]) -> Result<(), String> {
    match give(text) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        given => given.map_err(|error| unwritable(&error)),
    }
}

/// What is shown this once, as a line on standard output: a reader that is gone lacks it.
pub(super) fn say_once(text: &str) -> Result<(), String> {
    give(format!("{text}\n").as_bytes()).map_err(|error| unwritable(&error))
}

fn give(text: &[u8]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text).and_then(|()| stdout.flush())
}

fn unwritable(error: &std::io::Error) -> String {
    format!("standard output cannot be written: {error}")
}

/// Prints what a command did on standard output.
pub(super) fn say(text: &str) {
    // A reader that is gone does not miss it.
    let _ = writeln!(std::io::stdout(), "{}", shown(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_does_nothing_to_the_terminal_that_shows_it() {
        for (text, as_shown) in [
            ("Zoë Müller 🎉 — 名前", "Zoë Müller 🎉 — 名前"),
            ("\u{1b}]0;owned\u{7}x", "\\u{1b}]0;owned\\u{7}x"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            (
                "\u{9b}2J\u{202e}gnp.exe\u{2028}",
                "\\u{9b}2J\\u{202e}gnp.exe\\u{2028}",
            ),
        ] {
            assert_eq!(shown(text), as_shown, "{text:?}");
        }
    }
}
