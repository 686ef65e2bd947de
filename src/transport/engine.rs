//! The sessions of one path: requests in, sessions out.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::{Method, Request, Response};

use super::application::Acceptor;
use super::config::EngineConfig;
use super::query::{Query, TransportKind};
use super::refusal::Refusal;
use super::registry::Census;
use super::shared::Shared;
use super::{polling, websocket};
use crate::budget::{LEAST_PART, Pool, Portions, UNCOUNTED_HALF};
use crate::engineio::CloseReason;
use crate::web::{self, Body, Origins, RequestBody, Verdict};

/// The sessions of one path. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(super) shared: Arc<Shared>,
}

impl Engine {
    /// Returns an engine whose sessions go to `acceptor`.
    pub fn new(mut config: EngineConfig, acceptor: Arc<dyn Acceptor>) -> Self {
        // Two of the largest messages that are allowed can arrive at once, and one from the same
        // address, however little memory there is.
        let message = config.max_payload.next_multiple_of(UNCOUNTED_HALF);
        let half_received = &mut config.budget.half_received;
        if half_received.limit() < message * 2 {
            *half_received = Portions::new(Pool::new(message * 2), message);
        }
        *half_received = half_received.of_at_least(message.max(LEAST_PART));
        Self {
            shared: Arc::new(Shared::new(config, acceptor)),
        }
    }

    /// Answers one request. Must run in a tokio runtime; a request whose future is dropped closes
    /// its session.
    pub async fn serve(&self, request: Request<RequestBody>, peer: SocketAddr) -> Response<Body> {
        let origins = &self.shared.config.origins;
        let page = origins.judge(&request);
        let allowed = origins.headers(page, request.headers());
        let mut response = match origins.preflight(page, request.method(), request.headers()) {
            Some(answer) => answer,
            None => {
                let websocket = websocket::wants_upgrade(request.headers());
                match self.route(request, peer, websocket, page).await {
                    Ok(response) => response,
                    Err(refusal) => {
                        self.shared.refusals.log(refusal);
                        refusal.response(websocket)
                    }
                }
            }
        };
        web::say(&mut response, allowed);
        response
    }

    async fn route(
        &self,
        request: Request<RequestBody>,
        peer: SocketAddr,
        websocket: bool,
        page: Verdict,
    ) -> Result<Response<Body>, Refusal> {
        let shared = &self.shared;
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let kind = query.transport.ok_or(Refusal::TransportUnknown)?;
        let live = match &query.sid {
            None => None,
            Some(sid) => Some(shared.registry.get(sid).ok_or(Refusal::SessionUnknown)?),
        };
        match (kind, websocket) {
            (TransportKind::WebSocket, false) => return Err(Refusal::NoUpgrade),
            (TransportKind::Polling, true) => return Err(Refusal::BadRequest),
            (TransportKind::WebSocket, true) if !page.may_connect() => {
                return Err(Refusal::ForeignPage);
            }
            _ => {}
        }
        match (live, kind) {
            (Some(_), _) if !query.revision_4 => Err(Refusal::BadRequest),
            (Some(live), TransportKind::Polling) => polling::serve(shared, live, request).await,
            (Some(live), TransportKind::WebSocket) => websocket::upgrade(shared, live, request),
            (None, _) if request.method() != Method::GET => Err(Refusal::HandshakeMethod),
            (None, _) if !query.revision_4 => Err(Refusal::ProtocolVersion),
            (None, TransportKind::Polling) => polling::open(shared, &request, peer),
            (None, TransportKind::WebSocket) => websocket::open(shared, request, peer),
        }
    }

    /// Returns which web pages may connect.
    pub fn origins(&self) -> &Origins {
        &self.shared.config.origins
    }

    /// Returns how many sessions are open.
    pub fn sessions(&self) -> usize {
        self.shared.registry.len()
    }

    /// Returns what the sessions are, and what waits for their clients.
    pub fn census(&self) -> Census {
        self.shared.registry.census()
    }

    /// Opens no session any more, and hears nothing more from clients. What is said to them is
    /// still sent.
    pub fn pause(&self) {
        self.shared.registry.pause();
    }

    /// Closes every session, telling its client what waits for it and that it is over, and waits
    /// until all have heard that or have had their time to.
    pub async fn shutdown(&self) {
        self.pause();
        let registry = &self.shared.registry;
        registry.close_all(CloseReason::ServerShutdown).await;
        self.shared.sockets.close();
        self.shared.sockets.wait().await;
    }
}
