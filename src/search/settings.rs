//! How the index is kept.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::budget::Budget;
use crate::store::Store;

/// 65,536 messages are a part of the index: few enough to be made anew within a second, and for
/// their numbers to have two bytes.
pub const MESSAGES_A_PART: usize = 1 << 16;
/// 16 MiB for the newest part, which takes some 6 MiB of English and more of Chinese.
pub const DEFAULT_MEMORY: usize = 16 << 20;
/// 1,024 entries are taken in at once, some milliseconds.
const PAGE: usize = 1 << 10;
/// 1,048,576 entries without a message, such as marks: some seconds of reading at the next start.
const SPAN: u64 = 1 << 20;

/// How the index is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchConfig {
    /// The folder; `None` for one that goes with the server.
    pub folder: Option<PathBuf>,
    /// The messages of a part, at most [`MESSAGES_A_PART`].
    pub messages: usize,
    /// About how many bytes the newest part may take in memory.
    pub memory: usize,
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self {
            folder: None,
            messages: MESSAGES_A_PART,
            memory: DEFAULT_MEMORY,
        }
    }
}

impl SearchConfig {
    /// Returns the configuration with the folder of the index of this data file.
    pub fn beside(data: &std::path::Path) -> Self {
        Self {
            folder: Some(folder_of(data)),
            ..Self::default()
        }
    }

    /// Returns the same within the memory of a server.
    pub fn within(self, budget: &Budget) -> Self {
        Self {
            memory: self.memory.min(budget.search),
            ..self
        }
    }

    /// How many entries are taken in at once.
    pub(super) fn page(&self) -> usize {
        PAGE.min(self.messages / 4).max(1)
    }

    /// How many entries a part may span.
    pub(super) fn span(&self) -> u64 {
        SPAN.min(self.messages as u64 * 16)
    }

    /// Returns the mark of a data file: another one once a backup was put in its place.
    pub(super) fn stamp(&self, store: &Store) -> [u8; 16] {
        let secret = store.token_secret().unwrap_or_default();
        let hash = Sha256::new()
            .chain_update(b"the search of chatd\0")
            .chain_update(&secret)
            .finalize();
        let mut stamp = [0; 16];
        stamp.copy_from_slice(&hash[..16]);
        stamp
    }
}

/// Returns the folder of the index of a data file.
pub fn folder_of(data: &std::path::Path) -> PathBuf {
    let mut name = data.as_os_str().to_owned();
    name.push(".search");
    PathBuf::from(name)
}
