//! HTTP's ground floor: bodies, connections, and whose page a request comes from, from which
//! client, and how that client names this server. Knows nothing of chat.

mod address;
mod body;
mod called;
mod client;
mod forwarded;
mod lists;
mod origin;
mod origins;
mod policy;
mod proxy;
mod public;
mod query;
mod reception;
mod request_body;
mod seldom;
mod stream;

pub use address::counted;
pub use body::Body;
pub use called::{base_url, is_loopback};
pub use client::client_name;
pub use lists::members;
pub use origin::{Allowed, Origin, OriginError};
pub use origins::{Origins, Verdict, say};
pub use policy::PagePolicy;
pub use proxy::{Network, NetworkError, Sender, TrustedProxies};
pub use public::{Below, PublicUrl, PublicUrlError};
pub use query::{may_have, query_pairs};
pub use reception::{BodyError, Reception, read_body};
pub use request_body::RequestBody;
pub use seldom::Seldom;
pub use stream::{Stream, Traffic};
