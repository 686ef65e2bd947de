//! `chatd room`: which rooms there are, and who is in them.

use hyper::Method;
use serde_json::Value;

use super::commands::RoomCommand;
use super::operator::Operator;
use super::run::{number, say};

/// The route of all rooms.
const ROOMS: &str = "/api/admin/rooms";
/// Rows that are asked for at once.
const PAGE: usize = 500;

/// Does what a command says.
pub(super) async fn act(command: &RoomCommand, operator: &mut Operator) -> Result<(), String> {
    match command {
        RoomCommand::List => {
            say("    id  members  kind    archived                  name")?;
            pages(operator, ROOMS, "id", |room| {
                say(&format!(
                    "{:>6}  {:>7}  {:<6}  {:<24}  {}",
                    number(room, "id"),
                    number(room, "member_count"),
                    text(room, "kind"),
                    room["archived_at"].as_str().unwrap_or("-"),
                    text(room, "name"),
                ))
            })
            .await
        }
        RoomCommand::Show { room } => {
            let path = format!("{ROOMS}/{room}");
            let shown = operator.ask(Method::GET, &path, Value::Null).await?;
            for (key, value) in shown.as_object().into_iter().flatten() {
                let value = match value {
                    Value::Null => "-".to_owned(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                say(format!("{key:<13} {value}").trim_end())?;
            }
            Ok(())
        }
        RoomCommand::Members { room } => {
            let path = format!("{ROOMS}/{room}/members");
            // Asked first, so that of a room that is not there no heading is printed.
            operator.ask(Method::GET, &path, Value::Null).await?;
            say("    id  username          role    joined                    name")?;
            pages(operator, &path, "user_id", |member| {
                let username = text(member, "username");
                let name = Some(text(member, "name")).filter(|name| *name != username);
                let line = format!(
                    "{:>6}  {username:<16}  {:<6}  {:<24}  {}",
                    number(member, "user_id"),
                    text(member, "role"),
                    text(member, "joined_at"),
                    name.unwrap_or_default(),
                );
                say(line.trim_end())
            })
            .await
        }
    }
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

/// Asks for all rows of a list, which ascends by the key of this name, and prints each.
async fn pages(
    operator: &mut Operator,
    list: &str,
    key: &str,
    print: impl Fn(&Value) -> Result<(), String>,
) -> Result<(), String> {
    let mut path = format!("{list}?limit={PAGE}");
    loop {
        let page = operator.ask(Method::GET, &path, Value::Null).await?;
        let rows = page.as_array().map_or(&[][..], |rows| rows);
        for row in rows {
            print(row)?;
        }
        let Some(last) = rows.last() else {
            return Ok(());
        };
        path = format!("{list}?limit={PAGE}&after={}", last[key]);
    }
}
