//! The people of a soak: what they say, what they hear, and how they come back.
//!
//! They do as a stock client does: what is not confirmed is said again under its client id after a
//! reconnect, in the old order; the cursor of the last event that was heard is shown, with the
//! private id of the first connection, and the server sends what was missed.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::Error;
use crate::net::{Handler, Net};
use crate::talk::{Random, Shape, Waits, waits};
use crate::wire::{self, Key};

use super::changes::{Change, Changes, Doing};
use super::ledger::{Ledger, Mark, To, key};
use super::side::Shown;
use super::words::Words;

/// The length of a message.
const CHARS: usize = 100;
/// The code of a change that is to be tried again.
const PUT_OFF: &str = "storage_unavailable";
/// So many messages of one sender may be unconfirmed; what would come on top is held back.
const UNCONFIRMED: usize = 64;
/// Every so many messages of a member go to their room.
const INTO_ROOM: usize = 8;
/// One of so many confirmed messages may be changed later.
const CHANGEABLE: u64 = 40;
/// So many chats are looked at for one of a kind.
const TRIES: usize = 100;
/// For how long one is away whose connection ends, at least and at most.
const AWAY: [f64; 2] = [0.1, 2.1];
/// After how long a connection that could not be made is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// A message that is not confirmed.
struct Unconfirmed {
    ack: u64,
    stream: usize,
    number: u32,
    due: Instant,
    file: Option<String>,
}

struct Person {
    /// Whether they speak version 2.
    second: bool,
    /// The streams to other people, and that into a room.
    streams: Vec<usize>,
    room: Option<usize>,
    turn: usize,
    next_ack: u64,
    unconfirmed: VecDeque<Unconfirmed>,
    doing: VecDeque<Doing>,
    /// What the first connection was given.
    private_id: String,
    /// The cursor of the last event.
    offset: Vec<u8>,
    back_at: Option<Instant>,
}

/// What is counted beside the ledger.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) refused: BTreeMap<String, u64>,
    /// Changes that the server did not take, and that are tried again.
    pub(crate) put_off: u64,
    /// Due, and sent by nobody: the server was away, or too much was unconfirmed.
    pub(crate) held: u64,
    /// Said again after a reconnect.
    pub(crate) retried: u64,
    /// Came back and were given what they had missed, or not.
    pub(crate) recovered: u64,
    pub(crate) unrecovered: u64,
    /// Connections that ended while the server was there, and were not cut here.
    pub(crate) dropped: u64,
    pub(crate) why_dropped: Option<String>,
    pub(crate) files: u64,
}

struct Keys {
    content: Key,
    id: Key,
    code: Key,
    private_id: Key,
    attachments: Key,
    url: Key,
}

/// Everybody.
pub(crate) struct Crowd {
    people: Vec<Person>,
    pub(crate) ledger: Ledger,
    pub(crate) changes: Changes,
    pub(crate) tally: Tally,
    /// Whether the server is there.
    pub(crate) is_open: bool,
    /// From when a message was due to its confirmation, since they were last taken.
    pub(crate) waits: Waits,
    words: Words,
    keys: Keys,
    shown: Sender<Shown>,
    retried: HashSet<u64>,
    /// When the next message is due, and how far the one after it is.
    due: Instant,
    every: Duration,
    next: usize,
    random: Random,
    scratch: Vec<u8>,
}

