//! A client of the server's routes that speaks as its operator.

use std::fmt;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use super::commands::{By, Whom};
use super::run::say;
use crate::cli::output::shown;
use crate::cli::values::id_of;

/// Accounts that are asked for at once.
const PAGE: usize = 500;

/// The account to which a command is done.
pub(super) struct Account {
    pub(super) id: u64,
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
        write!(f, "{} (id {})", shown(&self.name), self.id)
    }
}

/// Speaks to the server as its operator.
pub(in crate::cli) struct Operator(SendRequest<Full<Bytes>>);

impl Operator {
    pub(in crate::cli) async fn over<S>(stream: S) -> Result<Self, String>
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
    pub(in crate::cli) async fn ask(
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

    pub(super) async fn change(
        &mut self,
        account: &Account,
        change: Value,
    ) -> Result<Value, String> {
        let path = format!("/api/admin/users/{}", account.id);
        self.ask(Method::PATCH, &path, change).await
    }

    /// Returns whether it is sure that there is no account.
    pub(super) async fn has_nobody(&mut self) -> bool {
        let path = "/api/admin/users?limit=1";
        let found = self.ask(Method::GET, path, Value::Null).await;
        found.is_ok_and(|found| found.as_array().is_some_and(Vec::is_empty))
    }

    /// Whether what a deleted account said is still being erased.
    pub(super) async fn is_erasing(&mut self, account: &Account) -> Result<bool, String> {
        let from = match account.id - 1 {
            0 => String::new(),
            before => format!("&after={before}"),
        };
        let path = format!("/api/admin/users?limit=1{from}");
        let found = self.ask(Method::GET, &path, Value::Null).await?;
        Ok(found[0]["id"] == account.id && found[0]["erasing"] == true)
    }

    /// The account that is meant by a name or an id. A text that is one account's name and
    /// another's id is refused: strangers choose names.
    pub(super) async fn find(&mut self, whom: &Whom) -> Result<Account, String> {
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

    pub(super) async fn list(&mut self) -> Result<(), String> {
        say("    id  username          admin  disabled  last seen                 name")?;
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
                let name = row["name"].as_str().filter(|name| row["username"] != *name);
                let line = format!(
                    "{:>6}  {:<16}  {:<5}  {:<8}  {seen:<24}  {}",
                    row["id"].as_u64().unwrap_or_default(),
                    row["username"].as_str().unwrap_or_default(),
                    yes("is_admin"),
                    yes("disabled"),
                    name.unwrap_or_default(),
                );
                say(line.trim_end())?;
                after = row["id"].as_u64().unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MAX_ID;

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
