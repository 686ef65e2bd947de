//! Mode `rooms`: one room whose members are all there, and a few people outside it who write to
//! each other.
//!
//! The first round has the people outside alone, for comparison. A reference that knows no rooms of
//! the contract's has everybody that is connected in one: the same frames to the same clients. In
//! the end, where that is asked for, all members lose the network and come back at once.

use std::fmt;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::Value;

use crate::Error;
use crate::net::{Arrivals, Handler, Net, join_all};
use crate::server::{Kind, Site, tokens};
use crate::talk::{Verdict, Waits, waits};
use crate::wire::{self, Key};

use super::outside::{OUTSIDE, Outside};
use super::talking::{AT_ONCE, ms};

/// So many ids one request adds to a room.
const ADDED_AT_ONCE: usize = 1_000;
/// So many members may be on their way back at once: less than a listening socket's queue.
const UNDER_WAY: usize = 400;
/// So many send, lest a server's bound of what one client may send in a second be what is measured.
const SENDERS: usize = 10;
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
    /// Of the server and of this program, in the second round, less that of the first: what the
    /// room alone takes.
    pub(crate) cpu: [Duration; 2],
    /// Of the server in the first round, for the people outside alone.
    pub(crate) cpu_alone: Duration,
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
            "{} members: {} messages confirmed of {} in {:.1} s, {:.0} a second, {:.0} deliveries a second, {} wrong, {:.2} us of CPU a delivery ({:.2} of the generator), beside {:.0} ms a second for those outside",
            self.members,
            self.confirmed,
            self.sent,
            self.seconds,
            self.confirmed as f64 / self.seconds,
            self.delivered as f64 / self.seconds,
            self.wrong,
            each(self.cpu[0]),
            each(self.cpu[1]),
            self.cpu_alone.as_secs_f64() * 1e3 / self.seconds,
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

/// The members of the room, of whom the first ones send in turn.
struct Room {
    /// What the sender says in place of the number and the content.
    address: String,
    messages: Vec<OnItsWay>,
    /// How many members send.
    senders: usize,
    /// The number that each member is to hear next of each sender.
    next: Vec<u64>,
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
        net.say(number % self.senders, said.as_bytes());
        let left = self.next.len() / self.senders;
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
        let senders = self.senders as u64;
        let next = &mut self.next[who * self.senders + (number % senders) as usize];
        if *next != number {
            self.wrong += 1;
        }
        *next = number + senders;
        self.delivered += 1;
        if let Some(message) = self.messages.get_mut(number as usize) {
            message.left = message.left.saturating_sub(1);
            if message.left == 0 {
                let waited = now.saturating_duration_since(message.due);
                self.last.saturating_record(waited.as_nanos() as u64);
            }
        }
    }

    /// How many are not confirmed, or not with every member.
    fn on_their_way(&self) -> usize {
        self.messages.len() - self.confirmed.min(self.last.len()) as usize
    }

    fn is_done(&self) -> bool {
        self.on_their_way() == 0
    }
}

/// The room, and those of its members who come back.
struct Both {
    room: Room,
    arrivals: Option<Arrivals>,
    /// Why members have left, where they were not to.
    left: Vec<String>,
}

impl Handler for Both {
    fn joined(&mut self, _: &mut Net, _: usize) {
        self.arrivals.iter_mut().for_each(Arrivals::on_joined);
    }

    fn heard(&mut self, net: &mut Net, who: usize, packet: &[u8]) {
        let room = &mut self.room;
        match packet.strip_prefix(b"3") {
            Some(ack) if who < room.senders => room.acked(net.now, ack),
            Some(_) => room.wrong += 1,
            None if packet.starts_with(b"2[\"room_message\"") => {
                room.received(net.now, who, packet);
            }
            None => {}
        }
    }

    fn left(&mut self, net: &mut Net, who: usize, why: String) {
        match &mut self.arrivals {
            Some(arrivals) => arrivals.left(net, who, why),
            None => self.left.push(why),
        }
    }
}

/// When the next message is due.
#[derive(Clone, Copy)]
pub(crate) enum RoomPace {
    /// So many a second, whatever the server does.
    Rate(f64),
    /// Once fewer than so many are on their way: not confirmed, or not with every member.
    Outstanding(usize),
}

/// How a room is measured.
pub(crate) struct Plan {
    pub(crate) members: usize,
    pub(crate) pace: RoomPace,
    pub(crate) round: Duration,
    /// In the end all members lose the network and come back.
    pub(crate) comes_back: bool,
    /// The processor on which the members' thread runs.
    pub(crate) pin: Option<usize>,
}

