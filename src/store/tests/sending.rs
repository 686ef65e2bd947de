//! Sending: the order and the time of entries, and client ids.

use super::{Open, message, new_user, sent, user};
use crate::model::Timestamp;
use crate::store::talk::client_ids;
use crate::store::*;

#[test]
fn answers_come_in_commit_order_with_growing_ids() {
    let open = Open::memory().with_users(2);
    let (answered, answers) = std::sync::mpsc::channel();
    for number in 0..1_000_u64 {
        let answered = answered.clone();
        let answer: Answer =
            Box::new(move |result| answered.send((number, sent(result).0.id)).unwrap());
        open.store
            .submit(Timestamp::from_ms(1), message(1, 2, "x", None), answer);
    }
    let answers: Vec<_> = answers.iter().take(1_000).collect();
    assert!(
        answers.is_sorted(),
        "the ids do not follow the order of sending"
    );
    open.close();
}

#[test]
fn a_clock_that_goes_back_does_not_take_the_times_with_it() {
    let open = Open::memory().with_users(2);
    let times: Vec<_> = [5_000, 4_000, 6_000]
        .map(|now| {
            sent(open.apply(now, message(1, 2, "x", None)))
                .0
                .created_at
                .as_ms()
        })
        .into();
    assert_eq!(times, [5_000, 5_000, 6_000]);
}

#[test]
fn messages_after_one_of_2031_carry_the_clocks_time_and_keep_their_order() {
    const NOW: u64 = 1_800_000_000_000;
    const DAY: u64 = 24 * 60 * 60 * 1_000;
    const IN_2031: u64 = 1_925_000_000_000;
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let open = Open::at(&location).unwrap().with_users(2);
    let send = |open: &Open, now, number: u64| {
        let client_id = number.to_string();
        sent(open.apply(now, message(1, 2, "x", Some(&client_id))))
            .0
            .created_at
            .as_ms()
    };
    assert_eq!(send(&open, IN_2031, 1), IN_2031);
    // Several in one transaction, and enough of them for sweeps.
    for number in 2..60 {
        assert_eq!(send(&open, NOW + number, number), NOW + number);
    }
    // A clock that is back by less than a day is waited for.
    assert_eq!(send(&open, NOW - DAY + 60, 60), NOW + 59);
    let seen = |at| Change::Seen([(user(1), Timestamp::from_ms(at))].into());
    for (at, last_seen) in [(IN_2031, IN_2031), (NOW, NOW), (NOW - 1, NOW)] {
        open.apply(at, seen(at)).unwrap();
        let user = open.store.user(user(1)).unwrap();
        assert_eq!(user.last_seen, Some(Timestamp::from_ms(last_seen)));
    }
    open.close();
    let open = Open::at(&location).unwrap();
    assert_eq!(send(&open, NOW + 61, 61), NOW + 61);
    let (ids, _) = open.history(1, 2, None, None, 100);
    assert!(ids.is_sorted() && ids.len() == 61, "{ids:?}");
    open.close();
    let report = maintain::check(&folder.path().join("chatd.redb"), &mut |_| {}).unwrap();
    assert_eq!(report.findings, []);
}

