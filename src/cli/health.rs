//! `chatd health`

use std::path::Path;

use clap::Args;

use super::control;
use super::output::say;

/// Asks the server that runs on the data file whether it can write: prints ok, or fails.
///
/// For health checks, such as a container's. It asks by the control socket beside the data file, as
/// the user who runs the server or as root, so that neither port nor TLS makes a difference.
#[derive(Args)]
pub(super) struct Health {}

impl Health {
    pub(super) fn run(&self, data: &Path) -> Result<(), String> {
        control::ready(data)?;
        say("ok");
        Ok(())
    }
}
