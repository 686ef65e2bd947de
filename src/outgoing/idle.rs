//! Connections that wait for the next request to the same origin. One whose time is over is closed
//! with the next request anywhere, or by the other end.

use std::time::Duration;

use parking_lot::Mutex;

use super::Target;
use super::connection::Connection;

/// All together.
const MAX_IDLE: usize = 32;
/// A minute: by then a name is looked up again, so that who moves is found.
const LIFETIME: Duration = Duration::from_secs(60);

/// Open connections without a request, the one that was used last at the end.
#[derive(Default)]
pub(super) struct Idle(Mutex<Vec<(String, Connection)>>);

fn is_good(connection: &Connection) -> bool {
    !connection.sender.is_closed() && connection.opened_at.elapsed() < LIFETIME
}

impl Idle {
    /// Takes one to this origin.
    pub(super) fn take(&self, target: &Target) -> Option<Connection> {
        let mut idle = self.0.lock();
        idle.retain(|(_, connection)| is_good(connection));
        let at = idle
            .iter()
            .rposition(|(origin, _)| origin == target.origin())?;
        Some(idle.remove(at).1)
    }

    /// Keeps one for the next request; the one that was used least recently makes room for it.
    pub(super) fn keep(&self, target: &Target, connection: Connection) {
        if !is_good(&connection) {
            return;
        }
        let mut idle = self.0.lock();
        if idle.len() >= MAX_IDLE {
            idle.remove(0);
        }
        idle.push((target.origin().to_owned(), connection));
    }
}
