//! `/api/push`: the browsers of a person that are told of messages while their page is closed.

use hyper::{Request, Response, StatusCode};

use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{PushKeys, PushLang, PushRow, Shows, SubscriptionRow, TriedRow};
use crate::contract::{Code, Fields, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{base_url, body, caller, count, optional_body};
use crate::http::router::PathParams;
use crate::limits::Kind;
use crate::push::Wish;
use crate::web::{Body, RequestBody};

reads! {
    /// The subscription that a path names.
    NamedSubscription from PathParams {
        /// The SHA-256 of the endpoint in base64url, without padding.
        required id: String,
    }
}

reads! {
    /// What a browser's `PushSubscription` says, and what it is to show.
    WantedSubscription from Fields<'_> {
        /// An `https:` URL of at most 2,048 bytes, of a public address.
        required endpoint: String,
        required keys: PushKeys,
        /// Of the notifications; `en`, unless given.
        optional lang: PushLang,
        /// `text`, unless given.
        optional show: Shows,
    }
}

reads! {
    /// Which browser is tried.
    TriedSubscription from Fields<'_> {
        /// One of the caller's; all of them, unless given.
        optional id: String,
    }
}

pub(in crate::http) const SHOW: Operation = Operation::new(
    Access::User,
    "The key to which a browser subscribes, and the caller's browsers. The key is made with the data file; there is nothing \
     to set up.",
)
.data::<PushRow<'_>>();

/// `GET /api/push`: `{"public_key","subscriptions"}`.
pub(in crate::http) async fn show(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let own = app.pushes.of(caller.user.id);
    let row = PushRow {
        public_key: app.pushes.public_key(),
        subscriptions: own
            .iter()
            .map(|own| SubscriptionRow::from(&**own))
            .collect(),
    };
    Ok(answer::data(StatusCode::OK, row))
}

pub(in crate::http) const SUBSCRIBE: Operation = Operation::new(
    Access::User,
    "Has a browser told of messages while its page is closed, or changes how: at most 16 browsers of a person, of a further \
     one the oldest is told no more. It ends with the session by which it was made. A browser that was another person's is \
     no more theirs.",
)
.path::<NamedSubscription>()
.body::<WantedSubscription>()
.data::<SubscriptionRow>();

/// `PUT /api/push/subscriptions/:id` `{"endpoint","keys":{"p256dh","auth"},"lang"?,"show"?}`.
pub(in crate::http) async fn subscribe(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?;
    count(app, &caller, Kind::Pushes, 1)?;
    let id = NamedSubscription::read(params)?.id;
    let base = base_url(app, &request);
    let body = body(request).await?;
    let wanted = WantedSubscription::read(&Fields::parse(&body)?)?;
    let wish = Wish {
        endpoint: wanted.endpoint,
        p256dh: wanted.keys.p256dh,
        auth: wanted.keys.auth,
        lang: wanted.lang.unwrap_or(PushLang::En).into(),
        show: wanted.show.unwrap_or(Shows::Text).into(),
        base,
        session: caller.session_number(),
        until: caller.session_ends_at(),
    };
    let user = caller.user.id;
    let made = app.pushes.subscribe((app.clock)(), user, &id, wish).await?;
    Ok(answer::data(StatusCode::OK, SubscriptionRow::from(&*made)))
}

pub(in crate::http) const UNSUBSCRIBE: Operation = Operation::new(
    Access::User,
    "Has one of the caller's browsers told no more. To do it again changes nothing.",
)
.path::<NamedSubscription>();

/// `DELETE /api/push/subscriptions/:id`
pub(in crate::http) async fn unsubscribe(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let id = NamedSubscription::read(params)?.id;
    let user = caller.user.id;
    app.pushes.unsubscribe((app.clock)(), user, &id).await?;
    Ok(answer::done())
}

pub(in crate::http) const TEST: Operation = Operation::new(
    Access::User,
    "Sends a trial to the caller's browsers, or to one of them, and says what their push services answered.",
)
.optional_body::<TriedSubscription>()
.refuses(&[Code::NotFound])
.data::<Vec<TriedRow>>();

/// `POST /api/push/test` `{"id"?}`: `[{"id","status"}]`.
pub(in crate::http) async fn test(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?;
    let body = optional_body(request).await?;
    let id = TriedSubscription::read(&Fields::parse(&body)?)?.id;
    let user = caller.user.id;
    let many = match id {
        Some(_) => 1,
        None => app.pushes.of(user).len(),
    };
    count(app, &caller, Kind::Pushes, many)?;
    let tried = app.pushes.test(user, id.as_deref()).await?;
    let rows = tried
        .into_iter()
        .map(|(id, tried)| TriedRow::new(&id, tried));
    Ok(answer::data(StatusCode::OK, rows.collect::<Vec<_>>()))
}
