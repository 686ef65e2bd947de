//! The other door: REST, the page, and the way to the sessions of `/socket.io/`.
//!
//! `router.rs` is the table of routes; `api/` holds one file a resource, each of which reads a request, calls a verb and
//! writes what it came to. Rules of chat and of identity are in those modules, not here.

mod api;
mod assets;
mod error;
mod request;
mod router;

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;

use crate::accounts::Accounts;
use crate::chat::{Chat, Presence};
use crate::model::Timestamp;
use crate::transport::{self, Body, Engine, Origins};
use error::ApiError;
use router::{Route, Router};

/// Where the sessions are.
const SOCKET_IO: &str = "/socket.io/";

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
    clock: Clock,
    router: Router,
}

impl Http {
    /// Over these verbs and sessions.
    pub fn new(
        engine: Engine,
        origins: Origins,
        accounts: Accounts,
        chat: Chat,
        presence: Arc<Presence>,
        clock: Clock,
    ) -> Self {
        Self {
            app: Arc::new(App {
                engine,
                origins,
                accounts,
                chat,
                presence,
                clock,
                router: Router::new(),
            }),
        }
    }

    /// Answers one request.
    pub async fn serve(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let app = &self.app;
        if request.uri().path().starts_with(SOCKET_IO) {
            return app.engine.serve(request, peer).await;
        }
        let method = request.method().clone();
        let allowed = app.origins.headers(request.headers());
        let mut response = match app.origins.preflight(&method, request.headers()) {
            Some(answer) => answer,
            None => match app.route(request).await {
                Ok(response) => response,
                Err(error) => error.response(),
            },
        };
        transport::say(&mut response, allowed);
        let headers = response.headers_mut();
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        );
        tracing::debug!(%method, status = response.status().as_u16(), "request");
        response
    }
}

impl App {
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
            (Route::History, _) => api::chats::history(self, &request, &params).await,
            (Route::MarkRead, _) => api::chats::mark_read(self, &request, &params).await,
            (Route::Users, _) => api::users::search(self, &request),
            (Route::User, _) => api::users::show(self, &request, &params),
            (Route::Register, _) => api::auth::register(self, request).await,
            (Route::Login, _) => api::auth::login(self, request).await,
            (Route::Me, _) => api::auth::me(self, &request),
            (Route::Backup, _) => api::backup::show(self, &request).await,
            (Route::Server, _) => Ok(api::server::show(self)),
            (Route::Health, _) => Ok(api::server::health()),
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

fn json<T: Serialize>(status: StatusCode, body: &T) -> Response<Body> {
    let body = match serde_json::to_vec(body) {
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
