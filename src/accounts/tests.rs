//! Register, log in, authenticate: over a store in memory, with cheap hashes.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::model::{Timestamp, UserId};
use crate::store::{BATCHES, Location, Store, StoreOptions};

const NOW: Timestamp = Timestamp::from_ms(1_749_124_800_000);

/// Counts what listeners are told.
#[derive(Default)]
struct Told(std::sync::atomic::AtomicUsize);

impl Listener for Told {
    fn revoked(&self, _user: UserId) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }

    fn profile_changed(&self, _user: UserId) {}

    fn keys_changed(&self) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

async fn accounts(registration: Registration) -> Accounts {
    let (done, mut batches) = tokio::sync::mpsc::channel::<Vec<crate::store::Done>>(BATCHES);
    let options = StoreOptions {
        // Tests have times of their own.
        clock_trial: Duration::ZERO,
        ..StoreOptions::default()
    };
    let store = Store::open(&Location::Memory, options, done).unwrap();
    tokio::spawn(async move {
        while let Some(batch) = batches.recv().await {
            batch.into_iter().for_each(|done| done.tell(drop));
        }
    });
    Accounts::new(
        store,
        Passwords::cheap(),
        registration,
        DEFAULT_TOKEN_LIFETIME,
        ForeignTokens::default(),
        Arc::new(Told::default()),
        1_000,
    )
    .unwrap()
}

/// Somebody on this machine.
const LOCAL: Asker = Asker {
    address: None,
    is_known: false,
};

fn wish(username: &str, invite: Option<&str>) -> Register {
    Register {
        username: username.into(),
        password: "password1".into(),
        name: None,
        avatar: None,
        invite: invite.map(Into::into),
    }
}

#[tokio::test]
async fn the_setup_code_makes_one_administrator_whatever_the_mode() {
    for mode in [
        Registration::Invite,
        Registration::Open,
        Registration::Closed,
    ] {
        let accounts = accounts(mode).await;
        let code = accounts.setup_code().unwrap().to_owned();
        let (one, two) = tokio::join!(
            accounts.register(NOW, LOCAL, wish("ada", Some(&code))),
            accounts.register(NOW, LOCAL, wish("eve", Some(&code)))
        );
        let made: Vec<_> = [one, two].into_iter().filter_map(Result::ok).collect();
        let admins = made.iter().filter(|login| login.user.is_admin).count();
        assert_eq!(admins, 1, "{mode:?}");
        assert_eq!(accounts.setup_code(), None);
        let late = accounts
            .register(NOW, LOCAL, wish("bob", Some(&code)))
            .await;
        match mode {
            Registration::Open => {
                assert!(!late.unwrap_or_else(|error| panic!("{error}")).user.is_admin)
            }
            Registration::Invite => assert_eq!(late.err(), Some(AccountError::InvalidInvite)),
            Registration::Closed => assert_eq!(late.err(), Some(AccountError::RegistrationClosed)),
        }
    }
}

#[tokio::test]
async fn a_wish_that_does_not_fit_is_refused_with_its_reason() {
    let accounts = accounts(Registration::Open).await;
    accounts
        .register(NOW, LOCAL, wish("ada", None))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let short = Register {
        password: "1234567".into(),
        ..wish("bob", None)
    };
    let long = Register {
        password: "x".repeat(129),
        ..wish("bob", None)
    };
    let avatar = Register {
        avatar: Some("javascript:x".into()),
        ..wish("bob", None)
    };
    /// Whether it is the expected refusal.
    type Refused = fn(&AccountError) -> bool;
    let is_user: Refused = |error| matches!(error, AccountError::User(_));
    let is_password: Refused = |error| *error == AccountError::Password;
    let is_taken: Refused = |error| *error == AccountError::UsernameTaken;
    for (wish, is_expected) in [
        (wish("a b", None), is_user),
        (wish("ADA", None), is_taken),
        (short, is_password),
        (long, is_password),
        (avatar, is_user),
    ] {
        let refused = accounts.register(NOW, LOCAL, wish).await.err();
        assert!(refused.as_ref().is_some_and(is_expected), "{refused:?}");
    }
}

