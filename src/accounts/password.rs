//! Passwords: argon2id beside the async threads, one at a time.
//!
//! Hashing is what a stranger can make the server do that costs most, so the places of those who
//! wait for it are shared out: one address has a quarter of them at the most, a quarter is for
//! those who are known, and where all are taken whoever has most gives one up to one who has fewer.

use std::net::IpAddr;
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use super::AccountError;
use super::guessing::is_guessed;
use super::hash::Stored;
use crate::model::nfc;

/// The shortest password, in characters.
pub const MIN_PASSWORD_CHARS: usize = 8;
/// The longest password, in characters: hashing longer ones helps nobody but an attacker.
pub const MAX_PASSWORD_CHARS: usize = 128;

/// How many passwords may be hashed or wait for that; more are refused as busy. 33 take about a
/// second of one core.
const PLACES: usize = 33;
/// How many of them those may have who are not known.
const PLACES_OF_STRANGERS: usize = 24;
/// How many of them one address may have.
const PLACES_OF_ADDRESS: usize = 8;

/// What a hash costs: OWASP's first choice for argon2id is 19 MiB and 2 passes, some 27 ms of one
/// core.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// Hashes and checks passwords, one at a time: a flood of logins costs one core and 19 MiB, and no
/// more.
#[derive(Clone)]
pub struct Passwords {
    argon2: Argon2<'static>,
    working: Arc<Semaphore>,
    places: Arc<Places>,
    /// The hash of a password that nobody has, so that an unknown name takes as long as a wrong
    /// password.
    nobody: Arc<str>,
}

/// What a password and a hash come to.
#[derive(Default)]
pub struct Verdict {
    /// Whether the password is the one of the hash.
    pub is_right: bool,
    /// Our own hash of it, where the one that is stored is of another kind or cost.
    pub renewed: Option<String>,
}

/// Checks a new password of a person of these names.
pub(super) fn check(password: &str, names: &[&str]) -> Result<(), AccountError> {
    let chars = password.chars().take(MAX_PASSWORD_CHARS + 1).count();
    if !(MIN_PASSWORD_CHARS..=MAX_PASSWORD_CHARS).contains(&chars) {
        return Err(AccountError::Password);
    }
    match is_guessed(password, names) {
        true => Err(AccountError::GuessedPassword),
        false => Ok(()),
    }
}

impl Passwords {
    /// With the usual cost.
    pub fn new() -> Self {
        let (memory_kib, passes, lanes) = COST;
        Self::with_cost(
            Params::new(memory_kib, passes, lanes, None)
                .expect("the cost is within argon2's limits"),
        )
    }

    /// As cheap as argon2 can be: for tests, which log in often.
    pub fn cheap() -> Self {
        Self::with_cost(
            Params::new(Params::MIN_M_COST, 1, 1, None)
                .expect("the least cost is within argon2's limits"),
        )
    }

    fn with_cost(params: Params) -> Self {
        let nobody = hash_of_nobody(&params).into();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        Self {
            argon2,
            working: Semaphore::new(1).into(),
            places: Arc::default(),
            nobody,
        }
    }

    /// The argon2id hash of a password, in PHC string form.
    pub async fn hash(&self, from: Asker, password: String) -> Result<String, AccountError> {
        // Another keyboard may write the same letters otherwise.
        let password = nfc(&password);
        self.work(from, move |argon2| {
            match argon2.hash_password(password.as_bytes()) {
                Ok(hash) => Ok(hash.to_string()),
                Err(error) => {
                    tracing::error!(%error, "a password could not be hashed");
                    Err(AccountError::Internal)
                }
            }
        })
        .await?
    }

