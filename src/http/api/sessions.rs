//! `/api/auth/sessions`: what a person has signed in by, listed and ended.

use std::borrow::Cow;

use hyper::{Request, Response, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::accounts::WhichSession;
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::SessionRow;
use crate::contract::{Code, Refusal, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Query, caller};
use crate::http::router::PathParams;
use crate::web::{Body, RequestBody};

impl JsonSchema for WhichSession {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "WhichSession".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(s[0-9a-f]{16}|earlier|app|current)$" })
    }
}

reads! {
    /// The session that a path names.
    Named from PathParams {
        required id: WhichSession,
    }
}

reads! {
    /// Which sessions end.
    #[schemars(rename = "EndedSessions")]
    WhichEnd from Query<'_> {
        /// `true`: all but the one by which the request comes.
        optional others: bool,
    }
}

pub(in crate::http) const LIST: Operation = Operation::new(
    Access::User,
    "What the caller has signed in by: each login is a session. An app's tokens are one row, `app`; tokens without a session \
     another, `earlier`.",
)
.data::<Vec<SessionRow>>();

/// `GET /api/auth/sessions`
pub(in crate::http) async fn list(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let sessions = app.accounts.sessions((app.clock)(), &caller).into_iter();
    let rows: Vec<_> = sessions
        .map(|(by, current)| SessionRow::new(by, current))
        .collect();
    Ok(answer::data(StatusCode::OK, rows))
}

pub(in crate::http) const END: Operation = Operation::new(
    Access::User,
    "Ends a session of the caller, `current` that of the request itself: its token is refused at once, and its sockets are \
     disconnected. `app` ends with all else, as by logging out.",
)
.path::<Named>()
.refuses(&[Code::NotFound]);

/// `DELETE /api/auth/sessions/:id`
pub(in crate::http) async fn end(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let which = Named::read(params)?.id;
    app.accounts
        .end_session((app.clock)(), &caller, which)
        .await?;
    Ok(answer::done())
}

pub(in crate::http) const END_OTHERS: Operation = Operation::new(
    Access::User,
    "Ends every session of the caller but the one by which the request comes; an app's tokens stay.",
)
.query::<WhichEnd>();

/// `DELETE /api/auth/sessions?others=true`
pub(in crate::http) async fn end_others(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    if WhichEnd::read(&Query::of(request))?.others != Some(true) {
        let advice = "others=true must say that it is all other sessions that end";
        return Err(Refusal::invalid(advice).into());
    }
    app.accounts
        .end_other_sessions((app.clock)(), &caller)
        .await?;
    Ok(answer::done())
}
