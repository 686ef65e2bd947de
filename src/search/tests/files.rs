//! The files of the index: damaged, foreign, of an older form, gone.

use std::path::Path;

use super::house::{A_PART, House, data_in, files_of, user, words};
use crate::search::{SearchError, folder_of};

/// Says enough for several files, and returns what is to be found.
async fn filled(folder: &Path) -> (House, Vec<u64>) {
    let house = House::open(folder).with_users(3).await;
    let mut ids = Vec::new();
    for number in 0..5 * A_PART as u64 {
        let to = 2 + number % 2;
        ids.push(house.send(1, to, &format!("word{number} common")).await);
    }
    ids.reverse();
    house.caught_up().await;
    assert!(house.search.readings().parts >= 4);
    (house, ids)
}

/// Opens the folder again and holds what is found against what is to be.
async fn assert_found(folder: &Path, ids: &[u64]) {
    let house = House::open(folder);
    house.caught_up().await;
    assert_eq!(house.found(1, &words("common")).await, ids);
    assert_eq!(house.found(1, &words("word7 common")).await.len(), 11);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_is_damaged_anywhere_is_noticed_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (house, ids) = filled(folder.path()).await;
    house.close().await;
    let index = folder_of(&data_in(folder.path()));
    let files = files_of(folder.path());
    assert!(files.len() >= 5);
    for (name, bytes) in &files {
        for place in [0, 20, 300, bytes.len() / 2, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            let place = place.min(bytes.len() - 1);
            damaged[place] ^= 0x10;
            std::fs::write(index.join(name), damaged).unwrap();
            let house = House::open(folder.path());
            // Either it is noticed at once, or by the first search that meets it.
            house.caught_up().await;
            let wanted = words("common");
            while house.search.search(user(1), wanted.clone()).await.is_err() {
                house.caught_up().await;
            }
            assert_eq!(house.found(1, &wanted).await, ids, "{name} at {place}");
            house.close().await;
        }
    }
    for cut in [0, 100, 5_000] {
        for (name, bytes) in files_of(folder.path()) {
            std::fs::write(index.join(&name), &bytes[..cut.min(bytes.len())]).unwrap();
            assert_found(folder.path(), &ids).await;
        }
    }
    for name in files_of(folder.path()).keys() {
        if index.join(name).exists() {
            std::fs::remove_file(index.join(name)).unwrap();
        }
        assert_found(folder.path(), &ids).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_of_another_data_file_is_not_believed() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (house, ids) = filled(one.path()).await;
    house.close().await;
    let house = House::open(other.path()).with_users(2).await;
    for _ in 0..6 * A_PART {
        house.send(1, 2, "something else").await;
    }
    house.caught_up().await;
    house.close().await;
    let [one_index, other_index] = [&one, &other].map(|folder| folder_of(&data_in(folder.path())));
    std::fs::remove_dir_all(&other_index).unwrap();
    std::fs::rename(&one_index, &other_index).unwrap();
    let house = House::open(other.path());
    house.caught_up().await;
    assert!(house.found(1, &words("common")).await.is_empty());
    assert_eq!(house.found(1, &words("else")).await.len(), 6 * A_PART);
    house.close().await;
    assert_found(one.path(), &ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chat_works_while_the_index_is_made_and_a_search_says_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (house, ids) = filled(folder.path()).await;
    house.close().await;
    std::fs::remove_dir_all(folder_of(&data_in(folder.path()))).unwrap();
    let house = House::open(folder.path());
    let early = house.search.search(user(1), words("common")).await;
    if let Err(error) = early {
        let SearchError::Indexing { progress } = error else {
            panic!("{error:?}");
        };
        assert!((0.0..=1.0).contains(&progress));
    }
    let newest = house.send(1, 2, "common").await;
    house.caught_up().await;
    let found = house.found(1, &words("common")).await;
    assert_eq!((found[0], &found[1..]), (newest, &ids[..]));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_files_is_not_read_from_the_log_again() {
    let folder = tempfile::tempdir().unwrap();
    let (house, ids) = filled(folder.path()).await;
    house.close().await;
    let before = files_of(folder.path());
    assert_found(folder.path(), &ids).await;
    assert_eq!(files_of(folder.path()), before);
}
