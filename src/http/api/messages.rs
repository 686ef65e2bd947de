//! `/api/messages`: one message by its id, of whichever chat; who reacted to it; and erasing it.

use hyper::{Request, Response, StatusCode};
use tokio::sync::oneshot;

use crate::chat::{ChatError, Chats};
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{AnyMessage, HistoryMessage, ReactionsMeta, Reactor, RoomMessageRow};
use crate::contract::{Code, Deleted, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Limit, Query, caller, charge, operator};
use crate::http::router::PathParams;
use crate::model::{Emoji, MessageChange, MessageId};
use crate::web::{Body, RequestBody};

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
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let message = Which::read(params)?.id;
    let (chat, user) = (&app.chat, caller.user.id);
    let row = match chat.message(user, message).await {
        Ok(row) => AnyMessage::Direct(HistoryMessage::of(row, user)),
        Err(ChatError::NoSuchMessage) => {
            let row = chat.room_message(user, message).await?;
            AnyMessage::Room(RoomMessageRow::from(row))
        }
        Err(error) => return Err(error.into()),
    };
    Ok(answer::data(StatusCode::OK, row))
}

pub(in crate::http) const DELETE: Operation = Operation::new(
    Access::User,
    "Erases a message of the caller's own, or of a room of which they are an admin, as `delete_message` does; for administrators \
     of the server any. Idempotent.",
)
.path::<Which>()
.refuses(&[Code::NotFound, Code::Forbidden])
.data::<Deleted>();

/// `DELETE /api/messages/:id`: erases a message of the caller's own, or any for an administrator.
pub(in crate::http) async fn delete(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let (message, now) = (Which::read(params)?.id, (app.clock)());
    if operator(request).is_ok() {
        app.chat.erase(now, message).await?;
        return Ok(deleted(message));
    }
    let caller = caller(app, request).await?;
    let user = caller.user.id;
    let (reply, replied) = oneshot::channel();
    let answer = move |result| drop(reply.send(result));
    let what = (message, MessageChange::Deleted { by: None });
    app.chat.change(now, user, Chats::All, what, None, answer);
    let outcome = replied.await.unwrap_or(Err(ChatError::Unavailable));
    let is_anothers = matches!(
        outcome,
        Err(ChatError::NotSender | ChatError::NoSuchMessage)
    );
    // Not what the account may: an app's token of an administrator's account is none of theirs.
    if is_anothers && caller.is_admin() {
        let (reply, replied) = oneshot::channel();
        let answer = move |result| drop(reply.send(result));
        app.chat.moderate(now, user, message, answer);
        replied.await.unwrap_or(Err(ChatError::Unavailable))?;
    } else {
        outcome?;
    }
    Ok(deleted(message))
}

/// Answers as `delete_message` is acked.
fn deleted(message_id: MessageId) -> Response<Body> {
    answer::data(StatusCode::OK, Deleted { message_id })
}

reads! {
    /// The query of the reactions to a message.
    WhichReactions from Query<'_> {
        optional limit: Limit<100, 500>,
        /// Only those of this emoji.
        optional emoji: Emoji,
        /// `meta.next_after` of the page before.
        optional after: u64,
    }
}

pub(in crate::http) const REACTIONS: Operation = Operation::new(
    Access::User,
    "Who put which emoji on a message of a chat of the caller's: between two people in the order of the first of each emoji, in a \
     room by account.",
)
.path::<Which>()
.query::<WhichReactions>()
.refuses(&[Code::NotFound])
.page::<Vec<Reactor>, ReactionsMeta>();

/// `GET /api/messages/:id/reactions?emoji=&limit=&after=`: who put which emoji on a message.
pub(in crate::http) async fn reactions(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let message = Which::read(params)?.id;
    let WhichReactions {
        limit,
        emoji,
        after,
    } = WhichReactions::read(&Query::of(request))?;
    let (user, limit) = (caller.user.id, Limit::of(limit));
    let (reactors, next_after) = match app.chat.message(user, message).await {
        Ok(row) => {
            let reactors = row.message.reactors(emoji.as_ref());
            let skipped = after.and_then(|after| usize::try_from(after).ok());
            let skipped = skipped.unwrap_or(0);
            let end = skipped.saturating_add(limit);
            let has_more = reactors.len() > end;
            let page = reactors.into_iter().skip(skipped).take(limit);
            (page.collect(), has_more.then_some(end as u64))
        }
        Err(ChatError::NoSuchMessage) => {
            let after = after.unwrap_or(0);
            let page = app
                .chat
                .reactors_in_room(user, message, emoji, after, limit);
            let page = page.await?;
            (page.rows, page.next_after)
        }
        Err(error) => return Err(error.into()),
    };
    charge(app, &caller, reactors.len(), 0);
    let rows: Vec<_> = reactors
        .into_iter()
        .filter_map(|(user, emoji)| Some(Reactor::new(&*app.accounts.user(user)?, emoji)))
        .collect();
    let next_after = next_after.map(|after| after.to_string());
    app.page(request, user, rows, ReactionsMeta { next_after })
}