impl Crowd {
    /// So many people, who write to eight others each. Connection `n` is the user `n + 1`. Of four
    /// neighbours two speak version 2.
    pub(crate) fn new(people: usize, rate: f64, shown: Sender<Shown>) -> Result<Self, Error> {
        let mut ledger = Ledger::default();
        let shape = Shape::new(people);
        let receivers = shape.receivers();
        let peers = receivers.len() / people;
        let people = (0..people).map(|who| {
            let others = &receivers[who * peers..(who + 1) * peers];
            let streams = others.iter().map(|other| {
                let to = To::Person(*other);
                ledger.add(who as u32, to, std::iter::once(*other))
            });
            Person {
                second: who % 4 < 2,
                streams: streams.collect(),
                room: None,
                turn: who,
                next_ack: 1,
                unconfirmed: VecDeque::new(),
                doing: VecDeque::new(),
                private_id: String::new(),
                offset: Vec::new(),
                back_at: None,
            }
        });
        Ok(Self {
            people: people.collect(),
            ledger,
            changes: Changes::default(),
            tally: Tally::default(),
            is_open: true,
            waits: waits()?,
            words: Words::new(),
            keys: Keys {
                content: Key::new("\"content\":\""),
                id: Key::new("\"id\":"),
                code: Key::new("\"code\":\""),
                private_id: Key::new("\"pid\":\""),
                attachments: Key::new("\"attachments\":[{\"id\":\""),
                url: Key::new("\"url\":\""),
            },
            shown,
            retried: HashSet::new(),
            due: Instant::now(),
            every: Duration::from_secs_f64(1.0 / rate),
            next: 0,
            random: Random(7),
            scratch: Vec::new(),
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.people.len()
    }

    pub(crate) fn speaks_second(&self, who: usize) -> bool {
        self.people[who].second
    }

    /// Lets these write into a room; of them hear it those who speak version 2.
    pub(crate) fn add_room(&mut self, id: u64, members: &[u32]) {
        let second = |who: &u32| self.people[*who as usize].second;
        let hearers: Vec<u32> = members.iter().copied().filter(second).collect();
        for who in &hearers {
            let stream = self.ledger.add(*who, To::Room(id), hearers.iter().copied());
            self.people[*who as usize].room = Some(stream);
        }
    }

    /// A stream between two who speak version 2, for a file.
    pub(crate) fn stream_for_files(&self, who: usize) -> Option<usize> {
        let person = &self.people[who];
        let to_second = |stream: &&usize| match self.ledger.streams[**stream].to {
            To::Person(other) => self.people[other as usize].second,
            To::Room(_) => false,
        };
        person.streams.iter().find(to_second).copied()
    }

    /// The histories that this one can ask for.
    pub(crate) fn chats(&self, who: usize) -> Vec<String> {
        let person = &self.people[who];
        let streams = person.streams.iter().chain(&person.room);
        let path = |stream: &usize| match self.ledger.streams[*stream].to {
            To::Person(other) => format!("/api/chats/history/{}?limit=50", other + 1),
            To::Room(id) => format!("/api/rooms/{id}/history?limit=50"),
        };
        streams.map(path).collect()
    }

    /// From now on messages are due.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.due = now;
    }

    /// Lets everybody come back, within the time that stock clients take.
    pub(crate) fn call_back(&mut self) {
        let now = Instant::now();
        self.is_open = true;
        self.due = now;
        for who in 0..self.people.len() {
            self.come_back(who, now);
        }
    }

    fn come_back(&mut self, who: usize, now: Instant) {
        let [least, most] = AWAY;
        let away = least + self.random.unit() * (most - least);
        self.people[who].back_at = Some(now + Duration::from_secs_f64(away));
    }

    /// Cuts one connection, as a lost network would.
    pub(crate) fn cut_one(&mut self, net: &mut Net) {
        let who = (self.random.next() % self.people.len() as u64) as usize;
        if net.is_joined(who) && self.is_open {
            net.cut(who);
            self.come_back(who, Instant::now());
        }
    }

    /// Connects those whose time has come.
    pub(crate) fn bring_back(&mut self, net: &mut Net) {
        if !self.is_open {
            return;
        }
        let now = Instant::now();
        for (who, person) in self.people.iter_mut().enumerate() {
            if person.back_at.is_some_and(|at| at <= now) {
                net.say_beside(who, person.beside());
                person.back_at = net.connect(who, None).err().map(|_| now + AGAIN);
            }
        }
    }

    pub(crate) fn all_joined(&self, net: &Net) -> bool {
        (0..self.people.len()).all(|who| net.is_joined(who))
    }

    /// When the next message is due.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Has all said that is due.
    pub(crate) fn send_due(&mut self, net: &mut Net) {
        let now = Instant::now();
        while self.due <= now {
            let due = self.due;
            self.due += self.every;
            match self.sender(net) {
                Some(who) => {
                    let person = &mut self.people[who];
                    person.turn += 1;
                    let stream = match person.room {
                        Some(room) if person.turn.is_multiple_of(INTO_ROOM) => room,
                        _ => person.streams[person.turn % person.streams.len()],
                    };
                    self.send(net, who, stream, due, None);
                }
                None => self.tally.held += 1,
            }
        }
    }

    /// The next who can say something.
    fn sender(&mut self, net: &Net) -> Option<usize> {
        let count = self.people.len();
        for _ in 0..count {
            self.next = (self.next + 1) % count;
            let is_free = self.people[self.next].unconfirmed.len() < UNCONFIRMED;
            if is_free && net.is_joined(self.next) {
                return Some(self.next);
            }
        }
        None
    }

    /// Sends a file that was uploaded by this one.
    pub(crate) fn send_file(&mut self, net: &mut Net, who: usize, file: String) {
        if let Some(stream) = self.stream_for_files(who) {
            self.tally.files += 1;
            self.send(net, who, stream, Instant::now(), Some(file));
        }
    }

    fn send(
        &mut self,
        net: &mut Net,
        who: usize,
        stream: usize,
        due: Instant,
        file: Option<String>,
    ) {
        let number = self.ledger.send(stream);
        let person = &mut self.people[who];
        let message = Unconfirmed {
            ack: person.next_ack,
            stream,
            number,
            due,
            file,
        };
        person.next_ack += 1;
        if net.is_joined(who) {
            let to = self.ledger.streams[stream].to;
            message.write(&mut self.scratch, to, &self.words);
            net.say(who, &self.scratch);
        }
        self.people[who].unconfirmed.push_back(message);
    }

    /// Has one message changed, or a chat marked as read.
    pub(crate) fn change(&mut self, net: &mut Net, change: Change) {
        let is_second = |who: u32| self.people[who as usize].second;
        let found = match change {
            Change::ReadPerson | Change::ReadRoom => (0..TRIES).find_map(|_| {
                let streams = self.ledger.streams.len() as u64;
                let at = (self.random.next() % streams) as usize;
                self.changes.mark(change, at, &self.ledger)
            }),
            _ => self.changes.of_recent(change, &self.ledger, is_second),
        };
        let Some((who, doing)) = found else { return };
        let who = who as usize;
        if net.is_joined(who) {
            doing.write(&mut self.scratch, &self.ledger, &self.words);
            net.say(who, &self.scratch);
        }
        self.people[who].doing.push_back(doing);
    }

    fn acked(&mut self, net: &Net, who: usize, ack: u64, answer: &[u8]) {
        let success = answer.starts_with(b"[{\"success\":true");
        // As those are told whose change comes while the server ends: what is said is said again
        // once they are back, and was left unanswered if they never are.
        if !success && self.keys.code.after(answer).map(quoted).as_deref() == Some(PUT_OFF) {
            self.tally.put_off += 1;
            return;
        }
        let person = &mut self.people[who];
        if let Some(at) = person.doing.iter().position(|doing| doing.ack == ack) {
            let doing = person.doing.remove(at);
            match doing {
                Some(doing) if success => self.changes.done(&doing),
                _ => self.refused(answer),
            }
            return;
        }
        let at = person.unconfirmed.iter().position(|sent| sent.ack == ack);
        let Some(sent) = at.and_then(|at| person.unconfirmed.remove(at)) else {
            self.ledger.faults.stray += 1;
            return;
        };
        if !success {
            self.ledger.refuse(sent.stream, sent.number);
            self.refused(answer);
            return;
        }
        self.ledger.confirm(sent.stream);
        let waited = net.now.saturating_duration_since(sent.due);
        self.waits.saturating_record(waited.as_nanos() as u64);
        if self.random.next().is_multiple_of(CHANGEABLE)
            && sent.file.is_none()
            && let Some(id) = self.keys.id.number(answer)
        {
            self.changes.remember(sent.stream, sent.number, id);
        }
    }

    fn refused(&mut self, answer: &[u8]) {
        let code = self.keys.code.after(answer).unwrap_or(b"no code");
        *self.tally.refused.entry(quoted(code)).or_default() += 1;
    }

    fn event(&mut self, who: usize, packet: &[u8]) {
        let person = &mut self.people[who];
        let cursor = cursor(packet);
        if let Some(cursor) = cursor {
            person.offset.clear();
            person.offset.extend_from_slice(cursor);
        }
        let has_cursor = cursor.is_some();
        let is_own = packet.starts_with(b"2[\"message_sent\"");
        let is_room = packet.starts_with(b"2[\"room_");
        if is_own || packet.starts_with(b"2[\"room_message\"") {
            self.message(who, packet, has_cursor);
        } else if packet.starts_with(b"2[\"receive_message\"") {
            self.message(who, packet, has_cursor);
            self.file(packet);
        } else if packet.starts_with(b"2[\"chat_error\"") {
            self.refused(packet);
        } else if packet.starts_with(b"2[\"room_skipped\"") {
            *self.tally.refused.entry("room_skipped".into()).or_default() += 1;
        } else if self.changes.heard(packet) || is_room {
            // Nothing of these is for who speaks version 1.
            self.ledger.faults.stray += u64::from(!self.people[who].second);
        }
    }

    fn message(&mut self, who: usize, packet: &[u8], has_cursor: bool) {
        let content = self.keys.content.after(packet);
        let mark = content.and_then(Mark::read);
        let (Some(mark), Some(id)) = (mark, self.keys.id.number(packet)) else {
            self.ledger.faults.stray += 1;
            return;
        };
        if has_cursor {
            self.ledger.hear(who as u32, mark, id);
        } else if !self.retried.contains(&mark.key()) {
            // Without a cursor comes only the answer to one that was said again.
            self.ledger.faults.stray += 1;
        }
    }

    /// Has a file that was received downloaded.
    fn file(&self, packet: &[u8]) {
        let Some(file) = self.keys.attachments.after(packet) else {
            return;
        };
        if let Some(url) = self.keys.url.after(file) {
            let shown = Shown {
                file: quoted(file),
                url: quoted(url),
            };
            // Nobody takes it any more only at the very end, when the difference shows.
            let _ = self.shown.send(shown);
        }
    }

    /// How many messages and changes are unanswered.
    pub(crate) fn unanswered(&self) -> usize {
        let waiting = |person: &Person| person.unconfirmed.len() + person.doing.len();
        self.people.iter().map(waiting).sum()
    }

    /// How many client ids the server is to remember: the newest 10,000 of each sender.
    pub(crate) fn client_ids(&self) -> u64 {
        let each = self.people.iter().map(|person| {
            let streams = person.streams.iter().chain(&person.room);
            let confirmed = streams.map(|stream| self.ledger.streams[*stream].confirmed);
            confirmed.map(u64::from).sum::<u64>().min(10_000)
        });
        each.sum()
    }
}

impl Handler for Crowd {
    fn welcomed(&mut self, who: usize, answer: &[u8]) {
        let given = self.keys.private_id.after(answer).map(quoted);
        let given = given.unwrap_or_default();
        let person = &mut self.people[who];
        if !person.private_id.is_empty() {
            let recovered = person.private_id == given;
            self.tally.recovered += u64::from(recovered);
            self.tally.unrecovered += u64::from(!recovered);
        }
        person.private_id = given;
    }