    /// Returns whether a password is the one of this hash. Without a hash the work is done all the
    /// same, and the answer is no. A hash of another kind or cost than ours is made anew where the
    /// password is right, in the same turn.
    pub async fn verify(
        &self,
        from: Asker,
        password: String,
        hash: Option<String>,
    ) -> Result<Verdict, AccountError> {
        if password.len() > 4 * MAX_PASSWORD_CHARS {
            // No account has such a password, so that its length tells nothing about any.
            return Ok(Verdict::default());
        }
        // Earlier versions hashed what was typed as it came.
        let mut forms = vec![nfc(&password)];
        if forms[0] != password {
            forms.push(password);
        }
        let nobody = Arc::clone(&self.nobody);
        self.work(from, move |argon2| {
            let known = hash.is_some();
            let hash = hash.as_deref().unwrap_or(&nobody);
            let stored = match Stored::parse(hash) {
                Ok(stored) => stored,
                Err(error) => {
                    tracing::error!(%error, "a stored password hash cannot be read");
                    return Verdict::default();
                }
            };
            let found = forms.iter().position(|form| stored.is_of(argon2, form));
            let Some(form) = found.filter(|_| known) else {
                return Verdict::default();
            };
            let renewed = match form == 0 && stored.is_ours(argon2.params()) {
                true => None,
                false => argon2.hash_password(forms[0].as_bytes()).ok(),
            };
            Verdict {
                is_right: true,
                renewed: renewed.map(|hash| hash.to_string()),
            }
        })
        .await
    }

    async fn work<R: Send + 'static>(
        &self,
        from: Asker,
        work: impl FnOnce(&Argon2<'static>) -> R + Send + 'static,
    ) -> Result<R, AccountError> {
        let (place, displaced) = self.places.take(from).ok_or(AccountError::Busy)?;
        let turn = tokio::select! {
            turn = Arc::clone(&self.working).acquire_owned() => turn,
            _ = displaced => return Err(AccountError::Busy),
        };
        let turn = turn.map_err(|_| AccountError::Internal)?;
        if !place.begin() {
            return Err(AccountError::Busy);
        }
        let argon2 = self.argon2.clone();
        let working = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work(&argon2)
        });
        working.await.map_err(|_| AccountError::Internal)
    }
}

/// For whom a password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// Where they are; `None` on this machine, from where everybody may come.
    pub address: Option<IpAddr>,
    /// Whether they have shown something that strangers do not have: a good token, an invite, or
    /// that they have logged in from there before.
    pub is_known: bool,
}

impl Asker {
    /// An administrator, or whoever operates the server.
    pub const ADMIN: Self = Self {
        address: None,
        is_known: true,
    };
}

/// The places of those who wait, and of the one whose password is being hashed.
#[derive(Default)]
struct Places(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    /// In the order in which they came.
    held: Vec<Held>,
    next: u64,
}

struct Held {
    number: u64,
    from: Asker,
    /// Tells who waits that somebody else has the place; `None` once the hashing began.
    displace: Option<oneshot::Sender<()>>,
}

impl Taken {
    fn count(&self, which: impl Fn(&Asker) -> bool) -> usize {
        self.held.iter().filter(|held| which(&held.from)).count()
    }

    /// Returns how many have the same address; those of this machine may be anybody, and count as
    /// one each.
    fn of_same_address(&self, from: &Asker) -> usize {
        match from.address {
            None => 1,
            address => self.count(|other| other.address == address),
        }
    }

    /// Makes room by taking the newest place of the address that has most, where that has two more
    /// than `from`. Those who are not known give way first.
    fn displace_for(&mut self, from: &Asker) -> bool {
        let own = match from.address {
            None => 0,
            _ => self.of_same_address(from),
        };
        let waiting = self.held.iter().enumerate();
        let heaviest = waiting
            .filter(|(_, held)| held.displace.is_some() && (from.is_known || !held.from.is_known))
            .map(|(at, held)| (!held.from.is_known, self.of_same_address(&held.from), at))
            .max();
        let Some((is_stranger, places, at)) = heaviest else {
            return false;
        };
        let outranked = from.is_known && is_stranger;
        if !outranked && places < own + 2 {
            return false;
        }
        // Dropping the sender tells its owner.
        self.held.remove(at);
        true
    }
}

