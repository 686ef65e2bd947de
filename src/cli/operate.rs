//! Commands of whoever operates a server: asked of the running one by its control socket, and of the data file itself
//! while none runs. Either way they are requests of the same routes.

use std::fmt;
use std::io::{BufRead, ErrorKind, IsTerminal, Write};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use super::{By, Flags, Operate, UserCommand, Whom, chain, control, failure};
use crate::config::Config;
use crate::model::MAX_ID;
use crate::server::{self, Door, ServerError, control_socket};
use crate::store::Location;

/// How many accounts are asked for at once.
const PAGE: usize = 500;
/// What a pipe within the process holds: any answer's beginning.
const PIPE_BYTES: usize = 64 << 10;

/// Does what a command says.
pub(super) async fn run(command: &Operate, flags: &Flags) -> Result<(), String> {
    match control::connect(&flags.data).await {
        Ok(stream) => act(command, Operator::over(stream).await?).await,
        // No server, or one that was killed.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            ) =>
        {
            beside_a_stopped_server(command, flags).await
        }
        // A stranger's: the error says so.
        Err(error) if error.kind() == ErrorKind::Other => Err(error.to_string()),
        Err(error) => Err(format!(
            "{}: {error}: run this as the user who runs the server",
            control_socket(&flags.data).display()
        )),
    }
}

/// Opens the data file, and does it there.
async fn beside_a_stopped_server(command: &Operate, flags: &Flags) -> Result<(), String> {
    let makes = matches!(command, Operate::User(UserCommand::Add { .. }));
    if !makes && !flags.data.exists() {
        let data = flags.data.display();
        return Err(format!(
            "{data}: there is no such data file: give its --data"
        ));
    }
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let (stop, stopped) = oneshot::channel::<()>();
    let (ready, is_ready) = oneshot::channel::<()>();
    let config = Config {
        // Nobody comes by a network.
        tls: None,
        jwks: None,
        watchdog: None,
        // Nobody asks, and what is done is to be kept.
        metrics: None,
        demo: false,
        data: Location::File(flags.data.clone()),
        ..flags.config(1)?
    };
    let running = server::run(
        config,
        Door::Operator(theirs),
        |_| {
            let _ = ready.send(());
        },
        async { drop(stopped.await) },
    );
    let acting = async {
        // Until the file is open nothing is asked, so that nobody types a password in vain.
        let done = match is_ready.await {
            Ok(()) => match Operator::over(ours).await {
                Ok(operator) => act(command, operator).await,
                Err(error) => Err(error),
            },
            Err(_) => Ok(()),
        };
        drop(stop);
        done
    };
    let (ended, done) = tokio::join!(running, acting);
    ended.map_err(|error| match error {
        ServerError::Open(error) => failure::open(&flags.data, &error),
        error => format!("{}: {}", flags.data.display(), chain(&error)),
    })?;
    done
}

async fn act(command: &Operate, mut operator: Operator) -> Result<(), String> {
    match command {
        Operate::Token { whom } => {
            let account = operator.find(whom).await?;
            let path = format!("/api/admin/users/{}/token", account.id);
            let token = operator.ask(Method::POST, &path, json!({})).await?;
            // Standard output is the token's alone: scripts read it.
            if std::io::stderr().is_terminal() {
                let _ = writeln!(std::io::stderr(), "a token of {account}:");
            }
            say(token["token"].as_str().unwrap_or_default())
        }
        Operate::User(UserCommand::List) => operator.list().await,
        Operate::User(UserCommand::Add { name, admin }) => {
            let password = password(&format!("Password of {name}: ")).await?;
            let account = json!({"username": name, "password": password, "is_admin": admin});
            let made = operator
                .ask(Method::POST, "/api/admin/users", account)
                .await?;
            say(&format!("{name} is made, with id {}", made["id"]))
        }
        Operate::User(UserCommand::Passwd { whom }) => {
            let account = operator.find(whom).await?;
            let password = password(&format!("New password of {account}: ")).await?;
            operator
                .change(&account, json!({"password": password}))
                .await?;
            say(&format!(
                "{account} has another password; earlier tokens are void"
            ))
        }
        Operate::User(UserCommand::Disable { whom }) => {
            let account = operator.find(whom).await?;
            operator.change(&account, json!({"disabled": true})).await?;
            say(&format!("{account} is disabled"))
        }
        Operate::User(UserCommand::Enable { whom }) => {
            let account = operator.find(whom).await?;
            operator
                .change(&account, json!({"disabled": false}))
                .await?;
            say(&format!("{account} is enabled"))
        }
        Operate::User(UserCommand::Promote { whom }) => {
            let account = operator.find(whom).await?;
            operator.change(&account, json!({"is_admin": true})).await?;
            say(&format!("{account} is an administrator"))
        }
    }
}

