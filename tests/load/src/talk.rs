//! People who write to each other, and the ledger of it: what was sent, confirmed, heard, by whom,
//! how often, in what order.
//!
//! Every message says in its content whose it is and which of that sender's to that receiver. A
//! pair's messages must be heard by the receiver in order and once, their ids ascending, and each
//! that was confirmed must be heard; the sender must hear one `message_sent` for each. Waits are
//! counted from the moment at which a message was to be sent.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::Error;
use super::net::{Handler, Net};
use super::wire::{self, Key};

/// Where a pair's mark begins in the content.
const MARK: u8 = b'#';
/// Acks of read marks have ids from here on, those of messages stay below.
const READ_ACKS: u64 = 1_000_000_000;
/// So many bytes may wait for one connection in an open loop; what would come on top is held back
/// and counted.
const HELD_BYTES: usize = 64 * 1_024;
/// How long the last messages may take to arrive.
const DRAIN: Duration = Duration::from_secs(15);

/// Nanoseconds, in three digits, up to a minute.
pub(crate) type Waits = Histogram<u64>;

pub(crate) fn waits() -> Result<Waits, Error> {
    Ok(Histogram::new_with_bounds(1, 60_000_000_000, 3)?)
}

/// Who writes to whom, and what.
#[derive(Clone)]
pub(crate) struct Shape {
    /// How many are connected.
    pub(crate) people: usize,
    /// So many of them write, the first ones.
    pub(crate) senders: usize,
    /// To so many others each, who stand evenly among all.
    pub(crate) peers: usize,
    /// Whether some are written to far more often than others (Zipf's law).
    pub(crate) skewed: bool,
    /// Receivers mark every fourth message read, and every twentieth time all of the chat.
    pub(crate) reads: bool,
    /// The length of a message.
    pub(crate) chars: usize,
    /// Gives every message a client id.
    pub(crate) client_ids: bool,
}

impl Shape {
    pub(crate) fn new(people: usize) -> Self {
        Self {
            people: people.max(2),
            senders: people,
            peers: 8,
            skewed: false,
            reads: false,
            chars: 100,
            client_ids: false,
        }
    }

    /// Everybody's receivers, sender by sender.
    pub(crate) fn receivers(&self) -> Vec<u32> {
        let others = self.people - 1;
        let peers = self.peers.clamp(1, others);
        let stride = (others / peers).max(1);
        // The sum of the weights up to each rank.
        let weights: Vec<f64> = (1..=self.people)
            .scan(0.0, |sum, rank| {
                *sum += 1.0 / rank as f64;
                Some(*sum)
            })
            .collect();
        let mut random = Random(self.people as u64);
        let mut all = Vec::with_capacity(self.senders * peers);
        for sender in 0..self.senders {
            for peer in 0..peers {
                let mut receiver = (sender + 1 + peer * stride) % self.people;
                if self.skewed {
                    receiver = sender;
                    while receiver == sender {
                        let point = random.unit() * weights[weights.len() - 1];
                        let rank = weights.partition_point(|sum| *sum <= point);
                        receiver = rank.min(self.people - 1);
                    }
                }
                all.push(receiver as u32);
            }
        }
        all
    }
}

/// A small generator of random numbers (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[derive(Clone, Default)]
struct Pair {
    sent: u32,
    confirmed: u32,
    heard: u32,
    last: u32,
    last_id: u64,
}

#[derive(Default)]
struct Sender {
    /// When the message that waits under each ack id was to be sent, and to which peer it is.
    slots: Vec<Option<(Instant, u32)>>,
    free: Vec<u32>,
    next_peer: usize,
    sent: u64,
    confirmed: u64,
    echoed: u64,
}

/// The second kind of senders of a run: they write too, but are not whom the run is about.
#[derive(Clone, Copy)]
pub(crate) struct Beside {
    /// The senders from this one on.
    pub(crate) from: usize,
    pub(crate) chars: usize,
}

/// The people of one run.
pub(crate) struct Talk {
    senders: Vec<Sender>,
    pairs: Vec<Pair>,
    receivers: Vec<u32>,
    peers: usize,
    first_id: u64,
    reads: bool,
    client_ids: bool,
    /// Tells this run's client ids from those of another.
    nonce: u64,
    text: Vec<u8>,
    chars: usize,
    pub(crate) beside: Option<Beside>,
    scratch: Vec<u8>,
    keys: Keys,
    /// Whether a confirmation makes its sender send the next message.
    pub(crate) refill: bool,
    /// What is to be sent before this is not counted.
    pub(crate) counted_from: Option<Instant>,
    /// Nor what is to be sent from here on.
    pub(crate) counted_to: Option<Instant>,
    /// Waits of what was confirmed.
    pub(crate) waits: Waits,
    /// How many were confirmed while the clock of `counted_from` and `counted_to` ran.
    pub(crate) confirmed_in_time: u64,
    outstanding: usize,
    verdict: Verdict,
    /// Receivers of whom nothing can be asked: they do not read.
    pub(crate) excused: Vec<bool>,
    random: Random,
}

