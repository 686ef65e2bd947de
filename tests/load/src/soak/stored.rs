//! What the data file has once all is over, beside what was confirmed.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Error;
use crate::server::Programs;
use crate::wire::Key;

use super::changes::Changes;
use super::ledger::{Ledger, Mark, key};

/// What an export of the data file has of the messages.
#[derive(Default, PartialEq, Debug)]
pub(crate) struct Stored {
    pub(crate) messages: u64,
    /// Places of messages that were deleted.
    pub(crate) erased: u64,
    pub(crate) lost: u64,
    pub(crate) twice: u64,
    pub(crate) disordered: u64,
    /// Deleted, and there still; edited, and with another text; reactions that are not there, or
    /// that nobody made; lines that were not understood.
    pub(crate) wrong: u64,
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages and {} deleted ones; lost {}, twice {}, out of order {}, otherwise wrong {}",
            self.messages, self.erased, self.lost, self.twice, self.disordered, self.wrong
        )
    }
}

/// Has `chatd check` look at the file; gives what it says.
pub(crate) fn check(programs: &Programs, data: &Path) -> Result<String, Error> {
    let output = Command::new(&programs.chatd)
        .arg("--data")
        .arg(data)
        .arg("check")
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("chatd check: {said} {error}").into());
    }
    Ok(said)
}

impl Stored {
    /// Reads an export of it line by line.
    pub(crate) fn read(
        programs: &Programs,
        data: &Path,
        ledger: &Ledger,
        changes: &Changes,
    ) -> Result<Self, Error> {
        let mut child = Command::new(&programs.chatd)
            .arg("--data")
            .arg(data)
            .arg("export")
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or("no standard output")?;
        let mut reading = Reading::new(ledger, changes);
        let mut lines = BufReader::with_capacity(1 << 20, out);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            reading.line(&line);
            line.clear();
        }
        let status = child.wait()?;
        if !status.success() {
            return Err(format!("chatd export failed: {status}").into());
        }
        Ok(reading.end())
    }

    /// Whether it has each message that was confirmed, once and as it was last.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost + self.twice + self.disordered + self.wrong == 0
    }
}

struct Reading<'a> {
    ledger: &'a Ledger,
    changes: &'a Changes,
    /// The last number of each stream.
    last: Vec<u32>,
    edited: u64,
    reacted: u64,
    stored: Stored,
    content: Key,
    sender: Key,
    reactions: Key,
}

impl<'a> Reading<'a> {
    fn new(ledger: &'a Ledger, changes: &'a Changes) -> Self {
        Self {
            ledger,
            changes,
            last: vec![0; ledger.streams.len()],
            edited: 0,
            reacted: 0,
            stored: Stored::default(),
            content: Key::new("\"content\":\""),
            sender: Key::new("\"sender_id\":"),
            reactions: Key::new("\"reactions\":[{"),
        }
    }

    fn line(&mut self, line: &[u8]) {
        let is_one_of = |kinds: [&[u8]; 2]| kinds.iter().any(|kind| line.starts_with(kind));
        if is_one_of([
            b"{\"type\":\"erased_message\"",
            b"{\"type\":\"erased_room_message\"",
        ]) {
            self.stored.erased += 1;
        } else if is_one_of([b"{\"type\":\"message\"", b"{\"type\":\"room_message\""]) {
            self.stored.messages += 1;
            let content = self.content.after(line);
            match content.and_then(Mark::read) {
                Some(mark) if mark.stream < self.last.len() => self.message(mark, line),
                _ => self.stored.wrong += 1,
            }
        }
    }

    fn message(&mut self, mark: Mark, line: &[u8]) {
        let key = mark.key();
        let last = self.last[mark.stream];
        if mark.number == last {
            self.stored.twice += 1;
        } else if mark.number < last {
            self.stored.disordered += 1;
        } else {
            let passed = last + 1..mark.number;
            self.stored.lost += self.absent(mark.stream, passed);
            self.last[mark.stream] = mark.number;
        }
        let sender = u64::from(self.ledger.streams[mark.stream].sender) + 1;
        let has_reaction = self.reactions.after(line).is_some();
        let is_right = self.sender.number(line) == Some(sender)
            && !self.changes.deleted.contains(&key)
            && (mark.edits == 1) == self.changes.edited.contains(&key)
            && has_reaction == self.changes.reacted.contains(&key);
        self.stored.wrong += u64::from(!is_right);
        self.edited += u64::from(mark.edits == 1);
        self.reacted += u64::from(has_reaction);
    }

    /// How many of these numbers ought to be there.
    fn absent(&self, stream: usize, numbers: impl Iterator<Item = u32>) -> u64 {
        let ought = |number: &u32| {
            !self.changes.deleted.contains(&key(stream, *number))
                && !self.ledger.is_refused(stream, *number)
        };
        numbers.filter(ought).count() as u64
    }

    fn end(mut self) -> Stored {
        for (stream, last) in self.last.iter().enumerate() {
            let rest = last + 1..=self.ledger.streams[stream].sent;
            self.stored.lost += self.absent(stream, rest);
        }
        let changed = [
            (self.stored.erased, &self.changes.deleted),
            (self.edited, &self.changes.edited),
            (self.reacted, &self.changes.reacted),
        ];
        for (found, made) in changed {
            self.stored.wrong += found.abs_diff(made.len() as u64);
        }
        self.stored
    }
}

#[cfg(test)]
mod tests {
    use super::super::ledger::To;
    use super::*;

    fn read(lines: &[&str]) -> Stored {
        let mut ledger = Ledger::default();
        ledger.add(0, To::Person(1), std::iter::once(1));
        for _ in 0..4 {
            ledger.send(0);
        }
        let mut changes = Changes::default();
        changes.deleted.insert(key(0, 2));
        changes.edited.insert(key(0, 3));
        let mut reading = Reading::new(&ledger, &changes);
        for line in lines {
            reading.line(line.as_bytes());
        }
        reading.end()
    }

    #[test]
    fn what_is_stored_is_held_against_what_was_confirmed() {
        let message = |mark: &str| {
            format!(
                r##"{{"type":"message","id":1,"sender_id":1,"receiver_id":2,"content":"{mark}"}}"##
            )
        };
        let [first, third, old_third, fourth] =
            ["#0.1.0.a", "#0.3.1.a", "#0.3.0.a", "#0.4.0.a"].map(message);
        let erased = r#"{"type":"erased_message","id":2,"sender_id":1,"receiver_id":2}"#;
        let good = Stored {
            messages: 3,
            erased: 1,
            ..Stored::default()
        };
        assert_eq!(read(&[&first, erased, &third, &fourth]), good);
        let lost = read(&[&first, erased, &third]);
        assert_eq!((lost.lost, lost.wrong), (1, 0));
        let twice = read(&[&first, &first, erased, &third, &fourth]);
        assert_eq!((twice.lost, twice.twice), (0, 1));
        let unedited = read(&[&first, erased, &old_third, &fourth]);
        assert_eq!((unedited.lost, unedited.wrong), (0, 2));
        let undeleted = read(&[&first, &third, &fourth]);
        assert_eq!((undeleted.lost, undeleted.wrong), (0, 1));
    }
}
