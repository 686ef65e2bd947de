//! Key sets of other systems' tokens that are read by `https`: slow, gone, wrong, and replaced
//! under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chatd::accounts::ForeignTokens;
use chatd::config::{Config, KeySource, Reload};
use chatd::outgoing::Fetcher;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::support::{Person, TestServer, Wire, config, soon};

const JWKS: &str = include_str!("../keys/jwks.json");

/// What the issuer says to who asks for its keys.
#[derive(Clone)]
enum Answer {
    Text(u16, String),
    /// Half an answer, and then nothing.
    Hangs,
    /// The connection ends.
    Nothing,
}

/// An identity provider.
struct Issuer {
    port: u16,
    certificate: String,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
}

fn set(kids: &[&str]) -> Answer {
    let mut set: Value = serde_json::from_str(JWKS).unwrap();
    let keys = set["keys"].as_array_mut().unwrap();
    keys.retain(|key| kids.contains(&key["kid"].as_str().unwrap()));
    Answer::Text(200, set.to_string())
}

impl Issuer {
    async fn start(answer: Answer) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.key_pair.serialize_der()).unwrap();
        let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Self {
            port: listener.local_addr().unwrap().port(),
            certificate: made.cert.pem(),
            answer: Arc::new(Mutex::new(answer)),
            asked: Arc::default(),
        };
        let (answer, asked) = (Arc::clone(&issuer.answer), Arc::clone(&issuer.asked));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                asked.fetch_add(1, Ordering::SeqCst);
                let (tls, answer) = (tls.clone(), answer.lock().clone());
                tokio::spawn(say(tls, stream, answer));
            }
        });
        issuer
    }

    fn says(&self, answer: Answer) {
        *self.answer.lock() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// A server that accepts its tokens, and by what its keys are read again at once.
    async fn server(&self) -> (TestServer, Reload) {
        let url = format!("https://localhost:{}/keys?key=hidden", self.port);
        let fetcher = Fetcher::trusting(Some(&self.certificate)).unwrap();
        let mut foreign_tokens = ForeignTokens::new(None, None, true);
        foreign_tokens.expect_set(0);
        let config = Config {
            foreign_tokens,
            jwks: vec![KeySource::Url(url.parse().unwrap(), fetcher)],
            ..config()
        };
        let reload = config.reload.clone();
        (TestServer::with(config).await, reload)
    }
}

