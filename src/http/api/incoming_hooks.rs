//! `/api/hooks`: where other systems write, with the secret of a hook and without a token.
//!
//! The secret stands in the path, so no path of a request is logged.

use hyper::body::Incoming;
use hyper::header;
use hyper::{Request, Response, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{AnyMessage, HistoryMessage, RoomMessageRow};
use crate::contract::{Code, Fields, Refusal, reads};
use crate::hooks::{HookError, HookId, Said, Written, read_slack};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{allow, body_within, credential};
use crate::http::router::PathParams;
use crate::limits::{Key, Kind};
use crate::model::{ChatId, ClientId, Speaker};
use crate::web::Body;

/// 256 KiB: alerts of a whole cluster in one body, of which the beginning is shown.
const MAX_BODY: usize = 256 << 10;

reads! {
    /// The hook that a path names, and its secret.
    OpenedHook from PathParams {
        required id: u64,
        /// The secret.
        required secret: String,
    }
}

reads! {
    /// The hook that a path names.
    NamedHook from PathParams {
        required id: u64,
    }
}

/// The one who speaks.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "WantedSpeaker")]
pub(crate) struct WantedSpeaker {
    /// What is shown beside the bot's badge: one line of at most 80 characters; what is longer is
    /// cut.
    name: String,
}

/// A message: `content`, or what Slack's incoming webhooks take.
#[derive(JsonSchema)]
#[expect(
    dead_code,
    reason = "documented alone: which keys are read depends on the others"
)]
pub(crate) struct HookMessage {
    /// The text. Without it the body is read as one for Slack.
    content: Option<String>,
    /// The sender's own name for it: sent again, it is the same message.
    client_id: Option<ClientId>,
    /// Who speaks through the bot.
    #[serde(rename = "as")]
    speaker: Option<WantedSpeaker>,
    #[serde(flatten)]
    for_slack: SlackMessage,
}

/// What Slack's incoming webhooks take, as far as it is shown here.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "documented alone, likewise")]
struct SlackMessage {
    /// The text, with Slack's links and escapes.
    text: Option<String>,
    /// Shown where there is no text.
    attachments: Option<Vec<SlackPart>>,
    /// Likewise.
    blocks: Option<Vec<SlackPart>>,
    /// Who speaks through the bot.
    username: Option<String>,
}

/// An attachment or a block of Slack's: any object, of which what is text is shown.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "documented alone, likewise")]
struct SlackPart {
    #[serde(flatten)]
    any: Map<String, Value>,
}

/// What Slack's incoming webhooks take as a form.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "documented alone, likewise")]
pub(crate) struct SlackForm {
    /// The JSON of what else is the body.
    payload: String,
}

const ABOUT: &str = "Writes a message as the bot of a hook: `{\"content\"}` is answered by 201 and the message. A body of Slack's incoming \
     webhooks (JSON, or a form with `payload`: `text`, else `blocks` and `attachments` as text) is answered by 200 and `ok`. An \
     equal body within 60 s, where none has a `client_id`, is one message.";

pub(in crate::http) const WRITE: Operation = Operation::new(Access::Anyone, ABOUT)
    .path::<OpenedHook>()
    .body::<HookMessage>()
    .form::<SlackForm>()
    .answers(&[200, 201])
    .text_at(200)
    .refuses(&REFUSALS)
    .data::<AnyMessage>();

pub(in crate::http) const WRITE_BY_BEARER: Operation = Operation::new(
    Access::Anyone,
    "The same, with the secret as bearer of the `Authorization` header.",
)
.path::<NamedHook>()
.body::<HookMessage>()
.form::<SlackForm>()
.answers(&[200, 201])
.text_at(200)
.refuses(&REFUSALS)
.data::<AnyMessage>();

const REFUSALS: [Code; 9] = [
    Code::NotFound,
    Code::Forbidden,
    Code::AccountDisabled,
    Code::EmptyMessage,
    Code::MessageTooLong,
    Code::ClientIdReused,
    Code::ReadOnly,
    Code::InvalidReceiver,
    Code::RateLimited,
];

/// `POST /api/hooks/:id/:secret`
pub(in crate::http) async fn write(
    app: &App,
    request: Request<Incoming>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let OpenedHook { id, secret } = OpenedHook::read(params)?;
    write_by(app, request, HookId(id), &secret).await
}

/// `POST /api/hooks/:id`
pub(in crate::http) async fn write_by_bearer(
    app: &App,
    request: Request<Incoming>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let id = HookId(NamedHook::read(params)?.id);
    let secret = credential(&request).unwrap_or_default().to_owned();
    write_by(app, request, id, &secret).await
}

async fn write_by(
    app: &App,
    request: Request<Incoming>,
    id: HookId,
    secret: &str,
) -> Result<Response<Body>, ApiError> {
    let hook = match app.hooks.opened(id, secret) {
        Ok(hook) => hook,
        Err(error) => {
            // Who tries secrets is counted as all are who show none.
            allow(app, &request, Kind::Requests)?;
            return Err(error.into());
        }
    };
    app.limits.check(Kind::Hooks, Key::Hook(id.0))?;
    let is_form = is_form(&request);
    let body = body_within(request, MAX_BODY).await?;
    let (said, is_for_slack) = read(&body, is_form)?;
    let now = (app.clock)();
    let written = app.hooks.write(now, id, &hook, body.as_bytes(), said);
    let Written { message, bot } = written.await?;
    if is_for_slack {
        return Ok(answer::ok());
    }
    let row = match hook.chat {
        ChatId::Person(_) => {
            let row = app.chat.message(bot, message).await?;
            AnyMessage::Direct(HistoryMessage::of(row, bot))
        }
        ChatId::Room(_) => {
            let row = app.chat.room_message(bot, message).await?;
            AnyMessage::Room(RoomMessageRow::from(row))
        }
    };
    Ok(answer::data(StatusCode::CREATED, row))
}

fn is_form(request: &Request<Incoming>) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Reads what a body says, and whether it is one for Slack. Senders are often wrong about what
/// their body is, so what looks like JSON is JSON.
fn read(body: &str, is_form: bool) -> Result<(Said, bool), ApiError> {
    let is_json = body.trim_start().starts_with('{');
    let form = match is_form && !is_json {
        true => form_urlencoded::parse(body.as_bytes()).find(|(key, _)| key == "payload"),
        false => None,
    };
    let json = form.as_ref().map_or(body, |(_, payload)| &**payload);
    let fields = Fields::parse(json)?;
    if form.is_none() && fields.has("content") {
        let speaker: Option<WantedSpeaker> = fields.optional("as")?;
        let speaker = speaker.map(|speaker| Speaker::named(&speaker.name));
        let said = Said {
            content: fields.required("content")?,
            client_id: fields.optional("client_id")?,
            speaker: match speaker {
                Some(None) => return Err(Refusal::invalid("as: the name cannot be seen").into()),
                speaker => speaker.flatten(),
            },
            is_cut: false,
        };
        return Ok((said, false));
    }
    let client_id = fields.optional("client_id")?;
    // Whatever else is in it need not be right.
    let value: Value = serde_json::from_str(json).map_err(|_| HookError::NothingSaid)?;
    let (content, speaker) = read_slack(&value);
    let said = Said {
        content,
        client_id,
        speaker,
        is_cut: true,
    };
    Ok((said, true))
}
