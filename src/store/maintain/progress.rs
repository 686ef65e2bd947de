//! How far work on a data file is, for those who watch it.

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, as a word on a progress bar: `reading pages`.
    pub what: &'static str,
    /// So much is done.
    pub done: u64,
    /// Of so much, as far as that is known.
    pub total: u64,
    /// What is counted.
    pub unit: Unit,
}

/// What a [`Progress`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of a file.
    Bytes,
    /// Records of a table, or lines.
    Records,
}

/// Told of progress, some ten times a second and on the thread of the caller.
pub type Watch<'a> = &'a mut dyn FnMut(Progress);
