//! Mode `rooms`: one room whose members are all there, and a few people outside it who write to
//! each other.
//!
//! The first round has the people outside alone, for comparison. A reference that knows no rooms of
//! the contract's has everybody that is connected in one: the same frames to the same clients. In
//! the end, where that is asked for, all members lose the network and come back at once.

use std::fmt;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Error;
use crate::net::{Arrivals, Handler, Net, join_all};
use crate::server::{Kind, Site, tokens};
use crate::talk::{Shape, Talk, Verdict, Waits, waits};
use crate::wire::{self, Key};

use super::talking::{AT_ONCE, Pace, ms};

/// How many people are outside, and how many messages a second these send in all.
const OUTSIDE: usize = 10;
const OUTSIDE_RATE: f64 = 200.0;
/// So many ids one request adds to a room.
const ADDED_AT_ONCE: usize = 1_000;
/// So many members may be on their way back at once: less than a listening socket's queue.
const UNDER_WAY: usize = 400;
/// For how long they are gone, in which the server may notice that.
const AWAY: Duration = Duration::from_secs(2);
/// For how long the last deliveries are waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// What every message of the room begins with, before its number.
const MARK: &str = "room message ";
const CHARS: usize = 100;

/// What a room did.
pub(crate) struct Roomed {
    pub(crate) members: usize,
    pub(crate) seconds: f64,
    pub(crate) sent: u64,
    pub(crate) confirmed: u64,
    pub(crate) delivered: u64,
    /// Deliveries that came twice, out of order, or not at all.
    pub(crate) wrong: u64,
    /// From when a message was due to its ack, and to the last member who had it.
    pub(crate) acks: Waits,
    pub(crate) last: Waits,
    /// Of the server in the second round, the people outside included, and of this program.
    pub(crate) cpu: [Duration; 2],
    /// Of the people outside: alone, and beside the room.
    pub(crate) outside: [Waits; 2],
    pub(crate) back: Option<Back>,
    pub(crate) verdict: Verdict,
}

/// How the members came back.
pub(crate) struct Back {
    took: Duration,
    refused: usize,
    /// Of the people outside: after the members had gone, and while they came.
    outside: [Waits; 2],
}

impl Roomed {
    pub(crate) fn is_clean(&self) -> bool {
        self.wrong == 0 && self.confirmed == self.sent && self.verdict.is_clean()
    }
}

impl fmt::Display for Roomed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / self.delivered.max(1) as f64;
        writeln!(
            f,
            "{} members: {} messages confirmed of {} in {:.1} s, {:.0} deliveries a second, {} wrong, {:.2} us of CPU a delivery ({:.2} of the generator)",
            self.members,
            self.confirmed,
            self.sent,
            self.seconds,
            self.delivered as f64 / self.seconds,
            self.wrong,
            each(self.cpu[0]),
            each(self.cpu[1]),
        )?;
        writeln!(
            f,
            "ack: p50 {:.2}, p99 {:.2} ms; to the last member: p50 {:.2}, p99 {:.2}, longest {:.2} ms",
            ms(&self.acks, 0.5),
            ms(&self.acks, 0.99),
            ms(&self.last, 0.5),
            ms(&self.last, 0.99),
            ms(&self.last, 1.0),
        )?;
        let [alone, beside] = &self.outside;
        writeln!(
            f,
            "sends of {OUTSIDE} outside: p50 {:.2}, p99 {:.2} ms; alone {:.2}, {:.2}",
            ms(beside, 0.5),
            ms(beside, 0.99),
            ms(alone, 0.5),
            ms(alone, 0.99)
        )?;
        if let Some(back) = &self.back {
            let [gone, coming] = &back.outside;
            writeln!(
                f,
                "all back in {:.2} s, {} refused; sends outside once they had gone: p99 {:.2}, longest {:.2} ms; while they came: p50 {:.2}, p99 {:.2}, longest {:.2} ms",
                back.took.as_secs_f64(),
                back.refused,
                ms(gone, 0.99),
                ms(gone, 1.0),
                ms(coming, 0.5),
                ms(coming, 0.99),
                ms(coming, 1.0)
            )?;
        }
        write!(f, "{}", self.verdict)
    }
}

/// A message of the room that is on its way.
struct OnItsWay {
    due: Instant,
    left: usize,
}

