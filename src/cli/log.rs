//! The log on standard error.
//!
//! A server never waits for the reader of its log. Its lines are queued, and a thread of their own
//! writes them. While no reader takes them the queue fills, up to a bound in bytes; what comes after
//! that is lost and counted, and the log says how many lines it lost once they are taken again. A
//! command has no queue: it waits for its reader, as programs do.
//!
//! `tracing-appender` was looked at for this. Its queue is bounded in lines, whatever their length,
//! it leaves saying what was lost to its caller, and at the end it prints to standard output where
//! it could not write in time.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use parking_lot::{Condvar, Mutex};
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// 1 MiB: some ten thousand lines. Twice as much may be in memory, once waiting and once being
/// written.
const MOST_BYTES: usize = 1 << 20;
/// The wait for the last lines to be taken, at the end of the program.
const LAST_LINES: Duration = Duration::from_secs(1);
/// The pause of the thread where standard error takes nothing more and says so.
const PAUSE: Duration = Duration::from_millis(10);

/// How log lines are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line, for programs
    Json,
}

/// Starts the log of a command, which waits for its reader.
pub(super) fn start(filter: &str, format: LogFormat) {
    begin(filter, format, io::stderr);
}

/// Starts the log of a server, which waits for no reader. Panics are logged too. `None` where the
/// machine refuses another thread, or standard error cannot be had: then it is the log of a
/// command.
pub(super) fn start_queued(filter: &str, format: LogFormat) -> Option<Lines> {
    // Not by `std::io::stderr()`: a write that hangs would hold its lock, and so hang every other
    // writer.
    let stderr = io::stderr().as_fd().try_clone_to_owned();
    let lines = stderr.and_then(|stderr| Lines::to(File::from(stderr), tell_lost));
    match lines {
        Ok(lines) => {
            begin(filter, format, lines.clone());
            std::panic::set_hook(Box::new(tell_panic));
            Some(lines)
        }
        Err(error) => {
            start(filter, format);
            tracing::warn!(%error, "the log has no thread of its own: the server stops when nobody reads it");
            None
        }
    }
}

fn begin<W>(filter: &str, format: LogFormat, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let safe = filter_fn(|event| is_told(event.target(), *event.level()));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_target(false);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(EnvFilter::new(filter))
        .with(lines.with_filter(safe))
        .init();
}

/// Returns whether a line of this module is written, if the filter that the operator gave lets it
/// through.
fn is_told(module: &str, level: Level) -> bool {
    let of = |name: &str| {
        let rest = module.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    if of(env!("CARGO_CRATE_NAME")) {
        return true;
    }
    // These warn of what a peer does, and so would a stranger fill the log: what matters of it,
    // chatd says itself.
    let speaks_to_peers = ["h2", "hyper", "rustls", "tungstenite"].into_iter().any(of);
    // Lines of libraries below info may hold headers and frames, and so tokens and messages.
    let most = if speaks_to_peers {
        Level::ERROR
    } else {
        Level::INFO
    };
    level <= most
}

fn tell_lost(lost: u64) {
    tracing::warn!(
        lost,
        "lines of this log were lost: nobody took them in time"
    );
}

/// The usual words go to standard error by a lock, which may hang.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let words = panic.payload_as_str().unwrap_or("no words");
    let location = panic.location().map(ToString::to_string);
    let location = location.unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let trace = Backtrace::capture();
    match trace.status() {
        BacktraceStatus::Captured => {
            tracing::error!(thread, location, "a panic: {words}\n{trace}");
        }
        _ => tracing::error!(thread, location, "a panic: {words}"),
    }
}

/// The queue. Cheap to clone: clones are the same queue.
#[derive(Clone)]
pub(super) struct Lines {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    /// Something waits to be written.
    came: Condvar,
    /// Something was written.
    went: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines that found no room since the last taking.
    lost: u64,
    is_writing: bool,
}

impl Lines {
    /// Returns a queue that a new thread writes to `target`; `tell_lost` is called with the number
    /// of lines that were lost once those before them are written.
    fn to(target: impl Write + Send + 'static, tell_lost: fn(u64)) -> io::Result<Self> {
        let queue: Arc<Queue> = Arc::default();
        let writing = Arc::clone(&queue);
        std::thread::Builder::new()
            .name("chatd-log".into())
            .spawn(move || writing.write_to(target, tell_lost))?;
        Ok(Self { queue })
    }

    /// Queues one line with its end, unless there is no room for it.
    fn push(&self, line: &[u8]) {
        let mut state = self.queue.state.lock();
        if state.waiting.len() + line.len() > MOST_BYTES {
            state.lost += 1;
            return;
        }
        state.waiting.extend_from_slice(line);
        drop(state);
        self.queue.came.notify_one();
    }

    /// Queues the last line of a program that failed.
    pub(super) fn say_last(&self, text: &str) {
        self.push(format!("{text}\n").as_bytes());
    }

    /// Waits until everything is written, but not for long.
    pub(super) fn flush(&self) {
        let end = Instant::now() + LAST_LINES;
        let mut state = self.queue.state.lock();
        while state.is_writing || !state.waiting.is_empty() {
            if self.queue.went.wait_until(&mut state, end).timed_out() {
                return;
            }
        }
    }
}

