//! `/api/users`: finding people.

use hyper::{Request, Response, StatusCode};

use crate::contract::documents::{Access, Operation};
use crate::contract::rows::Person;
use crate::contract::{Code, Refusal, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Limit, Query, Seeker};
use crate::http::router::PathParams;
use crate::model::{User, UserId};
use crate::web::{Body, RequestBody};

/// A block of names that is gone through costs as much as so many rows.
const ROWS_A_BLOCK: usize = 5;

/// How many people may be asked for by id or by subject at once.
const MOST_NAMED: usize = 200;

reads! {
    /// What a search asks, or who is asked for: only one of `query`, `ids` and `subjects` counts.
    Search from Query<'_> {
        /// A part of the username or the name, without regard to case; without it, all.
        text query: String,
        /// Ids, with commas between them; at most 200.
        text ids: String,
        /// What an app's tokens call its users, with commas between them; at most 200.
        text subjects: String,
        optional limit: Limit<20, 100>,
    }
}

reads! {
    /// The person that a path names.
    Named from PathParams {
        required id: UserId,
    }
}

/// Returns a person as the seeker sees them: administrators and backends see everyone.
fn person(app: &App, seeker: &Seeker, user: &User, shows_subject: bool) -> Person {
    let seen = match seeker.bound() {
        Some(viewer) => app.chat.shown(viewer, user.id),
        None => Some(app.chat.presence().seen(user.id)),
    };
    Person::new(user, seen, shows_subject)
}

pub(in crate::http) const SEARCH: Operation = Operation::new(
    Access::User,
    "People whose username or name contains the query, the caller left out; or those of the given ids or subjects, as far as there are such. \
     Whom one finds, `directory` in `GET /api/server` says: `everyone`, those with whom one shares a chat (`shared`), one whose whole \
     name is given too (`exact`), or nobody by a query (`none`). Administrators find everyone.",
)
.query::<Search>()
.data::<Vec<Person>>();

/// `GET /api/users?query=&limit=20`: accounts whose username or name contains the query, the caller
/// left out. `?ids=1,2` and `?subjects=a,b`: those, in the order in which they are asked for.
pub(in crate::http) async fn search(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let seeker = Seeker::of(app, request).await?;
    let asked = Search::read(&Query::of(request))?;
    let is_admin = seeker.is_admin();
    let named = match (&asked.ids, &asked.subjects) {
        (None, None) => {
            let query = asked.query.unwrap_or_default();
            let limit = Limit::of(asked.limit);
            let (found, blocks) = match seeker.bound() {
                Some(viewer) => app.chat.find_people(viewer, &query, limit),
                None => app.accounts.search(seeker.account(), &query, limit),
            };
            seeker.charge(app, blocks * ROWS_A_BLOCK);
            let people = found
                .iter()
                .map(|user| person(app, &seeker, user, is_admin));
            let people: Vec<Person> = people.collect();
            return Ok(answer::data(StatusCode::OK, people));
        }
        (Some(ids), None) => list(ids)?
            .map(|id| {
                let id = id.parse::<UserId>();
                let id = id.map_err(|error| Refusal::invalid(format!("ids: {error}")))?;
                let user = app.accounts.user(id);
                Ok(user.filter(|user| seeker.sees(app, user.id)))
            })
            .collect::<Result<Vec<_>, Refusal>>()?,
        (None, Some(subjects)) => list(subjects)?
            .map(|subject| {
                let user = app.accounts.user_of_subject(subject);
                // Numbers can be tried one after another, as ids can.
                let is_number = subject.bytes().all(|byte| byte.is_ascii_digit());
                user.filter(|user| match is_number {
                    true => seeker.sees(app, user.id),
                    false => seeker.finds_exactly(app, user.id),
                })
            })
            .collect(),
        (Some(_), Some(_)) => return Err(Refusal::invalid("give either ids or subjects").into()),
    };
    seeker.charge(app, named.len());
    let shows_subject = is_admin || asked.subjects.is_some();
    let people = named.iter().flatten();
    let people: Vec<Person> = people
        .map(|user| person(app, &seeker, user, shows_subject))
        .collect();
    Ok(answer::data(StatusCode::OK, people))
}

/// The parts of a list with commas.
fn list(text: &str) -> Result<impl Iterator<Item = &str>, Refusal> {
    let parts = || text.split(',').filter(|part| !part.is_empty());
    match parts().count() {
        0..=MOST_NAMED => Ok(parts()),
        _ => Err(Refusal::invalid(format!(
            "at most {MOST_NAMED} people at once"
        ))),
    }
}

pub(in crate::http) const SHOW: Operation = Operation::new(Access::User, "One person.")
    .path::<Named>()
    .refuses(&[Code::NotFound])
    .data::<Person>();

/// `GET /api/users/:id`
pub(in crate::http) async fn show(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let seeker = Seeker::of(app, request).await?;
    let user = app
        .accounts
        .user(Named::read(params)?.id)
        .filter(|user| seeker.sees(app, user.id))
        .ok_or(crate::chat::ChatError::NoSuchUser)?;
    Ok(answer::data(
        StatusCode::OK,
        person(app, &seeker, &user, seeker.is_admin()),
    ))
}
