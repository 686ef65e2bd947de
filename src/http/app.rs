//! From a connection to the routes and back: the names by which the server is called, and the
//! headers that every answer needs.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::answer::{cost_much, no_sniffing};
use super::api::documents::Documents;
use super::api::probe::Probe;
use super::error::ApiError;
use super::request::{self, Query};
use super::router::{HEALTH, Router};
use super::{TrustedProxies, api};
use crate::accounts::Accounts;
use crate::budget::Portions;
use crate::chat::Chat;
use crate::contract::{Code, Refusal};
use crate::files::Files;
use crate::hooks::Hooks;
use crate::limits::{Kind, Limits};
use crate::metrics::{EventMetrics, Metrics};
use crate::model::UserId;
use crate::push::Pushes;
use crate::search::Search;
use crate::transport::Engine;
use crate::verbs::{Clock, Verbs};
use crate::web::{
    self, Below, Body, Origin, Origins, PagePolicy, PublicUrl, Reception, RequestBody, Seldom,
};

/// Where the sessions are.
const SOCKET_IO: &str = "/socket.io";

/// Answers requests. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    app: Arc<App>,
}

/// Where and how the server is reached.
pub struct Site {
    /// The proxies whose word on the client's address is taken.
    pub proxies: TrustedProxies,
    /// Where people reach the server, if that is known for sure.
    pub public: Option<PublicUrl>,
    /// Where it is reached without a proxy, if it is known.
    pub local: Option<String>,
    /// What browsers may do with the page.
    pub page: PagePolicy,
    /// The verbs of files.
    pub files: Files,
    /// The verbs of hooks.
    pub hooks: Hooks,
    /// The verbs of the search.
    pub search: Search,
    /// The verbs of pushes.
    pub pushes: Pushes,
    /// The memory for answers that are not yet read.
    pub answers: Portions,
    /// The people whose tokens `GET /api/server` gives to anyone, on a server to be looked at; else
    /// none.
    ///
    /// That is anyone who reaches this machine. A page of another site does, where that site's name
    /// is made to lead here, and the browser takes this server for that site. So such a server
    /// answers only by names that no site can have, and by that of its public URL. A proxy on this
    /// machine changes nothing: a page's requests come from this machine too, and may have any
    /// `X-Forwarded-` header.
    pub shown: Vec<UserId>,
}

/// The state that routes work on.
pub(super) struct App {
    pub(super) accounts: Accounts,
    pub(super) chat: Chat,
    pub(super) files: Files,
    pub(super) hooks: Hooks,
    pub(super) search: Search,
    pub(super) pushes: Pushes,
    pub(super) limits: Arc<Limits>,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    engine: Engine,
    pub(super) origins: Origins,
    proxies: TrustedProxies,
    pub(super) public: Option<PublicUrl>,
    pub(super) local: Option<String>,
    pub(super) shown: Vec<UserId>,
    pub(super) probe: Probe,
    pub(super) documents: Documents,
    /// The policy of every document, as a header.
    pub(super) page_policy: HeaderValue,
    pub(super) avatar_origins: Vec<String>,
    pub(super) router: Router,
    pub(super) answers: Portions,
    /// Only requests that call the server by a name of this machine are answered.
    is_private: bool,
    misnamed: Seldom,
    crowded: Seldom,
}

impl Http {
    /// Returns the door to these verbs and to the sessions of `engine`.
    pub fn new(verbs: Verbs, engine: Engine, site: Site) -> Self {
        let Verbs {
            accounts,
            chat,
            limits,
            clock,
            metrics,
        } = verbs;
        let app = App {
            accounts,
            chat,
            files: site.files,
            hooks: site.hooks,
            search: site.search,
            pushes: site.pushes,
            limits,
            clock,
            metrics,
            origins: engine.origins().clone(),
            engine,
            is_private: !site.shown.is_empty(),
            proxies: site.proxies,
            public: site.public,
            local: site.local,
            shown: site.shown,
            probe: Probe::default(),
            documents: Documents::default(),
            page_policy: site.page.header(),
            avatar_origins: site
                .page
                .avatar_origins
                .iter()
                .map(Origin::to_string)
                .collect(),
            router: Router::new(),
            answers: site.answers,
            misnamed: Seldom::default(),
            crowded: Seldom::default(),
        };
        Self { app: Arc::new(app) }
    }

    /// Answers one request of this peer, which came by TLS or not.
    pub async fn serve(
        &self,
        request: Request<RequestBody>,
        peer: SocketAddr,
        tls: bool,
    ) -> Response<Body> {
        let response = self.app.serve(request, peer, tls).await;
        count_refusal(&response, &self.app.metrics.events);
        response
    }

    /// Answers one request of the server's operator, whom the admin routes ask for no token.
    pub async fn serve_operator(&self, mut request: Request<RequestBody>) -> Response<Body> {
        request.extensions_mut().insert(Operator);
        let response = self.app.answer(request).await;
        count_refusal(&response, &self.app.metrics.events);
        response
    }
}

/// Marks the requests of the server's operator. Nothing that arrives over a network can carry it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operator;

/// Counts a refusal by its code.
fn count_refusal(response: &Response<Body>, metrics: &EventMetrics) {
    if let Some(code) = response.extensions().get::<Code>() {
        metrics.refused(code.as_str());
    }
}

