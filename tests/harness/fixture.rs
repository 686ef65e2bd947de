//! What every fixture is made of, and how it is served.

use std::sync::Arc;
use std::time::Duration;

use chatd::hub::{Io, IoConfig};
use chatd::server::Connections;
use chatd::transport::{Engine, EngineConfig, Heartbeat};
use chatd::web::{Body, Origins};
use hyper::{Response, StatusCode};
use tokio::net::TcpListener;

/// What a fixture serves: engines by the beginning of their path, and what delays a handshake.
pub(crate) struct Fixture {
    /// Where its suite looks for it.
    pub(crate) port: u16,
    pub(crate) engines: Vec<(&'static str, Engine)>,
    pub(crate) hubs: Vec<Io>,
    pub(crate) handshake_delay: Duration,
}

/// The engine of every fixture: the reference's, for pages of any origin.
pub(crate) fn engine_config(interval_ms: u64, timeout_ms: u64) -> EngineConfig {
    EngineConfig {
        heartbeat: Heartbeat {
            interval: Duration::from_millis(interval_ms),
            timeout: Duration::from_millis(timeout_ms),
        },
        origins: Origins::new(["*".to_owned()]).expect("* is every origin"),
        ..EngineConfig::default()
    }
}

pub(crate) fn hub(connect_timeout: Duration) -> IoConfig {
    IoConfig {
        connect_timeout,
        keep_handshakes: true,
        ..IoConfig::default()
    }
}

/// Serves a fixture for as long as it is polled.
pub(crate) async fn serve(fixture: Fixture, listener: &TcpListener) {
    for hub in fixture.hubs {
        tokio::spawn(async move { hub.sweep().await });
    }
    let engines: Arc<[_]> = fixture.engines.into();
    let delay = fixture.handshake_delay;
    let answer = move |request: hyper::Request<chatd::web::RequestBody>, peer| {
        let engines = Arc::clone(&engines);
        async move {
            let engine = engines
                .iter()
                .find(|(path, _)| request.uri().path().starts_with(path));
            let Some((_, engine)) = engine else {
                let mut response = Response::new(Body::default());
                *response.status_mut() = StatusCode::NOT_FOUND;
                return response;
            };
            if !request.uri().query().unwrap_or_default().contains("sid=") {
                tokio::time::sleep(delay).await;
            }
            engine.serve(request, peer).await
        }
    };
    Connections::default().serve(listener, answer).await;
}
