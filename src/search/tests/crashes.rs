//! A process that is killed while it follows the log, writes parts, makes them anew or begins
//! anew, and files that are harmed before the next start: what is found then is what a plain scan
//! of the log finds, and nothing of what was erased is in the files.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::house::*;
use super::recall::{QUERIES, WORDS, has};
use crate::model::MessageId;
use crate::search::catalog;
use crate::search::folder::Folder;
use crate::search::segment::{Segment, name_of};
use crate::search::terms::{each_term, of_sender};
use crate::search::{SearchError, Wanted, folder_of};
use crate::store::{Change, EraseMany};

const PEOPLE: u64 = 4;
/// How often it is killed; `CRASHES` says another number.
const ROUNDS: u64 = 8;
/// A process says at most so many words of its own.
const WORDS_A_ROUND: u64 = 1_000;
/// Where the process works that is to be killed, and in which round.
const FOLDER: &str = "CHATD_TEST_SEARCH_FOLDER";
const ROUND: &str = "CHATD_TEST_SEARCH_ROUND";
/// What it says after each thing that it has done.
const DONE: &str = "done";

/// Twelve letters that no other number has.
fn word(number: u64) -> String {
    let mut random = StdRng::seed_from_u64(number);
    (0..12).map(|_| random.random_range('a'..='z')).collect()
}

fn text(random: &mut StdRng, number: u64) -> String {
    let count = random.random_range(0..4);
    let common = (0..count).map(|_| (*WORDS.choose(random).unwrap()).to_owned());
    let words: Vec<_> = common.chain([word(number)]).collect();
    words.join(" ")
}

/// The process that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it works until it is killed, for another test"]
async fn it_works_until_it_is_killed() {
    let (Some(folder), Ok(round)) = (std::env::var_os(FOLDER), std::env::var(ROUND)) else {
        return;
    };
    let round: u64 = round.parse().unwrap();
    let mut random = StdRng::seed_from_u64(round);
    let house = House::open(Path::new(&folder));
    let mut numbers = round * WORDS_A_ROUND..(round + 1) * WORDS_A_ROUND;
    let mut said = house.said().await;
    loop {
        let sent = (0..random.random_range(1..24)).filter_map(|_| {
            let from = random.random_range(1..=PEOPLE);
            let to = 1 + (from + random.random_range(0..PEOPLE - 1)) % PEOPLE;
            let text = text(&mut random, numbers.next()?);
            Some((from, to, text))
        });
        let sent: Vec<_> = sent.collect();
        let ids = join_all(
            sent.iter()
                .map(|(from, to, text)| house.send(*from, *to, text)),
        );
        for (id, (from, to, text)) in ids.await.into_iter().zip(&sent) {
            let (from, to, text) = (*from, *to, text.clone());
            said.insert(id, Said { from, to, text });
        }
        change(&house, &mut random, &mut said, &mut numbers).await;
        if random.random_bool(0.2) {
            // Parts are made anew for it while the next things happen.
            let search = house.search.clone();
            tokio::spawn(async move { search.purge().await });
        }
        // Whatever it is printed by, it is to be there at once.
        std::io::Write::write_all(&mut std::io::stdout(), format!("\n{DONE}\n").as_bytes())
            .unwrap();
    }
}

/// Edits, deletes and erases some messages.
async fn change(
    house: &House,
    random: &mut StdRng,
    said: &mut BTreeMap<u64, Said>,
    numbers: &mut std::ops::Range<u64>,
) {
    for _ in 0..random.random_range(0..3) {
        let Some(id) = said.keys().copied().choose(random) else {
            return;
        };
        let author = said[&id].from;
        match (random.random_range(0..4), numbers.next()) {
            (0 | 1, Some(number)) => {
                let text = text(random, number);
                house.edit(author, id, &text).await;
                said.get_mut(&id).unwrap().text = text;
            }
            (2, _) => {
                house.delete(author, id).await;
                said.remove(&id);
            }
            _ => {
                let chat = [author, said[&id].to];
                let same =
                    |said: &Said| [[said.from, said.to], [said.to, said.from]].contains(&chat);
                let of_chat = said.iter().filter(|(_, said)| same(said));
                let ids: Vec<u64> = of_chat.map(|(id, _)| *id).take(12).collect();
                said.retain(|id, _| !ids.contains(id));
                let messages = ids.into_iter().map(|id| MessageId::new(id).unwrap());
                let many = EraseMany {
                    messages: messages.collect(),
                    sender: None,
                    all_of: None,
                };
                house.apply(Change::EraseMany(vec![many])).await;
            }
        }
    }
}

