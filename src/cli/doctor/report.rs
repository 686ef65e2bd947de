//! The findings, as they are found.

use crate::cli::output::say;

/// Counts findings, and prints each.
#[derive(Debug, Default)]
pub(super) struct Report {
    looked: usize,
    wrong: usize,
}

impl Report {
    /// It is as it should be.
    pub(super) fn good(&mut self, what: &str, found: &str) {
        self.line("ok", what, found);
    }

    /// It works, and may not for long.
    pub(super) fn doubt(&mut self, what: &str, found: &str) {
        self.line("warn", what, found);
    }

    /// It is to be mended.
    pub(super) fn wrong(&mut self, what: &str, found: &str) {
        self.wrong += 1;
        self.line("FAIL", what, found);
    }

    /// It could not be looked at.
    pub(super) fn skipped(&mut self, what: &str, why: &str) {
        self.line("skip", what, why);
    }

    /// A finding that came with its own word for itself.
    pub(super) fn found(&mut self, what: &str, finding: Result<String, String>) {
        match finding {
            Ok(found) => self.good(what, &found),
            Err(found) => self.wrong(what, &found),
        }
    }

    fn line(&mut self, verdict: &str, what: &str, found: &str) {
        self.looked += 1;
        say(&format!("{verdict:<5} {what}: {found}"));
    }

    /// The verdict of all.
    pub(super) fn end(self) -> Result<(), String> {
        match self.wrong {
            0 => Ok(()),
            wrong => Err(format!(
                "{wrong} of {} findings are to be mended: the lines that begin with FAIL say how",
                self.looked
            )),
        }
    }
}
