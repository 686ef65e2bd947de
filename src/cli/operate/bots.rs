//! `chatd bot`: the accounts of programs, and their keys.

use hyper::Method;
use serde_json::{Value, json};

use super::commands::{BotCommand, Whom};
use super::operator::{Account, Operator};
use super::run::{number, say};
use crate::cli::output::say_once;

/// Does what a command says.
pub(super) async fn act(command: &BotCommand, operator: &mut Operator) -> Result<(), String> {
    match command {
        BotCommand::Add { username, name } => {
            let bot = json!({"username": username, "name": name});
            let made = operator.ask(Method::POST, "/api/admin/bots", bot).await?;
            // Standard output is the key's alone: scripts read it.
            say_once(made["key"].as_str().unwrap_or_default())
        }
        BotCommand::Key { whom } => {
            let (bot, _) = find(whom, operator).await?;
            let path = format!("/api/admin/bots/{}/keys", bot.id);
            let made = operator.ask(Method::POST, &path, json!({})).await?;
            say_once(made["key"].as_str().unwrap_or_default())
        }
        BotCommand::Revoke { whom, key: None } => {
            let (_, row) = find(whom, operator).await?;
            say("  key  made                      paused")?;
            for key in row["keys"].as_array().into_iter().flatten() {
                say(&format!(
                    "{:>5}  {}  {}",
                    number(key, "id"),
                    key["created_at"].as_str().unwrap_or_default(),
                    if key["paused"] == true { "yes" } else { "-" },
                ))?;
            }
            Ok(())
        }
        BotCommand::Revoke {
            whom,
            key: Some(key),
        } => {
            let (bot, _) = find(whom, operator).await?;
            let path = format!("/api/admin/bots/{}/keys/{key}", bot.id);
            operator.ask(Method::DELETE, &path, Value::Null).await?;
            say(&format!("key {key} of {bot} is taken back"))
        }
    }
}

/// Returns the bot that is meant, and its row with its keys. Fails on an account of a person.
async fn find(whom: &Whom, operator: &mut Operator) -> Result<(Account, Value), String> {
    let bot = operator.find(whom).await?;
    let mut bots = operator
        .ask(Method::GET, "/api/admin/bots", Value::Null)
        .await?;
    let is_it = |row: &&mut Value| row["id"] == bot.id;
    let row = bots
        .as_array_mut()
        .and_then(|bots| bots.iter_mut().find(is_it));
    let row = row.ok_or_else(|| format!("{bot} is no bot"))?.take();
    Ok((bot, row))
}
