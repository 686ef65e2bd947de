//! Where the wire and the truth meet: socket events become verbs, and what happened becomes events.
//!
//! ```text
//! admission.rs      a CONNECT: the token, the limits, the lost socket that it would resume
//! recovery.rs       the lost sockets; memory.rs: what is remembered of each
//! resume.rs         telling the client of one what it missed; turns.rs: to how many of a person
//!                   at once
//! chat_socket.rs    one socket: its token over time, and its events, which go to
//!   talk.rs           messages, read marks, typing
//!   watching.rs       presence
//! reply.rs          an ack, or a `chat_error` where none was asked for
//! outbound.rs       what happened, to the sockets of the people concerned; profiles.rs: who is
//!                   shown otherwise
//! present.rs        who of a room is there; fanout.rs: a room's events to all of them
//! attendance.rs     who comes and goes; expiry.rs: whose token ends next
//! pacing.rs         marks in rooms that wait for their time
//! ```
//!
//! The JSON is `contract`'s, and the rules are `chat`'s.

mod admission;
mod attendance;
mod changing;
mod chat_socket;
mod door;
mod expiry;
mod fanout;
mod groups;
mod memory;
mod outbound;
mod pacing;
mod payload;
mod present;
mod profiles;
mod recovery;
mod reply;
mod resume;
mod talk;
mod turns;
mod watching;

pub use admission::Inbound;
pub use attendance::Attendance;
pub use expiry::Expiry;
pub use outbound::Outbound;
pub use pacing::pace_marks;
pub use profiles::Profiles;
