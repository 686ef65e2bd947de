//! Pushes, to a push service that takes, refuses, hangs, redirects and lies.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use chatd::config::Config;
use chatd::outgoing::{Looking, Names, Outbound, Reach, Trust};
use chatd::push::{PushConfig, subscription_id};
use p256::elliptic_curve::sec1::ToEncodedPoint;
use p256::{PublicKey, SecretKey};
use parking_lot::Mutex;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::support::{Person, Reply, TestServer, config, soon};

/// A request to the push service.
#[derive(Debug)]
pub struct Pushed {
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

/// What the push service says to the requests for a path, one after the other; the last again and
/// again. Nothing is said where it is empty.
type Answers = Arc<Mutex<HashMap<String, Vec<String>>>>;

/// A push service that speaks TLS on this machine.
pub struct Service {
    pub port: u16,
    certificate: String,
    answers: Answers,
    pushed: mpsc::UnboundedReceiver<Pushed>,
}

async fn read(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Pushed> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers: HashMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).await?;
    Ok(Pushed {
        path,
        headers,
        body,
    })
}

async fn serve(
    tls: TlsAcceptor,
    stream: TcpStream,
    answers: Answers,
    heard: mpsc::UnboundedSender<Pushed>,
) {
    let Ok(mut stream) = tls.accept(stream).await else {
        return;
    };
    while let Ok(pushed) = read(&mut stream).await {
        let answer = {
            let mut answers = answers.lock();
            let answers = answers.entry(pushed.path.clone());
            let answers =
                answers.or_insert_with(|| vec!["201 Created\r\ncontent-length: 0".into()]);
            if answers.len() > 1 {
                Some(answers.remove(0))
            } else {
                answers.first().cloned()
            }
        };
        if heard.send(pushed).is_err() {
            return;
        }
        let Some(answer) = answer else {
            return std::future::pending().await;
        };
        let text = format!("HTTP/1.1 {answer}\r\n\r\n");
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl Service {
    pub async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed([
            "localhost".to_owned(),
            "push.example.net".to_owned(),
        ])
        .unwrap();
        let key = PrivateKeyDer::try_from(made.key_pair.serialize_der()).unwrap();
        let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (heard, pushed) = mpsc::unbounded_channel();
        let service = Self {
            port: listener.local_addr().unwrap().port(),
            certificate: made.cert.pem(),
            answers: Answers::default(),
            pushed,
        };
        let answers = Arc::clone(&service.answers);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(
                    tls.clone(),
                    stream,
                    Arc::clone(&answers),
                    heard.clone(),
                ));
            }
        });
        service
    }

    pub fn config(&self) -> Config {
        let trust = Trust::with(Some(&self.certificate)).unwrap();
        let outbound = Outbound::new(trust, Reach::Private, 64);
        pushing(outbound)
    }

    /// Has it say these, one after the other.
    fn says(&self, path: &str, answers: &[&str]) {
        let answers = answers.iter().map(|text| (*text).to_owned()).collect();
        self.answers.lock().insert(path.to_owned(), answers);
    }

    fn browser(&self, path: &str) -> Browser {
        Browser::at(format!("https://localhost:{}{path}", self.port))
    }

    pub async fn next(&mut self) -> Pushed {
        soon(self.pushed.recv()).await.unwrap()
    }
}

fn pushing(outbound: Outbound) -> Config {
    Config {
        push: PushConfig {
            contact: Some("mailto:admin@example.org".parse().unwrap()),
            outbound,
        },
        ..config()
    }
}

/// A browser that has subscribed with its push service.
struct Browser {
    endpoint: String,
    key: SecretKey,
    auth: [u8; 16],
}

struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

