//! Files with bytes changed at random, and files that were cut: every command and a start end in a
//! sentence of chatd's.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::room_damage::roomy;
use super::tests::Data;
use super::*;
use crate::model::Timestamp;
use crate::store::Location;
use crate::store::tests::Open;

/// A page of redb's.
const PAGE: usize = 4_096;

/// Changes a file as disks, copies and people do. Gives what was done.
fn harm(bytes: &mut Vec<u8>, random: &mut StdRng) -> String {
    let len = bytes.len();
    let page = |random: &mut StdRng| random.random_range(0..len / PAGE) * PAGE;
    match random.random_range(0..9) {
        0 => {
            let at = random.random_range(0..len);
            bytes[at] ^= 1 << random.random_range(0..8);
            format!("a bit at {at}")
        }
        1 => {
            let at = random.random_range(0..len - 64);
            random.fill(&mut bytes[at..at + 64]);
            format!("64 bytes at {at}")
        }
        2 => {
            let at = page(random);
            bytes[at..at + PAGE].fill(0);
            format!("zeros at {at}")
        }
        3 => {
            let (from, to) = (page(random), page(random));
            bytes.copy_within(from..from + PAGE, to);
            format!("the page of {from} at {to}")
        }
        4 => {
            let end = random.random_range(0..len);
            bytes.truncate(end);
            format!("cut at {end}")
        }
        5 => {
            let end = page(random);
            bytes.truncate(end);
            format!("cut at page {end}")
        }
        6 => {
            let at = random.random_range(0..320);
            bytes[at] = random.random();
            format!("a byte of the head at {at}")
        }
        7 => {
            let at = random.random_range(0..320);
            random.fill(&mut bytes[at..at + 8]);
            format!("8 bytes of the head at {at}")
        }
        _ => {
            let more = random.random_range(0..100_000);
            bytes.resize(len + more, 0xa5);
            format!("{more} bytes more")
        }
    }
}

/// How each command and a start ended; nothing where all of them did their work.
fn ends(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let data = Data::new();
    let write = || std::fs::write(&data.path, bytes).unwrap();
    let (copy, target) = (data.beside("copy.redb"), data.beside("restored.redb"));
    let mut ends = Vec::new();
    let mut ended = |name, error: Option<String>| ends.extend(error.map(|error| (name, error)));
    let text = |error: MaintainError| error.to_string();
    write();
    ended(
        "backup",
        backup(&data.path, &copy, &mut |_| {}).err().map(text),
    );
    ended(
        "export",
        export(&data.path, &mut std::io::sink(), &mut |_| {})
            .err()
            .map(text),
    );
    let now = Timestamp::from_ms(0);
    ended(
        "restore",
        restore(&data.path, &target, now, &mut |_| {})
            .err()
            .map(text),
    );
    let found = match check(&data.path, &mut |_| {}) {
        Ok(report) => report.findings.first().map(ToString::to_string),
        Err(error) => Some(text(error)),
    };
    ended("check", found);
    assert!(
        std::fs::read(&data.path).unwrap() == bytes,
        "the file was changed"
    );
    ended("compact", compact(&data.path, &mut |_| {}).err().map(text));
    write();
    match Open::at(&Location::File(data.path.clone())) {
        Ok(open) => open.close(),
        Err(error) => ended("a start", Some(error.to_string())),
    }
    ends
}

#[test]
fn a_file_that_was_changed_or_cut_anywhere_ends_every_command_in_a_sentence_of_ours() {
    let refused = harmed_anywhere(&Data::talked(30, 500), 150);
    assert!(
        (30..150).contains(&refused),
        "{refused} of 150 were refused"
    );
}

#[test]
fn a_file_with_rooms_that_was_changed_or_cut_anywhere_does_so_too() {
    let refused = harmed_anywhere(&roomy(30, 300), 60);
    assert!((10..60).contains(&refused), "{refused} of 60 were refused");
}

/// Harms a file in so many ways. Returns how often something was refused.
fn harmed_anywhere(data: &Data, rounds: usize) -> usize {
    let whole = std::fs::read(&data.path).unwrap();
    assert_eq!(ends(&whole), []);
    let mut random = StdRng::seed_from_u64(30);
    let mut refused = 0;
    for _ in 0..rounds {
        let mut bytes = whole.clone();
        let what = harm(&mut bytes, &mut random);
        // What panics ends the test.
        let ends = ends(&bytes);
        let is_checked = ends.iter().any(|(name, _)| *name == "check");
        for (name, error) in &ends {
            let says = [
                "the data file is damaged: restore a backup",
                "the data file is not one of chatd",
                "is no data file of chatd",
                "holds no data",
                "has format",
                "is damaged (",
                "missing, or its checksum is wrong",
                "the data file cannot be read or written: chatd check says",
            ];
            let is_ours = says.iter().any(|sentence| error.contains(sentence));
            assert!(is_ours || *name == "check", "{what}: {name}: {error}");
            assert!(
                is_checked,
                "{what}: {name} ends in {error:?}, and the check finds nothing"
            );
        }
        refused += usize::from(!ends.is_empty());
    }
    refused
}