struct Keys {
    content: Key,
    id: Key,
    code: Key,
}

/// What the ledger says at the end.
#[derive(Clone, Default, Debug)]
pub(crate) struct Verdict {
    pub(crate) sent: u64,
    pub(crate) confirmed: u64,
    pub(crate) refused: BTreeMap<String, u64>,
    /// Neither confirmed nor refused.
    pub(crate) unanswered: u64,
    /// Not sent, since the server did not read what was sent before.
    pub(crate) held: u64,
    /// Confirmed and not heard by the receiver.
    pub(crate) lost: u64,
    /// Confirmed, and the sender heard no `message_sent`, or the other way round.
    pub(crate) unechoed: u64,
    pub(crate) doubled: u64,
    pub(crate) disordered: u64,
    /// Heard by somebody else, or not understood.
    pub(crate) stray: u64,
    pub(crate) marked_read: u64,
    pub(crate) told_read: u64,
    /// Connections that ended.
    pub(crate) left: u64,
    pub(crate) why_left: Option<String>,
}

impl Verdict {
    /// Everything that must never be.
    pub(crate) fn faults(&self) -> u64 {
        self.lost + self.unechoed + self.doubled + self.disordered + self.stray
    }

    /// Whether every message was answered and delivered, and nobody was closed.
    pub(crate) fn is_clean(&self) -> bool {
        self.faults() == 0 && self.unanswered == 0 && self.left == 0
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} confirmed of {} sent; lost {}, doubled {}, out of order {}, unechoed {}, stray {}",
            self.confirmed,
            self.sent,
            self.lost,
            self.doubled,
            self.disordered,
            self.unechoed,
            self.stray
        )?;
        for (code, count) in &self.refused {
            write!(f, "; {count} refused as {code}")?;
        }
        for (what, count) in [
            ("held back", self.held),
            ("unanswered", self.unanswered),
            ("marked read", self.marked_read),
            ("told that they were read", self.told_read),
            ("connections closed", self.left),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        if let Some(why) = &self.why_left {
            write!(f, " ({why})")?;
        }
        Ok(())
    }
}

impl Talk {
    /// Connection `n` is the user `first_id + n`.
    pub(crate) fn new(shape: &Shape, first_id: u64) -> Result<Self, Error> {
        let receivers = shape.receivers();
        Self::between(shape, receivers, first_id)
    }

    /// The same, with receivers of the caller's choice: as many for each sender.
    pub(crate) fn between(
        shape: &Shape,
        receivers: Vec<u32>,
        first_id: u64,
    ) -> Result<Self, Error> {
        let mut random = Random(shape.people as u64);
        let longest = shape.chars.max(4_000);
        let letters = b"abcdefghijklmnopqrstuvwxyz      ";
        let text = (0..longest).map(|_| letters[(random.next() >> 59) as usize]);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        Ok(Self {
            senders: (0..shape.senders).map(|_| Sender::default()).collect(),
            pairs: vec![Pair::default(); receivers.len()],
            peers: receivers.len() / shape.senders.max(1),
            receivers,
            first_id,
            reads: shape.reads,
            client_ids: shape.client_ids,
            nonce: now.as_nanos() as u64 % 1_000_000_000_000,
            text: text.collect(),
            chars: shape.chars,
            beside: None,
            scratch: Vec::new(),
            keys: Keys {
                content: Key::new("\"content\":\""),
                id: Key::new("\"id\":"),
                code: Key::new("\"code\":\""),
            },
            refill: false,
            counted_from: None,
            counted_to: None,
            waits: waits()?,
            confirmed_in_time: 0,
            outstanding: 0,
            verdict: Verdict::default(),
            excused: vec![false; shape.people],
            random,
        })
    }

    pub(crate) fn senders(&self) -> usize {
        self.senders.len()
    }

    /// The largest id that was heard.
    pub(crate) fn last_id(&self) -> u64 {
        self.pairs
            .iter()
            .map(|pair| pair.last_id)
            .max()
            .unwrap_or(0)
    }

