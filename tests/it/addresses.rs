//! By what address this server is called: whose page is its own, where links lead, and what the log
//! says of those who are refused before they are anybody.

use std::process::Stdio;

use chatd::config::Config;
use chatd::transport::EngineConfig;
use chatd::web::Origins;
use chatd::web::{PublicUrl, TrustedProxies};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::program::{Running, until_ready};
use crate::support::{Person, Remote, Reply, TestServer, config, soon};

const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(path);
    let add = |request: hyper::http::request::Builder, (name, value): &(&str, &str)| {
        request.header(*name, *value)
    };
    let request = headers.iter().fold(request, add);
    request.body(Full::default()).unwrap()
}

/// The URL of a new invite, as it is told to an administrator who asks with these headers.
async fn invited(server: &TestServer, admin: &Person, headers: &[(&str, &str)]) -> String {
    let token = format!("Bearer {}", admin.token);
    let headers = [headers, &[("authorization", &*token)]].concat();
    let made = server
        .request(request("POST", "/api/admin/invites", &headers))
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    let made = made.json();
    let (url, code) = (&made["data"]["url"], &made["data"]["code"]);
    let end = format!("/?invite={}", code.as_str().unwrap());
    url.as_str().unwrap().strip_suffix(&end).unwrap().to_owned()
}

async fn with(trusted: &[&str], public: Option<&str>) -> TestServer {
    let proxies = trusted.iter().map(|text| text.parse().unwrap());
    TestServer::with(Config {
        trusted_proxies: TrustedProxies::new(proxies),
        public_url: public.map(|url| url.parse::<PublicUrl>().unwrap()),
        ..config()
    })
    .await
}

