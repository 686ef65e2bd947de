//! Clients by the thousand on one thread: connections, what is read and what is to be written, one
//! epoll.
//!
//! A connection that is quiet has no buffers here. What a turn says to one connection is written by
//! one system call at its end.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use socket2::{Domain, Socket, Type};

use super::Error;
use super::wire::{self, Frame};

/// So many connections leave from one loopback address: fewer than there are local ports.
const PORTS: usize = 20_000;
/// So much is read at once.
const READ: usize = 128 * 1_024;
const TIMER: Token = Token(usize::MAX);

/// What is told of the connections.
pub(crate) trait Handler {
    /// The answer to this one's token, before it has joined: `40{"sid":…}`.
    fn welcomed(&mut self, _: usize, _: &[u8]) {}
    /// The server has accepted this one's token.
    fn joined(&mut self, net: &mut Net, who: usize);
    /// A Socket.IO packet came, without the Engine.IO `4` in front: `2["event",…` or `3<ack id>[…`.
    fn heard(&mut self, net: &mut Net, who: usize, packet: &[u8]);
    /// The connection is over, or never came about.
    fn left(&mut self, net: &mut Net, who: usize, why: String);
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Away,
    Connecting,
    Upgrading,
    Joining,
    Joined,
}

struct Conn {
    stream: Option<TcpStream>,
    stage: Stage,
    /// Bytes of a frame that is not whole yet.
    rest: Vec<u8>,
    out: Vec<u8>,
    dirty: bool,
    /// The kernel takes no more for now.
    blocked: bool,
    /// Does not read.
    deaf: bool,
}

/// The connections, by number.
pub(crate) struct Net {
    poll: Poll,
    events: Option<Events>,
    timer: rustix::fd::OwnedFd,
    address: SocketAddr,
    conns: Vec<Conn>,
    tokens: Vec<String>,
    /// What each says beside its token: keys of JSON, each after a comma.
    beside: Vec<String>,
    /// The version that each says to speak, if any.
    pub(crate) version: Option<u8>,
    dirty: Vec<usize>,
    scratch: Vec<u8>,
    /// The time at which what is being told of came.
    pub(crate) now: Instant,
}

