//! The course of one session: when a ping is due, and when it is over.
//!
//! A value that is moved by packets and by time. Each move has at most one output, so nothing is
//! queued here. Deadlines are absolute: a late look at the clock never moves the next one.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use super::packet::Packet;

/// The rhythm of pings and their answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// From the opening, or from an answer, to the next ping.
    pub interval: Duration,
    /// From a ping to its answer.
    pub timeout: Duration,
}

/// Writes the enum and its names from one list.
macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident = $name:literal,)*) => {
        /// The reason that a session is over.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum CloseReason {
            $($(#[$doc])* $reason,)*
        }

        impl CloseReason {
            /// Every reason.
            pub const ALL: &'static [CloseReason] = &[$(CloseReason::$reason),*];

            /// The word by which it is counted.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$reason => $name,)* }
            }
        }
    };
}

reasons! {
    /// The client closed it, or its connection.
    TransportClose = "transport_close",
    /// Its connection broke, or was used against the rules.
    TransportError = "transport_error",
    /// The client sent more in a second than any has to say.
    Flood = "flood",
    /// The client did not answer a ping in time.
    PingTimeout = "ping_timeout",
    /// The client sent what is no packet.
    ParseError = "parse_error",
    /// The client joined no namespace in time.
    ConnectTimeout = "connect_timeout",
    /// The client does not read what it is sent; it may come back and catch up.
    SlowConsumer = "slow_consumer",
    /// This side closed it.
    ForcedClose = "forced_close",
    /// The server is stopping.
    ServerShutdown = "server_shutdown",
}

/// The consequence of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output<'a> {
    /// Nothing.
    None,
    /// Send this to the client.
    Transmit(Packet<'a>),
    /// The client says this.
    Message(&'a str),
    /// The client says this.
    Binary(Cow<'a, [u8]>),
    /// The session is over.
    Closed(CloseReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beat {
    /// A ping goes out then.
    Ping(Instant),
    /// Its answer is late then.
    Pong(Instant),
}

/// One session.
#[derive(Debug)]
pub struct Session {
    is_over: bool,
    /// The interval and the timeout of its heartbeat, in milliseconds: a server has many sessions,
    /// and two `Duration`s are four times as large.
    interval_ms: u32,
    timeout_ms: u32,
    beat: Beat,
    /// The beginning of the second in which packets are counted.
    second: Instant,
    in_second: u32,
    packets_a_second: u32,
}

impl Session {
    /// Returns a session that opens now. A client that sends more than `packets_a_second` ends it.
    pub fn open(now: Instant, heartbeat: Heartbeat, packets_a_second: u32) -> Self {
        Self {
            is_over: false,
            interval_ms: whole_ms(heartbeat.interval),
            timeout_ms: whole_ms(heartbeat.timeout),
            beat: Beat::Ping(now + heartbeat.interval),
            second: now,
            in_second: 0,
            packets_a_second,
        }
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms.into())
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }

    /// Returns whether it is over.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns when [`Session::handle_timeout`] is to be called next.
    pub fn deadline(&self) -> Instant {
        match self.beat {
            Beat::Ping(due) | Beat::Pong(due) => due,
        }
    }

    /// Returns when to look at the clock next, for a caller that is not told of answers: an answer
    /// may bring the deadline forward, but never to less than an interval from when it came.
    pub fn next_look(&self, now: Instant) -> Instant {
        self.deadline().min(now + self.interval())
    }

    /// Time went by.
    pub fn handle_timeout(&mut self, now: Instant) -> Output<'static> {
        match self.beat {
            _ if self.is_over => Output::None,
            Beat::Ping(due) if now >= due => {
                self.beat = Beat::Pong(due + self.timeout());
                Output::Transmit(Packet::Ping)
            }
            Beat::Pong(due) if now >= due => self.close(CloseReason::PingTimeout),
            _ => Output::None,
        }
    }

    /// The client has taken what it was slow to take: the answer to a ping among that is due from
    /// now on.
    pub fn heard_of(&mut self, now: Instant) {
        let timeout = self.timeout();
        if let Beat::Pong(due) = &mut self.beat {
            *due = (*due).max(now + timeout);
        }
    }

    /// The client sent a packet on the session's transport.
    pub fn handle_packet<'a>(&mut self, now: Instant, packet: Packet<'a>) -> Output<'a> {
        if self.is_over {
            return Output::None;
        }
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            (self.second, self.in_second) = (now, 0);
        }
        self.in_second += 1;
        if self.in_second > self.packets_a_second {
            return self.close(CloseReason::Flood);
        }
        match packet {
            Packet::Message(text) => Output::Message(text),
            Packet::Binary(bytes) => Output::Binary(bytes),
            Packet::Pong => {
                if matches!(self.beat, Beat::Pong(_)) {
                    self.beat = Beat::Ping(now + self.interval());
                }
                Output::None
            }
            Packet::Close => self.close(CloseReason::TransportClose),
            // In this revision pings go from the server to the client only.
            Packet::Ping | Packet::PingProbe => self.close(CloseReason::ParseError),
            Packet::Open(_) | Packet::PongProbe | Packet::Upgrade | Packet::Noop => Output::None,
        }
    }

    /// Ends it. The output says so once.
    pub fn close(&mut self, reason: CloseReason) -> Output<'static> {
        if self.is_over {
            return Output::None;
        }
        self.is_over = true;
        Output::Closed(reason)
    }
}