impl Places {
    /// Takes a place, if there is one for `from`; and what completes when it is taken away again.
    fn take(self: &Arc<Self>, from: Asker) -> Option<(Place, oneshot::Receiver<()>)> {
        let mut taken = self.0.lock();
        if from.address.is_some() && taken.of_same_address(&from) >= PLACES_OF_ADDRESS {
            return None;
        }
        let strangers = taken.count(|other| !other.is_known);
        let has_room =
            taken.held.len() < PLACES && (from.is_known || strangers < PLACES_OF_STRANGERS);
        if !has_room && !taken.displace_for(&from) {
            return None;
        }
        let (displace, displaced) = oneshot::channel();
        let number = taken.next;
        taken.next += 1;
        taken.held.push(Held {
            number,
            from,
            displace: Some(displace),
        });
        let places = Arc::clone(self);
        Some((Place { places, number }, displaced))
    }
}

/// A place, given back when dropped.
struct Place {
    places: Arc<Places>,
    number: u64,
}

impl Place {
    /// From now on it cannot be taken away. `false` where it was.
    fn begin(&self) -> bool {
        let mut taken = self.places.0.lock();
        let held = taken
            .held
            .iter_mut()
            .find(|held| held.number == self.number);
        held.map(|held| held.displace = None).is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock();
        taken.held.retain(|held| held.number != self.number);
    }
}

