//! How an account is written, and who is who in memory.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};

use super::names::Names;
use crate::model::{MadeBy, Name, Subject, Timestamp, User, UserId, Username};
use crate::store::error::StoreError;
use crate::store::sealed::{seal, unseal};

/// An account as it stands in the `users` table: JSON, so that a later format may add keys.
#[derive(Serialize, Deserialize)]
pub(crate) struct UserRecord {
    username: String,
    /// The name that is shown, where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    avatar: Option<String>,
    #[serde(default)]
    is_admin: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_bot: bool,
    #[serde(default)]
    disabled: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    erasing: bool,
    #[serde(default)]
    token_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at_ms: Option<u64>,
    created_at_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_seen_ms: Option<u64>,
    /// Absent in rows of before 2026-12: an account with a password was made here then, one without
    /// by an app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of_app: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    named_at_ms: Option<u64>,
    /// With `subject`: whom an app means by the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
}

/// The sealed value of an account.
pub(crate) fn encode(user: &User) -> Vec<u8> {
    let record = UserRecord {
        username: user.username.as_str().to_owned(),
        name: user.name.as_ref().map(|name| name.as_str().to_owned()),
        avatar: user.avatar.as_deref().map(str::to_owned),
        is_admin: user.is_admin,
        is_bot: user.is_bot,
        disabled: user.disabled,
        deleted: user.deleted,
        erasing: user.erasing,
        token_version: user.token_version,
        revoked_at_ms: user.revoked_at.map(Timestamp::as_ms),
        created_at_ms: user.created_at.as_ms(),
        last_seen_ms: user.last_seen.map(Timestamp::as_ms),
        of_app: Some(user.made_by == MadeBy::App),
        profile_at_ms: user.profile_at.map(Timestamp::as_ms),
        named_at_ms: user.named_at.map(Timestamp::as_ms),
        issuer: user.subject.as_ref().map(|whom| whom.issuer.to_string()),
        subject: user.subject.as_ref().map(|whom| whom.subject.to_string()),
    };
    seal(
        user.id.get(),
        &serde_json::to_vec(&record).expect("a record of strings and numbers is valid JSON"),
    )
}

/// Returns who made an account of which it was not written down.
pub(crate) const fn made_by(has_password: bool) -> MadeBy {
    match has_password {
        true => MadeBy::Here,
        false => MadeBy::App,
    }
}

/// Reads an account back. `has_password` is asked only where the row does not say who made it.
pub(crate) fn decode(
    key: u64,
    sealed: &[u8],
    has_password: impl FnOnce(u64) -> Result<bool, StoreError>,
) -> Result<User, StoreError> {
    let damaged = || StoreError::Damaged {
        table: "users",
        key,
    };
    let record: UserRecord =
        serde_json::from_slice(unseal("users", key, sealed)?).map_err(|_| damaged())?;
    Ok(User {
        id: UserId::new(key).map_err(|_| damaged())?,
        username: Username::stored(&record.username),
        name: record.name.as_deref().map(Name::stored),
        avatar: record.avatar.map(Into::into),
        is_admin: record.is_admin,
        is_bot: record.is_bot,
        disabled: record.disabled,
        deleted: record.deleted,
        erasing: record.erasing,
        token_version: record.token_version,
        revoked_at: record.revoked_at_ms.map(Timestamp::from_ms),
        created_at: Timestamp::from_ms(record.created_at_ms),
        last_seen: record.last_seen_ms.map(Timestamp::from_ms),
        made_by: match record.of_app {
            Some(true) => MadeBy::App,
            Some(false) => MadeBy::Here,
            None => made_by(has_password(key)?),
        },
        profile_at: record.profile_at_ms.map(Timestamp::from_ms),
        named_at: record.named_at_ms.map(Timestamp::from_ms),
        subject: record.subject.map(|subject| {
            Arc::new(Subject {
                issuer: record.issuer.unwrap_or_default().into(),
                subject: subject.into(),
            })
        }),
    })
}

/// Returns the keys by which a search finds an account: of its username, and of its name if that is
/// another one. A disabled account has none.
fn found_by(user: &User) -> Vec<String> {
    if user.disabled {
        return Vec::new();
    }
    let name = user.name.as_ref();
    let name = name.map(|name| Username::key_of(name.as_str()));
    let mut keys = vec![user.username.key()];
    keys.extend(name.filter(|name| *name != keys[0]));
    keys
}

/// Returns whether two forms of an account are found by the same keys.
fn are_found_alike(one: &User, other: &User) -> bool {
    one.disabled == other.disabled
        && one.username.is_written(&other.username)
        && one.name == other.name
}

