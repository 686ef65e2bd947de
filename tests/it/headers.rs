//! What a browser and a hostile client meet at the door: headers, paths, methods, and requests that
//! are too much.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chatd::config::Config;
use chatd::web::{Origin, PagePolicy};
use futures_util::future::join_all;
use hyper::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{TestServer, config, soon};

/// Sends these bytes and gives all that comes back until the server closes.
async fn raw(server: &TestServer, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The server may have answered and closed before all is sent.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The same of a client that says no more after that.
async fn half_closed(server: &TestServer, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(server: &TestServer, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    raw(server, request.as_bytes()).await
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

/// `nc -N` ends its side of the connection as soon as it has asked, and got no answer.
#[tokio::test]
async fn a_client_that_says_no_more_once_it_has_asked_is_answered_to_the_end() {
    let server = TestServer::start().await;
    for path in ["/healthz", "/api/server", "/api/openapi.json"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        let answer = half_closed(&server, &request).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect(path);
        let length = format!("content-length: {}", body.len());
        assert!(head.contains(&length), "{path}: {head}");
        assert!(!body.is_empty(), "{path}");
    }
    server.stop().await;
}

/// Sends a request of two bytes, these a moment after its head, and another one by the same
/// connection; gives what that is answered.
async fn asked_again(server: &TestServer, method: &str, path: &str, token: Option<&str>) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let token = token.map(|token| format!("authorization: Bearer {token}\r\n"));
    let token = token.unwrap_or_default();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{token}content-length: 2\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // Some answer before they have the body, the others wait for it.
    let _ = timeout(Duration::from_millis(200), stream.readable()).await;
    let next = "{}GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let _ = stream.write_all(next.as_bytes()).await;
    let mut answers = Vec::new();
    let _ = soon(stream.read_to_end(&mut answers)).await;
    let answers = String::from_utf8_lossy(&answers);
    let (_, next) = answers.rsplit_once("HTTP/1.1 ").unwrap_or_default();
    next.lines().next().unwrap_or_default().to_owned()
}

/// Libraries send the head and the body one after the other, and a body where none is wanted. Who
/// is answered by the head alone had the connection closed under the next request.
#[tokio::test]
async fn a_body_that_nobody_reads_ends_no_connection() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let documents = server
        .send("GET", "/api/openapi.json", None, "")
        .await
        .json();
    let paths = documents["paths"].as_object().unwrap();
    let mut asked = Vec::new();
    for (path, methods) in paths {
        let path = path.replace(['{', '}'], "");
        for method in methods.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&&*method) {
                continue;
            }
            asked.push((method.clone(), path.clone(), None));
            asked.push((method, path.clone(), Some(&*admin.token)));
        }
    }
    assert!(asked.len() > 150, "{}", asked.len());
    asked.push(("GET".into(), "/nothing/here".into(), None));
    asked.push(("DELETE".into(), "/".into(), None));
    asked.push((
        "POST".into(),
        "/socket.io/?EIO=4&transport=polling&sid=none".into(),
        None,
    ));
    asked.push((
        "POST".into(),
        "/socket.io/?EIO=9&transport=polling".into(),
        None,
    ));
    let answers = asked.iter().map(|(method, path, token)| {
        let again = asked_again(&server, method, path, *token);
        async move { (method, path, token.is_some(), again.await) }
    });
    for (method, path, is_known, again) in join_all(answers).await {
        assert_eq!(again, "200 OK", "{method} {path}, with a token: {is_known}");
    }
    server.stop().await;
}

