//! An app's own users: made and changed by its backend, many at once, and found by what the app
//! calls them.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{AccountError, Accounts, UsersAdmin, checked_avatar};
use crate::model::{
    FIRST_OWN_ID, MAX_SUBJECT_BYTES, Name, Timestamp, User, UserError, UserId, Username, Whom,
};
use crate::store::{PutBy, PutUser};

/// An account as an app's backend has it, not yet checked.
#[derive(Debug)]
pub struct AppUser {
    /// Its id in chatd, where the app gave it.
    pub id: Option<UserId>,
    /// What the app's tokens call it.
    pub subject: Option<String>,
    /// The name that is shown.
    pub name: String,
    /// A username of its own, which must be free; else it is like the name, and where that is taken
    /// the id is put beside it.
    pub username: Option<String>,
    /// Its picture, or none; absent, an existing account keeps its own.
    pub avatar: Option<Option<String>>,
}

/// An account that a backend made or changed.
#[derive(Debug)]
pub struct MadeAppUser {
    /// The account.
    pub user: Arc<User>,
    /// What the app called it, where by a subject.
    pub subject: Option<String>,
    /// Whether it was made now.
    pub created: bool,
}

impl Accounts {
    /// Makes or changes the accounts of these, in their order. Where one does not fit nothing is
    /// done, and the error comes with its place; where one cannot be stored the others may be.
    pub async fn put_app_users(
        &self,
        admin: UsersAdmin,
        now: Timestamp,
        users: Vec<AppUser>,
    ) -> Result<Vec<MadeAppUser>, (usize, AccountError)> {
        let mut puts = Vec::with_capacity(users.len());
        for (place, user) in users.into_iter().enumerate() {
            let subject = user.subject.clone();
            let put = self.put_of(user).and_then(|put| {
                self.must_reach(admin, &put.whom)?;
                Ok(put)
            });
            let put = put.map_err(|error| (place, error))?;
            puts.push((subject, put));
        }
        // All at once: the store takes them in this order, and they share its commits.
        let made = puts.into_iter().map(async |(subject, put)| {
            let made = self.put(now, put).await?;
            Ok(MadeAppUser {
                user: made.user,
                subject,
                created: made.created,
            })
        });
        let made = join_all(made).await.into_iter().enumerate();
        made.map(|(place, made)| made.map_err(|error| (place, error)))
            .collect()
    }

    fn put_of(&self, user: AppUser) -> Result<PutUser, AccountError> {
        let whom = match (user.id, user.subject) {
            // A token that says such a number means another account by it.
            (Some(id), None) if id.get() >= FIRST_OWN_ID && self.store.user(id).is_none() => {
                return Err(AccountError::OwnId);
            }
            (Some(id), None) => Whom::Id(id),
            (None, Some(subject)) => self.whom_of(subject).ok_or(AccountError::Subject)?,
            _ => return Err(AccountError::IdOrSubject),
        };
        // Judged before a username is made of it, so that an error names the key that is wrong.
        let name = match Name::parse(&user.name) {
            Ok(name) => Some(name),
            Err(UserError::ReservedName) => None,
            Err(error) => return Err(error.into()),
        };
        let named = |text: &str| match &whom {
            Whom::Id(id) => Username::foreign_of(text, *id),
            Whom::Subject(_) => Username::foreign(text),
        };
        let (names, is_numbered) = match &user.username {
            Some(username) => (vec![named(username)?], false),
            // One that is no username, as a number is none, leaves the account to its id.
            None => (named(&user.name).into_iter().collect(), true),
        };
        Ok(PutUser {
            whom,
            names,
            name,
            is_numbered,
            avatar: match user.avatar {
                Some(avatar) => Some(checked_avatar(avatar)?),
                None => None,
            },
            by: PutBy::Backend,
        })
    }

    /// Whom the first issuer means by a subject. An account from before an issuer was named is
    /// found by that.
    fn whom_of(&self, subject: String) -> Option<Whom> {
        if !(1..=MAX_SUBJECT_BYTES).contains(&subject.len()) {
            return None;
        }
        let (whom, earlier) = self.foreign.read().whom(0, subject);
        let earlier = earlier.filter(|earlier| {
            self.store.user_of(&whom).is_none() && self.store.user_of(earlier).is_some()
        });
        Some(earlier.unwrap_or(whom))
    }

    /// The account of an app's user whom the first issuer calls so.
    pub fn user_of_subject(&self, subject: &str) -> Option<Arc<User>> {
        self.store.user_of(&self.whom_of(subject.to_owned())?)
    }
}
