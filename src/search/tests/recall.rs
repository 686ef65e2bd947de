//! What is found, held against a plain scan of all that was said: every message that has it, and
//! nothing else, in many scripts, with edits, deletions and restarts.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::house::{A_PART, House, Said, user, words};
use crate::model::{ChatId, MessageId};

const PEOPLE: u64 = 4;
pub(super) const WORDS: [&str; 26] = [
    "v1.22.3",
    "1.22",
    "halo",
    "Halo",
    "dunia",
    "HALOGEN",
    "selamat",
    "pagi",
    "pagihari",
    "kopi",
    "Café",
    "cafe\u{301}s",
    "straße",
    "Strassen",
    "привет",
    "Ёлка",
    "елочка",
    "سلام",
    "שלום",
    "東京都",
    "京都へ",
    "한국어",
    "국어책",
    "ภาษาไทย",
    "ไทย",
    "👍",
];
/// What is looked for, and the plain way to tell a text that has it: without case and marks, and
/// the `v` of a version, in scripts with spaces at the beginning of a word, in others anywhere.
pub(super) const QUERIES: [&str; 24] = [
    "1.22",
    "v1.2",
    "halo",
    "hal",
    "dunia",
    "pagi",
    "pag",
    "kopi",
    "cafe",
    "cafés",
    "strasse",
    "привет",
    "елка",
    "ёл",
    "سلام",
    "שלום",
    "東京",
    "京",
    "京都",
    "국어",
    "ภาษา",
    "ไทย",
    "👍",
    "nothing",
];
const DENSE: &str = "東京都京都へ한국어국어책ภาษาไทย👍";

/// A text as the plain scan compares it.
fn plain(text: &str) -> String {
    let pairs = [
        ("é", "e"),
        ("e\u{301}", "e"),
        ("ё", "е"),
        ("ß", "ss"),
        ("v1.", "1."),
    ];
    let mut text = text.to_lowercase();
    for (from, to) in pairs {
        text = text.replace(from, to);
    }
    text
}

/// Whether a text has what is looked for, by a plain scan.
pub(super) fn has(text: &str, query: &str) -> bool {
    let (text, query) = (plain(text), plain(query));
    if query.chars().any(|char| DENSE.contains(char)) {
        return text.contains(&query);
    }
    let mut words = text.split(' ');
    words.any(|word| word.starts_with(&query))
}

fn text(random: &mut StdRng) -> String {
    let count = random.random_range(1..6);
    let words: Vec<_> = (0..count).map(|_| *WORDS.choose(random).unwrap()).collect();
    words.join(" ")
}

/// Whether a message has what is searched for.
type Test<'a> = &'a dyn Fn(&Said) -> bool;

/// Does something at random.
async fn act(house: &House, random: &mut StdRng, said: &mut BTreeMap<u64, Said>) {
    let ids: Vec<u64> = said.keys().copied().collect();
    let which = ids.choose(random).copied();
    match (random.random_range(0..10), which) {
        (0, Some(id)) => {
            house.delete(said[&id].from, id).await;
            said.remove(&id);
        }
        (1 | 2, Some(id)) => {
            let (author, text) = (said[&id].from, text(random));
            house.edit(author, id, &text).await;
            said.get_mut(&id).unwrap().text = text;
        }
        _ => {
            let from = random.random_range(1..=PEOPLE);
            let to = 1 + (from + random.random_range(0..PEOPLE - 1)) % PEOPLE;
            let text = text(random);
            let id = house.send(from, to, &text).await;
            said.insert(id, Said { from, to, text });
        }
    }
}

