//! `/api/admin`: the routes of administrators. Others get `forbidden`.

use hyper::{Request, Response, StatusCode};

use crate::accounts::{ChangeAccount, NewAccount, NewInvite, PutAccount};
use crate::contract::documents::{Access, Operation};
use crate::contract::rows::{AccountRow, InviteRow, LeftMessages, Token, UsersMeta};
use crate::contract::{Code, Fields, reads};
use crate::http::answer;
use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::request::{
    Limit, Query, admin, base_url, body, operator, optional_body, users_admin,
};
use crate::http::router::PathParams;
use crate::model::{User, UserId};
use crate::web::{Body, RequestBody};

reads! {
    /// The body of a new invite.
    WantedInvite from Fields<'_> {
        /// How many accounts it may make; 1, unless said otherwise.
        optional max_uses: u32,
        /// For how many seconds it is good; 604800, unless said otherwise.
        optional expires_in: u64,
    }
}

reads! {
    /// The invite that a path names.
    NamedInvite from PathParams {
        required code: String,
    }
}

reads! {
    /// The query of a page of accounts.
    WhichUsers from Query<'_> {
        optional limit: Limit<50, 500>,
        /// Only those with greater ids.
        optional after: UserId,
        /// Only the one of this name.
        text username: String,
    }
}

reads! {
    /// The account that a path names.
    Named from PathParams {
        required id: UserId,
    }
}

reads! {
    /// The body of a new account.
    WantedAccount from Fields<'_> {
        required username: String,
        /// 1 to 64 characters, shown and not unique; the username, unless given.
        optional name: String,
        required password: String,
        optional avatar: String,
        optional is_admin: bool,
    }
}

reads! {
    /// The body of an account of another system.
    ForeignAccount from Fields<'_> {
        /// 1 to 64 characters, all of which can be seen, and not digits alone.
        required username: String,
        /// 1 to 64 characters, shown and not unique; absent, an account that is there keeps its
        /// own.
        optional name: String,
        /// Null for none; absent, an account that is there keeps its own.
        nullable avatar: String,
    }
}

reads! {
    /// The changes of an account; what is absent stays.
    #[schemars(rename = "AccountChange")]
    ChangedAccount from Fields<'_> {
        optional username: String,
        /// 1 to 64 characters, shown and not unique; null for the username.
        nullable name: String,
        /// Null for none.
        nullable avatar: String,
        /// Ends every token of the account.
        optional password: String,
        optional disabled: bool,
        optional is_admin: bool,
    }
}

pub(in crate::http) const CREATE_INVITE: Operation = Operation::new(
    Access::Admin,
    "Makes an invite, whose `url` is to be given to a person.",
)
.optional_body::<WantedInvite>()
.answers(&[201])
.data::<InviteRow>();

/// `POST /api/admin/invites` `{"max_uses"?:1,"expires_in"?:604800}`, the latter in seconds: 201 and
/// the invite.
pub(in crate::http) async fn create_invite(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let base = base_url(app, &request);
    // Everything has a default, so that nothing need be sent.
    let body = optional_body(request).await?;
    let fields = Fields::parse(&body)?;
    let wanted = WantedInvite::read(&fields)?;
    let wish = NewInvite {
        max_uses: wanted.max_uses,
        expires_in_secs: wanted.expires_in,
    };
    let invite = app
        .accounts
        .create_invite(admin, (app.clock)(), wish)
        .await?;
    let row = InviteRow::new(&base, invite, |_| None);
    Ok(answer::data(StatusCode::CREATED, row))
}

pub(in crate::http) const INVITES: Operation = Operation::new(
    Access::Admin,
    "The invites that are kept, the newest first.",
)
.data::<Vec<InviteRow>>();

/// `GET /api/admin/invites`: all that are kept, the newest first.
pub(in crate::http) async fn invites(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let base = base_url(app, request);
    let invites = app.accounts.invites(admin(app, request).await?).into_iter();
    let rows: Vec<_> = invites
        .map(|invite| InviteRow::new(&base, invite, |room| app.chat.any_room(room)))
        .collect();
    Ok(answer::data(StatusCode::OK, rows))
}

pub(in crate::http) const REVOKE_INVITE: Operation =
    Operation::new(Access::Admin, "Takes an invite away.")
        .path::<NamedInvite>()
        .refuses(&[Code::NotFound]);

/// `DELETE /api/admin/invites/:code`
pub(in crate::http) async fn revoke_invite(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, request).await?;
    let code = NamedInvite::read(params)?.code;
    app.accounts
        .revoke_invite(admin, (app.clock)(), &code)
        .await?;
    Ok(answer::done())
}

fn row(app: &App, user: &User) -> AccountRow {
    AccountRow::new(user, app.chat.presence().seen(user.id))
}

pub(in crate::http) const USERS: Operation =
    Operation::new(Access::Admin, "Accounts, ascending by id.")
        .query::<WhichUsers>()
        .page::<Vec<AccountRow>, UsersMeta>();

/// `GET /api/admin/users?limit=50&after=<id>`: accounts ascending by id; with `username=` the one
/// of that name, or none.
pub(in crate::http) async fn users(
    app: &App,
    request: &Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let admin = users_admin(app, request).await?;
    let which = WhichUsers::read(&Query::of(request))?;
    if let Some(name) = which.username {
        let user = app.accounts.account_named(admin, &name);
        let rows: Vec<_> = user.iter().map(|user| row(app, user)).collect();
        return Ok(answer::rows(rows, UsersMeta { has_more: false }));
    }
    let (users, has_more) = app.accounts.accounts_after(
        admin,
        which.after.map_or(0, UserId::get),
        Limit::of(which.limit),
    );
    let rows: Vec<_> = users.iter().map(|user| row(app, user)).collect();
    Ok(answer::rows(rows, UsersMeta { has_more }))
}

