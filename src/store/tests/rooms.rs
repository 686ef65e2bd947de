//! Rooms, held against a plain model: what may be done, what is unread for whom at each step, and
//! what each person is told live and on catching up, over restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};

use super::{Open, id, user};
use crate::model::{
    Act, ChatId, Extras, Members, Notice, Notify, Role, RoomChange, RoomHistory, RoomId, RoomKind,
    RoomPost, Timestamp,
};
use crate::store::maintain::{Judging, check, export, import};
use crate::store::*;

const PEOPLE: u64 = 50;
const MOST_ROOMS: usize = 20;

/// A room of the model.
struct Plain {
    archived: bool,
    kind: RoomKind,
    history: RoomHistory,
    post: RoomPost,
    members: BTreeMap<u64, PlainMember>,
    /// Of each message its id, its sender, whom it mentions and whether it mentions all.
    messages: Vec<(u64, u64, Vec<u64>, bool)>,
}

struct PlainMember {
    role: Role,
    since: u64,
    /// The numbers of the messages that they have read.
    read: BTreeSet<usize>,
}

/// Returns those who hear an entry in any case: of a room its other members hear it too.
pub(super) fn named(notice: &Notice) -> BTreeSet<u64> {
    let named = match (notice.members, &notice.entry.act) {
        (Members::Pair(pair), _) => return pair.members().map(|member| member.get()).into(),
        (Members::Own(user), _) => Some(user),
        (Members::Room(_), Act::MemberChanged(change)) => Some(change.user),
        (
            Members::Room(_),
            Act::Sent { .. }
            | Act::RoomChanged {
                change: RoomChange::Created,
                ..
            },
        ) => notice.entry.author,
        (Members::Room(_), _) => None,
    };
    named.into_iter().map(|user| user.get()).collect()
}

impl Plain {
    fn unread(&self, member: u64) -> (u64, u64) {
        let known = &self.members[&member];
        let unread = (1..=self.messages.len()).filter(|number| !known.read.contains(number));
        let (mut count, mut mentions) = (0, 0);
        for number in unread {
            let (_, _, names, all) = &self.messages[number - 1];
            count += 1;
            mentions += u64::from(*all || names.contains(&member));
        }
        (count, mentions)
    }

    fn owners(&self) -> usize {
        let owners = self.members.values();
        owners.filter(|member| member.role == Role::Owner).count()
    }

    fn role(&self, member: u64) -> Option<Role> {
        self.members.get(&member).map(|member| member.role)
    }
}

struct Model {
    open: Option<Open>,
    path: tempfile::TempDir,
    rooms: BTreeMap<u64, Plain>,
    /// What each person heard: of each entry its id, and what was told.
    heard: BTreeMap<u64, Vec<(u64, String)>>,
    done: BTreeMap<&'static str, [u64; 2]>,
    last: u64,
}

fn room(number: u64) -> RoomId {
    RoomId::new(number).unwrap()
}

fn told(notice: &Notice) -> String {
    format!(
        "{:?} {:?} {:?} {:?}",
        notice.entry.stream, notice.entry.author, notice.entry.act, notice.room
    )
}

impl Model {
    fn new() -> Self {
        let path = tempfile::tempdir().unwrap();
        let mut model = Self {
            open: None,
            path,
            rooms: BTreeMap::new(),
            heard: BTreeMap::new(),
            done: BTreeMap::new(),
            last: 0,
        };
        model.restart();
        model.open = model.open.take().map(|open| open.with_users(PEOPLE));
        model
    }

    fn open(&self) -> &Open {
        self.open.as_ref().unwrap()
    }

    /// Closes the store and opens it again.
    fn restart(&mut self) {
        if let Some(open) = self.open.take() {
            open.close();
        }
        let path = self.path.path().join("chatd.redb");
        self.open = Some(Open::at(&Location::File(path)).unwrap());
    }

