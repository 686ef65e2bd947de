//! A real browser subscribes to a push service of this machine, and takes what is pushed: Firefox
//! lets its push server be set. Skipped where there is no `firefox-esr`.
//!
//! The browser hears of messages by a WebSocket, as `autopush` speaks it: `hello`, `register`,
//! `notification`, and an `ack` whose code says whether it could be read.

#![allow(
    clippy::result_large_err,
    reason = "a refused handshake is an answer, and no way of ours to say it"
)]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::pushes::Service;
use crate::support::{TestServer, soon};

const FIREFOX: &str = "/usr/bin/firefox-esr";

/// What a browser of an hour ago would take minutes for: the first start of a profile.
const STARTED: Duration = Duration::from_secs(60);

/// What the browser says to its push server, and what is to be said to it.
struct Autopush {
    port: u16,
    /// The codes of its acks: 100 for what it could read and gave to the page's worker.
    acks: mpsc::UnboundedReceiver<u64>,
    notify: mpsc::UnboundedSender<Value>,
}

/// Answers one text of the browser's; `endpoints` is the origin of its endpoints.
fn answered(text: &str, endpoints: &str, acks: &mpsc::UnboundedSender<u64>) -> Option<Value> {
    let said: Value = serde_json::from_str(text).unwrap();
    match said["messageType"].as_str() {
        Some("hello") => Some(json!({
            "messageType": "hello", "uaid": "0123456789abcdef0123456789abcdef", "status": 200,
            "use_webpush": true, "broadcasts": {},
        })),
        Some("register") => {
            let channel = said["channelID"].as_str().unwrap();
            Some(json!({
                "messageType": "register", "channelID": channel, "status": 200,
                "pushEndpoint": format!("{endpoints}/{channel}"),
            }))
        }
        Some("ack") => {
            for update in said["updates"].as_array().unwrap() {
                let _ = acks.send(update["code"].as_u64().unwrap_or(100));
            }
            None
        }
        Some(_) => None,
        None => Some(json!({})),
    }
}

impl Autopush {
    async fn start(endpoints: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (acked, acks) = mpsc::unbounded_channel();
        let (notify, mut notified) = mpsc::unbounded_channel::<Value>();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            // A new connection takes the place of the one before it.
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let named = |_: &Request, mut response: Response| {
                    let name = HeaderValue::from_static("push-notification");
                    response
                        .headers_mut()
                        .insert("sec-websocket-protocol", name);
                    Ok(response)
                };
                let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, named).await
                else {
                    continue;
                };
                loop {
                    let answer = tokio::select! {
                        text = socket.next() => match text {
                            Some(Ok(Message::Text(text))) => answered(&text, &endpoints, &acked),
                            Some(Ok(_)) => None,
                            Some(Err(_)) | None => break,
                        },
                        Some(message) = notified.recv() => Some(message),
                    };
                    if let Some(answer) = answer
                        && socket
                            .send(Message::text(answer.to_string()))
                            .await
                            .is_err()
                    {
                        break;
                    }
                }
            }
        });
        Self { port, acks, notify }
    }
}

/// A browser that is led by Marionette, its own remote control.
struct Firefox {
    _child: Child,
    stream: TcpStream,
    asked: u64,
}

fn preferences(autopush: u16) -> String {
    let preferences = json!({
        "marionette.port": 0,
        "remote.prefs.recommended": false,
        "dom.push.connection.enabled": true,
        "dom.push.serverURL": format!("ws://127.0.0.1:{autopush}/"),
        "dom.push.testing.allowInsecureServerURL": true,
        "dom.push.testing.ignorePermission": true,
        "permissions.default.desktop-notification": 1,
        // Of its own windows, since a server has no desktop that would show them.
        "alerts.useSystemBackend": false,
        "intl.accept_languages": "en-GB",
        "app.update.enabled": false,
        "browser.shell.checkDefaultBrowser": false,
        "browser.startup.page": 0,
        "datareporting.policy.dataSubmissionEnabled": false,
        "toolkit.telemetry.enabled": false,
        "network.captive-portal-service.enabled": false,
    });
    let preferences = preferences.as_object().unwrap().iter();
    let lines = preferences.map(|(name, value)| format!("user_pref(\"{name}\", {value});\n"));
    lines.collect()
}

