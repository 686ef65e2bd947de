//! What the data file knows of files: who sent which, how much of it is there, and which message it
//! hangs on. The bytes lie beside the data file, in a folder that is none of this module's.
//!
//! ```text
//! uploading -> ready -> sent, with the message that names it,
//!                       or shown, with the account or room whose picture it is
//!     \__________\________\____ gone: the row first, then the bytes
//! ```

pub(crate) mod all;
pub(crate) mod gone;
pub(crate) mod refusal;
pub(crate) mod row;
pub(crate) mod staging;