/// A handshake without a key that can be one was answered by 101, and a stock proxy before the
/// server may see none in it.
#[tokio::test]
async fn a_handshake_that_is_none_opens_no_websocket() {
    const KEY: &str = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const VERSION: &str = "sec-websocket-version: 13\r\n";
    const UPGRADE: &str = "upgrade: websocket\r\n";
    const CONNECTION: &str = "connection: Upgrade\r\n";
    let server = TestServer::start().await;
    let answered = async |method: &str, headers: &[&str]| {
        let path = "/socket.io/?EIO=4&transport=websocket";
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\n{}\r\n",
            headers.concat()
        );
        // The end of what is said closes it, whatever it was answered.
        half_closed(&server, &head).await
    };
    let right = [UPGRADE, CONNECTION, VERSION, KEY];
    let instead = |place: usize, other: &'static str| {
        let mut headers = right;
        headers[place] = other;
        headers
    };
    for (headers, wanted) in [
        (right, "101"),
        (instead(0, "Upgrade: WebSocket\r\n"), "101"),
        (instead(0, "upgrade: h2c, websocket\r\n"), "101"),
        (instead(0, "upgrade: h2c\r\nupgrade: websocket\r\n"), "101"),
        (instead(0, "upgrade: websockets\r\n"), "400"),
        (instead(0, ""), "400"),
        (instead(1, "connection: keep-alive, UPGRADE\r\n"), "101"),
        (
            instead(1, "connection: keep-alive\r\nconnection: upgrade\r\n"),
            "101",
        ),
        (instead(1, "connection: close\r\n"), "400"),
        (instead(2, "sec-websocket-version: 8\r\n"), "426"),
        (instead(2, "sec-websocket-version: 0\r\n"), "426"),
        (instead(2, "sec-websocket-version: 13, 8\r\n"), "426"),
        (
            instead(
                2,
                "sec-websocket-version: 13\r\nsec-websocket-version: 13\r\n",
            ),
            "426",
        ),
        (instead(2, ""), "426"),
        // Drawn as text, so that bits are over.
        (
            instead(3, "sec-websocket-key: abcdefghijklmnopqrstuv==\r\n"),
            "101",
        ),
        (instead(3, ""), "400"),
        (instead(3, "sec-websocket-key:\r\n"), "400"),
        (instead(3, "sec-websocket-key: short\r\n"), "400"),
        (
            instead(3, "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ\r\n"),
            "400",
        ),
        (
            instead(3, "sec-websocket-key: dGhlIHNhbXBsZSBub25j_Q==\r\n"),
            "400",
        ),
        (
            instead(3, "sec-websocket-key: dGhlIHNhbXBsZSBub25jZSE=\r\n"),
            "400",
        ),
    ] {
        let answer = answered("GET", &headers).await;
        assert_eq!(status(&answer), wanted, "{headers:?}: {answer}");
        if wanted == "426" {
            assert!(answer.contains("sec-websocket-version: 13\r\n"), "{answer}");
            assert!(answer.contains("upgrade: websocket\r\n"), "{answer}");
        }
    }
    let twice = answered("GET", &[UPGRADE, CONNECTION, VERSION, KEY, KEY]).await;
    assert_eq!(status(&twice), "400", "{twice}");
    assert_eq!(status(&answered("POST", &right).await), "400");
    server.stop().await;
}

