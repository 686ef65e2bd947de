//! Accounts, their names, and invites.

use std::sync::Arc;
use std::time::Duration;

use redb::{ReadableDatabase, ReadableTable};

use super::{OPTIONS, Open, mark_chat, message, new_user, user};
use crate::model::{FIRST_OWN_ID, Name, Timestamp, User, UserId, Username, Whom};
use crate::store::*;

#[test]
fn accounts_are_made_whatever_ids_another_system_took() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let put = |open: &Open, id: u64| {
        let put = PutUser {
            whom: Whom::Id(UserId::new(id).unwrap()),
            is_numbered: false,
            names: vec![Username::stored(&format!("theirs-{id}"))],
            name: None,
            avatar: None,
            by: PutBy::Administrator,
        };
        open.apply(0, Change::PutUser(put)).unwrap();
    };
    let make = |open: &Open, name: &str| match open.apply(0, new_user(name)) {
        Ok(Committed::User(user)) => user.id.get(),
        other => panic!("{other:?}"),
    };
    let open = Open::at(&location).unwrap();
    put(&open, crate::model::MAX_ID);
    assert_eq!(make(&open, "a"), 1);
    for id in [2, 3, 5, crate::model::MAX_ID - 1] {
        put(&open, id);
    }
    assert_eq!([make(&open, "b"), make(&open, "c")], [4, 6]);
    put(&open, 7);
    open.close();
    let open = Open::at(&location).unwrap();
    assert_eq!([make(&open, "d"), make(&open, "e")], [8, 9]);
    // Nobody is the first any more.
    let first = NewUser {
        only_if_first: true,
        username: Username::stored("first"),
        name: None,
        avatar: None,
        password_hash: Some("hash".into()),
        is_admin: true,
        is_bot: false,
        invite: None,
    };
    let refused = open.apply(0, Change::CreateUser(first));
    assert!(matches!(
        refused,
        Err(StoreError::People(PeopleRefusal::NotFirst))
    ));
    open.close();
}

#[test]
fn names_are_found_by_any_part_those_that_begin_with_it_first() {
    let open = Open::memory();
    for name in ["bob", "Adabob", "ada", "carl"] {
        open.apply(0, new_user(name)).unwrap();
    }
    let found = |text: &str, except, limit| -> Vec<String> {
        let (users, _) = open.store.search_users(text, Some(user(except)), limit);
        users.iter().map(|user| user.username.to_string()).collect()
    };
    assert_eq!(found("BOB", 9, 10), ["bob", "Adabob"]);
    assert_eq!(found("", 1, 2), ["ada", "Adabob"]);
    assert_eq!(found("zoe", 9, 10), [""; 0]);
}

/// The changes of rows, in their order: after which entry each came, and which row it is of.
fn row_changes(open: &Open) -> Vec<(u64, changes::Row)> {
    let db = open.store.intake.data.database().unwrap();
    let table = db
        .begin_read()
        .unwrap()
        .open_table(tables::CHANGES)
        .unwrap();
    let all = table.iter().unwrap().map(|row| {
        let (number, value) = row.unwrap();
        let change = changes::RowChange::decode(number.value(), value.value()).unwrap();
        (change.after, change.row)
    });
    all.collect()
}

#[test]
fn what_changes_of_accounts_and_invites_has_its_place_among_the_entries_and_takes_no_id() {
    let open = Open::memory().with_users(2);
    let (first, second) = (open.send(1, 2, "one"), {
        open.apply(0, Change::Seen([(user(1), Timestamp::from_ms(5))].into()))
            .unwrap();
        open.send(2, 1, "two")
    });
    assert_eq!((first.id.get(), second.id.get()), (1, 2));
    let invite = |code: &str| {
        Change::CreateInvite(Invite {
            code: code.into(),
            max_uses: 1,
            uses: 0,
            created_at: Timestamp::from_ms(0),
            expires_at: Timestamp::from_ms(u64::MAX >> 12),
            room: None,
            registers: true,
            by: Maker::Operator,
        })
    };
    open.apply(0, invite("gone")).unwrap();
    open.apply(0, invite("used")).unwrap();
    open.apply(0, Change::RevokeInvite("gone".into())).unwrap();
    let Change::CreateUser(new) = new_user("user3") else {
        unreachable!("that is what it makes");
    };
    let invited = NewUser {
        invite: Some("used".into()),
        ..new
    };
    open.apply(0, Change::CreateUser(invited)).unwrap();
    let [users, credentials, invites] = [1, 2, 3];
    let expected = [
        (0, (credentials, 1, 0)),
        (0, (users, 2, 0)),
        (0, (credentials, 2, 0)),
        (1, (users, 1, 0)),
        (2, (invites, 1, 0)),
        (2, (users, 3, 0)),
        (2, (credentials, 3, 0)),
        (2, (invites, 2, 0)),
    ];
    assert_eq!(row_changes(&open), expected);
    // A refusal leaves no trace, and neither does a read mark.
    open.apply(0, new_user("user3")).unwrap_err();
    open.apply(0, mark_chat(1, 2, None)).unwrap();
    assert_eq!(row_changes(&open), expected);
    open.close();
}