fn expanded<const N: usize>(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> [u8; N] {
    let secret = Salt::new(HKDF_SHA256, salt).extract(secret);
    let mut out = [0; N];
    secret
        .expand(info, Bytes(N))
        .unwrap()
        .fill(&mut out)
        .unwrap();
    out
}

impl Browser {
    fn at(endpoint: String) -> Self {
        Self {
            endpoint,
            key: SecretKey::from_slice(&rand::random::<[u8; 32]>()).unwrap(),
            auth: rand::random(),
        }
    }

    fn public(&self) -> Vec<u8> {
        self.key
            .public_key()
            .to_encoded_point(false)
            .as_bytes()
            .to_vec()
    }

    fn id(&self) -> String {
        BASE64.encode(subscription_id(&self.endpoint))
    }

    fn wish(&self, more: &Value) -> Value {
        let keys =
            json!({"p256dh": BASE64.encode(self.public()), "auth": BASE64.encode(self.auth)});
        let mut wish = json!({"endpoint": self.endpoint, "keys": keys});
        for (key, value) in more.as_object().unwrap() {
            wish[key] = value.clone();
        }
        wish
    }

    async fn put(&self, server: &TestServer, person: &Person, more: &Value) -> Reply {
        let path = format!("/api/push/subscriptions/{}", self.id());
        let wish = self.wish(more).to_string();
        server.send("PUT", &path, Some(&person.token), &wish).await
    }

    async fn subscribe(&self, server: &TestServer, person: &Person) {
        let reply = self
            .put(server, person, &json!({"lang": "en", "show": "text"}))
            .await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }

    /// What the push service cannot read.
    fn open(&self, pushed: &Pushed) -> Value {
        let (salt, sender, record) = (&pushed.body[..16], &pushed.body[21..86], &pushed.body[86..]);
        let sender_key = PublicKey::from_sec1_bytes(sender).unwrap();
        let shared =
            p256::ecdh::diffie_hellman(self.key.to_nonzero_scalar(), sender_key.as_affine());
        let public = self.public();
        let info = [b"WebPush: info\0".as_slice(), &public, sender];
        let ikm: [u8; 32] = expanded(&self.auth, shared.raw_secret_bytes(), &info);
        let key: [u8; 16] = expanded(salt, &ikm, &[b"Content-Encoding: aes128gcm\0"]);
        let nonce: [u8; 12] = expanded(salt, &ikm, &[b"Content-Encoding: nonce\0"]);
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let mut record = record.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let opened = key.open_in_place(nonce, Aad::empty(), &mut record).unwrap();
        let end = opened.iter().rposition(|byte| *byte != 0).unwrap();
        let json: Value = serde_json::from_slice(&opened[..end]).unwrap();
        assert_eq!(json["web_push"], 8030);
        json["notification"].clone()
    }
}

pub async fn send(server: &TestServer, from: &Person, to: Value) -> u64 {
    let mut wire = server.connect_second(from).await;
    wire.say(&format!("421{}", json!(["send_message", to])))
        .await;
    loop {
        let text = wire.text().await;
        if let Some(ack) = text.strip_prefix("431") {
            let ack: Value = serde_json::from_str(ack).unwrap();
            assert_eq!(ack[0]["success"], true, "{ack}");
            return ack[0]["data"]["id"].as_u64().unwrap();
        }
    }
}

async fn say(server: &TestServer, from: &Person, to: &Person, text: &str) -> u64 {
    send(server, from, json!({"receiver_id": to.id, "content": text})).await
}

async fn subscriptions(server: &TestServer, person: &Person) -> usize {
    let push = server.get("/api/push", &person.token).await;
    push["data"]["subscriptions"].as_array().unwrap().len()
}

/// Waits until a person has so many.
async fn has(server: &TestServer, person: &Person, count: usize) {
    let waiting = async {
        while subscriptions(server, person).await != count {
            tokio::task::yield_now().await;
        }
    };
    soon(waiting).await;
}

async fn test(server: &TestServer, person: &Person) -> Reply {
    server
        .send("POST", "/api/push/test", Some(&person.token), "")
        .await
}

#[tokio::test]
async fn a_person_whose_page_is_closed_is_told_of_a_message_and_nobody_on_the_way_reads_it() {
    let mut service = Service::start().await;
    let server = TestServer::with(service.config()).await;
    let (ada, bob) = server.two_people().await;
    let browser = service.browser("/bob");
    browser.subscribe(&server, &bob).await;
    service.browser("/ada").subscribe(&server, &ada).await;
    say(&server, &ada, &bob, "the key is under the mat").await;
    let pushed = service.next().await;
    assert_eq!(pushed.path, "/bob", "the sender is told nothing");
    let shown = browser.open(&pushed);
    assert_eq!(shown["title"], "ada");
    assert_eq!(shown["body"], "the key is under the mat");
    assert_eq!(shown["tag"], format!("user-{}", ada.id));
    let navigate = format!("http://{}/#/chat/{}", server.address, ada.id);
    assert_eq!(shown["navigate"], navigate);
    let header = |name: &str| pushed.headers[name].as_str();
    assert_eq!(header("content-encoding"), "aes128gcm");
    assert_eq!(header("ttl"), "86400");
    assert_eq!(header("urgency"), "high");
    assert_eq!(header("topic").len(), 32);
    let key = server.get("/api/push", &bob.token).await["data"]["public_key"].clone();
    let (token, by) = header("authorization")
        .strip_prefix("vapid t=")
        .unwrap()
        .split_once(", k=")
        .unwrap();
    assert_eq!(key, by);
    let claims = BASE64.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["aud"], format!("https://localhost:{}", service.port));
    assert_eq!(claims["sub"], "mailto:admin@example.org");
    assert!(pushed.body.len() <= 4_096 && (pushed.body.len() - 103).is_multiple_of(256));
    server.stop().await;
}

