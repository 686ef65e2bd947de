//! The state that the sessions of an engine share, and how a session opens.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use hyper::Request;
use hyper::header::HeaderMap;
use tokio_util::task::TaskTracker;

use super::application::{Acceptor, Handshake};
use super::config::EngineConfig;
use super::connection::Connection;
use super::frame::Frame;
use super::live::Live;
use super::refusal::Refusal;
use super::refusals::Refusals;
use super::registry::Registry;
use crate::engineio::{self, Packet, Upgrade};
use crate::web::{RequestBody, Seldom};

/// The state that the sessions of an engine share.
pub(super) struct Shared {
    pub(super) config: EngineConfig,
    acceptor: Arc<dyn Acceptor>,
    pub(super) registry: Registry,
    pub(super) refusals: Refusals,
    /// The sessions that were closed because their clients sent too much in a second.
    pub(super) floods: Seldom,
    /// The tasks of WebSockets: each counts until its connection has ended, however long its
    /// session is over.
    pub(super) sockets: TaskTracker,
}

impl Shared {
    pub(super) fn new(config: EngineConfig, acceptor: Arc<dyn Acceptor>) -> Self {
        Self {
            config,
            acceptor,
            registry: Registry::default(),
            refusals: Refusals::default(),
            floods: Seldom::default(),
            sockets: TaskTracker::new(),
        }
    }

    /// Opens a session and introduces it. Returns it with headers for the response.
    pub(super) fn open(
        self: &Arc<Self>,
        request: &Request<RequestBody>,
        peer: SocketAddr,
        upgrade: Upgrade,
    ) -> Result<(Arc<Live>, HeaderMap), Refusal> {
        let query = request.uri().query().unwrap_or_default();
        let handshake = Handshake {
            headers: request.headers(),
            query,
            peer,
        };
        self.acceptor
            .allow(&handshake)
            .map_err(Refusal::Forbidden)?;
        let live = self.add(upgrade, peer.ip())?;
        if upgrade == Upgrade::WebSocket {
            // Before the application can speak to it.
            let json = self.handshake_json(&live, &[]);
            live.send([Frame::packet(&Packet::Open(&json))]);
        }
        let connection = Connection::new(Arc::clone(&live));
        live.introduce(self.acceptor.open(&handshake, connection));
        Ok((live, self.acceptor.response_headers(&handshake)))
    }

    /// Opens a session that is not introduced yet.
    pub(super) fn add(
        self: &Arc<Self>,
        upgrade: Upgrade,
        address: IpAddr,
    ) -> Result<Arc<Live>, Refusal> {
        self.registry.open(&self.config, address, |address| {
            Live::open(self, Instant::now(), upgrade, address)
        })
    }

    /// Returns the JSON of a session's open packet.
    pub(super) fn handshake_json(&self, live: &Live, upgrades: &[&str]) -> String {
        engineio::Handshake {
            sid: live.sid().as_str(),
            upgrades,
            ping_interval: self.config.heartbeat.interval,
            ping_timeout: self.config.heartbeat.timeout,
            max_payload: self.config.max_payload,
        }
        .to_json()
    }
}
