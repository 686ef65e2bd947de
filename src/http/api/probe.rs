//! What arrives of a request that took the public way, through every proxy: for `chatd doctor`
//! alone.
//!
//! The server's operator announces a code by the control socket, sends one request under it by the
//! public URL, and asks by the control socket what arrived. The public answer says nothing but that
//! the code is known; a request under another code finds nothing. One code is known at a time, for
//! a minute. Nothing that a request carries besides what is listed in [`Seen`] is kept, and that
//! until the next code is announced.

use hyper::header::{self, HeaderName};
use hyper::{Method, Request, Response, StatusCode};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contract::Code;
use crate::contract::documents::{Access, Operation};
use crate::http::answer;
use crate::http::app::{App, Operator};
use crate::http::error::ApiError;
use crate::http::request::{allow, base_url, operator, sender};
use crate::http::router::PathParams;
use crate::limits::Kind;
use crate::model::Timestamp;
use crate::web::{Body, RequestBody, Verdict};

/// How long a code is known: far longer than one request takes.
const LIFETIME_MS: u64 = 60_000;
/// So much of a header is kept.
const MAX_HEADER_CHARS: usize = 512;

/// The code that is known, and what arrived under it.
#[derive(Default)]
pub(in crate::http) struct Probe(Mutex<Option<Known>>);

struct Known {
    code: String,
    until: Timestamp,
    seen: Option<Seen>,
}

/// `{"peer","believed","address","tls","host","forwarded_for","forwarded_proto","url","is_own"}`:
/// what arrived.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Seen {
    /// The other end of the connection, with its port.
    pub peer: Option<String>,
    /// Whether that is a proxy whose word is believed.
    pub believed: bool,
    /// Who is taken to be the client.
    pub address: Option<String>,
    /// Whether the client is taken to have come by TLS.
    pub tls: bool,
    /// The `Host` header as it came, as are the next two.
    pub host: Option<String>,
    /// `X-Forwarded-For`; several are joined by commas.
    pub forwarded_for: Option<String>,
    /// `X-Forwarded-Proto`.
    pub forwarded_proto: Option<String>,
    /// With what links to the server begin.
    pub url: String,
    /// Whether the page that the request's `Origin` names is taken for the server's own.
    pub is_own: bool,
}

impl Seen {
    fn of(app: &App, request: &Request<RequestBody>) -> Self {
        let header = |name: HeaderName| {
            let values = request.headers().get_all(name);
            let values: Vec<_> = values
                .iter()
                .filter_map(|value| value.to_str().ok())
                .collect();
            let text = values.join(", ");
            (!values.is_empty()).then(|| text.chars().take(MAX_HEADER_CHARS).collect())
        };
        let sender = sender(request);
        let page = app.origins.verdict(request.headers(), sender.as_ref());
        let url = base_url(app, request);
        Self {
            url: url.chars().take(MAX_HEADER_CHARS).collect(),
            is_own: page == Verdict::Own,
            peer: sender.map(|sender| sender.peer.to_string()),
            believed: sender.is_some_and(|sender| sender.believed),
            address: sender.map(|sender| sender.address.to_string()),
            tls: sender.is_some_and(|sender| sender.tls),
            host: header(header::HOST),
            forwarded_for: header(HeaderName::from_static("x-forwarded-for")),
            forwarded_proto: header(HeaderName::from_static("x-forwarded-proto")),
        }
    }
}

/// What a path names.
#[derive(JsonSchema)]
#[expect(
    dead_code,
    reason = "a description alone; what is read is read by its key"
)]
struct Named {
    /// What the doctor made up.
    code: String,
}

pub(in crate::http) const ANNOUNCE: Operation = Operation::new(
    Access::Operator,
    "Announces a code, for `chatd doctor`: answered by the control socket alone.",
)
.path::<Named>();

pub(in crate::http) const SEEN: Operation = Operation::new(
    Access::Anyone,
    "Notes what arrives of a request under an announced code; the control socket alone tells it.",
)
.path::<Named>()
.refuses(&[Code::NotFound, Code::RateLimited, Code::StorageUnavailable])
.data::<Option<Seen>>();

/// `PUT /api/admin/probe/:code`, for the server's operator: the code is known from now on.
/// `GET`: for the operator, what arrived under it; from anyone else, that is noted.
pub(in crate::http) async fn answer(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let code: String = params.required("code")?;
    let now = (app.clock)();
    let mut known = app.probe.0.lock();
    if request.method() == Method::PUT {
        operator(request)?;
        *known = Some(Known {
            code,
            until: Timestamp::from_ms(now.as_ms().saturating_add(LIFETIME_MS)),
            seen: None,
        });
        return Ok(answer::done());
    }
    let by_operator = request.extensions().get::<Operator>().is_some();
    if !by_operator {
        allow(app, request, Kind::Requests)?;
    }
    let probe = known
        .as_mut()
        .filter(|known| known.code == code && now < known.until)
        .ok_or(ApiError::not_found())?;
    if by_operator {
        let seen = probe.seen.clone().ok_or(ApiError::not_found())?;
        return Ok(answer::data(StatusCode::OK, seen));
    }
    probe.seen = Some(Seen::of(app, request));
    Ok(answer::done())
}
