//! The account of resources: what one peer, one person, one address and all together may make the
//! server hold, each row beside a healthy pair that goes on talking.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chatd::budget::{Budget, LEAST_PART, Pool, Portions, STREAM_BYTES};
use chatd::config::{Config, ConnectionLimits, TlsSource};
use chatd::transport::{EngineConfig, Heartbeat};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::program::{command, until_ready};
use crate::support::{Person, Remote, TestServer, Wire, config, soon};
use crate::tls;

/// Two people who write to each other by sockets, whatever others do.
struct Pair {
    ada: Wire,
    bob: Wire,
    to: u64,
    sent: u32,
}

impl Pair {
    async fn of(server: &Remote, ada: &Person, bob: &Person) -> Self {
        Self {
            ada: socket(server, ada).await,
            bob: socket(server, bob).await,
            to: bob.id,
            sent: 0,
        }
    }

    /// Twenty messages are stored, confirmed and received in order.
    async fn talks(&mut self) {
        for _ in 0..20 {
            self.sent += 1;
            let content = format!("message {}", self.sent);
            let message = json!({"receiver_id": self.to, "content": content});
            let (ack, _) = self.ada.call(self.sent, "send_message", message).await;
            assert_eq!(ack["success"], true, "{ack}");
            let received = self.bob.expect("receive_message").await;
            assert_eq!(received["content"], content.as_str());
        }
    }
}

async fn socket(server: &Remote, person: &Person) -> Wire {
    let path = "/socket.io/?EIO=4&transport=websocket";
    let mut wire = server.wire(path).await;
    assert!(wire.text().await.starts_with("0{"));
    wire.say(&format!("40{{\"token\":\"{}\"}}", person.token))
        .await;
    assert!(wire.text().await.starts_with("40{\"sid\":\""));
    wire
}

/// Completes when this is so; it must come.
async fn until(what: impl Fn() -> bool) {
    let come = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), come)
        .await
        .expect("what must come did not come");
}

/// A server whose answers take from this pool. It gives those up that make no progress for two
/// seconds.
fn with_answers(answers: &Pool) -> Config {
    Config {
        connections: ConnectionLimits {
            patience: Duration::from_secs(2),
            ..ConnectionLimits::default()
        },
        budget: Budget {
            answers: answers.clone(),
            ..Budget::default()
        },
        // The pair answers no pings while a test waits for something else, however long that takes.
        engine: EngineConfig {
            heartbeat: Heartbeat {
                interval: Duration::from_secs(600),
                ..config().engine.heartbeat
            },
            ..config().engine
        },
        ..config()
    }
}

/// 60 messages of 24,000 bytes of JSON each: more than a page holds.
async fn long_talk(server: &TestServer, from: &Person, to: &Person) {
    let mut wire = server.connect(from).await;
    let content = "\u{1}".repeat(4_000);
    for number in 0..60 {
        let message = json!({"receiver_id": to.id, "content": content});
        let (ack, _) = wire.call(number, "send_message", message).await;
        assert_eq!(ack["success"], true, "{ack}");
    }
}

/// A connection whose client's kernel takes little.
async fn narrow(server: &Remote) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(server.address).await.unwrap()
}

fn get(path: &str, token: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n")
}

#[tokio::test]
async fn a_page_ends_at_its_bytes_and_says_that_there_is_more() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    long_talk(&server, &ada, &bob).await;
    let ids = |page: &serde_json::Value| -> Vec<u64> {
        let rows = page["data"].as_array().unwrap().iter();
        rows.map(|row| row["id"].as_u64().or(row["data"]["id"].as_u64()).unwrap())
            .collect()
    };
    // By each route all 60 are found, in pages, each once and in order.
    let history = format!("/api/chats/history/{}?limit=500", ada.id);
    let start = server.get("/api/chats/updates", &bob.token).await;
    assert_eq!(start["data"], json!([]));
    let newest = server.get(&history, &bob.token).await;
    assert_eq!(newest["meta"]["has_more"], true);
    assert_eq!(*ids(&newest).last().unwrap(), 60);
    let before = format!("{history}&before={}", ids(&newest)[0]);
    let older = server.get(&before, &bob.token).await;
    assert_eq!(older["meta"]["has_more"], false);
    assert_eq!(
        [ids(&older), ids(&newest)].concat(),
        (1..=60).collect::<Vec<_>>()
    );
    for path in [
        format!("{history}&after="),
        "/api/chats/unread?limit=1000&after=".into(),
    ] {
        let mut all = Vec::new();
        let mut pages = 0;
        loop {
            let after = all.last().map_or("1".to_owned(), u64::to_string);
            let reply = server
                .send("GET", &format!("{path}{after}"), Some(&bob.token), "")
                .await;
            assert!(reply.body.len() < 1_200_000, "{path}: {}", reply.body.len());
            let page = reply.json();
            all.extend(ids(&page));
            pages += 1;
            if page["meta"]["has_more"] == false {
                break;
            }
        }
        assert_eq!(all, (2..=60).collect::<Vec<_>>(), "{path}");
        assert_eq!(pages, 2, "{path}");
    }
    server.stop().await;
}

