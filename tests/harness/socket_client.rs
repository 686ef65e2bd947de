//! What the tests of `socket.io-client` expect: namespaces that refuse, greet and answer, and
//! sockets that can be continued after a lost connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chatd::contract::Fields;
use chatd::hub::{
    ConnectRequest, Connecting, DisconnectReason, Event, Handler, Io, KeptHandshake, Namespace,
    Refusal, Socket, SocketHandler, SocketId,
};
use chatd::model::Timestamp;
use chatd::socketio::{MAX_ATTACHMENTS, Placeholder};
use chatd::transport::Engine;
use parking_lot::Mutex;
use serde_json::json;
use serde_json::value::RawValue;

use super::fixture::{Fixture, engine_config, hub};

/// What is sent as binary.
const DOGE: &[u8] = b"asdfasdf";
/// How long a client may take to ack.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn fixture() -> Fixture {
    let config = engine_config(2_000, 20_000);
    let pids = Arc::new(Mutex::new(HashMap::new()));
    let open = |name: &'static str| {
        let handler = Fixed {
            name,
            pids: Arc::clone(&pids),
        };
        (Namespace::new(name), Arc::new(handler) as Arc<dyn Handler>)
    };
    let names = [
        "/",
        "/foo",
        "/timeout_socket",
        "/valid",
        "/asd",
        "/abc",
        "/no",
    ];
    let io = Io::new(hub(Duration::from_secs(45)), names.map(open).into());
    Fixture {
        port: 3210,
        engines: vec![("/socket.io/", Engine::new(config, Arc::new(io.clone())))],
        hubs: vec![io],
        // A client whose timeout is 0 must not be answered before it has given up.
        handshake_delay: Duration::from_millis(10),
    }
}

/// By private id: the public id of the socket that may be continued.
type Pids = Arc<Mutex<HashMap<String, SocketId>>>;

/// One of the namespaces.
struct Fixed {
    name: &'static str,
    pids: Pids,
}

fn refuse(message: &str) -> Connecting {
    Connecting::Done(Err(Refusal {
        message: message.to_owned(),
        data: None,
    }))
}

impl Handler for Fixed {
    fn max_attachments(&self) -> usize {
        MAX_ATTACHMENTS
    }

    fn connect(&self, socket: &Socket, request: ConnectRequest<'_>) -> Connecting {
        let query = request.handshake.map_or("", |handshake| &handshake.query);
        match self.name {
            "/" if query.contains("fail") => return refuse("Auth failed (main namespace)"),
            "/no" => return refuse("Auth failed (custom namespace)"),
            _ => {}
        }
        let fields = request
            .auth
            .and_then(|auth| Fields::parse(auth.get()).ok())
            .unwrap_or_default();
        let pid = fields.optional::<String>("pid").ok().flatten();
        let offset = fields.optional::<String>("offset").ok().flatten();
        let earlier = pid.filter(|_| offset.is_some()).and_then(|pid| {
            let sid = self.pids.lock().remove(&pid)?;
            Some((pid, sid))
        });
        let pid = match earlier {
            Some((pid, sid)) if socket.continue_as(sid) => pid,
            _ => SocketId::random().as_str().to_owned(),
        };
        Connecting::Done(Ok(Box::new(Peer {
            name: self.name,
            socket: socket.clone(),
            auth: request.auth.map(ToOwned::to_owned),
            handshake: request.handshake.cloned(),
            pids: Arc::clone(&self.pids),
            pid,
            kept: Vec::new(),
        })))
    }
}

struct Peer {
    name: &'static str,
    socket: Socket,
    auth: Option<Box<RawValue>>,
    handshake: Option<Arc<KeptHandshake>>,
    pids: Pids,
    pid: String,
    /// The first binary of an event that comes in two.
    kept: Vec<bytes::Bytes>,
}

impl Peer {
    /// Emits an event that can be missed and caught up: its last argument is its place.
    fn say(&self, name: &str, args: serde_json::Value) {
        let mut args = match args {
            serde_json::Value::Array(args) => args,
            one => vec![one],
        };
        args.push(json!("1"));
        self.socket.emit(name, &args);
    }