#[tokio::test]
async fn a_mark_on_a_device_that_is_online_keeps_a_push_from_going_out() {
    let mut service = Service::start().await;
    let server = TestServer::with(service.config()).await;
    let (ada, bob) = server.two_people().await;
    let browser = service.browser("/bob");
    browser.subscribe(&server, &bob).await;
    let mut wire = server.connect_second(&bob).await;
    let read = say(&server, &ada, &bob, "read").await;
    wire.say(&format!(
        "427{}",
        json!(["mark_as_read", {"message_id": read}])
    ))
    .await;
    while !wire.text().await.starts_with("437") {}
    // Of a chat that is looked at nothing is pushed.
    let cid = server.register("cid").await;
    say(&server, &cid, &bob, "first").await;
    let view = json!(["in_view", {"receiver_id": cid.id, "on": true}]);
    wire.say(&format!("428{view}")).await;
    while !wire.text().await.starts_with("438") {}
    say(&server, &cid, &bob, "seen").await;
    say(&server, &ada, &bob, "unread").await;
    let shown = browser.open(&service.next().await);
    assert_eq!(shown["title"], "ada");
    assert_eq!(shown["body"], "unread", "and it is one alone");
    server.stop().await;
}

#[tokio::test]
async fn a_block_keeps_what_waits_from_going_out() {
    let mut service = Service::start().await;
    let server = TestServer::with(service.config()).await;
    let (ada, bob) = server.two_people().await;
    let cid = server.register("cid").await;
    let browser = service.browser("/bob");
    browser.subscribe(&server, &bob).await;
    // While a device is there, a message waits.
    let _wire = server.connect_second(&bob).await;
    say(&server, &cid, &bob, "unwanted").await;
    let path = format!("/api/blocks/{}", cid.id);
    let blocked = server.send("PUT", &path, Some(&bob.token), "").await;
    assert_eq!(blocked.status, 200);
    say(&server, &ada, &bob, "wanted").await;
    assert_eq!(browser.open(&service.next().await)["body"], "wanted");
    server.stop().await;
}

