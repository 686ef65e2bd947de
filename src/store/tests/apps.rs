//! Accounts of an app: their names, subjects and ids.

use super::{OPTIONS, Open, new_user, user};
use crate::model::{FIRST_OWN_ID, MadeBy, Name, Subject, Timestamp, Username, Whom};
use crate::store::*;

/// An app's user is called as the newest token says, in whatever order tokens come.
#[test]
fn an_apps_account_follows_the_newest_token_and_one_made_here_follows_none() {
    let open = Open::memory().with_users(1);
    let tell = |id, names: &[&str], avatar: Option<Option<&str>>, secs: Option<u64>| {
        let change = Change::PutUser(PutUser {
            whom: Whom::Id(user(id)),
            is_numbered: false,
            names: names.iter().map(|name| Username::stored(name)).collect(),
            name: None,
            avatar: avatar.map(|avatar| avatar.map(Into::into)),
            by: PutBy::Token {
                issued_at: secs.map(|secs| Timestamp::from_ms(secs * 1_000)),
            },
        });
        match open.apply(0, change).unwrap() {
            Committed::Put { user, .. } => {
                let avatar = user.avatar.as_deref().map(str::to_owned);
                (user.username.as_str().to_owned(), avatar)
            }
            other => panic!("{other:?}"),
        }
    };
    let is = |name: &str, avatar: Option<&str>| (name.to_owned(), avatar.map(str::to_owned));
    let picture = "https://example.org/a.png";
    assert_eq!(tell(29, &["Ada"], None, Some(100)), is("Ada", None));
    // Older, and undated: no news.
    assert_eq!(tell(29, &["Eve"], Some(None), Some(99)), is("Ada", None));
    assert_eq!(tell(29, &["Eve"], None, None), is("Ada", None));
    // Another case is another way to write it; nothing said leaves what there is.
    assert_eq!(
        tell(29, &["ADA"], Some(Some(picture)), Some(100)),
        is("ADA", Some(picture))
    );
    assert_eq!(tell(29, &[], None, Some(200)), is("ADA", Some(picture)));
    // A name that is taken gives way to the next one, and no account is refused for it.
    assert_eq!(
        tell(29, &["USER1", "user1-29"], Some(None), Some(201)),
        is("user1-29", None)
    );
    assert_eq!(tell(29, &["user1"], None, Some(202)), is("user1-29", None));
    assert_eq!(tell(1, &["Eve"], None, Some(300)), is("user1", None));
    let made_by = |id| open.store.user(user(id)).unwrap().made_by;
    assert_eq!((made_by(1), made_by(29)), (MadeBy::Here, MadeBy::App));
}

/// What a `PUT` and a token say of the name.
#[test]
fn an_apps_account_is_shown_as_the_app_says() {
    let open = Open::memory().with_users(1);
    let put = |id, username: &str, name: Option<&str>, by| {
        let change = Change::PutUser(PutUser {
            whom: Whom::Id(user(id)),
            is_numbered: true,
            names: vec![Username::stored(username)],
            name: name.map(|name| Name::parse(name).unwrap()),
            avatar: None,
            by,
        });
        match open.apply(0, change)? {
            Committed::Put { user, .. } => {
                Ok((user.username.to_string(), user.shown_name().to_owned()))
            }
            other => panic!("{other:?}"),
        }
    };
    let is = |username: &str, name: &str| (username.to_owned(), name.to_owned());
    let token = |secs: u64| PutBy::Token {
        issued_at: Some(Timestamp::from_ms(secs * 1_000)),
    };
    let put_well = |id, username, name, by| put(id, username, name, by).unwrap();
    let made = put_well(29, "user1", Some("user1"), token(100));
    assert_eq!(made, is("user1-29", "user1"));
    let later = put_well(29, "eve", Some("Eve"), token(101));
    assert_eq!(later, is("eve", "Eve"));
    assert_eq!(
        put_well(29, "eve", Some("Old"), token(99)),
        is("eve", "Eve")
    );
    assert_eq!(put_well(29, "eve", None, token(102)), is("eve", "Eve"));
    assert_eq!(put_well(29, "eve", None, PutBy::Backend), is("eve", "Eve"));
    // A backend that knows of no names says by the username how the account is shown.
    assert_eq!(put_well(29, "eva", None, PutBy::Backend), is("eva", "eva"));
    let refused = put(1, "eve", Some("Eve"), PutBy::Backend);
    assert!(matches!(
        refused,
        Err(StoreError::People(PeopleRefusal::MadeHere))
    ));
    assert_eq!(open.store.user(user(1)).unwrap().shown_name(), "user1");
    open.close();
}

/// Accounts that an app means by other texts than ids.
#[test]
fn an_app_finds_its_account_by_issuer_and_subject_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    let options = StoreOptions {
        first_user_id: FIRST_OWN_ID,
        ..OPTIONS
    };
    let whom = |issuer: &str, subject: &str| {
        Whom::Subject(Subject {
            issuer: issuer.into(),
            subject: subject.into(),
        })
    };
    let put = |open: &Open, issuer, subject| {
        let change = Change::PutUser(PutUser {
            whom: whom(issuer, subject),
            is_numbered: true,
            names: Vec::new(),
            name: None,
            avatar: None,
            by: PutBy::Token { issued_at: None },
        });
        match open.apply(0, change) {
            Ok(Committed::Put { user, created }) => (user.id.get(), created),
            other => panic!("{other:?}"),
        }
    };
    let open = Open::with(|done| Store::open(&location, options, done)).unwrap();
    assert_eq!(put(&open, "a", "x"), (FIRST_OWN_ID, true));
    assert_eq!(put(&open, "b", "x"), (FIRST_OWN_ID + 1, true));
    assert_eq!(put(&open, "a", "x"), (FIRST_OWN_ID, false));
    open.close();
    let open = Open::with(|done| Store::open(&location, options, done)).unwrap();
    assert_eq!(put(&open, "b", "x"), (FIRST_OWN_ID + 1, false));
    assert_eq!(put(&open, "a", "y"), (FIRST_OWN_ID + 2, true));
    let found = |issuer, subject| {
        let user = open.store.user_of(&whom(issuer, subject));
        user.map(|user| (user.id.get(), user.username.to_string()))
    };
    let first = (FIRST_OWN_ID, format!("user-{FIRST_OWN_ID}"));
    assert_eq!(found("a", "x"), Some(first));
    assert_eq!(found("", "x"), None);
    open.close();
}

/// An app's user 1 was the administrator who had set the server up.
#[test]
fn ids_given_here_are_apart_from_those_of_an_app() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("chatd.redb"));
    Open::at(&location).unwrap().with_users(2).close();
    let options = StoreOptions {
        first_user_id: FIRST_OWN_ID,
        ..OPTIONS
    };
    let make = |open: &Open, name: &str| match open.apply(0, new_user(name)) {
        Ok(Committed::User(user)) => user.id.get(),
        other => panic!("{other:?}"),
    };
    for first in [FIRST_OWN_ID, FIRST_OWN_ID + 2] {
        let open = Open::with(|done| Store::open(&location, options, done)).unwrap();
        assert_eq!(make(&open, &format!("a{first}")), first);
        assert_eq!(make(&open, &format!("b{first}")), first + 1);
        assert_eq!(
            open.store.users_made_here_below(FIRST_OWN_ID),
            [user(1), user(2)]
        );
        open.close();
    }
    // Without an app again they go on from there: no id is given twice.
    let open = Open::at(&location).unwrap();
    assert_eq!(make(&open, "next"), FIRST_OWN_ID + 4);
    open.close();
}
