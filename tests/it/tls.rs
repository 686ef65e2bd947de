//! TLS inside: what is spoken above it, and certificates that change.

use std::path::Path;
use std::sync::Arc;

use chatd::config::{Config, TlsFiles, TlsSource};
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{TestServer, config, soon};

/// Writes a new certificate for localhost and its key.
pub fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("key.pem"), made.key_pair.serialize_pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

pub fn files(folder: &Path) -> TlsFiles {
    TlsFiles {
        cert: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    }
}

/// A connection that trusts this certificate and speaks one of these protocols.
pub async fn dial(
    server: &TestServer,
    trusted: &CertificateDer<'static>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(trusting(trusted, protocols));
    soon(connector.connect(name, stream)).await
}

/// The first words of a handshake.
pub fn client_hello(trusted: &CertificateDer<'static>) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(trusting(trusted, &["h2"]), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

fn trusting(trusted: &CertificateDer<'static>, protocols: &[&str]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().into())
        .collect();
    Arc::new(config)
}

async fn body(response: Response<hyper::body::Incoming>) -> (StatusCode, Value) {
    let status = response.status();
    let body = soon(response.collect()).await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn start(folder: &Path) -> (TestServer, CertificateDer<'static>) {
    let cert = certify(folder);
    let server = TestServer::with(Config {
        tls: Some(TlsSource::Files(files(folder))),
        ..config()
    })
    .await;
    (server, cert)
}

#[tokio::test]
async fn rest_is_spoken_by_http_1_and_2_and_a_websocket_by_1() {
    let folder = tempfile::tempdir().unwrap();
    let (server, cert) = start(folder.path()).await;
    let code = server.setup_code.clone().unwrap();

    let stream = dial(&server, &cert, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut http2, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let ask = |method: &str, path: &str, token: &str, body: Value| {
        Request::builder()
            .method(method)
            .uri(format!("https://localhost{path}"))
            .header("authorization", format!("Bearer {token}"))
            .body(Full::<Bytes>::from(body.to_string()))
            .unwrap()
    };
    let wish = json!({"username": "ada", "password": "password1", "invite": code});
    let made = ask("POST", "/api/auth/register", "", wish);
    let (status, made) = body(http2.send_request(made).await.unwrap()).await;
    assert_eq!(status, StatusCode::CREATED);
    let token = made["data"]["token"].as_str().unwrap();
    // The link is for the world: by the scheme and the host that were used here.
    let invite = ask("POST", "/api/admin/invites", token, json!({}));
    let (_, invite) = body(http2.send_request(invite).await.unwrap()).await;
    let url = invite["data"]["url"].as_str().unwrap();
    assert!(url.starts_with("https://localhost/?invite="), "{url}");
    // A session by polling, over HTTP/2.
    let path = "/socket.io/?EIO=4&transport=polling";
    let opened = soon(http2.send_request(ask("GET", path, "", json!(null)))).await;
    assert_eq!(opened.unwrap().status(), StatusCode::OK);

    let stream = dial(&server, &cert, &["http/1.1"]).await.unwrap();
    let (mut http1, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut me = ask("GET", "/api/auth/me", token, json!(null));
    let host = HeaderValue::from_static("localhost");
    me.headers_mut().insert("host", host);
    let (status, me) = body(http1.send_request(me).await.unwrap()).await;
    assert_eq!(
        (status, &me["data"]["username"]),
        (StatusCode::OK, &json!("ada"))
    );

    let stream = dial(&server, &cert, &[]).await.unwrap();
    let url = "wss://localhost/socket.io/?EIO=4&transport=websocket";
    let (mut socket, _) = soon(tokio_tungstenite::client_async(url, stream))
        .await
        .unwrap();
    assert!(soon(socket.next()).await.unwrap().unwrap().is_text());
    let connect = format!("40{}", json!({ "token": token }));
    socket.send(Message::text(connect)).await.unwrap();
    let welcome = soon(socket.next()).await.unwrap().unwrap();
    assert!(welcome.to_text().unwrap().starts_with("40{\"sid\""));
    drop((http1, http2));
    server.stop().await;
}

#[tokio::test]
async fn a_new_certificate_is_used_for_new_connections_and_old_ones_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let (server, old) = start(folder.path()).await;
    let stream = dial(&server, &old, &[]).await.unwrap();
    let url = "wss://localhost/socket.io/?EIO=4&transport=websocket";
    let (mut socket, _) = soon(tokio_tungstenite::client_async(url, stream))
        .await
        .unwrap();
    soon(socket.next()).await.unwrap().unwrap();

    let new = certify(folder.path());
    // The server says nowhere that it has read the files, so it is called until it has.
    let called = async {
        while dial(&server, &new, &[]).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    soon(called).await;
    assert!(dial(&server, &old, &[]).await.is_err());
    socket
        .send(Message::text("40{\"token\":\"x\"}"))
        .await
        .unwrap();
    let refused = soon(socket.next()).await.unwrap().unwrap();
    assert!(refused.to_text().unwrap().contains("invalid_token"));
    server.stop().await;
}

#[tokio::test]
async fn whoever_speaks_no_tls_or_says_nothing_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (server, cert) = start(folder.path()).await;
    let silent = TcpStream::connect(server.address).await.unwrap();
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = soon(plain.read_to_end(&mut answer)).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    assert!(dial(&server, &cert, &[]).await.is_ok());
    // One that never ends its handshake does not hold the stop up either.
    server.stop().await;
    drop(silent);
}

#[tokio::test]
async fn plain_http_at_the_port_of_https_is_answered_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _) = start(folder.path()).await;
    let post = [
        "POST /api/auth/login HTTP/1.1\r\nhost: chat.example.org\r\ncontent-length: 40000\r\n\r\n",
        &"x".repeat(40_000),
    ]
    .concat();
    for (asked, words) in [
        (
            "GET /?setup=x HTTP/1.1\r\nhost: chat.example.org:8443\r\n\r\n",
            &[
                "HTTP/1.1 308 ",
                "\r\nlocation: https://chat.example.org:8443/?setup=x\r\n",
            ][..],
        ),
        (
            "GET / HTTP/1.1\r\n\r\n",
            &[
                "HTTP/1.1 400 ",
                "plain HTTP request was sent to the HTTPS port",
            ],
        ),
        (&post, &["HTTP/1.1 400 ", "HTTPS port"]),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &["HTTP/1.1 400 "]),
    ] {
        let mut plain = TcpStream::connect(server.address).await.unwrap();
        plain.write_all(asked.as_bytes()).await.unwrap();
        plain.shutdown().await.unwrap();
        let mut answer = String::new();
        soon(plain.read_to_string(&mut answer)).await.unwrap();
        for words in words {
            assert!(answer.contains(words), "{words}: {answer}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_stops_the_start_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let started = async || {
        let config = Config {
            tls: Some(TlsSource::Files(files(folder.path()))),
            ..config()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ended = chatd::server::run(config, listener, |_| {}, std::future::pending());
        soon(ended).await.unwrap_err().to_string()
    };
    assert!(started().await.contains("cannot be read"));
    certify(folder.path());
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("key.pem", "nothing");
    assert!(started().await.contains("no private key"));
    let other = rcgen::KeyPair::generate().unwrap();
    write("key.pem", &other.serialize_pem());
    assert!(started().await.contains("together"));
    write("cert.pem", "nothing");
    assert!(started().await.contains("no certificate"));
    // Behind the byte order mark of an editor they are found.
    certify(folder.path());
    for name in ["cert.pem", "key.pem"] {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        write(name, &format!("\u{feff}{text}"));
    }
    TestServer::with(Config {
        tls: Some(TlsSource::Files(files(folder.path()))),
        ..config()
    })
    .await
    .stop()
    .await;
}
