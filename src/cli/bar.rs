//! How far something is, on a terminal; nothing in a pipe.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::store::maintain::{Progress, Unit};

/// A line on standard error that says how far something is, gone when it is over.
pub(super) struct Bar {
    bar: ProgressBar,
    what: &'static str,
}

impl Bar {
    pub(super) fn new() -> Self {
        Self {
            // On anything but a terminal it draws nothing.
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
            what: "",
        }
    }

    pub(super) fn show(&mut self, progress: Progress) {
        if self.what != progress.what {
            self.what = progress.what;
            let counted = match progress.unit {
                Unit::Bytes => "{bytes} of {total_bytes}",
                Unit::Records => "{human_pos} of {human_len}",
            };
            let template = format!("{{msg}} {{wide_bar}} {counted}, {{eta}} left");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                self.bar.set_style(style);
            }
            self.bar.reset();
            self.bar.set_message(progress.what);
        }
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
