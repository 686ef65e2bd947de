//! A few people who write to each other beside a room, on a thread of their own.
//!
//! What they wait is the server's doing only where they do not also wait for the thread that reads
//! for a thousand members. So they have their own thread and epoll; the members' thread may be
//! pinned, theirs is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Error;
use crate::net::{Net, join_all};
use crate::server::{Site, tokens};
use crate::talk::{Shape, Talk, Verdict, Waits, waits};

use super::talking::{AT_ONCE, Pace};

/// How many people are outside, and how many messages a second these send in all.
pub(crate) const OUTSIDE: usize = 10;
const RATE: f64 = 200.0;
/// Between rounds they look so often whether one is asked for.
const LOOK: Duration = Duration::from_millis(5);

/// The people outside.
pub(crate) struct Outside {
    rounds: Option<Sender<Round>>,
    waited: Receiver<Waits>,
    thread: Option<JoinHandle<Result<Verdict, Error>>>,
}

/// One round of writing.
struct Round {
    most: Duration,
    /// Set where it is over before.
    is_over: Arc<AtomicBool>,
}

/// A round that is under way.
pub(crate) struct UnderWay<'a> {
    outside: &'a mut Outside,
    is_over: Arc<AtomicBool>,
}

impl Outside {
    /// Connects them, under the ids from `first_id` on.
    pub(crate) fn begin(site: Site, first_id: u64) -> Result<Self, Error> {
        let talk = Talk::new(&Shape::new(OUTSIDE), first_id)?;
        let mut net = Net::new(site.address, tokens(first_id, OUTSIDE)?)?;
        net.version = Some(2);
        join_all(&mut net, AT_ONCE)?;
        let (rounds, asked) = channel();
        let (told, waited) = channel();
        let thread = std::thread::Builder::new().name("outside".into());
        let thread = thread.spawn(move || talk_on(net, talk, &asked, &told))?;
        Ok(Self {
            rounds: Some(rounds),
            waited,
            thread: Some(thread),
        })
    }

    /// Lets them write for so long at most.
    pub(crate) fn round(&mut self, most: Duration) -> Result<UnderWay<'_>, Error> {
        let is_over = Arc::new(AtomicBool::new(false));
        let round = Round {
            most,
            is_over: Arc::clone(&is_over),
        };
        let rounds = self.rounds.as_ref().ok_or("no one is outside any more")?;
        rounds.send(round)?;
        Ok(UnderWay {
            outside: self,
            is_over,
        })
    }

    /// Waits until all that they sent has arrived, and returns what became of it.
    pub(crate) fn finish(mut self) -> Result<Verdict, Error> {
        self.rounds = None;
        let thread = self.thread.take().ok_or("they have gone before")?;
        thread.join().map_err(|_| "those outside panicked")?
    }
}

impl UnderWay<'_> {
    /// Waits for its end, and returns how long they waited for their confirmations.
    pub(crate) fn wait(self) -> Result<Waits, Error> {
        Ok(self.outside.waited.recv()?)
    }

    /// Ends it now.
    pub(crate) fn end(self) -> Result<Waits, Error> {
        self.is_over.store(true, Ordering::Relaxed);
        self.wait()
    }
}

/// Writes in each round that is asked for, until none will be.
fn talk_on(
    mut net: Net,
    mut talk: Talk,
    asked: &Receiver<Round>,
    told: &Sender<Waits>,
) -> Result<Verdict, Error> {
    loop {
        match asked.try_recv() {
            Ok(round) => told.send(write(&mut net, &mut talk, &round)?)?,
            Err(TryRecvError::Empty) => net.turn(&mut talk, Instant::now() + LOOK)?,
            Err(TryRecvError::Disconnected) => return talk.finish(&mut net),
        }
    }
}

fn write(net: &mut Net, talk: &mut Talk, round: &Round) -> Result<Waits, Error> {
    let begin = Instant::now();
    let to = begin + round.most;
    (talk.counted_from, talk.counted_to) = (Some(begin), None);
    let mut pace = Pace::new(begin, RATE);
    while Instant::now() < to && !round.is_over.load(Ordering::Relaxed) {
        pace.send(net, talk, 0..OUTSIDE, to);
        net.turn(talk, pace.due().min(to))?;
    }
    talk.counted_to = Some(Instant::now());
    Ok(std::mem::replace(&mut talk.waits, waits()?))
}
