//! The other door: REST, the page, and the way to the sessions of `/socket.io/`.
//!
//! `router.rs` is the table of routes; `api/` holds one file a resource, each of which reads a request, calls a verb and
//! writes what it came to. Rules of chat and of identity are in those modules, not here.

mod api;
mod assets;
mod error;
mod request;
mod router;

pub use crate::web::TrustedProxies;
pub use api::probe::Seen;

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;

use crate::accounts::Accounts;
use crate::budget::{
    ANSWERS_OF_A_PERSON, ANSWERS_OF_AN_ADDRESS, Owner, Portions, UNCOUNTED_ANSWER,
};
use crate::chat::{Chat, Presence};
use crate::describe::Events;
use crate::limits::{Key, Kind, Limits};
use crate::metrics::METRICS;
use crate::model::{Code, Timestamp, UserId};
use crate::transport::{self, Body, Engine, Reception};
use crate::web::{self, Below, Origins, PublicUrl, Seldom};
use api::documents::Documents;
use error::ApiError;
use request::Query;
use router::{HEALTH, Route, Router};

/// 32 KiB: so many bytes of a page cost as much as a request by itself does.
const BYTES_A_REQUEST: u64 = 32 << 10;

/// Where the sessions are.
const SOCKET_IO: &str = "/socket.io";

/// What tells the time; the server's is [`Timestamp::now`].
pub type Clock = fn() -> Timestamp;

/// What answers requests. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    app: Arc<App>,
}

/// What routes work on.
struct App {
    engine: Engine,
    origins: Origins,
    accounts: Accounts,
    chat: Chat,
    presence: Arc<Presence>,
    limits: Arc<Limits>,
    proxies: TrustedProxies,
    /// Where people reach the server, if that is known for sure.
    public: Option<PublicUrl>,
    clock: Clock,
    probe: api::probe::Probe,
    router: Router,
    documents: Documents,
    /// What answers hold that are not yet read.
    answers: Portions,
    /// Whom everybody may be, on a server to be looked at.
    shown: Vec<UserId>,
    /// Whether only those are answered who call the server by a name of this machine.
    is_private: bool,
    misnamed: Seldom,
    crowded: Seldom,
}

impl Http {
    /// Over these verbs and sessions, whose events are these.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is of a type of its own, and named once"
    )]
    pub fn new(
        engine: Engine,
        accounts: Accounts,
        chat: Chat,
        presence: Arc<Presence>,
        limits: Arc<Limits>,
        proxies: TrustedProxies,
        public: Option<PublicUrl>,
        clock: Clock,
        events: fn() -> Events,
        answers: Portions,
    ) -> Self {
        Self {
            app: Arc::new(App {
                origins: engine.origins().clone(),
                engine,
                accounts,
                chat,
                presence,
                limits,
                proxies,
                public,
                clock,
                probe: api::probe::Probe::default(),
                router: Router::new(),
                documents: Documents::new(events),
                answers,
                shown: Vec::new(),
                is_private: false,
                misnamed: Seldom::default(),
                crowded: Seldom::default(),
            }),
        }
    }

    /// Lets everybody be one of these people, whose tokens `GET /api/server` then gives. To be called before it is cloned.
    ///
    /// Everybody is whoever reaches this machine. Another site's page does, where the name of its site is made to lead
    /// here, and the browser takes us for that site: so the server answers by names only that no site can have, unless
    /// proxies are believed, which answer for the names.
    pub fn showing(mut self, people: Vec<UserId>) -> Self {
        if let Some(app) = Arc::get_mut(&mut self.app) {
            app.shown = people;
            app.is_private = app.proxies.is_empty();
        }
        self
    }

    /// Answers one request of this peer, which came by TLS or not.
    pub async fn serve(
        &self,
        mut request: Request<Incoming>,
        peer: SocketAddr,
        tls: bool,
    ) -> Response<Body> {
        let app = &self.app;
        let sender = app.proxies.sender(peer, tls, request.headers());
        if let Some(reception) = request.extensions_mut().get_mut::<Reception>() {
            reception.set_address(transport::counted(sender.address));
        }
        request.extensions_mut().insert(sender);
        if let Some(answer) = app.lead_elsewhere(&mut request) {
            return answer;
        }
        if is_of_sessions(request.uri().path()) {
            let peer = SocketAddr::new(sender.address, peer.port());
            // A request without a session's id opens one.
            let opens = Query::of(&request).raw("sid").is_none_or(str::is_empty);
            if opens && let Err(error) = app.allow(Kind::Connections, sender.address) {
                if let Some(count) = app.crowded.now() {
                    tracing::info!(
                        count,
                        "an address opened more sessions than --rate-limit connections lets it; where it is a proxy's, name \
                         it by --trusted-proxy"
                    );
                }
                let mut response = error.response();
                no_sniffing(&mut response);
                let page = app.origins.judge(&request);
                web::say(&mut response, app.origins.headers(page, request.headers()));
                return response;
            }
            let response = app.engine.serve(request, peer).await;
            // What the client does not get so it is told when it comes back.
            let mut response = app
                .count(response, None, sender.address)
                .unwrap_or_else(|error| error.response());
            no_sniffing(&mut response);
            return response;
        }
        app.answer(request).await
    }

    /// Answers one request of whoever operates the server: the admin routes need no token.
    pub async fn serve_operator(&self, mut request: Request<Incoming>) -> Response<Body> {
        request.extensions_mut().insert(Operator);
        self.app.answer(request).await
    }
}