    fn joined(&mut self, net: &mut Net, who: usize) {
        let person = &self.people[who];
        for message in &person.unconfirmed {
            self.tally.retried += 1;
            self.retried.insert(key(message.stream, message.number));
            let to = self.ledger.streams[message.stream].to;
            message.write(&mut self.scratch, to, &self.words);
            net.say(who, &self.scratch);
        }
        for doing in &person.doing {
            doing.write(&mut self.scratch, &self.ledger, &self.words);
            net.say(who, &self.scratch);
        }
    }

    fn heard(&mut self, net: &mut Net, who: usize, packet: &[u8]) {
        match packet.strip_prefix(b"3").map(wire::read_number) {
            Some(Some((ack, answer))) => self.acked(net, who, ack, answer),
            Some(None) => self.ledger.faults.stray += 1,
            None => self.event(who, packet),
        }
    }

    fn left(&mut self, net: &mut Net, who: usize, why: String) {
        if self.is_open {
            self.tally.dropped += 1;
            self.tally.why_dropped.get_or_insert(why);
            self.come_back(who, net.now);
        }
    }
}

impl Person {
    /// What they say beside their token.
    fn beside(&self) -> String {
        let mut beside = String::new();
        if self.second {
            beside.push_str(",\"v\":2");
        }
        if !self.private_id.is_empty() {
            beside.push_str(&format!(",\"pid\":\"{}\"", self.private_id));
        }
        if !self.offset.is_empty() {
            let offset = String::from_utf8_lossy(&self.offset);
            beside.push_str(&format!(",\"offset\":\"{offset}\""));
        }
        beside
    }
}

impl Unconfirmed {
    /// The packet of it, the same whenever it is said.
    fn write(&self, out: &mut Vec<u8>, to: To, words: &Words) {
        out.clear();
        out.extend_from_slice(b"42");
        wire::push_number(out, self.ack, 1);
        out.extend_from_slice(b"[\"send_message\",{");
        match to {
            To::Person(other) => {
                out.extend_from_slice(b"\"receiver_id\":");
                wire::push_number(out, u64::from(other) + 1, 1);
            }
            To::Room(id) => {
                out.extend_from_slice(b"\"room_id\":");
                wire::push_number(out, id, 1);
            }
        }
        out.extend_from_slice(b",\"content\":\"");
        let mark = Mark {
            stream: self.stream,
            number: self.number,
            edits: 0,
        };
        words.write(out, mark, CHARS);
        out.extend_from_slice(b"\",\"client_id\":\"soak-");
        wire::push_number(out, self.stream as u64, 1);
        out.push(b'-');
        wire::push_number(out, self.number.into(), 1);
        out.push(b'"');
        if let Some(file) = &self.file {
            out.extend_from_slice(b",\"attachments\":[\"");
            out.extend_from_slice(file.as_bytes());
            out.extend_from_slice(b"\"]");
        }
        out.extend_from_slice(b"}]");
    }
}

/// The text up to the next quote.
fn quoted(text: &[u8]) -> String {
    let end = memchr::memchr(b'"', text).unwrap_or(text.len());
    String::from_utf8_lossy(&text[..end]).into_owned()
}

/// The cursor at the end of a durable event.
fn cursor(packet: &[u8]) -> Option<&[u8]> {
    let rest = packet.strip_suffix(b"\"]")?;
    let begin = memchr::memrchr(b'"', rest)?;
    Some(&rest[begin + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_the_last_argument_of_an_event() {
        let durable = br#"2["receive_message",{"id":1,"content":"a"},"3f.7"]"#;
        assert_eq!(cursor(durable), Some(&b"3f.7"[..]));
        assert_eq!(cursor(br#"2["room_seen",{"room_id":1}]"#), None);
    }
}
