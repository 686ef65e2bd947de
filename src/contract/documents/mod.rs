//! What clients can rely on, as documents: OpenAPI 3.1 for REST, AsyncAPI 3.0 for the socket's
//! events, a page of both, and guides.
//!
//! Nothing is written down twice: `reads!` makes the type by which a payload is decoded and its
//! schema of one list, answers are described by the types that are encoded, and an [`Operation`] or
//! an [`Event`] stands beside the code that answers to it, a [`Webhook`] beside what hooks tell.
//! What is gathered here is put into the documents' shape, and every frame and body of the tests is
//! held against them. Pure: `http` serves what this makes.

mod asyncapi;
mod event;
mod guide;
mod openapi;
mod operation;
mod page;
mod schemas;
mod webhook;

pub(crate) use asyncapi::asyncapi;
pub(crate) use event::{Connecting, Event, Events};
pub(crate) use guide::{GUIDES, changes, guide};
pub(crate) use openapi::{Routed, openapi};
pub(crate) use operation::{Access, Operation};
pub(crate) use page::{More, page};
pub(crate) use webhook::Webhook;

/// The documents' titles.
const TITLE: &str = env!("CARGO_PKG_NAME");
/// The documents' versions: the program's.
const VERSION: &str = env!("CARGO_PKG_VERSION");
