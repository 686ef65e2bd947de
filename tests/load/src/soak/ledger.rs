//! The truth of a soak: which messages there are, and who has heard which of them.
//!
//! A stream is what one person says to another one, or into a room. Its messages have the numbers
//! 1, 2, 3 and so on, which stand in their text; each ear of the stream must hear these numbers in
//! that order and once each, over however many connections and restarts. So an ear needs no more
//! memory than the last number.

use std::collections::HashSet;
use std::ops::Range;

use crate::wire;

/// What every message begins with.
const BEGIN: u8 = b'#';

/// Which message it is, as its text says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Mark {
    pub(crate) stream: usize,
    pub(crate) number: u32,
    /// 1 once it is edited, else 0.
    pub(crate) edits: u32,
}

impl Mark {
    /// Appends it, as the beginning of a text.
    pub(crate) fn push(self, out: &mut Vec<u8>) {
        out.push(BEGIN);
        for number in [self.stream as u64, self.number.into(), self.edits.into()] {
            wire::push_number(out, number, 1);
            out.push(b'.');
        }
    }

    /// The mark at the beginning of a text.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let mut rest = text.strip_prefix(&[BEGIN])?;
        let mut numbers = [0; 3];
        for number in &mut numbers {
            (*number, rest) = wire::read_number(rest)?;
            rest = rest.strip_prefix(b".")?;
        }
        Some(Self {
            stream: usize::try_from(numbers[0]).ok()?,
            number: u32::try_from(numbers[1]).ok()?,
            edits: u32::try_from(numbers[2]).ok()?,
        })
    }

    /// The message, however often it is edited.
    pub(crate) fn key(self) -> u64 {
        key(self.stream, self.number)
    }
}

/// A message as one number.
pub(crate) fn key(stream: usize, number: u32) -> u64 {
    ((stream as u64) << 32) | u64::from(number)
}

/// Whom a stream is for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum To {
    Person(u32),
    /// The room's id.
    Room(u64),
}

pub(crate) struct Stream {
    pub(crate) sender: u32,
    pub(crate) to: To,
    pub(crate) sent: u32,
    pub(crate) confirmed: u32,
    /// The first is the sender's own, which hears `message_sent`.
    ears: Range<usize>,
}

/// One who is to hear a stream.
struct Ear {
    who: u32,
    last: u32,
    last_id: u64,
}

/// What must never be.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(crate) struct Faults {
    /// Confirmed, and not heard by one who is to hear it.
    pub(crate) lost: u64,
    pub(crate) twice: u64,
    pub(crate) disordered: u64,
    /// Heard by one whom it is not for, or not understood.
    pub(crate) stray: u64,
}

/// All streams and their ears.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) streams: Vec<Stream>,
    ears: Vec<Ear>,
    /// Numbers that were passed over, of an ear.
    missing: HashSet<(usize, u32)>,
    /// Messages that need not be heard: refused.
    void: HashSet<u64>,
    pub(crate) faults: Faults,
    pub(crate) heard: u64,
}

impl Ledger {
    /// Adds a stream that these hear, beside the sender.
    pub(crate) fn add(&mut self, sender: u32, to: To, hearers: impl Iterator<Item = u32>) -> usize {
        let from = self.ears.len();
        let all = std::iter::once(sender).chain(hearers.filter(|who| *who != sender));
        self.ears.extend(all.map(|who| Ear {
            who,
            last: 0,
            last_id: 0,
        }));
        self.streams.push(Stream {
            sender,
            to,
            sent: 0,
            confirmed: 0,
            ears: from..self.ears.len(),
        });
        self.streams.len() - 1
    }

