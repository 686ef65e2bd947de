//! `chatd doctor [URL]`
//!
//! Looks at this machine (`machine.rs`), and, given the public URL, at the way to the server: name
//! and TLS (`site.rs`), sessions by both transports (`sessions.rs`), and what arrives at the other
//! end of it (`headers.rs`). A line a finding, each with its mend.

mod command;
mod headers;
mod machine;
mod report;
mod sessions;
mod site;
mod verifier;
mod way;

pub(super) use command::Doctor;
