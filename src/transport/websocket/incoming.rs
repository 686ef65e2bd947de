//! What comes from the client: bytes to messages, a turn's worth at a time.

use std::cell::RefCell;
use std::task::Context;
use std::time::Instant;

use tokio::io::AsyncRead;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

use super::bounds::Bounds;
use super::judge::{Read, Step, TRY_AGAIN_LATER, act, flooded, over};
use super::shim::{Shim, Stopped};
use super::task::Phase;
use super::written::Written;
use crate::budget::{Portion, UNCOUNTED_HALF};
use crate::engineio::CloseReason;
use crate::transport::config::EngineConfig;
use crate::transport::frame::Frame;
use crate::transport::live::Live;

/// 1,000 bytes: most messages fit, and it is of a size that the allocator keeps at hand.
const READ_BUFFER: usize = 1_000;
/// 16 KiB, one a thread: the most that one system call reads or writes.
pub(super) const SCRATCH: usize = 16 * 1_024;
/// Messages that one turn reads before other tasks get theirs.
const MESSAGES_A_TURN: usize = 64;

thread_local! {
    pub(super) static READ_SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into());
}

/// The reading half of a connection.
pub(super) struct Incoming {
    /// Reads frames; made when something comes, dropped when nothing is half read.
    pub(super) reader: Option<Box<WebSocketContext>>,
    bounds: Bounds,
    /// Read but not yet taken by tungstenite; mostly empty.
    pub(super) rest: Vec<u8>,
    /// The bytes taken from the pool for the largest message of which more was half received than
    /// is uncounted. They are as long as the reader, which keeps the room that it once needed.
    half: Option<Box<Portion>>,
}

/// Returns a reader of frames, of messages up to so many bytes.
fn reader(max_payload: usize) -> WebSocketContext {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(max_payload))
        .max_frame_size(Some(max_payload));
    WebSocketContext::new(Role::Server, Some(config))
}

impl Incoming {
    /// Begins with what was read behind the request that asked for the WebSocket.
    pub(super) fn new(now: Instant, read: &[u8], frames_a_second: u32) -> Self {
        let mut bounds = Bounds::new(now);
        bounds.feed(now, read, frames_a_second);
        Self {
            reader: None,
            bounds,
            rest: read.to_vec(),
            half: None,
        }
    }

    /// Drops all that is half read: it would be kept, uncounted, until the client is gone.
    pub(super) fn give_up(&mut self) {
        (self.reader, self.rest, self.half) = (None, Vec::new(), None);
    }

    /// Reads what there is, up to a turn's worth, and acts on it. What tungstenite has to say goes
    /// to `written`.
    pub(super) fn read<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
        config: &EngineConfig,
        live: &Live,
        phase: &mut Phase,
        written: &mut Written,
    ) -> Read {
        READ_SCRATCH.with_borrow_mut(|scratch| {
            let before = std::mem::take(&mut self.rest);
            let mut shim = Shim {
                io,
                cx,
                now: Instant::now(),
                bounds: &mut self.bounds,
                frames_a_second: config.limits.frames_a_second,
                scratch,
                filled: 0,
                taken: 0,
                total: 0,
                stopped: None,
                before: &before,
                control: Vec::new(),
                pong: None,
            };
            // Nothing is made for a connection on which nothing has come. A reader that is there
            // may hold whole frames that the last turn left to this one.
            if self.reader.is_none()
                && shim.before.is_empty()
                && let Err(error) = shim.fill()
            {
                return match shim.stopped {
                    Some(Stopped::TooManyFrames) => flooded(),
                    _ => over(&error.into()),
                };
            }
            let reader = self
                .reader
                .get_or_insert_with(|| Box::new(reader(config.max_payload)));
            let mut outcome = read_messages(reader, &mut shim, live, phase, written);
            match (&outcome, shim.stopped) {
                (Read::Pending, Some(Stopped::TurnIsOver)) => outcome = Read::Yield,
                (Read::Pending, Some(Stopped::TooManyFrames)) => outcome = flooded(),
                _ => {}
            }
            self.rest = [shim.before, &shim.scratch[shim.taken..shim.filled]].concat();
            if let Some(pong) = shim.pong.take() {
                written.set_pong(Frame::control(pong));
            }
            let control = std::mem::take(&mut shim.control);
            if !control.is_empty() {
                written.push_first(Frame::control(control));
            }
            if !hold_half(&mut self.half, live, self.bounds.half_read()) {
                outcome = Read::Close(CloseReason::TransportError, Some(TRY_AGAIN_LATER));
            }
            // Nothing is half read, and tungstenite has written what it had to.
            if matches!(outcome, Read::Pending) && self.bounds.is_between_messages() {
                (self.reader, self.half) = (None, None);
            }
            outcome
        })
    }
}

/// Reads messages until there is none, or the turn is over, and acts on each.
fn read_messages<S: AsyncRead + Unpin>(
    reader: &mut WebSocketContext,
    shim: &mut Shim<'_, '_, S>,
    live: &Live,
    phase: &mut Phase,
    written: &Written,
) -> Read {
    for _ in 0..MESSAGES_A_TURN {
        let step = match reader.read(shim) {
            Ok(message) => act(live, phase, shim.now, &message),
            Err(error) => Step::Over(over(&error)),
        };
        match step {
            Step::On => {}
            // One that waits answers all probes.
            Step::Answer(packet) if written.is_empty() && shim.control.is_empty() => {
                let answer = Frame::packet(&packet);
                shim.control.extend_from_slice(answer.wire());
            }
            Step::Answer(_) => {}
            Step::Over(read) => {
                if matches!(read, Read::Closed) {
                    // Lets tungstenite write its answer; that it then calls the connection closed
                    // is known here.
                    let _ = reader.flush(shim);
                }
                return read;
            }
        }
    }
    Read::Yield
}

/// Counts a message that is half received. Returns `false` where there is no room for it: that of
/// all such messages is bounded, and that of one address. A shorter one after it gives nothing
/// back.
fn hold_half(held: &mut Option<Box<Portion>>, live: &Live, half: usize) -> bool {
    if half <= UNCOUNTED_HALF {
        return true;
    }
    let portion = match held {
        Some(portion) => portion,
        None => match live.half_received() {
            Some(portion) => held.insert(Box::new(portion)),
            None => return true,
        },
    };
    let more = half.saturating_sub(portion.bytes());
    more == 0 || portion.grow(more.next_multiple_of(UNCOUNTED_HALF))
}