    /// Sends one message of this sender to the next of their peers, or to one of them at random
    /// where reads are asked for.
    pub(crate) fn send(&mut self, net: &mut Net, who: usize, due: Instant) {
        if !net.is_joined(who) {
            return;
        }
        let sender = &mut self.senders[who];
        let peer = if self.reads {
            (self.random.next() % self.peers as u64) as usize
        } else {
            sender.next_peer = (sender.next_peer + 1) % self.peers;
            sender.next_peer
        };
        let slot = sender.free.pop().unwrap_or_else(|| {
            sender.slots.push(None);
            (sender.slots.len() - 1) as u32
        });
        sender.slots[slot as usize] = Some((due, peer as u32));
        sender.sent += 1;
        let index = who * self.peers + peer;
        let pair = &mut self.pairs[index];
        pair.sent += 1;
        let chars = match self.beside {
            Some(beside) if who >= beside.from => beside.chars,
            _ => self.chars,
        };
        let out = &mut self.scratch;
        out.clear();
        out.extend_from_slice(b"42");
        wire::push_number(out, u64::from(slot), 1);
        out.extend_from_slice(b"[\"send_message\",{\"receiver_id\":");
        wire::push_number(out, self.first_id + u64::from(self.receivers[index]), 1);
        out.extend_from_slice(b",\"content\":\"");
        let begin = out.len();
        out.push(MARK);
        wire::push_number(out, index as u64, 1);
        out.push(b'.');
        wire::push_number(out, u64::from(pair.sent), 1);
        out.push(b'.');
        let mark = out.len() - begin;
        out.extend_from_slice(&self.text[..chars.saturating_sub(mark)]);
        if self.client_ids {
            out.extend_from_slice(b"\",\"client_id\":\"");
            wire::push_number(out, self.nonce, 12);
            out.push(b'-');
            wire::push_number(out, index as u64, 1);
            out.push(b'-');
            wire::push_number(out, u64::from(pair.sent), 1);
        }
        out.extend_from_slice(b"\"}]");
        net.say(who, out);
        self.outstanding += 1;
        self.verdict.sent += 1;
    }

    /// The same in an open loop: not if the server does not take what was sent before.
    pub(crate) fn send_if_taken(&mut self, net: &mut Net, who: usize, due: Instant) {
        if net.waiting(who) > HELD_BYTES {
            self.verdict.held += 1;
        } else {
            self.send(net, who, due);
        }
    }

    fn acked(&mut self, net: &mut Net, who: usize, id: u64, answer: &[u8]) {
        let success = answer.starts_with(b"[{\"success\":true");
        if id >= READ_ACKS {
            if success {
                self.verdict.marked_read += 1;
            } else {
                self.refused(answer);
            }
            return;
        }
        let waited = self
            .senders
            .get_mut(who)
            .and_then(|sender| sender.slots.get_mut(id as usize)?.take());
        let Some((due, peer)) = waited else {
            self.verdict.doubled += 1;
            return;
        };
        self.senders[who].free.push(id as u32);
        self.outstanding -= 1;
        if success {
            self.verdict.confirmed += 1;
            self.senders[who].confirmed += 1;
            self.pairs[who * self.peers + peer as usize].confirmed += 1;
            let besides = self.beside.is_some_and(|beside| who >= beside.from);
            if let Some(from) = self.counted_from
                && !besides
            {
                let to = self.counted_to;
                if net.now >= from && to.is_none_or(|to| net.now < to) {
                    self.confirmed_in_time += 1;
                }
                if due >= from && to.is_none_or(|to| due < to) {
                    let wait = net.now.saturating_duration_since(due);
                    self.waits.saturating_record(wait.as_nanos() as u64);
                }
            }
        } else {
            self.refused(answer);
        }
        if self.refill {
            let now = net.now;
            self.send(net, who, now);
        }
    }

    fn refused(&mut self, answer: &[u8]) {
        let code = self.keys.code.after(answer).unwrap_or(b"no code");
        let end = code
            .iter()
            .position(|byte| *byte == b'"')
            .unwrap_or(code.len());
        let code = String::from_utf8_lossy(&code[..end]).into_owned();
        *self.verdict.refused.entry(code).or_default() += 1;
    }

