//! `/api/auth`: registering, logging in and out, and the caller's own account.

use hyper::{Request, Response, StatusCode};

use crate::accounts::{Asker, ChangeOwn, Device, Leave, LoggingIn, Login, Register};
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{Account, ChangedOwnAccount, LeftMessages, LoggedIn};
use crate::contract::{Code, Fields, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{address, body, caller, optional_body, sender};
use crate::limits::{Key, Kind};
use crate::model::Username;
use crate::web::{Body, RequestBody, client_name};

fn logged_in(status: StatusCode, login: Login) -> Response<Body> {
    answer::data(status, LoggedIn::from(login))
}

/// Returns by what a person logs in who sent a request.
pub(super) fn device(request: &Request<RequestBody>) -> Device {
    Device {
        client: client_name(request.headers()).map(Into::into),
        address: sender(request).map(|sender| sender.address),
    }
}

reads! {
    /// The body of a registration.
    NewAccount from Fields<'_> {
        /// 1 to 32 characters of `a-z 0-9 . _ -`, not digits alone, compared without case.
        required username: String,
        /// 1 to 64 characters, shown and not unique; the username, unless given.
        optional name: String,
        /// 8 to 128 characters.
        required password: String,
        /// An `https:` URL.
        optional avatar: String,
        /// An invite's code, or that of the set-up link.
        optional invite: String,
    }
}

pub(in crate::http) const REGISTER: Operation =
    Operation::new(Access::Anyone, "Makes an account and logs it in.")
        .body::<NewAccount>()
        .answers(&[201])
        .refuses(&[
            Code::InvalidInvite,
            Code::RateLimited,
            Code::RegistrationClosed,
            Code::UsernameTaken,
        ])
        .data::<LoggedIn>();

/// `POST /api/auth/register` `{"username","name"?,"password","avatar"?,"invite"?}`: 201 and a
/// token.
pub(in crate::http) async fn register(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let address = address(&request);
    let device = device(&request);
    let body = body(request).await?;
    let new = NewAccount::read(&Fields::parse(&body)?)?;
    let now = (app.clock)();
    let invite = new.invite.as_deref();
    let invite = invite.filter(|code| app.accounts.is_invited(now, code));
    // Who was invited is not stopped by strangers behind the same address.
    let key = match (invite, address) {
        (Some(invite), address) => Some(Key::Shown(invite, address)),
        (None, address) => address.map(Key::Address),
    };
    if let Some(key) = key {
        app.limits.check(Kind::Registrations, key)?;
    }
    let asker = Asker {
        address,
        is_known: invite.is_some(),
    };
    let from = LoggingIn { asker, device };
    let wish = Register {
        username: new.username,
        name: new.name,
        password: new.password,
        avatar: new.avatar,
        invite: new.invite,
    };
    let login = app.accounts.register(now, from, wish).await?;
    Ok(logged_in(StatusCode::CREATED, login))
}

reads! {
    /// The body of a login.
    Credentials from Fields<'_> {
        required username: String,
        required password: String,
    }
}

pub(in crate::http) const LOGIN: Operation = Operation::new(
    Access::Anyone,
    "Logs in. A wrong name and a wrong password answer alike.",
)
.body::<Credentials>()
.refuses(&[
    Code::AccountDisabled,
    Code::InvalidCredentials,
    Code::RateLimited,
])
.data::<LoggedIn>();

/// `POST /api/auth/login` `{"username","password"}`: 200 and a token.
pub(in crate::http) async fn login(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let address = address(&request);
    let device = device(&request);
    let body = body(request).await?;
    let Credentials { username, password } = Credentials::read(&Fields::parse(&body)?)?;
    // Whether or not there is such an account, so that this tells nothing of it.
    let name = Username::key_of(&username);
    let attempt = app.limits.attempt(&name, address)?;
    let asker = Asker {
        address,
        is_known: attempt.is_known(),
    };
    let from = LoggingIn { asker, device };
    let login = app
        .accounts
        .login((app.clock)(), from, &username, password)
        .await?;
    attempt.succeeded();
    Ok(logged_in(StatusCode::OK, login))
}

pub(in crate::http) const ME: Operation =
    Operation::new(Access::User, "The caller.").data::<Account>();

/// `GET /api/auth/me`: the caller.
pub(in crate::http) async fn me(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    let account = Account::new(&caller.user, caller.is_admin());
    Ok(answer::data(StatusCode::OK, account))
}

