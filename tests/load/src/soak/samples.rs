//! How the server was, every some seconds, and in each of its lives.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Error;
use crate::server::Site;
use crate::table::median;

/// The server at one moment, and since the sample before.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Since the begin of the run.
    pub(crate) seconds: f64,
    /// In which life, from 1.
    pub(crate) life: usize,
    /// Resident KiB: anonymous memory, and mapped files.
    pub(crate) anonymous: u64,
    pub(crate) mapped: u64,
    /// Processors kept busy.
    pub(crate) cores: f64,
    /// Confirmed messages a second.
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) open_files: usize,
    /// Bytes of the data file, of people's files, of the search's.
    pub(crate) stored: [u64; 3],
    /// Since the begin of the run.
    pub(crate) confirmed: u64,
    /// As many as the server is to remember.
    pub(crate) client_ids: u64,
}

const HEAD: &str = "seconds,life,rss_anon_kib,rss_file_kib,cores,sends_a_second,p50_ms,p99_ms,open_files,data_bytes,files_bytes,search_bytes,confirmed,client_ids";

/// Samples, which are written to a file as they come.
pub(crate) struct Samples {
    pub(crate) all: Vec<Sample>,
    out: File,
    data: PathBuf,
}

impl Samples {
    pub(crate) fn new(path: &Path, data: &Path) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut out = File::create(path)?;
        writeln!(out, "{HEAD}")?;
        Ok(Self {
            all: Vec::new(),
            out,
            data: data.to_owned(),
        })
    }

    /// Looks at the server's memory and at what it has stored.
    pub(crate) fn look(&self, site: Site) -> Result<([u64; 2], usize, [u64; 3]), Error> {
        let memory = site.memory(["RssAnon:", "RssFile:"])?;
        let beside = |what: &str| {
            let mut name = self.data.clone().into_os_string();
            name.push(what);
            size(Path::new(&name))
        };
        let stored = ["", ".files", ".search"].map(beside);
        Ok((memory, site.open_files()?, stored))
    }

    pub(crate) fn add(&mut self, sample: Sample) -> Result<(), Error> {
        let Sample {
            seconds,
            life,
            anonymous,
            mapped,
            cores,
            rate,
            p50_ms,
            p99_ms,
            open_files,
            stored: [data, files, search],
            confirmed,
            client_ids,
        } = sample;
        writeln!(
            self.out,
            "{seconds:.1},{life},{anonymous},{mapped},{cores:.3},{rate:.1},{p50_ms:.3},{p99_ms:.3},{open_files},{data},{files},{search},{confirmed},{client_ids}"
        )?;
        self.all.push(sample);
        Ok(())
    }
}

/// The bytes of a file, or of all that are in a folder; of what is not there, 0.
fn size(path: &Path) -> u64 {
    let Ok(metadata) = path.symlink_metadata() else {
        return 0;
    };
    match std::fs::read_dir(path) {
        Ok(entries) if metadata.is_dir() => {
            let entries = entries.flatten();
            entries.map(|entry| size(&entry.path())).sum()
        }
        _ => metadata.len(),
    }
}

/// How a life began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Begin {
    New,
    Stopped,
    Killed,
}

impl Begin {
    pub(crate) const ALL: [Self; 3] = [Self::New, Self::Stopped, Self::Killed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::New => "new data",
            Self::Stopped => "SIGTERM",
            Self::Killed => "SIGKILL",
        }
    }
}

/// The server from one start to its end.
pub(crate) struct Life {
    pub(crate) begin: Begin,
    /// Seconds since the begin of the run.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// From the start of its process until it answered.
    pub(crate) started_in: Duration,
    /// From the signal to the one before until all were back.
    pub(crate) back_in: Option<Duration>,
    /// The most that was resident, in KiB.
    pub(crate) peak: u64,
}

/// What is in the samples of one life.
pub(crate) struct Figures<'a>(pub(crate) Vec<&'a Sample>);

impl<'a> Figures<'a> {
    /// The samples of a part of the life: from and to as parts of it.
    pub(crate) fn of(samples: &'a [Sample], life: &Life, [from, to]: [f64; 2]) -> Self {
        let at = |part: f64| life.from + (life.to - life.from) * part;
        let within = at(from)..=at(to);
        let samples = samples.iter();
        Self(
            samples
                .filter(|sample| within.contains(&sample.seconds))
                .collect(),
        )
    }

    pub(crate) fn median(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        let values = self.0.iter().map(|sample| value(sample));
        median(values).unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_as_large_as_what_is_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("a");
        std::fs::create_dir(&inner).expect("a folder");
        std::fs::write(inner.join("b"), [0; 300]).expect("a file");
        std::fs::write(folder.path().join("c"), [0; 21]).expect("a file");
        assert_eq!(size(folder.path()), 321);
        assert_eq!(size(&folder.path().join("d")), 0);
    }
}