impl App {
    async fn serve(
        &self,
        mut request: Request<RequestBody>,
        peer: SocketAddr,
        tls: bool,
    ) -> Response<Body> {
        let sender = self.proxies.sender(peer, tls, request.headers());
        if let Some(reception) = request.extensions_mut().get_mut::<Reception>() {
            reception.set_address(web::counted(sender.address));
        }
        request.extensions_mut().insert(sender);
        if let Some(answer) = self.lead_elsewhere(&mut request) {
            return answer;
        }
        if is_of_sessions(request.uri().path()) {
            let peer = SocketAddr::new(sender.address, peer.port());
            // A request without a session's id opens one.
            let query = request.uri().query().unwrap_or_default();
            let opens = !web::may_have(query, "sid")
                || Query::of(&request).raw("sid").is_none_or(str::is_empty);
            if opens && let Err(error) = self.allow(Kind::Connections, sender.address) {
                if let Some(count) = self.crowded.now() {
                    tracing::info!(
                        count,
                        "an address opened more sessions than --rate-limit connections lets it; where it is a proxy's, name \
                         it by --trusted-proxy"
                    );
                }
                let mut response = error.response();
                no_sniffing(&mut response);
                let page = self.origins.judge(&request);
                web::say(&mut response, self.origins.headers(page, request.headers()));
                return response;
            }
            let response = self.engine.serve(request, peer).await;
            // What the client does not get so it is told when it comes back.
            let mut response = self
                .count(response, None, sender.address)
                .unwrap_or_else(|error| error.response());
            no_sniffing(&mut response);
            return response;
        }
        self.answer(request).await
    }

    /// Returns the answer to a request that calls the server by no name of its own, or to one for
    /// the place below which it is reached; takes that place out of the request's path.
    fn lead_elsewhere(&self, request: &mut Request<RequestBody>) -> Option<Response<Body>> {
        if self.is_private
            && let Some(host) = request.headers().get(header::HOST)
            && !self.is_known_as(host.to_str().unwrap_or_default())
        {
            if let Some(count) = self.misnamed.now() {
                tracing::warn!(
                    count,
                    ?host,
                    "a request was refused that calls the demonstration by another name than this machine's: open it as \
                     localhost, or give --public-url"
                );
            }
            let advice = "a demonstration is reached as localhost only, or by its --public-url";
            let mut response = ApiError::from(Refusal::new(Code::Forbidden, advice)).response();
            no_sniffing(&mut response);
            return Some(response);
        }
        match self.public.as_ref()?.below(request.uri()) {
            Below::Elsewhere => None,
            Below::Here(uri) => {
                *request.uri_mut() = uri;
                None
            }
            Below::Bare(whole) => {
                let mut response = Response::new(Body::default());
                *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
                let location = HeaderValue::from_str(&whole).ok()?;
                response.headers_mut().insert(header::LOCATION, location);
                Some(response)
            }
        }
    }

    fn is_known_as(&self, host: &str) -> bool {
        let public = self.public.as_ref();
        web::is_loopback(host) || public.is_some_and(|public| public.is_host(host))
    }

    async fn answer(&self, request: Request<RequestBody>) -> Response<Body> {
        let method = request.method().clone();
        let page = self.origins.judge(&request);
        let allowed = self.origins.headers(page, request.headers());
        let mut response = match self.origins.preflight(page, &method, request.headers()) {
            Some(answer) => answer,
            None => {
                let sender = request::sender(&request);
                let answered = self.route(request).await;
                let counted = answered.and_then(|response| match sender {
                    Some(sender) => self.count(response, None, sender.address),
                    // The operator's own.
                    None => Ok(response),
                });
                counted.unwrap_or_else(|error| error.response())
            }
        };
        if cost_much(&response) {
            tokio::task::yield_now().await;
        }
        if method == Method::HEAD {
            response = without_body(response);
        }
        web::say(&mut response, allowed);
        no_sniffing(&mut response);
        response.headers_mut().insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        );
        tracing::debug!(%method, status = response.status().as_u16(), "request");
        self.metrics.http.answered(response.status().as_u16());
        response
    }
}

/// Returns whether a path is that of the sessions, with or without a slash at its end, as clients
/// may be told to send it.
fn is_of_sessions(path: &str) -> bool {
    let rest = path.strip_prefix(SOCKET_IO);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a request for this path while the data file is still being opened: the process is there,
/// and nothing else yet.
pub fn starting(path: &str, metrics: &EventMetrics) -> Response<Body> {
    if path == HEALTH {
        return api::server::health();
    }
    let response = ApiError::starting().response();
    count_refusal(&response, metrics);
    response
}

/// Leaves the body of an answer out, and says how long it is: hyper does so over HTTP/1.1 alone.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let length = hyper::body::Body::size_hint(&body).exact();
    if let Some(length) = length.filter(|length| *length > 0) {
        let told = head.headers.entry(header::CONTENT_LENGTH);
        told.or_insert_with(|| length.into());
    }
    Response::from_parts(head, Body::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_starts_is_there_and_not_ready() {
        let metrics = Metrics::default().events;
        assert_eq!(starting("/healthz", &metrics).status(), StatusCode::OK);
        for path in ["/readyz", "/", "/socket.io/", "/api/chats"] {
            let response = starting(path, &metrics);
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        }
    }
}