fn change(open: &Open, id: u64, change: UserChange) -> Result<Arc<User>, StoreError> {
    let change = Change::ChangeUser {
        user: user(id),
        change,
    };
    match open.apply(7, change)? {
        Committed::User(user) => Ok(user),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_changed_account_is_so_after_a_reopen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let open = Open::at(&Location::File(path.clone()))
        .unwrap()
        .with_users(2);
    let wish = UserChange {
        name: None,
        username: Username::registered("ada").ok(),
        avatar: Some(Some("https://example.org/a.png".into())),
        password_hash: Some("another".into()),
        is_admin: Some(true),
        disabled: Some(false),
        revoke_tokens: true,
        issuers_ahead: Duration::from_secs(3),
        if_token_version: Some(0),
        by_code: None,
    };
    let made = change(&open, 1, wish.clone()).unwrap();
    assert_eq!(
        (made.token_version, made.revoked_at),
        (1, Some(Timestamp::from_ms(7)))
    );
    assert!(
        matches!(
            change(&open, 1, wish),
            Err(StoreError::People(PeopleRefusal::Revoked))
        ),
        "a change that was proved before a revocation held after it"
    );
    open.close();
    let open = Open::at(&Location::File(path)).unwrap();
    assert_eq!(open.store.user_by_name("ADA").as_deref(), Some(&*made));
    assert!(open.store.user_by_name("user1").is_none());
    let hash = open.read(|snapshot| snapshot.password_hash(user(1)));
    assert_eq!(hash.as_deref(), Some("another"));
    open.close();
}

#[test]
fn names_that_change_hands_are_never_shared() {
    let open = Open::memory().with_users(2);
    let named = |name: &str| UserChange {
        username: Username::registered(name).ok(),
        ..UserChange::default()
    };
    assert!(matches!(
        change(&open, 1, named("USER2")),
        Err(StoreError::People(PeopleRefusal::UsernameTaken))
    ));
    for (id, name) in [(1, "x"), (2, "user1"), (1, "user2"), (1, "User2")] {
        assert!(change(&open, id, named(name)).is_ok(), "{id} {name}");
    }
    let holder = |name: &str| open.store.user_by_name(name).map(|user| user.id.get());
    assert_eq!(
        (holder("user1"), holder("user2"), holder("x")),
        (Some(2), Some(1), None)
    );
}

#[test]
fn the_last_enabled_administrator_stays_one() {
    let open = Open::memory().with_users(3);
    let admin = |is_admin| UserChange {
        is_admin: Some(is_admin),
        ..UserChange::default()
    };
    let disabled = |disabled| UserChange {
        disabled: Some(disabled),
        ..UserChange::default()
    };
    change(&open, 1, admin(true)).unwrap();
    change(&open, 2, admin(true)).unwrap();
    change(&open, 2, disabled(true)).unwrap();
    for wish in [admin(false), disabled(true)] {
        assert!(matches!(
            change(&open, 1, wish),
            Err(StoreError::People(PeopleRefusal::LastAdmin))
        ));
    }
    change(&open, 2, disabled(false)).unwrap();
    // Both at once, in one transaction or in two: one of them stays.
    let (answer, answered) = std::sync::mpsc::channel();
    for id in [1, 2] {
        let answer = answer.clone();
        let demote = Change::ChangeUser {
            user: user(id),
            change: admin(false),
        };
        open.store
            .submit(Timestamp::from_ms(8), demote, move |result| {
                answer.send(result.is_ok()).unwrap()
            });
    }
    assert_eq!(
        (answered.recv().unwrap(), answered.recv().unwrap()),
        (true, false)
    );
}

#[test]
fn an_account_is_put_under_the_id_it_has_elsewhere() {
    let open = Open::memory().with_users(1);
    let put = |id, name: &str, avatar: Option<Option<&str>>, by_token| {
        let change = Change::PutUser(PutUser {
            whom: Whom::Id(user(id)),
            is_numbered: false,
            names: vec![Username::foreign(name).unwrap()],
            name: None,
            avatar: avatar.map(|avatar| avatar.map(Into::into)),
            by: match by_token {
                true => PutBy::Token { issued_at: None },
                false => PutBy::Administrator,
            },
        });
        match open.apply(0, change)? {
            Committed::Put { user, created } => Ok((user, created)),
            other => panic!("{other:?}"),
        }
    };
    assert!(
        put(
            29,
            "Ada Lovelace",
            Some(Some("https://example.org/a.png")),
            false
        )
        .unwrap()
        .1
    );
    let (kept, created) = put(29, "Somebody", None, true).unwrap();
    assert_eq!((kept.username.as_str(), created), ("Ada Lovelace", false));
    let (renamed, created) = put(29, "ada", None, false).unwrap();
    assert_eq!(
        (
            renamed.username.as_str(),
            renamed.avatar.as_deref(),
            created
        ),
        ("ada", Some("https://example.org/a.png"), false)
    );
    assert_eq!(put(29, "ada", Some(None), false).unwrap().0.avatar, None);
    assert!(matches!(
        put(30, "USER1", None, false),
        Err(StoreError::People(PeopleRefusal::UsernameTaken))
    ));
    let next = open.apply(0, new_user("next"));
    assert!(matches!(next, Ok(Committed::User(user)) if user.id.get() == 30));
    let hash = open.read(|snapshot| snapshot.password_hash(user(29)));
    assert_eq!(hash, None);
}

fn invite(code: &str, max_uses: u32, expires_at: u64) -> Change {
    Change::CreateInvite(Invite {
        code: code.into(),
        max_uses,
        uses: 0,
        created_at: Timestamp::from_ms(0),
        expires_at: Timestamp::from_ms(expires_at),
        room: None,
        registers: true,
        by: Maker::Operator,
    })
}

fn invited(name: &str, code: &str) -> Change {
    match new_user(name) {
        Change::CreateUser(new) => Change::CreateUser(NewUser {
            invite: Some(code.into()),
            ..new
        }),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_invite_is_used_with_the_account_it_makes_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let open = Open::at(&Location::File(path.clone()))
        .unwrap()
        .with_users(1);
    open.apply(0, invite("single", 1, 100)).unwrap();
    open.apply(0, invite("triple", 3, 100)).unwrap();
    let refused = |now, name: &str, code: &str| {
        let refused = open.apply(now, invited(name, code));
        matches!(
            refused,
            Err(StoreError::Invite(InviteRefusal::InvalidInvite))
        )
    };
    assert!(refused(0, "a", "unknown"));
    assert!(refused(100, "a", "single"), "it has expired");
    // A name that is taken costs no use.
    assert!(matches!(
        open.apply(0, invited("USER1", "single")),
        Err(StoreError::People(PeopleRefusal::UsernameTaken))
    ));
    // Twelve at once for the last use, in as few transactions as they fall into.
    let (answer, answered) = std::sync::mpsc::channel();
    for number in 0..12 {
        let answer = answer.clone();
        open.store.submit(
            Timestamp::from_ms(1),
            invited(&format!("racer{number}"), "single"),
            move |result| answer.send(result.is_ok()).unwrap(),
        );
    }
    let made = (0..12).filter(|_| answered.recv().unwrap()).count();
    assert_eq!(made, 1);
    open.apply(1, invited("b", "triple")).unwrap();
    open.close();
    let open = Open::at(&Location::File(path)).unwrap();
    let uses = |code: &str| open.store.invite(code).map(|invite| invite.uses);
    assert_eq!((uses("single"), uses("triple")), (Some(1), Some(1)));
    open.apply(1, Change::RevokeInvite("triple".into()))
        .unwrap();
    assert!(matches!(
        open.apply(1, invited("c", "triple")),
        Err(StoreError::Invite(InviteRefusal::InvalidInvite))
    ));
    // What has expired is cleared away by the next one.
    open.apply(100, invite("next", 1, 200)).unwrap();
    let codes: Vec<_> = open.store.invites().into_iter().map(|i| i.code).collect();
    assert_eq!(codes, ["next".into()]);
    open.close();
}

/// Two people may be called alike, and are found by that.
#[test]
fn a_name_is_shown_beside_the_username_and_found_like_it() {
    let open = Open::memory().with_users(2);
    let name = |text: &str| Name::parse(text).unwrap();
    let change = |id, change| {
        let user = user(id);
        match open.apply(0, Change::ChangeUser { user, change }).unwrap() {
            Committed::User(user) => user.shown_name().to_owned(),
            other => panic!("{other:?}"),
        }
    };
    let rename = |to: Option<&str>| UserChange {
        name: Some(to.map(name)),
        ..UserChange::default()
    };
    assert_eq!(change(1, rename(Some("Eve Smith"))), "Eve Smith");
    assert_eq!(change(2, rename(Some("eve SMITH"))), "eve SMITH");
    let found = |text: &str, limit| -> Vec<u64> {
        let (users, _) = open.store.search_users(text, Some(user(9)), limit);
        users.iter().map(|user| user.id.get()).collect()
    };
    assert_eq!(found("eve s", 9), [1, 2]);
    assert_eq!(found("smith", 9), [1, 2]);
    // Found by the username as well, and listed once.
    assert_eq!(found("", 9), [1, 2]);
    assert_eq!(found("e", 9), [1, 2]);
    assert_eq!(found("e", 1), [1]);
    let other = UserChange {
        username: Some(Username::registered("eve").unwrap()),
        ..UserChange::default()
    };
    assert_eq!(change(1, other), "Eve Smith");
    assert_eq!(change(1, rename(Some("eve"))), "eve");
    assert_eq!(change(2, rename(None)), "user2");
    assert_eq!(found("smith", 9), [0; 0]);
    assert_eq!(open.store.user(user(1)).unwrap().name, None);
    open.close();
}

/// Whoever was away asks by the last entry that they know of.
#[test]
fn those_who_share_a_chat_and_are_shown_otherwise_since_an_entry_are_found() {
    let open = Open::memory().with_users(4);
    let rename = |now, id, name: &str| {
        let change = UserChange {
            name: Some(Some(Name::parse(name).unwrap())),
            ..UserChange::default()
        };
        let user = user(id);
        open.apply(now, Change::ChangeUser { user, change })
            .unwrap();
    };
    let since = |entry| -> Vec<u64> {
        let found = open.read(|snapshot| snapshot.profiles_since(user(1), entry));
        let mut ids: Vec<_> = found.unwrap().iter().map(|user| user.id.get()).collect();
        ids.sort_unstable();
        ids
    };
    open.apply(10, message(1, 2, "a", None)).unwrap();
    open.apply(10, message(3, 1, "b", None)).unwrap();
    assert_eq!(since(0), [0; 0]);
    // The clock goes back, and a change is no older than the entry before it.
    rename(5, 2, "Bob");
    rename(5, 4, "Stranger");
    assert_eq!(since(0), [2]);
    assert_eq!(since(2), [2]);
    open.apply(20, message(1, 2, "c", None)).unwrap();
    assert_eq!(since(3), [0; 0]);
    rename(20, 3, "Carl");
    rename(21, 3, "Carl");
    assert_eq!((since(2), since(3)), (vec![2, 3], vec![3]));
    let peers = open.read(|snapshot| snapshot.peers(user(1)));
    assert_eq!(peers.len(), 2);
    open.close();
}

#[test]
fn the_first_account_is_the_first_wherever_ids_begin() {
    let options = StoreOptions {
        first_user_id: FIRST_OWN_ID,
        ..OPTIONS
    };
    let open = Open::with(|done| Store::open(&Location::Memory, options, done)).unwrap();
    let first = |name: &str| match new_user(name) {
        Change::CreateUser(new) => Change::CreateUser(NewUser {
            only_if_first: true,
            ..new
        }),
        other => panic!("{other:?}"),
    };
    assert!(open.apply(0, first("ada")).is_ok());
    let second = open.apply(0, first("eve"));
    assert!(matches!(
        second,
        Err(StoreError::People(PeopleRefusal::NotFirst))
    ));
    open.close();
}