/// The members of the room, of whom the first one sends.
struct Room {
    who: Range<usize>,
    /// What the sender says in place of the number and the content.
    address: String,
    messages: Vec<OnItsWay>,
    /// How many each has heard.
    heard: Vec<u64>,
    confirmed: u64,
    delivered: u64,
    wrong: u64,
    acks: Waits,
    last: Waits,
    mark: Key,
}

impl Room {
    fn send(&mut self, net: &mut Net, due: Instant) {
        let number = self.messages.len();
        let filling = "x".repeat(CHARS - MARK.len() - 10);
        let content = format!("{MARK}{number:010}{filling}");
        let said = format!(
            "42{number}[\"send_message\",{{{},\"content\":\"{content}\"}}]",
            self.address
        );
        net.say(self.who.start, said.as_bytes());
        let left = self.who.len();
        self.messages.push(OnItsWay { due, left });
    }

    fn acked(&mut self, now: Instant, packet: &[u8]) {
        let number =
            wire::read_number(packet).filter(|(_, rest)| rest.starts_with(b"[{\"success\":true"));
        let message = number.and_then(|(number, _)| self.messages.get(number as usize));
        match message {
            Some(message) => {
                self.confirmed += 1;
                let waited = now.saturating_duration_since(message.due);
                self.acks.saturating_record(waited.as_nanos() as u64);
            }
            None => self.wrong += 1,
        }
    }

    fn received(&mut self, now: Instant, who: usize, packet: &[u8]) {
        let Some(number) = self.mark.number(packet) else {
            return;
        };
        let heard = &mut self.heard[who - self.who.start];
        if *heard != number {
            self.wrong += 1;
        }
        *heard = number + 1;
        self.delivered += 1;
        if let Some(message) = self.messages.get_mut(number as usize) {
            message.left = message.left.saturating_sub(1);
            if message.left == 0 {
                let waited = now.saturating_duration_since(message.due);
                self.last.saturating_record(waited.as_nanos() as u64);
            }
        }
    }

    fn is_done(&self) -> bool {
        self.messages.iter().all(|message| message.left == 0)
            && self.confirmed == self.messages.len() as u64
    }
}

/// The people outside, and the room.
struct Both {
    talk: Talk,
    room: Room,
    /// The members who come back.
    arrivals: Option<Arrivals>,
}

impl Handler for Both {
    fn joined(&mut self, _: &mut Net, _: usize) {
        self.arrivals.iter_mut().for_each(Arrivals::on_joined);
    }

    fn heard(&mut self, net: &mut Net, who: usize, packet: &[u8]) {
        let room = &mut self.room;
        if !room.who.contains(&who) {
            return self.talk.heard(net, who, packet);
        }
        match packet.strip_prefix(b"3") {
            Some(ack) if who == room.who.start => room.acked(net.now, ack),
            Some(_) => room.wrong += 1,
            None if packet.starts_with(b"2[\"room_message\"") => {
                room.received(net.now, who, packet);
            }
            None => {}
        }
    }

    fn left(&mut self, net: &mut Net, who: usize, why: String) {
        if let Some(arrivals) = self
            .arrivals
            .as_mut()
            .filter(|_| self.room.who.contains(&who))
        {
            return arrivals.left(net, who, why);
        }
        self.talk.excused.resize(who + 1, false);
        self.talk.left(net, who, why);
    }
}

