//! Receivers that redirect, lie, hang and never end, and names that change their mind.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Answer, Holder, Looking, Names, Outbound, OutboundError, Reach, Target, Trust};

const PATIENCE: Duration = Duration::from_secs(10);
const ADA: Holder = Holder(1);
const BOB: Holder = Holder(2);

/// A receiver that says the same to each request.
struct Receiver {
    port: u16,
    connections: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
}

/// Reads one request; `None` at the end of the connection.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => read.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}

impl Receiver {
    /// Answers with these parts. After the last, the connection stays open if that is an answer's
    /// end, and hangs.
    async fn saying(parts: Vec<Vec<u8>>, closes: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            connections: Arc::default(),
            heard: Arc::default(),
        };
        let (connections, heard) = (
            Arc::clone(&receiver.connections),
            Arc::clone(&receiver.heard),
        );
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                let (parts, heard) = (parts.clone(), Arc::clone(&heard));
                tokio::spawn(async move {
                    while let Some(text) = request(&mut stream).await {
                        heard.lock().push(text);
                        for part in &parts {
                            if stream.write_all(part).await.is_err() {
                                return;
                            }
                        }
                        if closes {
                            return;
                        }
                    }
                });
            }
        });
        receiver
    }

    async fn answering(text: &str) -> Self {
        Self::saying(vec![text.as_bytes().to_vec()], false).await
    }

    fn target(&self) -> Target {
        format!("http://127.0.0.1:{}/hook?key=1", self.port)
            .parse()
            .unwrap()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn outbound(reach: Reach) -> Outbound {
    Outbound::new(Trust::with(None).unwrap(), reach, 4)
}

async fn post(outbound: &Outbound, target: &Target) -> Result<Answer, OutboundError> {
    post_of(ADA, outbound, target).await
}

async fn post_of(
    holder: Holder,
    outbound: &Outbound,
    target: &Target,
) -> Result<Answer, OutboundError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = Bytes::from_static(b"{\"a\":1}");
    outbound.post(holder, target, headers, body, PATIENCE).await
}

#[tokio::test]
async fn a_request_is_whole_and_its_connection_is_used_again() {
    let receiver =
        Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nretry-after: 7\r\n\r\nok")
            .await;
    let outbound = outbound(Reach::Private);
    for _ in 0..3 {
        let answer = post(&outbound, &receiver.target()).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(answer.body_start, "ok");
    }
    assert_eq!(receiver.connections(), 1);
    let heard = receiver.heard.lock()[2].clone();
    assert!(
        heard.starts_with("POST /hook?key=1 HTTP/1.1\r\n"),
        "{heard}"
    );
    assert!(heard.contains(&format!("host: 127.0.0.1:{}\r\n", receiver.port)));
    assert!(heard.ends_with("\r\n\r\n{\"a\":1}"), "{heard}");
}

#[tokio::test]
async fn a_connection_that_the_other_end_closed_costs_no_request() {
    let text = b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
    let receiver = Receiver::saying(vec![text], true).await;
    let outbound = outbound(Reach::Private);
    for _ in 0..20 {
        let answer = post(&outbound, &receiver.target()).await.unwrap();
        assert_eq!(answer.status, 204);
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let text = format!(
        "HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\n\r\n",
        elsewhere.port
    );
    let receiver = Receiver::answering(&text).await;
    let answer = post(&outbound(Reach::Private), &receiver.target()).await;
    assert_eq!(answer.unwrap().status, 307);
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn private_addresses_are_not_spoken_to_unless_that_is_allowed() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let outbound = outbound(Reach::Public);
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::7f00:1]",
        "0.0.0.0",
        "169.254.169.254",
        "[64:ff9b::7f00:1]",
    ] {
        let target = format!("http://{host}:{}/", receiver.port).parse().unwrap();
        let posted = post(&outbound, &target).await;
        assert!(
            matches!(posted, Err(OutboundError::Private)),
            "{host}: {posted:?}"
        );
        let looked = outbound.look(ADA, &target, PATIENCE).await;
        assert!(matches!(looked, Err(OutboundError::Private)), "{host}");
    }
    assert_eq!(receiver.connections(), 0);
}

