//! What this server asks of others: every request that leaves it goes through here.
//!
//! A request has one place that bounds it: `https` alone, certificates that browsers trust (or
//! those of a private authority that the operator names), no redirects, so many bytes and so much
//! time. Nothing here knows what is asked for.

mod fetch;
mod url;

pub use fetch::{FetchError, Fetcher, RootsError};
pub use url::{HttpsUrl, HttpsUrlError};
