//! `/api/messages`: one message by its id, of whichever chat.

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use crate::chat::ChatError;
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{AnyMessage, HistoryMessage, RoomMessageRow};
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

pub(in crate::http) const SHOW: Operation = Operation::new(
    Access::User,
    "One message of a chat of the caller's, with a person or in a room.",
)
.path::<Which>()
.refuses(&[Code::NotFound])
.data::<AnyMessage>();

/// `GET /api/messages/:id`: one message, of a chat that is the caller's.
pub(in crate::http) async fn show(
    app: &App,
    request: &Request<Incoming>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let message = Which::read(params)?.id;
    let (chat, user) = (&app.chat, caller.user.id);
    let row = match chat.message(user, message).await {
        Ok(row) => AnyMessage::Direct(HistoryMessage::from(row)),
        Err(ChatError::NoSuchMessage) => {
            let row = chat.room_message(user, message).await?;
            AnyMessage::Room(RoomMessageRow::from(row))
        }
        Err(error) => return Err(error.into()),
    };
    Ok(answer::data(StatusCode::OK, row))
}
