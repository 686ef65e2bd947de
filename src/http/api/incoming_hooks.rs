//! `/api/hooks`: where other systems write, with the secret of a hook and without a token.
//!
//! The secret stands in the path, so no path of a request is logged.

use std::borrow::Cow;

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
use crate::http::request::{allow, bytes_within, credential};
use crate::http::router::PathParams;
use crate::limits::{Key, Kind};
use crate::model::{ChatId, ClientId, Speaker};
use crate::web::{Body, RequestBody};

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
    /// Shown where there is no text.
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
    "The same as `POST /api/hooks/{id}/{secret}`, with the secret as bearer of the `Authorization` header.",
)
.path::<NamedHook>()
.body::<HookMessage>()
.form::<SlackForm>()
.answers(&[200, 201])
.text_at(200)
.refuses(&REFUSALS)
.data::<AnyMessage>();

const REFUSALS: [Code; 10] = [
    Code::NotFound,
    Code::Forbidden,
    Code::NotAccepted,
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
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let OpenedHook { id, secret } = OpenedHook::read(params)?;
    write_by(app, request, HookId(id), &secret).await
}

/// `POST /api/hooks/:id`
pub(in crate::http) async fn write_by_bearer(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let id = HookId(NamedHook::read(params)?.id);
    let secret = credential(&request).unwrap_or_default().to_owned();
    write_by(app, request, id, &secret).await
}

async fn write_by(
    app: &App,
    request: Request<RequestBody>,
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
    let body = bytes_within(request, MAX_BODY).await?;
    // Programs that cut a text at so many bytes, or write Latin-1, are not to lose what they say.
    let body = String::from_utf8_lossy(&body);
    let body = body.strip_prefix('\u{feff}').unwrap_or(&body);
    let (said, is_for_slack) = read(body, is_form)?;
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

fn is_form(request: &Request<RequestBody>) -> bool {
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
    let json = with_controls_escaped(json);
    let json = without_halves(&json);
    let fields = Fields::parse(&json)?;
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
    let value: Value = serde_json::from_str(&json).map_err(|_| HookError::NothingSaid)?;
    let (content, speaker) = read_slack(&value);
    let said = Said {
        content,
        client_id,
        speaker,
        is_cut: true,
    };
    Ok((said, true))
}

/// Returns JSON without halves of characters, which programs leave that cut a text at so many units
/// of JavaScript's: in their place is the character that stands for what is none.
fn without_halves(json: &str) -> Cow<'_, str> {
    let unit = |escape: &str| {
        let digits = escape.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut out, mut rest) = (String::new(), json);
    while let Some(at) = rest.find('\\') {
        let escape = &rest[at..];
        let next = escape.get(6..).unwrap_or_default();
        let (length, is_half) = match (unit(escape), unit(next)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (12, false),
            (Some(0xd800..=0xdfff), _) => (6, true),
            _ => {
                let behind = escape.char_indices().nth(2);
                (behind.map_or(escape.len(), |(at, _)| at), false)
            }
        };
        out.push_str(&rest[..at]);
        out.push_str(if is_half {
            "\\ufffd"
        } else {
            &escape[..length]
        });
        rest = &escape[length..];
    }
    match out.is_empty() && rest.len() == json.len() {
        true => Cow::Borrowed(json),
        false => Cow::Owned(out + rest),
    }
}

/// Returns JSON whose texts have no ends of lines and other controls as they are: scripts put what
/// a program has printed between quotes.
fn with_controls_escaped(json: &str) -> Cow<'_, str> {
    let is_control = |char: char| char < ' ';
    if !json.contains(is_control) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let (mut is_text, mut is_escape) = (false, false);
    for char in json.chars() {
        if is_text && is_control(char) {
            out.push_str(&format!("\\u{:04x}", u32::from(char)));
            is_escape = false;
            continue;
        }
        is_text ^= char == '"' && !is_escape;
        is_escape = is_text && char == '\\' && !is_escape;
        out.push(char);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a script had read from a program, several lines in quotes, was refused.
    #[test]
    fn ends_of_lines_within_a_text_are_taken_as_they_are_meant() {
        for (json, said) in [
            ("{\n\t\"text\": \"one\ntwo\tx\"\r\n}\n", "one\ntwo\tx"),
            ("{\"text\":\"a\\\"\n\\\\\"}", "a\"\n\\"),
            ("{\"content\":\"\u{1b}[31mred\"}", "\u{1b}[31mred"),
        ] {
            assert_eq!(read(json, false).unwrap().0.content, said);
        }
    }

    /// An alert whose last emoji was cut in two was refused as one that says nothing.
    #[test]
    fn half_a_character_takes_nothing_from_the_others() {
        for (json, whole) in [
            (r#"{"text":"plain"}"#, r#"{"text":"plain"}"#),
            (r#""a\ud83d\ude00b\n""#, r#""a\ud83d\ude00b\n""#),
            (r#""down\ud83d""#, r#""down\ufffd""#),
            (r#""\uDE00\ud83dx""#, r#""\ufffd\ufffdx""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\\ud83d \u00e9""#, r#""\\ud83d \u00e9""#),
            (r#""\u12é\é"#, r#""\u12é\é"#),
            ("\\", "\\"),
        ] {
            assert_eq!(without_halves(json), whole);
        }
        let (said, is_for_slack) = read(r#"{"text":"down \ud83d"}"#, false).unwrap();
        assert_eq!((&*said.content, is_for_slack), ("down \u{fffd}", true));
        let (said, _) = read(r#"{"content":"\ud83d!"}"#, false).unwrap();
        assert_eq!(said.content, "\u{fffd}!");
    }
}
