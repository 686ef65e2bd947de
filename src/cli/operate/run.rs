//! Commands to the server: asked of the running one by its control socket, or of the data file
//! itself while none runs.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;

use hyper::Method;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::commands::{Operate, UserCommand};
use super::operator::Operator;
use super::{bots, erase, hooks, keys, rooms, users};
use crate::cli::failure::chain;
use crate::cli::flags::Flags;
use crate::cli::output::{say_all, say_once, shown};
use crate::cli::{control, failure};
use crate::config::Config;
use crate::server::{self, Door, ServerError, control_socket};
use crate::store::Location;

/// 64 KiB: a pipe within the process holds the beginning of any answer.
const PIPE_BYTES: usize = 64 << 10;

/// Does what a command says.
pub(in crate::cli) async fn run(command: &Operate, flags: &Flags) -> Result<(), String> {
    match control::connect(&flags.data).await {
        Ok(stream) => {
            act(command, &mut Operator::over(stream).await?, None).await?;
            match command {
                Operate::Erase(_) => say(
                    "its bytes leave the data file within --erase-within, or at once by chatd compact",
                ),
                _ => Ok(()),
            }
        }
        // No server, or one that was killed.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::ConnectionRefused
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

/// Opens the data file, which must be there, and does it there. A key that is made in a new file,
/// because its command ran in another folder, opens nothing. Only the first account may come before
/// the first start of a server, and that the file is new is said.
async fn beside_a_stopped_server(command: &Operate, flags: &Flags) -> Result<(), String> {
    let new = first_account(command, &flags.data)?;
    let is_new = new.is_some();
    // Before there is a file, so that who thinks better of it has made none.
    let password = match new.filter(|_| has_folder(&flags.data)) {
        Some(username) => Some(users::password_of(username).await?),
        None => None,
    };
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let (stop, stopped) = oneshot::channel::<()>();
    let (ready, is_ready) = oneshot::channel::<()>();
    let config = Config {
        // No request comes by a network.
        tls: None,
        jwks: Vec::new(),
        hooks_tell: false,
        watchdog: None,
        // There is no scraper, and the changes are to be kept.
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
        // Until a file that is there is open nothing is asked: no password is typed in vain.
        let done = match is_ready.await {
            Ok(()) => match Operator::over(ours).await {
                Ok(mut operator) => {
                    let done = act(command, &mut operator, password).await;
                    if is_new && done.is_err() {
                        unmake(&flags.data, &mut operator).await;
                    }
                    done
                }
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
    done?;
    if is_new {
        let data = flags.data.display();
        let _ = writeln!(std::io::stderr(), "{data}: a new data file was made");
    }
    match command {
        Operate::Erase(_) => erase::compact(&flags.data),
        _ => Ok(()),
    }
}

/// Returns for whom a data file is made with the first account; `None` where it is there. Fails
/// where it is not to be made.
fn first_account<'a>(command: &'a Operate, data: &Path) -> Result<Option<&'a str>, String> {
    match (std::fs::metadata(data), command) {
        (Ok(_), _) => Ok(None),
        (Err(error), Operate::User(UserCommand::Add { username, .. }))
            if error.kind() == ErrorKind::NotFound =>
        {
            Ok(Some(username))
        }
        (Err(error), _) => Err(failure::no_data(data, &error)),
    }
}

/// Returns whether there is a folder for a data file.
fn has_folder(data: &Path) -> bool {
    data.parent()
        .is_none_or(|folder| folder.as_os_str().is_empty() || folder.is_dir())
}

/// Takes a data file away that was made in vain, while it is ours alone: what was made for a first
/// account is not to stay where there is none.
async fn unmake(data: &Path, operator: &mut Operator) {
    if operator.has_nobody().await
        && let Err(error) = std::fs::remove_file(data)
    {
        tracing::debug!(%error, "a data file without accounts could not be removed");
    }
}

async fn act(
    command: &Operate,
    operator: &mut Operator,
    password: Option<String>,
) -> Result<(), String> {
    match command {
        Operate::Token { whom } => {
            let account = operator.find(whom).await?;
            let path = format!("/api/admin/users/{}/token", account.id);
            let token = operator.ask(Method::POST, &path, json!({})).await?;
            // Standard output is the token's alone: scripts read it.
            if std::io::stderr().is_terminal() {
                let _ = writeln!(std::io::stderr(), "a token of {account}:");
            }
            say_once(token["token"].as_str().unwrap_or_default())
        }
        Operate::Erase(erase) => erase.act(operator).await,
        Operate::Key(command) => keys::act(command, operator).await,
        Operate::Hook(command) => hooks::act(command, operator).await,
        Operate::Room(command) => rooms::act(command, operator).await,
        Operate::Bot(command) => bots::act(command, operator).await,
        Operate::User(command) => users::act(command, operator, password).await,
    }
}

/// A number of a row. A JSON value written as it is keeps to no column.
pub(super) fn number(row: &Value, key: &str) -> u64 {
    row[key].as_u64().unwrap_or_default()
}

/// Writes one line to standard output.
pub(super) fn say(line: &str) -> Result<(), String> {
    say_all(format!("{}\n", shown(line)).as_bytes())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::command::Command;
    use crate::model::{Timestamp, User, UserId, Username};
    use crate::store::{BATCHES, Change, NewUser, Store, StoreOptions};

    /// Does something in a runtime of its own, with which everything ends that has the data file
    /// open.
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

    /// A stranger had registered as `2`, and `chatd user promote 2` made them an administrator.
    #[test]
    fn a_text_that_is_one_accounts_name_and_anothers_id_is_refused_until_it_is_said_which() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("chatd.redb");
        with_store(&data, async |store| {
            // An earlier version took digits for a name.
            for name in ["ada", "bob", "2", "77"] {
                let new = NewUser {
                    username: Username::stored(name),
                    name: None,
                    avatar: None,
                    password_hash: Some("x".into()),
                    is_admin: false,
                    is_bot: false,
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
}
