//! `/api/users`: finding people.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use crate::http::error::ApiError;
use crate::http::request::{Query, caller};
use crate::http::router::PathParams;
use crate::http::{App, Nothing, success};
use crate::model::{Timestamp, User, UserId};
use crate::transport::Body;

/// How many people a search gives, unless asked otherwise; and the most.
const LIMIT: (usize, usize) = (20, 100);

/// Somebody else: `{"id","username","avatar","online","last_seen"}`; `last_seen` is null while online.
#[derive(Serialize)]
struct Person {
    id: UserId,
    username: String,
    avatar: Option<Arc<str>>,
    online: bool,
    last_seen: Option<Timestamp>,
}

fn person(app: &App, user: &User) -> Person {
    let seen = app.presence.seen(user.id);
    Person {
        id: user.id,
        username: user.username.as_str().to_owned(),
        avatar: user.avatar.clone(),
        online: seen.online,
        last_seen: seen.last_seen.or(user.last_seen).filter(|_| !seen.online),
    }
}

/// `GET /api/users?query=&limit=20`: accounts whose name contains the query, the caller left out.
pub(in crate::http) async fn search(
    app: &App,
    request: &Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let query = Query::of(request);
    let limit = query.limit(LIMIT.0, LIMIT.1)?;
    let found = app.accounts.search(
        caller.user.id,
        query.text("query").unwrap_or_default(),
        limit,
    );
    let people: Vec<Person> = found.iter().map(|user| person(app, user)).collect();
    Ok(success(StatusCode::OK, Some(people), None::<Nothing>))
}

/// `GET /api/users/:id`
pub(in crate::http) async fn show(
    app: &App,
    request: &Request<Incoming>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    caller(app, request).await?;
    let user = app
        .accounts
        .user(params.get("id")?)
        .ok_or(crate::chat::ChatError::NoSuchUser)?;
    Ok(success(
        StatusCode::OK,
        Some(person(app, &user)),
        None::<Nothing>,
    ))
}