#[tokio::test]
async fn of_a_room_those_are_told_who_want_to_be() {
    let mut service = Service::start().await;
    let server = TestServer::with(service.config()).await;
    let (ada, bob) = server.two_people().await;
    let (cid, dan) = (server.register("cid").await, server.register("dan").await);
    let room = json!({"name": "Ops", "member_ids": [bob.id, cid.id, dan.id]}).to_string();
    let room = server
        .send("POST", "/api/rooms", Some(&ada.token), &room)
        .await
        .json()["data"]["id"]
        .clone();
    let browsers: Vec<_> = ["/bob", "/cid", "/dan"]
        .map(|path| service.browser(path))
        .into();
    for (browser, person) in browsers.iter().zip([&bob, &cid, &dan]) {
        browser.subscribe(&server, person).await;
    }
    for (person, settings) in [
        (&bob, json!({"notify": "mentions"})),
        (&dan, json!({"muted_until": "2099-01-01T00:00:00.000Z"})),
    ] {
        let path = format!("/api/rooms/{room}/me");
        let reply = server
            .send("PATCH", &path, Some(&person.token), &settings.to_string())
            .await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    send(
        &server,
        &ada,
        json!({"room_id": room, "content": "for all"}),
    )
    .await;
    let pushed = service.next().await;
    assert_eq!(pushed.path, "/cid");
    let shown = browsers[1].open(&pushed);
    assert_eq!(
        (shown["title"].clone(), shown["body"].clone()),
        (json!("Ops"), json!("ada: for all"))
    );
    assert_eq!(shown["tag"], format!("room-{room}"));
    send(
        &server,
        &ada,
        json!({"room_id": room, "content": "you", "mentions": [bob.id, dan.id]}),
    )
    .await;
    assert_eq!(
        service.next().await.path,
        "/bob",
        "the muted one is told nothing, cid not so soon again"
    );
    server.stop().await;
}

#[tokio::test]
async fn what_was_shown_and_is_deleted_is_taken_back() {
    let mut service = Service::start().await;
    let server = TestServer::with(service.config()).await;
    let (ada, bob) = server.two_people().await;
    let browser = service.browser("/bob");
    browser.subscribe(&server, &bob).await;
    let id = say(&server, &ada, &bob, "a slip").await;
    assert_eq!(browser.open(&service.next().await)["body"], "a slip");
    let reply = server
        .send(
            "DELETE",
            &format!("/api/messages/{id}"),
            Some(&ada.token),
            "",
        )
        .await;
    assert_eq!(reply.status, 200);
    let pushed = service.next().await;
    let shown = browser.open(&pushed);
    assert_eq!(shown["body"], "Message deleted");
    assert_eq!(
        (shown["silent"].clone(), shown["tag"].clone()),
        (json!(true), json!(format!("user-{}", ada.id)))
    );
    assert_eq!(pushed.headers["urgency"], "low");
    server.stop().await;
}

#[tokio::test]
async fn a_browser_that_is_gone_is_forgotten_and_one_that_is_refused_after_five_times() {
    let mut service = Service::start().await;
    let server = TestServer::with(service.config()).await;
    let (ada, bob) = server.two_people().await;
    for (path, answers, tries) in [
        ("/gone", &["410 Gone\r\ncontent-length: 0"][..], 1),
        ("/lost", &["404 Not Found\r\ncontent-length: 0"], 1),
        (
            "/refused",
            &["400 Bad Request\r\ncontent-length: 12\r\n\r\nBadEncoding!"],
            5,
        ),
        (
            "/led",
            &["302 Found\r\nlocation: https://localhost:1/\r\ncontent-length: 0"],
            5,
        ),
    ] {
        service.says(path, answers);
        service.browser(path).subscribe(&server, &bob).await;
        for left in (0..tries).rev() {
            let reply = test(&server, &bob).await.json();
            let status: u64 = answers[0][..3].parse().unwrap();
            assert_eq!(reply["data"][0]["status"], status, "{path}");
            assert_eq!(service.next().await.path, path);
            assert_eq!(
                subscriptions(&server, &bob).await,
                usize::from(left > 0),
                "{path}"
            );
        }
    }
    // A success between refusals has them counted anew.
    let refusal = "400 Bad Request\r\ncontent-length: 0";
    let mut answers = vec![refusal; 4];
    answers.push("201 Created\r\ncontent-length: 0");
    answers.extend(vec![refusal; 4]);
    service.says("/moody", &answers);
    service.browser("/moody").subscribe(&server, &ada).await;
    for _ in 0..9 {
        test(&server, &ada).await;
    }
    assert_eq!(subscriptions(&server, &ada).await, 1);
    assert_eq!(test(&server, &bob).await.code(), "not_found");
    server.stop().await;
}

/// A server whose clock was wrong was denied everywhere, and forgot all browsers within five
/// messages.
#[tokio::test]
async fn a_browser_is_not_forgotten_in_a_hurry_where_the_servers_signature_is_not_taken() {
    let service = Service::start().await;
    let server = TestServer::with(service.config()).await;
    let (_, bob) = server.two_people().await;
    for (path, answer) in [
        ("/unauthorized", "401 Unauthorized\r\ncontent-length: 0"),
        (
            "/forbidden",
            "403 Forbidden\r\ncontent-length: 12\r\n\r\nBadJwtToken!",
        ),
    ] {
        service.says(path, &[answer]);
        service.browser(path).subscribe(&server, &bob).await;
    }
    for _ in 0..6 {
        let reply = test(&server, &bob).await.json();
        let statuses = reply["data"].as_array().unwrap().iter();
        let mut statuses: Vec<_> = statuses.map(|one| one["status"].as_u64()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [Some(401), Some(403)]);
        assert_eq!(subscriptions(&server, &bob).await, 2);
    }
    server.stop().await;
}

#[tokio::test]
async fn less_is_said_to_who_takes_less_and_again_to_who_is_busy() {
    let mut service = Service::start().await;
    let server = TestServer::with(service.config()).await;
    let (ada, bob) = server.two_people().await;
    service.says(
        "/small",
        &[
            "413 Too Large\r\ncontent-length: 0",
            "201 Created\r\ncontent-length: 0",
        ],
    );
    service.says(
        "/busy",
        &[
            "429 Too Many\r\nretry-after: 1\r\ncontent-length: 0",
            "201 Created\r\ncontent-length: 0",
        ],
    );
    let (small, busy) = (service.browser("/small"), service.browser("/busy"));
    small.subscribe(&server, &bob).await;
    busy.subscribe(&server, &ada).await;
    say(&server, &ada, &bob, "a long story").await;
    assert_eq!(small.open(&service.next().await)["body"], "a long story");
    assert_eq!(small.open(&service.next().await)["body"], "New message");
    say(&server, &bob, &ada, "hello").await;
    let first = service.next().await;
    let again = service.next().await;
    assert_eq!(
        (first.path.as_str(), again.path.as_str()),
        ("/busy", "/busy")
    );
    assert_eq!(busy.open(&again)["body"], "hello");
    assert_eq!(subscriptions(&server, &ada).await, 1);
    server.stop().await;
}

/// A push service that was down for a quarter of an hour, or asked to be left alone for longer, had
/// cost each browser its subscription by the fifth message.
#[tokio::test]
async fn a_push_service_that_is_down_costs_nobody_their_subscription() {
    let mut service = Service::start().await;
    let server = TestServer::with(service.config()).await;
    let bob = server.register("bob").await;
    let mut answers = vec!["503 Down\r\nretry-after: 7200\r\ncontent-length: 0"; 6];
    answers.push("201 Created\r\ncontent-length: 0");
    service.says("/down", &answers);
    let browser = service.browser("/down");
    browser.subscribe(&server, &bob).await;
    // Of each chat he is told at once.
    for number in 0..7 {
        let peer = server.register(&format!("peer{number}")).await;
        say(&server, &peer, &bob, "are you there?").await;
        assert_eq!(
            browser.open(&service.next().await)["title"],
            format!("peer{number}")
        );
    }
    assert_eq!(subscriptions(&server, &bob).await, 1);
    server.stop().await;
}

#[tokio::test]
async fn a_push_service_that_hangs_holds_nobody_up() {
    let mut service = Service::start().await;
    let server = TestServer::with(service.config()).await;
    let (ada, bob) = server.two_people().await;
    service.says("/hangs", &[]);
    service.browser("/hangs").subscribe(&server, &bob).await;
    let cid = server.register("cid").await;
    let browser = service.browser("/works");
    browser.subscribe(&server, &cid).await;
    say(&server, &ada, &bob, "one").await;
    assert_eq!(service.next().await.path, "/hangs");
    say(&server, &ada, &cid, "two").await;
    assert_eq!(browser.open(&service.next().await)["body"], "two");
    server.stop().await;
}

/// The address of a name is public when the browser subscribes, and this machine's afterwards.
struct Rebinding(AtomicUsize);

impl Names for Rebinding {
    fn look_up(&self, _: &str) -> Looking {
        let address: IpAddr = match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => "8.8.8.8".parse().unwrap(),
            _ => "127.0.0.1".parse().unwrap(),
        };
        Box::pin(async move { Ok(vec![address]) })
    }
}

