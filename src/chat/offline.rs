//! Whom a message concerns who is not there to hear it.

use super::Chat;
use crate::model::{Notice, Timestamp, UserId};

/// So many are named of one message.
pub const MAX_OFFLINE: usize = 1_000;

impl Chat {
    /// Returns those whom a message concerns, as they have set it, and who have no socket open,
    /// ascending: at most [`MAX_OFFLINE`]. None where the entry is no message.
    pub fn offline(&self, now: Timestamp, notice: &Notice) -> Vec<UserId> {
        let notified = self
            .store
            .glance(|snapshot| Ok(snapshot.notified(notice, now)));
        let notified = notified.unwrap_or_default();
        let mut offline = self.presence.look(&notified, |seen| {
            let people = notified.iter().zip(&seen);
            let offline = people.filter(|(_, seen)| !seen.online);
            offline
                .map(|(user, _)| *user)
                .take(MAX_OFFLINE)
                .collect::<Vec<_>>()
        });
        offline.sort_unstable();
        offline
    }

    /// Puts the URLs that open its files into the message that an entry may be.
    pub fn open_files(&self, notice: &mut Notice) {
        self.files.open_notice(notice);
    }
}
