//! `chatd key`: the credentials of apps' backends.

use hyper::Method;
use serde_json::{Value, json};

use super::commands::KeyCommand;
use super::operator::Operator;
use super::run::{number, say};
use crate::cli::output::say_once;

/// The route of the keys.
const KEYS: &str = "/api/admin/keys";

/// Does what a command says.
pub(super) async fn act(command: &KeyCommand, operator: &mut Operator) -> Result<(), String> {
    match command {
        KeyCommand::Add { name, scope } => {
            let key = json!({"name": name, "scope": scope.as_str()});
            let made = operator.ask(Method::POST, KEYS, key).await?;
            // Standard output is the key's alone: scripts read it.
            say_once(made["key"].as_str().unwrap_or_default())
        }
        KeyCommand::List => {
            let keys = operator.ask(Method::GET, KEYS, Value::Null).await?;
            say("  key  scope  made                      paused  name")?;
            for key in keys.as_array().into_iter().flatten() {
                let text = |name: &str| key[name].as_str().unwrap_or_default();
                say(&format!(
                    "{:>5}  {:<5}  {}  {:<6}  {}",
                    number(key, "id"),
                    text("scope"),
                    text("created_at"),
                    if key["paused"] == true { "yes" } else { "-" },
                    text("name"),
                ))?;
            }
            Ok(())
        }
        KeyCommand::Revoke { key } => {
            let path = format!("{KEYS}/{key}");
            operator.ask(Method::DELETE, &path, Value::Null).await?;
            say(&format!("key {key} is taken back"))
        }
    }
}
