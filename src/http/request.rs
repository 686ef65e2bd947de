//! The parts of a request that routes read: the token, the query, the body.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::Display;
use std::net::IpAddr;
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

use bytes::{Buf, Bytes};
use hyper::Request;
use hyper::header;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::app::{App, Operator};
use super::error::ApiError;
use crate::accounts::{Admin, Backend, Caller, UsersAdmin, bearer};
use crate::contract::{Code, FieldError, Refusal};
use crate::limits::{Key, Kind, Limits, ROWS_A_COUNT};
use crate::model::UserId;
use crate::web::{self, BodyError, RequestBody, Sender, read_body};

/// 16 KiB: a registration with the longest avatar URL, four times over.
const MAX_BODY: usize = 16 * 1024;
/// What some programs put before a text in UTF-8. It says nothing, and is not part of the JSON
/// (RFC 8259, section 8.1).
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns the credential that the request carries: a token or a key.
pub(super) fn credential(request: &Request<RequestBody>) -> Option<&str> {
    let value = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    bearer(value)
}

/// Returns the person or the bot whose credential the request carries.
pub(super) async fn caller(app: &App, request: &Request<RequestBody>) -> Result<Caller, ApiError> {
    let credential = credential(request);
    match app.accounts.authenticate((app.clock)(), credential).await {
        Ok(caller) => {
            app.limits
                .check(Kind::Requests, Key::User(caller.user.id))?;
            Ok(caller)
        }
        Err(error) => {
            allow(app, request, Kind::Requests)?;
            Err(error.into())
        }
    }
}

/// Returns the backend whose key the request carries; `None` where it carries none of a backend.
fn backend(app: &App, request: &Request<RequestBody>) -> Result<Option<Backend>, ApiError> {
    match app.accounts.backend(credential(request)) {
        None => Ok(None),
        Some(Ok(backend)) => {
            let key = Key::Backend(backend.id.0);
            app.limits.check(Kind::Requests, key)?;
            Ok(Some(backend))
        }
        Some(Err(error)) => {
            allow(app, request, Kind::Requests)?;
            Err(error.into())
        }
    }
}

/// Who looks for people.
pub(super) enum Seeker {
    /// A person or a bot.
    Caller(Caller),
    /// An app's backend, which sees what administrators see.
    Backend(Backend),
}

impl Seeker {
    /// Returns who shows a token or a key.
    pub(super) async fn of(app: &App, request: &Request<RequestBody>) -> Result<Self, ApiError> {
        match backend(app, request)? {
            Some(backend) => Ok(Self::Backend(backend)),
            None => Ok(Self::Caller(caller(app, request).await?)),
        }
    }

    /// Returns whether they see what only administrators see.
    pub(super) fn is_admin(&self) -> bool {
        match self {
            Self::Caller(caller) => caller.is_admin(),
            Self::Backend(_) => true,
        }
    }

    /// Returns the account that they have.
    pub(super) fn account(&self) -> Option<UserId> {
        match self {
            Self::Caller(caller) => Some(caller.user.id),
            Self::Backend(_) => None,
        }
    }

    /// Returns whose view binds them; `None` of administrators and backends, who see everyone.
    pub(super) fn bound(&self) -> Option<UserId> {
        self.account().filter(|_| !self.is_admin())
    }

    /// Returns whether they may know by its id that there is an account.
    pub(super) fn sees(&self, app: &App, user: UserId) -> bool {
        self.bound()
            .is_none_or(|viewer| app.chat.may_see(viewer, user))
    }

    /// Returns whether they find an account that they name as a whole.
    pub(super) fn finds_exactly(&self, app: &App, user: UserId) -> bool {
        self.bound()
            .is_none_or(|viewer| app.chat.finds_exactly(viewer, user))
    }

    /// Counts what a page has cost them beside their request.
    pub(super) fn charge(&self, app: &App, rows: usize) {
        let key = match self {
            Self::Caller(caller) => Key::User(caller.user.id),
            Self::Backend(backend) => Key::Backend(backend.id.0),
        };
        app.limits.charge(Kind::Requests, key, rows / ROWS_A_COUNT);
    }
}