/// Writes one line to standard output.
fn say(line: &str) -> Result<(), String> {
    writeln!(std::io::stdout(), "{line}")
        .map_err(|error| format!("standard output cannot be written: {error}"))
}

/// A new password: asked for twice on a terminal, else the first line of standard input.
async fn password(prompt: &str) -> Result<String, String> {
    let prompt = prompt.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            let password = rpassword::prompt_password(prompt)?;
            if rpassword::prompt_password("Once more: ")? != password {
                return Ok(None);
            }
            return Ok(Some(password));
        }
        let mut line = String::new();
        stdin.lock().read_line(&mut line)?;
        Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
    });
    let read: std::io::Result<Option<String>> = reading
        .await
        .map_err(|_| "the password could not be read".to_owned())?;
    read.map_err(|error| format!("the password could not be read: {error}"))?
        .ok_or_else(|| "the two passwords differ: try again".to_owned())
}

/// The account to which a command is done.
struct Account {
    id: u64,
    name: String,
}

impl Account {
    /// From its row.
    fn of(row: &Value) -> Option<Self> {
        Some(Self {
            id: row["id"].as_u64()?,
            name: row["username"].as_str()?.to_owned(),
        })
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (id {})", self.name, self.id)
    }
}

/// The id that a text is: digits alone, and no more of them than an id has.
fn id_of(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let id = text.parse().ok().filter(|id| *id <= MAX_ID);
    id.filter(|_| digits)
}

/// Speaks to the server as whoever operates it.
pub(super) struct Operator(SendRequest<Full<Bytes>>);