/// Every account, in memory: some 350 bytes each with its name and all that it is found by.
#[derive(Default)]
pub(crate) struct Directory {
    users: FxHashMap<UserId, Arc<User>>,
    /// By [`Username::key`]. A keyed hash, since strangers choose names.
    names: HashMap<String, UserId>,
    /// Accounts of an earlier version whose [`Username::key`] an older account has too, by
    /// [`Username::letters_of`]: usable as before, until they are renamed.
    look_alikes: HashMap<String, UserId>,
    /// By whom an app means. A keyed hash, since an app's users may choose what it calls them.
    subjects: HashMap<Arc<Subject>, UserId>,
    /// The usernames and names of those who are not disabled.
    searched: Names,
    ids: BTreeSet<UserId>,
    /// The administrators who are not disabled.
    admins: FxHashSet<UserId>,
    bots: BTreeSet<UserId>,
    /// Those who are gone, and what they said is still to be erased.
    erasing: BTreeSet<UserId>,
    /// Those who were shown otherwise once, by when that last was.
    profiles: BTreeSet<(Timestamp, UserId)>,
    /// How many were made here, and not by an app, without bots.
    made_here: usize,
    greatest: u64,
    used_ids: u64,
}

impl Directory {
    /// That of all these.
    pub(crate) fn of(users: Vec<Arc<User>>) -> Self {
        let keys = |user: &Arc<User>| {
            let id = user.id;
            found_by(user).into_iter().map(move |key| (key, id))
        };
        let searched = users.iter().flat_map(keys).collect();
        let mut directory = Self {
            ids: users.iter().map(|user| user.id).collect(),
            ..Self::default()
        };
        for user in users {
            directory.set(user);
        }
        directory.searched = Names::of(searched);
        directory
    }

    /// Returns whether an account was made here, or there is an enabled administrator.
    pub(crate) fn is_set_up(&self) -> bool {
        self.made_here > 0 || !self.admins.is_empty()
    }

    pub(crate) fn get(&self, id: UserId) -> Option<&Arc<User>> {
        self.users.get(&id)
    }

    /// Returns who has the name of this [`Username::key`], and so keeps others from it.
    pub(crate) fn by_key(&self, key: &str) -> Option<UserId> {
        self.names.get(key).copied()
    }

    /// Returns whose name this text is.
    pub(crate) fn by_name(&self, text: &str) -> Option<UserId> {
        let look_alike = match self.look_alikes.is_empty() {
            true => None,
            false => self.look_alikes.get(&Username::letters_of(text)),
        };
        let named = look_alike.or_else(|| self.names.get(&Username::key_of(text)));
        named.copied()
    }

    /// Returns whom an app means.
    pub(crate) fn by_subject(&self, subject: &Subject) -> Option<UserId> {
        self.subjects.get(subject).copied()
    }

    /// The greatest id in use, or that is not to be given; 0 where there is none.
    pub(crate) fn greatest(&self) -> u64 {
        self.greatest
    }

    /// The number up to which every id is an account's, or not to be given: the search for the
    /// least free one begins after it.
    pub(crate) fn used_ids(&self) -> u64 {
        self.used_ids
    }

    /// Those whose id is greater than this one, ascending by id.
    pub(crate) fn after(&self, id: u64) -> impl Iterator<Item = &Arc<User>> {
        let from = UserId::new(id).map_or(Bound::Unbounded, Bound::Excluded);
        let beyond = id > self.greatest;
        self.ids
            .range((from, Bound::Unbounded))
            .filter_map(move |id| self.users.get(id).filter(|_| !beyond))
    }

    /// The usernames and names of those who are not disabled, as they are now.
    pub(crate) fn searched(&self) -> Names {
        self.searched.clone()
    }

    /// The administrators who are not disabled.
    pub(crate) fn admins(&self) -> impl Iterator<Item = UserId> {
        self.admins.iter().copied()
    }

    /// When an account was last shown otherwise, if any ever was.
    pub(crate) fn newest_profile(&self) -> Option<Timestamp> {
        self.profiles.last().map(|(at, _)| *at)
    }

    /// Those who were last shown otherwise at this time or later.
    pub(crate) fn profiles_since(&self, since: Timestamp) -> impl Iterator<Item = UserId> {
        let later = self
            .profiles
            .iter()
            .rev()
            .take_while(move |(at, _)| *at >= since);
        later.map(|(_, user)| *user)
    }

    /// How many bots there are.
    pub(crate) fn bots(&self) -> usize {
        self.bots.len()
    }

    /// The bots, ascending by id.
    pub(crate) fn each_bot(&self) -> impl Iterator<Item = &Arc<User>> {
        self.bots.iter().filter_map(|id| self.users.get(id))
    }

