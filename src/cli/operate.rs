//! Commands of whoever operates a server: asked of the running one by its control socket, and of the data file itself
//! while none runs. Either way they are requests of the same routes.

use std::io::{BufRead, ErrorKind, IsTerminal, Write};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use super::{Flags, Operate, UserCommand, chain, failure};
use crate::config::Config;
use crate::server::{self, Door, ServerError, control_socket};
use crate::store::Location;

/// How many accounts are asked for at once.
const PAGE: usize = 500;
/// What a pipe within the process holds: any answer's beginning.
const PIPE_BYTES: usize = 64 << 10;

/// Does what a command says.
pub(super) async fn run(command: &Operate, flags: &Flags) -> Result<(), String> {
    let path = control_socket(&flags.data);
    match UnixStream::connect(&path).await {
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
        Err(error) => Err(format!(
            "{}: {error}: run this as the user who runs the server",
            path.display()
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
        Operate::Token { user } => {
            let id = operator.find(user).await?;
            let path = format!("/api/admin/users/{id}/token");
            let token = operator.ask(Method::POST, &path, json!({})).await?;
            say(token["token"].as_str().unwrap_or_default())
        }
        Operate::User(UserCommand::List) => operator.list().await,
        Operate::User(UserCommand::Add { name, admin }) => {
            let account =
                json!({"username": name, "password": password().await?, "is_admin": admin});
            let made = operator
                .ask(Method::POST, "/api/admin/users", account)
                .await?;
            say(&format!("{name} is made, with id {}", made["id"]))
        }
        Operate::User(UserCommand::Passwd { user }) => {
            let id = operator.find(user).await?;
            let change = json!({"password": password().await?});
            operator.change(id, change).await?;
            say(&format!(
                "{user} has another password; earlier tokens are void"
            ))
        }
        Operate::User(UserCommand::Disable { user }) => {
            let id = operator.find(user).await?;
            operator.change(id, json!({"disabled": true})).await?;
            say(&format!("{user} is disabled"))
        }
        Operate::User(UserCommand::Enable { user }) => {
            let id = operator.find(user).await?;
            operator.change(id, json!({"disabled": false})).await?;
            say(&format!("{user} is enabled"))
        }
        Operate::User(UserCommand::Promote { user }) => {
            let id = operator.find(user).await?;
            operator.change(id, json!({"is_admin": true})).await?;
            say(&format!("{user} is an administrator"))
        }
    }
}

/// Writes one line to standard output.
fn say(line: &str) -> Result<(), String> {
    writeln!(std::io::stdout(), "{line}")
        .map_err(|error| format!("standard output cannot be written: {error}"))
}

/// A new password: asked for twice on a terminal, else the first line of standard input.
async fn password() -> Result<String, String> {
    let reading = tokio::task::spawn_blocking(|| {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            let password = rpassword::prompt_password("Password: ")?;
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

    async fn change(&mut self, id: u64, change: Value) -> Result<Value, String> {
        let path = format!("/api/admin/users/{id}");
        self.ask(Method::PATCH, &path, change).await
    }

    /// The id of an account that is given by its name, or by its id where no account has that name.
    async fn find(&mut self, user: &str) -> Result<u64, String> {
        let name: String = form_urlencoded::byte_serialize(user.as_bytes()).collect();
        let path = format!("/api/admin/users?username={name}");
        let found = self.ask(Method::GET, &path, Value::Null).await?;
        if let Some(id) = found[0]["id"].as_u64() {
            return Ok(id);
        }
        user.parse()
            .map_err(|_| format!("there is no account {user}: see chatd user list"))
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
