//! HTTP's ground floor: whose page a request comes from, from which client, and how that client names this server.
//! Knows nothing of chat.

mod origin;
mod proxy;
mod seldom;

pub use origin::{OriginError, Origins, say};
pub use proxy::{Network, NetworkError, Sender, TrustedProxies};
pub use seldom::Seldom;
