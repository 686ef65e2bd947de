//! Rooms, held against a plain model: what may be done, what is unread for whom at each step, and
//! what each person is told live and on catching up, over restarts and power cuts; and a device of
//! each person, which goes offline and comes back, and knows only what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};

use super::faults::Disk;
use super::{OPTIONS, Open, id, user};
use crate::model::{
    Act, ChatId, ChatSettings, Extras, Members, MembershipChange, Notice, Notify, Role, Room,
    RoomChange, RoomHistory, RoomId, RoomKind, RoomPost, Timestamp,
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
    /// Up to which number they have marked the room, or came in.
    position: usize,
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

/// What a device of a person knows, from what it was told alone.
#[derive(Default)]
struct Device {
    is_online: bool,
    /// The newest entry that it was told of.
    since: u64,
    rooms: BTreeMap<u64, Known>,
}

/// What it knows of a room of its person's.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    role: Role,
    archived: bool,
    unread: u64,
    mentions: u64,
    settings: ChatSettings,
    /// Those that came while its person was in the room.
    messages: Vec<u64>,
}

impl Device {
    fn hear(&mut self, own: u64, notice: &Notice) {
        let entry = notice.entry.id.get();
        assert!(self.since < entry, "{own} is told of {entry} twice");
        self.since = entry;
        let room = match notice.members {
            Members::Room(room) => self.rooms.get_mut(&room.get()),
            Members::Pair(_) | Members::Own(_) => None,
        };
        match (&notice.entry.act, room) {
            (Act::Sent { extras, .. }, Some(known)) => {
                known.messages.push(entry);
                let is_own = notice.entry.author == Some(user(own));
                let names = |it: &Extras| it.mention_all || it.mentions.contains(&user(own));
                let is_named = extras.as_deref().is_some_and(names);
                known.unread += u64::from(!is_own);
                known.mentions += u64::from(!is_own && is_named);
            }
            (Act::RoomChanged { room, .. }, Some(known)) => {
                known.archived = room.archived_at.is_some();
            }
            (Act::MemberChanged(change), _) if change.user == user(own) => {
                let number = change.room.get();
                match change.change {
                    MembershipChange::Joined => {
                        let room = notice.room.as_ref().unwrap();
                        let known = Known {
                            role: change.role,
                            archived: room.archived_at.is_some(),
                            unread: 0,
                            mentions: 0,
                            settings: ChatSettings::default(),
                            messages: Vec::new(),
                        };
                        assert!(self.rooms.insert(number, known).is_none());
                    }
                    MembershipChange::Role => {
                        self.rooms.get_mut(&number).unwrap().role = change.role;
                    }
                    MembershipChange::Left | MembershipChange::Removed => {
                        assert!(self.rooms.remove(&number).is_some());
                    }
                }
            }
            (Act::RoomRead(read), _) => {
                let known = self.rooms.get_mut(&read.room.get()).unwrap();
                (known.unread, known.mentions) = (read.unread_count, read.mention_count);
            }
            (
                Act::Settings {
                    chat: ChatId::Room(room),
                    settings,
                    ..
                },
                _,
            ) => self.rooms.get_mut(&room.get()).unwrap().settings = *settings,
            _ => {}
        }
    }
}

/// How often what was done.
#[derive(Debug, Default)]
struct Figures {
    steps: u64,
    entries: u64,
    restarts: u64,
    kills: u64,
    power_cuts: u64,
    /// While the store was being opened after one.
    further_cuts: u64,
    /// Changes that were left in doubt by them: those that were there, and those that were not.
    in_doubt: [u64; 2],
    /// Times that devices came back, what they were told by that, and how often one was compared.
    came_back: u64,
    caught_up: u64,
    compared: u64,
}

struct Model {
    open: Option<Open>,
    disk: Arc<Disk>,
    folder: tempfile::TempDir,
    rooms: BTreeMap<u64, Plain>,
    /// What each person heard: of each entry its id, and what was told.
    heard: BTreeMap<u64, Vec<(u64, String)>>,
    devices: BTreeMap<u64, Device>,
    done: BTreeMap<&'static str, [u64; 2]>,
    last: u64,
    /// What happens to the disk, and to the devices.
    chance: StdRng,
    figures: Figures,
}

fn room(number: u64) -> RoomId {
    RoomId::new(number).unwrap()
}

/// What a notice says, but for what rooms are called: who catches up is told that as it is by now.
fn told(notice: &Notice) -> String {
    let plain = |room: &Room| Room {
        name: "".into(),
        topic: "".into(),
        avatar: None,
        ..room.clone()
    };
    let act = match &notice.entry.act {
        Act::RoomChanged { change, room } => Act::RoomChanged {
            change: *change,
            room: plain(room).into(),
        },
        act => act.clone(),
    };
    let room = notice.room.as_deref().map(plain);
    let (stream, author) = (notice.entry.stream, notice.entry.author);
    format!("{stream:?} {author:?} {act:?} {room:?}")
}

