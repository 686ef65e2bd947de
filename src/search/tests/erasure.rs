//! What was erased is in no byte of the index's files and under no term of them, once that is asked
//! for.

use std::collections::BTreeSet;
use std::path::Path;

use super::house::{A_PART, House, data_in, files_of, words};
use crate::search::folder::Folder;
use crate::search::folder_of;
use crate::search::segment::Segment;

/// Every term of every file.
fn terms(house: &House, folder: &Path) -> BTreeSet<Vec<u8>> {
    let files = Folder::Disk(folder_of(&data_in(folder)));
    let index = house.search.inner.index.read();
    let mut all = BTreeSet::new();
    for part in &index.parts {
        let segment = Segment::open(&files, part.listed.number, index.stamp).unwrap();
        all.extend(segment.all_terms(&files).unwrap());
    }
    all
}

fn is_in_files(folder: &Path, word: &str) -> bool {
    let files = files_of(folder);
    let mut files = files.values();
    // Of a term that follows another only the rest is written.
    files.any(|bytes| memchr::memmem::find(bytes, &word.as_bytes()[1..]).is_some())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_erased_or_edited_away_leaves_the_files_and_their_terms() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).with_users(2).await;
    let deleted = house.send(1, 2, "qwvvunmentionable said").await;
    let edited = house.send(1, 2, "qxvvembarrassing said").await;
    for _ in 0..4 * A_PART {
        house.send(1, 2, "filler").await;
    }
    house.caught_up().await;
    for word in ["qwvvunmentionable", "qxvvembarrassing"] {
        assert!(is_in_files(folder.path(), word), "{word} was never there");
        assert!(terms(&house, folder.path()).contains(word.as_bytes()));
        assert_eq!(house.found(2, &words(word)).await.len(), 1);
    }
    house.delete(1, deleted).await;
    house.edit(1, edited, "qzvvharmless said").await;
    // At once from what is found, and from the files when that is asked for.
    house.caught_up().await;
    for word in ["qwvvunmentionable", "qxvvembarrassing"] {
        assert!(house.found(2, &words(word)).await.is_empty());
    }
    assert_eq!(house.found(2, &words("qzvvharmless")).await, [edited]);
    assert_eq!(house.search.readings().stale_parts, 1);
    assert!(house.search.purge().await);
    assert_eq!(house.search.readings().stale_parts, 0);
    for word in ["qwvvunmentionable", "qxvvembarrassing"] {
        assert!(!is_in_files(folder.path(), word), "{word} is still there");
        assert!(!terms(&house, folder.path()).contains(word.as_bytes()));
    }
    assert_eq!(house.found(2, &words("qzvvharmless")).await, [edited]);
    assert_eq!(house.found(2, &words("said")).await, [edited]);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_and_unsaid_before_a_file_is_written_never_gets_into_one() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).with_users(2).await;
    let message = house.send(1, 2, "qwvvunmentionable").await;
    house.caught_up().await;
    house.edit(1, message, "qxvvbetter").await;
    house.caught_up().await;
    house.delete(1, message).await;
    for _ in 0..4 * A_PART {
        house.send(1, 2, "filler").await;
    }
    house.caught_up().await;
    assert!(house.search.readings().parts > 1);
    assert_eq!(house.search.readings().stale_parts, 0);
    for word in ["qwvvunmentionable", "qxvvbetter"] {
        assert!(!is_in_files(folder.path(), word));
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_the_server_was_stopped_after_is_made_up_for() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).with_users(2).await;
    let message = house.send(1, 2, "qwvvunmentionable").await;
    for _ in 0..4 * A_PART {
        house.send(1, 2, "filler").await;
    }
    house.caught_up().await;
    house.delete(1, message).await;
    house.close().await;
    let house = House::open(folder.path());
    house.caught_up().await;
    assert_eq!(house.search.readings().stale_parts, 1);
    assert!(house.search.purge().await);
    assert!(!is_in_files(folder.path(), "qwvvunmentionable"));
    house.close().await;
}
