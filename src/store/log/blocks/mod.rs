//! The log as it lies in its table: blocks of entries that follow one another, each as large as a
//! page of the tree takes.
//!
//! A row for each entry would cost 12 bytes of a page, a search and a growing page for each; a
//! block costs them once for some thirty. The newest block grows until it is full: it is the page
//! that the next transaction would have to write anew anyhow. Another one changes only where an
//! entry is rewritten.
//!
//! A block's key is the id of its last entry, since the branches of the tree lead to the smallest
//! key that is not smaller than what is looked for; the one that grows has the greatest key until
//! it is full. `FORMAT.md` draws its value.

mod appending;
mod block;
mod filling;
mod rewriting;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod tests;
mod walking;

pub(crate) use appending::Appending;
pub(crate) use block::{damaged, decode};
pub(crate) use rewriting::{rewrite_block, rewrite_entries};
#[cfg(test)]
pub(crate) use tamper::{entries, old_entries, tamper, tamper_entries, tamper_old};
pub(crate) use walking::{Log, Walk, read_block};