/// Two thousand pages of a MiB could be asked for at once, and were made even where none of them
/// was taken: a pair waited for fourteen seconds.
#[tokio::test]
async fn a_page_of_many_bytes_counts_as_many_requests() {
    let mut config = config();
    config.rates.set("requests=1/h:50".parse().unwrap());
    let server = TestServer::with(config).await;
    let (ada, bob) = server.two_people().await;
    long_talk(&server, &ada, &bob).await;
    let page = async |limit: u32| {
        let path = format!("/api/chats/history/{}?limit={limit}", ada.id);
        let reply = server.send("GET", &path, Some(&bob.token), "").await;
        reply.status.as_u16()
    };
    let pages = [page(500).await, page(500).await, page(500).await];
    assert_eq!(pages, [200, 200, 429], "each counts as thirty");
    server.stop().await;
}

#[tokio::test]
async fn updates_end_at_their_bytes_and_go_on_from_their_cursor() {
    let server = TestServer::start().await;
    let (ada, bob) = server.two_people().await;
    let start = server.get("/api/chats/updates", &bob.token).await;
    long_talk(&server, &ada, &bob).await;
    let mut cursor = start["meta"]["cursor"].as_str().unwrap().to_owned();
    let mut ids = Vec::new();
    let mut pages = 0;
    loop {
        let path = format!("/api/chats/updates?limit=1000&since={cursor}");
        let reply = server.send("GET", &path, Some(&bob.token), "").await;
        assert!(reply.body.len() < 1_200_000, "{}", reply.body.len());
        let page = reply.json();
        let rows = page["data"].as_array().unwrap();
        ids.extend(rows.iter().map(|row| row["data"]["id"].as_u64().unwrap()));
        cursor = page["meta"]["cursor"].as_str().unwrap().to_owned();
        pages += 1;
        if page["meta"]["has_more"] == false {
            break;
        }
    }
    assert_eq!((ids, pages), ((1..=60).collect(), 2));
    server.stop().await;
}

