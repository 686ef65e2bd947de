//! `/api/auth/me/export`: what is the caller's own, to take along.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Frame;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::chat::{Chat, ChatError, SentText};
use crate::contract::Code;
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{OwnAccountLine, OwnMessageLine};
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::caller;
use crate::limits::{Key, Kind};
use crate::model::UserId;
use crate::web::{Body, RequestBody};

/// A client that takes nothing for so long loses its export.
const PATIENCE: Duration = Duration::from_secs(60);

pub(in crate::http) const SHOW: Operation = Operation::new(
    Access::User,
    "The caller's account and all messages that they sent, as JSON Lines: first the account, then the messages chat by chat, \
     newest first. Once a day.",
)
.refuses(&[Code::RateLimited])
.bare("application/x-ndjson");

/// `GET /api/auth/me/export`: the account in one line, then each message that the caller sent.
pub(in crate::http) async fn show(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let user = caller(app, request).await?.user;
    // Nothing is read of which only the head is wanted.
    let body = if *request.method() == Method::HEAD {
        Body::default()
    } else {
        app.limits.check(Kind::Exports, Key::User(user.id))?;
        let (pages, taken) = mpsc::channel(1);
        let account = line(&OwnAccountLine::new(&user, (app.clock)()));
        let (chat, id) = (app.chat.clone(), user.id);
        tokio::spawn(async move {
            if let Err(error) = write_out(&chat, id, account, &pages).await {
                tracing::debug!(%error, user = %id, "an export was not sent to its end");
            }
        });
        Body::stream(Pages {
            taken,
            is_whole: false,
        })
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"chatd-export.jsonl\""),
    );
    Ok(response)
}

/// A line of JSON.
fn line(row: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(row).expect("a row of strings and numbers is valid JSON");
    line.push(b'\n');
    line
}

/// Sends the lines, a page at a time and no faster than they are taken. Nothing after the last one
/// says that it is whole.
async fn write_out(
    chat: &Chat,
    user: UserId,
    account: Vec<u8>,
    pages: &mpsc::Sender<Option<Bytes>>,
) -> Result<(), ChatError> {
    send(pages, Some(account.into())).await?;
    for chat_of_theirs in chat.chats_of(user).await? {
        let mut next = Some(chat_of_theirs);
        while let Some(from) = next {
            let (texts, rest) = chat.texts_by(user, from).await?;
            let page: Vec<u8> = texts.iter().flat_map(message_line).collect();
            if !page.is_empty() {
                send(pages, Some(page.into())).await?;
            }
            next = rest;
        }
    }
    send(pages, None).await
}

async fn send(pages: &mpsc::Sender<Option<Bytes>>, page: Option<Bytes>) -> Result<(), ChatError> {
    let sent = pages.send_timeout(page, PATIENCE).await;
    sent.map_err(|_| ChatError::Unavailable)
}

fn message_line(text: &SentText) -> Vec<u8> {
    line(&OwnMessageLine::from(text))
}

/// The pages of an export; `None` after the last one.
struct Pages {
    taken: mpsc::Receiver<Option<Bytes>>,
    is_whole: bool,
}

impl hyper::body::Body for Pages {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.is_whole {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.taken.poll_recv(context)) {
            Some(Some(page)) => Some(Ok(Frame::data(page))),
            Some(None) => {
                self.is_whole = true;
                None
            }
            // Cut off, so that it is not taken for whole.
            None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_whole
    }
}
