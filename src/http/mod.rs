//! The other door: REST, the page, and the way to the sessions of `/socket.io/`.
//!
//! `router.rs` is the table of routes; `api/` holds one file a resource, each of which reads a
//! request, calls a verb and writes what it came to. `app.rs` takes a request from the connection
//! to its route, `answer.rs` and `error.rs` write what comes back. Rules of chat and of identity
//! are in those modules, and the shapes of rows and refusals in `contract`.

mod answer;
mod api;
mod app;
mod assets;
mod error;
mod request;
mod router;

pub use crate::web::TrustedProxies;
pub use api::probe::Seen;
pub use app::{Http, Site, starting};
