//! The configuration of a server: plain, validated values. `cli` makes a [`Config`] from flags,
//! tests from [`Config::default`].
//!
//! What the values do is `server`'s, which is above.

mod connections;
mod keys;
mod reload;
mod settings;
mod tls;
mod watchdog;

pub use connections::ConnectionLimits;
pub use keys::KeySource;
pub use reload::Reload;
pub use settings::{Config, DEFAULT_ERASE_WITHIN, DEFAULT_SHUTDOWN_GRACE};
pub use tls::{Acme, TlsFiles, TlsSource};
pub use watchdog::Watchdog;
