//! JSON on its way out: values as text, byte for byte as serde_json writes them.
//!
//! What the server says is short texts and names, over and over, and serde_json looks at each of
//! their bytes by itself: a third of the instructions of a page of history. Here eight or sixteen
//! are looked at in one step. All that comes in is read by serde_json, whose errors these are too.

mod compound;
mod text;
mod writer;

#[cfg(test)]
mod tests;

pub use writer::write;