/// Returns the milliseconds of a time, up to 49 days.
fn whole_ms(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: Heartbeat = Heartbeat {
        interval: Duration::from_secs(25),
        timeout: Duration::from_secs(20),
    };

    const PACKETS_A_SECOND: u32 = 10_000;

    fn open() -> (Session, Instant) {
        let start = Instant::now();
        (Session::open(start, HEARTBEAT, PACKETS_A_SECOND), start)
    }

    #[test]
    fn a_ping_goes_out_after_the_interval_and_silence_ends_the_session() {
        let (mut session, start) = open();
        assert_eq!(
            session.handle_timeout(start + Duration::from_millis(24_999)),
            Output::None
        );
        assert_eq!(
            session.handle_timeout(start + HEARTBEAT.interval),
            Output::Transmit(Packet::Ping)
        );
        let end = start + HEARTBEAT.interval + HEARTBEAT.timeout;
        assert_eq!(session.deadline(), end);
        assert_eq!(
            session.handle_timeout(end),
            Output::Closed(CloseReason::PingTimeout)
        );
        assert_eq!(session.handle_timeout(end), Output::None);
    }

    #[test]
    fn a_late_look_at_the_clock_does_not_move_the_deadline() {
        let (mut session, start) = open();
        assert_eq!(
            session.handle_timeout(start + Duration::from_secs(30)),
            Output::Transmit(Packet::Ping)
        );
        assert_eq!(
            session.deadline(),
            start + HEARTBEAT.interval + HEARTBEAT.timeout
        );
    }

    #[test]
    fn an_answer_starts_the_interval_anew_and_other_traffic_does_not() {
        let (mut session, start) = open();
        session.handle_timeout(start + HEARTBEAT.interval);
        let end = session.deadline();
        assert_eq!(
            session.handle_packet(end, Packet::Message("x")),
            Output::Message("x")
        );
        assert_eq!(session.deadline(), end);
        let answered = start + Duration::from_secs(26);
        assert_eq!(session.handle_packet(answered, Packet::Pong), Output::None);
        assert_eq!(session.deadline(), answered + HEARTBEAT.interval);
        assert_eq!(
            session.handle_packet(answered + Duration::from_secs(1), Packet::Pong),
            Output::None
        );
        assert_eq!(
            session.deadline(),
            answered + HEARTBEAT.interval,
            "an unasked answer moves nothing"
        );
    }

    /// With an interval shorter than the timeout, a polling session's second ping came only when
    /// the first had expired.
    #[test]
    fn who_looks_again_when_told_to_finds_every_ping_in_time() {
        let heartbeat = Heartbeat {
            interval: Duration::from_millis(500),
            timeout: Duration::from_secs(20),
        };
        let start = Instant::now();
        let mut session = Session::open(start, heartbeat, PACKETS_A_SECOND);
        assert_eq!(session.next_look(start), start + heartbeat.interval);
        let pinged = start + heartbeat.interval;
        session.handle_timeout(pinged);
        let look = session.next_look(pinged);
        session.handle_packet(pinged + Duration::from_millis(5), Packet::Pong);
        assert!(look <= session.deadline());
        assert_eq!(session.next_look(look), session.deadline());
    }

    #[test]
    fn a_client_that_was_slow_to_take_a_ping_has_the_whole_time_to_answer_it() {
        let (mut session, start) = open();
        let pinged = start + HEARTBEAT.interval;
        session.heard_of(pinged);
        assert_eq!(session.deadline(), pinged, "there is no ping to answer yet");
        session.handle_timeout(pinged);
        let taken = pinged + HEARTBEAT.timeout + Duration::from_secs(10);
        session.heard_of(taken);
        assert_eq!(session.handle_timeout(taken), Output::None);
        assert_eq!(session.deadline(), taken + HEARTBEAT.timeout);
        session.heard_of(pinged);
        assert_eq!(session.deadline(), taken + HEARTBEAT.timeout);
    }

    #[test]
    fn a_client_that_floods_is_closed_and_one_that_is_busy_is_not() {
        let (mut session, start) = open();
        for second in 0..3 {
            let now = start + Duration::from_secs(second);
            for _ in 0..PACKETS_A_SECOND {
                assert_eq!(
                    session.handle_packet(now, Packet::Message("x")),
                    Output::Message("x")
                );
            }
        }
        let now = start + Duration::from_millis(2_999);
        assert_eq!(
            session.handle_packet(now, Packet::Message("x")),
            Output::Closed(CloseReason::Flood)
        );
    }

    #[test]
    fn a_client_that_pings_is_closed() {
        for packet in [Packet::Ping, Packet::PingProbe] {
            let (mut session, start) = open();
            assert_eq!(
                session.handle_packet(start, packet),
                Output::Closed(CloseReason::ParseError)
            );
        }
    }

    #[test]
    fn packets_that_only_a_server_sends_are_ignored() {
        let (mut session, start) = open();
        for packet in [
            Packet::Open("{}"),
            Packet::PongProbe,
            Packet::Upgrade,
            Packet::Noop,
            Packet::Pong,
        ] {
            assert_eq!(session.handle_packet(start, packet), Output::None);
        }
        assert!(!session.is_over());
    }

    #[test]
    fn a_client_that_closes_is_closed_once() {
        let (mut session, start) = open();
        assert_eq!(
            session.handle_packet(start, Packet::Close),
            Output::Closed(CloseReason::TransportClose)
        );
        assert_eq!(
            session.handle_packet(start, Packet::Message("x")),
            Output::None
        );
    }
}
