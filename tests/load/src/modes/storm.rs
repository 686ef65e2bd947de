//! Mode `storm`: everybody loses the network and comes back at once, while a few go on writing.

use std::fmt;
use std::time::{Duration, Instant};

use crate::Error;
use crate::net::{Arrivals, Handler, Net, join_all};
use crate::server::{Site, tokens};
use crate::talk::{Shape, Talk, Verdict, Waits, waits};

use super::talking::{AT_ONCE, Pace, ms};

/// How many write meanwhile, and how many messages a second in all.
const SENDERS: usize = 10;
const RATE: f64 = 200.0;
/// So many may be under way at once: less than a listening socket's queue, so that none waits for a
/// second try.
const UNDER_WAY: usize = 400;
/// For how long they write alone, for comparison.
const ALONE: Duration = Duration::from_secs(2);

/// What a storm did.
pub(crate) struct Stormed {
    pub(crate) clients: usize,
    pub(crate) took: Duration,
    pub(crate) alone: Waits,
    pub(crate) meanwhile: Waits,
    pub(crate) cpu: Duration,
    pub(crate) refused: usize,
    pub(crate) verdict: Verdict,
}

impl Stormed {
    pub(crate) fn connects_a_second(&self) -> f64 {
        self.clients as f64 / self.took.as_secs_f64()
    }
}

impl fmt::Display for Stormed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} clients back in {:.2} s: {:.0} a second, {:.0} us of CPU each, {} refused",
            self.clients,
            self.took.as_secs_f64(),
            self.connects_a_second(),
            self.cpu.as_secs_f64() * 1e6 / self.clients as f64,
            self.refused
        )?;
        writeln!(
            f,
            "sends of {SENDERS} others: p50 {:.2}, p99 {:.2}, longest {:.2} ms; alone {:.2}, {:.2}, {:.2}",
            ms(&self.meanwhile, 0.5),
            ms(&self.meanwhile, 0.99),
            ms(&self.meanwhile, 1.0),
            ms(&self.alone, 0.5),
            ms(&self.alone, 0.99),
            ms(&self.alone, 1.0)
        )?;
        write!(f, "{}", self.verdict)
    }
}

/// Those who write, and those who come back.
struct Both {
    talk: Talk,
    arrivals: Arrivals,
}

impl Handler for Both {
    fn joined(&mut self, net: &mut Net, who: usize) {
        if who >= SENDERS {
            self.arrivals.joined(net, who);
        }
    }

    fn heard(&mut self, net: &mut Net, who: usize, packet: &[u8]) {
        self.talk.heard(net, who, packet);
    }

    fn left(&mut self, net: &mut Net, who: usize, why: String) {
        if who >= SENDERS {
            self.arrivals.left(net, who, why);
        } else {
            self.talk.left(net, who, why);
        }
    }
}

/// Connects everybody, so that all accounts are there and warm, cuts all but the senders, and lets
/// all come back.
pub(crate) fn storm(site: Site, first_id: u64, clients: usize) -> Result<Stormed, Error> {
    let mut net = Net::new(site.address, tokens(first_id, SENDERS + clients)?)?;
    join_all(&mut net, AT_ONCE)?;
    let talk = Talk::new(&Shape::new(SENDERS), first_id)?;
    let storming: Vec<usize> = (SENDERS..SENDERS + clients).collect();
    for who in &storming {
        net.cut(*who);
    }
    let mut both = Both {
        talk,
        arrivals: Arrivals::new(storming, UNDER_WAY, None),
    };
    // The server has as long to notice that they are gone.
    let begin = Instant::now();
    let to = begin + ALONE * 2;
    both.talk.counted_from = Some(begin + ALONE);
    let mut pace = Pace::new(begin, RATE);
    while Instant::now() < to {
        pace.send(&mut net, &mut both.talk, 0..SENDERS, to);
        net.turn(&mut both, pace.due().min(to))?;
    }
    let alone = std::mem::replace(&mut both.talk.waits, waits()?);
    let (cpu, began) = (site.cpu()?, Instant::now());
    both.talk.counted_from = Some(began);
    let deadline = began + Duration::from_secs(60);
    while !both.arrivals.done() && Instant::now() < deadline {
        both.arrivals.begin(&mut net)?;
        pace.send(&mut net, &mut both.talk, 0..SENDERS, deadline);
        net.turn(&mut both, pace.due())?;
    }
    let took = began.elapsed();
    both.talk.counted_to = Some(Instant::now());
    let cpu = site.cpu()? - cpu;
    let Both { mut talk, arrivals } = both;
    let verdict = talk.finish(&mut net)?;
    Ok(Stormed {
        clients: arrivals.joined,
        took,
        alone,
        meanwhile: talk.waits.clone(),
        cpu,
        refused: arrivals.refused.len(),
        verdict,
    })
}