fn open_on(disk: &Arc<Disk>) -> Result<Open, OpenError> {
    Open::with(|done| Store::open_on(disk.medium(), OPTIONS, done))
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut model = Self {
            open: None,
            disk: Disk::with(Vec::new()),
            folder: tempfile::tempdir().unwrap(),
            rooms: BTreeMap::new(),
            heard: BTreeMap::new(),
            devices: (1..=PEOPLE).map(|own| (own, Device::default())).collect(),
            done: BTreeMap::new(),
            last: 0,
            chance: StdRng::seed_from_u64(!seed),
            figures: Figures::default(),
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
        self.open = open_on(&self.disk).ok();
        self.figures.restarts += 1;
        if self.open.is_none() {
            // It was to be killed, and that came with the restart.
            self.kill();
        }
    }

    /// Kills the process or cuts the power, and opens what that left; the devices lose their
    /// connections.
    fn kill(&mut self) {
        self.disk.0.lock().die();
        if let Some(open) = self.open.take() {
            open.close();
        }
        let is_cut = self.chance.random_bool(0.5);
        let mut left = match is_cut {
            true => self.disk.0.lock().cut(&mut self.chance),
            false => self.disk.0.lock().written(),
        };
        self.figures.kills += u64::from(!is_cut);
        self.figures.power_cuts += u64::from(is_cut);
        while is_cut && self.chance.random_bool(0.3) {
            let disk = Disk::dying_after(self.chance.random_range(0..60), left);
            if let Ok(open) = open_on(&disk) {
                open.close();
            }
            left = disk.0.lock().cut(&mut self.chance);
            self.figures.further_cuts += 1;
        }
        self.disk = Disk::with(left);
        self.open = Some(open_on(&self.disk).unwrap());
        for device in self.devices.values_mut() {
            device.is_online = false;
        }
    }

    /// Restarts the store, or kills it: now, or in the midst of what comes next.
    fn disturb(&mut self) {
        match self.chance.random_range(0..4) {
            0 => self.restart(),
            1 => {
                self.kill();
                assert_eq!(self.open().store.last_entry(), self.last);
            }
            _ => {
                let operations = self.chance.random_range(0..40);
                self.disk.die_after(operations);
            }
        }
    }

    /// Returns what the log has that the model knows nothing of, as people are told of it.
    fn found(&self) -> Vec<Notice> {
        let mut found = BTreeMap::new();
        for person in 1..=PEOPLE {
            let missed = self.read(|snapshot| {
                snapshot.missed_of_all(user(person), self.last + 1, MAX_MISSED, MAX_MISSED)
            });
            let rows = missed.unwrap().page.unwrap().rows.into_iter();
            found.extend(rows.map(|notice| (notice.entry.id.get(), notice)));
        }
        found.into_values().collect()
    }

    /// Has a device go offline, or come back and catch up.
    fn turn_device(&mut self, own: u64) {
        if let Some(device) = self.devices.get_mut(&own).filter(|it| it.is_online) {
            device.is_online = false;
            return;
        }
        loop {
            let device = &self.devices[&own];
            let missed = self.read(|snapshot| {
                snapshot.missed_of_all(user(own), device.since + 1, 7, MAX_MISSED)
            });
            let missed = missed.unwrap();
            assert!(missed.skipped.is_empty());
            let page = missed.page.unwrap();
            let device = self.devices.get_mut(&own).unwrap();
            page.rows.iter().for_each(|notice| device.hear(own, notice));
            self.figures.caught_up += page.rows.len() as u64;
            if !page.has_more {
                device.is_online = true;
                break;
            }
        }
        self.figures.came_back += 1;
    }

    /// What a device that was told everything knows of a room that its person is in. How the room
    /// makes itself heard the model does not know.
    fn known(&self, number: u64, own: u64, settings: ChatSettings) -> Option<Known> {
        let plain = &self.rooms[&number];
        let member = plain.members.get(&own)?;
        let (unread, mentions) = plain.unread(own);
        let messages = plain.messages.iter().map(|(message, ..)| *message);
        Some(Known {
            role: member.role,
            archived: plain.archived,
            unread,
            mentions,
            settings,
            messages: messages.filter(|it| *it > member.since).collect(),
        })
    }

    /// Every device that is online knows of this room what is so.
    fn assert_devices(&mut self, number: u64) {
        for (own, device) in self.devices.iter().filter(|(_, device)| device.is_online) {
            let known = device.rooms.get(&number);
            let settings = known.map_or_else(ChatSettings::default, |known| known.settings);
            let right = self.known(number, *own, settings);
            assert_eq!(known, right.as_ref(), "{own} in room {number}");
            self.figures.compared += 1;
        }
    }

    /// All devices come back, and know everything.
    fn assert_all_devices(&mut self) {
        for own in 1..=PEOPLE {
            if !self.devices[&own].is_online {
                self.turn_device(own);
            }
            for number in self.devices[&own].rooms.keys() {
                let chat = ChatId::Room(room(*number));
                let settings = self.read(|snapshot| snapshot.settings(user(own), chat));
                let known = self.devices[&own].rooms[number].settings;
                assert_eq!(settings.unwrap().0, known, "{own} in room {number}");
            }
        }
        for number in 1..=self.rooms.len() as u64 {
            self.assert_devices(number);
        }
    }

    fn read<R>(&self, query: impl FnOnce(&Snapshot<'_>) -> R) -> R {
        query(&Snapshot::new(&self.open().store.intake.data))
    }

    /// Applies a change; tells who hears of what it came to, while `members` are those of its room
    /// after each entry.
    fn apply(&mut self, what: &'static str, change: Change, right: bool) -> Vec<Notice> {
        let now = self.last + 1;
        let result = self.open().apply(now, change.clone());
        if let Err(StoreError::Unavailable) = result {
            self.kill();
            let is_there = self.open().store.last_entry() > self.last;
            self.figures.in_doubt[usize::from(!is_there)] += 1;
            if !is_there {
                return self.apply(what, change, right);
            }
            assert!(right, "{what}: {change:?} was to be refused");
            return self.found();
        }
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
        self.figures.entries += 1;
        for hearer in hearers {
            let heard = self.heard.entry(hearer).or_default();
            heard.push((entry, told(notice)));
            let device = self.devices.get_mut(&hearer).filter(|it| it.is_online);
            device.into_iter().for_each(|it| it.hear(hearer, notice));
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
            position: room.messages.len(),
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
            let member = plain.members.get_mut(&by).unwrap();
            member.read.extend(1..=covered);
            assert_eq!(notices.len(), usize::from(covered > member.position));
            member.position = member.position.max(covered);
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
        let is_last = before == Some(Role::Owner) && plain.owners() == 1;
        let may_change = !plain.archived && !is_last;
        let right = own.is_some_and(|own| own >= Role::Admin)
            && (before == Some(role) || may_change && (own == Some(Role::Owner) || !touches_owner));
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
            94..97 => self.mute(random, number, by),
            _ => self.disturb(),
        }
        self.assert_counts(number);
        self.assert_devices(number);
        let own = self.chance.random_range(1..=PEOPLE);
        if self.chance.random_bool(0.2) {
            self.turn_device(own);
        }
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

    /// A file of what the closed store has on its disk is sound. What is exported of it is imported
    /// as it was, and a server that opens that goes on.
    fn assert_exported_and_imported(&mut self, random: &mut StdRng) {
        let path = self.folder.path().join("chatd.redb");
        std::fs::write(&path, self.disk.0.lock().safe()).unwrap();
        let report = check(&path, &mut |_| {}).unwrap();
        assert!(report.is_sound(), "{:?}", report.findings);
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
        self.disk = Disk::with(std::fs::read(&path).unwrap());
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

#[expect(clippy::print_stderr, reason = "figures, for who wants to see them")]
fn print(figures: &impl std::fmt::Debug) {
    eprintln!("{figures:?}");
}

#[test]
fn fifty_people_in_twenty_rooms_have_what_a_plain_model_says_at_every_step() {
    let mut sums: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut model = Model::new(seed);
        for step in 0..1_500 {
            model.figures.steps += 1;
            model.step(&mut random);
            if step % 150 == 149 {
                model.assert_right(&mut random);
                model.assert_all_devices();
            }
        }
        model.kill();
        model.restart();
        model.assert_right(&mut random);
        model.assert_all_devices();
        model.open.take().unwrap().close();
        model.assert_exported_and_imported(&mut random);
        print(&model.figures);
        let Figures {
            kills,
            power_cuts,
            in_doubt,
            caught_up,
            ..
        } = model.figures;
        assert!(kills > 5 && power_cuts > 5 && caught_up > 1_000);
        assert!(in_doubt[1] > 3);
        for (what, [refused, done]) in model.done {
            let sum = sums.entry(what).or_default();
            (sum[0], sum[1]) = (sum[0] + refused, sum[1] + done);
        }
    }
    print(&sums);
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

/// Every room was looked at, each time, while all that writes waited.
#[test]
fn open_rooms_are_found_page_by_page_and_no_page_looks_at_more_than_ten_thousand() {
    const OWNERS: u64 = 24;
    const EACH: u64 = 450;
    let disk = Disk::with(Vec::new());
    let open = open_on(&disk).unwrap().with_users(OWNERS + 1);
    let by = |owner: u64, what| {
        let by = Some(user(owner));
        Change::Room(RoomAct { by, what })
    };
    let owner_of = |number: u64| 1 + (number - 1) / EACH;
    let create = |number: u64| {
        let new = NewRoom {
            name: if number % 1_000 == 7 {
                "Näedle".into()
            } else {
                "Hay".into()
            },
            topic: "".into(),
            avatar: None,
            kind: if number.is_multiple_of(50) {
                RoomKind::Closed
            } else {
                RoomKind::Open
            },
            history: RoomHistory::All,
            post: RoomPost::All,
        };
        let (members, most) = (Vec::new(), 100);
        by(
            owner_of(number),
            RoomCommand::Create {
                room: new,
                members,
                most,
            },
        )
    };
    let made = open.apply_all(0, (1..=OWNERS * EACH).map(create));
    assert!(made.iter().all(Result::is_ok));
    let change = |number: u64, update: RoomUpdate| {
        let room = room(number);
        let what = RoomCommand::Update { room, update };
        open.apply(0, by(owner_of(number), what)).unwrap();
    };
    let (name, kind) = (Some("Needle, too: nÄedle".into()), Some(RoomKind::Closed));
    change(
        5,
        RoomUpdate {
            name,
            ..RoomUpdate::default()
        },
    );
    change(
        1_007,
        RoomUpdate {
            kind,
            ..RoomUpdate::default()
        },
    );
    let archive = RoomCommand::Archive { room: room(2_007) };
    open.apply(0, by(owner_of(2_007), archive)).unwrap();
    let join = RoomCommand::Join {
        room: room(3_007),
        most: 100,
    };
    open.apply(0, by(OWNERS + 1, join)).unwrap();

    let pages = |open: &Open, query: &str, limit| {
        let (mut ids, mut pages, mut after) = (Vec::new(), 0, 0);
        loop {
            let snapshot = Snapshot::new(&open.store.intake.data);
            let page = snapshot.open_rooms(user(OWNERS + 1), query, after, limit);
            assert!(page.rows.len() <= limit && page.looked_at <= 10_000);
            ids.extend(page.rows.iter().map(|row| row.id.get()));
            pages += 1;
            match page.next_after {
                Some(next) => after = next,
                None => return (ids, pages),
            }
        }
    };
    let needles = [5, 7, 4_007, 5_007, 6_007, 7_007, 8_007, 9_007, 10_007];
    let open_to_join = (1..=OWNERS * EACH)
        .filter(|number| number % 50 != 0 && ![1_007, 2_007, 3_007].contains(number));
    let hay: Vec<u64> = open_to_join.collect();
    let holds = |open: &Open| {
        assert_eq!(pages(open, "näedle", 200), (needles.to_vec(), 2));
        assert_eq!(pages(open, "NÄEDLE", 4), (needles.to_vec(), 3));
        assert_eq!(pages(open, "no such", 200), (vec![], 2));
        assert_eq!(pages(open, "", 200), (hay.clone(), hay.len().div_ceil(200)));
    };
    holds(&open);
    open.close();
    let open = open_on(&disk).unwrap();
    holds(&open);
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

/// The rooms that somebody left first stayed theirs on a device that caught up.
#[test]
fn who_missed_that_they_left_more_rooms_than_are_known_reads_afresh() {
    let open = Open::memory().with_users(2);
    let act = |by: u64, what: RoomCommand| {
        let by = Some(user(by));
        open.apply(0, Change::Room(RoomAct { by, what })).unwrap();
    };
    for _ in 0..66 {
        let (room, members, most) = (super::fixture::ops(), vec![user(2)], 100);
        let what = RoomCommand::Create {
            room,
            members,
            most,
        };
        act(1, what);
    }
    // Each room brought three entries, and each is left by one more.
    let missed = |from| {
        let missed = open.read(|snapshot| snapshot.missed_of_all(user(2), from, 1_000, 1_000));
        missed.page.map(|page| page.rows.len())
    };
    for number in 1..=66 {
        act(2, RoomCommand::Leave { room: room(number) });
        let left = (number < 64).then_some(number as usize);
        assert_eq!(missed(199), left, "after {number}");
    }
    assert_eq!(missed(202), Some(63), "those that are known");
    // To leave one again succeeds, known or not.
    for number in [1, 66] {
        act(2, RoomCommand::Leave { room: room(number) });
    }
    open.close();
}