/// Has a process work in a folder and kills it at some moment.
async fn kill_one_in(folder: &Path, round: u64, random: &mut StdRng) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "search::tests::crashes::it_works_until_it_is_killed",
        ])
        .args(["--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut left = random.random_range(1..30);
    while left > 0 {
        let line = lines.next_line().await.unwrap();
        left -= usize::from(line.expect("it ended by itself") == DONE);
    }
    // No event tells the moment: any will do.
    tokio::time::sleep(Duration::from_micros(random.random_range(0..20_000))).await;
    child.kill().await.unwrap();
}

/// Harms the files of an index in some way, and says in which; `None` where there are none.
fn harm(folder: &Path, random: &mut StdRng, foreign: &Files, older: &Files) -> Option<String> {
    let index = folder_of(&data_in(folder));
    let files = files_of(folder);
    let (name, bytes) = files
        .iter()
        .filter(|(_, bytes)| !bytes.is_empty())
        .choose(random)?;
    let length = bytes.len();
    let path = index.join(name);
    let write = |bytes: &[u8]| std::fs::write(&path, bytes).unwrap();
    let how = random.random_range(0..9);
    match how {
        0 | 1 => {
            let lengths = [0, 1, 8, 255, 256, 4_091, 4_092, 4_095, 4_096, 4_097];
            let ends = [length.saturating_sub(4_096), length.saturating_sub(1)];
            let any = random.random_range(0..length);
            let to = lengths
                .into_iter()
                .chain(ends)
                .chain([any])
                .choose(random)?;
            write(&bytes[..to.min(length)]);
        }
        2 | 3 => {
            let mut bytes = bytes.clone();
            bytes[random.random_range(0..length)] ^= 1 << random.random_range(0..8);
            write(&bytes);
        }
        4 => std::fs::remove_file(&path).unwrap(),
        5 => {
            // As a power cut may leave what was never synced.
            let mut bytes = bytes.clone();
            bytes[length / 2..].fill(0);
            write(&bytes);
        }
        6 => write(foreign.values().choose(random)?),
        7 => {
            // A page that belongs into another file, in the same place.
            let place = 4_096 * random.random_range(0..length.div_ceil(4_096));
            let page = place..(place + 4_096).min(length);
            let others = foreign.values();
            let others = others.filter_map(|other| other.get(page.clone()));
            let mut bytes = bytes.clone();
            bytes[page.clone()].copy_from_slice(others.choose(random)?);
            write(&bytes);
        }
        _ => {
            // The whole of it as it was some time ago.
            std::fs::remove_dir_all(&index).unwrap();
            std::fs::create_dir(&index).unwrap();
            for (name, bytes) in older {
                std::fs::write(index.join(name), bytes).unwrap();
            }
        }
    }
    Some(format!("{name} of {length} bytes by {how}"))
}

type Files = BTreeMap<String, Vec<u8>>;

/// All that a person finds, after whatever was found damaged meanwhile was made anew.
async fn found(house: &House, reader: u64, wanted: &Wanted) -> Vec<u64> {
    'anew: loop {
        house.caught_up().await;
        let (mut ids, mut wanted) = (Vec::new(), wanted.clone());
        loop {
            match house.search.search(user(reader), wanted.clone()).await {
                Ok(page) => {
                    ids.extend(page.rows.iter().map(|hit| hit.message.id().get()));
                    wanted.before = page.next_before;
                }
                Err(SearchError::Indexing { .. }) => continue 'anew,
                Err(error) => panic!("{error:?}"),
            }
            if wanted.before.is_none() {
                return ids;
            }
        }
    }
}