/// Marks the requests of whoever operates the server. Nothing that arrives over a network can carry it.
#[derive(Debug, Clone, Copy)]
struct Operator;

impl App {
    /// The answer to a request that calls the server by no name of its own, or to one for the place below which it is
    /// reached; takes that place out of the request's path.
    fn lead_elsewhere(&self, request: &mut Request<Incoming>) -> Option<Response<Body>> {
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
            let mut response = ApiError::new(Code::Forbidden, advice).response();
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

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
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
        web::say(&mut response, allowed);
        no_sniffing(&mut response);
        response.headers_mut().insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        );
        tracing::debug!(%method, status = response.status().as_u16(), "request");
        METRICS.answered(response.status().as_u16());
        response
    }
}

impl App {
    /// Counts an answer until its last byte is written, for the person who asked and for the address, and refuses it where
    /// they, or all together, leave too many unread. One that is counted is not counted again.
    fn count(
        &self,
        response: Response<Body>,
        person: Option<UserId>,
        address: IpAddr,
    ) -> Result<Response<Body>, ApiError> {
        let bytes = match response.body() {
            Body::Whole(bytes) if bytes.len() > UNCOUNTED_ANSWER => bytes.clone(),
            _ => return Ok(response),
        };
        let person = person.map(|person| (Owner::Person(person.get()), ANSWERS_OF_A_PERSON));
        let address = transport::counted(address)
            .map(|address| (Owner::Address(address), ANSWERS_OF_AN_ADDRESS));
        let mut portion = self.answers.portion(person.into_iter().chain(address));
        if !portion.grow(bytes.len()) {
            METRICS.refused_answers.inc();
            return Err(ApiError::crowded());
        }
        Ok(response.map(|_| Body::counted(bytes, portion)))
    }

    /// A page of rows for a person: counted, and refused where they leave too many unread.
    fn page<T: Serialize, M: Serialize>(
        &self,
        request: &Request<Incoming>,
        person: UserId,
        rows: T,
        meta: Option<M>,
    ) -> Result<Response<Body>, ApiError> {
        let response = success(StatusCode::OK, Some(rows), meta);
        let more = response.body().size_hint().lower() / BYTES_A_REQUEST;
        let more = usize::try_from(more).unwrap_or(usize::MAX);
        self.limits.charge(Kind::Requests, Key::User(person), more);
        match request::sender(request) {
            Some(sender) => self.count(response, Some(person), sender.address),
            None => Ok(response),
        }
    }
}