    fn handshake(&self) -> serde_json::Value {
        let Some(kept) = &self.handshake else {
            return json!({});
        };
        let headers: serde_json::Map<String, serde_json::Value> = kept
            .headers
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into(),
                )
            })
            .collect();
        let pairs = chatd::web::query_pairs(&kept.query);
        let query: serde_json::Map<String, serde_json::Value> =
            pairs.map(|(name, value)| (name, value.into())).collect();
        let now = Timestamp::now();
        json!({
            "headers": headers, "time": now.to_string(), "address": kept.peer.ip().to_string(), "xdomain": false,
            "secure": false, "issued": now.as_ms(), "url": format!("/socket.io/?{}", kept.query), "query": query,
            "auth": self.auth.as_ref().map_or(json!({}), |auth| serde_json::from_str(auth.get()).unwrap_or_default()),
        })
    }
}

impl SocketHandler for Peer {
    fn private_id(&self) -> Option<String> {
        Some(self.pid.clone())
    }

    fn connected(&mut self) {
        if self.name == "/abc" {
            self.say("handshake", self.handshake());
        }
    }

    fn event(&mut self, event: Event<'_>) {
        let socket = self.socket.clone();
        match (event.name, event.ack) {
            ("hi", _) => self.say("hi", json!([])),
            ("echo", Some(ack)) => {
                ack.send_binary(event.args.get(..1).unwrap_or_default(), event.attachments)
            }
            ("ack", _) => {
                tokio::spawn(async move {
                    let none: [u8; 0] = [];
                    if let Ok(reply) = socket.emit_with_ack("ack", &none, ACK_TIMEOUT).await {
                        let args: Vec<&str> = reply.args.iter().map(|arg| arg.get()).collect();
                        if args == ["5", r#"{"test":true}"#] {
                            socket.emit("got it", &none);
                        }
                    }
                });
            }
            ("getAckDate", Some(ack)) => ack.send(&[Timestamp::now()]),
            ("getDate", _) => self.say("takeDate", json!(Timestamp::now())),
            ("getDateObj", _) => self.say("takeDateObj", json!({"date": Timestamp::now()})),
            ("getUtf8", _) => {
                for text in [
                    "てすと",
                    "Я Б Г Д Ж Й",
                    "Ä ä Ü ü ß",
                    "utf8 — string",
                    "utf8 — string",
                ] {
                    self.say("takeUtf8", json!(text));
                }
            }
            ("false", _) => self.say("false", json!([false])),
            ("doge", _) => socket.emit_binary(
                "doge",
                &[Placeholder(0)],
                &[bytes::Bytes::from_static(DOGE)],
            ),
            ("getbin", _) => socket.emit_binary(
                "takebin",
                &[Placeholder(0)],
                &[bytes::Bytes::from_static(DOGE)],
            ),
            ("buffa", _) if !event.attachments.is_empty() => socket.emit("buffack", &[(); 0]),
            ("jsonbuff", _) if event.attachments.len() == 1 && is_jsonbuff(event.args) => {
                socket.emit("jsonbuff-ack", &[(); 0]);
            }
            ("abuff1", _) => self.kept = event.attachments.to_vec(),
            ("abuff2", _) if !self.kept.is_empty() => socket.emit("abuff2-ack", &[(); 0]),
            ("blob", _) if !event.attachments.is_empty() => socket.emit("back", &[(); 0]),
            ("jsonblob", _) if event.attachments.len() == 1 && is_jsonbuff(event.args) => {
                socket.emit("jsonblob-ack", &[(); 0]);
            }
            ("blob1", _) => self.kept = event.attachments.to_vec(),
            ("blob2", _) => {}
            ("blob3", _) if !self.kept.is_empty() => socket.emit("blob3-ack", &[(); 0]),
            ("getHandshake", Some(ack)) => ack.send(&[self.handshake()]),
            ("getId", Some(ack)) => ack.send(&[socket.id().as_str()]),
            _ => {}
        }
    }

    fn disconnected(&mut self, reason: DisconnectReason) {
        // A client that leaves on purpose does not come back to where it was.
        if matches!(reason, DisconnectReason::Closed(_)) {
            self.pids
                .lock()
                .insert(std::mem::take(&mut self.pid), self.socket.id());
        }
    }
}

/// `{hello:"lol",message:<binary>,goodbye:"gotcha"}`
fn is_jsonbuff(args: &[&RawValue]) -> bool {
    let Some(fields) = args.first().and_then(|arg| Fields::parse(arg.get()).ok()) else {
        return false;
    };
    let is =
        |key, text: &str| fields.optional::<String>(key).ok().flatten().as_deref() == Some(text);
    is("hello", "lol") && is("goodbye", "gotcha")
}