#[tokio::test]
async fn a_private_address_is_never_spoken_to_whatever_its_name_says() {
    let mut service = Service::start().await;
    let trust = Trust::with(Some(&service.certificate)).unwrap();
    let names = Box::new(Rebinding(AtomicUsize::new(0)));
    let outbound = Outbound::asking(names, trust, Reach::Public, 8);
    let server = TestServer::with(pushing(outbound)).await;
    let (ada, bob) = server.two_people().await;
    let port = service.port;
    for endpoint in [
        format!("https://127.0.0.1:{port}/a"),
        format!("https://[::1]:{port}/a"),
        format!("https://[::ffff:127.0.0.1]:{port}/a"),
        "https://10.0.0.1/a".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "http://push.example.net/a".to_owned(),
        "https://user:pass@push.example.net/a".to_owned(),
        "ftp://push.example.net/a".to_owned(),
        format!("https://push.example.net/{}", "a".repeat(2_048)),
        "nonsense".to_owned(),
    ] {
        let reply = Browser::at(endpoint.clone())
            .put(&server, &bob, &json!({}))
            .await;
        assert_eq!(reply.code(), "invalid_payload", "{endpoint}");
    }
    let browser = Browser::at(format!("https://push.example.net:{port}/a"));
    browser.subscribe(&server, &bob).await;
    let reply = test(&server, &bob).await.json();
    assert_eq!(reply["data"][0]["error"], "its address is private");
    say(&server, &ada, &bob, "hi").await;
    for _ in 0..4 {
        test(&server, &bob).await;
    }
    has(&server, &bob, 0).await;
    server.stop().await;
    assert!(service.pushed.try_recv().is_err(), "nothing was said to it");
}