#[tokio::test]
async fn our_own_page_gets_its_websocket_whoever_writes_the_default_port() {
    let server = with(&["127.0.0.1"], None).await;
    let inner = server.address.to_string();
    for (headers, refused) in [
        (&[("host", "chat.example.org:443")][..], None),
        (&[("host", "CHAT.example.org")], None),
        (&[("host", "chat.example.org.")], None),
        (&[("host", "chat.example.org:8443")], Some(400)),
        (&[("host", "evil.example")], Some(400)),
        (&[("host", &*inner)], Some(400)),
        (
            &[("host", &*inner), ("x-forwarded-host", "chat.example.org")],
            None,
        ),
        (
            &[
                ("host", &*inner),
                ("x-forwarded-host", "chat.example.org:443"),
            ],
            None,
        ),
        (
            &[
                ("host", &*inner),
                ("forwarded", "for=1.2.3.4;host=chat.example.org;proto=https"),
            ],
            None,
        ),
        (
            &[("host", &*inner), ("x-forwarded-host", "evil.example")],
            Some(400),
        ),
    ] {
        let headers = [headers, &[("origin", "https://chat.example.org")]].concat();
        let opened = server.try_wire_with(WEBSOCKET, &headers).await;
        assert_eq!(opened.err(), refused, "{headers:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_strangers_word_on_the_host_makes_no_page_ours_and_changes_no_link() {
    let server = with(&[], None).await;
    let headers = [
        ("host", "127.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("origin", "https://evil.example"),
    ];
    let opened = server.try_wire_with(WEBSOCKET, &headers).await;
    assert_eq!(opened.err(), Some(400));
    let admin = server.admin().await;
    let headers = [
        ("host", "chat.example.org"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-prefix", "/evil"),
        ("forwarded", "host=evil.example"),
    ];
    let url = invited(&server, &admin, &headers).await;
    assert_eq!(url, "http://chat.example.org");
    server.stop().await;
}

#[tokio::test]
async fn an_invite_leads_to_the_host_the_port_and_the_path_that_proxies_tell() {
    let server = with(&["127.0.0.1"], None).await;
    let admin = server.admin().await;
    for (headers, url) in [
        (
            &[
                ("host", "inner:8080"),
                ("x-forwarded-host", "chat.example.org"),
                ("x-forwarded-proto", "https"),
            ][..],
            "https://chat.example.org",
        ),
        (
            &[
                ("host", "chat.example.org"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-port", "8443"),
                ("x-forwarded-prefix", "/chat"),
            ],
            "https://chat.example.org:8443/chat",
        ),
        (
            &[
                ("host", "inner"),
                ("forwarded", "host=\"[2001:db8::1]:443\";proto=https"),
            ],
            "https://[2001:db8::1]",
        ),
    ] {
        assert_eq!(invited(&server, &admin, headers).await, url, "{headers:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_public_url_settles_links_and_own_pages_and_is_served_with_its_path_or_without() {
    let server = with(&[], Some("https://Example.org:443/chat/")).await;
    let admin = server.admin().await;
    let url = invited(&server, &admin, &[("host", "127.0.0.1:8080")]).await;
    assert_eq!(url, "https://example.org/chat");
    for (path, origin, refused) in [
        (WEBSOCKET, "https://example.org", None),
        (
            "/chat/socket.io/?EIO=4&transport=websocket",
            "https://example.org",
            None,
        ),
        (WEBSOCKET, "https://evil.example", Some(400)),
    ] {
        let opened = server.try_wire_from(path, Some(origin)).await;
        assert_eq!(opened.err(), refused, "{path} {origin}");
    }
    let remote = Remote::at(server.address);
    for path in ["/", "/chat/", "/api/server", "/chat/api/server"] {
        let reply = remote.send("GET", path, None, "").await;
        assert_eq!(reply.status, 200, "{path}");
    }
    // From the path without its slash the page's own addresses would lead beside it.
    let bare = remote.send("GET", "/chat?invite=x", None, "").await;
    assert_eq!(bare.status, 308);
    assert_eq!(bare.headers["location"], "/chat/?invite=x");
    assert_eq!(remote.send("GET", "/chatter", None, "").await.status, 404);
    server.stop().await;
}

/// Asks as a page of this origin would by CORS.
async fn asked(server: &TestServer, origin: &str) -> Reply {
    let headers = [("host", "chat.example.org"), ("origin", origin)];
    server
        .request(request("GET", "/api/server", &headers))
        .await
}

/// A server that lets pages of these origins in.
async fn letting_in(origins: &[&str]) -> TestServer {
    let origins = origins.iter().map(|origin| (*origin).to_owned());
    let engine = EngineConfig {
        origins: Origins::new(origins).unwrap(),
        ..EngineConfig::default()
    };
    TestServer::with(Config { engine, ..config() }).await
}

#[tokio::test]
async fn pages_of_apps_and_extensions_can_be_let_in() {
    let listed = [
        "capacitor://localhost",
        "ionic://localhost",
        "tauri://localhost",
        "http://tauri.localhost",
        "chrome-extension://abcdefghijklmnop",
        "moz-extension://5e2f-11",
        "app://-",
        "null",
    ];
    let server = letting_in(&listed).await;
    for origin in listed {
        let opened = server.try_wire_from(WEBSOCKET, Some(origin)).await;
        assert_eq!(opened.err(), None, "{origin}");
        let reply = asked(&server, origin).await;
        assert_eq!(reply.headers["access-control-allow-origin"], origin);
    }
    // What some browsers call a page of a file that opens a WebSocket.
    let opened = server.try_wire_from(WEBSOCKET, Some("file://")).await;
    assert_eq!(opened.err(), None);
    for origin in ["capacitor://other", "chrome-extension://other"] {
        let opened = server.try_wire_from(WEBSOCKET, Some(origin)).await;
        assert_eq!(opened.err(), Some(400), "{origin}");
        let reply = asked(&server, origin).await;
        assert!(!reply.headers.contains_key("access-control-allow-origin"));
    }
    server.stop().await;
}

/// Swift's client writes so; its WebSockets were refused as those of a page that is none.
#[tokio::test]
async fn an_app_whose_origin_is_the_url_of_its_websocket_gets_in() {
    let server = letting_in(&["https://app.example.org"]).await;
    for (host, origin, refused) in [
        ("chat.example.org:443", "wss://chat.example.org", None),
        ("chat.example.org", "wss://chat.example.org", None),
        ("chat.example.org:8080", "ws://chat.example.org:8080", None),
        ("chat.example.org", "wss://app.example.org", None),
        ("chat.example.org:8080", "ws://chat.example.org", Some(400)),
        ("chat.example.org", "ws://app.example.org", Some(400)),
        ("chat.example.org", "wss://evil.example", Some(400)),
        ("chat.example.org", "wss://", Some(400)),
    ] {
        let headers = [("host", host), ("origin", origin)];
        let opened = server.try_wire_with(WEBSOCKET, &headers).await;
        assert_eq!(opened.err(), refused, "{host} {origin}");
    }
    server.stop().await;
}

#[tokio::test]
async fn socket_io_is_there_without_its_slash_too() {
    let server = TestServer::start().await;
    let opened = server
        .send("GET", "/socket.io?EIO=4&transport=polling", None, "")
        .await;
    assert_eq!(opened.status, 200, "{}", opened.body);
    assert!(opened.body.starts_with("0{\"sid\""));
    let opened = server
        .try_wire("/socket.io?EIO=4&transport=websocket")
        .await;
    assert!(opened.unwrap().text().await.starts_with("0{\"sid\""));
    let other = server.send("GET", "/socket.iox", None, "").await;
    assert_eq!(other.status, 404);
    server.stop().await;
}

fn count(log: &str, words: &str) -> usize {
    log.lines().filter(|line| line.contains(words)).count()
}

#[tokio::test]
async fn the_log_says_once_a_minute_which_page_was_refused_and_the_flag_that_lets_it_in() {
    let server = Running::start(&[], &[]).await;
    let remote = Remote::at(server.remote.address);
    for _ in 0..3 {
        let headers = [
            ("host", "chat.example.org"),
            ("origin", "https://App.example.net"),
        ];
        remote
            .request(request("GET", "/api/server", &headers))
            .await;
        let opened = remote.try_wire_with(WEBSOCKET, &headers).await;
        assert_eq!(opened.err(), Some(400));
    }
    let log = server.stop().await;
    let words = "--allow-origin https://app.example.net lets it in";
    assert_eq!(count(&log, words), 1, "{log}");
    assert!(log.contains("arrived as chat.example.org"), "{log}");
}

#[tokio::test]
async fn every_refusal_before_a_session_leaves_a_line_that_says_what_mends_it() {
    let server = Running::start(&["--max-connections", "1"], &[]).await;
    let remote = &server.remote;
    let _kept = remote.wire(WEBSOCKET).await;
    for _ in 0..2 {
        for (method, path, status) in [
            ("GET", "/socket.io/", 400),
            ("GET", "/socket.io/?EIO=3&transport=polling", 400),
            ("GET", "/socket.io/?EIO=4&transport=websocket", 400),
            ("GET", "/socket.io/?EIO=4&transport=polling&sid=gone", 400),
            ("POST", "/socket.io/?EIO=4&transport=polling", 400),
            ("GET", "/socket.io/?EIO=4&transport=polling", 503),
        ] {
            let reply = remote.send(method, path, None, "").await;
            assert_eq!(reply.status, status, "{method} {path}");
        }
    }
    let log = server.stop().await;
    for words in [
        "named no transport",
        "Socket.IO 2 or older",
        "proxy_set_header Upgrade",
        "sessions that are not open here",
        "by another method than GET",
        "--max-connections",
    ] {
        assert_eq!(count(&log, words), 1, "{words}: {log}");
    }
}

/// It was answered by 101 and the end of the connection: a stock client tried again for ever, and
/// the log said nothing.
#[tokio::test]
async fn a_websocket_that_a_proxy_asks_for_by_http_1_0_is_refused_with_what_mends_it() {
    let server = Running::start(&[], &[]).await;
    let ask = async |version: &str, spoken: u8| {
        let mut stream = TcpStream::connect(server.remote.address).await.unwrap();
        let asked = format!(
            "GET {WEBSOCKET} HTTP/{version}\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: {spoken}\r\n\r\n"
        );
        stream.write_all(asked.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon(stream.read_to_string(&mut answer)).await.unwrap();
        answer
    };
    for (version, spoken, status) in [
        ("1.0", 13, "400 Bad Request"),
        ("1.1", 8, "426 Upgrade Required"),
    ] {
        let answer = ask(version, spoken).await;
        assert!(answer.contains(&format!(" {status}\r\n")), "{answer}");
        assert!(answer.contains("sec-websocket-version: 13\r\n"), "{answer}");
    }
    let log = server.stop().await;
    assert_eq!(count(&log, "proxy_http_version 1.1"), 1, "{log}");
}

#[tokio::test]
async fn tls_at_the_port_of_plain_http_leaves_a_line() {
    let server = Running::start(&[], &[]).await;
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.remote.address).await.unwrap();
        stream
            .write_all(b"\x16\x03\x01\x00\x05hello\r\n\r\n")
            .await
            .unwrap();
        let _ = soon(stream.read_to_end(&mut Vec::new())).await;
    }
    let log = server.stop().await;
    assert_eq!(
        count(&log, "TLS was spoken to the port of plain HTTP"),
        1,
        "{log}"
    );
}

/// Starts chatd, which is to say that it listens; gives what it said until it is ready, and its
/// address.
async fn said(flags: &[&str]) -> (String, Remote) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_chatd"))
        .args(flags)
        .args(["--port", "0"])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let said = until_ready("https://", &mut log).await;
    let (_, address) = said.split_once("listening at http://").unwrap();
    let remote = Remote::at(address.split_once('/').unwrap().0.parse().unwrap());
    child.start_kill().unwrap();
    soon(child.wait()).await.unwrap();
    (said, remote)
}

#[tokio::test]
async fn the_set_up_link_begins_with_the_public_url() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("chatd.redb");
    let flags = [
        "--data",
        data.to_str().unwrap(),
        "--public-url",
        "https://example.org/chat/",
    ];
    let (said, _) = said(&flags).await;
    assert!(said.contains(" https://example.org/chat/?setup="), "{said}");
}

async fn demonstration(trusted: &[&str], public: Option<&str>) -> TestServer {
    let proxies = trusted.iter().map(|text| text.parse().unwrap());
    TestServer::with(Config {
        demo: true,
        trusted_proxies: TrustedProxies::new(proxies),
        public_url: public.map(|url| url.parse().unwrap()),
        ..config()
    })
    .await
}

#[tokio::test]
async fn no_web_page_reaches_a_demonstration_by_the_name_of_its_own_site() {
    let server = demonstration(&[], None).await;
    let remote = Remote::at(server.address);
    let port = server.address.port();
    for (host, status) in [
        (format!("localhost:{port}"), 200),
        (format!("LOCALHOST.:{port}"), 200),
        (format!("chat.localhost:{port}"), 200),
        (format!("127.0.0.1:{port}"), 200),
        (format!("127.9.9.9:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        ("localhost".into(), 200),
        (format!("evil.example:{port}"), 403),
        (format!("localhost.evil.example:{port}"), 403),
        (format!("127.0.0.1.evil.example:{port}"), 403),
        (format!("0.0.0.0:{port}"), 403),
        (format!("192.168.1.5:{port}"), 403),
        (String::new(), 403),
    ] {
        let headers = [("host", &*host)];
        for path in ["/api/server", "/", "/socket.io/?EIO=4&transport=polling"] {
            let reply = remote.request(request("GET", path, &headers)).await;
            assert_eq!(reply.status, status, "{host} {path}");
            assert!(status == 200 || !reply.body.contains("token"));
        }
        let opened = remote.try_wire_with(WEBSOCKET, &headers).await.err();
        assert_eq!(opened, (status != 200).then_some(status), "{host}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_demonstration_is_answered_by_its_public_name_and_by_none_that_a_proxy_could_tell() {
    // A page that reaches this machine by its own site's name comes from where a proxy would, with
    // any header.
    let plain = [("host", "demo.example.org")];
    let forged = [
        ("host", "demo.example.org"),
        ("x-forwarded-host", "localhost"),
        ("x-forwarded-for", "127.0.0.1"),
    ];
    let public = Some("https://demo.example.org/chat");
    for (trusted, public, status) in [
        (&[][..], public, 200),
        (&[], Some("https://other.example.org"), 403),
        (&["127.0.0.1"], None, 403),
        (&["127.0.0.1"], Some("https://other.example.org"), 403),
        (&["127.0.0.1"], public, 200),
    ] {
        let server = demonstration(trusted, public).await;
        let remote = Remote::at(server.address);
        for headers in [&plain[..], &forged] {
            let reply = remote.request(request("GET", "/api/server", headers)).await;
            assert_eq!(reply.status, status, "{trusted:?} {public:?} {headers:?}");
            assert!(status == 200 || !reply.body.contains("token"));
        }
        server.stop().await;
    }
    // A server that asks for tokens is not in danger, and may have any name.
    let server = TestServer::start().await;
    let reply = server.request(request("GET", "/api/server", &plain)).await;
    assert_eq!(reply.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn metrics_of_this_machine_are_told_under_its_own_names_only() {
    let server = Running::start(&["--metrics-listen", "localhost:0"], &[]).await;
    let (_, address) = server.said.split_once("metrics on ").unwrap();
    let address = address.split_whitespace().next().unwrap();
    let metrics = Remote::at(address.parse().unwrap());
    for (host, status) in [("localhost", 200), (address, 200), ("evil.example", 403)] {
        let asked = request("GET", "/metrics", &[("host", host)]);
        assert_eq!(metrics.request(asked).await.status, status, "{host}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_value_that_could_never_work_is_refused_at_the_start_with_words() {
    for (flag, value, words) in [
        ("--allow-origin", "app.example.org", "such as https://app"),
        (
            "--allow-origin",
            "https://a.example.org/path",
            "without a path",
        ),
        (
            "--allow-origin",
            "https://*.example.org",
            "no part of a name",
        ),
        ("--allow-origin", "file://", "give null"),
        (
            "--allow-origin",
            "wss://a.example.org",
            "begins with https://",
        ),
        ("--public-url", "chat.example.org", "give the URL"),
        (
            "--public-url",
            "https://u:geheim@chat.example.org",
            "give the URL",
        ),
        ("--trusted-proxy", "proxy.example.org", "such as 127.0.0.1"),
        (
            "--acme-domain",
            "https://chat.example.org",
            "without https://",
        ),
        ("--acme-domain", "*.example.org", "each name by itself"),
        (
            "--acme-domain",
            "chat.example.org:443",
            "without https:// and port",
        ),
        (
            "--acme-directory",
            "acme.example.org",
            "begins with https://",
        ),
        ("--host", "chat.example.org", "an address of this machine"),
        ("--metrics-listen", "9100", "and a port"),
        ("--jwt-issuer", " ", "the text that the tokens carry"),
        ("--jwt-audience", "", "the text that the tokens carry"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_chatd"))
            .args([flag, value, "--demo", "--port", "0"])
            .output();
        let output = soon(output).await.unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flag} {value}: {error}");
        assert!(error.contains(words), "{flag} {value}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!error.contains("geheim"), "{error}");
    }
}
