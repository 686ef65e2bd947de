//! Mode `idle`: what a connection weighs that says nothing.

use std::fmt;
use std::time::{Duration, Instant};

use crate::Error;
use crate::net::{Handler, Net, join_all};
use crate::server::{Programs, Server, Site, tokens};

use super::talking::AT_ONCE;

/// What idle connections weighed.
pub(crate) struct Idle {
    pub(crate) connections: usize,
    /// Resident KiB without and with them, and after they have left.
    pub(crate) resident: [u64; 3],
    pub(crate) connects_a_second: f64,
}

impl Idle {
    pub(crate) fn kib_each(&self) -> f64 {
        self.resident[1].saturating_sub(self.resident[0]) as f64 / self.connections as f64
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} idle connections, {:.2} KiB each: {} KiB before, {} with them, {} after they left; {:.0} connected a second",
            self.connections,
            self.kib_each(),
            self.resident[0],
            self.resident[1],
            self.resident[2],
            self.connects_a_second
        )
    }
}

/// Nobody says anything.
struct Silence(Option<String>);

impl Handler for Silence {
    fn joined(&mut self, _: &mut Net, _: usize) {}
    fn heard(&mut self, _: &mut Net, _: usize, _: &[u8]) {}
    fn left(&mut self, _: &mut Net, _: usize, why: String) {
        self.0.get_or_insert(why);
    }
}

/// Makes the accounts by connecting everybody once, and starts the server anew, so that only
/// connections are weighed.
pub(crate) fn prepared(
    server: Server,
    programs: &Programs,
    first_id: u64,
    connections: usize,
) -> Result<Server, Error> {
    let mut net = Net::new(server.site.address, tokens(first_id, connections)?)?;
    join_all(&mut net, AT_ONCE)?;
    drop(net);
    server.restart(programs)
}

/// Connects so many and holds them until the server's memory is the same for a second.
pub(crate) fn hold(site: Site, first_id: u64, connections: usize) -> Result<Idle, Error> {
    let mut net = Net::new(site.address, tokens(first_id, connections)?)?;
    let before = settled(site, &mut net)?;
    let took = join_all(&mut net, AT_ONCE)?;
    let during = settled(site, &mut net)?;
    for who in 0..connections {
        if !net.is_joined(who) {
            return Err("a connection ended while it was idle".into());
        }
        net.cut(who);
    }
    let after = settled(site, &mut net)?;
    Ok(Idle {
        connections,
        resident: [before, during, after],
        connects_a_second: connections as f64 / took.as_secs_f64(),
    })
}

/// Resident memory in KiB, once it has been the same for a second.
pub(crate) fn settled(site: Site, net: &mut Net) -> Result<u64, Error> {
    let mut silence = Silence(None);
    let mut last = site.resident()?;
    for _ in 0..30 {
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until {
            net.turn(&mut silence, until)?;
        }
        if let Some(why) = silence.0 {
            return Err(format!("a connection ended while it was idle: {why}").into());
        }
        let now = site.resident()?;
        if now.abs_diff(last) <= 64 {
            return Ok(now);
        }
        last = now;
    }
    Ok(last)
}
