//! Accounts that leave: what is left of one, over a restart, a backup, an export and an import.

use std::time::Duration;

use super::fixture::judging;
use super::{Open, message, new_user, ops, user};
use crate::model::{MessageId, RoomId, Timestamp, Username, Whom};
use crate::store::maintain;
use crate::store::*;

const NOW: u64 = 1_700_000_000_000;

fn leaving(user_id: u64, erases: bool) -> Change {
    Change::DeleteUser(Leaving {
        user: user(user_id),
        erases,
        issuers_ahead: Duration::ZERO,
        if_token_version: None,
    })
}

/// What is left of the second account, which the app had named.
fn assert_gone(open: &Open, is_erasing: bool) {
    let gone = open.store.user(user(2)).unwrap();
    assert_eq!(gone.username.as_str(), "deleted-2");
    assert!(gone.deleted && gone.disabled && !gone.is_admin);
    assert_eq!(
        (&gone.name, &gone.avatar, gone.last_seen),
        (&None, &None, None)
    );
    assert_eq!(gone.erasing, is_erasing);
    let erasing = open.store.leavers_to_erase();
    assert_eq!(erasing, if is_erasing { vec![user(2)] } else { vec![] });
    assert!(
        open.store
            .user_by_name("user2")
            .is_none_or(|other| other.id != user(2))
    );
    let hash = open.read(|snapshot| snapshot.password_hash(user(2)));
    assert_eq!(hash, None);
    assert_eq!(open.store.search_users("user2", None, 9).0.len(), 0);
    assert_eq!(open.history(1, 2, None, None, 10).0.len(), 1);
}

