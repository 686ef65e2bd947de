//! `chatd doctor`, through proxies that do one thing wrong each, and on folders that are no place
//! for data.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_SECURITY_POLICY, HOST, HeaderValue, UPGRADE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::program::{Running, command};

/// What a proxy does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// Passes the upgrade on as a plain request.
    ForgetsUpgrade,
    /// Names the server as it knows it.
    NamesTheServer,
    /// Does not say who comes.
    SaysNothing,
    /// Passes on what clients write of themselves.
    BelievesClients,
    /// Says that people come by https.
    ClaimsHttps,
    /// Never passes on what a poll is answered.
    HoldsBack,
    /// Takes small bodies only.
    TakesLittle,
    /// Cuts WebSockets after their first frame, and polls that wait.
    Impatient,
    /// Gives everybody what the first one got.
    Caches,
    /// Passes the page on, and nothing else.
    OnlyThePage,
    /// Takes a header away.
    HidesThePolicy,
    /// Leads elsewhere.
    Redirects,
    /// Reaches nothing.
    ReachesNothing,
}

/// A reverse proxy in this process.
struct Proxy {
    address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

struct Way {
    server: SocketAddr,
    fault: Fault,
    /// Whether a large body went through: what is polled after it has to wait.
    large: AtomicBool,
    /// The first answer to an opening.
    opened: tokio::sync::Mutex<Option<Bytes>>,
}

impl Proxy {
    async fn start(server: SocketAddr, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let way = Arc::new(Way {
            server,
            fault,
            large: AtomicBool::new(false),
            opened: tokio::sync::Mutex::default(),
        });
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, peer) = listener.accept().await.unwrap();
                let way = Arc::clone(&way);
                let service = service_fn(move |request| {
                    let way = Arc::clone(&way);
                    async move { Ok::<_, hyper::Error>(way.pass(request, peer).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                tokio::spawn(connection);
            }
        });
        Self {
            address,
            task: accepting.abort_handle(),
        }
    }
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Empty::new().map_err(|never| match never {}).boxed());
    *answer.status_mut() = status;
    answer
}

fn full(bytes: Bytes) -> Answer {
    Response::new(Full::new(bytes).map_err(|never| match never {}).boxed())
}

impl Way {
    async fn pass(&self, mut request: Request<Incoming>, peer: SocketAddr) -> Answer {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let is_poll = request.method() == Method::GET
            && query.contains("transport=polling")
            && query.contains("sid=");
        let opens = query.contains("transport=polling") && !query.contains("sid=");
        let length = request.headers().get("content-length");
        let is_large = length.is_some_and(|length| length.len() > 4);
        match self.fault {
            Fault::OnlyThePage if request.uri().path() != "/" => {
                return empty(StatusCode::NOT_FOUND);
            }
            Fault::ReachesNothing => return empty(StatusCode::BAD_GATEWAY),
            Fault::Redirects => {
                let mut answer = empty(StatusCode::MOVED_PERMANENTLY);
                let to = HeaderValue::from_static("https://elsewhere.example/");
                answer.headers_mut().insert("location", to);
                return answer;
            }
            Fault::HoldsBack if is_poll => std::future::pending().await,
            Fault::Impatient if is_poll && self.large.load(Ordering::Relaxed) => {
                return empty(StatusCode::GATEWAY_TIMEOUT);
            }
            Fault::TakesLittle if is_large => return empty(StatusCode::PAYLOAD_TOO_LARGE),
            Fault::Impatient if is_large => self.large.store(true, Ordering::Relaxed),
            Fault::Caches if opens => {
                if let Some(bytes) = &*self.opened.lock().await {
                    return full(bytes.clone());
                }
            }
            _ => {}
        }
        let headers = request.headers_mut();
        let client = peer.ip().to_string();
        let forwarded = match headers.get("x-forwarded-for") {
            Some(before) => format!("{}, {client}", before.to_str().unwrap()),
            None => client,
        };
        match self.fault {
            Fault::ForgetsUpgrade => drop(headers.remove(UPGRADE)),
            Fault::NamesTheServer => {
                let name = self.server.to_string().parse().unwrap();
                headers.insert(HOST, name);
            }
            _ => {}
        }
        match self.fault {
            Fault::SaysNothing => drop(headers.remove("x-forwarded-for")),
            Fault::BelievesClients => {}
            _ => drop(headers.insert("x-forwarded-for", forwarded.parse().unwrap())),
        }
        let scheme = if self.fault == Fault::ClaimsHttps {
            "https"
        } else {
            "http"
        };
        headers.insert("x-forwarded-proto", HeaderValue::from_static(scheme));

        let stream = TcpStream::connect(self.server).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection.with_upgrades());
        let theirs = hyper::upgrade::on(&mut request);
        let Ok(mut answer) = sender.send_request(request).await else {
            return empty(StatusCode::BAD_GATEWAY);
        };
        if self.fault == Fault::HidesThePolicy {
            answer.headers_mut().remove(CONTENT_SECURITY_POLICY);
        }
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let ours = hyper::upgrade::on(&mut answer);
            let impatient = self.fault == Fault::Impatient;
            tokio::spawn(async move {
                let (theirs, ours) = (theirs.await.unwrap(), ours.await.unwrap());
                relay(TokioIo::new(theirs), TokioIo::new(ours), impatient).await;
            });
        }
        if self.fault == Fault::Caches && opens {
            let bytes = answer.into_body().collect().await.unwrap().to_bytes();
            *self.opened.lock().await = Some(bytes.clone());
            return full(bytes);
        }
        answer.map(BodyExt::boxed)
    }
}

