//! Following a file: a snapshot of one moment, and what is read on from its place, entries of the
//! log and changes of rows, come to what the file has.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use redb::{Database, ReadableDatabase, ReadableTable};

use super::{Open, message, new_user, user};
use crate::model::{Timestamp, Username};
use crate::store::changes::{Followed, Row, RowChange};
use crate::store::log::blocks::Log;
use crate::store::tables::{self, CREDENTIALS, INVITES, USERS};
use crate::store::{Change, Invite, NewUser, UserChange};

/// What a follower has of a file, and its place.
#[derive(Debug, Default, PartialEq, Eq)]
struct Follower {
    entry: u64,
    change: u64,
    entries: BTreeMap<u64, Vec<u8>>,
    rows: BTreeMap<Row, Vec<u8>>,
}

/// The tables that are followed.
const FOLLOWED: [(Followed, tables::ByNumber); 3] = [
    (Followed::Users, USERS),
    (Followed::Credentials, CREDENTIALS),
    (Followed::Invites, INVITES),
];

impl Follower {
    /// Begins with a snapshot of everything.
    fn of(db: &Database) -> Self {
        let txn = db.begin_read().unwrap();
        let mut this = Self::default();
        for (number, table) in FOLLOWED {
            for row in txn.open_table(table).unwrap().iter().unwrap() {
                let (key, value) = row.unwrap();
                let row = (number as u64, key.value(), 0);
                this.rows.insert(row, value.value().to_vec());
            }
        }
        let changes = txn.open_table(tables::CHANGES).unwrap();
        let last = changes.last().unwrap();
        this.change = last.map_or(0, |(number, _)| number.value());
        this.read_entries(&Log::open(&txn).unwrap());
        this
    }

    fn read_entries(&mut self, log: &Log) {
        let mut walk = log.walk(self.entry + 1).unwrap();
        while let Some(row) = walk.next() {
            let (id, sealed) = row.unwrap();
            self.entries.insert(id, sealed.to_vec());
            self.entry = id;
        }
    }

    /// Reads on from its place.
    fn follow(&mut self, db: &Database) {
        let txn = db.begin_read().unwrap();
        let known = self.entry;
        self.read_entries(&Log::open(&txn).unwrap());
        let changes = txn.open_table(tables::CHANGES).unwrap();
        let mut after = known;
        for row in changes.range(self.change + 1..).unwrap() {
            let (number, value) = row.unwrap();
            self.change = number.value();
            let change = RowChange::decode(self.change, value.value()).unwrap();
            // Its place is after all that was known, and in the order of the others.
            assert!((after..=self.entry).contains(&change.after), "{change:?}");
            after = change.after;
            let of_table = |(number, _): &&(Followed, _)| *number as u64 == change.row.0;
            let (_, table) = FOLLOWED.iter().find(of_table).unwrap();
            let table = txn.open_table(*table).unwrap();
            match table.get(change.row.1).unwrap() {
                Some(row) => self.rows.insert(change.row, row.value().to_vec()),
                None => self.rows.remove(&change.row),
            };
        }
    }
}

/// A random change of what is said, of an account, or of an invite; some are refused.
fn random_change(random: &mut StdRng, number: u64) -> Change {
    let one = random.random_range(1..=6);
    let earlier = format!("code{}", number.saturating_sub(random.random_range(0..20)));
    match random.random_range(0..10) {
        0..3 => message(one, 1 + one % 6, "x", None),
        3 => {
            let at = Timestamp::from_ms(number);
            let visits = (1..=one).map(|one| (user(one), at));
            Change::Seen(visits.collect())
        }
        4 => Change::ChangeUser {
            user: user(one),
            change: UserChange {
                username: Some(Username::registered(&format!("name{number}")).unwrap()),
                ..UserChange::default()
            },
        },
        5 => Change::ChangeUser {
            user: user(one),
            change: UserChange {
                password_hash: Some(format!("hash{number}").into()),
                revoke_tokens: true,
                ..UserChange::default()
            },
        },
        6 | 7 => Change::CreateInvite(Invite {
            code: format!("code{number}").into(),
            max_uses: 2,
            uses: 0,
            created_at: Timestamp::from_ms(0),
            expires_at: Timestamp::from_ms(number + random.random_range(0..40)),
            room: None,
            registers: true,
            by: crate::store::Maker::Operator,
        }),
        8 => Change::RevokeInvite(earlier.into()),
        _ => match new_user(&format!("new{number}")) {
            Change::CreateUser(new) => Change::CreateUser(NewUser {
                invite: random.random_bool(0.7).then(|| earlier.into()),
                ..new
            }),
            other => other,
        },
    }
}

#[test]
fn a_follower_with_a_snapshot_of_any_moment_misses_nothing() {
    let mut applied = 0;
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let open = Open::memory().with_users(6);
        let database = || open.store.intake.data.database().unwrap();
        let mut followers = vec![Follower::of(&database())];
        for number in 0..150 {
            let change = random_change(&mut random, number);
            applied += u64::from(open.apply(number, change).is_ok());
            for follower in &mut followers {
                if random.random_bool(0.1) {
                    follower.follow(&database());
                }
            }
            if random.random_bool(0.03) {
                followers.push(Follower::of(&database()));
            }
        }
        let right = Follower::of(&database());
        assert!(followers.len() > 1);
        for follower in &mut followers {
            follower.follow(&database());
            assert!(*follower == right, "seed {seed}");
        }
        open.close();
    }
    assert!(applied > 600, "{applied}");
}
