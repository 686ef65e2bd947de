//! `/api/users`: finding people.

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use crate::contract::documents::{Access, Operation};
use crate::contract::rows::Person;
use crate::contract::{Code, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Limit, Query, caller, charge};
use crate::http::router::PathParams;
use crate::model::{User, UserId};
use crate::web::Body;

/// A block of names that is gone through costs as much as so many rows.
const ROWS_A_BLOCK: usize = 5;

reads! {
    /// The query of a search.
    Search from Query<'_> {
        /// A part of the name, without regard to case; without it, all.
        text query: String,
        optional limit: Limit<20, 100>,
    }
}

reads! {
    /// The person that a path names.
    Named from PathParams {
        required id: UserId,
    }
}

fn person(app: &App, user: &User) -> Person {
    Person::new(user, app.chat.presence().seen(user.id))
}

pub(in crate::http) const SEARCH: Operation = Operation::new(
    Access::User,
    "People whose username contains the query, the caller left out.",
)
.query::<Search>()
.data::<Vec<Person>>();

/// `GET /api/users?query=&limit=20`: accounts whose name contains the query, the caller left out.
pub(in crate::http) async fn search(
    app: &App,
    request: &Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let Search { query, limit } = Search::read(&Query::of(request))?;
    let query = query.unwrap_or_default();
    let (found, blocks) = app
        .accounts
        .search(caller.user.id, &query, Limit::of(limit));
    charge(app, &caller, blocks * ROWS_A_BLOCK, 0);
    let people: Vec<Person> = found.iter().map(|user| person(app, user)).collect();
    Ok(answer::data(StatusCode::OK, people))
}

pub(in crate::http) const SHOW: Operation = Operation::new(Access::User, "One person.")
    .path::<Named>()
    .refuses(&[Code::NotFound])
    .data::<Person>();

/// `GET /api/users/:id`
pub(in crate::http) async fn show(
    app: &App,
    request: &Request<Incoming>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    caller(app, request).await?;
    let user = app
        .accounts
        .user(Named::read(params)?.id)
        .ok_or(crate::chat::ChatError::NoSuchUser)?;
    Ok(answer::data(StatusCode::OK, person(app, &user)))
}
