//! The other door: REST, the page, and the way to the sessions of `/socket.io/`.
//!
//! ```text
//! app.rs        a request from its connection on; dispatch.rs: to the function of its route
//! router.rs     the table of routes
//! api/          a file a resource: reads a request, calls a verb, writes what it came to
//! request.rs    the token, the query, the body; counting.rs: what they cost
//! answer.rs, error.rs   what comes back
//! ```
//!
//! Rules of chat and of identity are in those modules, and the shapes of rows and refusals in
//! `contract`.

mod answer;
mod api;
mod app;
mod assets;
mod counting;
mod dispatch;
mod error;
mod request;
mod router;

pub use crate::web::TrustedProxies;
pub use api::backup::ELSEWHERE;
pub use api::documents::{Written, written};
pub use api::probe::Seen;
pub use app::{Http, Site, starting};