/// What looks like the hash of some password and is drawn by chance: to make a real one would take
/// a starting server as long as all else that it does.
fn hash_of_nobody(params: &Params) -> String {
    let (salt, hash): ([u8; 16], [u8; 32]) = (rand::random(), rand::random());
    format!(
        "$argon2id$v={}$m={},t={},p={}${}${}",
        u32::from(Version::V0x13),
        params.m_cost(),
        params.t_cost(),
        params.p_cost(),
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(hash)
    )
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier;
    use argon2::password_hash::phc::PasswordHash;

    use super::*;

    #[tokio::test]
    async fn a_password_is_the_same_however_its_letters_are_composed() {
        let passwords = Passwords::cheap();
        let (composed, apart) = ("pässword1", "pa\u{308}ssword1");
        let hash = passwords.hash(Asker::ADMIN, apart.into()).await.unwrap();
        // One of an earlier version, of what was typed.
        let raw = passwords.argon2.hash_password(apart.as_bytes()).unwrap();
        let is_right = async |password: &str, hash: &str| {
            let verified = passwords.verify(Asker::ADMIN, password.into(), Some(hash.into()));
            verified.await.unwrap().is_right
        };
        assert!(is_right(composed, &hash).await && is_right(apart, &hash).await);
        assert!(is_right(apart, &raw.to_string()).await, "locked out");
        assert!(!is_right("password1", &hash).await);
    }

    fn from(number: u32, is_known: bool) -> Asker {
        Asker {
            address: Some(IpAddr::V4(number.into())),
            is_known,
        }
    }

    type Taking = (Place, oneshot::Receiver<()>);

    fn take(places: &Arc<Places>, count: usize, from: Asker) -> Vec<Taking> {
        (0..count).filter_map(|_| places.take(from)).collect()
    }

    fn displaced(those: &mut [Taking]) -> usize {
        let gone = |(_, displaced): &mut Taking| {
            displaced.try_recv() == Err(oneshot::error::TryRecvError::Closed)
        };
        those.iter_mut().map(gone).filter(|gone| *gone).count()
    }

    #[test]
    fn one_address_has_no_more_than_a_quarter_of_the_places() {
        let places: Arc<Places> = Arc::default();
        let flood = take(&places, 100, from(1, false));
        assert_eq!(flood.len(), PLACES_OF_ADDRESS);
        assert_eq!(take(&places, 100, from(1, true)).len(), 0);
        assert_eq!(take(&places, 1, from(2, false)).len(), 1);
        drop(flood);
        assert_eq!(take(&places, 100, from(1, true)).len(), PLACES_OF_ADDRESS);
    }

    #[test]
    fn who_has_fewer_places_gets_one_of_whoever_has_most() {
        let places: Arc<Places> = Arc::default();
        let mut floods: Vec<_> = (1..=3)
            .flat_map(|number| take(&places, 100, from(number, false)))
            .collect();
        assert_eq!(floods.len(), PLACES_OF_STRANGERS);
        assert!(floods[0].0.begin());
        let newcomers: Vec<_> = (10..100)
            .filter_map(|number| places.take(from(number, false)))
            .collect();
        // One each is left to those three, and one of them is being hashed.
        assert_eq!(newcomers.len(), PLACES_OF_STRANGERS - 3);
        assert_eq!(displaced(&mut floods[1..]), newcomers.len());
        assert!(floods[0].0.begin(), "its hashing had begun");
        let last = floods.iter().filter(|(place, _)| place.begin()).count();
        assert_eq!(last, 3);
        assert_eq!(places.0.lock().held.len(), PLACES_OF_STRANGERS);
    }

    #[test]
    fn strangers_leave_places_to_those_who_are_known_and_give_way_to_them() {
        let places: Arc<Places> = Arc::default();
        let mut strangers: Vec<_> = (1..100)
            .filter_map(|number| places.take(from(number, false)))
            .collect();
        assert_eq!(strangers.len(), PLACES_OF_STRANGERS);
        let known: Vec<_> = (101..200)
            .filter_map(|number| places.take(from(number, true)))
            .collect();
        assert_eq!(known.len(), PLACES);
        assert_eq!(displaced(&mut strangers), PLACES_OF_STRANGERS);
        assert!(places.take(from(1, false)).is_none());
        assert!(places.take(from(201, true)).is_none());
        drop(known);
        drop(strangers);
        assert!(places.0.lock().held.is_empty());
    }

    #[test]
    fn people_of_this_machine_may_be_anybody_and_share_no_place() {
        let places: Arc<Places> = Arc::default();
        let local = Asker {
            address: None,
            is_known: false,
        };
        assert_eq!(take(&places, 100, local).len(), PLACES_OF_STRANGERS);
    }

    #[tokio::test]
    async fn a_login_that_waits_hears_that_its_place_was_taken() {
        let passwords = Passwords::cheap();
        let turn = passwords.working.acquire().await.unwrap();
        let verify = |asker| {
            let passwords = passwords.clone();
            tokio::spawn(async move { passwords.verify(asker, "password1".into(), None).await })
        };
        let mut waiting = Vec::new();
        for number in 0..3 {
            for _ in 0..PLACES_OF_ADDRESS {
                waiting.push(verify(from(number, false)));
                tokio::task::yield_now().await;
            }
        }
        while passwords.places.0.lock().held.len() < PLACES_OF_STRANGERS {
            tokio::task::yield_now().await;
        }
        let newcomer = verify(from(9, false));
        while passwords.places.0.lock().next <= PLACES_OF_STRANGERS as u64 {
            tokio::task::yield_now().await;
        }
        drop(turn);
        assert!(
            !newcomer.await.unwrap().unwrap().is_right,
            "nobody has that password"
        );
        let mut busy = 0;
        for waiting in waiting {
            match waiting.await.unwrap() {
                Err(AccountError::Busy) => busy += 1,
                verified => assert!(!verified.unwrap().is_right),
            }
        }
        assert_eq!(busy, 1);
    }

    #[test]
    fn the_hash_of_nobody_takes_as_much_work_as_a_real_one() {
        let passwords = Passwords::cheap();
        let real = passwords.argon2.hash_password(b"password1").unwrap();
        let real = real.to_string();
        let shape = |hash: &str| -> Vec<String> {
            assert!(PasswordHash::new(hash).is_ok(), "{hash}");
            let parts: Vec<&str> = hash.split('$').collect();
            let (head, secret) = parts.split_at(4);
            let lengths = secret.iter().map(|part| part.len().to_string());
            head.iter()
                .map(|part| (*part).to_owned())
                .chain(lengths)
                .collect()
        };
        assert_eq!(shape(&passwords.nobody), shape(&real));
        let nobody = PasswordHash::new(&passwords.nobody).unwrap();
        let verified = passwords.argon2.verify_password(b"password1", &nobody);
        assert_eq!(
            verified,
            Err(argon2::password_hash::Error::PasswordInvalid),
            "it was not checked at all"
        );
    }
}
