//! One task and a connection that is moved by hand.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::handshake::bound_unsent;
use super::incoming::SCRATCH;
use super::task::{Phase, Task};
use crate::budget::{Budget, Pool, Portions, UNCOUNTED_HALF};
use crate::engineio::Upgrade;
use crate::transport::frame::Frame;
use crate::transport::shared::Shared;
use crate::transport::{
    Acceptor, CloseReason, Connection, Engine, EngineConfig, EngineLimits, Handshake, Receiver,
};

/// Hears nothing.
struct Nobody;

impl Acceptor for Nobody {
    fn open(&self, _: &Handshake<'_>, _: Connection) -> Arc<dyn Receiver> {
        Arc::new(Nobody)
    }
}

impl Receiver for Nobody {
    fn message(&self, _: &str) -> Result<(), CloseReason> {
        Ok(())
    }

    fn binary(&self, _: &[u8]) -> Result<(), CloseReason> {
        Ok(())
    }

    fn closed(&self, _: CloseReason) {}
}

/// A connection whose client has sent this, and takes so many bytes.
#[derive(Default)]
struct Fake {
    sent: VecDeque<Vec<u8>>,
    takes: usize,
    taken: Vec<u8>,
}

impl AsyncRead for Fake {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut().sent.pop_front() {
            Some(bytes) => {
                buffer.put_slice(&bytes);
                Poll::Ready(Ok(()))
            }
            None => Poll::Pending,
        }
    }
}

