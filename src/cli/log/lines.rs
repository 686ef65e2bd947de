//! The queue of lines, and the thread that writes them.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::MakeWriter;

/// 1 MiB: some ten thousand lines. Twice as much may be in memory, once waiting and once being
/// written.
const MOST_BYTES: usize = 1 << 20;
/// The wait for the last lines to be taken, at the end of the program.
const LAST_LINES: Duration = Duration::from_secs(1);
/// The pause of the thread where standard error takes nothing more and says so.
const PAUSE: Duration = Duration::from_millis(10);

/// The queue. Cheap to clone: clones are the same queue.
#[derive(Clone)]
pub(in crate::cli) struct Lines {
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
    pub(super) fn to(target: impl Write + Send + 'static, tell_lost: fn(u64)) -> io::Result<Self> {
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
    pub(in crate::cli) fn say_last(&self, text: &str) {
        self.push(format!("{text}\n").as_bytes());
    }

    /// Waits until everything is written, but not for long.
    pub(in crate::cli) fn flush(&self) {
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

    use tracing_subscriber::layer::SubscriberExt;

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
