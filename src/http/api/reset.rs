//! Links by which people who forgot their password give themselves another.

use hyper::{Request, Response, StatusCode};

use super::auth::device;
use crate::accounts::{Asker, LoggingIn};
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{LoggedIn, ResetLink};
use crate::contract::{Code, Fields, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{address, allow, base_url, body, users_admin};
use crate::http::router::PathParams;
use crate::limits::Kind;
use crate::model::UserId;
use crate::web::{Body, RequestBody};

reads! {
    /// The account that a path names.
    Named from PathParams {
        required id: UserId,
    }
}

reads! {
    /// The code of a link, and the password that the account is to have.
    Reset from Fields<'_> {
        required code: String,
        /// 8 to 128 characters.
        required password: String,
    }
}

pub(in crate::http) const MAKE: Operation = Operation::new(
    Access::Admin,
    "Makes a link by which a person gives their account another password: good once and for 24 hours, in place of an earlier one. \
     Bots and an app's accounts have no password here.",
)
.path::<Named>()
.answers(&[201])
.refuses(&[Code::NotFound])
.data::<ResetLink>();

/// `POST /api/admin/users/:id/reset-link`: 201 `{"url"}`. The code stands in the URL's fragment.
pub(in crate::http) async fn make(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = users_admin(app, request).await?;
    let base = base_url(app, request);
    let user = Named::read(params)?.id;
    let code = app.accounts.reset_code(admin, (app.clock)(), user).await?;
    let link = ResetLink {
        url: format!("{base}/#/reset/{code}"),
    };
    Ok(answer::data(StatusCode::CREATED, link))
}

pub(in crate::http) const USE: Operation = Operation::new(
    Access::Anyone,
    "Gives an account another password by the code of a link, which is used up, and logs in. Every earlier token of the account is \
     refused from then on.",
)
.body::<Reset>()
.refuses(&[
    Code::AccountDisabled,
    Code::InvalidCode,
    Code::RateLimited,
])
.data::<LoggedIn>();

/// `POST /api/auth/reset` `{"code","password"}`: 200 and a token.
pub(in crate::http) async fn use_code(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    allow(app, &request, Kind::Logins)?;
    let asker = Asker {
        address: address(&request),
        // Who guesses codes waits behind those who log in.
        is_known: false,
    };
    let from = LoggingIn {
        asker,
        device: device(&request),
    };
    let body = body(request).await?;
    let Reset { code, password } = Reset::read(&Fields::parse(&body)?)?;
    let login = app
        .accounts
        .reset((app.clock)(), from, &code, password)
        .await?;
    Ok(answer::data(StatusCode::OK, LoggedIn::from(login)))
}