impl AsyncWrite for Fake {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let fake = self.get_mut();
        let count = bytes.len().min(fake.takes);
        if count == 0 {
            return Poll::Pending;
        }
        fake.takes -= count;
        fake.taken.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A frame of a client, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

fn task(budget: Budget, phase: Phase) -> (Task<Fake>, Engine) {
    let config = EngineConfig {
        budget,
        ..EngineConfig::default()
    };
    let engine = Engine::new(config, Arc::new(Nobody));
    (another(&engine.shared, phase), engine)
}

fn another(shared: &Arc<Shared>, phase: Phase) -> Task<Fake> {
    another_at(shared, phase, Ipv4Addr::LOCALHOST.into())
}

fn another_at(shared: &Arc<Shared>, phase: Phase, address: IpAddr) -> Task<Fake> {
    let upgrade = match phase {
        Phase::Open => Upgrade::WebSocket,
        _ => Upgrade::Polling,
    };
    let live = shared.add(upgrade, address).unwrap();
    if phase == Phase::Probing {
        assert!(live.begin_upgrade());
    }
    Task::new(Fake::default(), &[], shared, live, phase)
}

fn turn(task: &mut Task<Fake>) -> Poll<()> {
    Pin::new(task).poll(&mut Context::from_waker(Waker::noop()))
}

/// Each ping was answered by a frame that waited: 12 MiB in eight seconds, without a token.
#[tokio::test]
async fn a_client_that_pings_and_reads_nothing_is_owed_no_more_than_the_latest_pong() {
    let (mut task, _engine) = task(Budget::default(), Phase::Open);
    task.live
        .send([Frame::message(|out| out.extend_from_slice(b"hi"))]);
    task.io.takes = 1;
    assert!(turn(&mut task).is_pending());
    for number in 0..1_000_u16 {
        let pings = (0..10).map(|_| frame(0x89, &number.to_be_bytes()));
        task.io.sent.extend(pings);
        assert!(turn(&mut task).is_pending());
        assert!(
            task.written.frames.len() <= 2,
            "{} frames wait",
            task.written.frames.len()
        );
    }
    task.io.takes = usize::MAX;
    assert!(turn(&mut task).is_pending());
    let pong = [0x8a, 2, 999_u16.to_be_bytes()[0], 999_u16.to_be_bytes()[1]];
    assert_eq!(task.io.taken, [b"\x81\x034hi", &pong[..]].concat());
    // The same where nothing is half written.
    (task.io.takes, task.io.taken) = (0, Vec::new());
    for number in 0..100_u16 {
        task.io.sent.push_back(frame(0x89, &number.to_be_bytes()));
        assert!(turn(&mut task).is_pending());
        assert_eq!(task.written.frames.len(), 1);
    }
    task.io.takes = usize::MAX;
    assert!(turn(&mut task).is_pending());
    assert_eq!(task.io.taken, [0x8a, 2, 0, 99]);
}

#[tokio::test]
async fn a_websocket_that_probes_again_and_again_and_reads_nothing_is_owed_one_answer() {
    let (mut task, _engine) = task(Budget::default(), Phase::Probing);
    for _ in 0..1_000 {
        task.io.sent.push_back(frame(0x81, b"2probe"));
        assert!(turn(&mut task).is_pending());
        assert_eq!(task.written.frames.len(), 1);
    }
    task.io.takes = usize::MAX;
    assert!(turn(&mut task).is_pending());
    assert_eq!(task.io.taken, b"\x81\x063probe");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_slow_and_one_that_takes_little_by_little_is_not() {
    let (mut task, _engine) = task(Budget::default(), Phase::Open);
    let limits = EngineLimits::default();
    let waits = Frame::message(|out| out.resize(100_000, b'x'));
    task.live.send([waits]);
    assert!(turn(&mut task).is_pending());
    for _ in 0..5 {
        task.block(Instant::now());
        task.io.takes = limits.min_progress;
        assert!(turn(&mut task).is_pending());
        let blocked = *task.blocked.clone().unwrap();
        let later = blocked.since + limits.write_timeout;
        assert!(task.judge(later, blocked).is_pending());
        assert_eq!(task.phase, Phase::Open);
    }
    task.io.takes = limits.min_progress - 1;
    assert!(turn(&mut task).is_pending());
    let blocked = *task.blocked.clone().unwrap();
    let later = blocked.since + limits.write_timeout;
    assert!(task.judge(later, blocked).is_ready());
    assert_eq!(
        task.live.outgoing.closing(),
        Some(CloseReason::SlowConsumer),
        "a reader of a byte now and then holds no memory for ever"
    );
}

#[tokio::test]
async fn the_kernel_takes_little_for_a_client_that_reads_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    let (client, (stream, _)) = (client.unwrap(), accepted.unwrap());
    bound_unsent(&stream);
    let mut taken = 0;
    stream.writable().await.unwrap();
    while let Ok(count) = stream.try_write(&[b'x'; SCRATCH]) {
        taken += count;
    }
    assert!(taken < 1 << 20, "{taken} bytes");
    drop(client);
}

#[tokio::test]
async fn nothing_more_is_read_from_a_client_for_which_too_much_waits() {
    let budget = Budget {
        outboxes: Pool::new(200_000),
        ..Budget::default()
    };
    let (mut task, _engine) = task(budget, Phase::Open);
    let waits = Frame::message(|out| out.resize(80_000, b'x'));
    task.live.send([waits]);
    assert!(turn(&mut task).is_pending());
    task.io.sent.push_back(frame(0x81, b"4hi"));
    assert!(turn(&mut task).is_pending());
    assert_eq!(task.io.sent.len(), 1);
    task.io.takes = usize::MAX;
    assert!(turn(&mut task).is_pending());
    assert!(turn(&mut task).is_pending());
    assert_eq!(task.io.sent.len(), 0);
}

/// The beginning of a message of 1,000,000 bytes, as much as was sent of it.
fn begin(task: &mut Task<Fake>, bytes: usize) {
    let mut begun = vec![0x81, 0xff, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40, 0, 0, 0, 0];
    begun.resize(bytes, b'4');
    let pieces = begun.chunks(SCRATCH).map(<[u8]>::to_vec);
    task.io.sent.extend(pieces);
    task.io.takes = usize::MAX;
    while !task.io.sent.is_empty() {
        let _ = turn(task);
    }
}

/// A client that reads its close frame late had what it had sent kept for two seconds more, by then
/// uncounted.
#[tokio::test]
async fn nothing_is_kept_of_a_half_message_once_its_session_is_over() {
    let (mut task, engine) = task(Budget::default(), Phase::Open);
    begin(&mut task, 900_000);
    let pool = &engine.shared.config.budget.half_received;
    assert!(pool.used() > 800_000 && task.incoming.reader.is_some());
    task.live.outgoing.close(CloseReason::ForcedClose);
    assert!(turn(&mut task).is_pending());
    assert_eq!(task.phase, Phase::Closing);
    assert!(task.incoming.reader.is_none() && task.incoming.rest.is_empty());
    assert_eq!(pool.used(), 0);
}

/// Each connection could have the server keep a megabyte, without a token.
#[tokio::test]
async fn messages_that_are_half_received_are_bounded_in_sum_and_given_back() {
    let budget = Budget {
        half_received: Portions::new(Pool::new(0), 0),
        ..Budget::default()
    };
    let (mut first, engine) = task(budget, Phase::Open);
    let shared = &engine.shared;
    let pool = shared.config.budget.half_received.clone();
    let mut second = another(shared, Phase::Open);
    let mut third = another(shared, Phase::Open);
    let mut fourth = another(shared, Phase::Open);
    begin(&mut first, 900_000);
    begin(&mut second, 900_000);
    assert!(pool.used() >= 1_700_000, "{}", pool.used());
    begin(&mut third, UNCOUNTED_HALF);
    for living in [&first, &second, &third] {
        assert_eq!(
            living.phase,
            Phase::Open,
            "two of the largest, and a short one"
        );
    }
    begin(&mut fourth, 900_000);
    assert_eq!(
        fourth.io.taken[..4],
        [0x88, 2, 0x03, 0xf5],
        "try again later"
    );
    drop((first, second, third, fourth));
    assert_eq!(pool.used(), 0);
}

/// One address took all of it, so that alerts and large bodies of everybody else were refused.
#[tokio::test]
async fn one_address_has_no_more_than_its_part_of_what_is_half_received() {
    let pool = Pool::new(16 << 20);
    let budget = Budget {
        half_received: Portions::new(pool.clone(), 0),
        ..Budget::default()
    };
    let (_local, engine) = task(budget, Phase::Open);
    let at = |last: u8| another_at(&engine.shared, Phase::Open, [192, 0, 2, last].into());
    let mut there: Vec<_> = (0..6).map(|_| at(1)).collect();
    for task in &mut there {
        begin(task, 900_000);
    }
    let closing = there.iter().filter(|task| task.phase == Phase::Closing);
    assert_eq!(closing.count(), 2, "of six, where four have room");
    assert!(pool.used() <= pool.limit() / 4, "{}", pool.used());
    let mut elsewhere = at(2);
    begin(&mut elsewhere, 900_000);
    assert_eq!(elsewhere.phase, Phase::Open);
    drop((there, elsewhere));
    assert_eq!(pool.used(), 0);
}

/// The largest message that is allowed is more than a quarter of what there is in a small
/// container.
#[tokio::test]
async fn one_address_may_send_a_message_of_the_largest_size_however_little_memory_there_is() {
    let budget = Budget {
        half_received: Portions::new(Pool::new(0), 0),
        ..Budget::default()
    };
    let (_local, engine) = task(budget, Phase::Open);
    let mut task = another_at(&engine.shared, Phase::Open, [192, 0, 2, 1].into());
    begin(&mut task, 1_000_000);
    assert_eq!(task.phase, Phase::Open);
}

/// The first byte of a next frame kept the reader, and with it the room of the message before,
/// which was counted no more: 200 connections had the server keep 160 MiB.
#[tokio::test]
async fn a_long_message_is_counted_for_as_long_as_its_room_is_kept() {
    let (mut task, engine) = task(Budget::default(), Phase::Open);
    let pool = &engine.shared.config.budget.half_received;
    begin(&mut task, 900_000);
    let mut rest = vec![b'4'; 1_000_000 + 14 - 900_000];
    rest.push(0x81);
    task.io
        .sent
        .extend(rest.chunks(SCRATCH).map(<[u8]>::to_vec));
    while !task.io.sent.is_empty() {
        let _ = turn(&mut task);
    }
    assert!(task.incoming.reader.is_some(), "a frame has begun");
    assert!(pool.used() > 800_000, "{}", pool.used());
    // The rest of that frame, which is short.
    task.io.sent.push_back(frame(0x81, b"4hi")[1..].to_vec());
    assert!(turn(&mut task).is_pending());
    assert!(task.incoming.reader.is_none());
    assert_eq!(pool.used(), 0);
}

/// An idle connection is these two, each in the smallest size of the allocator that it fits: 384
/// bytes for the task with what tokio keeps beside it (104), 320 for the session with its counts.
#[test]
fn an_idle_connection_costs_no_size_of_the_allocator_more() {
    assert!(size_of::<Task<crate::web::Stream>>() + 104 <= 384);
    assert!(size_of::<crate::transport::live::Live>() + 16 <= 320);
}
