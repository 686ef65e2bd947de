//! Mode `rest`: pages of 50 by keep-alive connections, one request outstanding on each.

use std::fmt;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use memchr::memmem;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::Value;

use crate::Error;
use crate::net::{Net, join_all};
use crate::server::{Site, tokens};
use crate::talk::{Random, Shape, Talk, Waits, waits};

use super::talking::{AT_ONCE, Times, ms};

/// How many rows a page has.
pub(crate) const PAGE: usize = 50;
const CONNECTIONS: usize = 16;
/// Those whose recents are asked: each has that many others.
const RECENTS: usize = PAGE + 4;

/// A page that can be asked for, and what each of its rows has once.
#[derive(Clone)]
pub(crate) struct Question {
    request: Vec<u8>,
    row: &'static [u8],
}

/// What was asked, and how it was answered.
pub(crate) struct Rested {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) waits: Waits,
    pub(crate) cpu: Duration,
    pub(crate) bytes: u64,
    /// Answers that were no success or had fewer rows than a page.
    pub(crate) wrong: u64,
}

impl Rested {
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }
}

impl fmt::Display for Rested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} requests a second, p50 {:.3}, p99 {:.3} ms, {:.0} bytes each, {:.1} us of CPU each, {} wrong",
            self.rate(),
            ms(&self.waits, 0.5),
            ms(&self.waits, 0.99),
            self.bytes as f64 / self.requests.max(1) as f64,
            self.cpu.as_secs_f64() * 1e6 / self.requests.max(1) as f64,
            self.wrong
        )
    }
}

/// Writes what is to be read: everybody to everybody, and 50 times to one. Gives how many messages
/// there are since the start of the server's ids.
pub(crate) fn fill(site: Site, first_id: u64) -> Result<u64, Error> {
    let mut net = Net::new(site.address, tokens(first_id, RECENTS)?)?;
    join_all(&mut net, AT_ONCE)?;
    let mut last_id = 0;
    for (peers, each) in [(RECENTS - 1, RECENTS - 1), (1, PAGE)] {
        let shape = Shape {
            peers,
            ..Shape::new(RECENTS)
        };
        let mut talk = Talk::new(&shape, first_id)?;
        for _ in 0..each {
            for who in 0..RECENTS {
                talk.send(&mut net, who, Instant::now());
            }
        }
        let verdict = talk.finish(&mut net)?;
        if !verdict.is_clean() {
            return Err(format!("what is to be read could not be written: {verdict}").into());
        }
        last_id = talk.last_id();
    }
    Ok(last_id)
}

/// The recents of these users, and the history of each with one of those whom they name; of those
/// who have enough.
pub(crate) fn questions(site: Site, ids: &[u64]) -> Result<[Vec<Question>; 2], Error> {
    let (mut histories, mut recents) = (Vec::new(), Vec::new());
    let mut random = Random(1);
    for id in ids {
        let token = tokens(*id, 1)?.remove(0);
        let request = |path: &str| {
            format!(
                "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"
            )
            .into_bytes()
        };
        let asked = request(&format!("/api/chats?limit={PAGE}"));
        let answer = ask(site, &asked)?;
        let Some(chats) = answer["data"].as_array() else {
            return Err(format!("no recents: {answer}").into());
        };
        if chats.len() == PAGE {
            recents.push(Question {
                request: asked,
                row: b"\"unread_count\"",
            });
        }
        let begin = random.next() as usize;
        for at in 0..chats.len().min(8) {
            let peer = &chats[(begin + at) % chats.len()]["user_id"];
            let asked = request(&format!("/api/chats/history/{peer}?limit={PAGE}"));
            let answer = ask(site, &asked)?;
            if answer["data"]
                .as_array()
                .is_some_and(|rows| rows.len() == PAGE)
            {
                histories.push(Question {
                    request: asked,
                    row: b"\"is_read\"",
                });
                break;
            }
        }
    }
    Ok([histories, recents])
}