/// Holds what people find against the log. Returns how many rows that were.
async fn compare(house: &House, random: &mut StdRng, said: &BTreeMap<u64, Said>) -> usize {
    let mut count = 0;
    let own = said.values().sample(random, 6).into_iter();
    let own: Vec<_> = own
        .map(|said| said.text.rsplit(' ').next().unwrap().to_owned())
        .collect();
    let texts = QUERIES.into_iter().map(str::to_owned);
    for text in texts
        .chain(own.iter().map(|word| word[..2].to_owned()))
        .chain(own.clone())
    {
        let reader = random.random_range(1..=PEOPLE);
        let of_reader = |said: &Said| said.from == reader || said.to == reader;
        let newest_first = said.iter().rev();
        let scanned = newest_first.filter(|(_, said)| of_reader(said) && has(&said.text, &text));
        let scanned: Vec<u64> = scanned.map(|(id, _)| *id).collect();
        assert_eq!(
            found(house, reader, &words(&text)).await,
            scanned,
            "{text:?} of {reader}"
        );
        count += scanned.len();
    }
    count
}

/// Checks that the files have nothing but what is said now. Returns how many words that are.
fn assert_nothing_else(
    folder: &Path,
    house: &House,
    said: &BTreeMap<u64, Said>,
    rounds: u64,
) -> usize {
    let files = files_of(folder);
    let index = house.search.inner.index.read();
    let listed: BTreeSet<String> = index
        .parts
        .iter()
        .map(|part| name_of(part.listed.number))
        .collect();
    let is_listed = |name: &String| name == catalog::NAME || listed.contains(name);
    assert!(
        files.keys().all(is_listed),
        "{:?} beside {listed:?}",
        files.keys()
    );
    // The dictionaries, term by term.
    let mut terms: BTreeSet<Vec<u8>> = (1..=PEOPLE)
        .map(|sender| of_sender(sender).to_vec())
        .collect();
    for said in said.values() {
        each_term(&said.text, |term| {
            terms.insert(term.to_vec());
        });
    }
    let disk = Folder::Disk(folder_of(&data_in(folder)));
    for part in &index.parts {
        let segment = Segment::open(&disk, part.listed.number, index.stamp);
        // One that is damaged where nobody looked has what it had.
        let known = segment.and_then(|segment| segment.all_terms(&disk).ok());
        for term in known.into_iter().flatten() {
            assert!(
                terms.contains(&term),
                "{:?}",
                String::from_utf8_lossy(&term)
            );
        }
    }
    // The bytes: of a term that follows another only the rest is written.
    let ends: HashSet<&[u8]> = files.values().flat_map(|bytes| bytes.windows(8)).collect();
    let mut there = 0;
    for number in 0..rounds * WORDS_A_ROUND {
        let word = word(number);
        let is_there = ends.contains(&word.as_bytes()[4..]);
        assert!(
            !is_there || terms.contains(word.as_bytes()),
            "{word} is still there"
        );
        there += usize::from(is_there);
    }
    there
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_and_any_damage_a_search_finds_what_the_log_says_and_nothing_erased() {
    let rounds = std::env::var("CRASHES").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    House::open(folder).with_users(PEOPLE).await.close().await;
    let house = House::open(other.path()).with_users(PEOPLE).await;
    join_all((0..200).map(|_| house.send(1, 2, "of another data file"))).await;
    house.caught_up().await;
    assert!(house.search.purge().await);
    house.close().await;
    let foreign = files_of(other.path());
    let mut random = StdRng::seed_from_u64(21);
    let (mut count, mut there, mut harmed, mut older) = (0, 0, 0, Files::new());
    for round in 0..rounds {
        if round % 4 == 3 {
            // This one is killed while it begins anew.
            drop(std::fs::remove_dir_all(folder_of(&data_in(folder))));
        }
        kill_one_in(folder, round, &mut random).await;
        let how = match random.random_bool(0.6) {
            true => harm(folder, &mut random, &foreign, &older),
            false => None,
        };
        harmed += usize::from(how.is_some());
        let house = House::open(folder);
        let said = house.said().await;
        // At once, before it is made what it is to be: less perhaps, and nothing else.
        if let Ok(page) = house.search.search(user(1), words("halo")).await {
            for hit in page.rows {
                let said = &said[&hit.message.id().get()];
                assert!(has(&said.text, "halo") && [said.from, said.to].contains(&1));
            }
        }
        count += compare(&house, &mut random, &said).await;
        assert!(house.search.purge().await, "{round}: {how:?}");
        there += assert_nothing_else(folder, &house, &said, round + 1);
        count += compare(&house, &mut random, &said).await;
        if random.random_bool(0.5) {
            older = files_of(folder);
        }
        house.close().await;
    }
    assert!(
        count > 1_000 && there > 1_000 && harmed > 0,
        "{count} rows, {there} words, {harmed}"
    );
}