    /// Those who are gone, and what they said is still to be erased.
    pub(crate) fn erasing(&self) -> impl Iterator<Item = UserId> {
        self.erasing.iter().copied()
    }

    /// Gives no id below this one.
    pub(crate) fn begin_ids_at(&mut self, first: u64) {
        self.greatest = self.greatest.max(first - 1);
        self.used_ids = self.used_ids.max(first - 1);
        self.count_used();
    }

    fn count_used(&mut self) {
        while UserId::new(self.used_ids + 1).is_ok_and(|next| self.users.contains_key(&next)) {
            self.used_ids += 1;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// Adds an account, or puts its new form in place of the earlier one.
    pub(crate) fn put(&mut self, user: Arc<User>) {
        let earlier = self.users.get(&user.id);
        // Seldom: most changes are that somebody was seen.
        if earlier.is_none_or(|earlier| !are_found_alike(earlier, &user)) {
            let was = earlier.map(|earlier| found_by(earlier)).unwrap_or_default();
            for key in was {
                self.searched.remove(&key, user.id);
            }
            for key in found_by(&user) {
                self.searched.put(&key, user.id);
            }
            self.ids.insert(user.id);
        }
        self.set(user);
    }

    /// What is neither searched nor put in order.
    fn set(&mut self, user: Arc<User>) {
        self.greatest = self.greatest.max(user.id.get());
        match user.is_admin && !user.disabled {
            true => self.admins.insert(user.id),
            false => self.admins.remove(&user.id),
        };
        if let Some(subject) = &user.subject {
            self.subjects.insert(Arc::clone(subject), user.id);
        }
        if user.is_registered() && !self.users.contains_key(&user.id) {
            self.made_here += 1;
        }
        match user.is_bot && !user.deleted {
            true => self.bots.insert(user.id),
            false => self.bots.remove(&user.id),
        };
        match user.erasing {
            true => self.erasing.insert(user.id),
            false => self.erasing.remove(&user.id),
        };
        let earlier = self.users.get(&user.id).and_then(|user| user.profile_at);
        if earlier != user.profile_at {
            if let Some(earlier) = earlier {
                self.profiles.remove(&(earlier, user.id));
            }
            self.profiles
                .extend(user.profile_at.map(|at| (at, user.id)));
        }
        if let Some(earlier) = self.users.get(&user.id) {
            let is_same = earlier.username.as_str() == user.username.as_str();
            if is_same && self.look_alikes.is_empty() {
                self.users.insert(user.id, user);
                return;
            }
            let names = [
                (&mut self.names, earlier.username.key()),
                (
                    &mut self.look_alikes,
                    Username::letters_of(earlier.username.as_str()),
                ),
            ];
            for (names, name) in names {
                if names.get(&name) == Some(&user.id) {
                    names.remove(&name);
                }
            }
        }
        match self.names.entry(user.username.key()) {
            Entry::Vacant(free) => {
                free.insert(user.id);
            }
            Entry::Occupied(_) => {
                let letters = Username::letters_of(user.username.as_str());
                self.look_alikes.insert(letters, user.id);
            }
        }
        self.users.insert(user.id, user);
        self.count_used();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u64, name: &str) -> User {
        User {
            id: UserId::new(id).unwrap(),
            username: Username::registered(name).unwrap(),
            name: None,
            avatar: Some("https://example.org/a.png".into()),
            is_admin: true,
            is_bot: false,
            disabled: false,
            deleted: false,
            erasing: false,
            token_version: 3,
            revoked_at: Some(Timestamp::from_ms(4)),
            created_at: Timestamp::from_ms(5),
            last_seen: None,
            made_by: MadeBy::Here,
            profile_at: None,
            named_at: None,
            subject: None,
        }
    }

    #[test]
    fn an_account_is_read_back_as_written() {
        let ada = user(7, "Ada");
        let unasked = |_| panic!("the row says who made it");
        assert_eq!(decode(7, &encode(&ada), unasked).unwrap(), ada);
        assert!(
            decode(8, &encode(&ada), unasked).is_err(),
            "the checksum covers the key"
        );
        let apps = User {
            made_by: MadeBy::App,
            is_bot: true,
            deleted: true,
            erasing: true,
            name: Name::parse("Ada Lovelace").ok(),
            profile_at: Some(Timestamp::from_ms(8)),
            named_at: Some(Timestamp::from_ms(9)),
            subject: Some(Arc::new(Subject {
                issuer: "https://id.example.org".into(),
                subject: "auth0|5f\u{e9}".into(),
            })),
            ..ada
        };
        assert_eq!(decode(7, &encode(&apps), unasked).unwrap(), apps);
    }

    /// Rows of earlier versions do not say who made the account.
    #[test]
    fn an_account_of_before_was_made_here_where_it_has_a_password() {
        let row = seal(7, br#"{"username":"ada","created_at_ms":5}"#);
        for (has_password, made_by) in [(true, MadeBy::Here), (false, MadeBy::App)] {
            let user = decode(7, &row, |key| Ok(key == 7 && has_password)).unwrap();
            assert_eq!(user.made_by, made_by);
        }
    }

    fn found(directory: &Directory, text: &str) -> Vec<u64> {
        let found = directory.searched().search(text, 9);
        found.ids.iter().map(|id| id.get()).collect()
    }

    #[test]
    fn who_is_disabled_is_not_found_and_who_is_seen_is_no_other() {
        let mut directory = Directory::of(vec![user(1, "Ada").into(), user(9, "adam").into()]);
        assert_eq!(found(&directory, "ad"), [1, 9]);
        let mut changed = user(1, "Ada");
        changed.last_seen = Some(Timestamp::from_ms(9));
        directory.put(changed.clone().into());
        assert_eq!(found(&directory, "ad"), [1, 9]);
        changed.disabled = true;
        directory.put(changed.clone().into());
        assert_eq!(found(&directory, "ad"), [9]);
        changed.username = Username::registered("eve").unwrap();
        directory.put(changed.clone().into());
        assert_eq!(
            (found(&directory, "ad"), found(&directory, "eve")),
            (vec![9], vec![])
        );
        changed.disabled = false;
        directory.put(changed.into());
        assert_eq!(found(&directory, "eve"), [1]);
        directory.put(user(4, "Bob").into());
        assert_eq!(found(&directory, "b"), [4]);
    }

    #[test]
    fn accounts_are_listed_by_id_and_administrators_are_known() {
        let mut directory = Directory::of(vec![user(9, "i").into(), user(2, "b").into()]);
        let mut plain = user(5, "e");
        plain.is_admin = false;
        directory.put(plain.into());
        let after = |id| {
            directory
                .after(id)
                .map(|user| user.id.get())
                .collect::<Vec<_>>()
        };
        assert_eq!(after(0), [2, 5, 9]);
        assert_eq!(after(2), [5, 9]);
        assert_eq!(after(8), [9]);
        assert!(after(9).is_empty());
        assert!(after(u64::MAX).is_empty());
        let mut admins: Vec<_> = directory.admins().map(UserId::get).collect();
        admins.sort_unstable();
        assert_eq!(admins, [2, 9]);
    }

    #[test]
    fn a_renamed_account_gives_its_old_name_free() {
        let mut directory = Directory::default();
        directory.put(Arc::new(user(1, "Ada")));
        directory.put(Arc::new(user(1, "lovelace")));
        assert_eq!(directory.by_name("ada"), None);
        assert_eq!(directory.by_name("lovelace"), UserId::new(1).ok());
        directory.put(Arc::new(user(1, "Lovelace")));
        assert_eq!(directory.by_name("lovelace"), UserId::new(1).ok());
        assert!(directory.look_alikes.is_empty());
    }

    /// Earlier versions told names apart that nobody can tell apart by looking.
    #[test]
    fn accounts_whose_names_look_alike_stay_usable_and_nobody_takes_such_a_name_again() {
        let named = |id, name: &str| {
            Arc::new(User {
                username: Username::stored(name),
                ..user(id, "x")
            })
        };
        let mut directory = Directory::default();
        let names = ["é", "e\u{301}", "É\u{200b}", "2", "\u{3164}"];
        for (id, name) in (1..).zip(names) {
            directory.put(named(id, name));
        }
        let who = |directory: &Directory, name: &str| directory.by_name(name).map(UserId::get);
        for (id, name) in (1..).zip(names) {
            assert_eq!(who(&directory, name), Some(id), "{name:?}");
        }
        assert_eq!(who(&directory, "E\u{301}"), Some(2));
        assert_eq!(who(&directory, ""), None);
        let holder = directory.by_key(&Username::stored("É").key());
        assert_eq!(holder, UserId::new(1).ok());
        // A change of something else leaves each its name; another name gives it free.
        directory.put(named(2, "e\u{301}"));
        directory.put(named(1, "eve"));
        assert_eq!(who(&directory, "e\u{301}"), Some(2));
        assert_eq!(who(&directory, "eve"), Some(1));
        directory.put(named(2, "bob"));
        directory.put(named(3, "carl"));
        assert_eq!(who(&directory, "e\u{301}"), None);
        assert!(directory.look_alikes.is_empty());
    }
}