#[test]
fn what_is_left_of_a_deleted_account_is_the_same_in_every_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let open = Open::at(&Location::File(path.clone()))
        .unwrap()
        .with_users(2);
    open.send(2, 1, "stays");
    let seen = |at| Change::Seen([(user(2), Timestamp::from_ms(at))].into());
    open.apply(NOW, seen(NOW)).unwrap();
    for is_erasing in [false, true] {
        // To do it again changes nothing, and what was said may be to go later.
        for _ in 0..2 {
            open.apply(NOW + 1, leaving(2, is_erasing)).unwrap();
            open.apply(NOW + 2, seen(NOW + 2)).unwrap();
            assert_gone(&open, is_erasing);
        }
    }
    assert!(open.store.erased_since().is_some());
    let rename = UserChange {
        disabled: Some(false),
        ..UserChange::default()
    };
    let change = Change::ChangeUser {
        user: user(2),
        change: rename,
    };
    assert!(matches!(
        open.apply(NOW, change),
        Err(StoreError::People(PeopleRefusal::NoSuchUser))
    ));
    for (from, to) in [(1, 2), (2, 1)] {
        let refused = open.apply(NOW, message(from, to, "x", None));
        assert!(matches!(
            refused,
            Err(StoreError::People(PeopleRefusal::NoSuchUser))
        ));
    }
    open.close();

    let copy = folder.path().join("copy.redb");
    maintain::backup(&path, &copy, &mut |_| {}).unwrap();
    let mut lines = Vec::new();
    maintain::export(&path, &mut lines, &mut |_| {}).unwrap();
    let imported = folder.path().join("imported.redb");
    maintain::import(&imported, &mut &lines[..], judging(), &mut |_| {}).unwrap();
    for path in [path, copy, imported] {
        assert_eq!(maintain::check(&path, &mut |_| {}).unwrap().findings, []);
        let open = Open::at(&Location::File(path.clone())).unwrap();
        assert_gone(&open, true);
        open.apply(NOW + 3, Change::SentIsErased(user(2))).unwrap();
        assert_gone(&open, false);
        // The name is another's by now.
        open.apply(NOW + 4, new_user("user2")).unwrap();
        open.close();
        let mut again = Vec::new();
        maintain::export(&path, &mut again, &mut |_| {}).unwrap();
        let said = String::from_utf8(again).unwrap();
        assert!(said.contains(r#""username":"deleted-2""#) && said.contains(r#""deleted":true"#));
    }
}

#[test]
fn an_apps_account_comes_again_under_its_id_and_a_person_of_this_server_never() {
    let open = Open::memory().with_users(1);
    let put = |issued_at: Option<u64>| {
        Change::PutUser(PutUser {
            whom: Whom::Id(user(29)),
            names: vec![Username::stored("eve")],
            name: None,
            is_numbered: true,
            avatar: None,
            by: match issued_at {
                Some(at) => PutBy::Token {
                    issued_at: Some(Timestamp::from_ms(at)),
                },
                None => PutBy::Administrator,
            },
        })
    };
    open.apply(NOW, put(Some(NOW))).unwrap();
    open.apply(NOW + 5_000, leaving(29, true)).unwrap();
    // What they said is not all gone yet.
    let early = open.apply(NOW + 9_000, put(Some(NOW + 9_000)));
    assert!(matches!(early, Err(StoreError::Unavailable)));
    open.apply(NOW + 9_000, Change::SentIsErased(user(29)))
        .unwrap();
    let earlier = open.apply(NOW + 9_000, put(Some(NOW + 5_000)));
    assert!(matches!(
        earlier,
        Err(StoreError::People(PeopleRefusal::Revoked))
    ));
    let again = open.apply(NOW + 9_000, put(Some(NOW + 9_000))).unwrap();
    let Committed::Put {
        user: again,
        created,
    } = again
    else {
        panic!("{again:?}");
    };
    assert!(created && !again.deleted && !again.disabled);
    assert_eq!(again.username.as_str(), "eve");
    assert_eq!(again.revoked_at, Some(Timestamp::from_ms(NOW + 5_000)));
    open.apply(NOW, leaving(1, false)).unwrap();
    let whom = Change::PutUser(PutUser {
        whom: Whom::Id(user(1)),
        names: vec![Username::stored("ada")],
        name: None,
        is_numbered: false,
        avatar: None,
        by: PutBy::Administrator,
    });
    assert!(matches!(
        open.apply(NOW, whom),
        Err(StoreError::People(PeopleRefusal::MadeHere))
    ));
    open.close();
}

/// Returns what the second account said and is there still, as it is exported.
fn said(open: &Open) -> Vec<MessageId> {
    let mut said = Vec::new();
    for chat in open.read(|snapshot| snapshot.chats_of(user(2))) {
        let mut next = Some(chat);
        while let Some(chat) = next {
            let (texts, rest) = open.read(|snapshot| snapshot.texts_by(user(2), chat));
            said.extend(texts.iter().map(|text| text.id));
            next = rest;
        }
    }
    said.sort_unstable();
    said
}

/// Of more than 64 rooms those that were left first kept what was said there, and an export had
/// nothing of it.
#[test]
fn what_somebody_said_is_found_in_however_many_rooms_they_left() {
    const ROOMS: u64 = 70;
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let open = Open::at(&location).unwrap().with_users(3);
    let act = |by, what| {
        let by = Some(user(by));
        open.apply(NOW, Change::Room(RoomAct { by, what })).unwrap();
    };
    let mut right = vec![open.send(2, 1, "said").id];
    for number in 1..=ROOMS {
        let members = vec![user(2), user(3)];
        let (room, most) = (ops(), 100);
        act(
            1,
            RoomCommand::Create {
                room,
                members,
                most,
            },
        );
        let room = RoomId::new(number).unwrap();
        for by in [2, 3] {
            let talk = Talk::send_to_room(user(by), room, "said".into(), None);
            let told = open.apply(NOW, Change::Talk(talk)).unwrap();
            let Committed::Talk(Outcome::Entry(notice)) = told else {
                panic!("{told:?}");
            };
            right.extend((by == 2).then_some(MessageId::from(notice.entry.id)));
        }
        if number <= 3 {
            act(2, RoomCommand::Leave { room });
        }
    }
    assert_eq!(said(&open), right);
    // All other rooms are left by this.
    open.apply(NOW, leaving(2, true)).unwrap();
    assert_eq!(said(&open), right);
    open.close();

    let open = Open::at(&location).unwrap();
    assert_eq!(said(&open), right);
    for chat in open.read(|snapshot| snapshot.erasable_chats_of(user(2))) {
        open.erase_in(chat, Some(2), None, NOW);
    }
    assert_eq!(said(&open), []);
    for number in 1..=ROOMS {
        let query = HistoryQuery {
            before: None,
            after: None,
            limit: 10,
        };
        let room = RoomId::new(number).unwrap();
        let page = open.read(|snapshot| snapshot.room_history(user(3), room, query));
        let senders: Vec<_> = page.rows.iter().map(|row| row.sender_id).collect();
        assert_eq!(senders, [user(3)], "room {number}");
    }
    open.close();
}

/// Of more than 64 rooms that somebody left by deleting their account, the members of those that
/// were left first went on seeing the name and the picture that the account had had.
#[test]
fn the_members_of_however_many_rooms_hear_that_one_of_them_is_gone() {
    const ROOMS: u64 = 70;
    let open = Open::memory().with_users(2 + ROOMS + 1);
    let stranger = 2 + ROOMS + 1;
    let act = |by, what| {
        let by = Some(user(by));
        open.apply(NOW, Change::Room(RoomAct { by, what })).unwrap();
    };
    for number in 1..=ROOMS {
        let members = vec![user(2), user(2 + number)];
        let (room, most) = (ops(), 100);
        let create = RoomCommand::Create {
            room,
            members,
            most,
        };
        act(1, create);
    }
    let (room, members, most) = (ops(), vec![user(3)], 100);
    let create = RoomCommand::Create {
        room,
        members,
        most,
    };
    act(stranger, create);
    let shown = |of: u64| {
        let shown = open.read(|snapshot| snapshot.profiles_since(user(of), 0));
        shown.unwrap().len()
    };
    open.apply(NOW, leaving(2, false)).unwrap();
    let peers = open.read(|snapshot| snapshot.peers(user(2)));
    for number in 1..=2 + ROOMS {
        let hears = number != 2;
        assert_eq!(peers.contains(&user(number)), hears, "{number}");
        assert_eq!(shown(number), usize::from(hears), "{number}");
    }
    assert!(!peers.contains(&user(stranger)));
    assert_eq!(shown(stranger), 0);
    open.close();
}
