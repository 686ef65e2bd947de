//! How the log begins, and what of it is written.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;

use clap::ValueEnum;
use serde_json::json;
use tracing::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::lines::Lines;
use crate::model::Timestamp;

/// How log lines are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line, for programs
    Json,
}

impl LogFormat {
    /// Returns the line of why a server has ended, which no filter keeps back.
    pub(in crate::cli) fn last_words(self, text: &str) -> String {
        match self {
            Self::Text => format!("chatd: {text}"),
            Self::Json => {
                let now = Timestamp::now().to_string();
                json!({"timestamp": now, "level": "ERROR", "message": text}).to_string()
            }
        }
    }
}

/// Starts the log of a command, which waits for its reader.
pub(in crate::cli) fn start(filter: &str, format: LogFormat) {
    begin(filter, format, io::stderr);
}

/// Starts the log of a server, which waits for no reader. Panics are logged too. `None` where the
/// machine refuses another thread, or standard error cannot be had: then it is the log of a
/// command.
pub(in crate::cli) fn start_queued(filter: &str, format: LogFormat) -> Option<Lines> {
    // Not by `std::io::stderr()`: a write that hangs would hold its lock, and so hang every other
    // writer.
    let stderr = io::stderr().as_fd().try_clone_to_owned();
    let lines = stderr.and_then(|stderr| Lines::to(File::from(stderr), tell_lost));
    match lines {
        Ok(lines) => {
            begin(filter, format, lines.clone());
            std::panic::set_hook(Box::new(tell_panic));
            Some(lines)
        }
        Err(error) => {
            start(filter, format);
            tracing::warn!(%error, "the log has no thread of its own: the server stops when nobody reads it");
            None
        }
    }
}

fn begin<W>(filter: &str, format: LogFormat, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let safe = filter_fn(|event| is_told(event.target(), *event.level()));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_target(false);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(self::filter(filter).unwrap_or_default())
        .with(lines.with_filter(safe))
        .init();
}

/// Reads a filter of modules, such as `info,chatd::store=debug`; one that says nothing lets errors
/// through. A word alone is a level or a module of ours: of a level that is misspelt nothing would
/// ever be told.
pub(in crate::cli) fn filter(text: &str) -> Option<Targets> {
    let parts: Vec<_> = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    let is_of_us = |word: &str| word.split("::").next() == Some(env!("CARGO_CRATE_NAME"));
    let is_sure =
        |part: &&str| part.contains('=') || is_of_us(part) || part.parse::<LevelFilter>().is_ok();
    if !parts.iter().all(is_sure) {
        return None;
    }
    match parts.is_empty() {
        true => Some(Targets::new().with_default(LevelFilter::ERROR)),
        false => parts.join(",").parse().ok(),
    }
}

/// Returns whether a line of this module is written, if the filter that the operator gave lets it
/// through.
fn is_told(module: &str, level: Level) -> bool {
    let of = |name: &str| {
        let rest = module.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    if of(env!("CARGO_CRATE_NAME")) {
        return true;
    }
    // These warn of what a peer does, and so would a stranger fill the log: what matters of it,
    // chatd says itself.
    let speaks_to_peers = ["h2", "hyper", "rustls", "tungstenite"].into_iter().any(of);
    // Lines of libraries below info may hold headers and frames, and so tokens and messages.
    let most = if speaks_to_peers {
        Level::ERROR
    } else {
        Level::INFO
    };
    level <= most
}

fn tell_lost(lost: u64) {
    tracing::warn!(
        lost,
        "lines of this log were lost: nobody took them in time"
    );
}

/// The usual words go to standard error by a lock, which may hang.
fn tell_panic(panic: &PanicHookInfo<'_>) {
    let words = panic.payload_as_str().unwrap_or("no words");
    let location = panic.location().map(ToString::to_string);
    let location = location.unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let trace = Backtrace::capture();
    match trace.status() {
        BacktraceStatus::Captured => {
            tracing::error!(thread, location, "a panic: {words}\n{trace}");
        }
        _ => tracing::error!(thread, location, "a panic: {words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_levels_by_module_and_a_wrong_one_is_refused() {
        let told = |text: &str, module: &str| {
            let filter = filter(text).unwrap();
            let levels = [
                Level::ERROR,
                Level::WARN,
                Level::INFO,
                Level::DEBUG,
                Level::TRACE,
            ];
            let is_told = |level: &&Level| filter.would_enable(module, level);
            levels.iter().filter(is_told).count()
        };
        for (text, of_store, of_hub) in [
            ("info,chatd::store=debug", 4, 3),
            (" info , chatd::store=debug ,", 4, 3),
            ("chatd::store=TRACE", 5, 0),
            ("chatd=2,chatd::store=off", 0, 2),
            ("off", 0, 0),
            ("2", 2, 2),
            ("WARN,chatd::store", 5, 2),
            ("", 1, 1),
        ] {
            let told = (told(text, "chatd::store::write"), told(text, "chatd::hub"));
            assert_eq!(told, (of_store, of_hub), "{text:?}");
        }
        for wrong in [
            "chatd=loud",
            "chatd=info=warn",
            "info,chatd=6",
            "warning",
            "info,verbose",
            "inf",
        ] {
            assert!(filter(wrong).is_none(), "{wrong:?}");
        }
    }

    /// 50 streams that are opened and reset were a warning of `h2`, as many times as a stranger
    /// liked.
    #[test]
    fn nobody_fills_the_log_by_what_a_library_says_of_its_peers() {
        assert!(!is_told("h2::proto::streams::recv", Level::WARN));
        assert!(!is_told("rustls::conn", Level::WARN));
        assert!(is_told("h2::proto::streams::recv", Level::ERROR));
        assert!(is_told("h2o", Level::WARN));
        assert!(is_told("rustls_acme::state", Level::INFO));
        assert!(!is_told("redb", Level::DEBUG));
        assert!(is_told("chatd::server", Level::TRACE));
    }
}