/// A resolver that gives another answer each time, the last one for good.
struct Changing(Mutex<Vec<Vec<IpAddr>>>, Arc<AtomicUsize>);

impl Names for Changing {
    fn look_up(&self, _: &str) -> Looking {
        self.1.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.0.lock();
        let answer = match answers.len() {
            1 => answers[0].clone(),
            _ => answers.remove(0),
        };
        Box::pin(async move { io::Result::Ok(answer) })
    }
}

fn changing(answers: &[&[&str]]) -> (Outbound, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let answers = answers
        .iter()
        .map(|answer| answer.iter().map(|text| text.parse().unwrap()).collect())
        .collect();
    let names = Box::new(Changing(Mutex::new(answers), Arc::clone(&asked)));
    let trust = Trust::with(None).unwrap();
    (Outbound::asking(names, trust, Reach::Public, 4), asked)
}

#[tokio::test]
async fn a_name_that_changes_its_answer_leads_to_no_private_address() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let target = format!("http://rebinding.example:{}/", receiver.port)
        .parse()
        .unwrap();
    // Public while it is looked at; private once it is to be spoken to.
    let (outbound, asked) = changing(&[&["8.8.8.8"], &["127.0.0.1"]]);
    outbound.look(ADA, &target, PATIENCE).await.unwrap();
    let posted = post(&outbound, &target).await;
    assert!(matches!(posted, Err(OutboundError::Private)), "{posted:?}");
    // One look-up a request: what was looked at is what is connected to.
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    // Of several addresses the private ones are left out.
    let (outbound, _) = changing(&[&["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1"]]);
    let posted = post(&outbound, &target).await;
    assert!(matches!(posted, Err(OutboundError::Private)), "{posted:?}");
    let (outbound, _) = changing(&[&[]]);
    let posted = post(&outbound, &target).await;
    assert!(matches!(posted, Err(OutboundError::Unresolved(_))));
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn what_an_answer_may_hold_is_bounded() {
    let mut huge = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n".to_vec();
    huge.extend(vec![b'x'; 1 << 20]);
    let receiver = Receiver::saying(vec![huge], false).await;
    let outbound = outbound(Reach::Private);
    let answer = post(&outbound, &receiver.target()).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.body_start.len()),
        (200, 64 << 10)
    );
    post(&outbound, &receiver.target()).await.unwrap();
    assert_eq!(
        receiver.connections(),
        2,
        "one that has more to say is closed"
    );

    let mut head = b"HTTP/1.1 200 OK\r\nx-long: ".to_vec();
    head.extend(vec![b'x'; 1 << 20]);
    let many = "x-a: b\r\n".repeat(1_000);
    for parts in [
        vec![head],
        vec![format!("HTTP/1.1 200 OK\r\n{many}\r\n").into_bytes()],
        vec![b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()],
        vec![b"HTTP/1.1 9 Lies\r\n\r\n".to_vec()],
        vec![b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok".to_vec()],
    ] {
        let receiver = Receiver::saying(parts, false).await;
        let posted = post(&outbound, &receiver.target()).await;
        assert!(matches!(posted, Err(OutboundError::Http(_))), "{posted:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_deadline_binds_all_of_it() {
    let outbound = outbound(Reach::Private);
    for parts in [vec![], vec![b"HTTP/1.1 200 OK\r\nx-a:".to_vec()]] {
        let receiver = Receiver::saying(parts, false).await;
        let posted = post(&outbound, &receiver.target()).await;
        assert!(matches!(posted, Err(OutboundError::Slow)), "{posted:?}");
    }
    // The status is the answer: a body that never ends takes nothing of it away.
    let part = b"HTTP/1.1 201 Created\r\ncontent-length: 10\r\n\r\nabc".to_vec();
    let receiver = Receiver::saying(vec![part], false).await;
    let answer = post(&outbound, &receiver.target()).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), &answer.body_start[..]),
        (201, &b"abc"[..])
    );
}

