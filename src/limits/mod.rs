//! How much one person or one address may do, so that no one of them can wear the server out.
//!
//! Doors ask [`Limits::check`] before they call a verb. Each kind is a token bucket (GCRA): so many
//! at once, and so many a time after that. What turns out to cost more than was counted is
//! [charged](Limits::charge) afterwards. A key that has been quiet long enough is forgotten by
//! [`Limits::sweep`]; while as many keys of a kind are remembered as there is room for, new ones
//! share buckets, so that a flood from many addresses costs no more memory than that.
//!
//! A key that an attacker can choose to be another's is no key to lock people out by. Tries of a
//! password ([`Limits::attempt`]) are therefore counted by name and address together. Only
//! strangers are counted by the name alone, or by the address alone: an address from which that
//! name has logged in before is not.
//!
//! The buckets are made here, not by a crate: none of those looked at can give a token back, or
//! charge for what was done.

mod buckets;
mod key;
mod kinds;
mod known;
mod limiter;
mod rates;

pub use key::{Key, RateLimited};
pub use kinds::{BYTES_A_COUNT, Kind, ROWS_A_COUNT};
pub use limiter::{Attempt, Limits};
pub use rates::{Rates, SetRate, Setting, SettingError};
