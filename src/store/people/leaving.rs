//! Accounts that leave: what is left of one, so that what it said still has a sender.

use std::sync::Arc;
use std::time::Duration;

use super::accounts::{PutBy, PutUser};
use super::api_keys::KeyHolder;
use super::refusal::PeopleRefusal;
use super::sessions::Ending;
use super::staging::StagingPeople;
use crate::model::{MadeBy, Timestamp, User, UserId, Username};
use crate::store::error::StoreError;

/// An account that is to be no more.
#[derive(Debug, Clone, Copy)]
pub struct Leaving {
    /// Whose.
    pub user: UserId,
    /// What it said is to be erased, too.
    pub erases: bool,
    /// How far the clocks of apps are ahead, whose tokens open the account: those are refused too
    /// that are dated so much later.
    pub issuers_ahead: Duration,
    /// Only while the account's token version is this one.
    pub if_token_version: Option<u32>,
}

impl StagingPeople<'_> {
    /// Deletes an account: its name, picture, password and keys are gone, and what it uploaded and
    /// has not sent; its username is free, and no token opens it. To delete it again changes
    /// nothing, unless now what it said is to be erased.
    pub(crate) fn delete_user(
        &mut self,
        now: Timestamp,
        leaving: &Leaving,
    ) -> Result<Arc<User>, PeopleRefusal> {
        let id = leaving.user;
        let earlier = Arc::clone(self.user(id).ok_or(PeopleRefusal::NoSuchUser)?);
        let version = leaving.if_token_version;
        if version.is_some_and(|version| version != earlier.token_version) {
            return Err(PeopleRefusal::Revoked);
        }
        let erasing = earlier.erasing || leaving.erases;
        if earlier.deleted {
            return Ok(match erasing == earlier.erasing {
                true => earlier,
                false => self.set_erasing(&earlier, true),
            });
        }
        if earlier.is_admin && !earlier.disabled && !self.another_administers(id) {
            return Err(PeopleRefusal::LastAdmin);
        }
        let until = match earlier.made_by {
            MadeBy::App => now.plus(leaving.issuers_ahead),
            MadeBy::Here => now,
        };
        let revoked_at = earlier.revoked_at;
        let user = User {
            username: Username::deleted(id),
            name: None,
            avatar: None,
            is_admin: false,
            disabled: true,
            deleted: true,
            erasing,
            token_version: earlier.token_version.wrapping_add(1),
            revoked_at: Some(revoked_at.map_or(until, |earlier| until.following(earlier))),
            last_seen: None,
            ..User::clone(&earlier)
        };
        self.staged.rows.credentials.push((id, None));
        self.staged.rows.erases = true;
        self.revoke_api_keys(|holder| *holder == KeyHolder::Bot(id));
        self.end_sessions(now, id, Ending::All);
        self.end_code(id);
        self.delete_hooks_of(id);
        self.files().forget_unsent_of(id);
        Ok(self.replace(now, &earlier, user))
    }

    /// Notes that all is erased that a deleted account said.
    pub(crate) fn sent_is_erased(&mut self, id: UserId) -> Result<Arc<User>, PeopleRefusal> {
        let earlier = Arc::clone(self.user(id).ok_or(PeopleRefusal::NoSuchUser)?);
        Ok(match earlier.erasing {
            true => self.set_erasing(&earlier, false),
            false => earlier,
        })
    }

    fn set_erasing(&mut self, earlier: &User, erasing: bool) -> Arc<User> {
        let user = Arc::new(User {
            erasing,
            ..earlier.clone()
        });
        self.put_user(Arc::clone(&user));
        user
    }

    /// Gives a person of an app their account again, once the app sends them anew. What they said
    /// earlier is under the same id, unless it was erased.
    pub(super) fn revive(
        &mut self,
        now: Timestamp,
        earlier: &User,
        put: &PutUser,
        username: Option<Username>,
    ) -> Result<Arc<User>, StoreError> {
        if earlier.made_by == MadeBy::Here {
            return Err(PeopleRefusal::MadeHere.into());
        }
        let named_at = match put.by {
            PutBy::Administrator | PutBy::Backend => Some(now),
            PutBy::Token { issued_at } => {
                if issued_at <= earlier.revoked_at {
                    return Err(PeopleRefusal::Revoked.into());
                }
                issued_at
            }
        };
        if earlier.erasing {
            // What they say from now on would be erased with the rest.
            return Err(StoreError::Unavailable);
        }
        let username = username.ok_or(PeopleRefusal::UsernameTaken)?;
        let user = User {
            name: put.name_beside(&username),
            username,
            avatar: put.avatar.clone().flatten(),
            disabled: false,
            deleted: false,
            created_at: now,
            named_at,
            ..earlier.clone()
        };
        Ok(self.replace(now, earlier, user))
    }
}
