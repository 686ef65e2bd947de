//! A store in a folder with its search, for the tests of both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::chat::{Chat, Event, Listener, Rules};
use crate::metrics::SearchMetrics;
use crate::model::{Act, MessageId, RoomId, Timestamp, UserId, Username};
use crate::search::{HitsPage, Query, Search, SearchConfig, Wanted, folder_of};
use crate::store::{
    BATCHES, Change, Committed, Done, Location, NewUser, Outcome, Snapshot, Store, StoreOptions,
    Talk,
};

/// Small parts, so that there are many.
pub(in crate::search) const A_PART: usize = 64;
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
pub(in crate::search) const NOW: Timestamp = Timestamp::from_ms(1_749_124_800_000);

struct Nobody;

impl Listener for Nobody {
    fn happened(&self, _: Event<'_>) {}
}

/// A store and its search.
pub(in crate::search) struct House {
    pub(in crate::search) store: Store,
    pub(in crate::search) search: Search,
    following: JoinHandle<()>,
    telling: std::thread::JoinHandle<()>,
}

/// Where the data lies.
pub(in crate::search) fn data_in(folder: &Path) -> PathBuf {
    folder.join("chatd.redb")
}

pub(in crate::search) fn user(number: u64) -> UserId {
    UserId::new(number).unwrap()
}

impl House {
    /// Opens what is in a folder.
    pub(in crate::search) fn open(folder: &Path) -> Self {
        Self::open_with(folder, A_PART)
    }

    pub(in crate::search) fn open_with(folder: &Path, messages: usize) -> Self {
        let (done, mut batches) = mpsc::channel::<Vec<Done>>(BATCHES);
        let location = Location::File(data_in(folder));
        let options = StoreOptions {
            commit_interval: Duration::ZERO,
            edit_window: None,
            ..StoreOptions::default()
        };
        let store = Store::open(&location, options, done).unwrap();
        let telling = std::thread::spawn(move || {
            while let Some(batch) = batches.blocking_recv() {
                batch.into_iter().for_each(|done| done.tell(drop));
            }
        });
        let keys = store.cursor_keys();
        let chat = Chat::new(store.clone(), Arc::new(Nobody), Rules::default(), keys);
        let config = SearchConfig {
            messages,
            ..SearchConfig::beside(&data_in(folder))
        };
        let metrics = SearchMetrics::default();
        let search = Search::new(store.clone(), chat, &config, metrics);
        let following = tokio::spawn(search.clone().run(|| NOW, WEEK));
        Self {
            store,
            search,
            following,
            telling,
        }
    }

    /// The same, with an index that nobody makes what it is to be.
    pub(in crate::search) fn resting(folder: &Path) -> Self {
        let house = Self::open(folder);
        house.following.abort();
        house
    }

    pub(in crate::search) async fn close(self) {
        self.following.abort();
        drop(self.following.await);
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.close())
            .await
            .unwrap();
        drop(self.store);
        self.telling.join().unwrap();
    }

    pub(in crate::search) async fn with_users(self, count: u64) -> Self {
        for number in 1..=count {
            let new = NewUser {
                username: Username::registered(&format!("user{number}")).unwrap(),
                name: None,
                avatar: None,
                password_hash: None,
                is_admin: false,
                is_bot: false,
                only_if_first: false,
                invite: None,
            };
            self.apply(Change::CreateUser(new)).await;
        }
        self
    }

    pub(in crate::search) async fn apply(&self, change: Change) -> Committed {
        self.store.apply(NOW, change).await.unwrap()
    }

    /// Sends a message to a person and returns its id.
    pub(in crate::search) async fn send(&self, from: u64, to: u64, content: &str) -> u64 {
        let talk = Talk::send(user(from), user(to), content.into(), None);
        self.sent(talk).await
    }

    pub(in crate::search) async fn send_to_room(
        &self,
        from: u64,
        room: RoomId,
        content: &str,
    ) -> u64 {
        let talk = Talk::send_to_room(user(from), room, content.into(), None);
        self.sent(talk).await
    }

    async fn sent(&self, talk: Talk) -> u64 {
        match self.apply(Change::Talk(talk)).await {
            Committed::Talk(Outcome::Entry(notice)) => {
                assert!(matches!(notice.entry.act, Act::Sent { .. }));
                notice.entry.id.get()
            }
            other => panic!("{other:?}"),
        }
    }

    pub(in crate::search) async fn edit(&self, author: u64, message: u64, content: &str) {
        let message = MessageId::new(message).unwrap();
        let talk = Talk::edit(user(author), message, content.into()).in_any_chat();
        self.apply(Change::Talk(talk)).await;
    }

    pub(in crate::search) async fn delete(&self, author: u64, message: u64) {
        let message = MessageId::new(message).unwrap();
        let talk = Talk::delete(user(author), message).in_any_chat();
        self.apply(Change::Talk(talk)).await;
    }

    /// Waits until everything is indexed.
    pub(in crate::search) async fn caught_up(&self) {
        self.search.reached(self.store.last_entry()).await;
    }

    pub(in crate::search) async fn page(&self, reader: u64, wanted: Wanted) -> HitsPage {
        self.search.search(user(reader), wanted).await.unwrap()
    }

    /// What the log has of messages between two people, as they are now.
    pub(in crate::search) async fn said(&self) -> BTreeMap<u64, Said> {
        let (mut said, mut position) = (BTreeMap::new(), 0);
        loop {
            let read =
                move |snapshot: &Snapshot<'_>| snapshot.entries_after(position, 1_024, 1 << 20);
            let trail = self.store.read(read).await.unwrap();
            for notice in &trail.notices {
                if let (Act::Sent { content, .. }, Some([from, to])) =
                    (&notice.entry.act, notice.sides())
                {
                    let (from, to, text) = (from.get(), to.get(), content.to_string());
                    said.insert(notice.entry.id.get(), Said { from, to, text });
                }
            }
            position = trail.through;
            if position >= trail.newest {
                return said;
            }
        }
    }

    /// All that a person finds, page by page, newest first.
    pub(in crate::search) async fn found(&self, reader: u64, wanted: &Wanted) -> Vec<u64> {
        let mut ids = Vec::new();
        let mut wanted = wanted.clone();
        loop {
            let page = self.page(reader, wanted.clone()).await;
            assert!(page.rows.len() <= wanted.limit);
            ids.extend(page.rows.iter().map(|hit| hit.message.id().get()));
            let Some(next) = page.next_before else {
                assert!(ids.is_sorted_by(|one, other| one > other), "{ids:?}");
                return ids;
            };
            assert!(wanted.before.is_none_or(|before| next < before));
            wanted.before = Some(next);
        }
    }
}

/// A message between two people.
#[derive(Debug, Clone)]
pub(in crate::search) struct Said {
    pub(in crate::search) from: u64,
    pub(in crate::search) to: u64,
    pub(in crate::search) text: String,
}

/// A search for these words.
pub(in crate::search) fn words(text: &str) -> Wanted {
    Wanted {
        query: Query::parse(text).unwrap(),
        chat: None,
        sender: None,
        has_file: false,
        before: None,
        limit: 7,
    }
}

/// The files of the index, by name.
pub(in crate::search) fn files_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let folder = folder_of(&data_in(folder));
    let files = std::fs::read_dir(folder).into_iter().flatten();
    let files = files.map(|file| {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        (name, std::fs::read(file.path()).unwrap())
    });
    files.collect()
}
