//! Commands on accounts.

use std::io::{BufRead, IsTerminal, Write};

use hyper::Method;
use serde_json::json;

use super::commands::UserCommand;
use super::operator::Operator;
use super::run::say;
use crate::cli::output::say_once;

/// Does what a command on accounts says. `password` is that of a new account, where it was asked
/// for already.
pub(super) async fn act(
    command: &UserCommand,
    operator: &mut Operator,
    password: Option<String>,
) -> Result<(), String> {
    match command {
        UserCommand::List => operator.list().await,
        UserCommand::Add {
            username,
            name,
            admin,
        } => {
            let password = match password {
                Some(password) => password,
                None => password_of(username).await?,
            };
            let account = json!({
                "username": username, "name": name, "password": password, "is_admin": admin,
            });
            let made = operator
                .ask(Method::POST, "/api/admin/users", account)
                .await?;
            say(&format!("{username} is made, with id {}", made["id"]))
        }
        UserCommand::Passwd { whom } => {
            let account = operator.find(whom).await?;
            let password = ask(format!("New password of {account}: ")).await?;
            operator
                .change(&account, json!({"password": password}))
                .await?;
            say(&format!(
                "{account} has another password; earlier tokens are void"
            ))
        }
        UserCommand::ResetLink { whom } => {
            let account = operator.find(whom).await?;
            let path = format!("/api/admin/users/{}/reset-link", account.id);
            let link = operator.ask(Method::POST, &path, json!({})).await?;
            // Standard output is the link's alone: scripts read it.
            if std::io::stderr().is_terminal() {
                let _ = writeln!(
                    std::io::stderr(),
                    "a link for {account}, good once and for 24 hours; if people reach the server by another address, put that before /#/ or give it as --public-url:"
                );
            }
            say_once(link["url"].as_str().unwrap_or_default())
        }
        UserCommand::Disable { whom } => {
            let account = operator.find(whom).await?;
            operator.change(&account, json!({"disabled": true})).await?;
            say(&format!("{account} is disabled"))
        }
        UserCommand::Enable { whom } => {
            let account = operator.find(whom).await?;
            operator
                .change(&account, json!({"disabled": false}))
                .await?;
            say(&format!("{account} is enabled"))
        }
        UserCommand::Promote { whom } => {
            let account = operator.find(whom).await?;
            operator.change(&account, json!({"is_admin": true})).await?;
            say(&format!("{account} is an administrator"))
        }
    }
}

/// The password of a new account: [`ask`].
pub(super) async fn password_of(username: &str) -> Result<String, String> {
    ask(format!("Password of {username}: ")).await
}

/// A new password: asked for twice on a terminal, else the first line of standard input.
async fn ask(prompt: String) -> Result<String, String> {
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