#[tokio::test]
async fn answers_that_nobody_reads_are_bounded_and_given_up_and_a_pair_talks_beside_them() {
    let answers = Pool::new(32 << 20);
    let server = TestServer::with(with_answers(&answers)).await;
    let (ada, bob) = server.two_people().await;
    long_talk(&server, &ada, &bob).await;
    let mut pair = Pair::of(&server, &ada, &bob).await;
    // Each asks eight times without reading one answer.
    let request = get(
        &format!("/api/chats/history/{}?limit=500", bob.id),
        &ada.token,
    );
    let last = request.replacen("host: x", "host: x\r\nconnection: close", 1);
    let request = request.repeat(7) + &last;
    let mut silent = Vec::new();
    for _ in 0..40 {
        let mut stream = narrow(&server).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    until(|| answers.used() > 2 << 20).await;
    pair.talks().await;
    assert!(
        answers.used() <= answers.limit() / 8,
        "one person holds {} bytes",
        answers.used()
    );
    // Another person's page is none the smaller for it.
    let path = format!("/api/chats/history/{}?limit=500", ada.id);
    server.get(&path, &bob.token).await;
    // They read nothing until the end of their connections.
    until(|| answers.used() == 0).await;
    for mut stream in silent {
        let mut read = Vec::new();
        let _ = soon(stream.read_to_end(&mut read)).await;
        assert!(read.len() < 4 << 20, "the kernel held {} bytes", read.len());
    }
    pair.talks().await;
    server.stop().await;
}

#[tokio::test]
async fn a_person_who_leaves_answers_unread_is_told_so_and_another_gets_theirs() {
    let answers = Pool::new(16 << 20);
    let server = TestServer::with(with_answers(&answers)).await;
    let (ada, bob) = server.two_people().await;
    long_talk(&server, &ada, &bob).await;
    let path = format!("/api/chats/history/{}?limit=500", bob.id);
    // The part is 2 MiB, and a page is one.
    let request = get(&path, &ada.token).repeat(3);
    let mut silent = Vec::new();
    for _ in 0..4 {
        let mut stream = narrow(&server).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        silent.push(stream);
        if silent.len() == 1 {
            until(|| answers.used() > 1 << 20).await;
        }
    }
    let refused = server.send("GET", &path, Some(&ada.token), "").await;
    assert_eq!(
        refused.status,
        StatusCode::TOO_MANY_REQUESTS,
        "{}",
        answers.used()
    );
    assert_eq!(refused.json()["error"]["code"], "rate_limited");
    assert_eq!(refused.headers["retry-after"], "1");
    let path = format!("/api/chats/history/{}?limit=500", ada.id);
    server.get(&path, &bob.token).await;
    drop(silent);
    until(|| answers.used() == 0).await;
    server.stop().await;
}

/// A connection by HTTP/2 whose streams take so many bytes before they are read.
async fn http2(
    server: &TestServer,
    cert: &tokio_rustls::rustls::pki_types::CertificateDer<'static>,
    window: u32,
) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
    let stream = tls::dial(server, cert, &["h2"]).await.unwrap();
    let (client, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .initial_connection_window_size(4 << 20)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

async fn ask(
    client: &mut hyper::client::conn::http2::SendRequest<Full<Bytes>>,
    method: &str,
    path: &str,
    token: &str,
    body: String,
) -> Response<Incoming> {
    let request = Request::builder()
        .method(method)
        .uri(format!("https://localhost{path}"))
        .header("authorization", format!("Bearer {token}"))
        .body(Full::from(body))
        .unwrap();
    soon(client.send_request(request)).await.unwrap()
}

/// A server that speaks TLS, its certificate, and two people of whom the first has written to the
/// second.
async fn by_tls(
    folder: &Path,
    config: Config,
) -> (
    TestServer,
    tokio_rustls::rustls::pki_types::CertificateDer<'static>,
    Vec<Person>,
) {
    let cert = tls::certify(folder);
    let server = TestServer::with(Config {
        tls: Some(TlsSource::Files(tls::files(folder))),
        ..config
    })
    .await;
    let mut client = http2(&server, &cert, 1 << 20).await;
    let mut people = Vec::new();
    for name in ["ada", "bob"] {
        let wish = json!({"username": name, "password": "password1"}).to_string();
        let made = ask(&mut client, "POST", "/api/auth/register", "", wish).await;
        let made = soon(made.collect()).await.unwrap().to_bytes();
        let made: serde_json::Value = serde_json::from_slice(&made).unwrap();
        people.push(Person {
            id: made["data"]["user"]["id"].as_u64().unwrap(),
            token: made["data"]["token"].as_str().unwrap().into(),
        });
    }
    let mut talk = TlsTalk::of(&server, &cert, &people).await;
    for _ in 0..60 {
        talk.say(&"\u{1}".repeat(4_000)).await;
    }
    (server, cert, people)
}

/// A pair whose sockets speak TLS.
struct TlsTalk {
    ada: TlsSocket,
    bob: TlsSocket,
    to: u64,
}

type TlsSocket = tokio_tungstenite::WebSocketStream<tokio_rustls::client::TlsStream<TcpStream>>;

impl TlsTalk {
    async fn of(
        server: &TestServer,
        cert: &tokio_rustls::rustls::pki_types::CertificateDer<'static>,
        people: &[Person],
    ) -> Self {
        let mut sockets = Vec::new();
        for person in people {
            let stream = tls::dial(server, cert, &[]).await.unwrap();
            let url = "wss://localhost/socket.io/?EIO=4&transport=websocket";
            let (mut socket, _) = soon(tokio_tungstenite::client_async(url, stream))
                .await
                .unwrap();
            say(&mut socket, format!("40{}", json!({"token": person.token}))).await;
            hear(&mut socket, "40").await;
            sockets.push(socket);
        }
        let bob = sockets.pop().unwrap();
        Self {
            ada: sockets.pop().unwrap(),
            bob,
            to: people[1].id,
        }
    }

    async fn say(&mut self, content: &str) {
        let message = json!(["send_message", {"receiver_id": self.to, "content": content}]);
        say(&mut self.ada, format!("421{message}")).await;
        let ack = hear(&mut self.ada, "431").await;
        assert!(ack.contains("\"success\":true"), "{ack}");
        let received = hear(&mut self.bob, "42[\"receive_message\"").await;
        assert!(received.contains(&json!(content).to_string()), "{received}");
    }

    async fn talks(&mut self) {
        for number in 0..20 {
            self.say(&format!("message {number}")).await;
        }
    }
}

async fn say(socket: &mut TlsSocket, text: String) {
    use futures_util::SinkExt;
    let message = tokio_tungstenite::tungstenite::Message::text(text);
    socket.send(message).await.unwrap();
}

/// The next text that begins so; others are passed over, pings answered.
async fn hear(socket: &mut TlsSocket, prefix: &str) -> String {
    use futures_util::StreamExt;
    loop {
        let message = soon(socket.next()).await.unwrap().unwrap();
        let text = message.into_text().unwrap().to_string();
        if text == "2" {
            say(socket, "3".into()).await;
        } else if text.starts_with(prefix) {
            return text;
        }
    }
}

#[tokio::test]
async fn streams_of_http_2_without_room_are_reset_and_the_connection_goes_on() {
    let (folder, answers) = (tempfile::tempdir().unwrap(), Pool::new(64 << 20));
    let (server, cert, people) = by_tls(folder.path(), with_answers(&answers)).await;
    let mut talk = TlsTalk::of(&server, &cert, &people).await;
    let mut client = http2(&server, &cert, 1_024).await;
    let path = format!("/api/chats/history/{}?limit=2", people[1].id);
    let mut unread = Vec::new();
    for _ in 0..40 {
        let answer = ask(&mut client, "GET", &path, &people[0].token, String::new()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        unread.push(answer);
    }
    assert!(answers.used() > 40 * 40_000, "{}", answers.used());
    talk.talks().await;
    until(|| answers.used() == 0).await;
    for answer in unread {
        assert!(soon(answer.collect()).await.is_err(), "it was not reset");
    }
    let health = ask(&mut client, "GET", "/healthz", "", String::new()).await;
    assert_eq!(soon(health.collect()).await.unwrap().to_bytes(), "ok");
    server.stop().await;
}

#[tokio::test]
async fn a_window_that_opens_by_a_byte_now_and_then_is_no_progress() {
    let (folder, answers) = (tempfile::tempdir().unwrap(), Pool::new(64 << 20));
    let (server, cert, people) = by_tls(folder.path(), with_answers(&answers)).await;
    let mut client = http2(&server, &cert, 2).await;
    let path = format!("/api/chats/history/{}?limit=2", people[1].id);
    let answer = ask(&mut client, "GET", &path, &people[0].token, String::new()).await;
    let mut body = answer.into_body();
    let mut read = 0;
    let ended = async {
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => read += frame.into_data().unwrap().len(),
                Err(_) => return true,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    };
    assert!(soon(ended).await, "it was read to its end");
    assert!((1..16 << 10).contains(&read), "{read} bytes were read");
    until(|| answers.used() == 0).await;
    server.stop().await;
}

#[tokio::test]
async fn the_end_of_an_answer_that_is_left_unread_ends_its_connection() {
    let (folder, answers) = (tempfile::tempdir().unwrap(), Pool::new(64 << 20));
    let (server, cert, people) = by_tls(folder.path(), with_answers(&answers)).await;
    // All of the answer but some bytes of its last piece has room.
    let mut client = http2(&server, &cert, 47_000).await;
    let path = format!("/api/chats/history/{}?limit=2", people[1].id);
    let answer = ask(&mut client, "GET", &path, &people[0].token, String::new()).await;
    let length: usize = answer.headers()["content-length"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((47_001..48_000 + 1_152).contains(&length), "{length}");
    assert!(answers.used() > 0);
    until(|| answers.used() == 0).await;
    until(|| client.is_closed()).await;
    drop(answer);
    server.stop().await;
}

#[tokio::test]
async fn a_slow_client_that_reads_on_gets_the_whole_answer_by_http_1_and_2() {
    let folder = tempfile::tempdir().unwrap();
    let (server, cert, people) = by_tls(folder.path(), config()).await;
    let path = format!("/api/chats/history/{}?limit=500", people[1].id);
    let by_2 = async {
        let mut client = http2(&server, &cert, 32 << 10).await;
        let answer = ask(&mut client, "GET", &path, &people[0].token, String::new()).await;
        let mut body = answer.into_body();
        let mut read = 0;
        while let Some(frame) = soon(body.frame()).await {
            read += frame.unwrap().into_data().unwrap().len();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        read
    };
    let by_1 = async {
        let mut stream = tls::dial(&server, &cert, &["http/1.1"]).await.unwrap();
        let request =
            get(&path, &people[0].token).replace("host: x", "host: x\r\nconnection: close");
        stream.write_all(request.as_bytes()).await.unwrap();
        let (mut read, mut piece) = (0, vec![0; 16 << 10]);
        loop {
            match soon(stream.read(&mut piece)).await.unwrap() {
                0 => return read,
                count => read += count,
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let (by_2, by_1) = tokio::join!(by_2, by_1);
    assert!(by_2 > 1 << 20, "{by_2}");
    assert!(by_1 > by_2, "{by_1} with the head, {by_2}");
    server.stop().await;
}

/// One frame of HTTP/2, <https://www.rfc-editor.org/rfc/rfc9113#section-4.1>.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// `GET https://…/healthz` would cost more; this is `GET /`, in three bytes of HPACK's static
/// table.
const GET_ROOT: &[u8] = &[0x82, 0x84, 0x87];

/// Writes this again and again, and reads nothing, until the connection is ended: a flood that is
/// not fails here. Returns how many bytes were taken.
async fn flood(
    stream: &mut tokio_rustls::client::TlsStream<TcpStream>,
    mut next: impl FnMut() -> Vec<u8>,
) -> usize {
    let mut taken = 0;
    let flooding = async {
        loop {
            let bytes = next();
            if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                return;
            }
            taken += bytes.len();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), flooding)
        .await
        .expect("the flood was never ended");
    taken
}

#[tokio::test]
async fn floods_of_http_2_frames_are_ended_or_wait_and_a_pair_talks_beside_them() {
    let (folder, answers) = (tempfile::tempdir().unwrap(), Pool::new(64 << 20));
    let (server, cert, people) = by_tls(folder.path(), with_answers(&answers)).await;
    let mut talk = TlsTalk::of(&server, &cert, &people).await;
    let open = async || {
        let mut stream = tls::dial(&server, &cert, &["h2"]).await.unwrap();
        // So that what counts is what the server takes: this side's kernel would take 4 MiB ahead.
        let narrow = rustix::net::sockopt::set_socket_send_buffer_size(stream.get_ref().0, 1 << 16);
        narrow.unwrap();
        let hello = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        stream.write_all(&hello).await.unwrap();
        stream
    };
    // What is to be answered, where no answer is read: the server reads no further, and then ends
    // it.
    for (name, kind, payload) in [("ping", PING, &[0; 8][..]), ("settings", SETTINGS, &[])] {
        let mut stream = open().await;
        let many = frame(kind, 0, 0, payload).repeat(1_000);
        let ((), taken) = tokio::join!(talk.talks(), flood(&mut stream, || many.clone()));
        assert!(taken < 32 << 20, "{name}: {taken} bytes were taken");
    }
    // What needs no answer: millions a second took a processor.
    for (name, kind, flags, payload) in [
        ("window updates", WINDOW_UPDATE, 0, &[0, 0, 0, 1][..]),
        ("priorities", PRIORITY, 0, &[0, 0, 0, 3, 1]),
        ("pongs", PING, 1, &[0; 8]),
        ("unknown frames", 0x77, 0, &[]),
    ] {
        let mut stream = open().await;
        let on = u32::from(kind == PRIORITY);
        let many = frame(kind, flags, on, payload).repeat(1_000);
        let ((), taken) = tokio::join!(talk.talks(), flood(&mut stream, || many.clone()));
        assert!(taken < 4 << 20, "{name}: {taken} bytes were taken");
    }
    // Headers that never end.
    let mut stream = open().await;
    let head = frame(HEADERS, 0, 1, GET_ROOT);
    stream.write_all(&head).await.unwrap();
    let more = frame(CONTINUATION, 0, 1, &[0x82; 1_000]);
    let ((), taken) = tokio::join!(talk.talks(), flood(&mut stream, || more.clone()));
    assert!(taken < 4 << 20, "{taken} bytes of headers were taken");
    // Streams that are opened and reset at once.
    let mut stream = open().await;
    let mut id = 1;
    let resets = async {
        for _ in 0..200 {
            let mut many = Vec::new();
            for _ in 0..100 {
                many.extend(frame(HEADERS, 5, id, GET_ROOT));
                many.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
                id += 2;
            }
            if stream.write_all(&many).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(talk.talks(), soon(resets));
    assert_eq!(answers.used(), 0);
    server.stop().await;
}

#[tokio::test]
async fn replayed_tls_handshakes_take_turns_and_a_pair_talks_beside_them() {
    let (folder, answers) = (tempfile::tempdir().unwrap(), Pool::new(64 << 20));
    let (server, cert, people) = by_tls(folder.path(), with_answers(&answers)).await;
    let mut talk = TlsTalk::of(&server, &cert, &people).await;
    let hello = tls::client_hello(&cert);
    let mut replayed = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&hello).await.unwrap();
        replayed.push(stream);
    }
    talk.talks().await;
    // Whoever comes meanwhile gets a turn too.
    drop(tls::dial(&server, &cert, &[]).await.unwrap());
    // Those who never answer are left in the end.
    for mut stream in replayed {
        let mut flight = Vec::new();
        let _ = soon(stream.read_to_end(&mut flight)).await;
    }
    talk.talks().await;
    server.stop().await;
}

#[tokio::test]
async fn where_all_connections_are_taken_the_idle_ones_make_way() {
    let server = TestServer::with(Config {
        connections: ConnectionLimits {
            total: 20,
            ..ConnectionLimits::default()
        },
        ..config()
    })
    .await;
    let (ada, bob) = server.two_people().await;
    let mut pair = Pair::of(&server, &ada, &bob).await;
    // Nothing, half a head, half a handshake of a WebSocket, and one that keeps itself alive.
    let beginnings = [
        "",
        "GET /api/ser",
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nupgrade: websocket\r\n",
        "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
    ];
    let mut silent = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let _ = stream.write_all(beginnings[number % 4].as_bytes()).await;
        silent.push(stream);
        if number % 50 == 0 {
            pair.talks().await;
        }
    }
    let health = server.send("GET", "/healthz", None, "").await;
    assert_eq!(health.body, "ok");
    socket(&server, &ada).await;
    pair.talks().await;
    server.stop().await;
}

#[tokio::test]
async fn where_all_connections_are_at_work_another_is_told_to_come_again() {
    let server = TestServer::with(Config {
        connections: ConnectionLimits {
            total: 2,
            ..ConnectionLimits::default()
        },
        ..config()
    })
    .await;
    let (ada, bob) = server.two_people().await;
    let mut pair = Pair::of(&server, &ada, &bob).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 5\r\n"), "{answer}");
    pair.talks().await;
    drop(pair);
    // Their places are given back.
    let healthy = async {
        loop {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(request).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            if answer.starts_with(b"HTTP/1.1 200 ") {
                return;
            }
        }
    };
    soon(healthy).await;
    server.stop().await;
}

#[tokio::test]
async fn strangers_never_take_the_descriptors_of_the_operator() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", "ulimit -n 300; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_chatd"))
        .args(["--port", "0", "--registration", "open", "--data"])
        .arg(&data)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = tokio::io::BufReader::new(child.stderr.take().unwrap());
    let said = until_ready("http://", &mut log).await;
    let reading = tokio::spawn(async move {
        let mut rest = String::new();
        log.read_to_string(&mut rest).await.unwrap();
        rest
    });
    let address = said.split("http://").nth(1).unwrap();
    let address = address.split('/').next().unwrap().parse().unwrap();
    let server = Remote::documented(address).await;
    let mut people = Vec::new();
    for name in ["ada", "bob"] {
        let wish = json!({"username": name, "password": "password1"}).to_string();
        let made = server
            .send("POST", "/api/auth/register", None, &wish)
            .await
            .json();
        people.push(Person {
            id: made["data"]["user"]["id"].as_u64().unwrap(),
            token: made["data"]["token"].as_str().unwrap().into(),
        });
    }
    let mut pair = Pair::of(&server, &people[0], &people[1]).await;
    let mut silent = Vec::new();
    for number in 0..400 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        if number % 2 == 0 {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost").await;
        }
        silent.push(stream);
    }
    pair.talks().await;
    let health = server.send("GET", "/healthz", None, "").await;
    assert_eq!(health.body, "ok");
    let listed = command(&data, &["user", "list"], "").await;
    assert!(listed.status.success(), "{listed:?}");
    let copy = folder.path().join("copy.redb");
    let made = command(&data, &["backup", copy.to_str().unwrap()], "").await;
    assert!(made.status.success(), "{made:?}");
    pair.talks().await;
    soon(child.kill()).await.unwrap();
    let log = soon(reading).await.unwrap();
    assert!(!log.contains("could not be accepted"), "{log}");
}

#[tokio::test]
async fn bodies_that_are_half_received_are_bounded_in_sum_and_small_ones_go_on() {
    let half_received = Pool::new(512 << 10);
    let server = TestServer::with(Config {
        budget: Budget {
            half_received: Portions::new(half_received.clone(), LEAST_PART),
            ..Budget::default()
        },
        ..config()
    })
    .await;
    let (ada, bob) = server.two_people().await;
    let mut pair = Pair::of(&server, &ada, &bob).await;
    let open = async || {
        let path = "/socket.io/?EIO=4&transport=polling";
        let opened = server.send("GET", path, None, "").await.body;
        let opened: serde_json::Value = serde_json::from_str(&opened[1..]).unwrap();
        format!("{path}&sid={}", opened["sid"].as_str().unwrap())
    };
    let mut halves = Vec::new();
    for _ in 0..8 {
        let path = open().await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 900000\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // One that is refused meanwhile is no longer read from.
        let _ = stream.write_all(&[b'4'; 200 << 10]).await;
        halves.push(stream);
    }
    until(|| half_received.used() > 300 << 10).await;
    assert!(half_received.used() <= half_received.limit());
    // What is small needs nothing of it.
    let path = open().await;
    let joined = format!("40{{\"token\":\"{}\"}}", ada.token);
    let reply = server.send("POST", &path, None, &joined).await;
    assert_eq!((reply.status.as_u16(), reply.body.as_str()), (200, "ok"));
    pair.talks().await;
    let mut refused = 0;
    for mut stream in halves {
        let mut answer = [0; 12];
        let read = tokio::time::timeout(Duration::from_millis(500), stream.read_exact(&mut answer));
        if read.await.is_ok_and(|read| read.is_ok()) {
            assert_eq!(&answer, b"HTTP/1.1 503");
            refused += 1;
        }
    }
    assert!(refused > 0, "none was refused");
    // With their connections goes what they held.
    until(|| half_received.used() == 0).await;
    pair.talks().await;
    server.stop().await;
}

/// A connection by HTTP/2, spoken frame by frame.
async fn frames(
    server: &TestServer,
    cert: &tokio_rustls::rustls::pki_types::CertificateDer<'static>,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut stream = tls::dial(server, cert, &["h2"]).await.unwrap();
    let hello = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    stream.write_all(&hello).await.unwrap();
    stream
}

/// `POST /api/auth/login` at host `x` of which so much of a body is sent, and no end.
fn half_login(stream: u32, body: usize) -> Vec<u8> {
    let path = b"/api/auth/login";
    let head = [
        &[0x83, 0x87, 0x01, 1, b'x', 0x04, path.len() as u8][..],
        path,
    ]
    .concat();
    let head = frame(HEADERS, 4, stream, &head);
    [head, frame(DATA, 0, stream, &vec![b'{'; body])].concat()
}

const DATA: u8 = 0;
/// `:status` 503 in bytes of HPACK, where it is said for the first time: the name from the static
/// table, the digits in Huffman's code.
const STATUS_503: &[u8] = &[0x48, 0x83, 0x6c, 0x0c, 0xff];

/// A hundred streams of each connection kept a request each: 150 MiB by a hundred connections,
/// without a token.
#[tokio::test]
async fn requests_by_http_2_that_are_not_answered_are_bounded_in_sum() {
    let (folder, streams) = (tempfile::tempdir().unwrap(), Pool::new(8 * STREAM_BYTES));
    let budget = Budget {
        streams: streams.clone(),
        ..Budget::default()
    };
    let config = Config { budget, ..config() };
    let (server, cert, people) = by_tls(folder.path(), config).await;
    let mut talk = TlsTalk::of(&server, &cert, &people).await;
    let mut first = frames(&server, &cert).await;
    for number in 0..20 {
        let half = half_login(2 * number + 1, 1);
        first.write_all(&half).await.unwrap();
    }
    // One is the connection's own, and eight have room: the others are told so.
    let mut refused = 0;
    while refused < 11 {
        let mut head = [0; 9];
        soon(first.read_exact(&mut head)).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        soon(first.read_exact(&mut payload)).await.unwrap();
        if head[3] == HEADERS {
            let is_said = refused > 0 || payload.starts_with(STATUS_503);
            assert!(is_said, "{payload:x?}");
            refused += 1;
        }
    }
    assert_eq!(streams.used(), streams.limit());
    // Another connection has its own one too.
    let mut client = http2(&server, &cert, 1 << 20).await;
    let page = ask(&mut client, "GET", "/api/server", "", String::new()).await;
    assert_eq!(page.status(), StatusCode::OK);
    talk.talks().await;
    drop(first);
    until(|| streams.used() == 0).await;
    server.stop().await;
}

/// Of each stream's body the first 32 KiB were not counted.
#[tokio::test]
async fn bodies_on_streams_of_one_connection_are_not_counted_once_and_not_each() {
    let (folder, half_received) = (tempfile::tempdir().unwrap(), Pool::new(4 << 20));
    let budget = Budget {
        half_received: Portions::new(half_received.clone(), LEAST_PART),
        ..Budget::default()
    };
    let config = Config { budget, ..config() };
    let (server, cert, _) = by_tls(folder.path(), config).await;
    let mut stream = frames(&server, &cert).await;
    for number in 0..6 {
        let half = half_login(2 * number + 1, 8_000);
        stream.write_all(&half).await.unwrap();
    }
    until(|| half_received.used() == 5 * 8_000).await;
    drop(stream);
    until(|| half_received.used() == 0).await;
    server.stop().await;
}

/// The answer to a HEAD had a body over HTTP/2, at which clients end the connection.
#[tokio::test]
async fn a_head_over_http_2_is_answered_with_a_length_and_without_a_body() {
    let folder = tempfile::tempdir().unwrap();
    let (server, cert, people) = by_tls(folder.path(), config()).await;
    let mut client = http2(&server, &cert, 1 << 20).await;
    for path in [
        "/api/server",
        "/api/auth/me",
        "/healthz",
        "/",
        "/api/nowhere",
    ] {
        let mut lengths = Vec::new();
        for method in ["GET", "HEAD"] {
            let token = &people[0].token;
            let answer = ask(&mut client, method, path, token, String::new()).await;
            let told = answer.headers().get("content-length").cloned();
            let body = soon(answer.collect()).await.unwrap().to_bytes();
            assert_eq!(body.is_empty(), method == "HEAD", "{method} {path}");
            lengths.push(told);
        }
        assert_eq!(lengths[0], lengths[1], "{path}");
    }
    server.stop().await;
}

/// HTTP/1.1 refuses such requests; by HTTP/2 they were answered, by the first host or by none.
#[tokio::test]
async fn a_request_by_http_2_names_one_host_too() {
    let folder = tempfile::tempdir().unwrap();
    let (server, cert, _) = by_tls(folder.path(), config()).await;
    let mut client = http2(&server, &cert, 1 << 20).await;
    for (uri, hosts, status) in [
        ("https://localhost/healthz", &[][..], 200),
        ("https://localhost/healthz", &["LOCALHOST"], 200),
        ("https://localhost/healthz", &["evil.example"], 400),
        (
            "https://localhost/healthz",
            &["localhost", "localhost"],
            400,
        ),
        ("/healthz", &["localhost"], 200),
        ("/healthz", &["localhost", "evil.example"], 400),
        ("/healthz", &[], 400),
    ] {
        let request = hosts.iter().fold(Request::get(uri), |request, host| {
            request.header("host", *host)
        });
        let asked = client.send_request(request.body(Full::default()).unwrap());
        assert_eq!(
            soon(asked).await.unwrap().status(),
            status,
            "{uri} {hosts:?}"
        );
    }
    server.stop().await;
}
