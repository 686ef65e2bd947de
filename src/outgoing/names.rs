//! Which addresses a name has.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::shares::{Holder, Shares};

/// Names that are looked up at once: each holds a thread for as long as the system's resolver
/// takes, which is longer than a request may.
const MAX_LOOKUPS: usize = 16;
/// 2 of them for one holder: with 16 names that no resolver answers, one person would hold all.
const MAX_OF_HOLDER: usize = 2;
/// 8 of them below one domain, whoever asks: its servers may be slow by intent, and for as many
/// names as they like.
const MAX_OF_DOMAIN: usize = 8;

/// The addresses of a name, to come.
pub type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// What knows the addresses of names.
pub trait Names: Send + Sync {
    /// Returns the addresses of a host as they are now.
    fn look_up(&self, host: &str) -> Looking;
}

/// The system's resolver.
pub(super) struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, host: &str) -> Looking {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Looks names up, so many at once, and few of them for one holder or below one domain.
pub(super) struct Lookups {
    names: Box<dyn Names>,
    places: Arc<Semaphore>,
    of_holders: Shares<Holder>,
    of_domains: Shares<String>,
}

impl Lookups {
    /// Looks up by these.
    pub(super) fn by(names: Box<dyn Names>) -> Self {
        Self {
            names,
            places: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            of_holders: Shares::of(MAX_OF_HOLDER),
            of_domains: Shares::of(MAX_OF_DOMAIN),
        }
    }

    /// Returns the addresses of a host as they are now.
    pub(super) async fn look_up(&self, holder: Holder, host: &str) -> io::Result<Vec<IpAddr>> {
        // The place that all share comes last: who waits for a share of its own takes none of it.
        let own = self.of_holders.place(holder).await;
        let below = self.of_domains.place(domain(host).to_owned()).await;
        let place = Arc::clone(&self.places).acquire_owned().await;
        let places = (own, below, place.map_err(io::Error::other)?);
        let looking = self.names.look_up(host);
        // The places are held until the thread is free again, which is later than the caller's
        // patience ends.
        let looking = tokio::spawn(async move {
            let _places = places;
            looking.await
        });
        looking.await.map_err(io::Error::other)?
    }
}

/// The last two labels of a name: all names that one may make up freely have them in common.
fn domain(host: &str) -> &str {
    let host = host.trim_end_matches('.');
    let second = host.rmatch_indices('.').nth(1);
    &host[second.map_or(0, |(at, _)| at + 1)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_domain_end_alike() {
        for (host, expected) in [
            ("a.b.example.org", "example.org"),
            ("a.example.org.", "example.org"),
            ("example.org", "example.org"),
            ("localhost", "localhost"),
            ("", ""),
        ] {
            assert_eq!(domain(host), expected);
        }
    }
}