/// A clock of the future makes client ids forgotten; once it is right again, nobody asks for them.
#[test]
fn a_file_whose_clock_was_in_the_future_for_a_moment_is_sound() {
    const NOW: u64 = 1_800_000_000_000;
    const IN_2031: u64 = 1_925_000_000_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let open = Open::at(&Location::File(path.clone()))
        .unwrap()
        .with_users(2);
    for (round, now) in [NOW, IN_2031, NOW].into_iter().enumerate() {
        for number in 0..100 {
            let client_id = format!("{round}-{number}");
            open.apply(now + number, message(1, 2, "x", Some(&client_id)))
                .unwrap();
        }
    }
    open.close();
    let report = maintain::check(&path, &mut |_| {}).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn a_client_id_gives_the_first_message_again_for_a_day() {
    const DAY: u64 = 24 * 60 * 60 * 1_000;
    let open = Open::memory().with_users(3);
    let (first, fresh) = sent(open.apply(1_000, message(1, 2, "hi", Some("a"))));
    assert!(fresh);
    assert_eq!(
        sent(open.apply(2_000, message(1, 2, "hi", Some("a")))),
        (first.clone(), false)
    );
    let (others, fresh) = sent(open.apply(2_000, message(2, 1, "hi", Some("a"))));
    assert!(
        fresh && others.id != first.id,
        "client ids are the sender's own"
    );
    for change in [
        message(1, 2, "other", Some("a")),
        message(1, 3, "hi", Some("a")),
    ] {
        assert!(matches!(
            open.apply(2_000, change),
            Err(StoreError::Talk(TalkRefusal::ClientIdReused))
        ));
    }
    let (later, fresh) = sent(open.apply(1_000 + DAY, message(1, 2, "hi", Some("a"))));
    assert!(fresh && later.id > first.id);
    assert_eq!(
        sent(open.apply(2_000 + DAY, message(1, 2, "hi", Some("a")))),
        (later, false)
    );
}

#[test]
fn a_client_id_is_forgotten_after_10_000_later_messages_and_no_sooner() {
    let open = Open::memory().with_users(2);
    let (first, _) = sent(open.apply(0, message(1, 2, "hi", Some("first"))));
    for number in 1..client_ids::CLIENT_IDS_PER_SENDER {
        open.store.submit(
            Timestamp::from_ms(0),
            message(1, 2, "x", Some(&number.to_string())),
            |_| {},
        );
    }
    assert_eq!(
        sent(open.apply(0, message(1, 2, "hi", Some("first")))),
        (first, false)
    );
    open.apply(0, message(1, 2, "x", Some("one more"))).unwrap();
    assert!(sent(open.apply(0, message(1, 2, "hi", Some("first")))).1);
}

#[test]
fn a_client_id_that_is_used_again_after_a_day_is_remembered_as_long_as_a_new_one() {
    const DAY: u64 = 24 * 60 * 60 * 1_000;
    let open = Open::memory().with_users(2);
    let name = |number: u64| message(1, 2, "x", Some(&number.to_string()));
    let last = client_ids::CLIENT_IDS_PER_SENDER as u64;
    open.apply_all(0, (1..=last).map(name));
    assert!(sent(open.apply(DAY, name(1))).1);
    // Those that push its first use out.
    open.apply_all(DAY, (last + 1..2 * last).map(name));
    assert!(!sent(open.apply(DAY, name(1))).1);
    open.apply(DAY, name(2 * last)).unwrap();
    assert!(sent(open.apply(DAY, name(1))).1);
    open.close();
}

#[test]
fn a_client_id_that_was_sent_while_its_senders_others_were_swept_is_known_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let open = Open::at(&location).unwrap().with_users(2);
    let name = |number: u64| number.to_string();
    for number in 0..100 {
        open.apply(0, message(1, 2, "x", Some(&name(number))))
            .unwrap();
    }
    open.close();
    let open = Open::at(&location).unwrap();
    for number in 0..100 {
        let (again, fresh) = sent(open.apply(0, message(1, 2, "x", Some(&name(number)))));
        assert!(!fresh, "{number} was stored again, as {}", again.id);
    }
    open.close();
}

#[test]
fn refused_changes_leave_their_neighbours_alone() {
    let open = Open::memory().with_users(2);
    assert!(matches!(
        open.apply(0, message(1, 1, "x", None)),
        Err(StoreError::Talk(TalkRefusal::SamePerson))
    ));
    assert!(matches!(
        open.apply(0, message(1, 9, "x", None)),
        Err(StoreError::People(PeopleRefusal::NoSuchUser))
    ));
    assert!(matches!(
        open.apply(0, new_user("USER1")),
        Err(StoreError::People(PeopleRefusal::UsernameTaken))
    ));
    let first = NewUser {
        only_if_first: true,
        ..match new_user("x") {
            Change::CreateUser(new) => new,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(
        open.apply(0, Change::CreateUser(first)),
        Err(StoreError::People(PeopleRefusal::NotFirst))
    ));
    assert_eq!(
        open.send(1, 2, "x").id.get(),
        1,
        "a refused change took an id"
    );
}