#[tokio::test]
async fn a_login_gives_a_token_that_says_who_it_is() {
    let accounts = accounts(Registration::Open).await;
    accounts
        .register(NOW, LOCAL, wish("Ada", None))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let login = accounts
        .login(NOW, LOCAL, "aDA", "password1".into())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let caller = accounts
        .authenticate(NOW, Some(&login.token))
        .await
        .unwrap();
    assert_eq!(
        (caller.user.username.as_str(), caller.expires_at),
        ("Ada", login.expires_at)
    );
    let late = NOW.plus(DEFAULT_TOKEN_LIFETIME + Duration::from_secs(6));
    assert_eq!(
        accounts.authenticate(late, Some(&login.token)).await.err(),
        Some(AccountError::TokenExpired)
    );
    assert_eq!(
        accounts.authenticate(NOW, None).await.err(),
        Some(AccountError::MissingToken)
    );
    assert_eq!(
        accounts.authenticate(NOW, Some("")).await.err(),
        Some(AccountError::MissingToken)
    );
}

/// A keyboard puts a space behind the name, or composes the letters of the password otherwise.
#[tokio::test]
async fn a_login_does_not_fail_for_what_nobody_sees() {
    let accounts = accounts(Registration::Open).await;
    let ada = Register {
        password: "pässword1".into(),
        ..wish("ada", None)
    };
    accounts.register(NOW, LOCAL, ada).await.unwrap();
    for (name, password) in [(" ada\n", "pässword1"), ("ADA ", "pa\u{308}ssword1")] {
        let login = accounts.login(NOW, LOCAL, name, password.into()).await;
        assert_eq!(login.err(), None, "{name:?}");
    }
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_are_refused_alike() {
    let accounts = accounts(Registration::Open).await;
    accounts
        .register(NOW, LOCAL, wish("ada", None))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    for (name, password) in [
        ("ada", "password2"),
        ("eve", "password1"),
        ("", ""),
        ("ada", &"x".repeat(10_000)),
    ] {
        let refused = accounts
            .login(NOW, LOCAL, name, password.to_owned())
            .await
            .err();
        assert_eq!(refused, Some(AccountError::InvalidCredentials), "{name}");
    }
}

#[tokio::test]
async fn a_flood_of_logins_is_refused_as_busy_and_passes() {
    let accounts = accounts(Registration::Open).await;
    let mut logins = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let accounts = accounts.clone();
        logins.spawn(async move {
            accounts
                .login(NOW, LOCAL, "eve", "password1".into())
                .await
                .err()
        });
    }
    let refusals = logins.join_all().await;
    assert!(
        refusals.contains(&Some(AccountError::Busy))
            && refusals.contains(&Some(AccountError::InvalidCredentials))
    );
    assert_eq!(
        accounts
            .login(NOW, LOCAL, "eve", "password1".into())
            .await
            .err(),
        Some(AccountError::InvalidCredentials)
    );
}

