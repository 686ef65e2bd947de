//! Pages around a message.

use super::{Open, id, mark, message, user};
use crate::budget::PAGE_BYTES;
use crate::store::*;

#[test]
fn a_page_around_a_place_is_full_has_it_in_the_middle_and_says_what_is_beside_it() {
    let open = Open::memory().with_users(3);
    let mut ids = Vec::new();
    for number in 0..23 {
        ids.push(open.send(1 + number % 2, 2 - number % 2, "x").id.get());
        open.send(3, 1, "between");
    }
    for limit in [1, 2, 3, 10, 22, 23, 24, 500] {
        for place in 1..=48 {
            let around = |snapshot: &Snapshot<'_>| {
                snapshot.history_around(user(2), user(1), id(place), limit)
            };
            let page = open.read(around);
            let found: Vec<u64> = page.rows.iter().map(|row| row.message.id.get()).collect();
            let what = format!("{limit} around {place}");
            assert_eq!(found.len(), limit.min(ids.len()), "{what}");
            let begin = ids.iter().position(|id| *id == found[0]).unwrap();
            assert_eq!(found, ids[begin..begin + found.len()], "{what}");
            assert_eq!(page.has_more, begin > 0, "{what}");
            assert_eq!(page.has_newer, found.last() != ids.last(), "{what}");
            if ids.contains(&place) {
                assert!(found.contains(&place), "{what}");
            }
            if page.has_more && page.has_newer {
                assert!(found[limit / 2] >= place, "{what}");
                assert!(limit < 2 || found[limit / 2 - 1] < place, "{what}");
            }
        }
    }
    let nothing = open.read(|snapshot| snapshot.history_around(user(2), user(3), id(1), 10));
    assert!(nothing.rows.is_empty() && !nothing.has_more && !nothing.has_newer);
}

#[test]
fn a_page_of_long_messages_has_the_one_in_its_middle_and_fills_no_more_than_a_page() {
    let open = Open::memory().with_users(2);
    // 12,000 bytes each.
    let long = "\u{20ac}".repeat(4_000);
    let sent = open.apply_all(0, (0..400).map(|_| message(1, 2, &long, None)));
    assert!(sent.iter().all(Result::is_ok));
    for place in [1, 2, 100, 200, 399, 400] {
        let page = open.read(|snapshot| snapshot.history_around(user(1), user(2), id(place), 500));
        let found: Vec<u64> = page.rows.iter().map(|row| row.message.id.get()).collect();
        assert!(found.contains(&place), "{place}");
        assert!(found.is_sorted_by(|one, next| one + 1 == *next), "{place}");
        let bytes = page.rows.iter().map(|row| row.message.row_bytes());
        assert!(bytes.sum::<usize>() < PAGE_BYTES + 2 * 13_000, "{place}");
        assert_eq!(page.has_more, found[0] > 1, "{place}");
        assert_eq!(page.has_newer, found.last() != Some(&400), "{place}");
    }
}

#[test]
fn a_message_is_found_by_those_who_share_it_alone() {
    let open = Open::memory().with_users(3);
    let sent = open.send(1, 2, "x");
    open.apply(0, mark(2, sent.id)).unwrap();
    for reader in [1, 2] {
        let row = open.read(|snapshot| snapshot.message(user(reader), sent.id));
        assert_eq!((row.message, row.is_read), (sent.clone(), true));
    }
    let snapshot = Snapshot::new(&open.store.intake.data);
    // Another's; a mark; one that is not there yet.
    for (reader, number) in [(3, 1), (1, 2), (2, 2), (1, 3), (1, crate::model::MAX_ID)] {
        let error = snapshot.message(user(reader), id(number)).unwrap_err();
        let is_unknown = matches!(
            error.with_disk(),
            StoreError::Talk(TalkRefusal::NoSuchMessage)
        );
        assert!(is_unknown, "{number}");
    }
}