    fn read<R>(&self, query: impl FnOnce(&Snapshot<'_>) -> R) -> R {
        query(&Snapshot::new(&self.open().store.intake.data))
    }

    /// Applies a change; tells who hears of what it came to, while `members` are those of its room
    /// after each entry.
    fn apply(&mut self, what: &'static str, change: Change, right: bool) -> Vec<Notice> {
        let now = self.last + 1;
        let result = self.open().apply(now, change.clone());
        assert_eq!(
            result.is_ok(),
            right,
            "{what}: {change:?} came to {result:?}"
        );
        self.done.entry(what).or_default()[usize::from(right)] += 1;
        match result {
            Ok(Committed::Room(done)) => done.notices,
            Ok(Committed::Talk(Outcome::Entry(notice))) => vec![notice],
            _ => Vec::new(),
        }
    }

    fn act(
        &mut self,
        what: &'static str,
        by: u64,
        command: RoomCommand,
        right: bool,
    ) -> Vec<Notice> {
        let act = RoomAct {
            by: Some(user(by)),
            what: command,
        };
        self.apply(what, Change::Room(act), right)
    }

    /// Notes what people hear of an entry; the model has it by then.
    fn tell(&mut self, notice: &Notice) {
        let mut hearers = named(notice);
        if let Members::Room(room) = notice.members {
            hearers.extend(self.rooms[&room.get()].members.keys());
        }
        let entry = notice.entry.id.get();
        assert_eq!(entry, self.last + 1, "entries are told in their order");
        self.last = entry;
        for hearer in hearers {
            let heard = self.heard.entry(hearer).or_default();
            heard.push((entry, told(notice)));
        }
    }

    fn create(&mut self, random: &mut StdRng) {
        let by = random.random_range(1..=PEOPLE);
        let count = [0, 3, 10][random.random_range(0..3)];
        let members: Vec<u64> = (1..=PEOPLE).sample(random, count);
        let new = NewRoom {
            name: "Ops".into(),
            topic: "".into(),
            avatar: None,
            kind: *[RoomKind::Open, RoomKind::Closed].choose(random).unwrap(),
            history: *[RoomHistory::All, RoomHistory::Joined]
                .choose(random)
                .unwrap(),
            post: RoomPost::All,
        };
        let plain = Plain {
            archived: false,
            kind: new.kind,
            history: new.history,
            post: new.post,
            members: BTreeMap::new(),
            messages: Vec::new(),
        };
        let command = RoomCommand::Create {
            room: new,
            members: members.iter().map(|member| user(*member)).collect(),
            most: 100,
        };
        let number = self.rooms.len() as u64 + 1;
        let notices = self.act("create", by, command, true);
        self.rooms.insert(number, plain);
        self.tell(&notices[0]);
        let mut others: BTreeSet<u64> = members.into_iter().collect();
        others.remove(&by);
        let all = std::iter::once((by, Role::Owner));
        let all = all.chain(others.into_iter().map(|other| (other, Role::Member)));
        for ((member, role), notice) in all.zip(&notices[1..]) {
            self.enter(number, member, role, notice);
        }
    }

    fn enter(&mut self, number: u64, member: u64, role: Role, notice: &Notice) {
        let room = self.rooms.get_mut(&number).unwrap();
        let known = PlainMember {
            role,
            since: notice.entry.id.get(),
            read: (1..=room.messages.len()).collect(),
        };
        room.members.insert(member, known);
        self.tell(notice);
    }

    fn send(&mut self, random: &mut StdRng, number: u64, by: u64) {
        let plain = &self.rooms[&number];
        let names: BTreeSet<u64> = match random.random_bool(0.3) {
            true => (1..=PEOPLE).sample(random, 2).into_iter().collect(),
            false => BTreeSet::new(),
        };
        let mention_all = random.random_bool(0.1);
        let role = plain.role(by);
        let small = plain.members.len() <= 20;
        let right = role.is_some_and(|role| {
            !plain.archived
                && (plain.post == RoomPost::All || role >= Role::Admin)
                && names.iter().all(|name| plain.members.contains_key(name))
                && (!mention_all || small || role >= Role::Admin)
        });
        let extras = Extras {
            mentions: names.iter().map(|name| user(*name)).collect(),
            mention_all,
            ..Extras::default()
        };
        let talk = Talk::send_to_room(user(by), room(number), "hello".into(), None);
        let talk = Change::Talk(talk.with_extras(extras.boxed()));
        for notice in self.apply("send", talk, right) {
            let plain = self.rooms.get_mut(&number).unwrap();
            let names = names.iter().copied().filter(|name| *name != by).collect();
            let message = notice.entry.id.get();
            plain.messages.push((message, by, names, mention_all));
            let sent = plain.messages.len();
            plain.members.get_mut(&by).unwrap().read.insert(sent);
            self.tell(&notice);
        }
    }

    fn mark(&mut self, random: &mut StdRng, number: u64, by: u64) {
        let plain = &self.rooms[&number];
        let up_to = match random.random_bool(0.5) {
            true => None,
            false => Some(random.random_range(1..=self.last + 1)),
        };
        let right = plain.members.contains_key(&by);
        let talk = Talk::read_room(user(by), room(number), up_to.map(id));
        let notices = self.apply("mark", Change::Talk(talk), right);
        if right {
            let plain = self.rooms.get_mut(&number).unwrap();
            let covered = plain
                .messages
                .iter()
                .take_while(|(message, ..)| up_to.is_none_or(|up_to| *message <= up_to));
            let covered = covered.count();
            let read = &mut plain.members.get_mut(&by).unwrap().read;
            let before = read.len();
            read.extend(1..=covered);
            assert_eq!(notices.len(), usize::from(read.len() > before));
            let right = plain.unread(by);
            for notice in &notices {
                let Act::RoomRead(read) = &notice.entry.act else {
                    panic!("{notice:?}")
                };
                assert_eq!((read.unread_count, read.mention_count), right);
                self.tell(notice);
            }
        }
    }

    fn join(&mut self, number: u64, by: u64) {
        let plain = &self.rooms[&number];
        let known = plain.members.contains_key(&by);
        let right = known || plain.kind == RoomKind::Open && !plain.archived;
        let command = RoomCommand::Join {
            room: room(number),
            most: 100,
        };
        for notice in self.act("join", by, command, right) {
            self.enter(number, by, Role::Member, &notice);
        }
    }

    fn leave(&mut self, number: u64, by: u64, member: u64) {
        let plain = &self.rooms[&number];
        let (own, theirs) = (plain.role(by), plain.role(member));
        let last_owner = theirs == Some(Role::Owner) && plain.owners() == 1;
        let (what, right) = match by == member {
            true if own.is_none() => return,
            true => ("leave", !last_owner),
            false => {
                let may = own.is_some_and(|own| {
                    own >= Role::Admin && (theirs != Some(Role::Owner) || own == Role::Owner)
                });
                ("remove", may)
            }
        };
        let command = RoomCommand::Remove {
            room: room(number),
            user: user(member),
        };
        for notice in self.act(what, by, command, right) {
            self.rooms.get_mut(&number).unwrap().members.remove(&member);
            self.tell(&notice);
        }
    }

    fn set_role(&mut self, random: &mut StdRng, number: u64, by: u64, member: u64) {
        let plain = &self.rooms[&number];
        let role = *[Role::Member, Role::Admin, Role::Owner]
            .choose(random)
            .unwrap();
        let (own, before) = (plain.role(by), plain.role(member));
        let touches_owner = role == Role::Owner || before == Some(Role::Owner);
        let right = own.is_some_and(|own| own >= Role::Admin)
            && !plain.archived
            && (before == Some(role)
                || (own == Some(Role::Owner) || !touches_owner)
                    && !(before == Some(Role::Owner) && plain.owners() == 1));
        let command = RoomCommand::SetMembers {
            room: room(number),
            members: vec![(user(member), Some(role))],
            most: 100,
        };
        for notice in self.act("role", by, command, right) {
            match before {
                None => self.enter(number, member, role, &notice),
                Some(_) => {
                    let plain = self.rooms.get_mut(&number).unwrap();
                    plain.members.get_mut(&member).unwrap().role = role;
                    self.tell(&notice);
                }
            }
        }
    }

    fn change(&mut self, random: &mut StdRng, number: u64, by: u64) {
        let plain = &self.rooms[&number];
        let own = plain.role(by);
        let post = *[RoomPost::All, RoomPost::All, RoomPost::Admins]
            .choose(random)
            .unwrap();
        if random.random_bool(0.25) {
            let right = own == Some(Role::Owner);
            let command = RoomCommand::Archive { room: room(number) };
            for notice in self.act("archive", by, command, right) {
                self.rooms.get_mut(&number).unwrap().archived = true;
                self.tell(&notice);
            }
            return;
        }
        let right = own >= Some(Role::Admin) && !plain.archived;
        let update = RoomUpdate {
            post: Some(post),
            topic: Some(format!("topic {}", random.random_range(0..3)).into()),
            ..RoomUpdate::default()
        };
        let command = RoomCommand::Update {
            room: room(number),
            update,
        };
        for notice in self.act("change", by, command, right) {
            self.rooms.get_mut(&number).unwrap().post = post;
            self.tell(&notice);
        }
    }

    fn mute(&mut self, random: &mut StdRng, number: u64, by: u64) {
        let is_room = random.random_bool(0.7);
        let right = !is_room || self.rooms[&number].members.contains_key(&by);
        let chat = match is_room {
            true => ChatId::Room(room(number)),
            false => ChatId::Person(user(by % PEOPLE + 1)),
        };
        let notify = *[Notify::All, Notify::Mentions, Notify::None]
            .choose(random)
            .unwrap();
        let command = RoomCommand::Set {
            chat,
            notify: Some(notify),
            muted_until: None,
        };
        for notice in self.act("mute", by, command, right) {
            self.tell(&notice);
        }
    }

    fn step(&mut self, random: &mut StdRng) {
        if self.rooms.len() < 3 || self.rooms.len() < MOST_ROOMS && random.random_bool(0.02) {
            return self.create(random);
        }
        let number = random.random_range(1..=self.rooms.len() as u64);
        // Mostly somebody who is in the room.
        let anybody = |random: &mut StdRng| {
            let members = self.rooms[&number].members.keys().copied();
            match members.choose(random).filter(|_| random.random_bool(0.8)) {
                Some(member) => member,
                None => random.random_range(1..=PEOPLE),
            }
        };
        let (by, other) = (anybody(random), anybody(random));
        match random.random_range(0..100) {
            0..45 => self.send(random, number, by),
            45..65 => self.mark(random, number, by),
            65..75 => self.join(number, random.random_range(1..=PEOPLE)),
            75..79 => self.leave(number, by, by),
            79..83 => self.leave(number, by, other),
            83..90 => self.set_role(random, number, by, other),
            90..94 => self.change(random, number, by),
            94..98 => self.mute(random, number, by),
            _ => self.restart(),
        }
        self.assert_counts(number);
    }

    /// What is unread in a room is what the model says, for each of its members.
    fn assert_counts(&self, number: u64) {
        let plain = &self.rooms[&number];
        for member in plain.members.keys() {
            let mine = self.read(|snapshot| snapshot.my_room(user(*member), room(number)));
            let mine = mine.unwrap();
            let counts = (mine.unread_count, mine.mention_count);
            assert_eq!(counts, plain.unread(*member), "{member} in room {number}");
            assert_eq!(mine.room.member_count, plain.members.len() as u64);
            assert_eq!(Some(mine.role), plain.role(*member));
        }
    }

    /// Everything else is so, too: members, histories, and what each person missed.
    fn assert_right(&self, random: &mut StdRng) {
        for (number, plain) in &self.rooms {
            self.assert_counts(*number);
            for person in 1..=PEOPLE {
                let id = user(person);
                let history = self.read(|snapshot| {
                    let all = HistoryQuery {
                        before: None,
                        after: None,
                        limit: 10_000,
                    };
                    snapshot.room_history(id, room(*number), all)
                });
                let Some(member) = plain.members.get(&person) else {
                    assert!(history.is_err());
                    continue;
                };
                let first = match plain.history {
                    RoomHistory::All => 0,
                    RoomHistory::Joined => member.since,
                };
                let messages = plain.messages.iter().map(|(message, ..)| *message);
                let right: Vec<u64> = messages.filter(|message| *message > first).collect();
                let rows = history.unwrap().rows;
                let ids: Vec<u64> = rows.iter().map(|row| row.id.get()).collect();
                assert_eq!(ids, right);
            }
        }
        for person in 1..=PEOPLE {
            let heard = self.heard.get(&person).map_or(&[][..], |heard| heard);
            let since = random.random_range(0..=self.last);
            assert_eq!(
                self.missed(person, since, 7),
                heard_since(heard, since),
                "{person}"
            );
        }
    }

    /// What is exported is imported as it was, and a server that opens that goes on.
    fn assert_exported_and_imported(&mut self, random: &mut StdRng) {
        let path = self.path.path().join("chatd.redb");
        let exported = |path: &Path| {
            let mut lines = Vec::new();
            export(path, &mut lines, &mut |_| {}).unwrap();
            lines
        };
        let lines = exported(&path);
        std::fs::remove_file(&path).unwrap();
        let judging = Judging {
            now: Timestamp::from_ms(u64::MAX >> 16),
            password_hash: &|hash| Ok(hash.to_owned().into()),
            file: &|_| Err("there are no files".into()),
        };
        import(&path, &mut &lines[..], judging, &mut |_| {}).unwrap();
        assert!(exported(&path) == lines, "it is not what was imported");
        self.restart();
        self.assert_right(random);
        self.open.take().unwrap().close();
    }

    /// What a person is told on catching up, some at a time.
    fn missed(&self, person: u64, mut since: u64, limit: usize) -> Vec<(u64, String)> {
        let mut all = Vec::new();
        loop {
            let missed = self.read(|snapshot| {
                snapshot.missed_of_all(user(person), since + 1, limit, MAX_MISSED)
            });
            let missed = missed.unwrap();
            assert!(missed.skipped.is_empty());
            let page = missed.page.unwrap();
            let rows = page.rows.iter();
            all.extend(rows.map(|notice| (notice.entry.id.get(), told(notice))));
            since = all.last().map_or(since, |(entry, _)| *entry);
            if !page.has_more {
                return all;
            }
        }
    }
}

fn heard_since(heard: &[(u64, String)], since: u64) -> Vec<(u64, String)> {
    let later = heard.iter().filter(|(entry, _)| *entry > since);
    later.cloned().collect()
}

#[test]
fn fifty_people_in_twenty_rooms_have_what_a_plain_model_says_at_every_step() {
    let mut sums: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut model = Model::new();
        for step in 0..1_500 {
            model.step(&mut random);
            if step % 150 == 149 {
                model.assert_right(&mut random);
            }
        }
        model.restart();
        model.assert_right(&mut random);
        model.open.take().unwrap().close();
        let path = model.path.path().join("chatd.redb");
        let report = check(&path, &mut |_| {}).unwrap();
        assert!(report.is_sound(), "{:?}", report.findings);
        model.assert_exported_and_imported(&mut random);
        for (what, [refused, done]) in model.done {
            let sum = sums.entry(what).or_default();
            (sum[0], sum[1]) = (sum[0] + refused, sum[1] + done);
        }
    }
    tracing::info!(?sums, "refused and done");
    for (what, [refused, done]) in sums {
        assert!(done > 5, "{what} was done {done} times");
        assert!(
            what == "create" || refused > 5,
            "{what} was refused {refused} times"
        );
    }
}

