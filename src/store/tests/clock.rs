//! A machine's clock that is years ahead: nothing is taken away by it, over restarts and rewrites.

use std::path::Path;

use redb::Database;

use super::*;
use crate::model::{LoginSession, SessionId, Timestamp};
use crate::store::disk::schema;
use crate::store::tables::{CLOCK, META};
use crate::store::*;

const NOW: u64 = 1_800_000_000_000;
const HOUR: u64 = 3_600_000;
const TEN_YEARS: u64 = 10 * 365 * 24 * HOUR;

/// One that doubts a clock for a day, as servers do.
fn open(path: &Path) -> Open {
    let options = StoreOptions {
        clock_trial: DEFAULT_CLOCK_TRIAL,
        ..OPTIONS
    };
    let location = Location::File(path.to_owned());
    Open::with(|done| Store::open(&location, options, done)).unwrap()
}

fn ending_time(open: &Open, shown: u64) -> u64 {
    open.store.ending_time(Timestamp::from_ms(shown)).as_ms()
}

fn session(number: u64, at: u64) -> Change {
    Change::Session(SessionAct::Open {
        user: user(1),
        session: LoginSession {
            id: SessionId::new(number).unwrap(),
            created_at: Timestamp::from_ms(at),
            used_at: Timestamp::from_ms(at),
            expires_at: Timestamp::from_ms(at + 24 * HOUR),
            client: None,
            address: None,
        },
        if_token_version: 0,
    })
}

fn invite(code: &str, at: u64) -> Change {
    Change::CreateInvite(Invite {
        code: code.into(),
        max_uses: 1,
        uses: 0,
        created_at: Timestamp::from_ms(at),
        expires_at: Timestamp::from_ms(at + 24 * HOUR),
        room: None,
        registers: true,
        by: Maker::Operator,
    })
}

/// The server's retention of 30 days, as often as that is due.
fn retain(open: &Open, shown: u64) {
    let by = ending_time(open, shown);
    open.retain(by - 30 * 24 * HOUR, shown);
}

#[test]
fn a_clock_that_is_ten_years_ahead_has_nothing_erased_ended_or_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let opened = open(&path);
    for number in 1..=2 {
        let name = format!("user{number}");
        opened.apply(NOW, new_user(&name)).unwrap();
    }
    let first = sent(opened.apply(NOW, message(1, 2, "kept", Some("one")))).0;
    opened.apply(NOW, session(7, NOW)).unwrap();
    opened.apply(NOW, invite("early", NOW)).unwrap();
    // So many that a sweep ends, by which old client ids are forgotten.
    for number in 0..100 {
        let change = message(2, 1, "more", Some(&format!("of {number}")));
        opened.apply(NOW + HOUR, change).unwrap();
    }
    opened.close();

    // Each start is by a wrong clock, and messages are dated by it.
    for start in 0..3 {
        let shown = NOW + TEN_YEARS + start * HOUR;
        let opened = open(&path);
        assert!(
            ending_time(&opened, shown) < NOW + 2 * HOUR,
            "start {start}"
        );
        assert!(opened.store.doubts_clock());
        for number in 0..50 {
            let change = message(2, 1, "late", Some(&format!("late {start} {number}")));
            opened.apply(shown, change).unwrap();
        }
        retain(&opened, shown);
        opened
            .apply(shown, Change::Session(SessionAct::Sweep))
            .unwrap();
        opened.apply(shown, session(8 + start, shown)).unwrap();
        let late = format!("late{start}");
        opened.apply(shown, invite(&late, shown)).unwrap();
        assert_eq!(opened.store.sessions() as u64, 2 + start);
        assert!(opened.store.invite("early").is_some());
        let (history, _) = opened.history(1, 2, None, None, 500);
        assert_eq!(history.len() as u64, 101 + 50 * (start + 1));
        // Sent again, it is the one that was sent.
        let again = sent(opened.apply(shown, message(1, 2, "kept", Some("one"))));
        assert_eq!((again.0.id, again.1), (first.id, false));
        let rewriting = opened.store.rewrite();
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(rewriting)
            .unwrap();
        opened.close();
        let report = maintain::check(&path, &mut |_| {}).unwrap();
        assert_eq!(report.findings, []);
    }

    // Set right it is believed at once, and what is old by it goes.
    let opened = open(&path);
    let later = NOW + 20 * HOUR;
    assert_eq!(ending_time(&opened, later), later);
    assert!(!opened.store.doubts_clock());
    opened.close();
    let trusting = Open::at(&Location::File(path)).unwrap();
    let later = NOW + 40 * 24 * HOUR;
    assert_eq!(ending_time(&trusting, later), later);
    trusting
        .apply(later, Change::Session(SessionAct::Sweep))
        .unwrap();
    assert_eq!(trusting.store.sessions(), 3, "those of the wrong clock");
    trusting.apply(later, invite("now", later)).unwrap();
    assert!(trusting.store.invite("early").is_none());
    trusting.retain(later - 30 * 24 * HOUR, later);
    let (history, _) = trusting.history(1, 2, None, None, 500);
    assert!(!history.contains(&first.id.get()), "{history:?}");
    trusting.close();
}

/// Chats that were imported from elsewhere were kept for a day longer than retention allows, and so
/// was what a restored backup has.
#[test]
fn the_clock_is_believed_where_no_server_has_run_on_the_file_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chatd.redb");
    let later = NOW + 40 * 24 * HOUR;
    let forget = |db: &Database| {
        let txn = db.begin_write().unwrap();
        txn.open_table(META).unwrap().remove(CLOCK).unwrap();
        txn.commit().unwrap();
    };
    let restore = |db: &Database| {
        schema::renew(db, Timestamp::from_ms(later)).unwrap();
    };
    for make in [&forget as &dyn Fn(&Database), &restore] {
        let opened = open(&path);
        if opened.store.last_entry() == 0 {
            opened.apply(NOW, new_user("user1")).unwrap();
            opened.apply(NOW, new_user("user2")).unwrap();
        }
        opened.apply(NOW, message(1, 2, "old", None)).unwrap();
        opened.close();
        let opened = open(&path);
        assert!(ending_time(&opened, later) < later);
        opened.close();
        make(&Database::create(&path).unwrap());
        let opened = open(&path);
        assert_eq!(ending_time(&opened, later), later);
        assert!(!opened.store.doubts_clock());
        opened.close();
        forget(&Database::create(&path).unwrap());
    }
}