    fn received(&mut self, net: &mut Net, who: usize, message: &[u8]) {
        let Some((index, number, id)) = self.mark(message) else {
            self.verdict.stray += 1;
            return;
        };
        let expected = self.receivers.get(index).copied();
        if expected != Some(who as u32) {
            self.verdict.stray += 1;
            return;
        }
        let pair = &mut self.pairs[index];
        if number == pair.last {
            self.verdict.doubled += 1;
            return;
        }
        if number < pair.last || id <= pair.last_id {
            self.verdict.disordered += 1;
        }
        pair.last = number;
        pair.last_id = id;
        pair.heard += 1;
        if self.reads {
            let heard = pair.heard;
            self.read(net, who, index, heard, id);
        }
    }

    /// Which pair's which message it is, and its id.
    fn mark(&self, message: &[u8]) -> Option<(usize, u32, u64)> {
        let mark = self.keys.content.after(message)?.strip_prefix(&[MARK])?;
        let (index, rest) = wire::read_number(mark)?;
        let (number, rest) = wire::read_number(rest.strip_prefix(b".")?)?;
        rest.strip_prefix(b".")?;
        let id = self.keys.id.number(message)?;
        Some((
            usize::try_from(index).ok()?,
            u32::try_from(number).ok()?,
            id,
        ))
    }

    fn read(&mut self, net: &mut Net, who: usize, index: usize, heard: u32, id: u64) {
        let out = &mut self.scratch;
        out.clear();
        out.extend_from_slice(b"42");
        if heard.is_multiple_of(20) {
            wire::push_number(out, READ_ACKS, 1);
            out.extend_from_slice(b"[\"mark_chat_as_read\",{\"user_id\":");
            wire::push_number(out, self.first_id + (index / self.peers) as u64, 1);
        } else if heard.is_multiple_of(4) {
            wire::push_number(out, READ_ACKS + 1, 1);
            out.extend_from_slice(b"[\"mark_as_read\",{\"message_id\":");
            wire::push_number(out, id, 1);
        } else {
            return;
        }
        out.extend_from_slice(b"}]");
        net.say(who, out);
    }

    /// Whether everything that was sent is answered and has arrived.
    fn is_quiet(&self) -> bool {
        self.outstanding == 0
            && self
                .senders
                .iter()
                .all(|sender| sender.echoed >= sender.confirmed)
            && self
                .pairs
                .iter()
                .zip(&self.receivers)
                .all(|(pair, receiver)| {
                    pair.heard >= pair.confirmed || self.excused[*receiver as usize]
                })
    }

    /// Waits until all is quiet, and says what the ledger says.
    pub(crate) fn finish(&mut self, net: &mut Net) -> Result<Verdict, Error> {
        self.refill = false;
        let deadline = Instant::now() + DRAIN;
        while !self.is_quiet() && Instant::now() < deadline {
            let next = Instant::now() + Duration::from_millis(20);
            net.turn(self, next)?;
        }
        Ok(self.verdict())
    }

    /// What the ledger says now.
    pub(crate) fn verdict(&self) -> Verdict {
        let mut verdict = self.verdict.clone();
        verdict.unanswered = self.outstanding as u64;
        for (pair, receiver) in self.pairs.iter().zip(&self.receivers) {
            if !self.excused[*receiver as usize] {
                verdict.lost += u64::from(pair.confirmed.saturating_sub(pair.heard));
            }
        }
        for sender in &self.senders {
            verdict.unechoed += sender.confirmed.abs_diff(sender.echoed);
        }
        verdict
    }
}

impl Handler for Talk {
    fn joined(&mut self, _: &mut Net, _: usize) {}

    fn heard(&mut self, net: &mut Net, who: usize, packet: &[u8]) {
        if let Some(rest) = packet.strip_prefix(b"3") {
            match wire::read_number(rest) {
                Some((id, answer)) => self.acked(net, who, id, answer),
                None => self.verdict.stray += 1,
            }
        } else if packet.starts_with(b"2[\"receive_message\"") {
            self.received(net, who, packet);
        } else if packet.starts_with(b"2[\"message_sent\"") {
            match self.senders.get_mut(who) {
                Some(sender) => sender.echoed += 1,
                None => self.verdict.stray += 1,
            }
        } else if packet.starts_with(b"2[\"messege_read\"")
            || packet.starts_with(b"2[\"chat_read\"")
        {
            self.verdict.told_read += 1;
        } else if packet.starts_with(b"2[\"chat_error\"") {
            self.refused(packet);
        }
    }

    fn left(&mut self, _: &mut Net, who: usize, why: String) {
        if !self.excused.get(who).copied().unwrap_or(true) {
            self.verdict.left += 1;
            self.verdict.why_left.get_or_insert(why);
        }
    }
}