    /// Those who hear a stream, the sender left out.
    pub(crate) fn hearers(&self, stream: usize) -> impl Iterator<Item = u32> + '_ {
        let ears = self.streams[stream].ears.clone();
        self.ears[ears].iter().skip(1).map(|ear| ear.who)
    }

    /// The number of the stream's next message.
    pub(crate) fn send(&mut self, stream: usize) -> u32 {
        let stream = &mut self.streams[stream];
        stream.sent += 1;
        stream.sent
    }

    pub(crate) fn confirm(&mut self, stream: usize) {
        self.streams[stream].confirmed += 1;
    }

    /// Nobody need hear this one.
    pub(crate) fn refuse(&mut self, stream: usize, number: u32) {
        self.void.insert(key(stream, number));
    }

    pub(crate) fn is_refused(&self, stream: usize, number: u32) -> bool {
        self.void.contains(&key(stream, number))
    }

    pub(crate) fn hear(&mut self, who: u32, mark: Mark, id: u64) {
        let Some(stream) = self.streams.get(mark.stream) else {
            self.faults.stray += 1;
            return;
        };
        let place = self.ears[stream.ears.clone()]
            .iter()
            .position(|ear| ear.who == who);
        let Some(place) = place.filter(|_| mark.number <= stream.sent) else {
            self.faults.stray += 1;
            return;
        };
        let at = stream.ears.start + place;
        let ear = &mut self.ears[at];
        if mark.number <= ear.last {
            if self.missing.remove(&(at, mark.number)) {
                self.faults.disordered += 1;
            } else {
                self.faults.twice += 1;
            }
            return;
        }
        if id <= ear.last_id {
            self.faults.disordered += 1;
        }
        for number in ear.last + 1..mark.number {
            if !self.void.contains(&key(mark.stream, number)) {
                self.missing.insert((at, number));
            }
        }
        ear.last = mark.number;
        ear.last_id = id;
        self.heard += 1;
    }

    /// Whether everybody who is to hear this message has heard it.
    pub(crate) fn is_heard(&self, stream: usize, number: u32) -> bool {
        let ears = self.streams[stream].ears.clone();
        self.ears[ears].iter().all(|ear| ear.last >= number)
    }

    /// How many of this ear's messages are still to come.
    fn to_come(&self, stream: usize, ear: &Ear) -> u64 {
        let to_come = ear.last + 1..=self.streams[stream].sent;
        let to_come = to_come.filter(|number| !self.void.contains(&key(stream, *number)));
        to_come.count() as u64
    }

    /// Whether everything that was sent is heard.
    pub(crate) fn is_quiet(&self) -> bool {
        self.lost() == 0
    }

    /// How many are not heard, or not yet.
    fn lost(&self) -> u64 {
        let ears = self
            .streams
            .iter()
            .enumerate()
            .flat_map(|(number, stream)| {
                let ears = &self.ears[stream.ears.clone()];
                ears.iter().map(move |ear| (number, ear))
            });
        let to_come: u64 = ears.map(|(number, ear)| self.to_come(number, ear)).sum();
        to_come + self.missing.len() as u64
    }

    /// What is wrong, once nothing more is to come.
    pub(crate) fn verdict(&self) -> Faults {
        Faults {
            lost: self.lost(),
            ..self.faults
        }
    }

    pub(crate) fn confirmed(&self) -> u64 {
        let confirmed = self.streams.iter().map(|stream| stream.confirmed);
        confirmed.map(u64::from).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: u32) -> Mark {
        Mark {
            stream: 0,
            number,
            edits: 0,
        }
    }

    /// A stream from 0 to 1 of which these numbers are sent; 0 has heard all of them.
    fn sent(count: u32) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.add(0, To::Person(1), std::iter::once(1));
        for number in 1..=count {
            assert_eq!(ledger.send(0), number);
            ledger.confirm(0);
            ledger.hear(0, mark(number), number.into());
        }
        ledger
    }

    #[test]
    fn what_is_lost_doubled_or_out_of_order_is_counted() {
        let faults = |lost, twice, disordered, stray| Faults {
            lost,
            twice,
            disordered,
            stray,
        };
        for (heard, faults) in [
            (&[1, 2, 3][..], faults(0, 0, 0, 0)),
            (&[1, 2], faults(1, 0, 0, 0)),
            (&[1, 3], faults(1, 0, 0, 0)),
            (&[1, 2, 2, 3], faults(0, 1, 0, 0)),
            (&[1, 3, 2], faults(0, 0, 1, 0)),
            (&[1, 3, 2, 2], faults(0, 1, 1, 0)),
            (&[1, 2, 3, 4], faults(0, 0, 0, 1)),
        ] {
            let mut ledger = sent(3);
            for number in heard {
                ledger.hear(1, mark(*number), (*number).into());
            }
            assert_eq!(ledger.verdict(), faults, "{heard:?}");
        }
    }

    #[test]
    fn ids_that_do_not_ascend_are_out_of_order() {
        let mut ledger = sent(2);
        ledger.hear(1, mark(1), 9);
        ledger.hear(1, mark(2), 8);
        assert_eq!(ledger.verdict().disordered, 1);
    }

    #[test]
    fn what_was_refused_need_not_be_heard() {
        let mut ledger = sent(3);
        ledger.refuse(0, 2);
        ledger.hear(1, mark(1), 1);
        ledger.hear(1, mark(3), 3);
        assert_eq!(ledger.verdict(), Faults::default());
    }

    #[test]
    fn one_whom_a_message_is_not_for_must_not_hear_it() {
        let mut ledger = sent(1);
        ledger.hear(2, mark(1), 1);
        assert_eq!(ledger.verdict().stray, 1);
    }

    #[test]
    fn marks_go_both_ways() {
        let mark = Mark {
            stream: 1_234,
            number: 56,
            edits: 1,
        };
        let mut text = Vec::new();
        mark.push(&mut text);
        text.extend_from_slice(b"and what follows");
        assert_eq!(Mark::read(&text), Some(mark));
        assert_eq!(Mark::read(b"#1.2."), None);
    }
}
