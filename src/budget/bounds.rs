//! The bounds of one owner.

use std::time::Duration;

/// 1,500 connections from one address (one /64 of IPv6): its 1,000 sessions, and requests beside
/// them.
pub const MAX_CONNECTIONS_PER_ADDRESS: usize = 1_500;
/// 256 KiB: what the kernel holds in each direction for one connection, besides what it needs for
/// itself.
pub const SOCKET_BUFFER: usize = 256 << 10;
/// 10 s: an answer of which the peer takes nothing for so long is given up, and its connection or
/// stream with it.
pub const ANSWER_STALL: Duration = Duration::from_secs(10);
/// 8 KiB: what the peer must take of an answer within that time for it to be progress, unless less
/// is left.
pub const ANSWER_STEP: usize = 8 << 10;
/// 4 KiB: shorter answers are not counted. Each connection has one of them at most, and each stream
/// of HTTP/2.
pub const UNCOUNTED_ANSWER: usize = 4 << 10;
/// 1 MiB: the most that the rows of one page take as JSON; a page has at least one.
pub const PAGE_BYTES: usize = 1 << 20;
/// 2 MiB: a part of answers or of bodies is no smaller, so that it has room for one of them in a
/// small container too.
pub const LEAST_PART: usize = 2 << 20;
/// One person may hold an eighth of the answers, one address a quarter.
pub const ANSWERS_OF_A_PERSON: usize = 8;
/// See [`ANSWERS_OF_A_PERSON`].
pub const ANSWERS_OF_AN_ADDRESS: usize = 4;
/// 32 KiB of what one connection has half received are not counted: more than a message of the chat
/// has, so that those who fill the pool with larger ones keep no one from talking.
pub const UNCOUNTED_HALF: usize = 32 << 10;
/// One address may hold a quarter of what is half received: bodies, and messages of WebSockets.
pub const HALVES_OF_AN_ADDRESS: usize = 4;
/// 16 KiB: what a request on a stream of HTTP/2 takes until it is answered, besides its body and
/// its answer. One of each connection is not counted, as none of HTTP/1.1 is.
pub const STREAM_BYTES: usize = 16 << 10;
/// One address may hold a quarter of the streams.
pub const STREAMS_OF_AN_ADDRESS: usize = 4;
