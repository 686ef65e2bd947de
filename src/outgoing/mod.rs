//! What this server asks and tells others: every request that leaves it goes through here.
//!
//! A request has one place that bounds it: so many bytes, so much time, certificates that browsers
//! trust (or those of a private authority that the operator names), and no redirects. What the
//! operator names by a flag is fetched ([`Fetcher`], `https` alone). What other people name, hooks
//! and push services, is posted to ([`Outbound`]), and only at addresses that the whole Internet
//! can reach. Nothing here knows what is asked for, or told.

mod connection;
mod fetch;
mod idle;
mod names;
mod post;
mod reach;
mod shares;
mod target;
#[cfg(test)]
mod tests;
mod trust;
mod url;

pub use fetch::{FetchError, Fetcher};
pub use names::{Looking, Names};
pub use post::{Answer, Outbound, OutboundError};
pub use reach::Reach;
pub use shares::Holder;
pub use target::{Target, TargetError};
pub use trust::{RootsError, Trust};
pub use url::{HttpsUrl, HttpsUrlError};
