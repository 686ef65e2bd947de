//! Which addresses a name has.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// Names that are looked up at once: each holds a thread for as long as the system's resolver
/// takes, which is longer than a request may.
const MAX_LOOKUPS: usize = 16;

/// The addresses of a name, to come.
pub type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// What knows the addresses of names.
pub trait Names: Send + Sync {
    /// Returns the addresses of a host as they are now.
    fn look_up(&self, host: &str) -> Looking;
}

/// The system's resolver.
pub struct SystemNames(Arc<Semaphore>);

impl Default for SystemNames {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_LOOKUPS)))
    }
}

impl Names for SystemNames {
    fn look_up(&self, host: &str) -> Looking {
        let (host, places) = (host.to_owned(), Arc::clone(&self.0));
        Box::pin(async move {
            let place = places.acquire_owned().await.map_err(io::Error::other)?;
            // The place is held until the thread is free again, which is later than the caller's
            // patience ends.
            let looking = tokio::spawn(async move {
                let _place = place;
                let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            });
            looking.await.map_err(io::Error::other)?
        })
    }
}
