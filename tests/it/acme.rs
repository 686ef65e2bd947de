//! A certificate by ACME from Pebble, Let's Encrypt's authority for tests (in Debian: the package
//! pebble). `PEBBLE` names the folder of its two executables; without them the test is left out.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use chatd::config::{Acme, Config, TlsSource};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{config, soon};

const DOMAIN: &str = "chat.example";

/// A port that was free a moment ago: Pebble can be given no other.
async fn port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

fn run(folder: &str, name: &str, arguments: &[&str]) -> Child {
    Command::new(Path::new(folder).join(name))
        .args(arguments)
        .env("PEBBLE_VA_NOSLEEP", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn dial(
    port: u16,
    name: &str,
    root: &CertificateDer<'static>,
) -> Option<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    soon(connector.connect(name, stream)).await.ok()
}

/// Tries again until it works.
async fn until<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    soon(async {
        loop {
            if let Some(done) = attempt().await {
                return done;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await
}

#[tokio::test]
#[ignore = "needs Pebble's executables: PEBBLE=/usr/bin cargo test --test it acme -- --ignored"]
async fn a_name_is_proved_and_its_certificate_is_used_and_kept() {
    let pebble = std::env::var("PEBBLE").expect("PEBBLE names the folder of its executables");
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), made.key_pair.serialize_pem()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = listener.local_addr().unwrap().port();
    let (api, management, dns) = (port().await, port().await, port().await);
    let settings = serde_json::json!({"pebble": {
        "listenAddress": format!("127.0.0.1:{api}"),
        "managementListenAddress": format!("127.0.0.1:{management}"),
        "certificate": path("cert.pem"), "privateKey": path("key.pem"),
        "httpPort": 1, "tlsPort": ours,
    }});
    std::fs::write(path("pebble.json"), settings.to_string()).unwrap();
    let dns = format!("127.0.0.1:{dns}");
    let _names = run(
        &pebble,
        "pebble-challtestsrv",
        &[
            "-defaultIPv4",
            "127.0.0.1",
            "-defaultIPv6",
            "",
            "-dns01",
            &dns,
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
            "-management",
            &format!("127.0.0.1:{}", port().await),
        ],
    );
    let authority = run(
        &pebble,
        "pebble",
        &[
            "-config",
            &path("pebble.json"),
            "-dnsserver",
            &dns,
            "-strict",
        ],
    );
    let own = made.cert.der().clone();
    until(async || dial(api, "localhost", &own).await).await;
    let stream = until(async || dial(management, "localhost", &own).await).await;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get("/roots/0").header("host", "localhost");
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let root = sender.send_request(request).await.unwrap();
    let root = root.collect().await.unwrap().to_bytes();
    let root = CertificateDer::from_pem_slice(&root).unwrap();

    let acme = Acme {
        domains: vec![DOMAIN.to_owned()],
        directory: Some(format!("https://localhost:{api}/dir")),
        root: Some(made.cert.pem()),
        cache: folder.path().join("acme"),
    };
    let serve = |listener: TcpListener| {
        let config = Config {
            tls: Some(TlsSource::Acme(acme.clone())),
            ..config()
        };
        tokio::spawn(chatd::server::run(
            config,
            listener,
            |_| {},
            std::future::pending(),
        ))
    };
    let server = serve(listener);
    until(async || dial(ours, DOMAIN, &root).await).await;
    server.abort();

    // The next start has the certificate at once, without the authority.
    drop(authority);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = listener.local_addr().unwrap().port();
    let _server = serve(listener);
    until(async || dial(ours, DOMAIN, &root).await).await;
}
