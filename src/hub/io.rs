//! The hub itself: its namespaces, and the sessions that `transport` opens.

use std::sync::Arc;
use std::time::Duration;

use super::client::Client;
use super::deadlines::Deadlines;
use super::{Handler, Namespace};
use crate::budget::{Budget, Portions};
use crate::transport::{Acceptor, Connection, Handshake, Receiver};

/// The settings of a hub. The defaults are the reference server's.
#[derive(Debug, Clone)]
pub struct IoConfig {
    /// How long a session may stay without a socket in any namespace.
    pub connect_timeout: Duration,
    /// How long the attachments of an event may take to arrive; noticed after twice that at the
    /// latest.
    pub assembly_timeout: Duration,
    /// The memory for events that are half received, or wait for a CONNECT to be decided.
    pub half_received: Portions,
    /// Has each session keep the headers and the query of its handshake, for handlers that decide
    /// on CONNECTs by them. They take some kilobytes a session; the `Authorization` header alone is
    /// kept in any case.
    pub keep_handshakes: bool,
}

impl Default for IoConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(45),
            assembly_timeout: Duration::from_secs(30),
            half_received: Budget::default().half_received,
            keep_handshakes: false,
        }
    }
}

/// The hub: namespaces and those who decide on them.
#[derive(Clone)]
pub struct Io {
    shared: Arc<Shared>,
}

/// What all sessions of a hub share.
pub(super) struct Shared {
    pub(super) config: IoConfig,
    pub(super) namespaces: Vec<(Namespace, Arc<dyn Handler>)>,
    /// Sessions that must have joined a namespace by then.
    unjoined: Deadlines,
    /// Sessions that must have sent by then the attachments that they have announced.
    pub(super) assembling: Deadlines,
}

impl Io {
    /// A hub of these namespaces.
    pub fn new(config: IoConfig, namespaces: Vec<(Namespace, Arc<dyn Handler>)>) -> Self {
        let shared = Shared {
            unjoined: Deadlines::new(config.connect_timeout),
            assembling: Deadlines::new(config.assembly_timeout),
            config,
            namespaces,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Closes sessions that join no namespace, or send no attachment, in time. To be run beside the
    /// hub; never ends.
    pub async fn sweep(&self) {
        let Shared {
            unjoined,
            assembling,
            ..
        } = &*self.shared;
        tokio::join!(
            unjoined.run(Client::connect_timeout),
            assembling.run(Client::assembly_timeout)
        );
    }
}

impl Acceptor for Io {
    fn open(&self, handshake: &Handshake<'_>, connection: Connection) -> Arc<dyn Receiver> {
        let client = Client::new(Arc::clone(&self.shared), handshake, connection);
        self.shared.unjoined.add(Arc::downgrade(&client));
        client
    }
}
