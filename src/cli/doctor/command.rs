//! The command itself: its arguments, and what it looks at, one after the other.

use std::path::{Path, PathBuf};

use clap::Args;

use super::report::Report;
use super::site::Site;
use super::{machine, way};
use crate::web::PublicUrl;

/// Looks for what is wrong, and says how to mend it: a line a finding, and exit code 1 if something
/// is.
///
/// Without a URL it looks at this machine: the data file and its folder, room, how long a write
/// takes, limits, the clock. With the URL by which people come, it looks at the way there as well:
/// name, certificate, WebSocket and long polling, waiting, size, and the headers of a reverse
/// proxy; the last of these only on the server's own machine, as the user who runs it or as root,
/// since it asks the server by its control socket what arrived.
#[derive(Args)]
pub(in crate::cli) struct Doctor {
    /// How people reach the server, such as https://chat.example.org or https://example.org/chat
    #[arg(value_name = "URL")]
    url: Option<PublicUrl>,
    /// The certificate, in PEM form, by which the site's own is trusted, where the authority is a
    /// private one; or the site's own, where it signed it itself
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Doctor {
    pub(in crate::cli) async fn run(&self, data: &Path) -> Result<(), String> {
        let site = match &self.url {
            Some(url) => Some(Site::parse(&url.to_string(), self.ca.as_deref())?),
            None => None,
        };
        let mut report = Report::default();
        // Blocks, and nothing else is to be done meanwhile.
        machine::examine(data, &mut report);
        if let Some(site) = site {
            way::examine(&site, data, &mut report).await;
        }
        report.end()
    }
}
