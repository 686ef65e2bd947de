//! Sessions by both transports, without a token: opened, answered, and held until the server's
//! heartbeat comes.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use hyper::body::Bytes;
use hyper::header::{HeaderValue, ORIGIN};
use hyper::{Request, Response, StatusCode};
use serde::Deserialize;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};

use super::report::Report;
use super::site::{PATIENCE, Site, Stream, within};
use crate::cli::failure::chain;

/// An answer that is ready and does not come for so long is held back on the way.
const HELD_BACK: Duration = Duration::from_secs(5);
/// Tolerance for a heartbeat that is late.
const SLACK: Duration = Duration::from_secs(10);
/// The server closes what joins nothing after 45 s: a heartbeat that is due later cannot be waited
/// for.
const LONGEST: Duration = Duration::from_secs(40);
/// Between two packets of one body.
const SEPARATOR: char = '\x1e';

/// The open packet's JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    sid: String,
    ping_interval: u64,
    max_payload: usize,
}

impl Open {
    fn ping_interval(&self) -> Duration {
        Duration::from_millis(self.ping_interval)
    }
}

type Finding = (&'static str, Result<String, String>);

/// Opens sessions by both transports at once, since most of the time is spent waiting.
pub(super) async fn examine(site: &Site, report: &mut Report) {
    let (polling, websocket) = tokio::join!(polling(site), websocket(site));
    for (what, finding) in websocket.into_iter().chain(polling) {
        report.found(what, finding);
    }
    report.found("uploads", uploads(site).await);
}

async fn polling(site: &Site) -> Vec<Finding> {
    let what = "long polling";
    let open = match open(site).await {
        Ok(open) => open,
        Err(trouble) => return vec![(what, Err(trouble))],
    };
    let mut findings = Vec::new();
    match self::open(site).await {
        Ok(other) if other.sid == open.sid => {
            let mend = "two clients were given the same session: the proxy caches /socket.io/; have it cache nothing there \
                        (nginx: no proxy_cache)";
            return vec![(what, Err(mend.into()))];
        }
        Ok(other) => close(site, &other).await,
        Err(trouble) => return vec![(what, Err(trouble))],
    }
    // A poll that waits is answered as soon as there is something to say: here, that a token is
    // missing.
    let (polled, posted) = tokio::join!(
        within(HELD_BACK, refusal(site, &open)),
        post(site, &open, "40{}".into())
    );
    if let Err(trouble) = posted {
        return vec![(what, Err(trouble))];
    }
    match polled {
        Some(Ok(())) => findings.push((what, Ok("an answer comes as soon as there is one".into()))),
        Some(Err(trouble)) => return vec![(what, Err(trouble))],
        None => {
            let mend = format!(
                "an answer that was ready did not come within {} s: the proxy holds answers back (nginx: proxy_buffering off;)",
                HELD_BACK.as_secs()
            );
            return vec![(what, Err(mend))];
        }
    }
    findings.push(("body size", largest(site, &open).await));
    findings.push((
        "idle polls",
        heartbeat(open.ping_interval(), polls(site, &open)).await,
    ));
    close(site, &open).await;
    findings
}

/// The path of a session's requests.
fn path(open: &Open) -> String {
    format!("/socket.io/?EIO=4&transport=polling&sid={}", open.sid)
}

async fn open(site: &Site) -> Result<Open, String> {
    let request = Request::get("/socket.io/?EIO=4&transport=polling");
    let body = text(site.request(request, "", PATIENCE).await?)?;
    body.strip_prefix('0')
        .and_then(|json| serde_json::from_str(json).ok())
        .ok_or_else(|| {
            "what answers under /socket.io/ is not chatd: the proxy must pass that path on".into()
        })
}

async fn close(site: &Site, open: &Open) {
    // It would close by itself as well.
    let _ = post(site, open, "1".into()).await;
}

/// Returns what a poll brings; a heartbeat in it is answered, so that others follow.
async fn poll(site: &Site, open: &Open, patience: Duration) -> Result<String, String> {
    let body = text(site.request(Request::get(path(open)), "", patience).await?)?;
    if has_heartbeat(&body) {
        post(site, open, "3".into()).await?;
    }
    Ok(body)
}

fn has_heartbeat(body: &str) -> bool {
    body.split(SEPARATOR).any(|packet| packet == "2")
}

/// Polls until the attempt to join is refused.
async fn refusal(site: &Site, open: &Open) -> Result<(), String> {
    loop {
        let body = poll(site, open, HELD_BACK * 2).await?;
        if body.contains("missing_token") {
            return Ok(());
        }
        if !has_heartbeat(&body) {
            return Err(format!(
                "an answer of {} bytes is not as chatd sent it: have the proxy pass answers on as they are",
                body.len()
            ));
        }
    }
}

async fn post(site: &Site, open: &Open, body: String) -> Result<(), String> {
    let request = Request::post(path(open)).header("content-type", "text/plain;charset=UTF-8");
    text(site.request(request, body, PATIENCE).await?).map(drop)
}

fn text(answer: Response<Bytes>) -> Result<String, String> {
    match answer.status() {
        StatusCode::OK => String::from_utf8(answer.into_body().into())
            .map_err(|_| "an answer is no text: have the proxy pass it on as it is".into()),
        status => Err(format!("{status} on /socket.io/: see the proxy's log")),
    }
}

/// Sends as much as chatd takes at once: an attempt to join that carries nothing but its size.
async fn largest(site: &Site, open: &Open) -> Result<String, String> {
    let (before, after) = ("40{\"padding\":\"", "\"}");
    let padding = open.max_payload.saturating_sub(before.len() + after.len());
    let body = [before, &"x".repeat(padding), after].concat();
    let request = Request::post(path(open)).header("content-type", "text/plain;charset=UTF-8");
    let bytes = open.max_payload;
    match site.request(request, body, PATIENCE).await {
        Ok(answer) if answer.status() == StatusCode::OK => {
            Ok(format!("{bytes} bytes at once get through"))
        }
        Ok(answer) => Err(format!(
            "chatd takes {bytes} bytes at once, and the proxy answers {}: let it take as much (nginx: client_max_body_size {}m;)",
            answer.status(),
            bytes.div_ceil(1 << 20) + 1
        )),
        Err(trouble) => Err(format!(
            "chatd takes {bytes} bytes at once, and the proxy does not pass them on ({trouble}; nginx: client_max_body_size {}m;)",
            bytes.div_ceil(1 << 20) + 1
        )),
    }
}

/// 1 MiB, and a little more: what nginx does not take unless it is told so. The page goes below it,
/// programs send files as they are.
const UPLOAD_BYTES: usize = (1 << 20) + 1;

/// Sends a body of an upload's size, which chatd reads before it refuses it: a login that is far
/// too long, since nobody's token is here.
async fn uploads(site: &Site) -> Result<String, String> {
    let request = Request::post("/api/auth/login").header("content-type", "application/json");
    let answer = site
        .request(request, vec![b' '; UPLOAD_BYTES], PATIENCE)
        .await;
    let trouble = match answer {
        Ok(answer) => {
            let json: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
            if json["error"]["code"].is_string() {
                return Ok("a body of more than 1 MiB gets through".to_owned());
            }
            format!("it answers {}", answer.status())
        }
        Err(trouble) => trouble,
    };
    Err(format!(
        "the proxy takes no body of more than 1 MiB ({trouble}), so that files fail which programs send at once: let it take as \
         much as --max-file (nginx: client_max_body_size 0; Caddy: request_body max_size)"
    ))
}

/// Polls until a heartbeat comes.
async fn polls(site: &Site, open: &Open) -> Result<(), String> {
    loop {
        let body = poll(site, open, LONGEST + SLACK).await?;
        if has_heartbeat(&body) {
            return Ok(());
        }
    }
}

/// Waits for a heartbeat, with which a proxy on the way may be less patient than chatd and its
/// clients are.
async fn heartbeat(
    interval: Duration,
    waiting: impl Future<Output = Result<(), String>>,
) -> Result<String, String> {
    if interval > LONGEST {
        return Ok(format!(
            "not waited for: heartbeats come every {} s",
            interval.as_secs()
        ));
    }
    let began = Instant::now();
    let mend = "let the proxy wait for longer than --ping-interval and --ping-timeout together (nginx: proxy_read_timeout 75s;)";
    match within(interval + SLACK, waiting).await {
        Some(Ok(())) => Ok(format!(
            "a heartbeat came after {:.1} s of silence",
            began.elapsed().as_secs_f64()
        )),
        Some(Err(trouble)) => Err(format!(
            "the connection ended after {:.1} s of silence ({trouble}): {mend}",
            began.elapsed().as_secs_f64()
        )),
        None => Err(format!(
            "no heartbeat came within {} s: {mend}",
            (interval + SLACK).as_secs()
        )),
    }
}

async fn websocket(site: &Site) -> Vec<Finding> {
    let what = "WebSocket";
    let mut socket = match upgrade(site, true).await {
        Ok(socket) => socket,
        // A browser says whose page it shows, and chatd compares that with the host.
        Err(Refusal::Status(_)) if upgrade(site, false).await.is_ok() => {
            let mend = format!(
                "refused to pages of {}: have the proxy pass the Host header on (nginx: proxy_set_header Host $http_host;), or \
                 start chatd with --public-url {site}",
                site.origin()
            );
            return vec![(what, Err(mend))];
        }
        Err(refusal) => {
            let mend = format!(
                "{}: the proxy does not pass the upgrade on (nginx: proxy_http_version 1.1; proxy_set_header Upgrade \
                 $http_upgrade; proxy_set_header Connection \"upgrade\";)",
                refusal.say()
            );
            return vec![(what, Err(mend))];
        }
    };
    let opened = within(PATIENCE, next(&mut socket)).await;
    let opened = opened.unwrap_or_else(|| Err("silence".into()));
    let open: Option<Open> = opened
        .as_deref()
        .ok()
        .and_then(|text| text.strip_prefix('0'))
        .and_then(|json| serde_json::from_str(json).ok());
    let Some(open) = open else {
        let heard = opened.err().unwrap_or_else(|| "something else".into());
        return vec![(
            what,
            Err(format!(
                "it opens, and then comes {heard} instead of a handshake: have the proxy pass frames on as they come"
            )),
        )];
    };
    let waiting = async {
        while next(&mut socket).await? != "2" {}
        Ok(())
    };
    let idle = heartbeat(open.ping_interval(), waiting).await;
    let _ = within(PATIENCE, socket.send(Message::text("1"))).await;
    vec![
        (what, Ok("opens, to pages of this site too".into())),
        ("idle WebSockets", idle),
    ]
}

/// The reason that there is no WebSocket.
enum Refusal {
    Status(StatusCode),
    Other(String),
}

impl Refusal {
    fn say(&self) -> String {
        match self {
            Self::Status(status) => format!("refused with {status}"),
            Self::Other(trouble) => format!("refused ({trouble})"),
        }
    }
}

/// Opens a WebSocket, as a page of the site does or as a program does.
async fn upgrade(site: &Site, as_page: bool) -> Result<WebSocketStream<Box<dyn Stream>>, Refusal> {
    let other = |error: &dyn std::error::Error| Refusal::Other(chain(error));
    let url = format!(
        "ws://{}{}/socket.io/?EIO=4&transport=websocket",
        site.authority, site.path
    );
    let mut request = url.into_client_request().map_err(|error| other(&error))?;
    if as_page {
        let origin = HeaderValue::from_str(&site.origin()).map_err(|error| other(&error))?;
        request.headers_mut().insert(ORIGIN, origin);
    }
    let stream = site.connect().await.map_err(Refusal::Other)?.stream;
    let opening = tokio_tungstenite::client_async(request, stream);
    match within(PATIENCE, opening).await {
        Some(Ok((socket, _))) => Ok(socket),
        Some(Err(tungstenite::Error::Http(response))) => Err(Refusal::Status(response.status())),
        Some(Err(error)) => Err(other(&error)),
        None => Err(Refusal::Other(format!(
            "no answer within {} s",
            PATIENCE.as_secs()
        ))),
    }
}

/// The next text.
async fn next(socket: &mut WebSocketStream<Box<dyn Stream>>) -> Result<String, String> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
            Some(Ok(Message::Close(_))) | None => return Err("closed".into()),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(chain(&error)),
        }
    }
}