async fn say(tls: TlsAcceptor, stream: TcpStream, answer: Answer) {
    let Ok(mut stream) = tls.accept(stream).await else {
        return;
    };
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let text = match &answer {
        Answer::Text(status, body) => format!(
            "HTTP/1.1 {status} x\r\nlocation: https://localhost:1/\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
        Answer::Hangs => "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{".to_owned(),
        Answer::Nothing => String::new(),
    };
    let _ = stream.write_all(text.as_bytes()).await;
    if matches!(answer, Answer::Hangs) {
        // Until the other end has enough of it.
        let _ = stream.read_u8().await;
    }
    let _ = stream.shutdown().await;
}

/// A token of person 29 signed by this key.
fn token(kid: &str, number: u64) -> Person {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let secs = now.as_secs();
    let (algorithm, key) = match &kid[..2] {
        "ec" => (
            Algorithm::ES256,
            EncodingKey::from_ec_pem(include_bytes!("../keys/ec.private.pem")).unwrap(),
        ),
        _ => (
            Algorithm::EdDSA,
            EncodingKey::from_ed_pem(include_bytes!("../keys/ed.private.pem")).unwrap(),
        ),
    };
    let header = Header {
        kid: Some(kid.into()),
        ..Header::new(algorithm)
    };
    let claims = json!({"sub": "29", "exp": secs + 600, "iat": secs, "jti": number});
    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    Person {
        id: 29,
        token: token.into(),
    }
}

async fn status(server: &TestServer, person: &Person) -> u16 {
    let path = "/api/auth/me";
    let reply = server.send("GET", path, Some(&person.token), "").await;
    reply.status.as_u16()
}

async fn is_alive(socket: &mut Wire) -> bool {
    let payload = json!({"user_ids": []});
    let (ack, before) = socket.call(1, "presence_subscribe", payload).await;
    ack["success"] == true && before.is_empty()
}

/// A token that comes before the set was read waits for it, and so does one of a key that is newer
/// than the set. However many name keys that nobody has, the issuer is asked once in 10 s.
#[tokio::test]
async fn a_new_key_counts_as_soon_as_a_token_names_it_and_strangers_do_not_have_the_issuer_asked() {
    let issuer = Issuer::start(set(&["ed-1"])).await;
    let (server, _) = issuer.server().await;
    let mut socket = server.connect(&token("ed-1", 0)).await;
    assert_eq!(issuer.asked(), 1);
    issuer.says(set(&["ed-1", "ec-1"]));
    let began = tokio::time::Instant::now();
    let strangers = (0..50).map(async |number| {
        let token = token(&format!("ed-{}", number + 100), number);
        status(&server, &token).await
    });
    let (new, old) = (token("ec-1", 1), token("ed-1", 2));
    let old = async {
        let answer = status(&server, &old).await;
        (answer, began.elapsed() < Duration::from_secs(5))
    };
    let (new, old, strangers) = tokio::join!(
        server.connect(&new),
        old,
        futures_util::future::join_all(strangers)
    );
    assert_eq!(old, (200, true), "who has a known key waits for nothing");
    assert!(strangers.iter().all(|status| *status == 401));
    let turns = 2 + began.elapsed().as_secs() / 10;
    assert!(
        (2..=turns as usize).contains(&issuer.asked()),
        "{}",
        issuer.asked()
    );
    let mut new = new;
    assert!(is_alive(&mut socket).await && is_alive(&mut new).await);
    server.stop().await;
}

#[tokio::test]
async fn nobody_is_put_out_while_the_issuer_is_slow_gone_or_wrong_or_forgets_a_key() {
    let issuer = Issuer::start(set(&["ed-1"])).await;
    let (server, reload) = issuer.server().await;
    let mut socket = server.connect(&token("ed-1", 0)).await;
    for (number, answer) in (1..).zip([
        Answer::Nothing,
        Answer::Text(500, "{}".into()),
        Answer::Text(302, String::new()),
        Answer::Text(200, "<html>".into()),
        Answer::Text(200, r#"{"keys":[]}"#.into()),
        Answer::Text(200, "x".repeat(2 << 20)),
        Answer::Hangs,
        // One of several servers of the issuer has the new key alone.
        set(&["ec-1"]),
    ]) {
        let before = issuer.asked();
        issuer.says(answer);
        soon(reload.again()).await;
        assert!(issuer.asked() > before);
        assert!(is_alive(&mut socket).await, "answer {number}");
        assert_eq!(status(&server, &token("ed-1", number)).await, 200);
    }
    assert_eq!(status(&server, &token("ec-1", 0)).await, 200);
    server.stop().await;
}

/// The server starts while the issuer is down, and those who come wait for it.
#[tokio::test]
async fn a_server_whose_issuer_is_not_there_yet_lets_people_in_as_soon_as_it_is() {
    let issuer = Issuer::start(Answer::Nothing).await;
    let (server, reload) = issuer.server().await;
    let admin = server.admin().await;
    assert!(admin.id >= 1 << 52, "ids below are the app's");
    let early = token("ed-1", 0);
    let (socket, ()) = tokio::join!(server.connect(&early), async {
        while issuer.asked() == 0 {
            tokio::task::yield_now().await;
        }
        issuer.says(set(&["ed-1"]));
        soon(reload.again()).await;
    });
    let mut socket = socket;
    assert!(is_alive(&mut socket).await);
    server.stop().await;
}
