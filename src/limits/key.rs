//! Who is limited, and what they are told.

use std::net::IpAddr;

use crate::model::UserId;

/// The one that is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key<'a> {
    /// A person.
    User(UserId),
    /// An address; a /64 of IPv6 counts as one, which is the caller's to see to.
    Address(IpAddr),
    /// An app's backend, by the number of its key.
    Backend(u64),
    /// An incoming hook, by its number.
    Hook(u64),
    /// A name that a client claims.
    Name(&'a str),
    /// Something that is proved, such as an invite, beside the address it is shown from.
    Shown(&'a str, Option<IpAddr>),
}

/// A rate was exceeded: try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimited {
    /// In so many milliseconds, at least 1.
    pub retry_after_ms: u64,
}