/// Messages at this rate into a room of so many members, all of whom are there.
pub(crate) fn rooms(
    (kind, site): (Kind, Site),
    first_id: u64,
    members: usize,
    rate: f64,
    (round, comes_back): (Duration, bool),
) -> Result<Roomed, Error> {
    let who = OUTSIDE..OUTSIDE + members;
    let tokens = tokens(first_id, who.end)?;
    let sender = tokens[who.start].clone();
    let mut net = Net::new(site.address, tokens)?;
    net.version = Some(2);
    join_all(&mut net, AT_ONCE)?;
    let ids: Vec<u64> = who.clone().map(|who| first_id + who as u64).collect();
    let room_id = match kind {
        Kind::Chatd => made(site, &sender, &ids)?,
        Kind::Node | Kind::Router => 1,
    };
    let room = Room {
        address: format!("\"room_id\":{room_id}"),
        messages: Vec::new(),
        heard: vec![0; members],
        who,
        confirmed: 0,
        delivered: 0,
        wrong: 0,
        acks: waits()?,
        last: waits()?,
        mark: Key::new(MARK),
    };
    let talk = Talk::new(&Shape::new(OUTSIDE), first_id)?;
    let arrivals = None;
    let mut both = Both {
        talk,
        room,
        arrivals,
    };
    let alone = outside(&mut net, &mut both, None, round)?;
    let own = Site {
        pid: Some(std::process::id()),
        ..site
    };
    let (before, began) = ([site.cpu()?, own.cpu()?], Instant::now());
    let beside = outside(&mut net, &mut both, Some(rate), round)?;
    let deadline = Instant::now() + PATIENCE;
    while !both.room.is_done() && Instant::now() < deadline {
        net.turn(&mut both, deadline)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let cpu = [site.cpu()? - before[0], own.cpu()? - before[1]];
    let back = comes_back.then(|| back(&mut net, &mut both)).transpose()?;
    let Both { mut talk, room, .. } = both;
    let lost: usize = room.messages.iter().map(|message| message.left).sum();
    let verdict = talk.finish(&mut net)?;
    Ok(Roomed {
        members,
        seconds,
        sent: room.messages.len() as u64,
        confirmed: room.confirmed,
        delivered: room.delivered,
        wrong: room.wrong + lost as u64,
        acks: room.acks,
        last: room.last,
        cpu,
        outside: [alone, beside],
        back,
        verdict,
    })
}

/// One round, with messages into the room at this rate, or none; how long the people outside
/// waited.
fn outside(
    net: &mut Net,
    both: &mut Both,
    rate: Option<f64>,
    round: Duration,
) -> Result<Waits, Error> {
    let begin = Instant::now();
    let to = begin + round;
    (both.talk.counted_from, both.talk.counted_to) = (Some(begin), None);
    let mut pace = Pace::new(begin, OUTSIDE_RATE);
    let mut sent = 0_u64;
    while Instant::now() < to {
        pace.send(net, &mut both.talk, 0..OUTSIDE, to);
        let mut next = to;
        if let Some(rate) = rate {
            let due = |sent: u64| begin + Duration::from_secs_f64(sent as f64 / rate);
            while due(sent) <= Instant::now().min(to) {
                both.room.send(net, due(sent));
                sent += 1;
            }
            next = due(sent);
        }
        net.turn(both, pace.due().min(next).min(to))?;
    }
    both.talk.counted_to = Some(Instant::now());
    Ok(std::mem::replace(&mut both.talk.waits, waits()?))
}

/// Cuts all members off, and lets them come back at once.
fn back(net: &mut Net, both: &mut Both) -> Result<Back, Error> {
    for who in both.room.who.clone() {
        net.cut(who);
    }
    let gone = outside(net, both, None, AWAY)?;
    let began = Instant::now();
    let deadline = began + PATIENCE * 2;
    (both.talk.counted_from, both.talk.counted_to) = (Some(began), None);
    both.arrivals = Some(Arrivals::new(
        both.room.who.clone().collect(),
        UNDER_WAY,
        None,
    ));
    let mut pace = Pace::new(began, OUTSIDE_RATE);
    while let Some(arrivals) = both.arrivals.as_mut().filter(|arrivals| !arrivals.done())
        && Instant::now() < deadline
    {
        arrivals.begin(net)?;
        pace.send(net, &mut both.talk, 0..OUTSIDE, deadline);
        net.turn(both, pace.due())?;
    }
    both.talk.counted_to = Some(Instant::now());
    let coming = std::mem::replace(&mut both.talk.waits, waits()?);
    let refused = both
        .arrivals
        .take()
        .map_or(0, |arrivals| arrivals.refused.len());
    Ok(Back {
        took: began.elapsed(),
        refused,
        outside: [gone, coming],
    })
}

/// Makes a room of these people, the first of whom asks for it.
fn made(site: Site, token: &str, ids: &[u64]) -> Result<u64, Error> {
    let room = ask(site, token, "POST", "/api/rooms", "{\"name\":\"load\"}")?;
    let id = room["data"]["id"].as_u64().ok_or("a room without an id")?;
    for ids in ids.chunks(ADDED_AT_ONCE) {
        let ids = serde_json::to_string(ids)?;
        ask(
            site,
            token,
            "PUT",
            &format!("/api/rooms/{id}/members"),
            &ids,
        )?;
    }
    Ok(id)
}

fn ask(site: Site, token: &str, method: &str, path: &str, body: &str) -> Result<Value, Error> {
    let mut stream = TcpStream::connect(site.address)?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("half an answer")?;
    if !head.starts_with("HTTP/1.1 20") {
        return Err(format!("{method} {path}: {answer}").into());
    }
    Ok(serde_json::from_str(body)?)
}