/// Messages at this rate into a room of so many members, all of whom are there.
pub(crate) fn rooms(
    (kind, site): (Kind, Site),
    first_id: u64,
    plan: &Plan,
) -> Result<Roomed, Error> {
    let mut outside = Outside::begin(site, first_id)?;
    if let Some(processor) = plan.pin {
        let mut only = CpuSet::new();
        only.set(processor);
        sched_setaffinity(None, &only)?;
    }
    let (mut net, mut both) = gathered((kind, site), first_id + OUTSIDE as u64, plan.members)?;
    let own = Site {
        pid: Some(std::process::id()),
        ..site
    };
    let cpu = || -> Result<_, Error> { Ok([site.cpu()?, own.cpu()?]) };
    let before = cpu()?;
    let round = outside.round(plan.round)?;
    quiet(&mut net, &mut both, plan.round)?;
    let alone = round.wait()?;
    let (between, began) = (cpu()?, Instant::now());
    let round = outside.round(plan.round)?;
    talk(&mut net, &mut both, plan)?;
    let beside = round.wait()?;
    let after = cpu()?;
    let seconds = began.elapsed().as_secs_f64();
    let of = |whose: usize| {
        (
            after[whose] - between[whose],
            between[whose] - before[whose],
        )
    };
    let of_room = |whose| of(whose).0.saturating_sub(of(whose).1);
    let back = plan
        .comes_back
        .then(|| back(&mut net, &mut both, &mut outside));
    let back = back.transpose()?;
    let Both { room, left, .. } = both;
    let lost: usize = room.messages.iter().map(|message| message.left).sum();
    let mut verdict = outside.finish()?;
    verdict.left += left.len() as u64;
    verdict.why_left = verdict.why_left.or(left.into_iter().next());
    Ok(Roomed {
        members: plan.members,
        seconds,
        sent: room.messages.len() as u64,
        confirmed: room.confirmed,
        delivered: room.delivered,
        wrong: room.wrong + lost as u64,
        acks: room.acks,
        last: room.last,
        cpu: [of_room(0), of_room(1)],
        cpu_alone: of(0).1,
        outside: [alone, beside],
        back,
        verdict,
    })
}

/// Connects the members, and makes their room.
fn gathered(
    (kind, site): (Kind, Site),
    first_id: u64,
    members: usize,
) -> Result<(Net, Both), Error> {
    let tokens = tokens(first_id, members)?;
    let sender = tokens[0].clone();
    let mut net = Net::new(site.address, tokens)?;
    net.version = Some(2);
    join_all(&mut net, AT_ONCE)?;
    let ids: Vec<u64> = (first_id..).take(members).collect();
    let senders = SENDERS.min(members);
    let room_id = match kind {
        Kind::Chatd => made(site, &sender, &ids)?,
        Kind::Node | Kind::Router => 1,
    };
    let room = Room {
        address: format!("\"room_id\":{room_id}"),
        messages: Vec::new(),
        senders,
        next: (0..members).flat_map(|_| 0..senders as u64).collect(),
        confirmed: 0,
        delivered: 0,
        wrong: 0,
        acks: waits()?,
        last: waits()?,
        mark: Key::new(MARK),
    };
    let both = Both {
        room,
        arrivals: None,
        left: Vec::new(),
    };
    Ok((net, both))
}

/// A round without messages into the room.
fn quiet(net: &mut Net, both: &mut Both, round: Duration) -> Result<(), Error> {
    let to = Instant::now() + round;
    while Instant::now() < to {
        net.turn(both, to)?;
    }
    Ok(())
}

/// A round with messages into the room, until all have arrived.
fn talk(net: &mut Net, both: &mut Both, plan: &Plan) -> Result<(), Error> {
    let begin = Instant::now();
    let to = begin + plan.round;
    let mut sent = 0_u64;
    while Instant::now() < to {
        let next = match plan.pace {
            RoomPace::Rate(rate) => {
                let due = |sent: u64| begin + Duration::from_secs_f64(sent as f64 / rate);
                while due(sent) <= Instant::now().min(to) {
                    both.room.send(net, due(sent));
                    sent += 1;
                }
                due(sent)
            }
            RoomPace::Outstanding(most) => {
                while both.room.on_their_way() < most {
                    both.room.send(net, Instant::now());
                }
                to
            }
        };
        net.turn(both, next.min(to))?;
    }
    let deadline = to + PATIENCE;
    while !both.room.is_done() && Instant::now() < deadline {
        net.turn(both, deadline)?;
    }
    Ok(())
}

/// Cuts all members off, and lets them come back at once.
fn back(net: &mut Net, both: &mut Both, outside: &mut Outside) -> Result<Back, Error> {
    let members = 0..net.count();
    members.clone().for_each(|who| net.cut(who));
    let round = outside.round(AWAY)?;
    quiet(net, both, AWAY)?;
    let gone = round.wait()?;
    let began = Instant::now();
    let deadline = began + PATIENCE * 2;
    let round = outside.round(PATIENCE * 2)?;
    both.arrivals = Some(Arrivals::new(members.collect(), UNDER_WAY, None));
    while let Some(arrivals) = both.arrivals.as_mut().filter(|arrivals| !arrivals.done())
        && Instant::now() < deadline
    {
        arrivals.begin(net)?;
        net.turn(both, deadline)?;
    }
    let took = began.elapsed();
    let coming = round.end()?;
    let refused = both
        .arrivals
        .take()
        .map_or(0, |arrivals| arrivals.refused.len());
    Ok(Back {
        took,
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
