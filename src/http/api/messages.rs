//! `/api/messages`: one message by its id, of whichever chat.

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use crate::contract::documents::{Access, Operation};
use crate::contract::rows::HistoryMessage;
use crate::contract::{Code, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::caller;
use crate::http::router::PathParams;
use crate::model::MessageId;
use crate::web::Body;

reads! {
    /// The message.
    Which from PathParams {
        required id: MessageId,
    }
}

pub(in crate::http) const SHOW: Operation =
    Operation::new(Access::User, "One message of a chat of the caller's.")
        .path::<Which>()
        .refuses(&[Code::NotFound])
        .data::<HistoryMessage>();

/// `GET /api/messages/:id`: one message, of a chat that is the caller's.
pub(in crate::http) async fn show(
    app: &App,
    request: &Request<Incoming>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let message = Which::read(params)?.id;
    let row = app.chat.message(caller.user.id, message).await?;
    Ok(answer::data(StatusCode::OK, HistoryMessage::from(row)))
}