type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

/// Copies both ways; an impatient one ends after the first bytes of the server.
async fn relay(mut client: Upgraded, mut server: Upgraded, impatient: bool) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    if impatient {
        let mut bytes = [0; 4096];
        let length = server.read(&mut bytes).await.unwrap();
        client.write_all(&bytes[..length]).await.unwrap();
        client.flush().await.unwrap();
        return;
    }
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

/// What the doctor says: its exit code, and its lines.
async fn examine(data: &Path, arguments: &[&str]) -> (Option<i32>, Vec<String>) {
    let arguments = [&["doctor"], arguments].concat();
    let output = command(data, &arguments, "").await;
    let mut lines: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.lines().count() <= 1, "{error}");
    lines.extend(error.lines().map(str::to_owned));
    (output.status.code(), lines)
}

fn failures(lines: &[String]) -> Vec<&str> {
    let failures = lines.iter().filter_map(|line| line.strip_prefix("FAIL  "));
    failures.collect()
}

#[tokio::test]
async fn each_wrong_proxy_is_found_out_and_told_how_to_mend_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = &folder.path().join("chatd.redb");
    let flags = ["--trusted-proxy", "127.0.0.1", "--ping-interval", "300ms"];
    let server = Running::on(data, &flags, &[]).await;
    let address = server.remote.address;
    let cases: [(Fault, &[&str]); 14] = [
        (Fault::Nothing, &[]),
        (
            Fault::ForgetsUpgrade,
            &["WebSocket: refused with 400 Bad Request: the proxy does not pass the upgrade on"],
        ),
        (
            Fault::NamesTheServer,
            &[
                "Host: it arrives as 127.0.0.1:",
                "WebSocket: refused to pages of http://127.0.0.1:",
            ],
        ),
        (
            Fault::SaysNothing,
            &["client address: the proxy at 127.0.0.1 does not say who comes"],
        ),
        (
            Fault::BelievesClients,
            &["client address: the proxy at 127.0.0.1 passes on what clients write"],
        ),
        (
            Fault::ClaimsHttps,
            &[
                "scheme: the proxy says that people come by https",
                // A page that was not loaded by https is no page of a server that people reach by
                // it.
                "WebSocket: refused to pages of http://",
            ],
        ),
        (
            Fault::HoldsBack,
            &["long polling: an answer that was ready did not come"],
        ),
        (
            Fault::TakesLittle,
            &[
                "body size: chatd takes 1000000 bytes at once, and the proxy answers 413",
                "uploads: the proxy takes no body of more than 1 MiB (it answers 413",
            ],
        ),
        (
            Fault::Impatient,
            &[
                "idle WebSockets: the connection ended after",
                "idle polls: the connection ended after",
            ],
        ),
        (
            Fault::Caches,
            &["long polling: two clients were given the same session"],
        ),
        (
            Fault::OnlyThePage,
            &["server: 404 Not Found, and no answer of chatd"],
        ),
        (
            Fault::HidesThePolicy,
            &["page: its Content-Security-Policy is lost"],
        ),
        (
            Fault::Redirects,
            &["server: it answers 301 Moved Permanently and leads to https://elsewhere.example/"],
        ),
        (
            Fault::ReachesNothing,
            &["server: 502 Bad Gateway: the proxy reaches no chatd"],
        ),
    ];
    // One probe is known at a time, so that only one doctor may ask for it at once.
    for (fault, wanted) in cases {
        let proxy = Proxy::start(address, fault).await;
        let (code, lines) = examine(data, &[&format!("http://{}", proxy.address)]).await;
        let found = failures(&lines);
        assert_eq!(found.len(), wanted.len(), "{fault:?}: {lines:#?}");
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(
                found.starts_with(wanted),
                "{fault:?}: {found}, not {wanted}"
            );
        }
        assert_eq!(
            code,
            Some(i32::from(!wanted.is_empty())),
            "{fault:?}: {lines:#?}"
        );
        if fault == Fault::Nothing {
            for wanted in [
                "ok    client address: told by the proxy at 127.0.0.1",
                "ok    WebSocket: opens",
                "ok    body size: 1000000 bytes",
                "ok    uploads: a body of more than 1 MiB gets through",
                "ok    idle polls: a heartbeat came",
            ] {
                let found = lines.iter().any(|line| line.starts_with(wanted));
                assert!(found, "{wanted}: {lines:#?}");
            }
        }
    }
    // Without a proxy, and with one that is not believed.
    let (code, lines) = examine(data, &[&format!("http://{address}")]).await;
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("no proxy in between")),
        "{lines:#?}"
    );
    // From elsewhere, the server cannot be asked what arrived.
    let elsewhere = folder.path().join("elsewhere.redb");
    let proxy = Proxy::start(address, Fault::SaysNothing).await;
    let (code, lines) = examine(&elsewhere, &[&format!("http://{}", proxy.address)]).await;
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("skip  forwarded headers")),
        "{lines:#?}"
    );
    let log = server.stop().await;
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn a_proxy_that_is_not_believed_and_a_url_of_another_server_are_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = &folder.path().join("chatd.redb");
    let server = Running::on(data, &["--ping-interval", "300ms"], &[]).await;
    let proxy = Proxy::start(server.remote.address, Fault::Nothing).await;
    let (code, lines) = examine(data, &[&format!("http://{}", proxy.address)]).await;
    assert_eq!(code, Some(1), "{lines:#?}");
    assert!(
        failures(&lines)[0].contains("start chatd with --trusted-proxy 127.0.0.1"),
        "{lines:#?}"
    );

    let other = folder.path().join("other.redb");
    let other_server = Running::on(&other, &["--ping-interval", "300ms"], &[]).await;
    let (code, lines) = examine(&other, &[&format!("http://{}", proxy.address)]).await;
    assert_eq!(code, Some(1), "{lines:#?}");
    assert!(
        failures(&lines)[0].contains("leads to another server"),
        "{lines:#?}"
    );
    other_server.stop().await;
    server.stop().await;
    let (code, lines) = examine(data, &["http://127.0.0.1:1"]).await;
    assert_eq!(code, Some(1), "{lines:#?}");
    assert!(
        failures(&lines)[0].contains("nothing listens at 127.0.0.1:1"),
        "{lines:#?}"
    );
}

