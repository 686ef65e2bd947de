//! Register, log in, authenticate: over a store in memory, with cheap hashes.

use super::*;
use crate::model::Code;
use crate::store::{BATCHES, Location};

const NOW: Timestamp = Timestamp::from_ms(1_749_124_800_000);

/// Counts what listeners are told.
#[derive(Default)]
struct Told(std::sync::atomic::AtomicUsize);

impl Listener for Told {
    fn revoked(&self, _user: UserId) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

async fn accounts(registration: Registration) -> Accounts {
    let (done, mut batches) = tokio::sync::mpsc::channel::<Vec<crate::store::Done>>(BATCHES);
    let store = Store::open(&Location::Memory, Default::default(), done).unwrap();
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
    for (wish, code) in [
        (wish("a b", None), Code::InvalidPayload),
        (wish("ADA", None), Code::UsernameTaken),
        (short, Code::InvalidPayload),
        (long, Code::InvalidPayload),
        (avatar, Code::InvalidPayload),
    ] {
        assert_eq!(
            accounts
                .register(NOW, LOCAL, wish)
                .await
                .err()
                .map(|error| error.code()),
            Some(code)
        );
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

/// What was verified once is not verified again; what can change is looked at each time all the same.
#[tokio::test]
async fn a_token_that_was_accepted_is_refused_once_its_key_its_time_or_its_account_is_gone() {
    let set = |key: &str| format!(r#"{{"keys":[{{"kty":"oct","kid":"{key}","k":"{key}"}}]}}"#);
    let accounts = accounts(Registration::Open).await;
    accounts.set_keys(&set("AAAA")).unwrap();
    let login = accounts
        .register(NOW, LOCAL, wish("ada", None))
        .await
        .unwrap();
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
    accounts.set_keys(&set("BBBB")).unwrap();
    assert_eq!(ask(NOW, &foreign), Err(AccountError::InvalidToken));
    accounts.set_keys(&set("AAAA")).unwrap();
    assert_eq!(ask(NOW, &foreign), Ok(login.user.id));

    let later = NOW.plus(Duration::from_secs(1));
    let caller = accounts.authenticate(later, Some(ours)).await.unwrap();
    accounts.logout(later, &caller).await.unwrap();
    for token in [ours, &foreign] {
        assert_eq!(ask(later, token), Err(AccountError::InvalidToken));
    }
}
