//! chatd from outside.