/// Returns who sent the request, as far as is known.
pub(super) fn sender(request: &Request<RequestBody>) -> Option<Sender> {
    request.extensions().get().copied()
}

/// Returns the address by which the request is counted; `None` on this machine.
pub(super) fn address(request: &Request<RequestBody>) -> Option<IpAddr> {
    web::counted(sender(request)?.address)
}

/// So many chats, or members of a room, that are gone through for a page count as one request more.
const CHATS_A_REQUEST: usize = 1_000;

/// Counts what a page has cost beside the request that [`caller`] counted: its rows, and the chats
/// or members that were gone through for them.
pub(super) fn charge(app: &App, caller: &Caller, rows: usize, chats: usize) {
    charge_to(&app.limits, caller.user.id, rows, chats);
}

/// The same for who may be gone meanwhile.
pub(super) fn charge_to(limits: &Limits, user: UserId, rows: usize, chats: usize) {
    let cost = rows / ROWS_A_COUNT + chats / CHATS_A_REQUEST;
    limits.charge(Kind::Requests, Key::User(user), cost);
}

/// Counts so many of this kind for the caller, unless it is too much already.
pub(super) fn count(app: &App, caller: &Caller, kind: Kind, many: usize) -> Result<(), ApiError> {
    let key = Key::User(caller.user.id);
    if many > 0 {
        app.limits.check(kind, key)?;
        app.limits.charge(kind, key, many - 1);
    }
    Ok(())
}

/// Counts one of this kind for the address that the request comes from, unless it is too much.
pub(super) fn allow(app: &App, request: &Request<RequestBody>, kind: Kind) -> Result<(), ApiError> {
    match sender(request) {
        Some(sender) => app.allow(kind, sender.address),
        None => Ok(()),
    }
}

/// Returns the right to the admin routes, if the caller or the backend has it.
pub(super) async fn admin(app: &App, request: &Request<RequestBody>) -> Result<Admin, ApiError> {
    if request.extensions().get::<Operator>().is_some() {
        return Ok(Admin::operator());
    }
    match backend(app, request)? {
        Some(backend) => Ok(backend.admin()?),
        None => Ok(caller(app, request).await?.admin()?),
    }
}

/// Returns the right to those of them that concern people, likewise.
pub(super) async fn users_admin(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<UsersAdmin, ApiError> {
    if request.extensions().get::<Operator>().is_none()
        && let Some(backend) = backend(app, request)?
    {
        return Ok(backend.users_admin());
    }
    Ok(admin(app, request).await?.into())
}

/// The right of the server's operator, which no administrator has by token.
pub(super) fn operator(request: &Request<RequestBody>) -> Result<Admin, ApiError> {
    match request.extensions().get::<Operator>() {
        Some(_) => Ok(Admin::operator()),
        None => {
            let message = "only commands beside the data file may do that";
            Err(Refusal::new(Code::Forbidden, message).into())
        }
    }
}

/// Returns how people reach this server, such as `https://chat.example.org`; see [`web::base_url`].
/// A request of the operator's names no host by which anybody does.
pub(super) fn base_url(app: &App, request: &Request<RequestBody>) -> String {
    let is_operators = request.extensions().get::<Operator>().is_some();
    if let (true, None, Some(local)) = (is_operators, &app.public, &app.local) {
        return local.clone();
    }
    let sender = sender(request);
    web::base_url(request.headers(), sender.as_ref(), app.public.as_ref())
}

/// The query of a request.
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub(super) fn of(request: &'a Request<RequestBody>) -> Self {
        Self(form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).collect())
    }

    /// Reads the query of a route of chats between two people, to which no room is known.
    pub(super) fn without_rooms(request: &'a Request<RequestBody>) -> Result<Self, FieldError> {
        let query = Self::of(request);
        let key = "room_id";
        match query.raw(key) {
            None => Ok(query),
            Some(_) => Err(FieldError::Invalid {
                key,
                reason: "rooms are read at /api/rooms".to_owned(),
            }),
        }
    }

    /// A parameter as it is; of a repeated one the last counts.
    pub(super) fn raw(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, value)| &**value)
    }

    /// A parameter that may be absent, and may be any text.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, FieldError> {
        Ok(self.raw(key).map(str::to_owned))
    }

    /// A parameter that may be absent or empty.
    pub(super) fn optional<T: FromStr<Err: Display + 'static>>(
        &self,
        key: &'static str,
    ) -> Result<Option<T>, FieldError> {
        match self.raw(key) {
            None | Some("") => Ok(None),
            Some(text) => match text.parse::<T>() {
                Ok(value) => Ok(Some(value)),
                Err(error) => Err(misread(key, &error)),
            },
        }
    }
}

