//! A person with a token, and what they ask by REST.

use std::sync::LazyLock;

use reqwest::blocking::Client;
use serde_json::{Value, json};

/// One for all: making one reads every certificate of the machine.
static REST: LazyLock<Client> = LazyLock::new(Client::new);

/// An account and its token.
#[derive(Clone)]
pub struct Person {
    url: String,
    /// The account's id.
    pub id: u64,
    token: String,
}

impl Person {
    /// Registers an account.
    pub(crate) fn register(url: String, username: &str) -> Self {
        let account = json!({"username": username, "password": "correct horse battery"});
        let answer = REST
            .post(format!("{url}/api/auth/register"))
            .header("content-type", "application/json")
            .body(account.to_string())
            .send()
            .expect("an answer to the registration");
        let answer = answer.text().expect("the body of the answer");
        let answer: Value = serde_json::from_str(&answer).expect("an answer in JSON");
        let data = &answer["data"];
        let id = data["user"]["id"].as_u64();
        let token = data["token"].as_str();
        Self {
            url,
            id: id.unwrap_or_else(|| panic!("no id in {answer}")),
            token: token
                .unwrap_or_else(|| panic!("no token in {answer}"))
                .to_owned(),
        }
    }

    /// What a client connects with.
    pub fn auth(&self) -> Value {
        json!({"token": self.token})
    }

    /// The answer to a GET that must succeed.
    pub fn get(&self, path: &str) -> Value {
        self.try_get(path)
            .unwrap_or_else(|| panic!("no answer to GET {path}"))
    }

    /// The answer to a GET; `None` where the network or the server failed.
    pub fn try_get(&self, path: &str) -> Option<Value> {
        let answer = REST
            .get(format!("{}{path}", self.url))
            .bearer_auth(&self.token)
            .send()
            .ok()?;
        let answer: Value = serde_json::from_str(&answer.text().ok()?).ok()?;
        assert_eq!(answer["success"], true, "GET {path}: {answer}");
        Some(answer)
    }

    /// The ids of the conversation's messages, ascending; at most the newest 500.
    pub fn history(&self, peer: &Person) -> Vec<u64> {
        let page = self.get(&format!("/api/chats/history/{}?limit=500", peer.id));
        assert_eq!(page["meta"]["has_more"], false);
        let rows = page["data"].as_array().expect("rows");
        rows.iter().filter_map(|row| row["id"].as_u64()).collect()
    }
}