impl Net {
    /// A client for each token, none connected yet.
    pub(crate) fn new(address: SocketAddr, tokens: Vec<String>) -> Result<Self, Error> {
        let poll = Poll::new()?;
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        let fd = timer.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&fd), TIMER, Interest::READABLE)?;
        let conns = tokens.iter().map(|_| Conn {
            stream: None,
            stage: Stage::Away,
            rest: Vec::new(),
            out: Vec::new(),
            dirty: false,
            blocked: false,
            deaf: false,
        });
        Ok(Self {
            poll,
            events: Some(Events::with_capacity(1_024)),
            timer,
            address,
            conns: conns.collect(),
            beside: vec![String::new(); tokens.len()],
            tokens,
            version: None,
            dirty: Vec::new(),
            scratch: vec![0; READ],
            now: Instant::now(),
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.conns.len()
    }

    /// Where those who connect from now on go.
    pub(crate) fn go_to(&mut self, address: SocketAddr) {
        self.address = address;
    }

    /// What this one says beside its token when it connects: keys of JSON, each after a comma.
    pub(crate) fn say_beside(&mut self, who: usize, keys: String) {
        self.beside[who] = keys;
    }

    pub(crate) fn is_joined(&self, who: usize) -> bool {
        self.conns[who].stage == Stage::Joined
    }

    /// Begins to connect. `receive_buffer` in bytes, where the kernel's own choice is too large.
    pub(crate) fn connect(
        &mut self,
        who: usize,
        receive_buffer: Option<usize>,
    ) -> Result<(), Error> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        // Whoever goes leaves no port behind that waits for a minute.
        socket.set_linger(Some(Duration::ZERO))?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if self.conns.len() > PORTS && self.address.ip().is_loopback() {
            let host = u8::try_from(1 + who / PORTS)?;
            let from = SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0));
            socket.bind(&from.into())?;
        }
        match socket.connect(&self.address.into()) {
            Err(error)
                if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
            {
                return Err(error.into());
            }
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(who), both)?;
        let conn = &mut self.conns[who];
        conn.stream = Some(stream);
        conn.stage = Stage::Connecting;
        conn.blocked = true;
        conn.deaf = false;
        conn.rest = Vec::new();
        conn.out.clear();
        Ok(())
    }

    /// Cuts the connection, as a lost network would; nobody is told.
    pub(crate) fn cut(&mut self, who: usize) {
        let conn = &mut self.conns[who];
        conn.stream = None;
        conn.stage = Stage::Away;
        conn.rest = Vec::new();
        conn.out = Vec::new();
    }

    /// How many bytes wait for this connection.
    pub(crate) fn waiting(&self, who: usize) -> usize {
        self.conns[who].out.len()
    }

    /// Stops reading what is sent to this one.
    pub(crate) fn deafen(&mut self, who: usize) {
        self.conns[who].deaf = true;
    }

    /// Sends a text at the end of this turn.
    pub(crate) fn say(&mut self, who: usize, text: &[u8]) {
        wire::push_text(&mut self.conns[who].out, text);
        self.wake(who);
    }

    fn wake(&mut self, who: usize) {
        if !self.conns[who].dirty {
            self.conns[who].dirty = true;
            self.dirty.push(who);
        }
    }

    /// Writes what was said, waits until something happens or the time has come, and tells of it.
    pub(crate) fn turn(&mut self, handler: &mut impl Handler, until: Instant) -> Result<(), Error> {
        self.flush(handler);
        let wait = until.saturating_duration_since(Instant::now());
        let mut timeout = Some(wait);
        if !wait.is_zero() && wait < Duration::from_millis(20) {
            // epoll would round up to milliseconds.
            let value = Timespec {
                tv_sec: 0,
                tv_nsec: i64::from(wait.subsec_nanos()),
            };
            let interval = Timespec::default();
            let timer = Itimerspec {
                it_interval: interval,
                it_value: value,
            };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &timer)?;
            timeout = Some(Duration::from_millis(100));
        }
        let mut events = self.events.take().ok_or("a turn within a turn")?;
        let polled = self.poll.poll(&mut events, timeout);
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        self.now = Instant::now();
        for event in &events {
            match event.token() {
                TIMER => {
                    let _ = rustix::io::read(&self.timer, &mut [0; 8]);
                }
                Token(who) => self.serve(handler, who, event),
            }
        }
        self.events = Some(events);
        self.flush(handler);
        Ok(())
    }

    fn serve(&mut self, handler: &mut impl Handler, who: usize, event: &Event) {
        if event.is_writable() && self.conns[who].blocked {
            self.conns[who].blocked = false;
            if self.conns[who].stage == Stage::Connecting {
                let stream = self.conns[who].stream.as_ref();
                if let Some(error) = stream.and_then(|stream| stream.take_error().ok()?) {
                    return self.leave(handler, who, error.to_string());
                }
                self.conns[who].stage = Stage::Upgrading;
                self.conns[who].out.extend_from_slice(wire::UPGRADE);
            }
            self.wake(who);
        }
        if event.is_readable() && !self.conns[who].deaf {
            self.now = Instant::now();
            let mut scratch = std::mem::take(&mut self.scratch);
            if let Err(why) = self.read(handler, who, &mut scratch, event.is_read_closed()) {
                self.leave(handler, who, why);
            }
            self.scratch = scratch;
        }
    }

    fn leave(&mut self, handler: &mut impl Handler, who: usize, why: String) {
        if self.conns[who].stage != Stage::Away {
            self.cut(who);
            handler.left(self, who, why);
        }
    }

    fn read(
        &mut self,
        handler: &mut impl Handler,
        who: usize,
        scratch: &mut [u8],
        closed: bool,
    ) -> Result<(), String> {
        loop {
            let conn = &mut self.conns[who];
            let Some(stream) = &mut conn.stream else {
                return Ok(());
            };
            // What is left of the last time goes in front.
            let kept = conn.rest.len();
            if kept + 16_384 > scratch.len() {
                return Err("a frame longer than 100 kB".into());
            }
            scratch[..kept].copy_from_slice(&conn.rest);
            conn.rest.clear();
            let room = scratch.len() - kept;
            let (count, result) = match stream.read(&mut scratch[kept..]) {
                Ok(0) => return Err("the server closed".into()),
                Ok(count) => (count, Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => (0, Ok(())),
                Err(error) => (0, Err(error.to_string())),
            };
            let bytes = &scratch[..kept + count];
            let taken = if count > 0 {
                self.take(handler, who, bytes)?
            } else {
                0
            };
            let conn = &mut self.conns[who];
            if conn.stage == Stage::Away {
                return Ok(());
            }
            conn.rest.extend_from_slice(&bytes[taken..]);
            result?;
            // epoll tells anew of whatever comes after a short read.
            if count == 0 || (count < room && !closed) {
                return Ok(());
            }
        }
    }

    /// Tells of each whole frame; gives how many bytes those were.
    fn take(
        &mut self,
        handler: &mut impl Handler,
        who: usize,
        bytes: &[u8],
    ) -> Result<usize, String> {
        let mut taken = 0;
        if self.conns[who].stage == Stage::Upgrading {
            let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
                return Ok(0);
            };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                let line = bytes
                    .split(|byte| *byte == b'\r')
                    .next()
                    .unwrap_or_default();
                return Err(String::from_utf8_lossy(line).into_owned());
            }
            self.conns[who].stage = Stage::Joining;
            taken = end + 4;
        }
        while let Some((frame, length)) = wire::read_frame(&bytes[taken..])? {
            taken += length;
            match frame {
                Frame::Text(text) => self.packet(handler, who, text)?,
                Frame::Ping(payload) => {
                    wire::push_pong(&mut self.conns[who].out, payload);
                    self.wake(who);
                }
                Frame::Pong => {}
                Frame::Close => return Err("the server closed the WebSocket".into()),
            }
            if self.conns[who].stage == Stage::Away {
                break;
            }
        }
        Ok(taken)
    }

    fn packet(
        &mut self,
        handler: &mut impl Handler,
        who: usize,
        text: &[u8],
    ) -> Result<(), String> {
        match text {
            [b'4', b'2' | b'3', ..] => handler.heard(self, who, &text[1..]),
            b"2" => self.say(who, b"3"),
            [b'0', ..] => {
                let token = std::mem::take(&mut self.tokens[who]);
                let version = self.version.map(|version| format!(",\"v\":{version}"));
                let version = version.unwrap_or_default();
                let beside = &self.beside[who];
                let auth = format!("40{{\"token\":\"{token}\"{version}{beside}}}");
                self.say(who, auth.as_bytes());
                self.tokens[who] = token;
            }
            [b'4', b'0', ..] => {
                self.conns[who].stage = Stage::Joined;
                handler.welcomed(who, text);
                handler.joined(self, who);
            }
            b"6" => {}
            other => return Err(String::from_utf8_lossy(other).into_owned()),
        }
        Ok(())
    }

    fn flush(&mut self, handler: &mut impl Handler) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for who in dirty.drain(..) {
            self.conns[who].dirty = false;
            if let Err(error) = self.write(who) {
                self.leave(handler, who, error.to_string());
            }
        }
        // Whoever left may have made somebody else speak.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    fn write(&mut self, who: usize) -> io::Result<()> {
        let conn = &mut self.conns[who];
        let Some(stream) = &mut conn.stream else {
            return Ok(());
        };
        let mut written = 0;
        while written < conn.out.len() && !conn.blocked {
            match stream.write(&conn.out[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => conn.blocked = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        conn.out.drain(..written);
        Ok(())
    }
}

/// Connects everybody, so many at once, and waits until all have joined.
pub(crate) fn join_all(net: &mut Net, at_once: usize) -> Result<Duration, Error> {
    let everybody: Vec<usize> = (0..net.count()).collect();
    let mut arrivals = Arrivals::new(everybody, at_once, None);
    let began = Instant::now();
    let deadline = began + Duration::from_secs(120);
    arrivals.begin(net)?;
    while !arrivals.done() {
        if Instant::now() > deadline {
            return Err("not everybody could join within 120 s".into());
        }
        net.turn(&mut arrivals, deadline)?;
        arrivals.begin(net)?;
        if let Some(why) = arrivals.refused.first() {
            return Err(format!("a client could not join: {why}").into());
        }
    }
    Ok(began.elapsed())
}

/// Those who are to join, and how far they are.
pub(crate) struct Arrivals {
    waiting: Vec<usize>,
    at_once: usize,
    under_way: usize,
    receive_buffer: Option<usize>,
    pub(crate) joined: usize,
    /// Why some could not.
    pub(crate) refused: Vec<String>,
}

impl Arrivals {
    pub(crate) fn new(mut who: Vec<usize>, at_once: usize, receive_buffer: Option<usize>) -> Self {
        who.reverse();
        Self {
            waiting: who,
            at_once,
            under_way: 0,
            receive_buffer,
            joined: 0,
            refused: Vec::new(),
        }
    }

    pub(crate) fn done(&self) -> bool {
        self.waiting.is_empty() && self.under_way == 0
    }

    /// Lets as many begin as may be under way.
    pub(crate) fn begin(&mut self, net: &mut Net) -> Result<(), Error> {
        while self.under_way < self.at_once
            && let Some(who) = self.waiting.pop()
        {
            net.connect(who, self.receive_buffer)?;
            self.under_way += 1;
        }
        Ok(())
    }

    pub(crate) fn on_joined(&mut self) {
        self.under_way -= 1;
        self.joined += 1;
    }
}

impl Handler for Arrivals {
    fn joined(&mut self, _: &mut Net, _: usize) {
        self.on_joined();
    }

    fn heard(&mut self, _: &mut Net, _: usize, _: &[u8]) {}

    fn left(&mut self, _: &mut Net, who: usize, why: String) {
        self.under_way = self.under_way.saturating_sub(1);
        self.refused.push(format!("client {who}: {why}"));
    }
}
