//! `/api/admin`: what administrators may do. Others get `forbidden`.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::accounts::{ChangeAccount, Invite, NewAccount, NewInvite, PutAccount};
use crate::describe::{Access, Operation, reads};
use crate::http::error::ApiError;
use crate::http::request::{Limit, Query, admin, base_url, body, operator};
use crate::http::router::PathParams;
use crate::http::{App, Nothing, success};
use crate::model::{Code, Fields, Timestamp, User, UserId};
use crate::transport::Body;

reads! {
    /// What an invite is to be.
    WantedInvite from Fields<'_> {
        /// How many accounts it may make; 1, unless said otherwise.
        optional max_uses: u32,
        /// For how many seconds it is good; 604800, unless said otherwise.
        optional expires_in: u64,
    }
}

reads! {
    /// Which invite.
    NamedInvite from PathParams {
        required code: String,
    }
}

reads! {
    /// Which accounts.
    WhichUsers from Query<'_> {
        optional limit: Limit<50, 500>,
        /// Only those with greater ids.
        optional after: UserId,
        /// Only the one of this name.
        text username: String,
    }
}

reads! {
    /// Which account.
    Named from PathParams {
        required id: UserId,
    }
}

reads! {
    /// What an account is to be.
    WantedAccount from Fields<'_> {
        required username: String,
        required password: String,
        optional avatar: String,
        optional is_admin: bool,
    }
}

reads! {
    /// What an account of another system is.
    ForeignAccount from Fields<'_> {
        /// 1 to 64 characters, all of which can be seen, and not digits alone.
        required username: String,
        /// Null for none; absent, an account that is there keeps its own.
        nullable avatar: String,
    }
}

reads! {
    /// What is to be changed; what is absent stays.
    #[schemars(rename = "AccountChange")]
    ChangedAccount from Fields<'_> {
        optional username: String,
        /// Null for none.
        nullable avatar: String,
        /// Ends every token of the account.
        optional password: String,
        optional disabled: bool,
        optional is_admin: bool,
    }
}

/// `{"code","url","max_uses","uses","expires_at"}`, and `created_at`
#[derive(Serialize, JsonSchema)]
struct InviteRow {
    code: Arc<str>,
    /// The link that registers.
    url: String,
    max_uses: u32,
    uses: u32,
    expires_at: Timestamp,
    created_at: Timestamp,
}

impl InviteRow {
    fn new(base: &str, invite: Invite) -> Self {
        Self {
            url: format!("{base}/?invite={}", invite.code),
            code: invite.code,
            max_uses: invite.max_uses,
            uses: invite.uses,
            expires_at: invite.expires_at,
            created_at: invite.created_at,
        }
    }
}

pub(in crate::http) const CREATE_INVITE: Operation = Operation::new(
    Access::Admin,
    "Makes an invite, whose `url` is to be given to somebody.",
)
.optional_body::<WantedInvite>()
.answers(&[201])
.data::<InviteRow>();

/// `POST /api/admin/invites` `{"max_uses"?:1,"expires_in"?:604800}`, the latter in seconds: 201 and the invite.
pub(in crate::http) async fn create_invite(
    app: &App,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let base = base_url(app, &request);
    let body = body(request).await?;
    // Everything has a default, so that nothing need be sent.
    let fields = match body.trim() {
        "" => Fields::default(),
        body => Fields::parse(body)?,
    };
    let wanted = WantedInvite::read(&fields)?;
    let wish = NewInvite {
        max_uses: wanted.max_uses,
        expires_in_secs: wanted.expires_in,
    };
    let invite = app
        .accounts
        .create_invite(admin, (app.clock)(), wish)
        .await?;
    Ok(success(
        StatusCode::CREATED,
        Some(InviteRow::new(&base, invite)),
        None::<Nothing>,
    ))
}

pub(in crate::http) const INVITES: Operation = Operation::new(
    Access::Admin,
    "The invites that are kept, the newest first.",
)
.data::<Vec<InviteRow>>();

/// `GET /api/admin/invites`: all that are kept, the newest first.
pub(in crate::http) async fn invites(
    app: &App,
    request: &Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let base = base_url(app, request);
    let invites = app.accounts.invites(admin(app, request).await?).into_iter();
    let rows: Vec<_> = invites
        .map(|invite| InviteRow::new(&base, invite))
        .collect();
    Ok(success(StatusCode::OK, Some(rows), None::<Nothing>))
}

pub(in crate::http) const REVOKE_INVITE: Operation =
    Operation::new(Access::Admin, "Takes an invite away.")
        .path::<NamedInvite>()
        .refuses(&[Code::NotFound]);

/// `DELETE /api/admin/invites/:code`
pub(in crate::http) async fn revoke_invite(
    app: &App,
    request: &Request<Incoming>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, request).await?;
    let code = NamedInvite::read(params)?.code;
    app.accounts
        .revoke_invite(admin, (app.clock)(), &code)
        .await?;
    Ok(success(StatusCode::OK, None::<Nothing>, None::<Nothing>))
}

/// An account as administrators see it: `{"id","username","avatar","is_admin","disabled","created_at","last_seen"}`, and
/// `online`; `last_seen` is null while online.
#[derive(Serialize, JsonSchema)]
struct AccountRow {
    id: UserId,
    username: String,
    avatar: Option<Arc<str>>,
    is_admin: bool,
    disabled: bool,
    created_at: Timestamp,
    last_seen: Option<Timestamp>,
    online: bool,
}

impl AccountRow {
    fn new(app: &App, user: &User) -> Self {
        let seen = app.presence.seen(user.id);
        Self {
            id: user.id,
            username: user.username.as_str().to_owned(),
            avatar: user.avatar.clone(),
            is_admin: user.is_admin,
            disabled: user.disabled,
            created_at: user.created_at,
            last_seen: seen.last_seen.or(user.last_seen).filter(|_| !seen.online),
            online: seen.online,
        }
    }
}

