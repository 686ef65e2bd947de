//! Modes `closed`, `open`, `skewed` and `overload`: people who write to each other.
//!
//! - `closed`: so many users keep so many messages each outstanding; a confirmation makes the next.
//! - `open`: messages are due at fixed times, whatever the server does; a wait counts from when its
//!   message was due, so that a server that stalls does not make its own stall invisible.
//! - `skewed` is `closed` with receivers by Zipf's law, who mark what they hear as read.
//! - `overload` is `open` at twice of what `closed` carried, then at a twentieth of it, to see that
//!   all is well again.

use std::fmt;
use std::time::{Duration, Instant};

use crate::Error;
use crate::net::{Net, join_all};
use crate::server::{Site, tokens};
use crate::talk::{Shape, Talk, Verdict, Waits};

/// So many join at once.
pub(crate) const AT_ONCE: usize = 128;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What one run of talking showed.
#[derive(Clone)]
pub(crate) struct Talked {
    pub(crate) seconds: f64,
    /// Confirmed within the measured time.
    pub(crate) confirmed: u64,
    pub(crate) waits: Waits,
    /// The server's CPU time in the measured time.
    pub(crate) cpu: Duration,
    /// Resident KiB: before, the most during, and after.
    pub(crate) resident: [u64; 3],
    pub(crate) verdict: Verdict,
}

impl Talked {
    pub(crate) fn rate(&self) -> f64 {
        self.confirmed as f64 / self.seconds
    }

    /// Microseconds of CPU for each confirmed message, which are milliseconds for 1,000.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.confirmed.max(1) as f64
    }

    /// A quantile of the waits in milliseconds.
    pub(crate) fn ms(&self, quantile: f64) -> f64 {
        ms(&self.waits, quantile)
    }
}

pub(crate) fn ms(waits: &Waits, quantile: f64) -> f64 {
    waits.value_at_quantile(quantile) as f64 / 1e6
}

impl fmt::Display for Talked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:.0} confirmed a second over {:.1} s; waits p50 {:.3}, p90 {:.3}, p99 {:.3}, p99.9 {:.3}, longest {:.3} ms",
            self.rate(),
            self.seconds,
            self.ms(0.5),
            self.ms(0.9),
            self.ms(0.99),
            self.ms(0.999),
            self.ms(1.0)
        )?;
        writeln!(
            f,
            "server: {:.2} ms of CPU for 1,000 confirmed ({:.2} cores); resident {:.1} MiB before, {:.1} at most, {:.1} after",
            self.cpu_us(),
            self.cpu.as_secs_f64() / self.seconds,
            self.resident[0] as f64 / 1024.0,
            self.resident[1] as f64 / 1024.0,
            self.resident[2] as f64 / 1024.0
        )?;
        write!(f, "{}", self.verdict)
    }
}

/// For how long.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// Not counted.
    pub(crate) warm: Duration,
    pub(crate) measure: Duration,
}

impl Times {
    pub(crate) fn new(warm: f64, measure: f64) -> Self {
        Self {
            warm: Duration::from_secs_f64(warm),
            measure: Duration::from_secs_f64(measure),
        }
    }
}

/// Looks at the server's memory now and then.
pub(crate) struct Look {
    site: Site,
    next: Instant,
    pub(crate) most: u64,
}

impl Look {
    pub(crate) fn new(site: Site) -> Self {
        Self {
            site,
            next: Instant::now(),
            most: 0,
        }
    }

    pub(crate) fn look(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        if now >= self.next {
            self.next = now + LOOK;
            self.most = self.most.max(self.site.resident()?);
        }
        Ok(())
    }

    /// When to look again.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }
}

/// Users of this shape, connected.
pub(crate) fn gather(site: Site, shape: &Shape, first_id: u64) -> Result<(Net, Talk), Error> {
    let talk = Talk::new(shape, first_id)?;
    let mut net = Net::new(site.address, tokens(first_id, shape.people)?)?;
    join_all(&mut net, AT_ONCE)?;
    Ok((net, talk))
}

/// A closed loop.
pub(crate) fn closed(
    site: Site,
    shape: &Shape,
    first_id: u64,
    outstanding: usize,
    times: Times,
) -> Result<Talked, Error> {
    let (mut net, mut talk) = gather(site, shape, first_id)?;
    let before = site.resident()?;
    let mut look = Look::new(site);
    let begin = Instant::now();
    let from = begin + times.warm;
    let to = from + times.measure;
    talk.refill = true;
    for _ in 0..outstanding {
        for who in 0..talk.senders() {
            talk.send(&mut net, who, begin);
        }
    }
    while Instant::now() < from {
        net.turn(&mut talk, from)?;
    }
    let (cpu, from) = (site.cpu()?, Instant::now());
    talk.counted_from = Some(from);
    while Instant::now() < to {
        net.turn(&mut talk, to.min(look.next()))?;
        look.look()?;
    }
    let ended = Instant::now();
    talk.counted_to = Some(ended);
    let cpu = site.cpu()? - cpu;
    let verdict = talk.finish(&mut net)?;
    Ok(Talked {
        seconds: (ended - from).as_secs_f64(),
        confirmed: talk.confirmed_in_time,
        waits: talk.waits.clone(),
        cpu,
        resident: [before, look.most, site.resident()?],
        verdict,
    })
}

