//! `PUT /api/admin/users`: an app's own users, many at once.

use hyper::{Request, Response, StatusCode};
use serde_json::value::RawValue;

use crate::accounts::AppUser;
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::PutRow;
use crate::contract::{Code, Fields, Refusal, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{body_within, users_admin};
use crate::model::UserId;
use crate::web::{Body, RequestBody};

/// How many users one request may name.
const MOST_USERS: usize = 1_000;
/// 4 MiB: so many users with the longest subjects, names and pictures.
const MAX_BODY: usize = 4 << 20;

reads! {
    /// A user as the app has it: by `id`, or by `subject`, which is what its tokens say.
    #[schemars(rename = "AppUser")]
    WantedUser from Fields<'_> {
        /// From 1 to 2^52 - 1, where the app gives ids; or that of an account that is there.
        optional id: UserId,
        /// 1 to 255 bytes.
        optional subject: String,
        /// 1 to 64 characters, shown and not unique.
        required name: String,
        /// Null for none; absent, an account that is there keeps its own.
        nullable avatar: String,
        /// A username that must be free; without it, one is made of the name.
        optional username: String,
    }
}

pub(in crate::http) const PUT: Operation = Operation::new(
    Access::Admin,
    "Makes or changes up to 1,000 accounts of an app's own users, and says in their order which they are. All or nothing: \
     where one does not fit (`invalid_payload`), or was registered here (`forbidden`), nothing is done.",
)
.body::<Vec<WantedUser>>()
.refuses(&[Code::UsernameTaken])
.data::<Vec<PutRow>>();

/// `PUT /api/admin/users` `[{"id" | "subject","name","avatar"?,"username"?}, …]`: their ids, in
/// that order.
pub(in crate::http) async fn put(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let admin = users_admin(app, &request).await?;
    let body = body_within(request, MAX_BODY).await?;
    let items: Vec<&RawValue> = serde_json::from_str(&body)
        .map_err(|_| Refusal::invalid("the payload must be a list of users"))?;
    if items.len() > MOST_USERS {
        return Err(Refusal::invalid(format!("at most {MOST_USERS} users at once")).into());
    }
    let mut users = Vec::with_capacity(items.len());
    for (place, item) in items.into_iter().enumerate() {
        let user = Fields::parse(item.get()).and_then(|fields| WantedUser::read(&fields));
        let user = user.map_err(|error| Refusal::invalid(format!("user {place}: {error}")))?;
        users.push(AppUser {
            id: user.id,
            subject: user.subject,
            name: user.name,
            username: user.username,
            avatar: user.avatar,
        });
    }
    let made = app.accounts.put_app_users(admin, (app.clock)(), users);
    let made = made
        .await
        .map_err(|(place, error)| Refusal::from(error).at(&format!("user {place}")))?;
    let rows: Vec<_> = made.into_iter().map(PutRow::from).collect();
    Ok(answer::data(StatusCode::OK, rows))
}