#[derive(Serialize, JsonSchema)]
struct UsersMeta {
    has_more: bool,
}

pub(in crate::http) const USERS: Operation =
    Operation::new(Access::Admin, "Accounts, ascending by id.")
        .query::<WhichUsers>()
        .page::<Vec<AccountRow>, UsersMeta>();

/// `GET /api/admin/users?limit=50&after=<id>`: accounts ascending by id; with `username=` the one of that name, or none.
pub(in crate::http) async fn users(
    app: &App,
    request: &Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, request).await?;
    let which = WhichUsers::read(&Query::of(request))?;
    if let Some(name) = which.username {
        let user = app.accounts.account_named(admin, &name);
        let rows: Vec<_> = user.iter().map(|user| AccountRow::new(app, user)).collect();
        let meta = UsersMeta { has_more: false };
        return Ok(success(StatusCode::OK, Some(rows), Some(meta)));
    }
    let (users, has_more) = app.accounts.accounts_after(
        admin,
        which.after.map_or(0, UserId::get),
        Limit::of(which.limit),
    );
    let rows: Vec<_> = users
        .iter()
        .map(|user| AccountRow::new(app, user))
        .collect();
    Ok(success(
        StatusCode::OK,
        Some(rows),
        Some(UsersMeta { has_more }),
    ))
}

pub(in crate::http) const PUT_USER: Operation = Operation::new(
    Access::Admin,
    "Makes (201) or changes (200) the account of that id, for an app that keeps its own users.",
)
.path::<Named>()
.body::<ForeignAccount>()
.answers(&[200, 201])
.refuses(&[Code::UsernameTaken])
.data::<AccountRow>();

/// `PUT /api/admin/users/:id` `{"username","avatar"?}`: 201 where it was made, 200 where it was there.
pub(in crate::http) async fn put_user(
    app: &App,
    request: Request<Incoming>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let id = Named::read(params)?.id;
    let body = body(request).await?;
    let account = ForeignAccount::read(&Fields::parse(&body)?)?;
    let put = PutAccount {
        id,
        username: account.username,
        avatar: account.avatar,
    };
    let made = app.accounts.put_account(admin, (app.clock)(), put).await?;
    let status = match made.created {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok(success(
        status,
        Some(AccountRow::new(app, &made.user)),
        None::<Nothing>,
    ))
}

pub(in crate::http) const CHANGE_USER: Operation = Operation::new(
    Access::Admin,
    "Changes an account. The last enabled administrator can be neither disabled nor demoted.",
)
.path::<Named>()
.body::<ChangedAccount>()
.refuses(&[Code::NotFound, Code::UsernameTaken])
.data::<AccountRow>();

/// `PATCH /api/admin/users/:id` `{"disabled"?,"is_admin"?,"username"?,"avatar"?,"password"?}`
pub(in crate::http) async fn change_user(
    app: &App,
    request: Request<Incoming>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let id = Named::read(params)?.id;
    let body = body(request).await?;
    let change = ChangedAccount::read(&Fields::parse(&body)?)?;
    let wish = ChangeAccount {
        username: change.username,
        avatar: change.avatar,
        password: change.password,
        disabled: change.disabled,
        is_admin: change.is_admin,
    };
    let user = app
        .accounts
        .change_account(admin, (app.clock)(), id, wish)
        .await?;
    Ok(success(
        StatusCode::OK,
        Some(AccountRow::new(app, &user)),
        None::<Nothing>,
    ))
}

pub(in crate::http) const CREATE_USER: Operation = Operation::new(
    Access::Admin,
    "Makes an account, whatever the mode of registration.",
)
.body::<WantedAccount>()
.answers(&[201])
.refuses(&[Code::UsernameTaken])
.data::<AccountRow>();

/// `POST /api/admin/users` `{"username","password","avatar"?,"is_admin"?}`: 201 and the account.
pub(in crate::http) async fn create_user(
    app: &App,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let admin = admin(app, &request).await?;
    let body = body(request).await?;
    let wanted = WantedAccount::read(&Fields::parse(&body)?)?;
    let wish = NewAccount {
        username: wanted.username,
        password: wanted.password,
        avatar: wanted.avatar,
        is_admin: wanted.is_admin.unwrap_or(false),
    };
    let user = app
        .accounts
        .create_account(admin, (app.clock)(), wish)
        .await?;
    Ok(success(
        StatusCode::CREATED,
        Some(AccountRow::new(app, &user)),
        None::<Nothing>,
    ))
}

/// `{"token","expires_at"}`
#[derive(Serialize, JsonSchema)]
struct Token {
    token: String,
    expires_at: Timestamp,
}

pub(in crate::http) const TOKEN: Operation = Operation::new(
    Access::Operator,
    "A token of somebody's, for whoever operates the server: answered by its control socket alone.",
)
.path::<Named>()
.answers(&[201])
.refuses(&[Code::NotFound, Code::AccountDisabled])
.data::<Token>();

/// `POST /api/admin/users/:id/token`: a token of somebody's, for whoever operates the server alone.
pub(in crate::http) async fn token(
    app: &App,
    request: &Request<Incoming>,
    params: &PathParams,
) -> Result<Response<Body>, ApiError> {
    let operator = operator(request)?;
    let id = Named::read(params)?.id;
    let login = app.accounts.token_of(operator, (app.clock)(), id)?;
    let token = Token {
        token: login.token,
        expires_at: login.expires_at,
    };
    Ok(success(StatusCode::CREATED, Some(token), None::<Nothing>))
}