/// What was verified once is not verified again; what can change is looked at each time all the
/// same.
#[tokio::test]
async fn a_token_that_was_accepted_is_refused_once_its_key_its_time_or_its_account_is_gone() {
    let set = |key: &str| format!(r#"{{"keys":[{{"kty":"oct","kid":"{key}","k":"{key}"}}]}}"#);
    let accounts = accounts(Registration::Open).await;
    accounts.set_keys(0, &set("AAAA")).unwrap();
    // An account that both of them open.
    let put = PutAccount {
        id: UserId::new(29).unwrap(),
        username: "ada".into(),
        name: None,
        avatar: None,
    };
    let admin = Admin::operator();
    let made = accounts.put_account(admin, NOW, put).await.unwrap();
    let login = accounts.token_of(admin, NOW, made.user.id).unwrap();
    let claims = serde_json::json!({
        "sub": login.user.id, "iat": NOW.as_secs(), "exp": NOW.as_secs() + 600,
    });
    let header = jsonwebtoken::Header {
        kid: Some("AAAA".into()),
        ..Default::default()
    };
    let key = jsonwebtoken::EncodingKey::from_secret(&[0; 3]);
    let foreign = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    let ask = |now, token: &str| match accounts.identify(now, Some(token)) {
        Ok(Identity::Known(caller)) => Ok(caller.user.id),
        Ok(Identity::New(_)) => panic!("the account is there"),
        Err(error) => Err(error),
    };
    let ours = login.token.as_str();
    let late = NOW.plus(DEFAULT_TOKEN_LIFETIME);
    for token in [ours, &foreign] {
        assert_eq!(ask(NOW, token), Ok(login.user.id));
        assert_eq!(ask(NOW, token), Ok(login.user.id));
        assert_eq!(ask(late, token), Err(AccountError::TokenExpired));
    }
    accounts.set_keys(0, &set("BBBB")).unwrap();
    assert_eq!(ask(NOW, &foreign), Err(AccountError::InvalidToken));
    accounts.set_keys(0, &set("AAAA")).unwrap();
    assert_eq!(ask(NOW, &foreign), Ok(login.user.id));

    let later = NOW.plus(Duration::from_secs(1));
    let caller = accounts.authenticate(later, Some(ours)).await.unwrap();
    accounts.logout(later, &caller).await.unwrap();
    for token in [ours, &foreign] {
        assert_eq!(ask(later, token), Err(AccountError::InvalidToken));
    }
}

const SECRET: &[u8] = b"a secret of an app that has its own users";

/// A token of the app.
fn apps(claims: serde_json::Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

fn claims(id: u64, more: serde_json::Value) -> serde_json::Value {
    let (iat, exp) = (NOW.as_secs(), NOW.as_secs() + 600);
    let mut claims = serde_json::json!({"sub": id, "iat": iat, "exp": exp});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// With the app's secret.
async fn with_app(registration: Registration, provision: bool, admin: Option<&str>) -> Accounts {
    let accounts = accounts(registration).await;
    {
        let mut foreign = accounts.foreign.write();
        *foreign = ForeignTokens::new(None, None, provision);
        foreign.add_secret(SECRET).unwrap();
        if let Some(rule) = admin {
            foreign.administer_by(rule.parse().unwrap());
        }
    }
    accounts
}

async fn try_put(accounts: &Accounts, id: u64, name: &str) -> Result<UserId, AccountError> {
    let put = PutAccount {
        id: UserId::new(id).unwrap(),
        username: name.into(),
        name: None,
        avatar: None,
    };
    let put = accounts.put_account(Admin::operator(), NOW, put).await?;
    Ok(put.user.id)
}

async fn put(accounts: &Accounts, id: u64, name: &str) -> UserId {
    try_put(accounts, id, name).await.unwrap()
}

/// The set-up administrator has an id that an app's customer has too: the customer was the
/// administrator.
#[tokio::test]
async fn a_token_of_an_app_opens_no_account_that_was_made_here() {
    for provision in [false, true] {
        let accounts = with_app(Registration::Open, provision, Some("role=admin")).await;
        let mut ids = Vec::new();
        for name in ["ada", "bob"] {
            let made = accounts
                .register(NOW, LOCAL, wish(name, None))
                .await
                .unwrap();
            ids.push(made.user.id);
        }
        // Neither does its backend change it, and it stays one that was made here, renamed or not.
        assert_eq!(
            try_put(&accounts, ids[1].get(), "carl").await.err(),
            Some(AccountError::MadeHere)
        );
        let renamed = ChangeAccount {
            username: Some("carl".into()),
            ..ChangeAccount::default()
        };
        let renamed = accounts.change_account(Admin::operator(), NOW, ids[1], renamed);
        assert_eq!(renamed.await.unwrap().username.as_str(), "carl");
        for id in ids {
            let token = apps(claims(id.get(), serde_json::json!({"role": "admin"})));
            for _ in 0..2 {
                let refused = accounts.authenticate(NOW, Some(&token)).await.map(drop);
                let fault = AccountError::UnfitToken(TokenFault::NotTheApps);
                assert_eq!(refused, Err(fault), "{provision}");
            }
        }
        let unknown = apps(claims(29, serde_json::json!({})));
        let judged = accounts.authenticate(NOW, Some(&unknown)).await.map(drop);
        match provision {
            true => assert_eq!(judged, Ok(())),
            false => assert_eq!(judged, Err(AccountError::UnfitToken(TokenFault::NoAccount))),
        }
    }
}

/// Accounts that an app means by a UUID get ids of this server, are found again, and never meet
/// those of another issuer.
#[tokio::test]
async fn an_account_is_found_by_what_its_issuer_calls_it_again_and_again() {
    let accounts = with_app(Registration::Closed, true, None).await;
    let uuid = "3b241101-e2bb-4255-8caf-4136c566a962";
    let more = |iss: &str, sub: &str, jti: u64| serde_json::json!({"iss": iss, "sub": sub, "name": "Eve Smith", "jti": jti});
    let ask = async |iss: &str, sub: &str, jti| {
        let token = apps(claims(1, more(iss, sub, jti)));
        let caller = accounts.authenticate(NOW, Some(&token)).await.unwrap();
        (caller.user.id.get(), caller.user.username.to_string())
    };
    // No issuer is named yet.
    let (eve, name) = ask("https://a", uuid, 1).await;
    assert_eq!(name, "Eve Smith");
    let (other, name) = ask("https://a", "auth0|2", 2).await;
    assert_eq!(name, format!("Eve Smith-{other}"));
    assert_eq!(ask("https://a/login", uuid, 3).await.0, eve);
    for issuer in ["https://a", "https://b"] {
        accounts.foreign.write().add_issuer(issuer.into());
    }
    assert_eq!(ask("https://a", uuid, 4).await.0, eve, "the first is named");
    let (theirs, _) = ask("https://b", uuid, 5).await;
    assert!(![eve, other].contains(&theirs));
    assert_eq!(ask("https://b", uuid, 6).await.0, theirs);
    // Ten devices of somebody new come at once.
    let new = |jti| ask("https://a", "new", 100 + jti);
    let made = futures_util::future::join_all((0..10_u64).map(new)).await;
    assert!(made.iter().all(|account| *account == made[0]), "{made:?}");
    // A number of the second issuer is not the account of that id.
    let id = put(&accounts, 29, "ada").await;
    assert_eq!(ask("https://a", "29", 7).await.0, id.get());
    assert_ne!(ask("https://b", "29", 8).await.0, id.get());
}

#[tokio::test]
async fn a_token_of_an_app_is_an_administrators_by_its_own_word_alone() {
    for (rule, is_admin) in [(None, false), (Some("role=admin"), true)] {
        let accounts = with_app(Registration::Closed, false, rule).await;
        let id = put(&accounts, 29, "ada").await;
        let promote = ChangeAccount {
            is_admin: Some(true),
            ..ChangeAccount::default()
        };
        let operator = Admin::operator();
        accounts
            .change_account(operator, NOW, id, promote)
            .await
            .unwrap();
        let ask = async |claims| {
            let token = apps(claims);
            let caller = accounts.authenticate(NOW, Some(&token)).await.unwrap();
            assert_eq!(caller.admin().is_ok(), caller.is_admin());
            caller.is_admin()
        };
        assert!(!ask(claims(29, serde_json::json!({}))).await);
        let claimed = claims(29, serde_json::json!({"role": "admin"}));
        assert_eq!(ask(claimed).await, is_admin);
        // By a token of this server it is the account that counts.
        let own = accounts.token_of(operator, NOW, id).unwrap();
        let caller = accounts.authenticate(NOW, Some(&own.token)).await.unwrap();
        assert!(caller.admin().is_ok());
    }
}

#[tokio::test]
async fn an_apps_user_is_called_as_the_newest_token_says_and_cannot_change_it() {
    let accounts = with_app(Registration::Closed, true, None).await;
    let at = |secs: u64, more: serde_json::Value| {
        let mut claims = claims(29, more);
        claims["iat"] = (NOW.as_secs() - 100 + secs).into();
        apps(claims)
    };
    let url = "https://example.org/a.png";
    let other = serde_json::json!({"username": "bob"});
    accounts
        .authenticate(NOW, Some(&apps(claims(30, other))))
        .await
        .unwrap();
    for (secs, more, name, avatar) in [
        (10, serde_json::json!({"name": "Ada"}), "Ada", None),
        (
            20,
            serde_json::json!({"name": "Ada L", "picture": url}),
            "Ada L",
            Some(url),
        ),
        (
            15,
            serde_json::json!({"name": "Eve", "picture": null}),
            "Ada L",
            Some(url),
        ),
        (30, serde_json::json!({}), "Ada L", Some(url)),
        (
            31,
            serde_json::json!({"name": "\u{202e}x", "picture": "/x"}),
            "Ada L",
            Some(url),
        ),
        (32, serde_json::json!({"name": "BOB"}), "BOB-29", Some(url)),
        (
            33,
            serde_json::json!({"name": "Ada", "picture": null}),
            "Ada",
            None,
        ),
    ] {
        let token = at(secs, more.clone());
        let caller = accounts.authenticate(NOW, Some(&token)).await.unwrap();
        let (called, shown) = (caller.user.username.as_str(), caller.user.avatar.as_deref());
        assert_eq!((called, shown), (name, avatar), "{more}");
    }
    let caller = accounts
        .authenticate(NOW, Some(&at(33, serde_json::json!({}))))
        .await;
    let caller = caller.unwrap();
    for wish in [
        ChangeOwn {
            username: Some("my.shop.support".into()),
            ..ChangeOwn::default()
        },
        ChangeOwn {
            avatar: Some(None),
            ..ChangeOwn::default()
        },
    ] {
        let refused = accounts.change_own(NOW, LOCAL, &caller, wish).await.err();
        assert_eq!(refused, Some(AccountError::KeptByApp));
    }
}

/// Stock sockets come by `identify`, which does not wait for the disk.
#[tokio::test]
async fn a_socket_that_brings_another_name_is_let_in_at_once_and_the_name_follows() {
    let accounts = with_app(Registration::Closed, true, None).await;
    let id = put(&accounts, 29, "ada").await;
    let named = apps(claims(
        29,
        serde_json::json!({"name": "Lovelace", "iat": NOW.as_secs() + 1}),
    ));
    assert!(matches!(
        accounts.identify(NOW, Some(&named)),
        Ok(Identity::Known(_))
    ));
    // What is asked of the store now is done after that.
    put(&accounts, 30, "bob").await;
    assert_eq!(accounts.user(id).unwrap().username.as_str(), "Lovelace");
}

/// The answer to a logout waits for the end of its second, so that no token from after it is dated
/// in that second.
#[tokio::test(start_paused = true)]
async fn a_token_issued_after_the_answer_to_a_logout_is_good_and_none_from_before_is() {
    let accounts = with_app(Registration::Closed, false, None).await;
    put(&accounts, 29, "ada").await;
    let logout = Timestamp::from_ms(NOW.as_ms() + 300);
    let ask = async |iat: serde_json::Value| {
        let token = apps(claims(29, serde_json::json!({"iat": iat, "jti": "x"})));
        let later = NOW.plus(Duration::from_secs(2));
        accounts.authenticate(later, Some(&token)).await.map(drop)
    };
    let secs = NOW.as_secs();
    let token = apps(claims(29, serde_json::json!({})));
    let caller = accounts.authenticate(logout, Some(&token)).await.unwrap();
    let before = tokio::time::Instant::now();
    accounts.logout(logout, &caller).await.unwrap();
    let answered = logout.plus(before.elapsed());
    assert!(answered.as_secs() > logout.as_secs(), "{answered:?}");
    for (iat, is_good) in [
        (secs.into(), false),
        ((secs as f64 + 0.25).into(), false),
        ((secs as f64 + 0.75).into(), true),
        ((secs + 1).into(), true),
        (serde_json::Value::Null, false),
    ] {
        let judged = ask(iat.clone()).await;
        let wanted = if is_good {
            Ok(())
        } else {
            Err(AccountError::InvalidToken)
        };
        assert_eq!(judged, wanted, "{iat}");
    }
    // Who is no app's user does not wait.
    let made = accounts.create_account(
        Admin::operator(),
        NOW,
        NewAccount {
            username: "bob".into(),
            password: "password1".into(),
            name: None,
            avatar: None,
            is_admin: false,
        },
    );
    let bob = accounts
        .token_of(Admin::operator(), NOW, made.await.unwrap().id)
        .unwrap();
    let bob = accounts.authenticate(NOW, Some(&bob.token)).await.unwrap();
    let before = tokio::time::Instant::now();
    accounts.logout(NOW, &bob).await.unwrap();
    assert!(before.elapsed().is_zero());
}

/// A token of an app whose clock is ahead was dated later than the logout that came after it, and
/// outlived it; and one of an app whose clock is slow was dated before the logout that it came
/// after, and was refused for as long as it was good.
#[tokio::test(start_paused = true)]
async fn a_logout_is_right_where_the_apps_clock_is_ahead_or_slow() {
    for ahead_ms in [4_600, 5_000, 1_700, 300, 0, -700, -2_000] {
        let accounts = with_app(Registration::Closed, false, None).await;
        put(&accounts, 29, "ada").await;
        // What the app's clock shows, in whole seconds, at this moment.
        let dated = |at: Timestamp| (at.as_ms().checked_add_signed(ahead_ms).unwrap()) / 1_000;
        let token = |at: Timestamp, number: u64| {
            let more = serde_json::json!({"iat": dated(at), "jti": number});
            apps(claims(29, more))
        };
        let at = |ms: u64| Timestamp::from_ms(NOW.as_ms() + ms);
        let logout = at(2_950);
        // It has users, whose pages show their tokens soon after these were issued.
        let mut callers = Vec::new();
        for ms in (100..2_100).step_by(100) {
            let (token, shown) = (token(at(ms), ms), at(ms + 20));
            callers.push(accounts.authenticate(shown, Some(&token)).await.unwrap());
        }
        let caller = callers.swap_remove(0);
        let before = tokio::time::Instant::now();
        accounts.logout(logout, &caller).await.unwrap();
        let answered = logout.plus(before.elapsed());
        assert!(before.elapsed() <= Duration::from_secs(3), "{ahead_ms}");
        let later = answered.plus(Duration::from_secs(1));
        for (number, ms) in (1..).zip([0, 1_000, 2_000, 2_940]) {
            let judged = accounts
                .authenticate(later, Some(&token(at(ms), number)))
                .await;
            assert!(
                judged.is_err(),
                "{ahead_ms}: issued {ms} ms after the start"
            );
        }
        let new = accounts
            .authenticate(later, Some(&token(answered, 9)))
            .await
            .map(drop);
        assert_eq!(new, Ok(()), "{ahead_ms}: issued with the answer");
    }
}

#[tokio::test]
async fn a_grant_ends_with_its_key_and_with_no_other() {
    let set = |keys: &[&str]| {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| serde_json::json!({"kty": "oct", "kid": key, "k": key}))
            .collect();
        serde_json::json!({ "keys": keys }).to_string()
    };
    let accounts = accounts(Registration::Closed).await;
    accounts.set_keys(0, &set(&["AAAA", "BBBB"])).unwrap();
    put(&accounts, 29, "ada").await;
    let header = jsonwebtoken::Header {
        kid: Some("AAAA".into()),
        ..Default::default()
    };
    let key = jsonwebtoken::EncodingKey::from_secret(&[0; 3]);
    let claims = claims(29, serde_json::json!({}));
    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    let grant = accounts
        .authenticate(NOW, Some(&token))
        .await
        .unwrap()
        .grant;
    let check = || accounts.check(NOW, &grant).map(drop);
    // In another order, beside another one.
    accounts.set_keys(0, &set(&["CCCC", "AAAA"])).unwrap();
    assert_eq!(check(), Ok(()));
    accounts.set_keys(0, &set(&["CCCC"])).unwrap();
    assert_eq!(check(), Err(AccountError::InvalidToken));
    let admitted = accounts.authenticate(NOW, Some(&token)).await.map(drop);
    assert_eq!(admitted, Err(AccountError::InvalidToken));
}

/// The first customer of an app ended the set-up link, and nobody could become the administrator by
/// it any more.
#[tokio::test]
async fn the_setup_code_is_good_whatever_the_mode_until_somebody_registers_and_not_until_a_customer_comes()
 {
    for mode in [
        Registration::Invite,
        Registration::Open,
        Registration::Closed,
    ] {
        let accounts = with_app(mode, true, None).await;
        let customer = apps(claims(1, serde_json::json!({"name": "Customer"})));
        accounts.authenticate(NOW, Some(&customer)).await.unwrap();
        put(&accounts, 2, "another").await;
        let code = accounts.setup_code().unwrap().to_owned();
        let made = accounts
            .register(NOW, LOCAL, wish("ada", Some(&code)))
            .await
            .unwrap();
        assert!(made.user.is_admin, "{mode:?}");
        assert_eq!(accounts.setup_code(), None);
    }
    // An administrator whom an app made has set the server up as well.
    let accounts = with_app(Registration::Closed, true, None).await;
    let id = put(&accounts, 1, "ada").await;
    let code = accounts.setup_code().unwrap().to_owned();
    let promote = ChangeAccount {
        is_admin: Some(true),
        ..ChangeAccount::default()
    };
    let promoted = accounts.change_account(Admin::operator(), NOW, id, promote);
    promoted.await.unwrap();
    assert_eq!(accounts.setup_code(), None);
    let late = accounts
        .register(NOW, LOCAL, wish("eve", Some(&code)))
        .await;
    assert_eq!(late.err(), Some(AccountError::RegistrationClosed));
}

#[tokio::test]
async fn the_start_says_what_a_missing_audience_and_earlier_accounts_mean() {
    let accounts = accounts(Registration::Open).await;
    accounts
        .register(NOW, LOCAL, wish("ada", None))
        .await
        .unwrap();
    assert_eq!(accounts.warnings(), Vec::<String>::new(), "there is no key");
    accounts.foreign.write().add_secret(SECRET).unwrap();
    let warnings = accounts.warnings();
    assert!(
        warnings[0].contains("--jwt-audience") && warnings[1].contains("account 1"),
        "{warnings:?}"
    );
    accounts
        .foreign
        .write()
        .ask("purpose=chat".parse().unwrap());
    assert_eq!(accounts.warnings().len(), 1);
}

/// The disk refused at first, and had taken the change all the same: its caller asks once more.
#[tokio::test]
async fn a_key_that_is_gone_has_all_sockets_looked_at_when_it_is_taken_back_again() {
    let told = Arc::new(Told::default());
    let mut accounts = accounts(Registration::Open).await;
    accounts.listener = Arc::clone(&told) as _;
    let count = || told.0.load(std::sync::atomic::Ordering::SeqCst);
    let wish = NewBot {
        username: "clerk".into(),
        name: None,
        avatar: None,
    };
    let admin = Admin::operator();
    let (bot, made) = accounts.create_bot(admin, NOW, wish).await.unwrap();
    let revoke = || accounts.revoke_bot_key(admin, NOW, bot.id, made.key.id);
    assert_eq!(revoke().await, Ok(()));
    assert_eq!(count(), 1);
    assert_eq!(revoke().await, Err(AccountError::NoSuchKey));
    assert_eq!(count(), 2);
}

#[tokio::test]
async fn tokens_without_a_session_are_one_row_that_is_ended_as_one() {
    let accounts = accounts(Registration::Open).await;
    let ada = accounts.register(NOW, LOCAL, wish("ada", None)).await;
    let ada = ada.unwrap_or_else(|error| panic!("{error}"));
    let earlier = accounts
        .token_of(Admin::operator(), NOW, ada.user.id)
        .unwrap();
    let caller = async |token: &str, now| accounts.authenticate(now, Some(token)).await;
    let theirs = caller(&earlier.token, NOW).await.unwrap();
    assert_eq!(theirs.session(), None);
    let listed = accounts.sessions(NOW, &theirs);
    assert!(matches!(
        listed[..],
        [(SignedIn::Alone(_), true), (SignedIn::Session(_), false)]
    ));
    let own = caller(&ada.token, NOW).await.unwrap();
    let listed = accounts.sessions(NOW, &own);
    assert!(matches!(
        listed[..],
        [(SignedIn::Session(_), true), (SignedIn::Alone(_), false)]
    ));
    accounts.end_other_sessions(NOW, &own).await.unwrap();
    let refused = caller(&earlier.token, NOW).await.err();
    assert_eq!(refused, Some(AccountError::InvalidToken));
    assert_eq!(accounts.sessions(NOW, &own).len(), 1);
    // A command makes a new one that holds, in the same second too: it was refused from the first.
    let later = NOW.plus(Duration::from_millis(1));
    let anew = accounts
        .token_of(Admin::operator(), later, ada.user.id)
        .unwrap();
    assert!(caller(&anew.token, later).await.is_ok());
    // All others but those without a session: of these one is current.
    let theirs = caller(&anew.token, later).await.unwrap();
    accounts.end_other_sessions(later, &theirs).await.unwrap();
    assert!(caller(&anew.token, later).await.is_ok());
    assert!(caller(&ada.token, later).await.is_err());
}

#[tokio::test]
async fn when_a_session_was_used_is_known_to_the_hour_and_what_is_over_is_swept() {
    let accounts = accounts(Registration::Open).await;
    let ada = accounts.register(NOW, LOCAL, wish("ada", None)).await;
    let ada = ada.unwrap_or_else(|error| panic!("{error}"));
    let used_at = |now| match &accounts.store.sessions_of(ada.user.id)[..] {
        [session] => session.used_at,
        other => panic!("at {now:?}: {other:?}"),
    };
    for (minutes, expected) in [(59, 0), (61, 61), (100, 61), (121, 121)] {
        let now = NOW.plus(Duration::from_secs(minutes * 60));
        assert!(accounts.authenticate(now, Some(&ada.token)).await.is_ok());
        accounts.keep_uses(now).await;
        let expected = NOW.plus(Duration::from_secs(expected * 60));
        assert_eq!(used_at(now), expected, "after {minutes} minutes");
    }
    accounts.sweep(NOW).await;
    assert_eq!(accounts.store.sessions(), 1);
    accounts.sweep(ada.expires_at).await;
    assert_eq!(accounts.store.sessions(), 0);
}