#[tokio::test]
async fn what_a_probe_saw_is_told_to_the_operator_alone() {
    let server = Running::start(&[], &[]).await;
    let path = "/api/admin/probe/abcdefghijklmnopqrstuvwx";
    for method in ["GET", "PUT"] {
        let reply = server.remote.send(method, path, None, "").await;
        let code = if method == "GET" {
            "not_found"
        } else {
            "forbidden"
        };
        assert_eq!(reply.code(), code, "{method}");
    }
    server.stop().await;
}

/// Writes a certificate for this name and its key; it ends then.
fn certify(folder: &Path, name: &str, end: (i32, u8, u8)) {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(end.0, end.1, end.2);
    let key = rcgen::KeyPair::generate().unwrap();
    let made = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), made.pem()).unwrap();
}

#[tokio::test]
async fn certificates_are_looked_at_as_browsers_do() {
    let cases = [
        (
            "localhost",
            (2099, 1, 1),
            true,
            "ok    TLS: the certificate is good for",
        ),
        (
            "localhost",
            (2099, 1, 1),
            false,
            "nobody knows who made the certificate",
        ),
        (
            "localhost",
            (2021, 1, 1),
            true,
            "the certificate has expired",
        ),
        (
            "other.example",
            (2099, 1, 1),
            true,
            "the certificate is for another name",
        ),
    ];
    join_all(cases.map(|(name, end, trusted, wanted)| async move {
        let folder = tempfile::tempdir().unwrap();
        certify(folder.path(), name, end);
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (cert, key) = (path("cert.pem"), path("key.pem"));
        let data = folder.path().join("chatd.redb");
        let flags = [
            "--port",
            "0",
            "--tls-cert",
            &cert,
            "--tls-key",
            &key,
            "--ping-interval",
            "1s",
        ];
        let server = Running::by_tls(&data, &flags).await;
        let url = format!("https://localhost:{}", server.remote.address.port());
        let mut arguments = vec![url.as_str()];
        if trusted {
            arguments.extend(["--ca", &cert]);
        }
        let (code, lines) = examine(&data, &arguments).await;
        assert!(
            lines.iter().any(|line| line.contains(wanted)),
            "{wanted}: {lines:#?}"
        );
        assert_eq!(
            code,
            Some(i32::from(!wanted.starts_with("ok"))),
            "{lines:#?}"
        );
        server.stop().await;
    }))
    .await;
}

