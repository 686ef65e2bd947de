//! The fuzz targets over their seeds and over random changes of them: a small, repeatable share of
//! what the fuzzer does.

use std::path::Path;

use rand::{RngExt, SeedableRng};

#[path = "../fuzz/targets.rs"]
mod targets;

/// How many inputs each target gets.
const INPUTS: u64 = 20_000;

/// What the formats are made of.
const WORDS: [&str; 14] = [
    "_placeholder",
    "true",
    "\"num\":",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    "\u{1e}",
    "probe",
    "-",
    "/a,",
    "0",
];

fn run(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/seeds")
        .join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files
        .iter()
        .map(|file| std::fs::read(file).unwrap())
        .collect();
    assert!(seeds.len() >= 3);
    seeds.iter().for_each(|seed| target(seed));
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    for _ in 0..INPUTS {
        let mut input = seeds[random.random_range(0..seeds.len())].clone();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..=input.len());
            match random.random_range(0..4) {
                0 => input.insert(at, random.random()),
                1 if at < input.len() => drop(input.remove(at)),
                2 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
                _ => drop(input.splice(at..at, WORDS[random.random_range(0..WORDS.len())].bytes())),
            }
        }
        target(&input);
    }
}

#[test]
fn payload() {
    run("payload", targets::payload);
}

#[test]
fn packet() {
    run("packet", targets::packet);
}

#[test]
fn attachments() {
    run("attachments", targets::attachments);
}

#[test]
fn session() {
    run("session", targets::session);
}