impl Firefox {
    async fn start(profile: &Path, autopush: u16) -> Self {
        std::fs::write(profile.join("user.js"), preferences(autopush)).unwrap();
        let child = Command::new(FIREFOX)
            .args(["--headless", "--no-remote", "--marionette", "--profile"])
            .arg(profile)
            .env("HOME", profile)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let started = async {
            loop {
                let port = std::fs::read_to_string(profile.join("MarionetteActivePort"));
                let port = port.ok().and_then(|port| port.trim().parse::<u16>().ok());
                if let Some(port) = port
                    && let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await
                {
                    return stream;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let stream = tokio::time::timeout(STARTED, started)
            .await
            .expect("it starts");
        let mut browser = Self {
            _child: child,
            stream,
            asked: 0,
        };
        browser.read().await;
        browser.ask("WebDriver:NewSession", json!({})).await;
        browser
    }

    /// Reads one packet: its length, a colon, and JSON.
    async fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            match soon(self.stream.read_u8()).await.unwrap() {
                b':' => break,
                digit => length = length * 10 + usize::from(digit - b'0'),
            }
        }
        let mut packet = vec![0; length];
        soon(self.stream.read_exact(&mut packet)).await.unwrap();
        serde_json::from_slice(&packet).unwrap()
    }

    async fn ask(&mut self, name: &str, parameters: Value) -> Value {
        self.asked += 1;
        let packet = json!([0, self.asked, name, parameters]).to_string();
        let packet = format!("{}:{packet}", packet.len());
        self.stream.write_all(packet.as_bytes()).await.unwrap();
        let answer = self.read().await;
        assert!(answer[2].is_null(), "{name}: {answer}");
        answer[3].clone()
    }

    async fn go(&mut self, url: &str) {
        self.ask("WebDriver:Navigate", json!({ "url": url })).await;
    }

    /// Runs a script again and again until it returns something, or a promise of it.
    async fn until(&mut self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             Promise.resolve((() => {{ {script} }})()).then(value => done(value ?? null), () => done(null))"
        );
        let waiting = async {
            loop {
                let parameters = json!({ "script": script, "args": [] });
                let answer = self.ask("WebDriver:ExecuteAsyncScript", parameters).await;
                if !answer["value"].is_null() {
                    return answer["value"].clone();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        soon(waiting).await
    }

    /// Presses the button that has these words.
    async fn press(&mut self, words: &str) {
        let words = json!(words);
        let script = format!(
            "const button = [...document.querySelectorAll('button')].find(one => one.checkVisibility()
               && [one.textContent.trim(), one.ariaLabel, one.title].includes({words}));
             button?.click(); return button ? true : null"
        );
        self.until(&script).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn firefox_subscribes_and_reads_what_is_pushed() {
    if !Path::new(FIREFOX).exists() {
        return;
    }
    let mut service = Service::start().await;
    let server = TestServer::with(service.config()).await;
    let (ada, bob) = server.two_people().await;
    let mut autopush = Autopush::start(format!("https://localhost:{}", service.port)).await;
    let profile = tempfile::tempdir().unwrap();
    let mut browser = Firefox::start(profile.path(), autopush.port).await;
    let url = format!("http://localhost:{}", server.address.port());
    browser.go(&format!("{url}/readyz")).await;
    let user = json!({"id": bob.id, "username": "bob", "avatar": null, "is_admin": false});
    let session = json!({"token": &*bob.token, "user": user}).to_string();
    let script = format!(
        "localStorage.setItem('chatd.session', {}); return true",
        json!(session)
    );
    browser.until(&script).await;
    browser.go(&url).await;
    browser.press("Menu").await;
    browser.press("Your profile").await;
    browser.press("Turn on on this device").await;
    let is_on = "return document.querySelector('push-settings .result')?.textContent || null";
    let said = browser.until(is_on).await;
    assert_eq!(said, "Notifications are on on this device.");
    browser.press("Send me a test").await;
    let message = json!({"receiver_id": bob.id, "content": "over a real browser"});
    crate::pushes::send(&server, &ada, message).await;
    // A version that was there is taken for the same message.
    for version in ["1", "2"] {
        let pushed = service.next().await;
        let notification = json!({
            "messageType": "notification", "channelID": &pushed.path[1..], "version": version,
            "data": BASE64.encode(&pushed.body), "headers": {"encoding": "aes128gcm"},
        });
        autopush.notify.send(notification).unwrap();
        assert_eq!(
            soon(autopush.acks.recv()).await,
            Some(100),
            "it could be read"
        );
    }
    let shown = "return navigator.serviceWorker.ready.then(ready => ready.getNotifications())
        .then(all => all.length > 1 ? all.map(one => one.body).join('|') : null)";
    let shown = browser.until(shown).await;
    assert!(
        shown.as_str().unwrap().contains("over a real browser"),
        "{shown}"
    );
    server.stop().await;
}