#[tokio::test]
async fn a_folder_that_is_no_place_for_data_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let mode = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let (code, lines) = examine(&data, &[]).await;
    assert_eq!(code, Some(0), "{lines:#?}");
    for wanted in [
        "data folder",
        "free space",
        "fsync: median",
        "open files",
        "clock",
    ] {
        assert!(
            lines.iter().any(|line| line.contains(wanted)),
            "{wanted}: {lines:#?}"
        );
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "it left something"
    );

    mode(folder.path(), 0o777);
    std::fs::write(&data, "").unwrap();
    mode(&data, 0o644);
    let ahead = std::time::SystemTime::now() + std::time::Duration::from_secs(86_400);
    std::fs::File::open(&data)
        .unwrap()
        .set_modified(ahead)
        .unwrap();
    let (code, lines) = examine(&data, &[]).await;
    assert_eq!(code, Some(1), "{lines:#?}");
    let found = failures(&lines);
    assert_eq!(found.len(), 3, "{lines:#?}");
    for (found, wanted) in found.iter().zip(["chmod go-w", "chmod 600", "timedatectl"]) {
        assert!(found.contains(wanted), "{found}");
    }
    assert!(
        lines.last().unwrap().starts_with("chatd: 3 of "),
        "{lines:#?}"
    );

    for (data, wanted) in [
        (
            folder.path().join("none/chatd.redb"),
            "make it, or give another --data",
        ),
        (folder.path().to_owned(), "name a file in it"),
    ] {
        let (code, lines) = examine(&data, &[]).await;
        assert_eq!(code, Some(1), "{lines:#?}");
        assert!(failures(&lines)[0].contains(wanted), "{lines:#?}");
    }
}