/// Returns why the text of a key is refused: what is expected, of which the standard library's own
/// words for numbers say nothing.
pub(super) fn misread<E: Display + 'static>(key: &'static str, error: &E) -> FieldError {
    let reason = match (error as &dyn Any).is::<ParseIntError>() {
        true => "must be a whole number from 0 on".to_owned(),
        false => error.to_string(),
    };
    FieldError::Invalid { key, reason }
}

/// How many rows a page has: from 1; more than `MOST` gives `MOST`, and `USUAL` where nothing is
/// said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit<const USUAL: usize, const MOST: usize>(usize);

impl<const USUAL: usize, const MOST: usize> Limit<USUAL, MOST> {
    /// What was asked for, if anything.
    pub(super) fn of(asked: Option<Self>) -> usize {
        asked.map_or(USUAL, |limit| limit.0)
    }
}

/// A text that is no limit.
#[derive(Debug, thiserror::Error)]
#[error("must be a whole number from 1")]
pub(super) struct LimitError;

impl<const USUAL: usize, const MOST: usize> FromStr for Limit<USUAL, MOST> {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        match text.parse() {
            Ok(0) | Err(_) => Err(LimitError),
            Ok(limit) => Ok(Self(MOST.min(limit))),
        }
    }
}

impl<const USUAL: usize, const MOST: usize> JsonSchema for Limit<USUAL, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "integer",
            "minimum": 1,
            "default": USUAL,
            "description": format!("How many: {USUAL} where nothing is said, {MOST} at most; more counts as that."),
        })
    }
}

/// Reads the whole body, which must be UTF-8.
pub(super) async fn body(request: Request<RequestBody>) -> Result<String, ApiError> {
    body_within(request, MAX_BODY).await
}

/// Reads the body of a request whose keys all have defaults: one that is left out is `{}`.
pub(super) async fn optional_body(request: Request<RequestBody>) -> Result<String, ApiError> {
    let body = body(request).await?;
    let is_absent = body.trim().is_empty();
    Ok(if is_absent { "{}".to_owned() } else { body })
}

/// Reads the whole body of at most so many bytes, which must be UTF-8, without a byte order mark.
pub(super) async fn body_within(
    request: Request<RequestBody>,
    most: usize,
) -> Result<String, ApiError> {
    let mut body = bytes_within(request, most).await?;
    if body.starts_with(BYTE_ORDER_MARK) {
        body.advance(BYTE_ORDER_MARK.len());
    }
    String::from_utf8(body.into()).map_err(|_| FieldError::NotAnObject.into())
}

/// Returns the length that a request says its body has.
pub(super) fn content_length(request: &Request<RequestBody>) -> Result<u64, Refusal> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|text| text.to_str().ok()?.parse().ok());
    // HTTP/2 need not say it by a header, and says it otherwise.
    let length = length.or_else(|| hyper::body::Body::size_hint(request.body()).exact());
    let missing = || Refusal::invalid("Content-Length must say how long the body is");
    length.ok_or_else(|| missing().with_status(411))
}

/// Reads the whole body of at most so many bytes.
pub(super) async fn bytes_within(
    request: Request<RequestBody>,
    most: usize,
) -> Result<Bytes, ApiError> {
    match read_body(request, most, BODY_TIMEOUT).await {
        Ok(body) => Ok(body),
        Err(BodyError::TooLarge) => {
            let message = format!("the body is over {most} bytes");
            Err(Refusal::new(Code::PayloadTooLarge, message).into())
        }
        Err(error @ BodyError::Incomplete) => Err(Refusal::invalid(error.to_string()).into()),
        Err(error @ BodyError::NoRoom) => Err(Refusal::later(error.to_string(), 1_000).into()),
    }
}