#[tokio::test]
async fn so_many_requests_are_in_flight_and_the_others_wait() {
    let receiver = Receiver::saying(vec![], false).await;
    let outbound = outbound(Reach::Private);
    let mut posting = Vec::new();
    for number in 0..6 {
        let (outbound, target) = (outbound.clone(), receiver.target());
        posting.push(tokio::spawn(async move {
            let posted = post_of(Holder(number), &outbound, &target).await;
            posted.map(drop)
        }));
    }
    while receiver.heard.lock().len() < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(receiver.connections(), 4);
    posting[0].abort();
    posting[1].abort();
    while receiver.heard.lock().len() < 6 {
        tokio::task::yield_now().await;
    }
    assert_eq!(receiver.connections(), 6);
}

/// All places were held for as long as nothing answered, by the trials of one person.
#[tokio::test]
async fn what_never_answers_one_holder_holds_up_no_other() {
    let hanging = Receiver::saying(vec![], false).await;
    let receiver = Receiver::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
    let outbound = Outbound::new(Trust::with(None).unwrap(), Reach::Private, 16);
    let mut posting = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (outbound, target) = (outbound.clone(), hanging.target());
        posting.spawn(async move { post(&outbound, &target).await.map(drop) });
    }
    while hanging.heard.lock().len() < 2 {
        tokio::task::yield_now().await;
    }
    let answer = post_of(BOB, &outbound, &receiver.target()).await.unwrap();
    assert_eq!(answer.status, 204);
    assert_eq!(hanging.connections(), 2, "an eighth of 16");
}

/// A resolver that never answers for names of `slow.example`.
struct Slow;

impl Names for Slow {
    fn look_up(&self, host: &str) -> Looking {
        match host.ends_with(".slow.example") {
            true => Box::pin(std::future::pending()),
            false => Box::pin(async { Ok(vec![[8, 8, 8, 8].into()]) }),
        }
    }
}

/// 16 names that no resolver answers kept everybody from being told, of whom they were or not.
#[tokio::test(start_paused = true)]
async fn slow_names_of_one_person_or_of_one_domain_hold_up_nobody_else() {
    let trust = || Trust::with(None).unwrap();
    let target = |name: String| -> Target { format!("https://{name}/").parse().unwrap() };
    for holders in [1, 20] {
        let outbound = Outbound::asking(Box::new(Slow), trust(), Reach::Public, 64);
        let slow = (0..20).map(|number| {
            let target = target(format!("{number}.slow.example"));
            let (outbound, holder) = (outbound.clone(), Holder(number % holders + 1));
            async move { outbound.look(holder, &target, PATIENCE).await }
        });
        for looked in futures_util::future::join_all(slow).await {
            assert!(matches!(looked, Err(OutboundError::Slow)), "{looked:?}");
        }
        let works = target("works.example".to_owned());
        let looked = outbound.look(Holder(99), &works, PATIENCE).await;
        assert!(looked.is_ok(), "{looked:?}");
    }
}

#[tokio::test]
async fn a_wish_to_be_left_alone_may_be_a_date_and_has_a_bound() {
    for (text, least, most) in [
        ("0", 0, 0),
        ("120", 120, 120),
        ("999999999", 86_400, 86_400),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 86_400, 86_400),
    ] {
        let head = format!("HTTP/1.1 503 No\r\ncontent-length: 0\r\nretry-after: {text}\r\n\r\n");
        let receiver = Receiver::answering(&head).await;
        let answer = post(&outbound(Reach::Private), &receiver.target())
            .await
            .unwrap();
        let wait = answer.retry_after.unwrap().as_secs();
        assert!((least..=most).contains(&wait), "{text}: {wait}");
    }
}

#[tokio::test]
async fn no_error_says_what_is_secret_in_a_url() {
    let port = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let target = format!("https://127.0.0.1:{port}/T1/secret?key=secret")
        .parse()
        .unwrap();
    let error = post(&outbound(Reach::Private), &target).await.unwrap_err();
    for text in [error.line(), format!("{error:?}")] {
        assert!(!text.contains("secret"), "{text}");
    }
}
