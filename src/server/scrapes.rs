//! `GET /metrics`, on a listener of its own: what Prometheus asks for. Meant for a trusted network;
//! it tells numbers only.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::connections::{ACCEPT_PAUSE, Connections};
use crate::budget::Budget;
use crate::chat::Chat;
use crate::contract::Code;
use crate::engineio::CloseReason;
use crate::hooks::Hooks;
use crate::hub::Namespace;
use crate::limits::Kind;
use crate::metrics::{Metrics, Readings};
use crate::model::{HookState, Timestamp};
use crate::push::Pushes;
use crate::search::Search;
use crate::store::{Location, Store};
use crate::transport::Engine;
use crate::web::{self, Body, RequestBody};

/// 8: a pair of scrapers, and a person with curl. More wait until one of them has gone.
const MAX_CONNECTIONS: usize = 8;
/// 10 s for a question and its answer, after which the connection ends in any case: each has a
/// connection of its own.
const PATIENCE: Duration = Duration::from_secs(10);
/// The form of the answer, <https://prometheus.io/docs/instrumenting/exposition_formats/>.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Listens for scrapers. Whatever they ask before the data is open waits.
pub(super) async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!("metrics on {}", listener.local_addr()?);
    Ok(listener)
}

/// The sources of the readings.
pub(super) struct Sources {
    pub(super) metrics: Metrics,
    pub(super) engine: Engine,
    pub(super) namespace: Namespace,
    pub(super) chat: Chat,
    pub(super) hooks: Hooks,
    pub(super) store: Store,
    pub(super) search: Search,
    pub(super) pushes: Pushes,
    pub(super) connections: Connections,
    pub(super) budget: Budget,
    pub(super) data: Location,
    /// Set where only this machine is listened to.
    pub(super) is_private: bool,
    /// The time that opening the data took.
    pub(super) opening: Duration,
}

impl Sources {
    fn read(&self) -> Readings {
        let census = self.engine.census();
        let (queued_changes, queued_bytes) = self.store.queued();
        let database_bytes = match &self.data {
            Location::File(path) => std::fs::metadata(path).map_or(0, |data| data.len()),
            _ => 0,
        };
        let (files, files_bytes) = self.store.files();
        let hooks = self.hooks.statuses();
        let so = |state| hooks.iter().filter(|hook| hook.state == state).count();
        let told = hooks
            .iter()
            .filter(|hook| hook.state != HookState::Paused)
            .map(|hook| hook.progress.entry);
        let newest = self.store.last_entry();
        let search = self.search.readings();
        Readings {
            files,
            files_bytes,
            search_behind: search.behind,
            search_bytes: search.bytes,
            search_parts: search.parts,
            search_stale_parts: search.stale_parts,
            connections: self.connections.open(),
            http_connections: self.connections.speaking_http(),
            polling_sessions: census.polling,
            websocket_sessions: census.websocket,
            sockets: self.namespace.len(),
            users_online: self.chat.presence().online().len(),
            rooms: self.store.rooms(),
            login_sessions: self.store.sessions(),
            open_reports: self.store.reports(),
            waiting_marks: self.chat.waiting_marks(),
            queued_changes,
            queued_bytes,
            outbox_frames: census.frames,
            outbox_bytes: census.bytes,
            outbox_largest_bytes: census.largest_bytes,
            answer_bytes: self.budget.answers.used(),
            half_received_bytes: self.budget.half_received.used(),
            database_bytes,
            active_hooks: so(HookState::Active),
            failing_hooks: so(HookState::Failing),
            paused_hooks: so(HookState::Paused),
            hooks_behind: told.min().map_or(0, |told| newest.saturating_sub(told)),
            push_subscriptions: self.pushes.subscriptions(),
            waiting_pushes: self.pushes.waiting(),
            log_entries: self.chat.newest(),
            is_writable: self.chat.is_writable(),
            erased_seconds: self
                .store
                .erased_since()
                .map_or(0.0, |at| at.until(Timestamp::now()).as_secs_f64()),
            lacks_room_to_erase: self.store.lacks_room_to_rewrite(),
            doubts_clock: self.store.doubts_clock(),
            open_seconds: self.opening.as_secs_f64(),
        }
    }
}

/// Answers scrapers, for as long as it is polled; where there is no listener, never.
pub(super) async fn serve(listener: Option<TcpListener>, sources: Sources) {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    let metrics = &sources.metrics;
    metrics
        .sessions
        .prepare(CloseReason::ALL.iter().map(|reason| reason.as_str()));
    metrics
        .limits
        .prepare(Kind::ALL.iter().map(|kind| kind.as_str()));
    metrics
        .events
        .prepare(Code::ALL.iter().map(|code| code.as_str()));
    let connections = sources.connections.clone();
    let sources = Arc::new(sources);
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let sources = Arc::clone(&sources);
                let answer = move |request: Request<RequestBody>| {
                    let sources = Arc::clone(&sources);
                    async move {
                        // Looks at every session and every open file: not for a thread that others
                        // wait for.
                        let answered =
                            tokio::task::spawn_blocking(move || answer(&request, &sources)).await;
                        answered.unwrap_or_else(|_| {
                            let mut failed = Response::new(Body::default());
                            *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                            failed
                        })
                    }
                };
                let speaking = connections.speak_apart(stream, answer);
                tokio::spawn(async move {
                    let _ = tokio::time::timeout(PATIENCE, speaking).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection for metrics could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Returns whether a request calls this machine by a name that no site can have. Another site's
/// page could be made to read what listens on this machine alone, where the name of its site leads
/// here.
fn is_called_loopback(request: &Request<RequestBody>) -> bool {
    let host = request.headers().get(header::HOST);
    host.is_none_or(|host| host.to_str().is_ok_and(web::is_loopback))
}

fn answer(request: &Request<RequestBody>, sources: &Sources) -> Response<Body> {
    let mut response = Response::new(Body::default());
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    if sources.is_private && !is_called_loopback(request) {
        *response.status_mut() = StatusCode::FORBIDDEN;
        return response;
    }
    if request.uri().path() != "/metrics" {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    let headers = response.headers_mut();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        return response;
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(TEXT));
    *response.body_mut() = Body::from(sources.metrics.text(&sources.read()));
    response
}
