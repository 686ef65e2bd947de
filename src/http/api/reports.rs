//! `/api/reports`: people say what is wrong, and administrators look at it.

use hyper::{Request, Response, StatusCode};

use crate::accounts::{Caller, Complaint, ReportedMessage};
use crate::chat::ChatError;
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{FiledReport, NamedPerson, ReportRow, ReportsMeta};
use crate::contract::{Code, Fields, Refusal, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{Limit, Query, admin, body, caller, count};
use crate::http::router::PathParams;
use crate::limits::Kind;
use crate::model::{MessageId, UserId};
use crate::web::{Body, RequestBody};

reads! {
    /// What is reported: a message, or a person.
    #[schemars(rename = "NewReport")]
    Wanted from Fields<'_> {
        /// A message of a chat of the caller's.
        optional message_id: MessageId,
        /// A person.
        optional user_id: UserId,
        /// Why; 1 to 1,000 characters.
        required reason: String,
    }
}

reads! {
    /// The report that a path names.
    Named from PathParams {
        required id: u64,
    }
}

reads! {
    /// The query of a page of reports.
    Which from Query<'_> {
        optional limit: Limit<50, 200>,
        /// `meta.next_after` of the page before.
        optional after: u64,
    }
}

reads! {
    /// What becomes of a report.
    #[schemars(rename = "ChangedReport")]
    Change from Fields<'_> {
        /// `true`: it is closed.
        required closed: bool,
    }
}

pub(in crate::http) const FILE: Operation = Operation::new(
    Access::User,
    "Reports a message of a chat of the caller's, or a person, to the administrators. They get a copy of that message alone, for 90 \
     days at most and until they close the report. The same once more, while it is open, changes nothing.",
)
.body::<Wanted>()
.answers(&[201])
.refuses(&[Code::NotFound, Code::Forbidden, Code::InvalidReceiver])
.data::<FiledReport>();

/// `POST /api/reports` `{"message_id"|"user_id","reason"}`: 201 `{"id"}`.
pub(in crate::http) async fn file(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?;
    let body = body(request).await?;
    let wanted = Wanted::read(&Fields::parse(&body)?)?;
    count(app, &caller, Kind::Reports, 1)?;
    let (about, message) = match (wanted.message_id, wanted.user_id) {
        (Some(message), None) => reported(app, &caller, message).await?,
        (None, Some(user)) => {
            app.chat.must_see(caller.user.id, user)?;
            (user, None)
        }
        _ => return Err(Refusal::invalid("give either message_id or user_id").into()),
    };
    if about == caller.user.id {
        return Err(ChatError::OwnChat.into());
    }
    let complaint = Complaint {
        about,
        message,
        reason: wanted.reason,
    };
    let id = app
        .accounts
        .report((app.clock)(), caller.user.id, complaint)
        .await?;
    Ok(answer::data(StatusCode::CREATED, FiledReport { id }))
}

/// Returns who sent a message that the caller may read, and a copy of it.
async fn reported(
    app: &App,
    caller: &Caller,
    id: MessageId,
) -> Result<(UserId, Option<ReportedMessage>), ApiError> {
    let user = caller.user.id;
    match app.chat.message(user, id).await {
        Ok(row) => {
            let message = row.message;
            let copy = ReportedMessage {
                id,
                room: None,
                sent_at: message.created_at,
                content: message.content,
            };
            Ok((message.sender_id, Some(copy)))
        }
        Err(ChatError::NoSuchMessage) => {
            let message = app.chat.room_message(user, id).await?;
            let copy = ReportedMessage {
                id,
                room: Some(message.room_id),
                sent_at: message.created_at,
                content: message.content,
            };
            Ok((message.sender_id, Some(copy)))
        }
        Err(error) => Err(error.into()),
    }
}

pub(in crate::http) const LIST: Operation =
    Operation::new(Access::Admin, "The open reports, the oldest first.")
        .query::<Which>()
        .page::<Vec<ReportRow>, ReportsMeta>();

/// `GET /api/admin/reports?limit=&after=`
pub(in crate::http) async fn list(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, request).await?;
    let Which { limit, after } = Which::read(&Query::of(request))?;
    let page = app
        .accounts
        .reports(admin, after.unwrap_or(0), Limit::of(limit));
    let (reports, has_more) = page.await?;
    let next_after = reports.last().filter(|_| has_more);
    let next_after = next_after.map(|report| report.number.to_string());
    let named = |id: UserId| NamedPerson::new(id, app.accounts.user(id).as_deref());
    let rows: Vec<_> = reports
        .into_iter()
        .map(|report| ReportRow::new(report, named))
        .collect();
    let meta = ReportsMeta {
        open: app.accounts.open_reports(),
        next_after,
    };
    Ok(answer::rows(rows, meta))
}

pub(in crate::http) const CLOSE: Operation = Operation::new(
    Access::Admin,
    "Closes a report: it is gone, and the copy of the message with it.",
)
.path::<Named>()
.body::<Change>()
.refuses(&[Code::NotFound]);

/// `PATCH /api/admin/reports/:id` `{"closed":true}`
pub(in crate::http) async fn close(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let id = Named::read(params)?.id;
    let body = body(request).await?;
    if !Change::read(&Fields::parse(&body)?)?.closed {
        return Err(Refusal::invalid("a report can only be closed").into());
    }
    app.accounts.close_report(admin, (app.clock)(), id).await?;
    Ok(answer::done())
}