#[test]
fn a_room_that_brings_too_much_is_skipped_and_all_else_is_told() {
    let open = Open::memory().with_users(3);
    let create = |members: &[u64]| {
        let command = RoomCommand::Create {
            room: NewRoom {
                name: "Ops".into(),
                topic: "".into(),
                avatar: None,
                kind: RoomKind::Closed,
                history: RoomHistory::All,
                post: RoomPost::All,
            },
            members: members.iter().map(|member| user(*member)).collect(),
            most: 100,
        };
        let act = RoomAct {
            by: Some(user(1)),
            what: command,
        };
        open.apply(0, Change::Room(act)).unwrap();
    };
    create(&[2]);
    create(&[2]);
    let since = open.store.last_entry();
    let send = |number: u64| {
        let talk = Talk::send_to_room(user(1), room(number), "x".into(), None);
        open.apply(0, Change::Talk(talk)).unwrap();
    };
    (0..30).for_each(|_| send(1));
    (0..5).for_each(|_| send(2));
    open.send(1, 2, "to you");
    let missed = |most| {
        let snapshot = Snapshot::new(&open.store.intake.data);
        let missed = snapshot
            .missed_of_all(user(2), since + 1, 100, most)
            .unwrap();
        (missed.page.unwrap().rows.len(), missed.skipped)
    };
    assert_eq!(missed(36), (36, vec![]));
    assert_eq!(missed(35), (6, vec![room(1)]));
    assert_eq!(missed(4), (1, vec![room(1), room(2)]));
    open.close();
}