impl Operator {
    pub(super) async fn over<S>(stream: S) -> Result<Self, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| format!("the server does not answer: {error}"))?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// The `data` of an answer, or the words of a refusal.
    pub(super) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Value, String> {
        let failed = |error: hyper::Error| format!("the server does not answer: {error}");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(hyper::header::HOST, "localhost")
            .body(Full::from(body.to_string()))
            .map_err(|_| format!("{path} is no path"))?;
        self.0.ready().await.map_err(failed)?;
        let response = self.0.send_request(request).await.map_err(failed)?;
        let body = response.collect().await.map_err(failed)?.to_bytes();
        let mut answer: Value = serde_json::from_slice(&body)
            .map_err(|_| "the server gave an answer that cannot be read".to_owned())?;
        match answer["success"].as_bool() {
            Some(true) => Ok(answer["data"].take()),
            _ => Err(answer["error"]["message"]
                .as_str()
                .unwrap_or("the server refused")
                .to_owned()),
        }
    }

    async fn change(&mut self, account: &Account, change: Value) -> Result<Value, String> {
        let path = format!("/api/admin/users/{}", account.id);
        self.ask(Method::PATCH, &path, change).await
    }

    /// The account that is meant by a name or an id. A text that is one account's name and another's id is refused:
    /// strangers choose names.
    async fn find(&mut self, whom: &Whom) -> Result<Account, String> {
        let user = &whom.user;
        let named = match whom.by {
            Some(By::Id) => None,
            Some(By::Name) | None => self.named(user).await?,
        };
        let numbered = match (whom.by, id_of(user)) {
            (Some(By::Id) | None, Some(id)) => self.numbered(id).await?,
            (Some(By::Id), None) => return Err(format!("{user:?} is no id")),
            (Some(By::Name), _) | (None, None) => None,
        };
        match (named, numbered) {
            (Some(named), Some(numbered)) if named.id != numbered.id => Err(format!(
                "{user:?} is the name of {named}, and the id of {numbered}: say which by --by name or --by id"
            )),
            (Some(account), _) | (None, Some(account)) => Ok(account),
            (None, None) if id_of(user).is_some() => Err(format!(
                "no such user: no account has the name or the id {user}, see chatd user list"
            )),
            (None, None) => Err(format!("there is no account {user}: see chatd user list")),
        }
    }

    /// The account of a name.
    async fn named(&mut self, name: &str) -> Result<Option<Account>, String> {
        let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
        let path = format!("/api/admin/users?username={name}");
        let found = self.ask(Method::GET, &path, Value::Null).await?;
        Ok(Account::of(&found[0]))
    }

    /// The account of an id.
    async fn numbered(&mut self, id: u64) -> Result<Option<Account>, String> {
        let Some(before) = id.checked_sub(1) else {
            return Ok(None);
        };
        let after = match before {
            0 => String::new(),
            before => format!("&after={before}"),
        };
        let path = format!("/api/admin/users?limit=1{after}");
        let found = self.ask(Method::GET, &path, Value::Null).await?;
        Ok(Account::of(&found[0]).filter(|account| account.id == id))
    }

    async fn list(&mut self) -> Result<(), String> {
        say("    id  username          admin  disabled  last seen")?;
        let mut after = 0;
        loop {
            let from = match after {
                0 => String::new(),
                after => format!("&after={after}"),
            };
            let path = format!("/api/admin/users?limit={PAGE}{from}");
            let page = self.ask(Method::GET, &path, Value::Null).await?;
            let Some(rows) = page.as_array().filter(|rows| !rows.is_empty()) else {
                return Ok(());
            };
            for row in rows {
                let yes = |key: &str| if row[key] == true { "yes" } else { "-" };
                let seen = match row["online"] == true {
                    true => "online",
                    false => row["last_seen"].as_str().unwrap_or("-"),
                };
                say(&format!(
                    "{:>6}  {:<16}  {:<5}  {:<8}  {seen}",
                    row["id"].as_u64().unwrap_or_default(),
                    row["username"].as_str().unwrap_or_default(),
                    yes("is_admin"),
                    yes("disabled"),
                ))?;
                after = row["id"].as_u64().unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::cli::Command;
    use crate::model::{Timestamp, User, UserId, Username};
    use crate::store::{BATCHES, Change, NewUser, Store, StoreOptions};

    /// Does something in a runtime of its own, with which everything ends that has the data file open.
    fn alone<T>(act: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(act)
    }

    /// Does something with the data file's accounts.
    fn with_store<T>(data: &Path, act: impl AsyncFnOnce(&Store) -> T) -> T {
        alone(async {
            let (done, mut batches) =
                tokio::sync::mpsc::channel::<Vec<crate::store::Done>>(BATCHES);
            let location = Location::File(data.to_owned());
            let store = Store::open(&location, StoreOptions::default(), done).unwrap();
            let telling = tokio::spawn(async move {
                while let Some(batch) = batches.recv().await {
                    batch.into_iter().for_each(|done| done.tell(drop));
                }
            });
            let made = act(&store).await;
            let closing = tokio::task::spawn_blocking(move || store.close());
            closing.await.unwrap();
            telling.await.unwrap();
            made
        })
    }

    fn account(data: &Path, id: u64) -> User {
        let id = UserId::new(id).unwrap();
        with_store(data, async |store| User::clone(&store.user(id).unwrap()))
    }

    fn run_line(data: &Path, line: &[&str]) -> Result<(), String> {
        let words = ["chatd", "--data", data.to_str().unwrap()];
        let flags = Flags::try_parse_from(words.iter().chain(line)).unwrap();
        match &flags.command {
            Some(Command::Operate(command)) => alone(run(command, &flags)),
            _ => panic!("{line:?} is another command"),
        }
    }

    /// Somebody had registered as `2`, and `chatd user promote 2` made them an administrator.
    #[test]
    fn a_text_that_is_one_accounts_name_and_anothers_id_is_refused_until_it_is_said_which() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("chatd.redb");
        with_store(&data, async |store| {
            // An earlier version took digits for a name.
            for name in ["ada", "bob", "2", "77"] {
                let new = NewUser {
                    username: Username::stored(name),
                    avatar: None,
                    password_hash: "x".into(),
                    is_admin: false,
                    only_if_first: false,
                    invite: None,
                };
                let now = Timestamp::from_ms(1);
                store.apply(now, Change::CreateUser(new)).await.unwrap();
            }
        });
        for command in ["promote", "disable", "enable", "passwd"] {
            let refused = run_line(&data, &["user", command, "2"]).unwrap_err();
            assert!(
                refused.contains("the name of 2 (id 3)")
                    && refused.contains("the id of bob (id 2)"),
                "{refused}"
            );
        }
        assert!(run_line(&data, &["token", "2"]).is_err());
        assert!(!account(&data, 3).is_admin && !account(&data, 2).is_admin);

        let by_id = ["user", "promote", "2", "--by", "id"];
        run_line(&data, &by_id).unwrap();
        assert!(!account(&data, 3).is_admin && account(&data, 2).is_admin);
        let by_name = ["user", "disable", "2", "--by", "name"];
        run_line(&data, &by_name).unwrap();
        assert!(account(&data, 3).disabled && !account(&data, 2).disabled);
        // Where there is no choice nothing need be said.
        run_line(&data, &["user", "disable", "77"]).unwrap();
        run_line(&data, &["user", "promote", "1"]).unwrap();
        assert!(account(&data, 4).disabled && account(&data, 1).is_admin);
        for nobody in ["+1", " 1", "1 ", "0", "01x", "9007199254740992"] {
            let done = run_line(&data, &["user", "disable", nobody, "--by", "id"]);
            assert!(done.is_err(), "{nobody:?}");
        }
    }

    #[test]
    fn an_id_is_digits_alone() {
        for (text, id) in [
            ("2", Some(2)),
            ("02", Some(2)),
            ("9007199254740991", Some(MAX_ID)),
            ("9007199254740992", None),
            ("99999999999999999999999", None),
            ("+2", None),
            ("", None),
            ("2a", None),
            ("٢", None),
        ] {
            assert_eq!(id_of(text), id, "{text}");
        }
    }
}
