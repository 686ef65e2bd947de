//! Which transport a session is on, and its way from polling to a WebSocket.
//!
//! ```text
//!            begin             hear 2probe              hear 5
//!  Polling --------> Probing -------------> Probing -----------> WebSocket
//!     ^              unanswered             answered
//!     |                  |                     |
//!     +----- give_up ----+---------------------+
//! ```
//!
//! A value that is moved by the packets on the WebSocket that is being tried, and by the polls that
//! come meanwhile. Whether the session is over is another matter ([`Session`](super::Session)): it
//! may change transports for its last words. Source: the Engine.IO protocol document, "Upgrade".

use super::packet::Packet;

/// The transport of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    /// HTTP requests carry it.
    Polling,
    /// HTTP requests carry it, while a WebSocket is being tried.
    Probing {
        /// The probe was answered: the client now waits for its poll to end.
        is_answered: bool,
        /// The look that a poll waits for, if any.
        look: Look,
    },
    /// A WebSocket carries it.
    WebSocket,
}

/// A look at what a WebSocket that is being tried has received.
///
/// A client may end the upgrade on the WebSocket and send one more poll at once. If the poll
/// arrives first, it is still to be refused, as one on the other transport; so it asks for a look,
/// and waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// No poll waits for one.
    Unasked,
    /// A poll waits for one that begins from now on.
    Asked,
    /// The WebSocket is being read.
    Begun,
}

/// The consequence of a packet on a WebSocket that is being tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeOutput {
    /// `3probe` is the answer, on that WebSocket.
    Answer,
    /// The WebSocket is the session's transport now.
    Upgraded,
    /// That WebSocket is to be closed; the session goes on by polling.
    Refuse,
}

/// The rule for a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollRule {
    /// Wait until there is something to fetch.
    Wait,
    /// Fetch what there is, or a noop.
    Hurry,
    /// Fetch a noop and leave what there is to the WebSocket.
    Yield,
}

impl Upgrade {
    /// A WebSocket wants to take over. Returns `false` where one does already, or has.
    pub fn begin(&mut self) -> bool {
        let may = *self == Self::Polling;
        if may {
            *self = Self::Probing {
                is_answered: false,
                look: Look::Unasked,
            };
        }
        may
    }

    /// That WebSocket is gone, or was refused, before it took over.
    pub fn give_up(&mut self) {
        if self.is_probing() {
            *self = Self::Polling;
        }
    }

    /// A packet came on that WebSocket. A session that is over is taken over too, for its last
    /// words: the client has given up polling by then, and would not hear them there.
    pub fn hear(&mut self, packet: &Packet<'_>, is_over: bool) -> ProbeOutput {
        match (&mut *self, packet) {
            (Self::Probing { is_answered, .. }, Packet::PingProbe) if !is_over => {
                *is_answered = true;
                ProbeOutput::Answer
            }
            (Self::Probing { .. }, Packet::Upgrade) => {
                *self = Self::WebSocket;
                ProbeOutput::Upgraded
            }
            _ => ProbeOutput::Refuse,
        }
    }

    /// Returns whether a WebSocket is being tried.
    pub fn is_probing(&self) -> bool {
        matches!(self, Self::Probing { .. })
    }

    /// Returns what a poll is to do.
    pub fn poll_rule(&self) -> PollRule {
        match self {
            Self::Polling
            | Self::Probing {
                is_answered: false, ..
            } => PollRule::Wait,
            Self::Probing {
                is_answered: true, ..
            } => PollRule::Hurry,
            Self::WebSocket => PollRule::Yield,
        }
    }

    /// A poll came: it waits until the WebSocket has been read from now on.
    pub fn ask(&mut self) {
        if let Self::Probing { look, .. } = self {
            *look = Look::Asked;
        }
    }

    /// The WebSocket is about to be read. A poll that comes after this is not answered by it.
    pub fn begin_look(&mut self) {
        if let Self::Probing { look, .. } = self
            && *look == Look::Asked
        {
            *look = Look::Begun;
        }
    }

    /// The WebSocket was read. Returns whether that answers a poll.
    pub fn end_look(&mut self) -> bool {
        match self {
            Self::Probing { look, .. } if *look == Look::Begun => {
                *look = Look::Unasked;
                true
            }
            _ => false,
        }
    }

