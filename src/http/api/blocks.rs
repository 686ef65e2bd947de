//! `/api/blocks`: whom a person has blocked.

use hyper::{Request, Response};

use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{BlockedMeta, BlockedRow};
use crate::contract::{Code, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Limit, Query, caller, charge};
use crate::http::router::PathParams;
use crate::model::UserId;
use crate::web::{Body, RequestBody};

reads! {
    /// The query of a page of the people whom one has blocked.
    Which from Query<'_> {
        optional limit: Limit<100, 500>,
        /// `meta.next_after` of the page before.
        optional after: UserId,
    }
}

reads! {
    /// The person who is blocked.
    Named from PathParams {
        required user_id: UserId,
    }
}

pub(in crate::http) const LIST: Operation = Operation::new(
    Access::User,
    "The people whom the caller has blocked, ascending by id.",
)
.query::<Which>()
.page::<Vec<BlockedRow>, BlockedMeta>();

/// `GET /api/blocks?limit=&after=`
pub(in crate::http) async fn list(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let Which { limit, after } = Which::read(&Query::of(request))?;
    let after = after.map_or(0, UserId::get);
    let (users, has_more) = app.chat.blocked_by(caller.user.id, after, Limit::of(limit));
    charge(app, &caller, users.len(), 0);
    let last = users.last().filter(|_| has_more);
    let next_after = last.map(|user| user.id.to_string());
    let rows: Vec<_> = users.iter().map(|user| BlockedRow::from(&**user)).collect();
    Ok(answer::rows(rows, BlockedMeta { next_after }))
}

pub(in crate::http) const PUT: Operation = Operation::new(
    Access::User,
    "Blocks a person: they can neither write to the caller nor see when the caller comes, goes, types or reads; they are not told, \
     and what they send is refused as what a stranger sends. The caller must unblock them before writing to them. Idempotent.",
)
.path::<Named>()
.refuses(&[Code::NotFound, Code::Forbidden, Code::InvalidReceiver]);

/// `PUT /api/blocks/:user_id`
pub(in crate::http) async fn put(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    set(app, request, params, true).await
}

pub(in crate::http) const DELETE: Operation =
    Operation::new(Access::User, "Blocks a person no more. Idempotent.")
        .path::<Named>()
        .refuses(&[Code::InvalidReceiver]);

/// `DELETE /api/blocks/:user_id`
pub(in crate::http) async fn delete(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    set(app, request, params, false).await
}

async fn set(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
    blocked: bool,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let user = Named::read(params)?.user_id;
    app.chat
        .block((app.clock)(), caller.user.id, user, blocked)
        .await?;
    Ok(answer::done())
}