/// As those hear of it who are in a room with somebody.
#[test]
fn members_of_a_room_hear_how_one_of_them_is_shown_and_who_has_left_does_not() {
    let open = Open::memory().with_users(4);
    let act = |by: u64, what: RoomCommand| {
        let act = RoomAct {
            by: Some(user(by)),
            what,
        };
        open.apply(0, Change::Room(act)).unwrap();
    };
    let new = NewRoom {
        name: "Ops".into(),
        topic: "".into(),
        avatar: None,
        kind: RoomKind::Closed,
        history: RoomHistory::All,
        post: RoomPost::All,
    };
    act(
        1,
        RoomCommand::Create {
            room: new,
            members: vec![user(2), user(3)],
            most: 100,
        },
    );
    act(3, RoomCommand::Leave { room: room(1) });
    let change = UserChange {
        avatar: Some(Some("https://example.org/b.png".into())),
        ..UserChange::default()
    };
    let user_of = user(2);
    let change = Change::ChangeUser {
        user: user_of,
        change,
    };
    open.apply(0, change).unwrap();
    let peers = |of: u64| {
        let peers = open.read(|snapshot| snapshot.peers(user(of)));
        peers.into_iter().collect::<BTreeSet<_>>()
    };
    assert_eq!(peers(2), [user(1)].into());
    assert_eq!(peers(3), [].into());
    for (of, count) in [(1, 1), (2, 0), (3, 0), (4, 0)] {
        let shown = open.read(|snapshot| snapshot.profiles_since(user(of), 0));
        let shown = shown.unwrap();
        assert_eq!(shown.len(), count, "{of}");
        assert!(shown.iter().all(|shown| shown.id == user_of));
    }
    open.close();
}
