//! What a soak showed.

use std::fmt;
use std::path::Path;

use crate::Error;
use crate::plot::{self, Line, Panel};
use crate::table::short;

use super::crowd::Crowd;
use super::samples::{Begin, Figures, Life, Sample};
use super::side::{Counts, Side};
use super::stored::Stored;

/// A life of which memory is compared began after this part of the run: before, what grows until it
/// is full is not full.
const WARM: f64 = 0.1;
/// The parts of a life that are compared: it is warm by then.
const SECOND_QUARTER: [f64; 2] = [0.25, 0.5];
const LAST_QUARTER: [f64; 2] = [0.75, 1.0];
const MIB: f64 = 1_024.0 * 1_024.0;

pub(crate) struct Report<'a> {
    pub(crate) seconds: f64,
    pub(crate) samples: &'a [Sample],
    pub(crate) lives: &'a [Life],
    pub(crate) crowd: &'a Crowd,
    pub(crate) side: &'a Side,
    pub(crate) checked: Result<String, Error>,
    pub(crate) stored: Result<Stored, Error>,
}

fn anonymous_mib(sample: &Sample) -> f64 {
    sample.anonymous as f64 / 1_024.0
}

fn mapped_mib(sample: &Sample) -> f64 {
    sample.mapped as f64 / 1_024.0
}

/// How much more the second is than the first, in percent.
fn drift(from: f64, to: f64) -> String {
    format!("{:+.1} %", (to / from - 1.0) * 100.0)
}

/// A count with commas.
fn whole(count: u64) -> String {
    match count {
        0..100 => count.to_string(),
        _ => short(count as f64),
    }
}

