//! `/api/chats`: reading, and marking read. Nothing is sent here.

use hyper::{Request, Response};

use crate::chat::{ChatError, HistoryQuery};
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{
    HistoryMessage, HistoryMeta, RecentRow, RecentsMeta, UnreadMessage, UnreadMeta,
};
use crate::contract::{Code, FieldError, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Limit, Query, caller, charge};
use crate::http::router::PathParams;
use crate::model::{MessageId, UserId};
use crate::web::{Body, RequestBody};

reads! {
    /// The query of a page of chats.
    WhichChats from Query<'_> {
        optional limit: Limit<50, 200>,
        /// `meta.next_before` of the page before.
        optional before: MessageId,
    }
}

reads! {
    /// The query of a page of messages.
    WhichMessages from Query<'_> {
        optional limit: Limit<50, 500>,
        /// Only those before this one; the newest of them.
        optional before: MessageId,
        /// Only those after this one; the oldest of them.
        optional after: MessageId,
        /// This one and those around it; with neither `before` nor `after`.
        optional around: MessageId,
    }
}

reads! {
    /// The query of a page of unread messages.
    WhichUnread from Query<'_> {
        optional limit: Limit<200, 1_000>,
        /// Only those after this one.
        optional after: MessageId,
    }
}

reads! {
    /// The other person.
    Peer from PathParams {
        required user_id: UserId,
    }
}

reads! {
    /// The message.
    Which from PathParams {
        required message_id: MessageId,
    }
}

pub(in crate::http) const RECENTS: Operation =
    Operation::new(Access::User, "The caller's chats, newest first.")
        .query::<WhichChats>()
        .page::<Vec<RecentRow<'_>>, RecentsMeta>();

/// `GET /api/chats/?limit=50&before=<cursor>`: the caller's chats, newest first.
pub(in crate::http) async fn recents(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let WhichChats { limit, before } = WhichChats::read(&Query::without_rooms(request)?)?;
    let page = app
        .chat
        .recents(caller.user.id, before, Limit::of(limit))
        .await?;
    // Older pages lie behind the newer ones, which are gone through.
    let passed = before.map_or(0, |_| app.chat.chats(caller.user.id));
    charge(app, &caller, page.rows.len(), passed);
    let next_before = page
        .rows
        .last()
        .filter(|_| page.has_more)
        .map(|row| row.place.to_string());
    let rows: Vec<RecentRow<'_>> = page.rows.iter().map(Into::into).collect();
    app.page(request, caller.user.id, rows, RecentsMeta { next_before })
}

pub(in crate::http) const HISTORY: Operation = Operation::new(
    Access::User,
    "A page of the messages with a person, ascending by id. The newest, with `after` the oldest after that id, or with `around` those around that id.",
)
.path::<Peer>()
.query::<WhichMessages>()
.refuses(&[Code::NotFound, Code::InvalidReceiver])
.page::<Vec<HistoryMessage>, HistoryMeta>();

/// `GET /api/chats/history/:user_id?limit=50&before=<id>&after=<id>&around=<id>`: a page of
/// messages with that user, ascending by id: the newest, with `after` the oldest after that id, or
/// with `around` those around that id.
pub(in crate::http) async fn history(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let peer = Peer::read(params)?.user_id;
    let which = WhichMessages::read(&Query::without_rooms(request)?)?;
    let limit = Limit::of(which.limit);
    let (before, after) = (which.before, which.after);
    let page = match which.around {
        Some(_) if before.is_some() || after.is_some() => {
            let reason = "stands alone, without before and after".to_owned();
            let key = "around";
            return Err(FieldError::Invalid { key, reason }.into());
        }
        Some(message) => {
            let chat = &app.chat;
            chat.history_around(caller.user.id, peer, message, limit)
                .await?
        }
        None => {
            let wanted = HistoryQuery {
                before,
                after,
                limit,
            };
            app.chat.history(caller.user.id, peer, wanted).await?
        }
    };
    charge(app, &caller, page.rows.len(), 0);
    let reader = caller.user.id;
    let rows = page.rows.into_iter();
    let rows: Vec<_> = rows.map(|row| HistoryMessage::of(row, reader)).collect();
    let meta = HistoryMeta {
        has_more: page.has_more,
        has_newer: page.has_newer,
    };
    app.page(request, caller.user.id, rows, meta)
}

pub(in crate::http) const UNREAD: Operation = Operation::new(
    Access::User,
    "The caller's unread messages, ascending by id.",
)
.query::<WhichUnread>()
.page::<Vec<UnreadMessage>, UnreadMeta>();

/// `GET /api/chats/unread?limit=200&after=<id>`: the caller's unread messages, ascending by id.
pub(in crate::http) async fn unread(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let WhichUnread { limit, after } = WhichUnread::read(&Query::without_rooms(request)?)?;
    let (page, total) = app
        .chat
        .unread(caller.user.id, after, Limit::of(limit))
        .await?;
    charge(
        app,
        &caller,
        page.rows.len(),
        app.chat.chats(caller.user.id),
    );
    let rows: Vec<UnreadMessage> = page.rows.into_iter().map(Into::into).collect();
    let meta = UnreadMeta {
        has_more: page.has_more,
        total,
    };
    app.page(request, caller.user.id, rows, meta)
}

pub(in crate::http) const MARK_READ: Operation = Operation::new(
    Access::User,
    "Marks one message read, for its receiver; idempotent. `messege_read` goes out as if by socket.",
)
.path::<Which>()
.refuses(&[Code::NotFound, Code::Forbidden]);

/// `PATCH /api/chats/:messageId/read`: marks one message read, for its receiver; idempotent.
pub(in crate::http) async fn mark_read(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    Query::without_rooms(request)?;
    let message = Which::read(params)?.message_id;
    let (reply, replied) = tokio::sync::oneshot::channel();
    app.chat.mark_read(
        (app.clock)(),
        caller.user.id,
        message,
        None,
        move |result| drop(reply.send(result)),
    );
    replied.await.unwrap_or(Err(ChatError::Unavailable))?;
    Ok(answer::done())
}