pub(in crate::http) const PUT_USER: Operation = Operation::new(
    Access::Admin,
    "Makes (201) or changes (200) the account of that id, for an app that keeps its own users. With a backend's key \
     `forbidden` for an account that was registered here. The next account that is made here gets the id after the \
     greatest, or, where that is the greatest there can be, the least free one.",
)
.path::<Named>()
.body::<ForeignAccount>()
.answers(&[200, 201])
.refuses(&[Code::UsernameTaken])
.data::<AccountRow>();

/// `PUT /api/admin/users/:id` `{"username","name"?,"avatar"?}`: 201 where it was made, 200 where it
/// was there.
pub(in crate::http) async fn put_user(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = users_admin(app, &request).await?;
    let id = Named::read(params)?.id;
    let body = body(request).await?;
    let account = ForeignAccount::read(&Fields::parse(&body)?)?;
    let put = PutAccount {
        id,
        username: account.username,
        name: account.name,
        avatar: account.avatar,
    };
    let made = app.accounts.put_account(admin, (app.clock)(), put).await?;
    let status = match made.created {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok(answer::data(status, row(app, &made.user)))
}

pub(in crate::http) const CHANGE_USER: Operation = Operation::new(
    Access::Admin,
    "Changes an account. The last enabled administrator can be neither disabled nor demoted.",
)
.path::<Named>()
.body::<ChangedAccount>()
.refuses(&[Code::NotFound, Code::UsernameTaken])
.data::<AccountRow>();

/// `PATCH /api/admin/users/:id`
/// `{"disabled"?,"is_admin"?,"username"?,"name"?,"avatar"?,"password"?}`
pub(in crate::http) async fn change_user(
    app: &App,
    request: Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = users_admin(app, &request).await?;
    let id = Named::read(params)?.id;
    let body = body(request).await?;
    let change = ChangedAccount::read(&Fields::parse(&body)?)?;
    let wish = ChangeAccount {
        username: change.username,
        name: change.name,
        avatar: change.avatar,
        password: change.password,
        disabled: change.disabled,
        is_admin: change.is_admin,
    };
    let user = app
        .accounts
        .change_account(admin, (app.clock)(), id, wish)
        .await?;
    Ok(answer::data(StatusCode::OK, row(app, &user)))
}

reads! {
    /// The query of a deletion of an account.
    #[schemars(rename = "AccountDeletionQuery")]
    HowDeleted from Query<'_> {
        /// What becomes of its messages: `keep`, unless said otherwise.
        optional messages: LeftMessages,
    }
}

pub(in crate::http) const DELETE_USER: Operation = Operation::new(
    Access::Admin,
    "Deletes an account. Its messages stay with a sender called `deleted-` and the id, or are erased too, step by step \
     after the answer. The last enabled administrator cannot be deleted.",
)
.path::<Named>()
.query::<HowDeleted>()
.refuses(&[Code::NotFound]);

/// `DELETE /api/admin/users/:id?messages=keep`: the account is no more.
pub(in crate::http) async fn delete_user(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = users_admin(app, request).await?;
    let id = Named::read(params)?.id;
    let messages = HowDeleted::read(&Query::of(request))?.messages;
    let erases = LeftMessages::are_erased(messages);
    app.accounts
        .delete_account(admin, (app.clock)(), id, erases)
        .await?;
    Ok(answer::done())
}

pub(in crate::http) const CREATE_USER: Operation = Operation::new(
    Access::Admin,
    "Makes an account, whatever the mode of registration.",
)
.body::<WantedAccount>()
.answers(&[201])
.refuses(&[Code::UsernameTaken])
.data::<AccountRow>();

/// `POST /api/admin/users` `{"username","name"?,"password","avatar"?,"is_admin"?}`: 201 and the
/// account.
pub(in crate::http) async fn create_user(
    app: &App,
    request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let admin = users_admin(app, &request).await?;
    let body = body(request).await?;
    let wanted = WantedAccount::read(&Fields::parse(&body)?)?;
    let wish = NewAccount {
        username: wanted.username,
        name: wanted.name,
        password: wanted.password,
        avatar: wanted.avatar,
        is_admin: wanted.is_admin.unwrap_or(false),
    };
    let user = app
        .accounts
        .create_account(admin, (app.clock)(), wish)
        .await?;
    Ok(answer::data(StatusCode::CREATED, row(app, &user)))
}

pub(in crate::http) const TOKEN: Operation = Operation::new(
    Access::Operator,
    "A token of a person, for the server's operator: answered by its control socket alone.",
)
.path::<Named>()
.answers(&[201])
.refuses(&[Code::NotFound, Code::AccountDisabled])
.data::<Token>();

/// `POST /api/admin/users/:id/token`: a token of a person, for the server's operator alone.
pub(in crate::http) async fn token(
    app: &App,
    request: &Request<RequestBody>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let operator = operator(request)?;
    let id = Named::read(params)?.id;
    let login = app.accounts.token_of(operator, (app.clock)(), id)?;
    Ok(answer::data(StatusCode::CREATED, Token::from(login)))
}
