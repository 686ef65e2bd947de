//! HTTP's ground floor: whose page a request comes from, from which client, and how that client names this server.
//! Knows nothing of chat.

mod called;
mod forwarded;
mod origin;
mod proxy;
mod public;
mod seldom;

pub use called::{base_url, is_loopback};
pub use origin::{Allowed, Origin, OriginError, Origins, Verdict, say};
pub use proxy::{Network, NetworkError, Sender, TrustedProxies};
pub use public::{Below, PublicUrl, PublicUrlError};
pub use seldom::Seldom;
