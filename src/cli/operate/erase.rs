//! `chatd erase`

use std::path::Path;
use std::time::Duration;

use hyper::Method;
use serde_json::Value;

use super::commands::{Erase, Whom};
use super::operator::Operator;
use super::run::say;
use crate::cli::bar::Bar;
use crate::cli::failure::maintain as explain;
use crate::store::maintain;

/// How often is asked whether all of an account's messages are erased: a server that is asked by
/// HTTP tells nothing by itself.
const ASKED_EVERY: Duration = Duration::from_millis(50);

impl Erase {
    /// Erases it, and returns once that is so.
    pub(super) async fn act(&self, operator: &mut Operator) -> Result<(), String> {
        if let Some(message) = self.message {
            let path = format!("/api/messages/{message}");
            operator.ask(Method::DELETE, &path, Value::Null).await?;
            return say(&format!("message {message} is erased"));
        }
        let user = self.user.clone().unwrap_or_default();
        let account = operator.find(&Whom { user, by: None }).await?;
        let path = format!("/api/admin/users/{}?messages=erase", account.id);
        operator.ask(Method::DELETE, &path, Value::Null).await?;
        while operator.is_erasing(&account).await? {
            tokio::time::sleep(ASKED_EVERY).await;
        }
        say(&format!("{account} is erased, and all that it said"))
    }
}

/// Takes what was erased out of a stopped server's file, too.
pub(super) fn compact(data: &Path) -> Result<(), String> {
    let mut bar = Bar::new();
    let compacted = maintain::compact(data, &mut |progress| bar.show(progress));
    drop(bar);
    compacted.map_err(|error| explain(data, &error))?;
    say("no byte of it is in the data file any more")
}
