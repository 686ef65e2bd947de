//! Mode `slow`: receivers that stop reading, while others write to each other and some write to
//! those.
//!
//! The first round has everybody reading, for comparison: the load is the same.

use std::fmt;
use std::time::{Duration, Instant};

use crate::Error;
use crate::net::{Arrivals, Net};
use crate::server::{Site, tokens};
use crate::talk::{Beside, Shape, Talk, Verdict, Waits};

use super::idle::settled;
use super::talking::{AT_ONCE, Look, Pace, ms};

/// Those who write to each other and are measured.
const OTHERS: usize = 100;
/// Those who write to the slow ones: so many messages a second in all, each so long.
const FLOODERS: usize = 10;
const FLOOD_RATE: f64 = 2_000.0;
const FLOOD_CHARS: usize = 4_000;
/// What the kernel keeps for one who does not read.
const RECEIVE_BUFFER: usize = 4_096;

/// What they did to the others.
pub(crate) struct Slowed {
    pub(crate) readers: usize,
    /// The others' waits with everybody reading, and with those who do not.
    pub(crate) waits: [Waits; 2],
    /// Resident KiB of both rounds: before, the most, and after those who were sent so much have
    /// gone.
    pub(crate) resident: [[u64; 3]; 2],
    pub(crate) verdicts: [Verdict; 2],
}

impl fmt::Display for Slowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (waits, what) in self.waits.iter().zip(["everybody reading", "not reading"]) {
            writeln!(
                f,
                "{} receivers, {what}: the others' p50 {:.2}, p99 {:.2}, longest {:.2} ms",
                self.readers,
                ms(waits, 0.5),
                ms(waits, 0.99),
                ms(waits, 1.0)
            )?;
        }
        for resident in self.resident {
            let [before, most, after] = resident.map(|kib| kib as f64 / 1024.0);
            writeln!(
                f,
                "resident {before:.1} MiB before, {most:.1} at most, {after:.1} after"
            )?;
        }
        write!(f, "{}\n{}", self.verdicts[0], self.verdicts[1])
    }
}

/// Two rounds of this length: with `readers` reading, and not.
pub(crate) fn slow(
    site: Site,
    first_id: u64,
    readers: usize,
    rate: f64,
    round: Duration,
) -> Result<Slowed, Error> {
    let reading = one(site, first_id, readers, rate, round, false)?;
    let deaf = one(site, first_id, readers, rate, round, true)?;
    Ok(Slowed {
        readers,
        waits: [reading.0, deaf.0],
        resident: [reading.1, deaf.1],
        verdicts: [reading.2, deaf.2],
    })
}

fn one(
    site: Site,
    first_id: u64,
    readers: usize,
    rate: f64,
    round: Duration,
    deaf: bool,
) -> Result<(Waits, [u64; 3], Verdict), Error> {
    let writers = OTHERS + FLOODERS;
    let shape = Shape {
        people: writers + readers,
        senders: writers,
        ..Shape::new(writers + readers)
    };
    let peers = readers.div_ceil(FLOODERS);
    let mut receivers = Vec::new();
    for sender in 0..writers {
        for peer in 0..peers {
            let receiver = match sender.checked_sub(OTHERS) {
                None => (sender + 1 + peer) % OTHERS,
                Some(flooder) => writers + (flooder * peers + peer) % readers,
            };
            receivers.push(receiver as u32);
        }
    }
    let mut talk = Talk::between(&shape, receivers, first_id)?;
    talk.beside = Some(Beside {
        from: OTHERS,
        chars: FLOOD_CHARS,
    });
    let mut net = Net::new(site.address, tokens(first_id, shape.people)?)?;
    let slow: Vec<usize> = (writers..shape.people).collect();
    for (who, buffer) in [
        ((0..writers).collect(), None),
        (slow.clone(), Some(RECEIVE_BUFFER)),
    ] {
        let mut arrivals = Arrivals::new(who, AT_ONCE, buffer);
        let deadline = Instant::now() + Duration::from_secs(30);
        while !arrivals.done() && Instant::now() < deadline {
            arrivals.begin(&mut net)?;
            net.turn(&mut arrivals, deadline)?;
        }
        if let Some(why) = arrivals.refused.first() {
            return Err(format!("a client could not join: {why}").into());
        }
    }
    let before = settled(site, &mut net)?;
    if deaf {
        for who in &slow {
            net.deafen(*who);
            talk.excused[*who] = true;
        }
    }
    let mut look = Look::new(site);
    let begin = Instant::now();
    let to = begin + round;
    talk.counted_from = Some(begin + round / 10);
    talk.counted_to = Some(to);
    let mut pace = Pace::new(begin, rate);
    let mut flood = Pace::new(begin, FLOOD_RATE);
    while Instant::now() < to {
        pace.send(&mut net, &mut talk, 0..OTHERS, to);
        flood.send(&mut net, &mut talk, OTHERS..writers, to);
        net.turn(&mut talk, pace.due().min(flood.due()).min(to))?;
        look.look()?;
    }
    let verdict = talk.finish(&mut net)?;
    for who in slow {
        net.cut(who);
    }
    let after = settled(site, &mut net)?;
    Ok((talk.waits.clone(), [before, look.most, after], verdict))
}