impl Queue {
    fn write_to(&self, mut target: impl Write, tell_lost: fn(u64)) {
        let mut taken = Vec::new();
        loop {
            let lost = {
                let mut state = self.state.lock();
                state.is_writing = false;
                self.went.notify_all();
                while state.waiting.is_empty() {
                    self.came.wait(&mut state);
                }
                state.is_writing = true;
                taken.clear();
                std::mem::swap(&mut taken, &mut state.waiting);
                std::mem::take(&mut state.lost)
            };
            write_all(&mut target, &taken);
            if lost > 0 {
                tell_lost(lost);
            }
            // A burst is no reason to hold as much memory for ever.
            taken.shrink_to(MOST_BYTES / 16);
        }
    }
}

/// Writes what can be written: who closed their end does not want the rest.
fn write_all(target: &mut impl Write, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match target.write(bytes) {
            Ok(0) => return,
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // A pipe or terminal that some other program has set so.
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
            Err(_) => return,
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Each write is a line: the formatter makes it whole before.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// Takes each write only when it is asked for, and at once when the other end is gone.
    struct Reader(SyncSender<Vec<u8>>);

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let sent = self.0.send(bytes.to_vec());
            sent.map_err(|_| ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn unread() -> (Lines, Receiver<Vec<u8>>) {
        let (sender, reader) = sync_channel(0);
        (Lines::to(Reader(sender), |_| ()).unwrap(), reader)
    }

    fn read(reader: &Receiver<Vec<u8>>) -> String {
        String::from_utf8(reader.recv().unwrap()).unwrap()
    }

    /// 50 streams that are opened and reset were a warning of `h2`, as many times as a stranger
    /// liked.
    #[test]
    fn nobody_fills_the_log_by_what_a_library_says_of_its_peers() {
        assert!(!is_told("h2::proto::streams::recv", Level::WARN));
        assert!(!is_told("rustls::conn", Level::WARN));
        assert!(is_told("h2::proto::streams::recv", Level::ERROR));
        assert!(is_told("h2o", Level::WARN));
        assert!(is_told("rustls_acme::state", Level::INFO));
        assert!(!is_told("redb", Level::DEBUG));
        assert!(is_told("chatd::server", Level::TRACE));
    }

    #[test]
    fn lines_that_nobody_takes_are_lost_beyond_a_bound_and_said_to_be() {
        static TOLD: AtomicU64 = AtomicU64::new(0);
        let (sender, reader) = sync_channel(0);
        let tell = |lost| TOLD.store(lost, Ordering::SeqCst);
        let lines = Lines::to(Reader(sender), tell).unwrap();
        let log = tracing_subscriber::registry().with(
            tracing_subscriber::fmt::layer()
                .with_writer(lines.clone())
                .with_ansi(false)
                .with_target(false),
        );
        tracing::subscriber::with_default(log, || tracing::info!("the first"));
        // Until the thread has taken it, and waits for its reader.
        let is_taken = || {
            let state = lines.queue.state.lock();
            state.is_writing && state.waiting.is_empty()
        };
        while !is_taken() {
            std::thread::yield_now();
        }
        let line = format!("{}\n", "x".repeat(1_023));
        let room = MOST_BYTES / line.len();
        for _ in 0..2 * room {
            lines.push(line.as_bytes());
        }
        let lost = lines.queue.state.lock().lost;
        assert_eq!(lost, u64::try_from(room).unwrap());
        assert!(read(&reader).contains("INFO the first"));
        assert_eq!(read(&reader).len(), room * line.len());
        while TOLD.load(Ordering::SeqCst) != lost {
            std::thread::yield_now();
        }
    }

    #[test]
    fn every_line_comes_once_and_in_order_while_somebody_reads() {
        let (lines, reader) = unread();
        let reading = std::thread::spawn(move || {
            let mut all = String::new();
            while !all.ends_with("9999\n") {
                all += &read(&reader);
            }
            all
        });
        for number in 0..10_000 {
            lines.push(format!("{number}\n").as_bytes());
        }
        let expected: String = (0..10_000).map(|number| format!("{number}\n")).collect();
        assert_eq!(reading.join().unwrap(), expected);
        lines.flush();
        assert!(lines.queue.state.lock().waiting.is_empty());
    }

    #[test]
    fn a_reader_that_went_away_costs_lines_and_nothing_else() {
        let (lines, reader) = unread();
        drop(reader);
        for _ in 0..3 {
            lines.push(b"unheard\n");
            lines.flush();
            let state = lines.queue.state.lock();
            assert!(state.waiting.is_empty() && !state.is_writing);
        }
    }

    #[test]
    fn the_end_of_the_program_does_not_wait_for_ever_for_its_last_lines() {
        let (lines, reader) = unread();
        lines.say_last("chatd: the last words");
        lines.flush();
        assert_eq!(read(&reader), "chatd: the last words\n");
    }

    /// Takes one byte at a time, and first says that it cannot.
    struct Slow(Vec<u8>, [bool; 2]);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            for (at, kind) in [ErrorKind::Interrupted, ErrorKind::WouldBlock]
                .into_iter()
                .enumerate()
            {
                if !std::mem::replace(&mut self.1[at], true) {
                    return Err(kind.into());
                }
            }
            self.0.push(bytes[0]);
            Ok(1)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_written_whole_to_what_takes_it_in_parts() {
        let mut slow = Slow(Vec::new(), [false; 2]);
        write_all(&mut slow, b"a line\n");
        assert_eq!(slow.0, b"a line\n");
    }
}