reads! {
    /// The changes that the caller wants; what is absent stays.
    #[schemars(rename = "OwnAccountChange")]
    Change from Fields<'_> {
        optional username: String,
        /// 1 to 64 characters, shown and not unique; null for the username.
        nullable name: String,
        /// An `https:` URL; null for none.
        nullable avatar: String,
        /// Asks for `current_password` too, and ends every earlier token.
        optional password: String,
        optional current_password: String,
    }
}

pub(in crate::http) const CHANGE: Operation = Operation::new(
    Access::User,
    "Changes the caller. With a new password every earlier token is refused, and the answer brings a new one.",
)
.body::<Change>()
.refuses(&[Code::UsernameTaken])
.forbids(&[Code::Forbidden, Code::InvalidCredentials])
.data::<ChangedOwnAccount>();

/// `PATCH /api/auth/me` `{"username"?,"name"?,"avatar"?,"password"?,"current_password"?}`: the
/// caller, changed.
pub(in crate::http) async fn change(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?;
    let address = address(&request);
    let device = device(&request);
    let body = body(request).await?;
    let change = Change::read(&Fields::parse(&body)?)?;
    let wish = ChangeOwn {
        username: change.username,
        name: change.name,
        avatar: change.avatar,
        password: change.password,
        current_password: change.current_password,
    };
    let attempt = match wish.current_password {
        Some(_) => Some(app.limits.attempt_of(caller.user.id, address)?),
        None => None,
    };
    let asker = Asker {
        address,
        is_known: true,
    };
    let from = LoggingIn { asker, device };
    let (user, login) = app
        .accounts
        .change_own((app.clock)(), from, &caller, wish)
        .await?;
    // Without a new password the present one was not looked at.
    if login.is_some()
        && let Some(attempt) = attempt
    {
        attempt.succeeded();
    }
    // With a new password the token is this server's own from now on.
    let is_admin = match &login {
        Some(_) => user.is_admin,
        None => caller.is_admin(),
    };
    let (token, expires_at) = login.map(|login| (login.token, login.expires_at)).unzip();
    let changed = ChangedOwnAccount {
        account: Account::new(&user, is_admin),
        token,
        expires_at,
    };
    Ok(answer::data(StatusCode::OK, changed))
}

reads! {
    /// How the caller's account is to be deleted.
    #[schemars(rename = "AccountDeletion")]
    Deletion from Fields<'_> {
        /// A person of an app shows a token younger than 5 minutes in its place.
        optional current_password: String,
        /// What becomes of their messages: `keep`, unless said otherwise.
        optional messages: LeftMessages,
    }
}

pub(in crate::http) const DELETE: Operation = Operation::new(
    Access::User,
    "Deletes the caller's account: name, picture, password, tokens and sockets are gone at once, and the username is free. \
     Messages stay with a sender called `deleted-` and the id, or are erased too, step by step \
     after the answer. The last enabled administrator cannot be deleted.",
)
.optional_body::<Deletion>()
.refuses(&[Code::RateLimited])
.forbids(&[Code::Forbidden, Code::InvalidCredentials]);

/// `DELETE /api/auth/me` `{"current_password"?,"messages"?:"keep"}`: the caller's account is no
/// more.
pub(in crate::http) async fn delete(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, &request).await?;
    let address = address(&request);
    let body = optional_body(request).await?;
    let Deletion {
        current_password,
        messages,
    } = Deletion::read(&Fields::parse(&body)?)?;
    let attempt = app.limits.attempt_of(caller.user.id, address)?;
    let from = Asker {
        address,
        is_known: true,
    };
    let wish = Leave {
        current_password,
        erases: LeftMessages::are_erased(messages),
    };
    app.accounts
        .leave((app.clock)(), from, &caller, wish)
        .await?;
    attempt.succeeded();
    Ok(answer::done())
}

pub(in crate::http) const LOGOUT: Operation = Operation::new(
    Access::User,
    "Ends every token of the caller and disconnects their sockets.",
);

/// `POST /api/auth/logout`: every token of the caller is refused from now on, and their sockets are
/// disconnected.
pub(in crate::http) async fn logout(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let caller = caller(app, request).await?;
    app.accounts.logout((app.clock)(), &caller).await?;
    Ok(answer::done())
}
