//! Who is to be told of a message by other means than a socket.

use super::snapshot::Snapshot;
use crate::model::{Act, ChatSettings, Members, Notice, Notify, Timestamp, UserId};

/// In rooms of more members only those are told whom a message mentions: no crowd is
/// to be gone through for each one.
const CROWD: u64 = 1_000;

/// How a message concerns a person.
fn is_told(settings: ChatSettings, members: u64, is_mentioned: bool, now: Timestamp) -> bool {
    let is_muted = settings.muted_until.is_some_and(|until| now < until);
    let wanted = match settings.notify_in(members) {
        Notify::All => true,
        Notify::Mentions => is_mentioned,
        Notify::None => false,
    };
    wanted && !is_muted
}

impl Snapshot<'_> {
    /// Returns whom a message concerns as they have set it, its sender left out: the receiver, or
    /// the members of the room. None where the entry is no message.
    pub fn notified(&self, notice: &Notice, now: Timestamp) -> Vec<UserId> {
        let (Act::Sent { extras, .. }, Some(author)) = (&notice.entry.act, notice.entry.author)
        else {
            return Vec::new();
        };
        let state = self.state();
        let is_awake = |user: &UserId| {
            let user = state.people.directory.get(*user);
            user.is_some_and(|user| !user.disabled && !user.is_bot)
        };
        match notice.members {
            Members::Own(_) => Vec::new(),
            Members::Pair(pair) => {
                let other = pair.other(author).filter(is_awake);
                let told = other.filter(|other| {
                    // What is written to a person concerns them as much as a mention does.
                    is_told(state.rooms.settings(*other, author), 2, true, now)
                });
                told.into_iter().collect()
            }
            Members::Room(room) => {
                let Some(head) = state.rooms.head(room) else {
                    return Vec::new();
                };
                let extras = extras.as_deref();
                let mentions = extras.map_or(&[][..], |extras| &extras.mentions);
                let all = extras.is_some_and(|extras| extras.mention_all);
                let is_told = |(user, settings): (UserId, ChatSettings)| {
                    let is_mentioned = all || mentions.contains(&user);
                    let told = is_told(settings, head.members, is_mentioned, now);
                    (told && user != author && is_awake(&user)).then_some(user)
                };
                if head.members > CROWD && !all {
                    let mentioned = mentions.iter().filter_map(|user| {
                        let member = state.rooms.member(room, *user)?;
                        Some((*user, member.settings))
                    });
                    return mentioned.filter_map(is_told).collect();
                }
                let members = state.rooms.members_after(room, 0);
                let members = members.map(|(user, member)| (user, member.settings));
                members.filter_map(is_told).collect()
            }
        }
    }
}
