//! `chatd hook`: how other systems write here and are told.

use hyper::Method;
use serde_json::Value;

use super::commands::HookCommand;
use super::operator::Operator;
use super::run::say;

/// Does what a command says.
pub(super) async fn act(command: &HookCommand, operator: &mut Operator) -> Result<(), String> {
    match command {
        HookCommand::List => list(operator).await,
    }
}

async fn list(operator: &mut Operator) -> Result<(), String> {
    let incoming = operator.ask(Method::GET, "/api/admin/hooks/in", Value::Null);
    let incoming = incoming.await?;
    let outgoing = operator.ask(Method::GET, "/api/admin/hooks/out", Value::Null);
    let outgoing = outgoing.await?;
    say(" hook  way  state    behind  last answer  what")?;
    for hook in incoming.as_array().into_iter().flatten() {
        let state = match hook["paused"] == true {
            true => "paused",
            false => "active",
        };
        let chat = match hook["room_id"].as_u64() {
            Some(room) => format!("room {room}"),
            None => format!("user {}", hook["user_id"]),
        };
        let name = hook["name"].as_str().unwrap_or_default();
        let what = format!("{name}: bot {} to {chat}", hook["bot_id"]);
        say(&line(hook, "in", state, "-", "-", &what))?;
    }
    for hook in outgoing.as_array().into_iter().flatten() {
        let text = |name: &str| hook[name].as_str().unwrap_or_default();
        let last = &hook["last_answer"];
        let answer = match (last["status"].as_u64(), last.is_null()) {
            (Some(status), _) => status.to_string(),
            (None, true) => "-".to_owned(),
            (None, false) => "none".to_owned(),
        };
        let behind = hook["behind"].to_string();
        say(&line(
            hook,
            "out",
            text("state"),
            &behind,
            &answer,
            text("url"),
        ))?;
    }
    Ok(())
}

fn line(hook: &Value, way: &str, state: &str, behind: &str, answer: &str, what: &str) -> String {
    let id = hook["id"].to_string();
    format!("{id:>5}  {way:<3}  {state:<7}  {behind:>6}  {answer:<11}  {what}")
}