#[tokio::test]
async fn a_subscription_says_what_it_is_or_is_refused() {
    let service = Service::start().await;
    let server = TestServer::with(service.config()).await;
    let (_, bob) = server.two_people().await;
    let browser = service.browser("/bob");
    for (more, wrong) in [
        (json!({"endpoint": "https://localhost:1/other"}), "the id"),
        (
            json!({"keys": {"p256dh": "AAAA", "auth": "AAAAAAAAAAAAAAAAAAAAAA"}}),
            "p256dh",
        ),
        (
            json!({"keys": {"p256dh": BASE64.encode([4; 65]), "auth": "AAAAAAAAAAAAAAAAAAAAAA"}}),
            "p256dh",
        ),
        (
            json!({"keys": {"p256dh": BASE64.encode(browser.public()), "auth": "AAAA"}}),
            "auth",
        ),
        (json!({"keys": null}), "keys"),
        (json!({"lang": "de"}), "lang"),
        (json!({"show": "all"}), "show"),
    ] {
        let reply = browser.put(&server, &bob, &more).await;
        assert_eq!(reply.code(), "invalid_payload", "{more}");
        assert!(reply.body.contains(wrong), "{}", reply.body);
    }
    let row = browser
        .put(&server, &bob, &json!({"lang": "id", "show": "nothing"}))
        .await
        .json()["data"]
        .clone();
    assert_eq!(
        (row["id"].clone(), row["lang"].clone(), row["show"].clone()),
        (json!(browser.id()), json!("id"), json!("nothing"))
    );
    let again = browser.put(&server, &bob, &json!({})).await.json()["data"].clone();
    assert_eq!(again["created_at"], row["created_at"], "it is the same one");
    for number in 0..20 {
        service
            .browser(&format!("/{number}"))
            .subscribe(&server, &bob)
            .await;
    }
    assert_eq!(subscriptions(&server, &bob).await, 16);
    let path = format!("/api/push/subscriptions/{}", service.browser("/19").id());
    for _ in 0..2 {
        let reply = server.send("DELETE", &path, Some(&bob.token), "").await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(subscriptions(&server, &bob).await, 15);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_subscription_ends_with_its_session_and_moves_with_its_browser() {
    let mut service = Service::start().await;
    let server = TestServer::with(service.config()).await;
    let admin = server.admin().await;
    let (ada, bob) = server.two_people().await;
    let browser = service.browser("/shared");
    browser.subscribe(&server, &ada).await;
    browser.subscribe(&server, &bob).await;
    assert_eq!(
        (
            subscriptions(&server, &ada).await,
            subscriptions(&server, &bob).await
        ),
        (0, 1)
    );
    let path = format!("/api/push/subscriptions/{}", browser.id());
    server.send("DELETE", &path, Some(&ada.token), "").await;
    assert_eq!(
        subscriptions(&server, &bob).await,
        1,
        "it is not hers any more"
    );
    say(&server, &bob, &ada, "not told").await;
    say(&server, &ada, &bob, "told").await;
    assert_eq!(browser.open(&service.next().await)["body"], "told");

    let change = json!({"password": "password2", "current_password": "password1"}).to_string();
    let reply = server
        .send("PATCH", "/api/auth/me", Some(&bob.token), &change)
        .await;
    let bob = Person {
        id: bob.id,
        token: reply.json()["data"]["token"].as_str().unwrap().into(),
    };
    assert_eq!(subscriptions(&server, &bob).await, 0);
    browser.subscribe(&server, &bob).await;
    server
        .send("POST", "/api/auth/logout", Some(&bob.token), "")
        .await;
    let bob = server.login("bob", "password2").await;
    assert_eq!(subscriptions(&server, &bob).await, 0);
    browser.subscribe(&server, &bob).await;
    let path = format!("/api/admin/users/{}", bob.id);
    for disabled in [true, false] {
        let body = json!({"disabled": disabled}).to_string();
        server.send("PATCH", &path, Some(&admin.token), &body).await;
    }
    assert_eq!(subscriptions(&server, &bob).await, 0);
    server.stop().await;
}

#[tokio::test]
async fn the_key_and_the_subscriptions_are_there_after_a_restart_and_what_waits_goes_out_before() {
    let mut service = Service::start().await;
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        data: chatd::store::Location::File(folder.path().join("chatd.redb")),
        ..service.config()
    };
    let server = TestServer::with(config.clone()).await;
    let (ada, bob) = server.two_people().await;
    let browser = service.browser("/bob");
    browser.subscribe(&server, &bob).await;
    let key = server.get("/api/push", &bob.token).await["data"]["public_key"].clone();
    say(&server, &ada, &bob, "one").await;
    assert_eq!(browser.open(&service.next().await)["body"], "one");
    say(&server, &ada, &bob, "two").await;
    // The thirty seconds are not over; the second one is heard once a further one is.
    let cid = server.register("cid").await;
    let other = service.browser("/cid");
    other.subscribe(&server, &cid).await;
    say(&server, &ada, &cid, "three").await;
    assert_eq!(service.next().await.path, "/cid");
    server.stop().await;
    assert_eq!(browser.open(&service.next().await)["body"], "two");
    let server = TestServer::with(config).await;
    let push = server.get("/api/push", &bob.token).await["data"].clone();
    assert_eq!(push["public_key"], key);
    assert_eq!(push["subscriptions"].as_array().unwrap().len(), 1);
    say(&server, &ada, &bob, "four").await;
    assert_eq!(browser.open(&service.next().await)["body"], "four");
    server.stop().await;
    tokio::time::timeout(Duration::ZERO, service.pushed.recv())
        .await
        .unwrap_err();
}

#[tokio::test]
async fn a_restore_ends_the_subscriptions_and_keeps_the_key_that_browsers_know() {
    let service = Service::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (
        folder.path().join("chatd.redb"),
        folder.path().join("copy.redb"),
    );
    let at = |path: &std::path::Path| Config {
        data: chatd::store::Location::File(path.to_owned()),
        ..service.config()
    };
    let server = TestServer::with(at(&data)).await;
    let (_, bob) = server.two_people().await;
    service.browser("/bob").subscribe(&server, &bob).await;
    let key = server.get("/api/push", &bob.token).await["data"]["public_key"].clone();
    server.stop().await;
    chatd::store::maintain::backup(&data, &copy, &mut |_| {}).unwrap();
    let server = TestServer::with(at(&copy)).await;
    let bob = server.login("bob", "password1").await;
    let push = server.get("/api/push", &bob.token).await["data"].clone();
    assert_eq!(push["public_key"], key);
    assert_eq!(push["subscriptions"], json!([]));
    server.stop().await;
    assert!(
        chatd::store::maintain::check(&copy, &mut |_| {})
            .unwrap()
            .is_sound()
    );
}