/// The users that `fill` wrote for.
pub(crate) fn filled(first_id: u64) -> Vec<u64> {
    (first_id..first_id + RECENTS as u64).collect()
}

/// Asks once, on a connection of its own.
fn ask(site: Site, request: &[u8]) -> Result<Value, Error> {
    let mut stream = std::net::TcpStream::connect(site.address)?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let mut some = [0; 16_384];
    loop {
        let count = stream.read(&mut some)?;
        answer.extend_from_slice(&some[..count]);
        if let Some((head, length)) = whole(&answer)? {
            return Ok(serde_json::from_slice(&answer[head..length])?);
        }
        if count == 0 {
            return Err("an answer broke off".into());
        }
    }
}

/// Where the body of an answer begins and ends, once it is all there.
fn whole(bytes: &[u8]) -> Result<Option<(usize, usize)>, Error> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes)? else {
        return Ok(None);
    };
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .ok_or("an answer without a content-length")?;
    let length: usize = std::str::from_utf8(length.value)?.trim().parse()?;
    Ok((bytes.len() >= head + length).then_some((head, head + length)))
}

struct Asking {
    stream: TcpStream,
    answer: Vec<u8>,
    question: usize,
    asked: Instant,
}

/// Asks these again and again.
pub(crate) fn run(site: Site, questions: &[Question], times: Times) -> Result<Rested, Error> {
    if questions.is_empty() {
        return Err("nobody has pages that are full".into());
    }
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(CONNECTIONS);
    let mut asking = Vec::new();
    for number in 0..CONNECTIONS {
        let stream = std::net::TcpStream::connect(site.address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry()
            .register(&mut stream, Token(number), Interest::READABLE)?;
        asking.push(Asking {
            stream,
            answer: Vec::new(),
            question: number % questions.len(),
            asked: Instant::now(),
        });
    }
    for one in &mut asking {
        one.asked = Instant::now();
        one.stream.write_all(&questions[one.question].request)?;
    }
    let begin = Instant::now();
    let (from, to) = (begin + times.warm, begin + times.warm + times.measure);
    let mut rested = Rested {
        requests: 0,
        seconds: 0.0,
        waits: waits()?,
        cpu: Duration::ZERO,
        bytes: 0,
        wrong: 0,
    };
    let mut measured = None;
    let mut next = CONNECTIONS;
    let mut scratch = vec![0; 64 * 1_024];
    while Instant::now() < to {
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        if measured.is_none() && Instant::now() >= from {
            measured = Some((Instant::now(), site.cpu()?));
        }
        for event in &events {
            let one = &mut asking[event.token().0];
            let mut answered = None;
            // Nothing follows an answer, so that nobody need look.
            while answered.is_none() {
                match one.stream.read(&mut scratch) {
                    Ok(0) => return Err("the server closed a connection that is kept alive".into()),
                    Ok(count) => one.answer.extend_from_slice(&scratch[..count]),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
                answered = whole(&one.answer)?;
            }
            if let Some((head, length)) = answered {
                let body = &one.answer[head..length];
                let row = questions[one.question].row;
                let good = one.answer.starts_with(b"HTTP/1.1 200")
                    && body.starts_with(b"{\"success\":true")
                    && memmem::find_iter(body, row).count() == PAGE;
                rested.wrong += u64::from(!good);
                if measured.is_some() {
                    rested.requests += 1;
                    rested.bytes += length as u64;
                    let wait = one.asked.elapsed();
                    rested.waits.saturating_record(wait.as_nanos() as u64);
                }
                one.answer.clear();
                one.question = next % questions.len();
                next += 1;
                one.asked = Instant::now();
                one.stream.write_all(&questions[one.question].request)?;
            }
        }
    }
    if let Some((from, cpu)) = measured {
        rested.seconds = from.elapsed().as_secs_f64();
        rested.cpu = site.cpu()? - cpu;
    }
    Ok(rested)
}