/// Whether a path is that of the sessions: with or without a slash at its end, as clients may be told to send it.
fn is_of_sessions(path: &str) -> bool {
    let rest = path.strip_prefix(SOCKET_IO);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a request for this path while the data file is still being opened: the process is there, and nothing else is
/// yet.
pub fn starting(path: &str) -> Response<Body> {
    if path == HEALTH {
        return api::server::health();
    }
    ApiError::starting().response()
}

/// Whether others are to get their turn before the next request of the same connection, which may be there already: after a
/// long answer, and after one that came to nothing since it was too much.
fn cost_much(response: &Response<Body>) -> bool {
    let is_long = || response.body().size_hint().lower() > 2 * BYTES_A_REQUEST;
    response.status() == StatusCode::TOO_MANY_REQUESTS || is_long()
}

/// What somebody wrote is never to be taken for a page or a script.
fn no_sniffing(response: &mut Response<Body>) {
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
}

impl App {
    /// Counts one of this kind for an address, unless it is too much. Whoever comes from this machine is not counted.
    fn allow(&self, kind: Kind, address: IpAddr) -> Result<(), ApiError> {
        match transport::counted(address) {
            Some(address) => Ok(self.limits.check(kind, Key::Address(address))?),
            None => Ok(()),
        }
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Response<Body>, ApiError> {
        let path = request.uri().path().to_owned();
        let (route, params) = self.router.find(&path).ok_or(ApiError::not_found())?;
        // HEAD is a GET whose body hyper leaves out.
        let method = if *request.method() == Method::HEAD {
            Method::GET
        } else {
            request.method().clone()
        };
        let allowed = route.methods();
        if !allowed.contains(&method) {
            if method == Method::OPTIONS {
                return Ok(error::allow(
                    Response::new(Body::default()),
                    StatusCode::NO_CONTENT,
                    allowed,
                ));
            }
            return Err(ApiError::method_not_allowed(
                allowed,
                path.starts_with("/api/chats"),
            ));
        }
        match (route, method) {
            (Route::Recents, _) => api::chats::recents(self, &request).await,
            (Route::Unread, _) => api::chats::unread(self, &request).await,
            (Route::Updates, _) => api::chats::updates(self, &request).await,
            (Route::History, _) => api::chats::history(self, &request, &params).await,
            (Route::MarkRead, _) => api::chats::mark_read(self, &request, &params).await,
            (Route::Users, _) => api::users::search(self, &request).await,
            (Route::User, _) => api::users::show(self, &request, &params).await,
            (Route::Register, _) => api::auth::register(self, request).await,
            (Route::Login, _) => api::auth::login(self, request).await,
            (Route::Logout, _) => api::auth::logout(self, &request).await,
            (Route::Me, Method::GET) => api::auth::me(self, &request).await,
            (Route::Me, _) => api::auth::change(self, request).await,
            (Route::Invites, Method::GET) => api::admin::invites(self, &request).await,
            (Route::Invites, _) => api::admin::create_invite(self, request).await,
            (Route::Invite, _) => api::admin::revoke_invite(self, &request, &params).await,
            (Route::Accounts, Method::GET) => api::admin::users(self, &request).await,
            (Route::Accounts, _) => api::admin::create_user(self, request).await,
            (Route::Account, Method::PUT) => api::admin::put_user(self, request, &params).await,
            (Route::Account, _) => api::admin::change_user(self, request, &params).await,
            (Route::Token, _) => api::admin::token(self, &request, &params).await,
            (Route::Probe, _) => api::probe::answer(self, &request, &params).await,
            (Route::Backup, _) => api::backup::show(self, &request).await,
            (Route::Server, _) => Ok(api::server::show(self)),
            (Route::OpenApi, _) => Ok(api::documents::openapi(self, &request)),
            (Route::AsyncApi, _) => Ok(api::documents::asyncapi(self, &request)),
            (Route::Docs, _) => Ok(api::documents::page(self, &request)),
            (Route::Health, _) => Ok(api::server::health()),
            (Route::Ready, _) => api::server::ready(self),
            (Route::OfChats, _) => Err(ApiError::not_found()),
            (Route::Asset, _) => assets::serve(&request),
        }
    }
}

/// `{"success":true,"data":…}`, and `meta` where there is some.
#[derive(Serialize)]
struct Success<T, M> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<M>,
}

/// No `data`, or no `meta`.
type Nothing = ();

fn success<T: Serialize, M: Serialize>(
    status: StatusCode,
    data: Option<T>,
    meta: Option<M>,
) -> Response<Body> {
    json(
        status,
        &Success {
            success: true,
            data,
            meta,
        },
    )
}

/// 64 KiB: a thread's buffer that grew larger is given back.
const MAX_KEPT_BYTES: usize = 64 << 10;

thread_local! {
    /// Where answers are written, so that each is then allocated once and in its size.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A value as JSON.
fn encode<T: Serialize>(value: &T) -> serde_json::Result<Bytes> {
    SCRATCH.with_borrow_mut(|out| {
        out.clear();
        serde_json::to_writer(&mut *out, value)?;
        let bytes = Bytes::copy_from_slice(out);
        out.shrink_to(MAX_KEPT_BYTES);
        Ok(bytes)
    })
}

fn json<T: Serialize>(status: StatusCode, body: &T) -> Response<Body> {
    let body = match encode(body) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "a response could not be encoded");
            return StatusResponse(StatusCode::INTERNAL_SERVER_ERROR).into();
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    // A page of messages is nobody else's, and old in a moment.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A response of nothing but a status.
struct StatusResponse(StatusCode);

impl From<StatusResponse> for Response<Body> {
    fn from(status: StatusResponse) -> Self {
        let mut response = Response::new(Body::default());
        *response.status_mut() = status.0;
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_starts_is_there_and_not_ready() {
        assert_eq!(starting("/healthz").status(), StatusCode::OK);
        for path in ["/readyz", "/", "/socket.io/", "/api/chats"] {
            let response = starting(path);
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        }
    }
}