/// A poll ends with its client, and its session with it; so does a WebSocket.
#[tokio::test]
async fn what_waits_for_the_server_to_speak_ends_with_its_client() {
    let server = TestServer::start().await;
    let open = "/socket.io/?EIO=4&transport=polling";
    let handshake = server.send("GET", open, None, "").await;
    let sid = serde_json::from_str::<serde_json::Value>(&handshake.body[1..]).unwrap();
    let poll = format!("{open}&sid={}", sid["sid"].as_str().unwrap());
    let request = format!("GET {poll} HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(half_closed(&server, &request).await, "");
    assert_eq!(server.send("POST", &poll, None, "3").await.status, 400);
    let mut socket = server.raw_websocket().await;
    socket.shutdown().await.unwrap();
    let mut said = Vec::new();
    soon(socket.read_to_end(&mut said)).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn every_answer_is_taken_for_what_it_says_and_sets_no_cookie() {
    let server = TestServer::start().await;
    for path in [
        "/",
        "/js/main.js",
        "/nothing",
        "/api/server",
        "/api/auth/me",
        "/api/nothing",
        "/healthz",
        "/socket.io/?EIO=4&transport=polling",
        "/socket.io/?EIO=3&transport=polling",
    ] {
        let reply = server.send("GET", path, None, "").await;
        assert_eq!(reply.headers["x-content-type-options"], "nosniff", "{path}");
        assert!(!reply.headers.contains_key("set-cookie"), "{path}");
        assert!(!reply.headers.contains_key("server"), "{path}");
        if !path.starts_with("/socket.io/") {
            assert_eq!(reply.headers["referrer-policy"], "no-referrer", "{path}");
        }
        let allowed = reply.headers.get("access-control-allow-origin");
        assert!(allowed.is_none(), "{path} is for every page");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_pages_policy_allows_its_own_files_and_nothing_else() {
    let server = TestServer::start().await;
    let page = server.send("GET", "/", None, "").await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    for part in [
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.split("; ").any(|given| given == part), "{part}");
    }
    // The page's icon is in the page itself; nothing else is, and least of all a script.
    assert_eq!(policy.matches("data:").count(), 1);
    assert!(
        policy
            .split("; ")
            .any(|given| given == "img-src 'self' data:")
    );
    for word in ["unsafe", "http:", "https:", "*", "blob:"] {
        assert!(!policy.contains(word), "{word}");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_page_stands_in_the_frames_of_named_pages_alone() {
    let origin = |text: &str| Origin::parse(text).unwrap();
    let server = TestServer::with(Config {
        page: PagePolicy {
            frame_ancestors: vec![origin("https://app.example.org")],
            avatar_origins: vec![origin("https://pictures.example.org")],
        },
        ..config()
    })
    .await;
    for path in ["/", "/docs"] {
        let page = server.send("GET", path, None, "").await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        for part in [
            "default-src 'self'",
            "frame-ancestors https://app.example.org",
            "img-src 'self' data: https://pictures.example.org",
        ] {
            assert!(policy.split("; ").any(|given| given == part), "{part}");
        }
    }
    let known = server.send("GET", "/api/server", None, "").await;
    let known = known.json()["data"]["avatar_origins"].take();
    assert_eq!(known, json!(["https://pictures.example.org"]));
    server.stop().await;
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// A browser that obeys the policy would not run it, and no test would see that.
#[test]
fn the_page_has_no_inline_code_and_names_no_other_host() {
    let mut pages = Vec::new();
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("static"),
        &mut pages,
    );
    pages.retain(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("html" | "css" | "js"))
    });
    assert!(pages.len() > 5, "the page was not found");
    for path in pages {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.display();
        if path
            .extension()
            .is_some_and(|extension| extension == "html")
        {
            assert!(!text.contains("<style"), "{name} has inline styles");
            assert!(!text.contains(" style="), "{name} has inline styles");
            for script in text.split("<script").skip(1) {
                let (tag, rest) = script.split_once('>').unwrap();
                assert!(tag.contains(" src="), "{name} has an inline script");
                assert!(rest.starts_with("</script>"), "{name} has an inline script");
            }
            let handler = |word: &str| word.starts_with("on") && word.contains("=\"");
            assert!(
                !text.split_whitespace().any(handler),
                "{name} has a handler"
            );
        }
        for loaded in [
            "src=\"http",
            "src=\"//",
            "url(http",
            "url(//",
            "@import",
            "from 'http",
        ] {
            assert!(!text.contains(loaded), "{name} says {loaded}");
        }
        for danger in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!text.contains(danger), "{name} says {danger}");
        }
    }
}

#[tokio::test]
async fn no_path_leads_out_of_the_page() {
    let server = TestServer::start().await;
    for path in [
        "/../Cargo.toml",
        "/js/../../Cargo.toml",
        "/js/../../src/main.rs",
        "/%2e%2e/Cargo.toml",
        "/..%2fCargo.toml",
        "/%2e%2e%2fCargo.toml",
        "/..%5cCargo.toml",
        "/..\\Cargo.toml",
        "/js/..%00/main.js",
        "/index.html%00.js",
        "//etc/passwd",
        "///etc/passwd",
        "/./etc/passwd",
        "/file:///etc/passwd",
        "/static/index.html",
        "/js/",
        "/js",
        "/.",
        "/..",
        "/socket.io/../Cargo.toml",
    ] {
        let answer = get(&server, path).await;
        assert!(matches!(status(&answer), "404" | "400"), "{path}: {answer}");
        assert!(!answer.contains("[package]"), "{path}");
        assert!(!answer.contains("root:"), "{path}");
    }
    // An absolute form names a host of its own, and gets the page like any other.
    let answer = get(&server, "http://elsewhere/../Cargo.toml").await;
    assert!(!answer.contains("[package]"));
    server.stop().await;
}

#[tokio::test]
async fn odd_methods_are_refused_in_words() {
    let server = TestServer::start().await;
    for (method, path, allowed) in [
        ("TRACE", "/", "GET, HEAD"),
        ("BREW", "/", "GET, HEAD"),
        ("get", "/", "GET, HEAD"),
        ("POST", "/js/main.js", "GET, HEAD"),
        ("DELETE", "/api/server", "GET, HEAD"),
        ("TRACE", "/api/auth/me", "GET, PATCH, DELETE, HEAD"),
        ("PUT", "/api/auth/login", "POST"),
        ("GET", "/api/auth/logout", "POST"),
    ] {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = raw(&server, request.as_bytes()).await;
        assert_eq!(status(&answer), "405", "{method} {path}");
        assert!(answer.contains("method_not_allowed"), "{method} {path}");
        let header = format!("allow: {allowed}\r\n");
        assert!(answer.contains(&header), "{method} {path}: {answer}");
    }
    // The first of two hosts was asked for, whichever of them a proxy had looked at.
    let twice = "GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n";
    let answer = raw(&server, twice.as_bytes()).await;
    assert_eq!(status(&answer), "400", "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    // Without one it was answered as if it had named this server; only HTTP/1.0 may.
    for path in ["/", "/healthz", "/socket.io/?EIO=4&transport=polling"] {
        let nameless = format!("GET {path} HTTP/1.1\r\n\r\n");
        let answer = raw(&server, nameless.as_bytes()).await;
        assert_eq!(status(&answer), "400", "{answer}");
        assert!(answer.contains("Host header"), "{answer}");
        let old = format!("GET {path} HTTP/1.0\r\n\r\n");
        let answer = raw(&server, old.as_bytes()).await;
        assert_eq!(status(&answer), "200", "{answer}");
    }
    for request in [
        "CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\nconnection: close\r\n\r\n",
        "G\u{0}T / HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET / HTTP/9.9\r\nhost: x\r\n\r\n",
        "GET  HTTP/1.1\r\n\r\n",
        "\r\n\r\n\r\n\r\nhello\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}",
    ] {
        let mut request = request.as_bytes().to_vec();
        // Whatever else it waits for does not come.
        request.extend_from_slice(b"\r\n\r\n");
        let answer = raw(&server, &request).await;
        assert!(
            matches!(status(&answer), "400" | "404" | "405" | "505" | "none"),
            "{answer}"
        );
    }
    assert_eq!(server.send("GET", "/healthz", None, "").await.body, "ok");
    server.stop().await;
}

/// The header was believed, which a proxy that reads the target had not looked at.
#[tokio::test]
async fn the_host_of_an_absolute_target_counts_and_not_that_of_the_header() {
    let server = TestServer::start().await;
    for (target, host, answered) in [
        ("http://chat.example.org", "evil.example", "101"),
        ("http://evil.example", "chat.example.org", "400"),
        ("", "chat.example.org", "101"),
    ] {
        let request = format!(
            "GET {target}/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: {host}\r\n\
             origin: http://chat.example.org\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        // What is no packet ends a session that was opened.
        let answer = raw(&server, &[request.as_bytes(), &[0xff; 16]].concat()).await;
        assert_eq!(status(&answer), answered, "{target} {host}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn huge_headers_and_paths_are_refused_and_harm_nobody() {
    let server = TestServer::start().await;
    let ada = server.register("ada").await;
    let mut socket = server.connect(&ada).await;
    let with = |more: &str| format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n");
    let many: String = (0..200)
        .map(|number| format!("x-{number}: y\r\n"))
        .collect();
    for (name, request) in [
        (
            "one of 64 KiB",
            with(&format!("cookie: {}\r\n", "x".repeat(64 << 10))),
        ),
        ("200 headers", with(&many)),
        (
            "one without an end",
            format!("GET / HTTP/1.1\r\nx: {}", "x".repeat(1 << 20)),
        ),
    ] {
        let answer = raw(&server, request.as_bytes()).await;
        assert!(
            matches!(status(&answer), "431" | "400" | "none"),
            "{name}: {answer}"
        );
    }
    let answer = get(&server, &format!("/{}", "x".repeat(100_000))).await;
    assert!(
        matches!(status(&answer), "414" | "431" | "404" | "none"),
        "{answer}"
    );
    let long = "y".repeat(10_000);
    let reply = server.send("GET", "/api/auth/me", Some(&long), "").await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    let (ack, _) = socket
        .call(1, "presence_subscribe", serde_json::json!({"user_ids": []}))
        .await;
    assert_eq!(ack["success"], true);
    server.stop().await;
}