/// When messages are due.
pub(crate) struct Pace {
    begin: Instant,
    rate: f64,
    next: u64,
}

impl Pace {
    pub(crate) fn new(begin: Instant, rate: f64) -> Self {
        Self {
            begin,
            rate,
            next: 0,
        }
    }

    /// When the next one is due.
    pub(crate) fn due(&self) -> Instant {
        self.begin + Duration::from_secs_f64(self.next as f64 / self.rate)
    }

    /// Has everything sent that is due now, by senders of this range in turn.
    pub(crate) fn send(
        &mut self,
        net: &mut Net,
        talk: &mut Talk,
        senders: std::ops::Range<usize>,
        to: Instant,
    ) {
        let now = Instant::now().min(to);
        let count = senders.len() as u64;
        // No neighbours after one another, and everybody equally often.
        let step = (1..)
            .map(|by| count * 5 / 8 + by)
            .find(|step| gcd(*step, count) == 1);
        let step = step.unwrap_or(1);
        loop {
            let due = self.due();
            if due > now {
                return;
            }
            let who = senders.start
                + (u128::from(self.next) * u128::from(step) % u128::from(count)) as usize;
            talk.send_if_taken(net, who, due);
            self.next += 1;
        }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// An open loop at this many messages a second.
pub(crate) fn open(
    site: Site,
    shape: &Shape,
    first_id: u64,
    rate: f64,
    times: Times,
) -> Result<Talked, Error> {
    let (mut net, mut talk) = gather(site, shape, first_id)?;
    let before = site.resident()?;
    let mut talked = paced(site, &mut net, &mut talk, rate, times)?;
    talked.verdict = talk.finish(&mut net)?;
    talked.waits = talk.waits.clone();
    talked.resident[0] = before;
    talked.resident[2] = site.resident()?;
    Ok(talked)
}

/// The open loop itself, without waiting for the last messages: the waits are whole when the talk
/// has been finished.
fn paced(
    site: Site,
    net: &mut Net,
    talk: &mut Talk,
    rate: f64,
    times: Times,
) -> Result<Talked, Error> {
    let mut look = Look::new(site);
    let begin = Instant::now();
    let from = begin + times.warm;
    let to = from + times.measure;
    talk.counted_from = Some(from);
    talk.counted_to = Some(to);
    talk.confirmed_in_time = 0;
    talk.waits.clear();
    let mut pace = Pace::new(begin, rate);
    let mut cpu = None;
    while Instant::now() < to {
        let senders = 0..talk.senders();
        pace.send(net, talk, senders, to);
        net.turn(talk, pace.due().min(to))?;
        look.look()?;
        if cpu.is_none() && Instant::now() >= from {
            cpu = Some(site.cpu()?);
        }
    }
    let after = site.cpu()?;
    Ok(Talked {
        seconds: times.measure.as_secs_f64(),
        confirmed: talk.confirmed_in_time,
        waits: talk.waits.clone(),
        cpu: after - cpu.unwrap_or(after),
        resident: [0, look.most, 0],
        verdict: talk.verdict(),
    })
}

/// What twice of the sustainable did.
pub(crate) struct Overloaded {
    /// What a closed loop carried.
    pub(crate) sustainable: f64,
    pub(crate) offered: f64,
    pub(crate) during: Talked,
    /// From the end of the overload until everything was answered.
    pub(crate) drained_in: Duration,
    /// At a twentieth of the sustainable, right afterwards.
    pub(crate) after: Talked,
}

impl fmt::Display for Overloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "offered {:.0} a second, twice the {:.0} that a closed loop carried:\n{}",
            self.offered, self.sustainable, self.during
        )?;
        write!(
            f,
            "all answered {:.2} s after the end; then, at {:.0} a second:\n{}",
            self.drained_in.as_secs_f64(),
            self.sustainable / 20.0,
            self.after
        )
    }
}

/// Twice of what it can, then little.
pub(crate) fn overload(
    site: Site,
    shape: &Shape,
    first_id: u64,
    times: Times,
) -> Result<Overloaded, Error> {
    let known = closed(site, shape, first_id, 32, times)?;
    let sustainable = known.rate();
    let (mut net, mut talk) = gather(site, shape, first_id)?;
    let before = site.resident()?;
    let mut during = paced(site, &mut net, &mut talk, sustainable * 2.0, times)?;
    let ended = Instant::now();
    during.verdict = talk.finish(&mut net)?;
    let drained_in = ended.elapsed();
    during.waits = talk.waits.clone();
    during.resident[0] = before;
    during.resident[2] = site.resident()?;
    let mut after = paced(site, &mut net, &mut talk, sustainable / 20.0, times)?;
    after.verdict = talk.finish(&mut net)?;
    after.waits = talk.waits.clone();
    after.resident[2] = site.resident()?;
    Ok(Overloaded {
        sustainable,
        offered: sustainable * 2.0,
        during,
        drained_in,
        after,
    })
}
