//! Where keys of other systems' tokens come from while the server runs.

use std::path::PathBuf;

use crate::outgoing::{Fetcher, HttpsUrl};

/// A JSON Web Key Set.
#[derive(Clone)]
pub enum KeySource {
    /// A file, looked at all the time.
    File(PathBuf),
    /// A URL, and by whom it is asked: read at the start, from time to time, and when a token names
    /// an unknown key.
    Url(HttpsUrl, Fetcher),
}