/// Holds all that everybody finds against the plain list. Returns how many rows that were.
async fn compare(house: &House, random: &mut StdRng, said: &BTreeMap<u64, Said>) -> usize {
    house.caught_up().await;
    let mut count = 0;
    for query in QUERIES {
        let reader = random.random_range(1..=PEOPLE);
        let other = QUERIES.choose(random).unwrap();
        let is_theirs = |said: &Said| said.from == reader || said.to == reader;
        let scan = |matches: &dyn Fn(&Said) -> bool| {
            let found = said
                .iter()
                .rev()
                .filter(|(_, said)| is_theirs(said) && matches(said));
            found.map(|(id, _)| *id).collect::<Vec<_>>()
        };
        let both = format!("{query} {other}");
        let without = format!("{query} -{other}");
        let cases: [(&str, Test<'_>); 3] = [
            (query, &|said| has(&said.text, query)),
            (&both, &|said| {
                has(&said.text, query) && has(&said.text, other)
            }),
            (&without, &|said| {
                has(&said.text, query) && !has(&said.text, other)
            }),
        ];
        for (text, matches) in cases {
            let found = house.found(reader, &words(text)).await;
            assert_eq!(found, scan(matches), "{text:?} for {reader}");
            count += found.len();
        }
        let peer = 1 + reader % PEOPLE;
        let mut narrow = words(query);
        narrow.chat = Some(ChatId::Person(user(peer)));
        narrow.sender = Some(user(peer));
        let found = house.found(reader, &narrow).await;
        let is_of_peer = |said: &Said| said.from == peer && has(&said.text, query);
        assert_eq!(found, scan(&is_of_peer), "{query:?} of {peer} for {reader}");
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_finds_what_a_plain_scan_finds_over_edits_deletions_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = StdRng::seed_from_u64(7);
    let mut house = House::open(folder.path()).with_users(PEOPLE).await;
    let (mut said, mut count) = (BTreeMap::new(), 0);
    for round in 0..12 {
        for _ in 0..random.random_range(20..160) {
            act(&house, &mut random, &mut said).await;
        }
        count += compare(&house, &mut random, &said).await;
        match round % 4 {
            1 => assert!(house.search.purge().await),
            2 | 3 => {
                // As it was left, with nothing written at the end.
                house.close().await;
                house = House::open(folder.path());
            }
            _ => {}
        }
    }
    count += compare(&house, &mut random, &said).await;
    assert!(count > 2_000, "{count} rows");
    assert!(house.search.readings().parts >= 5);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn matches_say_where_a_text_has_it_and_pages_follow_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).with_users(2).await;
    let first = house.send(1, 2, "😀 Halo halogen").await;
    let second = house.send(2, 1, "no words").await;
    let third = house.send(2, 1, "HALO").await;
    house.caught_up().await;
    let mut wanted = words("halo");
    wanted.limit = 1;
    let page = house.page(1, wanted.clone()).await;
    assert_eq!(
        (page.rows[0].message.id().get(), &page.rows[0].matches[..]),
        (third, &[(0, 4)][..])
    );
    assert!(page.indexed_through >= third && second < third);
    assert_eq!(page.next_before.map(MessageId::get), Some(third));
    wanted.before = page.next_before;
    let page = house.page(1, wanted).await;
    let row = &page.rows[0];
    assert_eq!(
        (row.message.id().get(), &row.matches[..]),
        (first, &[(3, 7), (8, 12)][..])
    );
    assert_eq!(page.next_before, None);
    house.close().await;
}

/// Other people's matches filled the page by which they were then left out, and ended the search.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_said_is_found_beneath_what_others_said_since() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open_with(folder.path(), 6_000).with_users(3).await;
    let wanted_one = house.send(3, 2, "mango").await;
    for _ in 0..9 {
        house.send(1, 2, "mango").await;
    }
    // In the same part so much that the index is not asked who wrote the few that are left.
    for _ in 0..5 {
        join_all((0..1_000).map(|_| house.send(3, 2, "filler"))).await;
    }
    house.caught_up().await;
    assert!(house.search.purge().await);
    assert_eq!(house.search.readings().parts, 1);
    let mut wanted = words("mango");
    assert_eq!(house.found(2, &wanted).await.len(), 10);
    wanted.sender = Some(user(3));
    assert_eq!(house.found(2, &wanted).await, [wanted_one]);
    house.close().await;
}

/// Each text was compared with each word of the query at each of its words, 2,048 texts a page: a
/// search took seconds and cost as much as any.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_texts_end_a_page_and_count_as_what_they_cost() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).with_users(2).await;
    let (long, mut ids) = (format!("b {}", "a ".repeat(1_500)), Vec::new());
    for number in 0..32 {
        let end = if number % 8 == 0 { "b" } else { "c" };
        let id = house.send(1, 2, &format!("{long}{end}")).await;
        ids.extend((end == "b").then_some(id));
    }
    ids.reverse();
    house.caught_up().await;
    let wanted = words(&format!("\"{}b\"", "a ".repeat(40)));
    let page = house.page(1, wanted.clone()).await;
    assert!(
        page.rows.len() < 3 && page.next_before.is_some(),
        "{page:?}"
    );
    // As 100 KiB of rows and more.
    assert!(page.read > 3_000, "{}", page.read);
    assert_eq!(house.found(1, &wanted).await, ids);
    house.close().await;
}

/// Ids that are near one another in a file are read at once, others each for itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_at_both_ends_of_a_large_part_are_found_and_all_between_them() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open_with(folder.path(), 9_000).with_users(2).await;
    let mut all = vec![house.send(1, 2, "mango common").await];
    let common = || join_all((0..1_100).map(|_| house.send(1, 2, "common")));
    for _ in 0..6 {
        all.extend(common().await);
    }
    let last = house.send(1, 2, "mango common").await;
    for _ in 0..2 {
        all.extend(common().await);
    }
    let ends = [last, all[0]];
    all.push(last);
    all.sort_unstable_by(|one, other| other.cmp(one));
    house.caught_up().await;
    // Returns once nothing is left to be done.
    assert!(house.search.purge().await);
    assert_eq!(house.search.readings().parts, 1);
    assert_eq!(house.found(2, &words("mango")).await, ends);
    let mut wanted = words("common");
    wanted.limit = 100;
    assert_eq!(house.found(2, &wanted).await, all);
    house.close().await;
}

/// Of which messages are of one's chats each file is asked once, until it is made anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_of_a_file_serves_the_next_search_and_goes_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).with_users(3).await;
    let mut ids = Vec::new();
    for _ in 0..2 * A_PART {
        ids.push(house.send(1, 2, "mango").await);
        house.send(2, 3, "mango").await;
    }
    ids.reverse();
    house.caught_up().await;
    let readers = &house.search.inner.readers;
    assert_eq!(readers.files_known(), 0);
    assert_eq!(house.found(1, &words("mango")).await, ids);
    let known = readers.files_known();
    assert!(known >= 2, "{known}");
    assert_eq!(house.found(1, &words("mango")).await, ids);
    assert_eq!(readers.files_known(), known);
    house.delete(1, ids.pop().unwrap()).await;
    assert!(house.search.purge().await);
    assert_eq!(readers.files_known(), 0);
    assert_eq!(house.found(1, &words("mango")).await, ids);
    house.close().await;
}

/// Sends waited behind searches where both had the processors to share.
#[tokio::test]
async fn a_search_is_looked_up_on_a_thread_that_stands_back() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).with_users(2).await;
    let id = house.send(1, 2, "mango").await;
    house.caught_up().await;
    let lookups = &house.search.inner.lookups;
    assert!(!lookups.has_begun());
    assert_eq!(house.found(1, &words("mango")).await, [id]);
    assert!(lookups.has_begun());
    house.close().await;
}