    /// Returns whether a poll waits for a look that has not begun.
    pub fn is_asked(&self) -> bool {
        matches!(
            self,
            Self::Probing {
                look: Look::Asked,
                ..
            }
        )
    }

    /// Returns whether a poll waits for a look.
    pub fn is_looking(&self) -> bool {
        matches!(
            self,
            Self::Probing {
                look: Look::Asked | Look::Begun,
                ..
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVING: bool = false;
    const OVER: bool = true;

    #[test]
    fn an_upgrade_is_a_probe_and_then_an_upgrade_packet() {
        let mut upgrade = Upgrade::Polling;
        assert!(upgrade.begin());
        assert!(!upgrade.begin(), "one at a time");
        assert_eq!(
            upgrade.hear(&Packet::PingProbe, LIVING),
            ProbeOutput::Answer
        );
        assert_eq!(
            upgrade.hear(&Packet::Upgrade, LIVING),
            ProbeOutput::Upgraded
        );
        assert_eq!(upgrade, Upgrade::WebSocket);
        assert!(!upgrade.begin(), "a session on a WebSocket stays there");
        upgrade.give_up();
        assert_eq!(upgrade, Upgrade::WebSocket);
    }

    #[test]
    fn a_failed_probe_leaves_the_session_as_it_was_and_may_be_tried_again() {
        for first in [Packet::Message("hello"), Packet::Ping, Packet::Close] {
            let mut upgrade = Upgrade::Polling;
            assert!(upgrade.begin());
            assert_eq!(upgrade.hear(&first, LIVING), ProbeOutput::Refuse);
            upgrade.give_up();
            assert_eq!(upgrade, Upgrade::Polling);
            assert!(upgrade.begin());
        }
    }

    #[test]
    fn a_session_that_closed_while_probing_says_its_last_words_on_either_transport() {
        let mut upgrade = Upgrade::Polling;
        upgrade.begin();
        assert_eq!(upgrade.hear(&Packet::PingProbe, OVER), ProbeOutput::Refuse);
        assert_eq!(upgrade.hear(&Packet::Upgrade, OVER), ProbeOutput::Upgraded);
        assert_eq!(upgrade.hear(&Packet::Upgrade, OVER), ProbeOutput::Refuse);

        let mut upgrade = Upgrade::Polling;
        upgrade.begin();
        upgrade.give_up();
        assert_eq!(upgrade.hear(&Packet::Upgrade, OVER), ProbeOutput::Refuse);
    }

    #[test]
    fn polls_wait_until_the_probe_is_answered_and_yield_after_the_upgrade() {
        let mut upgrade = Upgrade::Polling;
        let mut rules = vec![upgrade.poll_rule()];
        upgrade.begin();
        rules.push(upgrade.poll_rule());
        upgrade.hear(&Packet::PingProbe, LIVING);
        rules.push(upgrade.poll_rule());
        upgrade.hear(&Packet::Upgrade, LIVING);
        rules.push(upgrade.poll_rule());
        assert_eq!(
            rules,
            [
                PollRule::Wait,
                PollRule::Wait,
                PollRule::Hurry,
                PollRule::Yield
            ]
        );
    }

    /// A poll right behind the end of an upgrade was answered as one before it, about once in a
    /// hundred.
    #[test]
    fn a_poll_is_answered_only_by_a_look_that_began_after_it_asked() {
        let mut upgrade = Upgrade::Polling;
        upgrade.ask();
        assert!(!upgrade.is_looking(), "no WebSocket is being tried");
        upgrade.begin();
        assert!(!upgrade.is_looking(), "no poll has asked");
        upgrade.begin_look();
        upgrade.ask();
        assert!(!upgrade.end_look(), "that look began before");
        assert!(upgrade.is_looking() && upgrade.is_asked());
        upgrade.begin_look();
        assert!(upgrade.is_looking() && !upgrade.is_asked());
        assert!(upgrade.end_look());
        assert!(!upgrade.is_looking());
        upgrade.ask();
        upgrade.give_up();
        assert!(!upgrade.is_looking(), "there is nothing left to look at");
    }
}