impl Report<'_> {
    /// Whether nothing was lost, doubled, out of order or refused, and the file is sound.
    pub(crate) fn is_clean(&self) -> bool {
        let faults = self.crowd.ledger.verdict();
        let tally = &self.crowd.tally;
        let counts = &self.side.counts;
        faults.lost + faults.twice + faults.disordered + faults.stray == 0
            && tally.refused.is_empty()
            && tally.unrecovered == 0
            && self.crowd.unanswered() == 0
            && Counts::get(&counts.wrong) == 0
            && Counts::get(&counts.uploads) == Counts::get(&counts.downloads)
            && self.checked.is_ok()
            && self.stored.as_ref().is_ok_and(Stored::is_clean)
    }

    /// The median of a life's last quarter.
    fn late(&self, life: &Life, value: fn(&Sample) -> f64) -> f64 {
        Figures::of(self.samples, life, LAST_QUARTER).median(value)
    }

    fn lives(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| life | begun by | minutes | anonymous MiB, last quarter | since its second | mapped MiB | most resident MiB | messages, million | client ids, thousand | sends a second | p50, p99 ms | cores | open files | start ms | all back s |"
        )?;
        writeln!(f, "{}|", "| --- ".repeat(15))?;
        for (number, life) in self.lives.iter().enumerate() {
            let all = Figures::of(self.samples, life, [0.0, 1.0]);
            let early = Figures::of(self.samples, life, SECOND_QUARTER).median(anonymous_mib);
            let late = |value| self.late(life, value);
            let last = all.0.last();
            writeln!(
                f,
                "| {} | {} | {:.1} to {:.1} | {:.1} | {} | {:.1} | {:.1} | {:.2} | {:.0} | {} | {}, {} | {:.2} | {:.0} | {} | {} |",
                number + 1,
                life.begin.name(),
                life.from / 60.0,
                life.to / 60.0,
                late(anonymous_mib),
                drift(early, late(anonymous_mib)),
                late(mapped_mib),
                life.peak as f64 / 1_024.0,
                last.map_or(0.0, |sample| sample.confirmed as f64 / 1e6),
                last.map_or(0.0, |sample| sample.client_ids as f64 / 1e3),
                short(all.median(|sample| sample.rate)),
                short(all.median(|sample| sample.p50_ms)),
                short(all.median(|sample| sample.p99_ms)),
                all.median(|sample| sample.cores),
                all.median(|sample| sample.open_files as f64),
                short(life.started_in.as_secs_f64() * 1e3),
                life.back_in
                    .map_or("".into(), |back| short(back.as_secs_f64())),
            )?;
        }
        Ok(())
    }

    /// Memory in the same part of lives that began alike.
    fn memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenth = self.seconds * WARM;
        if let Some(sample) = self.samples.iter().find(|sample| sample.seconds >= tenth) {
            writeln!(
                f,
                "| resident at a tenth of the run: anonymous, mapped MiB | {:.1}, {:.1} |",
                anonymous_mib(sample),
                mapped_mib(sample)
            )?;
        }
        for begin in Begin::ALL {
            let lives = self.lives.iter().enumerate();
            let lives: Vec<_> = lives
                .filter(|(_, life)| life.begin == begin && life.from >= tenth)
                .collect();
            let [(first, one), .., (last, other)] = &lives[..] else {
                continue;
            };
            let from = self.late(one, anonymous_mib);
            let to = self.late(other, anonymous_mib);
            writeln!(
                f,
                "| anonymous MiB, last quarters of lives {} to {}, begun by {} | {from:.1} to {to:.1}, {} |",
                first + 1,
                last + 1,
                begin.name(),
                drift(from, to)
            )?;
        }
        Ok(())
    }

    fn messages(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ledger = &self.crowd.ledger;
        let tally = &self.crowd.tally;
        let faults = ledger.verdict();
        let restarts = |begin| self.lives.iter().filter(|life| life.begin == begin).count();
        writeln!(
            f,
            "| restarts by SIGTERM, by SIGKILL | {}, {} |",
            restarts(Begin::Stopped),
            restarts(Begin::Killed)
        )?;
        for (what, count) in [
            ("messages confirmed", ledger.confirmed()),
            ("deliveries, senders' own included", ledger.heard),
            ("lost", faults.lost),
            ("twice", faults.twice),
            ("out of order", faults.disordered),
            ("heard by one whom it is not for", faults.stray),
            ("unanswered", self.crowd.unanswered() as u64),
            ("said again after a reconnect", tally.retried),
            (
                "connections that came back with all they missed",
                tally.recovered,
            ),
            ("without it", tally.unrecovered),
            (
                "connections that the server ended while it ran",
                tally.dropped,
            ),
        ] {
            writeln!(f, "| {what} | {} |", whole(count))?;
        }
        writeln!(
            f,
            "| not taken at once, and tried again | {} |",
            tally.put_off
        )?;
        for (code, count) in &tally.refused {
            writeln!(f, "| refused as {code} | {count} |")?;
        }
        if let Some(why) = &tally.why_dropped {
            writeln!(f, "| why the first of these ended | {why} |")?;
        }
        Ok(())
    }

    fn rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes = &self.crowd.changes;
        let counts = &self.side.counts;
        let get = Counts::get;
        for (what, count) in [
            ("edits", changes.edited.len() as u64),
            ("deletions", changes.deleted.len() as u64),
            ("reactions", changes.reacted.len() as u64),
            ("chats marked as read", changes.marked),
            ("pages of history", get(&counts.pages)),
            ("searches", get(&counts.searches)),
            ("searches that found something", get(&counts.found)),
            ("files uploaded", get(&counts.uploads)),
            ("files sent", self.crowd.tally.files),
            ("files downloaded and compared", get(&counts.downloads)),
            ("of all these wrong", get(&counts.wrong)),
            (
                "requests without an answer, beside restarts",
                get(&self.side.door.failed),
            ),
            ("requests answered by 503", get(&self.side.door.unable)),
        ] {
            writeln!(f, "| {what} | {} |", whole(count))?;
        }
        if let Some(last) = self.samples.last() {
            let [data, files, search] = last.stored.map(|bytes| short(bytes as f64 / MIB));
            writeln!(
                f,
                "| MiB of the data file, people's files, the search's | {data}, {files}, {search} |"
            )?;
        }
        match &self.stored {
            Ok(stored) => writeln!(f, "| stored, by an export | {stored} |")?,
            Err(error) => writeln!(f, "| stored, by an export | {error} |")?,
        }
        match &self.checked {
            Ok(said) => writeln!(f, "| `chatd check` | {said} |"),
            Err(error) => writeln!(f, "| `chatd check` | {error} |"),
        }
    }

    /// Memory and waits over time, with a mark at each restart.
    pub(crate) fn draw(&self, path: &Path) -> Result<(), Error> {
        let line = |name: &str, value: fn(&Sample) -> f64| Line {
            name: name.to_owned(),
            points: self
                .samples
                .iter()
                .map(|sample| (sample.seconds / 60.0, value(sample)))
                .collect(),
        };
        let panels = [
            Panel {
                title: "resident MiB, by minutes".into(),
                lines: vec![
                    line("anonymous", anonymous_mib),
                    line("mapped files", mapped_mib),
                ],
            },
            Panel {
                title: "ms until a send is confirmed, by minutes".into(),
                lines: vec![
                    line("p50", |sample| sample.p50_ms),
                    line("p99", |sample| sample.p99_ms),
                ],
            },
        ];
        let restarts = self.lives.iter().skip(1).map(|life| life.from / 60.0);
        plot::draw_over_time(&panels, &restarts.collect::<Vec<_>>(), path)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lives(f)?;
        writeln!(f, "\n| what | figure |\n| --- | --- |")?;
        self.memory(f)?;
        self.messages(f)?;
        self.rest(f)
    }
}
